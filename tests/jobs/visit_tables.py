"""Participant-visits as aligned text tables: what goes in, and what must come out.

A table's columns are inputs (``person visit anchor done form missed skipped off_study today``)
and answers (``state target opens closes hard_close from_target deviation flags pending``). A
blank cell is a blank field. :func:`answered` works the answers out and gives the same table back,
so that a test compares two tables.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from redcap_jobs.jobs.visit_flags import flags, words
from redcap_jobs.jobs.visit_states import STATES, classify
from redcap_jobs.jobs.visit_windows import AnchorVisit, Facts, Schedule

Row = dict[str, str]


@dataclass(frozen=True)
class Planned:
    """One visit of a test's schedule."""

    id: str = "m2"
    months: int | None = None
    days: int | None = None
    early: int | None = 0
    late: int | None = 0
    limit_after_close: int | None = None
    limit_days: int | None = None
    limit_months: int | None = None
    anchored_on: str = ""
    planned_if_missed: bool = False
    applicable: bool = True


def rows_of(table: str) -> list[Row]:
    """Read ``a | b`` tables; the first line names the columns, a line of dashes is ignored."""
    lines = [line.strip() for line in table.strip().splitlines()]
    lines = [line for line in lines if line and not set(line) <= set("-+ |")]
    names, *cells = [[cell.strip() for cell in line.split("|")] for line in lines]
    return [dict(zip(names, line, strict=True)) for line in cells]


def schedule_of(visits: list[Planned]) -> Schedule:
    """Give the schedule all participants share (arrays of one row)."""

    def spans(name: str, unit: str) -> np.ndarray:
        values = [getattr(visit, name) for visit in visits]
        values = ["NaT" if value is None else value for value in values]
        return np.array([values], dtype=f"timedelta64[{unit}]")

    ids = [visit.id for visit in visits]
    return Schedule(
        visits=tuple(ids),
        applicable=np.array([[visit.applicable for visit in visits]]),
        months=spans("months", "M"),
        days=spans("days", "D"),
        early=spans("early", "D"),
        late=spans("late", "D"),
        limit_after_close=spans("limit_after_close", "D"),
        limit_days=spans("limit_days", "D"),
        limit_months=spans("limit_months", "M"),
        anchor_visits=tuple(
            AnchorVisit(ids.index(visit.anchored_on), visit.planned_if_missed)
            if visit.anchored_on
            else None
            for visit in visits
        ),
    )


def facts_of(rows: list[Row], visits: list[Planned]) -> tuple[Facts, list[str]]:
    """Give the facts of a table's persons, and the persons in the order of the arrays."""
    people = list(dict.fromkeys(row["person"] for row in rows))
    ids = [visit.id for visit in visits]
    shape = (len(people), len(visits))
    dates = {name: np.full(shape, np.datetime64("NaT", "D")) for name in ("anchor", "done")}
    marks = {name: np.zeros(shape, dtype=bool) for name in ("form", "missed", "skipped")}
    single = {name: np.full(shape[0], np.datetime64("NaT", "D")) for name in ("off_study", "today")}
    for row in rows:
        person = people.index(row["person"])
        place = person, ids.index(row.get("visit", ids[0]))
        for name, array in dates.items():
            array[place] = np.datetime64(row.get(name) or "NaT", "D")
        for name, mark in marks.items():
            mark[place] = row.get(name, "") in {"yes", "2"}
        for name, array in single.items():
            if row.get(name, "") not in {"", "undated"}:
                array[person] = np.datetime64(row[name], "D")
    undated = {row["person"] for row in rows if row.get("off_study") == "undated"}
    anchored = [visit.anchored_on != "" for visit in visits]
    dates["anchor"][:, anchored] = np.datetime64("NaT", "D")
    facts = Facts(
        anchor=dates["anchor"],
        done=dates["done"],
        form_complete=marks["form"],
        missed=marks["missed"],
        skipped=marks["skipped"],
        off_study=single["off_study"],
        off_study_undated=np.array([person in undated for person in people]),
        today=single["today"],
    )
    return facts, people


def answered(table: str, *visits: Planned, opens_soon: int = 14, closing_soon: int = 7) -> str:
    """Give the table with its answer columns worked out, to be compared with the table."""
    rows = rows_of(table)
    facts, people = facts_of(rows, list(visits))
    found = classify(schedule_of(list(visits)), facts)
    bits = flags(found, facts, opens_soon_days=opens_soon, closing_soon_days=closing_soon)
    ids = [visit.id for visit in visits]
    out = []
    for row in rows:
        place = people.index(row["person"]), ids.index(row.get("visit", ids[0]))
        pending = int(found.pending[place[0]])
        answers = {
            "state": STATES[found.state[place]],
            "target": _date(found.windows.target[place]),
            "opens": _date(found.windows.opens[place]),
            "closes": _date(found.windows.closes[place]),
            "hard_close": _date(found.windows.hard_close[place]),
            "from_target": _days(found.days_from_target[place]),
            "deviation": _days(found.deviation[place]),
            "flags": " ".join(words(int(bits[place]))),
            "pending": ids[pending] if pending >= 0 else "",
        }
        out.append({name: answers.get(name, cell) for name, cell in row.items()})
    return aligned(out)


def aligned(rows: list[Row]) -> str:
    """Write rows as a table, each column as wide as its widest cell."""
    widths = {name: max(len(name), *(len(row[name]) for row in rows)) for name in rows[0]}
    lines = [rows[0].keys(), *(row.values() for row in rows)]
    return "\n".join(
        " | ".join(cell.ljust(width) for cell, width in zip(line, widths.values(), strict=True))
        for line in lines
    )


def expected(table: str) -> str:
    """Give the table as it stands in the test, aligned in the same way as :func:`answered`."""
    return aligned(rows_of(table))


def _date(value: np.datetime64) -> str:
    return "" if np.isnat(value) else str(value)


def _days(value: np.timedelta64) -> str:
    return "" if np.isnat(value) else f"{value.astype(int):+d}"
