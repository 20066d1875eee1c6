"""Whether a field of a repeating form is asked for with the instance that is meant.

Without one, and with one where nothing repeats, REDCap's data hold no such cell: the field reads
as blank for everybody, and a visit that was held would become overdue.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import replace

from redcap_jobs.redcap.project import Field, Project
from redcap_jobs.redcap.records import RepeatPlace
from redcap_jobs.study.flaws import Flaw
from redcap_jobs.study.uses import FieldUse

NAMED = {"first-instance", "last-instance"}
"""The smart instances that mean something without an instance to start from."""


def instance_flaws(
    use: FieldUse, field: Field, project: Project, events: Collection[str]
) -> Iterator[Flaw]:
    """Judge the instance of a reference on the events that it means ('' in a classic project)."""
    if field.name == project.record_id_field:
        return
    if isinstance(use.own, RepeatPlace) and use.own.form == field.form:
        return
    repeating = [event for event in events if repeats_on(project, event, field)]
    asked = use.reference.instance
    if asked is not None and events and not repeating:
        what = f"{on_form(field)} does not repeat{on_events(events)}, so it has no instance {asked}"
        yield Flaw(use.path, what, f'write "{replace(use.reference, instance=None)}"')
    elif repeating and not names_an_instance(use):
        what = f"{on_form(field)} repeats{on_events(repeating)}, and no instance is named"
        yield Flaw(use.path, what, naming(use))


def names_an_instance(use: FieldUse) -> bool:
    """Tell whether a reference names its instance; what is written needs its number."""
    asked = use.reference.instance or ""
    return asked.isdigit() or (asked in NAMED and not use.written)


def naming(use: FieldUse) -> str:
    """Say how the instance is named."""
    if use.role == "done_form":
        return (
            "done_form cannot name an instance: leave it out, or choose a form that does not repeat"
        )
    numbered = f'name it: "{replace(use.reference, instance="1")}"'
    if use.written:
        return numbered
    return f'{numbered} or "{replace(use.reference, instance="last-instance")}"'


def repeats_on(project: Project, event: str, field: Field) -> bool:
    """Tell whether a field's form, or the whole event, repeats."""
    return bool({(event, field.form), (event, "")} & project.repeating)


def on_events(events: Collection[str]) -> str:
    """Name events; nothing in a classic project."""
    named = [event for event in events if event]
    return f" on {', '.join(named)}" if named else ""


def on_form(field: Field) -> str:
    """Name a field with its instrument."""
    return f'"{field.name}" (instrument "{field.form}")'
