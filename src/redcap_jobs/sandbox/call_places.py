"""Where a call about one form of one record goes: its record, event, instrument and instance."""

from __future__ import annotations

from redcap_jobs.sandbox.context import Context
from redcap_jobs.sandbox.parameters import Refusal
from redcap_jobs.sandbox.store import Record, RowKey
from redcap_jobs.sandbox.structure import CLASSIC

NO_RECORD = 'The record "{}" does not exist'
INVALID_EVENT = "invalid event"
"""Both recorded: REDCapR's survey links, PyCap issue 117."""
NOT_ON_EVENT = "The instrument '{form}' is not designated for the event '{event}'"
BAD_INSTANCE = 'The value of the parameter "repeat_instance" must be a positive whole number'
"""Own answers."""
MAX_DIGITS = 9


def existing_record(context: Context) -> str:
    """Return the record named by ``record``; one of another group does not exist for the user.

    Raises:
        Refusal: There is none.

    """
    stored_record(context)
    return context.parameters.text("record")


def stored_record(context: Context) -> Record:
    """Return what is stored of :func:`existing_record`, as it is at this moment."""
    name = context.parameters.text("record")
    record = context.project.store.current.records.get(name)
    if record is None or not context.visible(record.dag):
        raise Refusal(400, NO_RECORD.format(name))
    return record


def event_of(context: Context) -> str:
    """Return the event named by ``event``; '' in a classic project.

    Raises:
        Refusal: A longitudinal project has no such event, or none was named.

    """
    if not context.structure.is_longitudinal:
        return CLASSIC
    event = context.parameters.text("event")
    if event not in context.structure.event_by_name:
        raise Refusal(400, INVALID_EVENT)
    return event


def form_place(context: Context, form: str) -> RowKey:
    """Return the row that holds a form's values for ``event`` and ``repeat_instance``.

    An instance counts only where something repeats, and is 1 if none was named.

    Raises:
        Refusal: The event is none, or does not have the form, or the instance is no number.

    """
    structure, event = context.structure, event_of(context)
    if form not in structure.forms_on(event):
        raise Refusal(400, NOT_ON_EVENT.format(form=form, event=event))
    instance = number_of(context.parameters.text("repeat_instance", "1"))
    if instance == 0:
        raise Refusal(400, BAD_INSTANCE)
    if structure.repeats(event, form):
        return RowKey(event, form, instance)
    if structure.event_repeats(event):
        return RowKey(event, "", instance)
    return RowKey(event)


def number_of(text: str) -> int:
    """Return the number that a parameter holds, 0 for whatever is none of up to nine digits."""
    return int(text) if len(text) <= MAX_DIGITS and text.isdecimal() else 0
