"""What a first study file can say of a project, and what can only be guessed from names.

A guess is right often enough to be worth writing down and never to be run unread: each is marked
``TO-DO`` in the file, which ``redcap-jobs check`` reports until a person has deleted the mark.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from redcap_jobs.redcap.project import Event, Field, Project

DATE = re.compile(r"date(time)?_")
PERIOD = re.compile(r"(?P<unit>day|week|month|year)s?[ _-]*(?P<number>\d+)", re.IGNORECASE)
UNITS = {"day": ("days", 1), "week": ("days", 7), "month": ("months", 1), "year": ("months", 12)}
FIRST_VISIT = re.compile(r"base|screen|enrol|random|consent", re.IGNORECASE)
NOT_A_VISIT_DATE = re.compile(r"birth|dob|withdr|off|death|consent|enrol|target|opens|closes")


@dataclass(frozen=True)
class GuessedVisit:
    """One event, or its namesakes of all arms: where it stands and when it is planned.

    ``target`` and ``widths`` (early, late) are None where nothing points to them; ``sure`` says
    that they are REDCap's own offsets.
    """

    id: str
    name: str
    events: tuple[str, ...]
    target: str | None
    widths: tuple[int, int] | None
    sure: bool


def slug(text: str) -> str:
    """Make an id of a name: small letters, digits and ``_``, beginning with a letter."""
    plain = re.sub(r"[^a-z0-9]+", "_", text.lower()).strip("_")
    return plain if plain[:1].isalpha() else f"v_{plain}".rstrip("_")


def guess_visits(project: Project) -> list[GuessedVisit]:
    """Group events by name over the arms, in the project's order."""
    by_name: dict[str, list[Event]] = {}
    for event in project.events:
        by_name.setdefault(event.name, []).append(event)
    visits = [guess_visit(name, events) for name, events in by_name.items()]
    taken: dict[str, int] = {}
    unique = []
    for visit in visits:
        count = taken[visit.id] = taken.get(visit.id, 0) + 1
        renamed = f"{visit.id}_{count}" if count > 1 else visit.id
        unique.append(
            GuessedVisit(renamed, visit.name, visit.events, visit.target, visit.widths, visit.sure)
        )
    return unique


def guess_visit(name: str, events: list[Event]) -> GuessedVisit:
    """Take a visit's target from REDCap's offsets, else from a name such as "Month 12"."""
    unique_names = tuple(event.unique_name for event in events)
    first = events[0]
    if first.day_offset is not None:
        widths = (abs(first.offset_min or 0), abs(first.offset_max or 0))
        return GuessedVisit(
            slug(name), name, unique_names, f"days = {first.day_offset}", widths, sure=True
        )
    target = None
    if found := PERIOD.search(name):
        unit, factor = UNITS[found["unit"].lower()]
        target = f"{unit} = {int(found['number']) * factor}"
    elif FIRST_VISIT.search(name):
        target = "days = 0"
    return GuessedVisit(slug(name), name, unique_names, target, None, sure=False)


def guess_anchor(project: Project) -> str | None:
    """Return the most likely anchor: a date field of the first event, by its name."""
    first = {event.arm: event.unique_name for event in reversed(project.events)}
    on_first = [
        field
        for field in date_fields(project)
        if not first or set(first.values()) & set(project.events_of_field(field.name))
    ]
    return best(on_first, ("anchor", "baseline", "random", "rand_", "enrol", "consent"))


def guess_done_on(project: Project) -> str | None:
    """Return the most likely visit date: a date field that stands on the most events."""
    candidates = [each for each in date_fields(project) if not NOT_A_VISIT_DATE.search(each.name)]
    if not candidates:
        return None
    if not project.is_longitudinal:
        repeating = {form for _, form in project.repeating}
        candidates = [each for each in candidates if each.form in repeating] or candidates
        return best(candidates, ("visit", "date"))
    most = max(len(project.events_of_field(each.name)) for each in candidates)
    widest = [each for each in candidates if len(project.events_of_field(each.name)) == most]
    return best(widest, ("visit", "date"))


def date_fields(project: Project) -> list[Field]:
    """Return the text fields with a date validation, in dictionary order."""
    return [each for each in project.fields.values() if DATE.match(each.validation)]


def best(fields: Iterable[Field], words: Iterable[str]) -> str | None:
    """Return the first field whose name holds the earliest of some words, else the first field."""
    fields = list(fields)
    for word in words:
        for field in fields:
            if word in field.name:
                return field.name
    return fields[0].name if fields else None
