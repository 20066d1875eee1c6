"""What a change of structure means for the stored rows: they follow their event and their form.

A form that begins to repeat takes its values along as instance 1, and gives instance 1 back when
it stops; an event's rows follow its new name; a classic project's rows are those of the first
event. What has no place any more stays stored under its old key, unseen (own answers throughout).
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

from redcap_jobs.sandbox.project import SandboxProject
from redcap_jobs.sandbox.schedule import is_switched
from redcap_jobs.sandbox.store import Draft, RowKey
from redcap_jobs.sandbox.structure import CLASSIC, Structure

TIMESTAMP = "_timestamp"


def take_on(
    project: SandboxProject,
    after: Structure,
    *,
    renamed: Mapping[str, str] | None = None,
    deleted: Collection[str] = (),
) -> None:
    """Give the project a new structure and its rows their new places.

    Hold the project's lock. ``renamed`` maps old unique event names to new ones, ``deleted`` names
    events whose rows go for good; a record without any row goes with them.
    """
    before = project.structure
    moves = {**switch_moves(before, after), **(renamed or {})}
    with project.store.writing(None) as draft:
        if moves or deleted or before.repeating != after.repeating:
            for record in draft.names():
                relocate(draft, record, before, after, moves, deleted)
        project.change(structure=after)


def switch_moves(before: Structure, after: Structure) -> dict[str, str]:
    """Return old event → new event where a project turns longitudinal or classic."""
    if after.is_longitudinal and not before.is_longitudinal:
        return {CLASSIC: after.events[0].unique_name}
    if before.is_longitudinal and not is_switched(after):
        return {before.events[0].unique_name: CLASSIC}
    return {}


def relocate(
    draft: Draft,
    record: str,
    before: Structure,
    after: Structure,
    moves: Mapping[str, str],
    deleted: Collection[str],
) -> None:
    """Put one record's rows and locks where the new structure has them."""
    rows = draft.rows(record)
    placed: dict[RowKey, dict[str, str]] = {}
    for key in sorted(rows, key=lambda key: key.event not in moves):
        if key.event in deleted:
            continue
        event = moves.get(key.event, key.event)
        if not rows[key]:
            placed.setdefault(home(key, "", event, after), {})
        for name, value in rows[key].items():
            form = form_of(name, before, after)
            placed.setdefault(home(key, form, event, after), {}).setdefault(name, value)
    if rows and not placed:
        draft.delete(record)
        return
    locks = frozenset(
        (home(key, form, moves.get(key.event, key.event), after), form)
        for key, form in draft.locks(record)
        if key.event not in deleted
    )
    if placed != rows:
        for key in list(rows):
            draft.drop_row(record, key)
        for key, values in placed.items():
            draft.row(record, key).update(values)
    if locks != draft.locks(record):
        draft.set_locks(record, locks)


def form_of(name: str, before: Structure, after: Structure) -> str:
    """Return the form a stored value belongs to, '' if none of it is known."""
    column = after.column_by_name.get(name) or before.column_by_name.get(name)
    if column is not None:
        return column.form
    form = name.removesuffix(TIMESTAMP)
    return form if form in after.form_order else ""


def home(key: RowKey, form: str, event: str, after: Structure) -> RowKey:
    """Return where a form's values in a row belong, the row standing in ``event`` now."""
    if key.instrument:
        if after.repeats(event, key.instrument) or key.instance != 1:
            return RowKey(event, key.instrument, key.instance)
    elif key.instance <= 1 and after.repeats(event, form):
        return RowKey(event, form, 1)
    elif key.instance > 1:
        return RowKey(event, "", key.instance)
    return RowKey(event, "", 1 if after.event_repeats(event) else 0)
