"""From a project's rows to the fact arrays: what is known of every participant-visit.

A date that is not written YYYY-MM-DD is a Problem naming record and field, and counts as blank.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from redcap_jobs.jobs.month_arithmetic import Dates
from redcap_jobs.jobs.participants import People
from redcap_jobs.jobs.visit_windows import Facts, Marks
from redcap_jobs.plan import Problem, Skip
from redcap_jobs.redcap.logic import Reference
from redcap_jobs.redcap.records import ParticipantView
from redcap_jobs.redcap.typed import parse_dates
from redcap_jobs.study.config import Condition, OffStudy, Study, Visit

CANNOT_SCHEDULE = "cannot schedule: no anchor date"


@dataclass(frozen=True)
class Known:
    """The facts, and what was found wrong or missing on the way."""

    facts: Facts
    skips: tuple[Skip, ...]
    problems: tuple[Problem, ...]


class DateReader:
    """Reads date fields of one group of people, and collects the Problems with them."""

    def __init__(self, records: pd.Index) -> None:
        self.records = records
        self.problems: list[Problem] = []

    def dates(self, view: ParticipantView, references: Sequence[Reference], where: str) -> Dates:
        """Give the first of the fields that is not blank, as datetime64[D]; NaT where blank."""
        written = view.first(references)
        parsed, bad = parse_dates(written)
        names = " or ".join(str(reference) for reference in references)
        for record in self.records[bad.to_numpy(dtype=bool)]:
            self.problems.append(
                Problem(
                    record,
                    f"{where}: {names}",
                    "is no date in the form YYYY-MM-DD and is taken as blank",
                    "correct it in REDCap; a date validation on the field keeps others out",
                )
            )
        dates: Dates = parsed.mask(bad).to_numpy(dtype="datetime64[D]")
        return dates


def known(study: Study, people: People) -> Known:
    """Give the facts of all participants and visits of the study file."""
    reader = DateReader(people.records)
    today: Dates = people.today.to_numpy(dtype="datetime64[D]")
    anchors = {
        name: reader.dates(people.view, references, f"anchor {name}")
        for name, references in study.participants.anchors.items()
        if any(visit.anchored.name == name for visit in study.visits)
    }
    off_study, undated = _off_study(study, people, reader, today)
    by_visit = [_of_visit(visit, people, reader) for visit in study.visits]
    no_anchor = np.full(len(people.records), np.datetime64("NaT", "D"))
    anchor = [anchors.get(visit.anchored.name or "", no_anchor) for visit in study.visits]
    facts = Facts(
        anchor=np.column_stack(anchor),
        done=np.column_stack([each[0] for each in by_visit]),
        form_complete=np.column_stack([each[1] for each in by_visit]),
        missed=np.column_stack([each[2] for each in by_visit]),
        skipped=np.column_stack([each[3] for each in by_visit]),
        off_study=off_study,
        off_study_undated=undated,
        today=today,
    )
    skips = _without_anchor(people, anchors, facts)
    return Known(facts, tuple(skips), tuple(reader.problems))


def _of_visit(
    visit: Visit, people: People, reader: DateReader
) -> tuple[Dates, Marks, Marks, Marks]:
    """Give completion date, form complete, recorded missed and skipped of one visit."""
    view = people.view.at(visit.at)
    done = reader.dates(view, visit.done_on, f"visit {visit.id}, done_on")
    complete = np.zeros(len(people.records), dtype=bool)
    if visit.done_form is not None:
        status = Reference(
            event=None, field=f"{visit.done_form}_complete", code=None, instance=None
        )
        complete = (view.values(status) == "2").to_numpy(dtype=bool)
    return done, complete, _truth(visit.missed, view), _truth(visit.skipped, view)


def _truth(condition: Condition | None, view: ParticipantView) -> Marks:
    """Give where a condition is true; nowhere if there is none."""
    if condition is None:
        return np.zeros(len(view.index), dtype=bool)
    truth: Marks = condition.expression.truth(view).to_numpy(dtype=bool)
    return truth


def _off_study(
    study: Study, people: People, reader: DateReader, today: Dates
) -> tuple[Dates, Marks]:
    """Give each participant's off-study date, and who is off study without one.

    Several ``off_study`` tables: the earliest date counts. Once ``until`` has come the person has
    rejoined, and the table says nothing of them. Tables that only stop texts are left aside.
    """
    date = np.full(len(people.records), np.datetime64("NaT", "D"))
    undated = np.zeros(len(people.records), dtype=bool)
    for number, off in enumerate(study.participants.off_study):
        if off.scope != "study":
            continue
        since, without = _left(off, people, reader, today, f"off_study[{number}]")
        date = np.fmin(date, since)
        undated |= without
    undated &= ~(date <= today)
    for record in people.records[undated]:
        reader.problems.append(
            Problem(
                record,
                "off_study",
                "is off study without a date, so no visit can be judged by it",
                "enter the date; until then no visit is pending",
            )
        )
    return date, undated


def _left(
    off: OffStudy, people: People, reader: DateReader, today: Dates, where: str
) -> tuple[Dates, Marks]:
    """Give the dates of one table, and for whom it holds without a date.

    A missing-data code in the condition, or in place of the date, stops: somebody knows that the
    person left, and not when. Once ``until`` has come the table says nothing any more, but of who
    left again after it.
    """
    blank = np.full(len(people.records), np.datetime64("NaT", "D"))
    since = reader.dates(people.view, off.from_, f"{where}.from") if off.from_ else blank
    until = reader.dates(people.view, off.until, f"{where}.until") if off.until else blank
    applies = ~(until <= today) | (since > until)
    if off.when is not None:
        applies &= people.view.stops(off.when.expression).to_numpy(dtype=bool)
        without = applies & np.isnat(since)
    else:
        unknown = [people.view.coded_missing(each) for each in off.from_]
        without = applies & np.isnat(since) & np.any(unknown, axis=0)
    return np.where(applies, since, blank), without


def _without_anchor(people: People, anchors: dict[str, Dates], facts: Facts) -> list[Skip]:
    """List everyone who cannot be scheduled, and say who of them is off study."""
    left = (facts.off_study <= facts.today) | facts.off_study_undated
    skips: list[Skip] = []
    for name, dates in anchors.items():
        missing = np.isnat(dates)
        for marks, reason in (
            (missing & ~left, CANNOT_SCHEDULE),
            (missing & left, f"{CANNOT_SCHEDULE}, and off study"),
        ):
            skips += [Skip(record, f"anchor {name}", reason) for record in people.records[marks]]
    return skips
