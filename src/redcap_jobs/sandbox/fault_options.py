"""``--fault NAME=RATE`` on the command line."""

from __future__ import annotations

from typing import Any

from redcap_jobs.errors import UsageError
from redcap_jobs.sandbox.faults import BAN, FAULTS, FaultRule

FORM = "write NAME=RATE, e.g. 504=0.1 or slow=20%,seconds=3, or ban=600"
MORE = ("after", "seconds", "content", "action")


def fault_of(text: str) -> FaultRule:
    """Return the fault that ``NAME=RATE[,after][,seconds=S][,content=C][,action=A]`` describes.

    A rate is a share of the calls (``0.1``) or a percentage (``10%``); of ``ban`` it is the number
    of requests that an address may send within a minute.

    Raises:
        UsageError: It cannot be read, or makes no sense.

    """
    first, *more = text.split(",")
    name, equals, rate = (part.strip() for part in first.partition("="))
    if name not in FAULTS:
        raise UsageError(f"--fault {text}: no fault {name!r}; there are {', '.join(FAULTS)}")
    if not equals:
        raise UsageError(f"--fault {text}: {FORM}")
    given: dict[str, Any] = {}
    for part in more:
        key, _, value = (word.strip() for word in part.partition("="))
        if key not in MORE or (key == "after") == bool(value):
            raise UsageError(f"--fault {text}: no {part!r}; there are {', '.join(MORE)}=...")
        given[key] = True if key == "after" else number(text, value) if key == "seconds" else value
    if name == BAN:
        if not rate.isdecimal():
            raise UsageError(f"--fault {text}: requests a minute are a whole number, e.g. ban=600")
        return FaultRule(name, requests=int(rate), **given)
    if rate.endswith("%"):
        return FaultRule(name, number(text, rate[:-1]) / 100, **given)
    return FaultRule(name, number(text, rate), **given)


def number(text: str, digits: str) -> float:
    """Return a number of an option; UsageError if it is none."""
    try:
        return float(digits)
    except ValueError:
        raise UsageError(f"--fault {text}: {digits!r} is no number; {FORM}") from None
