"""Where a job writes: the cell that a reference of the study file means for each participant.

The same reading as for fields that are read (:func:`~redcap_jobs.redcap.records.events_meant`),
save that only a row in the participant's own arm is ever meant.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from redcap_jobs.jobs.visit_windows import Marks
from redcap_jobs.redcap.logic import Reference
from redcap_jobs.redcap.project import Project
from redcap_jobs.redcap.records import Place, RepeatPlace, events_meant


@dataclass(frozen=True)
class Destination:
    """One cell per participant; the arrays have one entry each, '' where it does not apply.

    ``exists`` is False where there is no such cell: the participant's arm has no such event, or
    the form repeats there and no instance is named.
    """

    field: str
    event: npt.NDArray[np.object_]
    repeat_instrument: npt.NDArray[np.object_]
    repeat_instance: npt.NDArray[np.object_]
    exists: Marks


def destination(
    reference: Reference, own: Place | None, project: Project, arms: pd.Series
) -> Destination:
    """Give the cells that ``reference`` means; ``own`` is where one without an event stands.

    ``arms`` has each participant's arm number (Int64). Raises DictionaryError for an unknown field
    or event.
    """
    size = len(arms)
    form = project.field(reference.field).form
    event, instrument, instance = (np.full(size, "", dtype=object) for _ in range(3))
    exists = np.zeros(size, dtype=bool)
    for in_arm, name in _by_event(reference, own, project, arms):
        asked = reference.instance or ""
        if not asked and isinstance(own, RepeatPlace) and own.form == form:
            asked = str(own.instance)
        form_repeats = (name, form) in project.repeating
        repeats = form_repeats or (name, "") in project.repeating
        if repeats != asked.isdigit():
            continue
        event[in_arm] = name
        instrument[in_arm] = form if form_repeats else ""
        instance[in_arm] = asked
        exists |= in_arm
    return Destination(reference.column, event, instrument, instance, exists)


def _by_event(
    reference: Reference, own: Place | None, project: Project, arms: pd.Series
) -> list[tuple[Marks, str]]:
    """Give each event that is meant, and for whom."""
    if not project.is_longitudinal:
        return [(np.ones(len(arms), dtype=bool), "")]
    return [
        ((arms == arm).fillna(value=False).to_numpy(dtype=bool), name)
        for arm, name in events_meant(reference, own, project).items()
    ]
