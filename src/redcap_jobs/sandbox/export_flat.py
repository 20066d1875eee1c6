"""A flat export: one line per row, one column per field, checkbox option and form status.

As recorded: an unticked option and an untouched status are '0' on the rows where their form lives
and '' everywhere else; a file shows its name; survey fields stand where REDCap puts them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from redcap_jobs.sandbox.answers import Table
from redcap_jobs.sandbox.context import Context
from redcap_jobs.sandbox.dictionary import Column
from redcap_jobs.sandbox.export_boxes import settled_boxes
from redcap_jobs.sandbox.export_columns import Selection
from redcap_jobs.sandbox.export_gray import columns_by_form, statuses_at, touched
from redcap_jobs.sandbox.export_labels import header_labels, label_of_keys, translations
from redcap_jobs.sandbox.export_rows import ExportRow, key_cells, key_columns
from redcap_jobs.sandbox.parameters import Parameters
from redcap_jobs.sandbox.structure import Structure

DELIMITERS = {"": ",", ",": ",", "tab": "\t", ";": ";", "|": "|", "^": "^"}
IDENTIFIER = "redcap_survey_identifier"

Change = Callable[[str], str]
"""Turn a cell as stored into what the export shows."""


@dataclass(frozen=True)
class FlatColumns:
    """The columns behind the keys: names, and what is done with cells beyond looking them up.

    ``combined`` maps a checkbox field's place to its options, see ``combineCheckboxOptions``.
    """

    columns: tuple[Column, ...]
    changes: tuple[tuple[int, Change], ...]


def flat_table(context: Context, selection: Selection, rows: Iterable[ExportRow]) -> Table:
    """Write rows as a rectangle."""
    structure, parameters = context.structure, context.parameters
    id_field = structure.record_id_field
    columns = tuple(column for column in selection.columns if column.field != id_field)
    head = [id_field, *key_columns(structure)] if selection.with_keys else []
    head += ["redcap_data_access_group"] if selection.with_dag else []
    head += [IDENTIFIER] if selection.with_identifier else []
    names = [*head, *(column.name for column in columns)]
    combining = parameters.flag("combineCheckboxOptions")
    labelled = parameters.text("rawOrLabelHeaders") == "label"
    cells = flat_cells(context, selection, columns, rows)
    if combining:
        names, cells = combined(context, columns, len(head), names, cells)
    return Table(
        names,
        cells,
        root="records",
        headers=header_labels(structure, names) if labelled else None,
        delimiter=delimiter_of(parameters),
    )


def delimiter_of(parameters: Parameters) -> str:
    """Return what ``csvDelimiter`` asks for; a comma for anything else."""
    return DELIMITERS.get(parameters.text("csvDelimiter"), ",")


def flat_cells(
    context: Context,
    selection: Selection,
    columns: Sequence[Column],
    rows: Iterable[ExportRow],
) -> Iterator[list[str | int]]:
    """Yield the cells row by row."""
    structure, parameters = context.structure, context.parameters
    in_labels = parameters.text("rawOrLabel") == "label"
    names = [column.name for column in columns]
    changes = changes_of(context, columns, in_labels=in_labels)
    key_labels = label_of_keys(structure) if in_labels else None
    dag_names = {dag.unique_name: dag.name for dag in structure.dags} if in_labels else {}
    gray_is_blank = parameters.flag("exportBlankForGrayFormStatus")
    settle = settled_boxes(structure, columns, with_keys=selection.with_keys)
    statuses = statuses_at(columns) if gray_is_blank else []
    own_columns = columns_by_form(structure)
    defaults: dict[tuple[str, str], list[str]] = {}
    for row in rows:
        place = (row.key.event, row.key.instrument)
        if place not in defaults:
            defaults[place] = blanks(structure, columns, place, gray_is_blank=gray_is_blank)
        get = row.stored.get
        cells = [get(name, default) for name, default in zip(names, defaults[place], strict=True)]
        settle(cells, row.stored)
        for at, form in statuses:
            if not cells[at] and touched(row.stored, own_columns[form]):
                cells[at] = "0"
        for at, change in changes:
            cells[at] = change(cells[at])
        head: list[str | int] = []
        if selection.with_keys:
            head = [row.record, *key_cells(structure, row.key, labels=key_labels)]
        if selection.with_dag:
            head.append(dag_names.get(row.dag, row.dag))
        if selection.with_identifier:
            head.append(row.stored.get(IDENTIFIER, ""))
        yield [*head, *cells]


def blanks(
    structure: Structure,
    columns: Sequence[Column],
    place: tuple[str, str],
    *,
    gray_is_blank: bool,
) -> list[str]:
    """Return what each column shows on such a row when nothing is stored."""
    living = structure.forms_on_row(*place)
    return [
        ""
        if column.form not in living or (gray_is_blank and column.kind == "status")
        else column.default
        for column in columns
    ]


def changes_of(
    context: Context, columns: Sequence[Column], *, in_labels: bool
) -> list[tuple[int, Change]]:
    """Return which columns' cells are shown otherwise than they are stored, by their places."""
    words = translations(context, columns) if in_labels else [{}] * len(columns)
    decimal = context.parameters.text("decimalCharacter")
    found: list[tuple[int, Change]] = []
    for place, (column, labels) in enumerate(zip(columns, words, strict=True)):
        if column.kind == "file":
            found.append((place, file_name(context)))
            continue
        if decimal in (",", ".") and is_number(context.structure, column):
            found.append((place, with_decimal(decimal, labels)))
        elif labels:
            found.append((place, worded(labels)))
    return found


