"""An EAV export: one line per value.

As recorded: a ticked option is a line of its own with its code, blanks are left out, a status
never touched comes as '0' at the end of its row unless ``exportBlankForGrayFormStatus`` is on, and
a file is a number.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from redcap_jobs.sandbox.answers import Table
from redcap_jobs.sandbox.context import Context
from redcap_jobs.sandbox.dictionary import Column
from redcap_jobs.sandbox.export_columns import Selection
from redcap_jobs.sandbox.export_flat import delimiter_of, is_number
from redcap_jobs.sandbox.export_labels import eav_label, label_of_keys
from redcap_jobs.sandbox.export_rows import ExportRow, key_cells, key_columns


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
    statuses = [column for column in selection.columns if column.kind == "status"]
    columns = [column for column in selection.columns if column.field != id_field]
    show = Shown(context, in_labels=in_labels)
    for row in rows:
        head: list[str | int] = [row.record, *key_cells(structure, row.key, labels=key_labels)]
        if selection.with_keys and not row.key.instrument:
            yield [*head, id_field, row.record]
        if selection.with_dag and row.dag:
            yield [*head, "redcap_data_access_group", dag_names.get(row.dag, row.dag)]
        living = structure.forms_on_row(row.key.event, row.key.instrument)
        get = row.stored.get
        for column in columns:
            value = get(column.name)
            if value and column.form in living:
                yield [*head, column.field, show.value(column, value)]
        if with_gray:
            for column in statuses:
                if column.form in living and column.name not in row.stored:
                    yield [*head, column.field, show.value(column, "0")]


class Shown:
    """How values are written."""

    def __init__(self, context: Context, *, in_labels: bool) -> None:
        self._structure = context.structure
        self._in_labels = in_labels
        self._decimal = context.parameters.text("decimalCharacter")

    def value(self, column: Column, value: str) -> str:
        """Return a stored value as the export shows it."""
        if column.kind == "timestamp":
            return value
        if column.kind == "file":
            return str(int(value[:7], 16)) if is_key(value) else value
        if column.kind == "checkbox":
            value = column.code
        elif self._decimal == "," and is_number(self._structure, column):
            return value.replace(".", ",")
        return eav_label(self._structure, column, value) if self._in_labels else value


def is_key(value: str) -> bool:
    """Tell whether a file's cell holds a key; its first digits serve as the document's number."""
    return len(value) == 32 and all(sign in "0123456789abcdef" for sign in value)
