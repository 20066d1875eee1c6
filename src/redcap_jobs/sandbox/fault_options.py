"""``--fault NAME=RATE`` on the command line, and what any fault that is switched on must hit."""

from __future__ import annotations

from typing import Any

from redcap_jobs.errors import UsageError
from redcap_jobs.sandbox.faults import BAN, FAULTS, FaultRule
from redcap_jobs.sandbox.partner_faults import PARTNER_FAULTS
from redcap_jobs.sandbox.twilio_faults import TWILIO_FAULTS

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
        rule = FaultRule(name, requests=int(rate), **given)
    elif rate.endswith("%"):
        rule = FaultRule(name, number(text, rate[:-1]) / 100, **given)
    else:
        rule = FaultRule(name, number(text, rate), **given)
    refuse_what_hits_nothing(rule)
    return rule


def refuse_what_hits_nothing(rule: FaultRule) -> None:
    """Refuse a fault of REDCap's that is confined to calls which do not exist.

    It would strike nothing, and a test that relies on it would pass.

    Raises:
        UsageError: No call has that content, that action, or both; it names those there are.

    """
    from redcap_jobs.sandbox.calls import CALLS, CONTENTS

    if rule.name in {*TWILIO_FAULTS, *PARTNER_FAULTS}:
        return
    if rule.content and rule.content not in CONTENTS:
        known = ", ".join(sorted(CONTENTS))
        raise UsageError(f"fault {rule.name}: no content {rule.content!r}; there are {known}")
    actions = {action for content, action in CALLS if rule.content in ("", content)}
    if rule.action and rule.action not in actions:
        of = f" of {rule.content}" if rule.content else ""
        known = ", ".join(sorted(actions))
        raise UsageError(f"fault {rule.name}: no action {rule.action!r}{of}; there are {known}")


def number(text: str, digits: str) -> float:
    """Return a number of an option; UsageError if it is none."""
    try:
        return float(digits)
    except ValueError:
        raise UsageError(f"--fault {text}: {digits!r} is no number; {FORM}") from None
