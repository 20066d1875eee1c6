"""Visit windows over arrays of participants x visits: no loop over participants, no clock.

For each participant-visit, from the anchor date ``A`` and the planned offset::

    target      T = A + days  |  A + calendar months, the day clipped to the month's end
    opens       O = T - early                 (inclusive)
    closes      C = T + late                  (inclusive)
    hard close  H = min(configured, next visit's O - 1); none for the last visit unless configured

Windows are inclusive at both ends (ADaM AWLO and AWHI, REDCap) and never move for a weekend or
a holiday. Where these rules leave room:

* The *next visit* of a hard close is the next applicable one in schedule order that has a window:
  a visit not yet scheduled cannot close the one before it.
* An anchor on an earlier visit is that visit's actual date. Where it has none, it is NaT (not
  scheduled), except that a visit recorded as missed may lend its planned target if the study
  file says so (HL7 Schedule of Activities leaves this to the protocol). A visit that is merely
  late, skipped, or complete without a date lends nothing.
* A completion date after today counts as absent, also as an anchor.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from redcap_jobs.jobs.month_arithmetic import Dates, Spans, add_months

Marks: TypeAlias = npt.NDArray[np.bool_]

ONE_DAY = np.timedelta64(1, "D")


@dataclass(frozen=True)
class AnchorVisit:
    """An anchor on another visit's actual date: that visit's position in the schedule."""

    position: int
    planned_if_missed: bool
    """Whether its planned target stands in when it was recorded as missed."""


@dataclass(frozen=True)
class Schedule:
    """What is planned, per participant (rows) and visit (columns, in schedule order).

    Arrays may have one row where all participants share a schedule. NaT in ``months`` and
    ``days`` both, or in ``early`` or ``late``: it is not known which window applies.
    """

    visits: tuple[str, ...]
    applicable: Marks
    """Whether this visit is in this participant's schedule at all."""
    months: Spans
    """``timedelta64[M]``; NaT where the target is planned in days."""
    days: Spans
    """``timedelta64[D]``; NaT where the target is planned in months."""
    early: Spans
    late: Spans
    limit_after_close: Spans
    """Configured hard close, ``timedelta64[D]`` after the window's close; NaT for none."""
    limit_days: Spans
    """Configured hard close, ``timedelta64[D]`` after the anchor; NaT for none."""
    limit_months: Spans
    """Configured hard close, ``timedelta64[M]`` after the anchor; NaT for none."""
    anchor_visits: tuple[AnchorVisit | None, ...]
    """Per visit; None where the anchor is a date of the participant (``Facts.anchor``)."""


@dataclass(frozen=True)
class Facts:
    """What is known, per participant (rows) and visit (columns); dates as ``datetime64[D]``."""

    anchor: Dates
    """Anchor dates in the site's zone; NaT for a visit anchored on another visit."""
    done: Dates
    """Completion dates as recorded, future ones included."""
    form_complete: Marks
    missed: Marks
    """Recorded as missed by a person."""
    skipped: Marks
    """Skipped per protocol."""
    off_study: Dates
    """Per participant, one dimension."""
    off_study_undated: Marks
    """Per participant: said to be off study, and no date says since when."""
    today: Dates
    """Per participant, one dimension: the date in the participant's site at the run's instant."""


@dataclass(frozen=True)
class Windows:
    """The dates of each participant-visit, ``datetime64[D]``; NaT where there is no window.

    ``due`` marks visits in the schedule and not skipped; ``done`` is the completion date that
    counts (today or earlier).
    """

    due: Marks
    anchor: Dates
    done: Dates
    target: Dates
    opens: Dates
    closes: Dates
    hard_close: Dates


def windows(schedule: Schedule, facts: Facts) -> Windows:
    """Give every window. Raises ValueError if visits are anchored on each other in a circle."""
    due = schedule.applicable & ~facts.skipped
    done = np.where(facts.done <= facts.today[:, None], facts.done, np.datetime64("NaT", "D"))
    anchor = _anchors(schedule, facts, done, due)
    target = _planned(anchor, schedule.months, schedule.days)
    opens = target - schedule.early
    closes = target + schedule.late
    scheduled = due & ~np.isnat(opens) & ~np.isnat(closes)
    no_date = np.datetime64("NaT", "D")
    target, opens, closes = (
        np.where(scheduled, dates, no_date) for dates in (target, opens, closes)
    )
    configured = np.fmin(
        closes + schedule.limit_after_close,
        _planned(anchor, schedule.limit_months, schedule.limit_days),
    )
    limit = np.fmin(configured, _day_before_next_opens(opens))
    hard_close = np.where(scheduled, limit, no_date)
    return Windows(due, anchor, done, target, opens, closes, hard_close)


def _planned(anchor: Dates, months: Spans, days: Spans) -> Dates:
    """Give anchor + months or anchor + days, whichever is planned."""
    planned: Dates = np.fmin(add_months(anchor, months), anchor + days)
    return planned


def _anchors(schedule: Schedule, facts: Facts, done: Dates, due: Marks) -> Dates:
    """Give each visit's anchor, those on other visits filled in from the visits they wait for."""
    anchor = facts.anchor.copy()
    months, days = (np.broadcast_to(span, done.shape) for span in (schedule.months, schedule.days))
    for visit in _anchors_first(schedule.anchor_visits):
        source = schedule.anchor_visits[visit]
        if source is None:
            continue
        at = source.position
        actual = np.where(due[:, at], done[:, at], np.datetime64("NaT", "D"))
        if source.planned_if_missed:
            recorded_missed = due[:, at] & facts.missed[:, at] & ~facts.form_complete[:, at]
            planned = _planned(anchor[:, at], months[:, at], days[:, at])
            actual = np.where(np.isnat(actual) & recorded_missed, planned, actual)
        anchor[:, visit] = actual
    return anchor


def _anchors_first(anchor_visits: tuple[AnchorVisit | None, ...]) -> list[int]:
    """Give the visits' positions so that each comes after the visit it is anchored on."""
    order: list[int] = []
    waiting = list(range(len(anchor_visits)))
    while waiting:
        ready = [
            visit
            for visit in waiting
            if (source := anchor_visits[visit]) is None or source.position in order
        ]
        if not ready:
            raise ValueError(f"visits at {waiting} are anchored on each other")
        order += ready
        waiting = [visit for visit in waiting if visit not in ready]
    return order


def _day_before_next_opens(opens: Dates) -> Dates:
    """Give per visit the day before the next window opens; NaT where none follows."""
    limit = np.full_like(opens, np.datetime64("NaT", "D"))
    for visit in range(opens.shape[1] - 2, -1, -1):
        following = opens[:, visit + 1] - ONE_DAY
        limit[:, visit] = np.where(np.isnat(following), limit[:, visit + 1], following)
    return limit
