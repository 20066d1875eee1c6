"""Which fields on which events are needed to compute visit windows, and no others."""

from __future__ import annotations

from collections.abc import Iterable

from redcap_jobs.errors import Finding, StudyFileError
from redcap_jobs.plan import Inputs, ReadDecisions, ReadRows, Side
from redcap_jobs.redcap.project import Project
from redcap_jobs.redcap.records import needed
from redcap_jobs.study.config import Study
from redcap_jobs.study.uses import FieldUse, fields

OWN = {"visits", "both"}
READ_ROLES = {"anchor", "done_on", "off_study", "done_form", "condition"}


def source_rows(study: Study, inputs: Inputs) -> ReadRows:
    """Name what is read to decide from. Raises StudyFileError if there are no visits."""
    if not study.visits:
        finding = Finding(f"{study.path}: visits", "there are none", "add [[visits]]")
        raise StudyFileError([finding])
    uses = [
        use
        for use in fields(study)
        if not use.written and use.role in READ_ROLES and use.about in OWN
    ]
    return rows_of("source", uses, inputs.source)


def target_rows(study: Study, inputs: Inputs) -> ReadRows:
    """Name the outputs, which are compared with what was computed."""
    own = [use for use in fields(study) if use.written and use.about in OWN]
    return rows_of("target", own, inputs.target)


def decisions() -> ReadDecisions:
    """Name the last run's decisions."""
    return ReadDecisions()


def rows_of(side: Side, uses: Iterable[FieldUse], project: Project) -> ReadRows:
    """Name the fields of some uses and the events they stand on, and no others."""
    fields_named: set[str] = set()
    events_named: set[str] = set()
    for use in uses:
        names, events = needed([use.reference], [use.own], project)
        fields_named |= names
        events_named |= events
    in_order = (event.unique_name for event in project.events)
    return ReadRows(
        side,
        tuple(sorted(fields_named)),
        tuple(event for event in in_order if event in events_named),
    )
