"""What people are told of computed windows: Problems for contradictions, tables of counts.

Counting: a visit is *due* when it was held or its window has closed; not scheduled, not
applicable and upcoming visits are never due, open ones are shown apart. Completion is
done / (done + overdue + missed), where missed is missed in any of the three ways; whoever went
off study inside a window has neither missed it nor is overdue.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import pandas as pd

from redcap_jobs.jobs.visit_flags import ERRORS, FLAGS, FlagBits
from redcap_jobs.jobs.visit_states import COMPLETED, STATES, Classified, StateCodes
from redcap_jobs.jobs.visit_windows import Facts, Marks
from redcap_jobs.jobs.window_decisions import Before
from redcap_jobs.plan import Problem, Skip, Table

EXPLAINED = {
    "done_in_future": (
        "the completion date lies in the future and counts as absent until then",
        "correct it in REDCap",
    ),
    "done_before_anchor": ("the completion date lies before the anchor date", "correct either"),
    "done_after_off_study": ("the completion date lies after the off-study date", "correct either"),
    "anchor_in_future": ("the anchor date lies in the future", "correct it in REDCap"),
    "done_and_missed": ("has a completion date and is recorded as missed", "clear one of them"),
    "done_not_applicable": (
        "has a completion date but is not applicable (skipped, or not in the schedule)",
        "clear the date, or the mark that it was skipped",
    ),
    "windows_overlap": ("the windows have days in common", "correct the dates they count from"),
}
"""Error flag → what is wrong, and how to mend it."""

MISSED = ("missed_recorded", "missed_before_off_study", "missed")
NEVER_DUE = ("not_applicable", "not_applicable_off_study", "not_scheduled", "upcoming")

KEPT = "the window's definition changed after this visit closed; --reclassify applies the new one"


def error_problems(bits: FlagBits, records: pd.Index, visits: Sequence[str]) -> Iterator[Problem]:
    """Yield one Problem per participant and kind of error, naming the visits."""
    for name in ERRORS:
        marks = (bits & (1 << FLAGS.index(name))) != 0
        what, hint = EXPLAINED[name]
        for row in np.flatnonzero(marks.any(axis=1)).tolist():
            yield Problem(records[row], _named(marks[row], visits), what, hint)


def _named(marks: Marks, visits: Sequence[str]) -> str:
    ids = [visits[place] for place in np.flatnonzero(marks).tolist()]
    return f"visit{'s' if len(ids) > 1 else ''} {', '.join(ids)}"


def anchor_problems(
    corrected: Marks, last: Before, state: StateCodes, records: pd.Index, visits: Sequence[str]
) -> Iterator[Problem]:
    """Yield one Problem per participant whose anchor changed, with every state old → new."""
    for row in np.flatnonzero(corrected.any(axis=1)).tolist():
        moves = [
            f"{visits[place]} {last.decision[row, place]} → {STATES[state[row, place]]}"
            for place in np.flatnonzero(corrected[row]).tolist()
            if last.decision[row, place] != STATES[state[row, place]]
        ]
        listed = ", ".join(moves) or "no state changes"
        yield Problem(
            records[row],
            _named(corrected[row], visits),
            f"the anchor date changed since the last run: {listed}",
            "if that was meant, nothing is to be done",
        )


def kept_skips(kept: Marks, records: pd.Index, visits: Sequence[str]) -> Iterator[Skip]:
    """Yield a Skip for each closed visit that keeps its state under a changed definition."""
    for row, place in np.argwhere(kept).tolist():
        yield Skip(records[row], visits[place], KEPT)


def tables(
    found: Classified, facts: Facts, last: Before, in_schedule: Marks, visits: Sequence[str]
) -> tuple[Table, ...]:
    """Give the count of states per visit and, after a first run, of states that changed."""
    counted = state_table(found, facts, in_schedule, visits)
    moves = moves_table(found.state, last, visits)
    return (counted, moves) if moves.rows else (counted,)


def state_table(
    found: Classified, facts: Facts, in_schedule: Marks, visits: Sequence[str]
) -> Table:
    """Count states per visit: a column per visit, a row per state that occurs, due, completion.

    Participants whose schedule has no such visit are not counted.
    """
    counts = np.array(
        [
            np.bincount(found.state[in_schedule[:, place], place], minlength=len(STATES))
            for place in range(len(visits))
        ]
    )
    due = due_visits(found, facts).sum(axis=0)
    occurring = [code for code in range(len(STATES)) if counts[:, code].any()]
    rows = [(STATES[code], *map(str, counts[:, code].tolist())) for code in occurring]
    rows.append(("due", *map(str, due.tolist())))
    rows.append(("completion", *(completion(each) for each in counts.tolist())))
    return Table("Visits by state", ("state", *visits), tuple(rows))


def due_visits(found: Classified, facts: Facts) -> Marks:
    """Mark visits that were held or whose window closed before today, the never due left out."""
    done = np.isin(found.state, [STATES.index(name) for name in COMPLETED])
    never = np.isin(found.state, [STATES.index(name) for name in NEVER_DUE])
    closed: Marks = found.windows.closes < facts.today[:, None]
    return done | (closed & ~never)


def completion(counts: Sequence[int]) -> str:
    """Give done / (done + overdue + missed) as a percentage; '' where nothing is to be divided."""
    by_state = dict(zip(STATES, counts, strict=True))
    done = sum(by_state[name] for name in COMPLETED)
    outstanding = by_state["overdue"] + sum(by_state[name] for name in MISSED)
    return f"{100 * done / (done + outstanding):.1f} %" if done + outstanding else ""


def moves_table(state: StateCodes, last: Before, visits: Sequence[str]) -> Table:
    """Count how many went from which state to which since the last run, per visit."""
    was = last.state
    rows: list[tuple[str, ...]] = []
    for place, visit in enumerate(visits):
        moved = (was[:, place] >= 0) & (was[:, place] != state[:, place])
        pairs = np.column_stack([was[moved, place], state[moved, place]])
        kinds, counts = np.unique(pairs, axis=0, return_counts=True)
        rows += [
            (visit, STATES[old], STATES[new], str(count))
            for (old, new), count in zip(kinds, counts, strict=True)
        ]
    columns = ("visit", "was", "is", "participants")
    return Table("States changed since the last run", columns, tuple(rows))
