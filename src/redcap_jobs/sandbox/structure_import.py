"""Calls that change arms, events, which forms they have and what repeats.

Numbers of rows, the effect of ``override`` and of the longitudinal switch are recorded by tests of
PyCap and redcapAPI against servers. REDCap's words for refusals are not: they are our own.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from redcap_jobs.sandbox.answers import Answer, Plain
from redcap_jobs.sandbox.context import Context
from redcap_jobs.sandbox.import_rows import named, posted_rows
from redcap_jobs.sandbox.parameters import Refusal
from redcap_jobs.sandbox.project import SandboxProject
from redcap_jobs.sandbox.schedule import (
    EventImport,
    all_forms_on_first,
    import_arms,
    is_switched,
    schedule_of,
    with_schedule,
    without_events,
)
from redcap_jobs.sandbox.structure import CLASSIC, Schedule, Structure
from redcap_jobs.sandbox.structure_log import noted
from redcap_jobs.sandbox.structure_rows import take_on

ONLY_IN_DEVELOPMENT = "You cannot {} while the project is in production"


@noted("Import arms (API)")
def arms_import(context: Context) -> Answer:
    """Answer an import of ``content=arm``: the number of arms added or renamed.

    ``override=1`` wipes arms, events and mappings first, in development only. Values stored for
    the events stay and come back when events of their names do.
    """
    rows = posted_rows(context.parameters)
    override = wants_override(context)
    project = context.project
    with project.lock:
        before = project.structure
        schedule = import_arms(schedule_of(before), rows, override=override)
        take_on(project, with_schedule(before, schedule))
    return Plain(str(len(rows)))


@noted("Delete arms (API)")
def arms_delete(context: Context) -> Answer:
    """Answer ``action=delete`` of arms: they go with their events and all data under them."""
    project = context.project
    in_development(project, "delete arms")
    with project.lock:
        before = longitudinal(project.structure, "delete arms")
        schedule = schedule_of(before)
        numbers = named(context.parameters, "arms", (str(arm.number) for arm in schedule.arms))
        gone = {one.unique_name for one in schedule.events if str(one.arm) in numbers}
        kept = tuple(arm for arm in schedule.arms if str(arm.number) not in numbers)
        schedule = replace(without_events(schedule, gone), arms=kept)
        take_on(project, with_schedule(before, schedule), deleted=gone)
    return Plain(str(len(numbers)))


@noted("Import events (API)")
def events_import(context: Context) -> Answer:
    """Answer an import of ``content=event``: the number of events added or changed.

    Only a known ``unique_event_name`` changes an event; all others are new (API help). A new name
    gives the event a new unique name, and its rows follow. ``override=1`` wipes all events first.
    """
    rows = posted_rows(context.parameters)
    override = wants_override(context)
    project = context.project
    with project.lock:
        before = project.structure
        schedule = schedule_of(before)
        known_ids = [one.event_id for one in schedule.events]
        if override:
            schedule = Schedule(schedule.arms)
        events = EventImport(schedule, max(known_ids, default=project.pid * 10 - 1) + 1)
        for row in rows:
            events.take(row)
        after = with_schedule(before, events.schedule)
        if not before.is_longitudinal and after.is_longitudinal and not after.mapping:
            after = with_classic_forms(project, after)
        take_on(project, after, renamed=events.renamed)
        rename_in_reports(project, events.renamed)
    return Plain(str(len(rows)))


@noted("Delete events (API)")
def events_delete(context: Context) -> Answer:
    """Answer ``action=delete`` of events: all data under them go, too."""
    project = context.project
    in_development(project, "delete events")
    with project.lock:
        before = longitudinal(project.structure, "delete events")
        schedule = schedule_of(before)
        gone = named(context.parameters, "events", (one.unique_name for one in schedule.events))
        take_on(project, with_schedule(before, without_events(schedule, gone)), deleted=gone)
    return Plain(str(len(gone)))


@noted("Import instrument-event mappings (API)")
def import_form_event_mapping(context: Context) -> Answer:
    """Answer an import of ``content=formEventMapping``: replace all pairs, return their number."""
    rows = posted_rows(context.parameters)
    project = context.project
    with project.lock:
        structure = project.structure
        if not structure.is_longitudinal:
            raise Refusal(400, "You cannot import form/event mappings for classic projects")
        pairs = frozenset((row.get("unique_event_name", ""), row.get("form", "")) for row in rows)
        refuse_pairs(structure, sorted(pairs))
        waiting = replace(structure.waiting, mapping=frozenset())
        project.change(structure=replace(structure, mapping=pairs, waiting=waiting))
    return Plain(str(len(pairs)))


@noted("Import repeating instruments and events (API)")
def import_repeating(context: Context) -> Answer:
    """Answer an import of ``content=repeatingFormsEvents``: replace the set-up, return its size.

    A blank form makes the whole event repeat.
    """
    rows = posted_rows(context.parameters)
    project = context.project
    with project.lock:
        structure = project.structure
        repeating = {
            (
                row.get("event_name", "") if structure.is_longitudinal else CLASSIC,
                row.get("form_name", ""),
            ): row.get("custom_form_label", "") or row.get("custom_repeat_instrument_label", "")
            for row in rows
        }
        refuse_repeating(structure, list(repeating))
        waiting = replace(structure.waiting, repeating={})
        if not is_switched(structure):
            waiting = structure.waiting
        take_on(project, replace(structure, repeating=repeating, waiting=waiting))
    return Plain(str(len(repeating)))


def wants_override(context: Context) -> bool:
    """Tell whether ``override=1`` was sent; only a project in development takes it."""
    override = context.parameters.flag("override")
    if override:
        in_development(context.project, "use override=1")
    return override


def in_development(project: SandboxProject, what: str) -> None:
    """Refuse what destroys once a project is in production (API help)."""
    if project.settings.in_production:
        raise Refusal(400, ONLY_IN_DEVELOPMENT.format(what))


def longitudinal(structure: Structure, what: str) -> Structure:
    """Return the structure of a project that is switched longitudinal; refuse a classic one."""
    if not is_switched(structure):
        raise Refusal(400, f"You cannot {what} for classic projects")
    return structure


def with_classic_forms(project: SandboxProject, after: Structure) -> Structure:
    """Designate all forms to the first event if a classic project's data go there."""
    records = project.store.current.records.values()
    if any(key.event == CLASSIC for record in records for key in record.rows):
        return replace(after, mapping=all_forms_on_first(after, after.events))
    return after


