"""From the study file's visits to the schedule arrays: which window applies to whom.

Of a visit's windows the first that fits counts: its arm and site are the record's, its condition
is true (a blank is not true). Where none fits, the visit is not in the record's schedule, unless
a condition or the site could not be told for want of data: then the window is unknown, which is a
Problem.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from redcap_jobs.errors import Finding, StudyFileError
from redcap_jobs.jobs.month_arithmetic import Spans
from redcap_jobs.jobs.participants import People
from redcap_jobs.jobs.visit_windows import AnchorVisit, Marks, Schedule
from redcap_jobs.plan import Problem
from redcap_jobs.redcap.project import Event, Project
from redcap_jobs.redcap.records import EventPlace
from redcap_jobs.study.config import HardClose, Offset, Study, Visit, Window

SPANS: dict[str, Literal["D", "M"]] = {
    "months": "M",
    "days": "D",
    "early": "D",
    "late": "D",
    "limit_after_close": "D",
    "limit_days": "D",
    "limit_months": "M",
}
"""The schedule's spans, by name, and their unit: days or calendar months."""


@dataclass
class Columns:
    """One visit's columns of the schedule, filled from window to window."""

    applicable: Marks
    unknown: Marks
    spans: dict[str, Spans] = field(default_factory=dict)

    @classmethod
    def blank(cls, size: int) -> Columns:
        """Give columns with nothing planned yet."""
        no = np.zeros(size, dtype=bool)
        spans: dict[str, Spans] = {
            name: np.full(size, np.timedelta64("NaT", unit)) for name, unit in SPANS.items()
        }
        return cls(no, no.copy(), spans)

    def put(self, at: Marks, name: str, value: int | None) -> None:
        """Set one span for the records of ``at``; None leaves it blank."""
        if value is not None:
            self.spans[name][at] = np.timedelta64(value, SPANS[name])

    def put_target(self, at: Marks, target: Offset) -> None:
        """Plan the target for the records of ``at``."""
        self.put(at, "months", target.months)
        self.put(at, "days", target.days)

    def put_hard_close(self, at: Marks, limit: HardClose | None) -> None:
        """Plan the configured hard close for the records of ``at``."""
        if limit is not None:
            self.put(at, "limit_after_close", limit.days_after_close)
            self.put(at, "limit_days", limit.days)
            self.put(at, "limit_months", limit.months)


def schedule_of(study: Study, project: Project, people: People) -> tuple[Schedule, list[Problem]]:
    """Give the schedule of all participants, and the Problems of those whose window is unknown.

    Raises StudyFileError if a visit takes its target from REDCap's event offsets and Scheduling
    is off in the project, so that there are none.
    """
    columns = [_columns(study, visit, project, people) for visit in study.visits]
    positions = {visit.id: place for place, visit in enumerate(study.visits)}
    anchor_visits = tuple(
        AnchorVisit(positions[visit.anchored.visit], visit.if_anchor_missed == "planned")
        if visit.anchored.visit is not None
        else None
        for visit in study.visits
    )
    spans = {name: np.column_stack([each.spans[name] for each in columns]) for name in SPANS}
    schedule = Schedule(
        visits=tuple(positions),
        applicable=np.column_stack([each.applicable for each in columns]),
        anchor_visits=anchor_visits,
        **spans,
    )
    problems = [
        Problem(
            record,
            f"visit {visit.id}",
            "which of its windows applies cannot be told: a field that decides, or the record's "
            "data access group, is blank",
            "fill it in, or add a window without condition and site to the study file",
        )
        for visit, each in zip(study.visits, columns, strict=True)
        for record in people.records[each.unknown]
    ]
    return schedule, [*offset_problems(study, project), *problems]


def _columns(study: Study, visit: Visit, project: Project, people: People) -> Columns:
    columns = Columns.blank(len(people.records))
    in_arm = _has_place(visit, project, people)
    if not visit.windows:
        columns.applicable = in_arm
        columns.put_hard_close(in_arm, visit.hard_close)
        _put_offsets(columns, study, visit, project, people, in_arm)
        return columns
    view = people.view.at(visit.at)
    open_to = in_arm
    for window in visit.windows:
        fits = open_to & _arm_and_site(study, window, people)
        maybe = open_to & _arm_and_site(study, window, people, unknown_site=True)
        if window.when is not None:
            truth = window.when.expression.truth(view).to_numpy(dtype=bool)
            blank = window.when.expression.any_blank(view).to_numpy(dtype=bool)
            fits, maybe = fits & truth, maybe & (truth | blank)
        columns.unknown |= maybe & ~fits
        columns.put(fits, "early", window.early)
        columns.put(fits, "late", window.late)
        columns.put_hard_close(fits, window.hard_close or visit.hard_close)
        target = window.target or visit.target
        if isinstance(target, Offset):
            columns.put_target(fits, target)
        else:
            _put_offsets(columns, study, visit, project, people, fits)
        columns.applicable |= fits
        open_to = open_to & ~fits
    columns.unknown &= open_to
    columns.applicable |= columns.unknown
    return columns


