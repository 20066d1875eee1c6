"""``dateRangeBegin`` and ``dateRangeEnd``: records created or changed between two server times."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from redcap_jobs.sandbox.parameters import Parameters, Refusal
from redcap_jobs.sandbox.store import Record


def in_date_range(parameters: Parameters) -> Callable[[Record], bool]:
    """Return the test for a record; both ends count, a missing one is open.

    Raises:
        Refusal: An end is not ``YYYY-MM-DD HH:MM:SS``; the words are this sandbox's own.

    """
    begin = server_time(parameters, "dateRangeBegin")
    end = server_time(parameters, "dateRangeEnd")
    if begin is None and end is None:
        return lambda _: True
    first, last = begin or datetime.min, end or datetime.max  # noqa: DTZ901 - the server's own time
    return lambda record: any(first <= touched <= last for touched in record.touched)


def server_time(parameters: Parameters, name: str) -> datetime | None:
    """Return a parameter as a time of the server's clock, None where it is not given."""
    text = parameters.text(name)
    if not text:
        return None
    try:
        return datetime.strptime(text, "%Y-%m-%d %H:%M:%S")  # noqa: DTZ007 - the server's own time
    except ValueError:
        raise Refusal(
            400, f'The value of the parameter "{name}" must be in YYYY-MM-DD HH:MM:SS format'
        ) from None
