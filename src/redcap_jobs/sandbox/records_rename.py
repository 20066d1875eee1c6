"""Renaming a record, and asking for its randomization."""

from __future__ import annotations

from collections.abc import Collection

from redcap_jobs.sandbox.answers import Answer, Plain
from redcap_jobs.sandbox.call_places import NO_RECORD, existing_record
from redcap_jobs.sandbox.context import Context
from redcap_jobs.sandbox.import_rows import refuse_unknown
from redcap_jobs.sandbox.parameters import Refusal
from redcap_jobs.sandbox.store import Draft, RowKey

NO_NAME = 'The parameter "new_record_name" is missing'
TAKEN = 'The record "{}" already exists'
NO_RANDOMIZATION = "Randomization is not enabled in this project"
NO_ALLOCATION = "There is no allocation table for this randomization"
"""Own answers: the texts of these refusals are not recorded."""


def rename_record(context: Context) -> Answer:
    """Answer ``action=rename``: 1, as the API help says; with ``arm`` only what is in that arm.

    A new name is no change of data: ``dateRangeBegin`` finds the record by its old changes (own
    answer).
    """
    old, new = context.parameters.text("record"), context.parameters.text("new_record_name").strip()
    arm = arm_of(context)
    with context.project.store.writing(None) as draft:
        keys = [key for key in draft.rows(old) if in_arm(context, key, arm)]
        if not keys or not context.visible(draft.dag(old)):
            raise Refusal(400, NO_RECORD.format(old))
        if not new:
            raise Refusal(400, NO_NAME)
        if draft.exists(new):
            raise Refusal(400, TAKEN.format(new))
        dag = draft.dag(old)
        move_rows(draft, old, new, keys)
    details = f"{context.structure.record_id_field} = '{new}'"
    context.note("record_edit", f"Update record (API) {new}", details, new, dag)
    return Plain("1")


def move_rows(draft: Draft, old: str, new: str, keys: Collection[RowKey]) -> None:
    """Move rows to a new record with locks, group and dates of the old one; nothing left, it goes."""
    dag, locks = draft.dag(old), draft.locks(old)
    for key in keys:
        draft.row(new, key).update(draft.rows(old)[key])
        draft.drop_row(old, key)
    if dag:
        draft.set_dag(new, dag)
    draft.take_moments(new, old)
    draft.set_locks(new, frozenset(lock for lock in locks if lock[0] in keys or not lock[1]))
    if draft.rows(old):
        draft.set_locks(
            old, frozenset(lock for lock in locks if lock[0] not in keys or not lock[1])
        )
    else:
        draft.delete(old)


def arm_of(context: Context) -> str:
    """Return the arm that is named; '' stands for all, and for those of a classic project.

    Raises:
        Refusal: There is no such arm (own answer).

    """
    arm, structure = context.parameters.text("arm"), context.structure
    if not arm or not structure.is_longitudinal:
        return ""
    refuse_unknown("arm", [arm], [str(one.number) for one in structure.arms])
    return arm


def in_arm(context: Context, key: RowKey, arm: str) -> bool:
    """Tell whether a row is in the arm; every row is where none is named."""
    event = context.structure.event_by_name.get(key.event)
    return not arm or event is None or str(event.arm) == arm


def randomize_record(context: Context) -> Answer:
    """Answer ``action=randomize``: this sandbox has no allocation tables, so it always refuses."""
    existing_record(context)
    enabled = context.project.settings.randomization_enabled
    raise Refusal(400, NO_ALLOCATION if enabled else NO_RANDOMIZATION)
