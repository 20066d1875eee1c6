"""Whether every field that a study file names exists, stands where it is looked for, and fits."""

from __future__ import annotations

from collections.abc import Collection, Iterator

from redcap_jobs.redcap.logic import SMART_EVENTS
from redcap_jobs.redcap.project import Field, Project
from redcap_jobs.redcap.records import EventPlace, RepeatPlace, ambiguous, events_meant
from redcap_jobs.study.check_instances import instance_flaws, on_form, repeats_on
from redcap_jobs.study.check_types import choice_flaws, type_flaws
from redcap_jobs.study.config import Study
from redcap_jobs.study.flaws import Flaw, KeyPath
from redcap_jobs.study.nearest import did_you_mean
from redcap_jobs.study.uses import EVERYTHING, About, FieldUse, conditions, fields


def field_flaws(
    study: Study,
    project: Project,
    misplaced: Collection[KeyPath] = (),
    *,
    outputs: bool = True,
    about: Collection[About] = EVERYTHING,
) -> Iterator[Flaw]:
    """Yield what is wrong with the fields named anywhere in the study file.

    ``misplaced`` are the paths of visits and surveys whose own place is wrong already: where their
    fields stand cannot be judged. Without ``outputs`` the fields that are written are passed over,
    of the others only those are looked at whose business ``about`` names.
    The instruments of surveys are judged in :mod:`redcap_jobs.study.check_texts`.
    """
    for use in fields(study):
        if (use.written and not outputs) or is_survey(use):
            continue
        if use.about not in about:
            continue
        field = project.fields.get(use.reference.field)
        if field is None:
            yield unknown_field(use, project)
            continue
        event = use.reference.event
        by_name = event is not None and event not in SMART_EVENTS
        if by_name or use.path[:2] not in misplaced:
            yield from location_flaws(use, field, project)
        yield from type_flaws(use, field, study)
    for condition in conditions(study):
        yield from choice_flaws(condition, project)


def is_survey(use: FieldUse) -> bool:
    """Tell whether a use is the status of a survey's instrument."""
    return use.role == "done_form" and use.path[0] == "surveys"


def unknown_field(use: FieldUse, project: Project) -> Flaw:
    """Say which field or instrument does not exist, and which comes nearest."""
    name = use.reference.field
    if use.role == "done_form":
        form = name.removesuffix("_complete")
        return Flaw(use.path, f'no instrument "{form}"', did_you_mean(form, project.forms))
    what = f'no field "{name}" in the data dictionary'
    return Flaw(use.path, what, did_you_mean(name, project.fields))


def location_flaws(use: FieldUse, field: Field, project: Project) -> Iterator[Flaw]:
    """Yield why a field is not where the reference looks for it."""
    event = use.reference.event
    if not project.is_longitudinal:
        yield from classic_flaws(use, field, project)
    elif event in SMART_EVENTS:
        yield from smart_event_flaws(use, field, project)
    elif event is not None:
        yield from named_event_flaws(use, field, project)
    else:
        yield from own_event_flaws(use, field, project)


def classic_flaws(use: FieldUse, field: Field, project: Project) -> Iterator[Flaw]:
    """Judge a reference in a project without events."""
    if use.reference.event is not None:
        what = f"names event {use.reference.event}, but the project has no events"
        yield Flaw(use.path, what, f'write "[{use.reference.field}]"')
        return
    own_form = use.own.form if isinstance(use.own, RepeatPlace) else None
    repeats = repeats_on(project, "", field)
    if use.written and own_form is not None and field.form != own_form and not repeats:
        what = f'{on_form(field)}, but the visit is an instance of "{own_form}"'
        yield Flaw(use.path, what, f'move the field to "{own_form}"')
        return
    yield from instance_flaws(use, field, project, [""])


def named_event_flaws(use: FieldUse, field: Field, project: Project) -> Iterator[Flaw]:
    """Judge a reference that names its event."""
    event = str(use.reference.event)
    names = [each.unique_name for each in project.events]
    if event not in names:
        yield Flaw(use.path, f'no event "{event}"', did_you_mean(event, names))
        return
    events = project.events_of_field(field.name)
    if event not in events:
        yield Flaw(use.path, f"{on_form(field)} is not on event {event}", is_on(events))
        return
    yield from instance_flaws(use, field, project, [event])


def smart_event_flaws(use: FieldUse, field: Field, project: Project) -> Iterator[Flaw]:
    """Judge ``[first-event-name]`` and its like in every arm that may be meant.

    REDCap means the first (or last) of those events of the arm that have the field's instrument.
    What comes before or after the own event may well not exist; nothing is said of that.
    """
    if use.reference.event == "event-name" and use.own is None:
        yield Flaw(use.path, "[event-name] means nothing here", "name the event")
        return
    meant = events_meant(use.reference, use.own, project)
    on = project.events_of_field(field.name)
    arms = arms_meant(use, project)
    if use.reference.event not in {"previous-event-name", "next-event-name"}:
        for arm in arms:
            if meant.get(arm) not in on:
                what = f"{on_form(field)} is on no such event of arm {arm}"
                yield Flaw(use.path, what, is_on(on))
    there = [meant[arm] for arm in arms if meant.get(arm) in on]
    yield from instance_flaws(use, field, project, there)


def own_event_flaws(use: FieldUse, field: Field, project: Project) -> Iterator[Flaw]:
    """Judge a reference without an event: the visit's own, else the only one that has the field."""
    if field.name == project.record_id_field and not use.written:
        return
    events = project.events_of_field(field.name)
    own = use.own.events if isinstance(use.own, EventPlace) else ()
    lacking = [event for event in own if event not in events]
    if own and (use.written or len(lacking) < len(own)):
        for event in lacking:
            what = f"{on_form(field)} is not on event {event}"
            yield Flaw(use.path, what, f'designate "{field.form}" for it in REDCap')
        there = [event for event in own if event in events]
        yield from instance_flaws(use, field, project, there)
        return
    several = ambiguous(use.reference, use.own, project)
    if several:
        what = f"{on_form(field)} is on several events, and which is meant is not said"
        yield Flaw(use.path, what, f'write "[{several[0]}][{use.reference.field}]"')
        return
    meant = events_meant(use.reference, use.own, project)
    arms = arms_meant(use, project)
    for arm in arms:
        if arm not in meant:
            yield Flaw(use.path, f"{on_form(field)} is on no event of arm {arm}", is_on(events))
    there = [meant[arm] for arm in arms if arm in meant]
    yield from instance_flaws(use, field, project, there)


def arms_meant(use: FieldUse, project: Project) -> list[int]:
    """Return the arms a use may concern: those of the visit's events, else all."""
    arms = {event.unique_name: event.arm for event in project.events}
    own = use.own.events if isinstance(use.own, EventPlace) else ()
    return sorted({arms[event] for event in own if event in arms} or set(arms.values()))


def is_on(events: tuple[str, ...]) -> str:
    """Say where a field is instead."""
    return f"it is on {', '.join(events)}" if events else "its instrument is on no event"