def file_name(context: Context) -> Change:
    """Show a file's key as its name, also if the file goes while the export runs."""
    began_with = context.project.files.all()

    def shown(key: str) -> str:
        try:
            return (began_with.get(key) or context.project.files.get(key)).name if key else ""
        except LookupError:
            return key

    return shown


def worded(labels: Mapping[str, str]) -> Change:
    """Show a code in words; what is no code as it is."""
    return lambda cell: labels.get(cell, cell)


def with_decimal(mark: str, labels: Mapping[str, str]) -> Change:
    """Show a number with this decimal mark, and a code among numbers in words."""
    other = "." if mark == "," else ","
    return lambda cell: labels[cell] if cell in labels else cell.replace(other, mark)


def is_number(structure: Structure, column: Column) -> bool:
    """Tell whether a column holds numbers: calculated, or validated as such."""
    field = structure.field_by_name.get(column.field)
    if field is None or column.kind != "value":
        return False
    return field.type in ("calc", "slider") or field.validation.startswith("number")


def combined(
    context: Context,
    columns: Sequence[Column],
    width: int,
    names: Sequence[str],
    rows: Iterable[list[str | int]],
) -> tuple[list[str], Iterator[list[str | int]]]:
    """Put all options of a checkbox into one column, the ticked ones joined by commas.

    ``combineCheckboxOptions`` is known from a digest of the help only: own answer.
    """
    labelled = context.parameters.text("rawOrLabel") == "label"
    own = labelled and context.parameters.flag("exportCheckboxLabel")
    groups: dict[str, list[tuple[int, str]]] = {}
    for place, column in enumerate(columns, start=width):
        label = column.code
        if column.kind == "checkbox" and labelled:
            label = context.structure.option_label(column)
        name = column.field if column.kind == "checkbox" else names[place]
        groups.setdefault(name, []).append((place, label if column.kind == "checkbox" else ""))
    ticked = {"1", "Checked"}

    def joined(cells: list[str | int], options: list[tuple[int, str]]) -> str | int:
        if not options[0][1]:
            return cells[options[0][0]]
        shown = ((label, cells[place]) for place, label in options)
        return ",".join(label for label, cell in shown if cell in ticked or (own and cell == label))

    lines = ([*row[:width], *(joined(row, options) for options in groups.values())] for row in rows)
    return [*names[:width], *groups], lines
