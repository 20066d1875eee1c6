"""What is said beside a visit's state: sub-flags, remarks and errors, never hidden by the state.

Each flag is one bit, so that all flags of a participant-visit are one number and the words for it
are looked up once per distinct number.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from redcap_jobs.jobs.month_arithmetic import Dates
from redcap_jobs.jobs.visit_states import STATES, Classified, windows_of_dates
from redcap_jobs.jobs.visit_windows import Facts, Marks, Windows

SUB_FLAGS = ("opens_soon", "past_target", "closing_soon")
"""Refine ``upcoming`` and ``open``."""

REMARKS = (
    "off_study",
    "off_study_undated",
    "missed_and_complete",
    "between_windows",
    "in_other_window",
    "not_nearest_to_target",
)
"""Worth knowing beside the state. ``off_study``: off study, though no anchor lets the state say so;
``off_study_undated``: said to be off study without a date that would let it;
``missed_and_complete``: ``completed_undated`` by its form, though recorded as missed. The date
lies in no window (an unscheduled visit), or in another visit's; of several dates in one window it
is not the one nearest to the target (of two equally near the later counts, as in the CDISC pilot).
"""

ERRORS = (
    "done_in_future",
    "done_before_anchor",
    "done_after_off_study",
    "anchor_in_future",
    "done_and_missed",
    "done_not_applicable",
    "windows_overlap",
)
"""Data that cannot all be right."""

FLAGS = SUB_FLAGS + REMARKS + ERRORS

BY_DATE = ("not_scheduled", "upcoming", "open", "overdue", "missed")
"""The states that an off-study date could have changed."""

FlagBits = npt.NDArray[np.int32]
"""Participants x visits; bit i is set where ``FLAGS[i]`` holds."""


def flags(
    found: Classified, facts: Facts, *, opens_soon_days: int, closing_soon_days: int
) -> FlagBits:
    """Give the flags of all participant-visits; the two spans are in days, both inclusive."""
    bits = np.zeros(found.state.shape, dtype=np.int32)
    soon = np.timedelta64(opens_soon_days, "D")
    closing = np.timedelta64(closing_soon_days, "D")
    for part in (
        _sub_flags(found, facts, soon, closing),
        _remarks(found, facts),
        _errors(found.windows, facts),
    ):
        for name, holds in part:
            bits |= np.where(holds, np.int32(1 << FLAGS.index(name)), np.int32(0))
    return bits


def words(bits: int) -> tuple[str, ...]:
    """Give the names of the flags in one number, in the order of :data:`FLAGS`."""
    return tuple(name for place, name in enumerate(FLAGS) if bits >> place & 1)


def _sub_flags(
    found: Classified, facts: Facts, soon: np.timedelta64, closing: np.timedelta64
) -> Iterator[tuple[str, Marks]]:
    today = facts.today[:, None]
    is_open = found.state == STATES.index("open")
    upcoming = found.state == STATES.index("upcoming")
    yield "opens_soon", upcoming & (found.windows.opens - today <= soon)
    yield "past_target", is_open & (today > found.windows.target)
    yield "closing_soon", is_open & (found.windows.closes - today <= closing)


def _remarks(found: Classified, facts: Facts) -> Iterator[tuple[str, Marks]]:
    left = facts.off_study <= facts.today
    not_scheduled = found.state == STATES.index("not_scheduled")
    yield "off_study", not_scheduled & left[:, None]
    undecided = np.isin(found.state, [STATES.index(name) for name in BY_DATE])
    yield "off_study_undated", undecided & (facts.off_study_undated & ~left)[:, None]
    undated = found.state == STATES.index("completed_undated")
    yield "missed_and_complete", undated & facts.missed
    dates = np.where(found.windows.due, found.windows.done, np.datetime64("NaT", "D"))
    in_other, in_any = windows_of_dates(dates, found.windows)
    has_window = ~np.isnat(found.windows.target) & ~np.isnat(dates)
    yield "between_windows", has_window & ~in_any
    yield "in_other_window", in_other
    yield "not_nearest_to_target", _not_nearest(dates, found.windows)


def _not_nearest(dates: Dates, found: Windows) -> Marks:
    """Mark dates that share a window with one nearer to its target, or as near and later."""
    marks = np.zeros(dates.shape, dtype=bool)
    for window in range(dates.shape[1]):
        opens, closes = found.opens[:, [window]], found.closes[:, [window]]
        target = found.target[:, [window]]
        inside = np.where((opens <= dates) & (dates <= closes), dates, np.datetime64("NaT", "D"))
        distance = np.abs(inside - target)
        nearest = np.fmin.reduce(distance, axis=1, keepdims=True)
        at_nearest = np.where(distance == nearest, inside, np.datetime64("NaT", "D"))
        counts = np.fmax.reduce(at_nearest, axis=1, keepdims=True)
        marks |= ~np.isnat(inside) & (inside != counts)
    return marks


def _errors(found: Windows, facts: Facts) -> Iterator[tuple[str, Marks]]:
    today, off_study = facts.today[:, None], facts.off_study[:, None]
    yield "done_in_future", facts.done > today
    yield "done_before_anchor", found.due & (found.done < found.anchor)
    yield "done_after_off_study", found.due & (found.done > off_study)
    yield "anchor_in_future", found.due & (facts.anchor > today)
    yield "done_and_missed", found.due & ~np.isnat(found.done) & facts.missed
    yield "done_not_applicable", ~found.due & ~np.isnat(found.done)
    yield "windows_overlap", overlaps(found)


def overlaps(found: Windows) -> Marks:
    """Mark both of any two windows of one participant that share a day."""
    marks: Marks = np.zeros(found.opens.shape, dtype=bool)
    for visit in range(1, marks.shape[1]):
        earlier = slice(0, visit)
        both = (found.opens[:, earlier] <= found.closes[:, [visit]]) & (
            found.opens[:, [visit]] <= found.closes[:, earlier]
        )
        marks[:, earlier] |= both
        marks[:, visit] |= both.any(axis=1)
    return marks
