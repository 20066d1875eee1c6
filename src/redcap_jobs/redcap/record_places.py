"""Where data stand in a project: places, and what event a reference means in each arm."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TypeAlias

from redcap_jobs.redcap.logic import SMART_EVENTS, Reference
from redcap_jobs.redcap.project import Project


@dataclass(frozen=True)
class EventPlace:
    """One event, or one event per arm (the record's own arm decides): unique event names."""

    events: tuple[str, ...]


@dataclass(frozen=True)
class RepeatPlace:
    """One instance of a repeating instrument in a classic project."""

    form: str
    instance: int


Place: TypeAlias = EventPlace | RepeatPlace


def own_events(own: Place | None, project: Project) -> Mapping[int, str]:
    """Give a place's event in each arm it has one in."""
    if not isinstance(own, EventPlace):
        return {}
    return {project.arm_of(event): event for event in own.events}


def events_meant(reference: Reference, own: Place | None, project: Project) -> Mapping[int, str]:
    """Give per arm number the event that a reference means; an arm without one is left out.

    * An explicit event stands for itself, in its own arm.
    * Without an event: the own event if the field's form is designated there, else the only event
      of the arm it is designated for. Several, none of them the own: no event.
    * A smart event is one of those of the arm that the field's form is designated for: the first,
      the last, or the one nearest before or after the own event.

    Empty in a classic project. Raises DictionaryError for an unknown field or event.
    """
    if not project.is_longitudinal:
        return {}
    if reference.event is not None and reference.event not in SMART_EVENTS:
        return {project.arm_of(reference.event): reference.event}
    own_by_arm = own_events(own, project)
    meant = {
        arm: _choose(reference.event, events, own_by_arm.get(arm), _of_arm(project, arm))
        for arm, events in _by_arm(project.events_of_field(reference.field), project).items()
    }
    return {arm: event for arm, event in meant.items() if event is not None}


def ambiguous(reference: Reference, own: Place | None, project: Project) -> tuple[str, ...]:
    """Give the events a reference without an event could mean, where it cannot be told which.

    Empty if it means one event, or none. A study file with such a reference must name the event.
    """
    if reference.event is not None or not project.is_longitudinal:
        return ()
    if reference.field == project.record_id_field:
        return ()
    meant = events_meant(reference, own, project)
    candidates = _by_arm(project.events_of_field(reference.field), project)
    return tuple(
        event
        for arm, events in candidates.items()
        if arm not in meant and len(events) > 1
        for event in events
    )


def needed(
    references: Iterable[Reference], own_places: Iterable[Place | None], project: Project
) -> tuple[set[str], set[str]]:
    """Give the fields and the events that must be exported so that the references can be read.

    Each reference is resolved at each own place, in all arms. No events in a classic project. The
    record ID field is in every export and not named.
    """
    places = list(own_places) or [None]
    wanted = [each for each in references if each.field != project.record_id_field]
    fields = {project.field(reference.field).name for reference in wanted}
    events = {
        event
        for reference in wanted
        for place in places
        for event in events_meant(reference, place, project).values()
    }
    return fields, events


def smart_event(name: str, own: str | None, events: tuple[str, ...]) -> str | None:
    """Give the event that a smart event name means among ``events``, in schedule order."""
    return _choose(name, events, own, events)


def _choose(
    name: str | None, events: tuple[str, ...], own: str | None, order: tuple[str, ...]
) -> str | None:
    """Pick one of an arm's ``events``; ``order`` is the whole arm's schedule."""
    if name is None:
        return own if own in events else (events[0] if len(events) == 1 else None)
    if name == "event-name":
        return own
    if name in ("first-event-name", "last-event-name"):
        return events[0 if name.startswith("first") else -1] if events else None
    if own is None:
        return None
    here = order.index(own)
    if name == "previous-event-name":
        return next((each for each in reversed(order[:here]) if each in events), None)
    return next((each for each in order[here + 1 :] if each in events), None)


def _of_arm(project: Project, arm: int) -> tuple[str, ...]:
    return tuple(event.unique_name for event in project.events if event.arm == arm)


def _by_arm(events: Iterable[str], project: Project) -> Mapping[int, tuple[str, ...]]:
    by_arm: dict[int, tuple[str, ...]] = {event.arm: () for event in project.events}
    for event in events:
        by_arm[project.arm_of(event)] += (event,)
    return by_arm
