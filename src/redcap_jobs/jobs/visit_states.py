"""The state of every participant-visit, and what is to be said beside it.

The states are an ordered list of rules; the first that fits is the state. ``A`` anchor, ``T``
target, ``O`` opens, ``C`` closes, ``H`` hard close, ``D`` completion date, ``F`` form complete,
``M`` recorded missed, ``W`` off-study date. The words follow eClinical practice: overdue is not
missed (ScienceTrax, Sealed Envelope), *out of window* is a possible protocol deviation whose
importance a person judges (ICH E3 Q&A 7), and not applicable is a state of its own (LORIS).

Where the rules leave room:

* ``D`` in the future counts as absent and is an error. If the form is complete all the same, the
  visit is ``completed_undated``: it was held, and nobody knows when.
* ``D`` without a window (no anchor, or no window known for this participant) is
  ``completed_unclassified``.
* A complete form without a date is ``completed_undated`` even where the visit is recorded as
  missed: rule 4 stands before rule 5. A flag says so.
* Rule 1 stands before completion: a date on a visit that is not applicable changes no state and
  is an error.
* ``W`` decides only from the day it names; off study without a date decides no state, but nobody
  off study is asked for a visit: there is no pending visit.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from redcap_jobs.jobs.month_arithmetic import Dates, Spans
from redcap_jobs.jobs.visit_windows import Facts, Marks, Schedule, Windows, windows
from redcap_jobs.study.visit_state_names import VISIT_STATES

STATES = VISIT_STATES
"""All states in the order of their rules: a participant-visit is in exactly one."""

COMPLETED = frozenset(state for state in STATES if state.startswith("completed_"))
"""The visit was held."""

CLOSED = COMPLETED | {
    "missed_recorded",
    "not_applicable_off_study",
    "missed_before_off_study",
    "off_study_in_window",
    "missed",
}
"""Time alone never leaves these: only a corrected fact or a changed definition does."""

PENDING = frozenset({"open", "overdue"})
"""Still to be done, and it can be done now."""

StateCodes = npt.NDArray[np.int8]
"""Positions in :data:`STATES`."""


@dataclass(frozen=True)
class Classified:
    """What every participant-visit comes to; arrays of participants x visits.

    ``days_from_target`` is D - T in days, negative before the target; ``deviation`` the days by
    which D lies outside the window, always positive. Both NaT where there is nothing to compare:
    the distance of today from a target would change every day and says nothing of the visit.
    """

    windows: Windows
    state: StateCodes
    days_from_target: Spans
    deviation: Spans
    pending: npt.NDArray[np.int64]
    """Per participant: the position of the first open or overdue visit, -1 for none."""


def classify(schedule: Schedule, facts: Facts) -> Classified:
    """Give windows, states, deviations and pending visits of all participants at once."""
    found = windows(schedule, facts)
    state = _states(found, facts)
    no_days = np.timedelta64("NaT", "D")
    early = state == STATES.index("completed_early")
    late = state == STATES.index("completed_late")
    deviation = np.where(
        early,
        found.opens - found.done,
        np.where(late, found.done - found.closes, no_days),
    )
    pending = pending_visits(state, facts)
    return Classified(found, state, found.done - found.target, deviation, pending)


def _states(found: Windows, facts: Facts) -> StateCodes:
    """Give the first rule that fits, for every participant-visit."""
    today, off_study = facts.today[:, None], facts.off_study[:, None]
    opens, closes, done = found.opens, found.closes, found.done
    has_date, has_window = ~np.isnat(done), ~np.isnat(found.target)
    left = off_study <= today
    rules = [
        (~found.due, "not_applicable"),
        ((opens <= done) & (done <= closes), "completed_in_window"),
        (done < opens, "completed_early"),
        (done > closes, "completed_late"),
        (facts.form_complete & ~has_date, "completed_undated"),
        (has_date & ~has_window, "completed_unclassified"),
        (facts.missed, "missed_recorded"),
        (left & (opens > off_study), "not_applicable_off_study"),
        (left & (closes < off_study), "missed_before_off_study"),
        (left & (opens <= off_study) & (off_study <= closes), "off_study_in_window"),
        (~has_window, "not_scheduled"),
        (today < opens, "upcoming"),
        ((opens <= today) & (today <= closes), "open"),
        ((closes < today) & ~(today > found.hard_close), "overdue"),
        (today > found.hard_close, "missed"),
    ]
    state = np.full(found.due.shape, -1, dtype=np.int8)
    for fits, name in reversed(rules):
        state[fits] = STATES.index(name)
    return state


def pending_visits(state: StateCodes, facts: Facts) -> npt.NDArray[np.int64]:
    """Give the first open or overdue visit in schedule order, -1 where there is none."""
    pending = np.isin(state, [STATES.index(name) for name in PENDING])
    pending &= ~facts.off_study_undated[:, None]
    first: npt.NDArray[np.int64] = pending.argmax(axis=1)
    return np.where(pending.any(axis=1), first, -1)


def windows_of_dates(dates: Dates, found: Windows) -> tuple[Marks, Marks]:
    """Give whether each completion date lies in another visit's window, and in any window.

    ``dates`` is participants x visits.
    """
    in_other = np.zeros(dates.shape, dtype=bool)
    in_any = np.zeros(dates.shape, dtype=bool)
    for window in range(dates.shape[1]):
        opens, closes = found.opens[:, [window]], found.closes[:, [window]]
        inside = (opens <= dates) & (dates <= closes)
        in_any |= inside
        inside[:, window] = False
        in_other |= inside
    return in_other, in_any