def rename_in_reports(project: SandboxProject, renamed: dict[str, str]) -> None:
    """Carry new event names into the reports that are limited to events."""
    if renamed:
        project.change(
            reports={
                number: replace(
                    report, events=tuple(renamed.get(event, event) for event in report.events)
                )
                for number, report in project.reports.items()
            }
        )


def refuse_pairs(structure: Structure, pairs: Sequence[tuple[str, str]]) -> None:
    """Refuse a mapping with events or forms that do not exist."""
    wrong = [
        f"{event}: {form}"
        for event, form in pairs
        if event not in structure.event_by_name or form not in structure.form_order
    ]
    if wrong:
        raise Refusal(400, f"The following mappings are not valid: {', '.join(wrong)}")


def refuse_repeating(structure: Structure, pairs: Sequence[tuple[str, str]]) -> None:
    """Refuse a repeating set-up with forms that are not there, or twice over on one event."""
    whole = {event for event, form in pairs if not form}
    wrong = [
        f"{event}: {form}" if event else form
        for event, form in pairs
        if event not in structure.event_order
        or (form and form not in structure.forms_on(event))
        or (form and event in whole)
        or (not form and not structure.is_longitudinal)
    ]
    if wrong:
        raise Refusal(
            400,
            "The following repeating instruments or events are not valid: " + ", ".join(wrong),
        )
