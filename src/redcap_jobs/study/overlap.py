"""Whether two visits' windows overlap for every possible anchor date: exact, over a whole cycle.

Calendar months differ in length, so a gap of "two months" is 59 to 62 days. The calendar repeats
after four years (1901 to 2099), so 1461 anchor dates in a row show every gap there is.
"""

from __future__ import annotations

import calendar
from datetime import date, timedelta
from functools import lru_cache
from itertools import product

from redcap_jobs.redcap.records import EventPlace
from redcap_jobs.study.config import Offset, Visit, Window

CYCLE = [date(2000, 1, 1) + timedelta(days=day) for day in range(1461)]


def target_date(anchor: date, offset: Offset) -> date:
    """Add an offset to an anchor date; months clip the day to the month's end."""
    if offset.days is not None:
        return anchor + timedelta(days=offset.days)
    year, month = divmod(anchor.year * 12 + anchor.month - 1 + (offset.months or 0), 12)
    return date(year, month + 1, min(anchor.day, calendar.monthrange(year, month + 1)[1]))


@lru_cache(maxsize=1024)
def gaps(first: Offset, second: Offset) -> tuple[int, int]:
    """Return the least and the greatest number of days from one target to the other."""
    days = [(target_date(day, second) - target_date(day, first)).days for day in CYCLE]
    return min(days), max(days)


Variant = tuple[Offset, Window]


def variants(visit: Visit) -> list[Variant]:
    """Return a visit's targets with their widths; none where REDCap or nobody gives them."""
    found = []
    for window in visit.windows:
        target = window.target or visit.target
        if isinstance(target, Offset):
            found.append((target, window))
    return found if len(found) == len(visit.windows) else []


def pairs(first: Visit, second: Visit) -> list[tuple[Variant, Variant]]:
    """Return the pairs of variants that one record could have: neither arm nor site apart."""
    if arms_apart(first, second):
        return []
    return compatible(variants(first), variants(second))


def compatible(first: list[Variant], second: list[Variant]) -> list[tuple[Variant, Variant]]:
    """Return the pairs of variants that name neither different arms nor different sites."""
    return [
        (one, other)
        for one, other in product(first, second)
        if all(
            None in (mine, theirs) or mine == theirs
            for mine, theirs in (
                (one[1].arm, other[1].arm),
                (one[1].site, other[1].site),
            )
        )
    ]


def arms_apart(first: Visit, second: Visit) -> bool:
    """Tell whether no record can have both visits, by the ``_arm_N`` of their events' names."""
    both = [
        {event.rpartition("_arm_")[2].rstrip("abcdefghijklmnopqrstuvwxyz") for event in at.events}
        if isinstance(at, EventPlace)
        else set()
        for at in (first.at, second.at)
    ]
    return all(both) and both[0].isdisjoint(both[1])


def always_before(first: Visit, second: Visit) -> bool:
    """Tell whether the second visit's target lies before the first's for every record."""
    both = pairs(first, second)
    return bool(both) and all(gaps(one[0], other[0])[1] < 0 for one, other in both)


def always_overlap(first: Visit, second: Visit) -> bool:
    """Tell whether the two visits' windows have a day in common for every record."""
    both = pairs(first, second)
    return bool(both) and all(overlaps(one, other) for one, other in both)


def overlaps(first: Variant, second: Variant) -> bool:
    """Tell whether two windows, both ends inclusive, share a day whatever the anchor date."""
    least, greatest = gaps(first[0], second[0])
    return greatest <= first[1].late + second[1].early and -least <= second[1].late + first[1].early


def closes_too_soon(target: Offset, window: Window, last_day: Offset) -> bool:
    """Tell whether a hard close, counted from the anchor, always lies before the window's close."""
    return gaps(target, last_day)[1] < window.late
