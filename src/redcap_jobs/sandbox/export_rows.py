"""Which stored rows an export has, and their order.

As recorded: a record's rows that do not repeat come first, event by event; then all that repeat,
by event, instrument and instance. Naming fields drops no row of a longitudinal project that does
not repeat; in a classic project a row goes on which none of the columns lives.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from redcap_jobs.sandbox.context import Context
from redcap_jobs.sandbox.date_range import in_date_range
from redcap_jobs.sandbox.export_columns import Selection
from redcap_jobs.sandbox.store import Record, RowKey, Snapshot
from redcap_jobs.sandbox.structure import Structure


@dataclass(frozen=True)
class ExportRow:
    """One stored row on its way out."""

    record: str
    key: RowKey
    dag: str
    stored: Mapping[str, str]


def selected_rows(context: Context, selection: Selection) -> Iterator[ExportRow]:
    """Yield the stored rows that were asked for, record by record."""
    return filter(asked_for(context, selection), visible_rows(context))


def asked_for(context: Context, selection: Selection) -> Callable[[ExportRow], bool]:
    """Return what tells whether a row lies in the events and forms of the call.

    A repeating instrument's row is shown only if a column of that form was asked for; this
    sandbox's own answer where nothing is recorded, as is ignoring records that do not exist.
    """
    structure = context.structure
    events = context.parameters.array("events") if structure.is_longitudinal else []
    id_field = structure.record_id_field
    asked = {column.form for column in selection.columns if column.field != id_field}
    bare = not structure.is_longitudinal and not selection.with_keys
    base = asked & structure.forms_on_row("", "") if bare else asked
    with_base = bool(base) or not bare or selection.everything

    def wanted(row: ExportRow) -> bool:
        if events and row.key.event not in events:
            return False
        return row.key.instrument in asked if row.key.instrument else with_base

    return wanted


def visible_rows(context: Context) -> Iterator[ExportRow]:
    """Yield every row of the records asked for, as far as the user's group may see them."""
    snapshot = context.project.store.current
    in_range = in_date_range(context.parameters)
    for name in wanted_records(snapshot, context.parameters.array("records")):
        record = snapshot.records[name]
        if context.visible(record.dag) and in_range(record):
            for key in ordered_rows(record, context.structure):
                yield ExportRow(name, key, record.dag, record.rows[key])


def wanted_records(snapshot: Snapshot, asked: Sequence[str]) -> Sequence[str]:
    """Return the record names to export, in order; names that do not exist are passed over."""
    if not asked:
        return snapshot.ordered
    wanted = set(asked)
    return [name for name in snapshot.ordered if name in wanted]


def ordered_rows(record: Record, structure: Structure) -> list[RowKey]:
    """Return a record's rows in order: what does not repeat, then what does."""
    keys = [key for key in record.rows if structure.has_row(*key)]
    if len(keys) <= 1:
        return keys
    event_order, form_order = structure.event_order, structure.form_order
    return sorted(
        keys,
        key=lambda key: (
            bool(key.instrument) or structure.event_repeats(key.event),
            event_order.get(key.event, len(event_order)),
            form_order.get(key.instrument, -1),
            key.instance,
        ),
    )


def key_columns(structure: Structure) -> list[str]:
    """Return event and repeat columns as far as the project has them."""
    columns = ["redcap_event_name"] if structure.is_longitudinal else []
    if structure.repeating:
        columns += ["redcap_repeat_instrument", "redcap_repeat_instance"]
    return columns


def key_cells(
    structure: Structure, key: RowKey, *, labels: Mapping[str, str] | None = None
) -> list[str | int]:
    """Return the cells of :func:`key_columns`: an instance is a number, or '' where none is."""
    cells: list[str | int] = []
    if structure.is_longitudinal:
        cells.append(labels[key.event] if labels else key.event)
    if structure.repeating:
        cells += [labels.get(key.instrument, "") if labels else key.instrument, key.instance or ""]
    return cells
