"""Renaming a record, and asking for its randomization."""

from __future__ import annotations

from redcap_jobs.sandbox.answers import Answer, Plain
from redcap_jobs.sandbox.call_places import existing_record
from redcap_jobs.sandbox.context import Context
from redcap_jobs.sandbox.parameters import Refusal
from redcap_jobs.sandbox.store import RowKey

NO_NAME = 'The parameter "new_record_name" is missing'
TAKEN = 'The record "{}" already exists'
NO_RANDOMIZATION = "Randomization is not enabled in this project"
NO_ALLOCATION = "There is no allocation table for this randomization"
"""Own answers: the texts of these refusals are not recorded."""


def rename_record(context: Context) -> Answer:
    """Answer ``action=rename``: 1, as the API help says; with ``arm`` only what is in that arm."""
    old, new = existing_record(context), context.parameters.text("new_record_name").strip()
    if not new:
        raise Refusal(400, NO_NAME)
    arm = context.parameters.text("arm")
    with context.project.store.writing(context.now) as draft:
        if draft.exists(new):
            raise Refusal(400, TAKEN.format(new))
        keys = [key for key in draft.rows(old) if in_arm(context, key, arm)]
        dag, locks = draft.dag(old), draft.locks(old)
        for key in keys:
            draft.row(new, key).update(draft.rows(old)[key])
            draft.drop_row(old, key)
        if dag:
            draft.set_dag(new, dag)
        draft.set_locks(new, frozenset(lock for lock in locks if lock[0] in keys or not lock[1]))
        if not draft.rows(old):
            draft.delete(old)
    details = f"{context.structure.record_id_field} = '{new}'"
    context.note("record_edit", f"Update record (API) {new}", details, new, dag)
    return Plain("1")


def in_arm(context: Context, key: RowKey, arm: str) -> bool:
    """Tell whether a row is in the arm; every row is where none is named."""
    event = context.structure.event_by_name.get(key.event)
    return not arm or event is None or str(event.arm) == arm


def randomize_record(context: Context) -> Answer:
    """Answer ``action=randomize``: this sandbox has no allocation tables, so it always refuses."""
    existing_record(context)
    enabled = context.project.settings.randomization_enabled
    raise Refusal(400, NO_ALLOCATION if enabled else NO_RANDOMIZATION)