def _has_place(visit: Visit, project: Project, people: People) -> Marks:
    """Mark the records whose arm has this visit's event; a repeating instance is everybody's."""
    if not isinstance(visit.at, EventPlace):
        return np.ones(len(people.records), dtype=bool)
    arms = [project.arm_of(name) for name in visit.at.events]
    return people.arms.isin(arms).fillna(value=False).to_numpy(dtype=bool)


def _arm_and_site(
    study: Study, window: Window, people: People, *, unknown_site: bool = False
) -> Marks:
    """Mark the records of the window's arm and site; ``unknown_site``: those of no group, too."""
    fits = np.ones(len(people.records), dtype=bool)
    if window.arm is not None:
        number = study.arms[window.arm].number
        fits &= (people.arms == number).fillna(value=False).to_numpy(dtype=bool)
    if window.site is not None:
        here = people.sites == window.site
        fits &= (here | (people.sites == "") if unknown_site else here).to_numpy(dtype=bool)
    return fits


def _put_offsets(
    columns: Columns, study: Study, visit: Visit, project: Project, people: People, at: Marks
) -> None:
    """Plan target and, where the study file has no widths, the window by REDCap's offsets."""
    for event in redcap_events(study, visit, project):
        here = at & (people.arms == event.arm).fillna(value=False).to_numpy(dtype=bool)
        columns.put(here, "days", event.day_offset)
        if not visit.windows:
            columns.put(here, "early", abs(event.offset_min or 0))
            columns.put(here, "late", abs(event.offset_max or 0))


def takes_offsets(visit: Visit) -> bool:
    """Tell whether a visit's target, for anyone, is REDCap's own event offset."""
    return visit.target == "redcap" and (
        not visit.windows or any(window.target is None for window in visit.windows)
    )


def redcap_events(study: Study, visit: Visit, project: Project) -> list[Event]:
    """Give the events whose offsets a visit takes.

    Raises StudyFileError if there are none: absent offsets are not windows of zero width.
    """
    where = f"{study.path}: visits.{visit.id}.target"
    if not isinstance(visit.at, EventPlace):
        what = '"redcap" needs an event: a repeating instance has no offset in REDCap'
        raise StudyFileError([Finding(where, what, "give target and windows in the study file")])
    events = [project.event(name) for name in visit.at.events]
    if any(event.day_offset is None for event in events):
        what = (
            f'"redcap" needs event offsets, and project {project.info.project_id} exports none: '
            "Scheduling is off"
        )
        hint = "turn the Scheduling module on in REDCap, or give target and windows here"
        raise StudyFileError([Finding(where, what, hint)])
    return events


def offset_problems(study: Study, project: Project) -> Iterator[Problem]:
    """Yield a Problem for each negative offset: REDCap means counts of days, on either side."""
    seen = set()
    for visit in study.visits:
        if not takes_offsets(visit) or visit.windows:
            continue
        for event in redcap_events(study, visit, project):
            for name in ("offset_min", "offset_max"):
                if (getattr(event, name) or 0) < 0 and (event.unique_name, name) not in seen:
                    seen.add((event.unique_name, name))
                    yield Problem(
                        "(all)",
                        f"event {event.unique_name}",
                        f"{name} is negative; REDCap means a number of days, so it is taken as one",
                        "correct it under Define My Events",
                    )


def rules_of(study: Study, project: Project) -> list[str]:
    """Give for each visit the digest of the definitions that decide its state.

    Its own, those it is anchored on, and those after it (the next window's opening is a hard
    close). The digest is no secret: it holds nothing but the study file and REDCap's offsets.
    """
    own = [_definition(study, visit, project) for visit in study.visits]
    positions = {visit.id: place for place, visit in enumerate(study.visits)}
    digests = []
    for place in range(len(own)):
        parts = own[place:]
        before = study.visits[place].anchored.visit
        while before is not None:
            parts.append(own[positions[before]])
            before = study.visits[positions[before]].anchored.visit
        text = json.dumps(parts, sort_keys=True)
        digests.append(hashlib.sha256(text.encode()).hexdigest()[:16])
    return digests


def _definition(study: Study, visit: Visit, project: Project) -> object:
    keys = {"id", "anchored", "target", "windows", "hard_close"}
    written = visit.model_dump(mode="json", include=keys)
    anchors = study.participants.anchors.get(visit.anchored.name or "", ())
    offsets = []
    if takes_offsets(visit):
        offsets = [
            [event.unique_name, event.day_offset, event.offset_min, event.offset_max]
            for event in redcap_events(study, visit, project)
        ]
    return [written, [str(reference) for reference in anchors], offsets]
