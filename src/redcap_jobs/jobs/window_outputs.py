"""From computed windows to changed cells: what should stand in REDCap, where it differs.

Values are compared column by column before any long frame is built, so that a run that changes
nothing costs next to nothing. A cell is erased only where something stands. No row is created to
say that a visit is not in someone's schedule; what already stands there is brought up to date.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from redcap_jobs.jobs.destinations import Destination, destination
from redcap_jobs.jobs.visit_flags import FlagBits
from redcap_jobs.jobs.visit_states import STATES, Classified
from redcap_jobs.jobs.visit_windows import ONE_DAY, Marks
from redcap_jobs.jobs.window_decisions import Strings, date_text, flag_text, spelled
from redcap_jobs.plan import CHANGE_COLUMNS
from redcap_jobs.redcap.logic import Reference
from redcap_jobs.redcap.project import Project
from redcap_jobs.redcap.records import ParticipantView, Place
from redcap_jobs.study.config import Study

COMPUTED = ("target", "opens", "closes", "state", "flags", "days_from_target")
"""The keys of ``[visits.write]`` that hold a result; ``stamp`` says when one of them changed."""


@dataclass(frozen=True)
class Column:
    """One field of one visit: where it stands, what stands there and what should."""

    to: Destination
    old: Strings
    new: Strings

    @property
    def differs(self) -> Marks:
        """Mark the participants whose cell is to be changed."""
        different: Marks = self.to.exists & (self.old != self.new)
        return different

    def where(self, marks: Marks) -> Column:
        """Give the column that changes nothing but where ``marks`` holds."""
        return Column(self.to, self.old, np.where(marks, self.new, self.old))


def output_fields(study: Study) -> tuple[str, ...]:
    """Give every field the job writes, in the order of the study file."""
    references = [
        reference
        for visit in study.visits
        for key in (*COMPUTED, "stamp")
        for reference in getattr(visit.write, key)
    ]
    references += study.participants.write.pending_visit
    return tuple(dict.fromkeys(reference.field for reference in references))


class Outputs:
    """Compares what was computed with what stands in the target project."""

    def __init__(self, study: Study, project: Project, view: ParticipantView, arms: pd.Series):
        self.study = study
        self.project = project
        self.view = view
        self.arms = arms

    def column(self, reference: Reference, own: Place | None, new: Strings) -> Column:
        """Give one field's cells; a blank place reads as ''."""
        to = destination(reference, own, self.project, self.arms)
        view = self.view if own is None else self.view.at(own)
        old = view.values(reference).to_numpy(dtype=object)
        return Column(to, np.where(to.exists, old, ""), new)

    def visit(self, place: int, values: dict[str, Strings], in_schedule: Marks) -> list[Column]:
        """Give the columns of one visit without its stamp."""
        visit = self.study.visits[place]
        columns = [
            self.column(reference, visit.at, values[key][:, place])
            for key in COMPUTED
            for reference in getattr(visit.write, key)
        ]
        stands = np.zeros(len(self.arms), dtype=bool)
        for column in columns:
            stands |= column.old != ""
        wanted = in_schedule | stands
        return [column.where(wanted) for column in columns]

    def participant(self, pending: Strings) -> list[Column]:
        """Give the columns that are written once per participant."""
        return [
            self.column(reference, None, pending)
            for reference in self.study.participants.write.pending_visit
        ]

    def stamp(self, place: int, changed: Marks, stamp: str) -> list[Column]:
        """Give the stamp's column of one visit: new where another of its cells changes."""
        visit = self.study.visits[place]
        stamps = np.full(len(self.arms), stamp, dtype=object)
        return [
            self.column(reference, visit.at, stamps).where(changed)
            for reference in visit.write.stamp
        ]


def written_values(found: Classified, bits: FlagBits) -> dict[str, Strings]:
    """Give what each key of ``[visits.write]`` says, as REDCap stores it; '' for nothing.

    Only an applicable visit has dates; the distance from the target is that of the completion.
    """
    return {
        "target": date_text(found.windows.target),
        "opens": date_text(found.windows.opens),
        "closes": date_text(found.windows.closes),
        "state": np.array(STATES, dtype=object)[found.state],
        "flags": flag_text(bits),
        "days_from_target": spelled(found.days_from_target, _number),
    }


def _number(days: np.timedelta64) -> str:
    return "" if np.isnat(days) else str(days // ONE_DAY)


def pending_text(found: Classified, visits: tuple[str, ...]) -> Strings:
    """Give each participant's pending visit by its id; '' for none."""
    return np.array([*visits, ""], dtype=object)[found.pending]


def changes_of(columns: list[Column], records: pd.Index) -> pd.DataFrame:
    """Give the changes frame of all columns, by record in the order of ``records``."""
    ids = records.to_numpy(dtype=object)
    frames, order = [], []
    for column in columns:
        at = np.flatnonzero(column.differs)
        if not len(at):
            continue
        order.append(at)
        frames.append(
            pd.DataFrame(
                {
                    "record": ids[at],
                    "event": column.to.event[at],
                    "repeat_instrument": column.to.repeat_instrument[at],
                    "repeat_instance": column.to.repeat_instance[at],
                    "field": column.to.field,
                    "old": column.old[at],
                    "new": column.new[at],
                }
            ).astype("str")
        )
    if not frames:
        return pd.DataFrame(columns=CHANGE_COLUMNS, dtype="str")
    by_record = np.argsort(np.concatenate(order), kind="stable")
    changes = pd.concat(frames, ignore_index=True)
    return changes.iloc[by_record].reset_index(drop=True)[CHANGE_COLUMNS]
