"""An EAV export: one line per value.

As recorded: a ticked option is a line of its own with its code, blanks are left out, a status
never touched comes as '0' at the end of its row unless ``exportBlankForGrayFormStatus`` is on, and
a file is a number.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from redcap_jobs.sandbox.answers import Table
from redcap_jobs.sandbox.context import Context
from redcap_jobs.sandbox.dictionary import Column
from redcap_jobs.sandbox.export_columns import Selection
from redcap_jobs.sandbox.export_flat import changes_of, delimiter_of
from redcap_jobs.sandbox.export_gray import columns_by_form, touched
from redcap_jobs.sandbox.export_labels import label_of_keys
from redcap_jobs.sandbox.export_rows import ExportRow, key_cells, key_columns

KEY_LENGTH = 32
HEX_DIGITS = frozenset("0123456789abcdef")


def eav_table(context: Context, selection: Selection, rows: Iterable[ExportRow]) -> Table:
    """Write rows value by value."""
    return Table(
        ["record", *key_columns(context.structure), "field_name", "value"],
        eav_lines(context, selection, rows),
        root="records",
        delimiter=delimiter_of(context.parameters),
    )


def eav_lines(
    context: Context, selection: Selection, rows: Iterable[ExportRow]
) -> Iterator[list[str | int]]:
    """Yield the lines row by row; that the group is a line of each row is our own answer."""
    structure, parameters = context.structure, context.parameters
    id_field = structure.record_id_field
    in_labels = parameters.text("rawOrLabel") == "label"
    key_labels = label_of_keys(structure) if in_labels else None
    dag_names = {dag.unique_name: dag.name for dag in structure.dags} if in_labels else {}
    with_gray = not parameters.flag("exportBlankForGrayFormStatus")
    own_columns = columns_by_form(structure)
    columns = [column for column in selection.columns if column.field != id_field]
    shown = [(column, way_of(context, column, in_labels=in_labels)) for column in columns]
    living: dict[tuple[str, str], list[tuple[Column, Way | None]]] = {}
    for row in rows:
        place = row.key[:2]
        if place not in living:
            forms = structure.forms_on_row(*place)
            living[place] = [(column, way) for column, way in shown if column.form in forms]
        head: list[str | int] = [row.record, *key_cells(structure, row.key, labels=key_labels)]
        if selection.with_keys and not row.key.instrument:
            yield [*head, id_field, row.record]
        if selection.with_dag and row.dag:
            yield [*head, "redcap_data_access_group", dag_names.get(row.dag, row.dag)]
        get = row.stored.get
        for column, way in living[place]:
            value = get(column.name)
            if value:
                yield [*head, column.field, way(value) if way else value]
        for column, way in living[place]:
            if column.kind != "status" or column.name in row.stored:
                continue
            if with_gray or touched(row.stored, own_columns[column.form]):
                yield [*head, column.field, way("0") if way else "0"]


Way = Callable[[str], str]
"""Turn a value as stored into what the export shows."""


def way_of(context: Context, column: Column, *, in_labels: bool) -> Way | None:
    """Return how a column's values are shown, None for as they are."""
    if column.kind == "file":
        return document_number
    if column.kind == "checkbox":
        shown = context.structure.option_label(column) if in_labels else column.code
        return lambda _: shown
    return dict(changes_of(context, [column], in_labels=in_labels)).get(0)


def document_number(key: str) -> str:
    """Return the number that an export shows for a file: its key's first digits."""
    is_key = len(key) == KEY_LENGTH and set(key) <= HEX_DIGITS
    return str(int(key[:7], 16)) if is_key else key
