"""Record export, flat and EAV: which columns, which rows, and what a blank looks like.

Rules recorded from real servers: the record ID and the key columns are missing when only other
fields are asked for; an unticked checkbox and an untouched form status are '0' on the rows where
their form lives and '' everywhere else.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from redcap_jobs.sandbox.answers import Answer, Table
from redcap_jobs.sandbox.context import Context
from redcap_jobs.sandbox.date_range import in_date_range
from redcap_jobs.sandbox.dictionary import Column
from redcap_jobs.sandbox.export_labels import (
    eav_label,
    header_labels,
    label_of_keys,
    translations,
)
from redcap_jobs.sandbox.filter_logic import matching_rows
from redcap_jobs.sandbox.parameters import Refusal
from redcap_jobs.sandbox.store import Record, RowKey, Snapshot
from redcap_jobs.sandbox.structure import Structure

DAG_RIGHT_MISSING = (
    "Insufficient user privileges: You must have 'API Export' privileges and 'Data Access Groups' "
    "privileges in the project."
)
DELIMITERS = {"": ",", ",": ",", "tab": "\t", ";": ";", "|": "|", "^": "^"}


@dataclass(frozen=True)
class ExportRow:
    """One stored row on its way out."""

    record: str
    key: RowKey
    dag: str
    stored: Mapping[str, str]


@dataclass(frozen=True)
class Selection:
    """The columns asked for; ``with_keys`` only if the record ID field is among them."""

    columns: tuple[Column, ...]
    with_keys: bool
    with_dag: bool


def export_records(context: Context) -> Answer:
    """Answer ``content=record`` without data: flat, or EAV with ``type=eav``."""
    selection = select(context)
    rows = list(selected_rows(context, selection))
    if context.parameters.text("filterLogic"):
        rows = matching_rows(context, rows, list(visible_rows(context)))
    writer = eav_table if context.parameters.text("type") == "eav" else flat_table
    return writer(context, selection, rows)


def select(context: Context) -> Selection:
    """Work out the columns from ``fields``, ``forms`` and ``exportDataAccessGroups``.

    Raises:
        Refusal: A field or form does not exist, or the groups are not the user's to see.

    """
    structure, parameters = context.structure, context.parameters
    fields, forms = parameters.array("fields"), parameters.array("forms")
    names = {one.name for one in structure.fields} | {
        column.field for column in structure.columns if column.kind == "status"
    }
    refuse_unknown("fields", fields, names)
    refuse_unknown("forms", forms, set(structure.form_order))
    everything = not fields and not forms
    columns = tuple(
        column
        for column in structure.columns
        if everything or column.field in fields or column.form in forms
    )
    with_keys = any(column.field == structure.record_id_field for column in columns)
    with_dag = parameters.flag("exportDataAccessGroups") and not context.user.dag
    if with_dag and not context.rights.allow("data_access_groups"):
        raise Refusal(400, DAG_RIGHT_MISSING)
    return Selection(columns, with_keys, with_dag and bool(structure.dags))


def refuse_unknown(parameter: str, given: Sequence[str], known: set[str]) -> None:
    """Refuse values of a list parameter that do not exist.

    The text is recorded for ``fields`` since version 13.4.10; that it is the same for forms and
    events is this sandbox's own answer.
    """
    unknown = [value for value in given if value not in known]
    if unknown:
        listed = ", ".join(f"'{value}'" for value in unknown)
        raise Refusal(
            400, f'The following values in the parameter "{parameter}" are not valid: {listed}'
        )


def selected_rows(context: Context, selection: Selection) -> Iterator[ExportRow]:
    """Yield the stored rows that were asked for, record by record, then event by event.

    A repeating instrument's row is shown only if a column of that form was asked for; this
    sandbox's own answer where nothing is recorded, as is ignoring records that do not exist.
    """
    structure = context.structure
    events = context.parameters.array("events") if structure.is_longitudinal else []
    refuse_unknown("events", events, set(structure.event_by_name))
    id_field = structure.record_id_field
    forms = {column.form for column in selection.columns if column.field != id_field}
    for row in visible_rows(context):
        if events and row.key.event not in events:
            continue
        if row.key.instrument and row.key.instrument not in forms:
            continue
        yield row


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
    """Return a record's rows: event by event, the plain row before the repeating ones."""
    keys = [key for key in record.rows if structure.has_row(*key)]
    if len(keys) <= 1:
        return keys
    event_order, form_order = structure.event_order, structure.form_order
    return sorted(
        keys,
        key=lambda key: (
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


def flat_table(context: Context, selection: Selection, rows: Sequence[ExportRow]) -> Table:
    """Write rows as a rectangle, one column per field, checkbox option and form status."""
    structure, parameters = context.structure, context.parameters
    in_labels = parameters.text("rawOrLabel") == "label"
    id_field = structure.record_id_field
    columns = [column for column in selection.columns if column.field != id_field]
    names = [column.name for column in columns]
    defaults: dict[tuple[str, str], list[str]] = {}
    translate = translations(context, columns) if in_labels else []
    key_labels = label_of_keys(structure) if in_labels else None
    gray_is_blank = parameters.flag("exportBlankForGrayFormStatus")
    dag_names = {dag.unique_name: dag.name for dag in structure.dags} if in_labels else {}
    out: list[list[str | int]] = []
    for row in rows:
        place = (row.key.event, row.key.instrument)
        if place not in defaults:
            defaults[place] = blanks(structure, columns, place, gray_is_blank=gray_is_blank)
        get = row.stored.get
        cells = [get(name, default) for name, default in zip(names, defaults[place], strict=True)]
        if in_labels:
            cells = [words.get(cell, cell) for words, cell in zip(translate, cells, strict=True)]
        head: list[str | int] = []
        if selection.with_keys:
            head = [row.record, *key_cells(structure, row.key, labels=key_labels)]
        if selection.with_dag:
            head.append(dag_names.get(row.dag, row.dag))
        out.append([*head, *cells])
    head_names = [id_field, *key_columns(structure)] if selection.with_keys else []
    if selection.with_dag:
        head_names.append("redcap_data_access_group")
    all_names = [*head_names, *names]
    labelled = parameters.text("rawOrLabelHeaders") == "label"
    headers = header_labels(structure, all_names) if labelled else None
    delimiter = DELIMITERS.get(parameters.text("csvDelimiter"), ",")
    return Table(all_names, out, root="records", headers=headers, delimiter=delimiter)


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


def eav_table(context: Context, selection: Selection, rows: Sequence[ExportRow]) -> Table:
    """Write one line per stored value; a ticked option is a line of its own, blanks are left out."""
    structure = context.structure
    id_field = structure.record_id_field
    in_labels = context.parameters.text("rawOrLabel") == "label"
    key_labels = label_of_keys(structure) if in_labels else None
    out: list[list[str | int]] = []
    for row in rows:
        head: list[str | int] = [
            row.record,
            *key_cells(structure, row.key, labels=key_labels),
        ]
        if selection.with_dag and row.dag:
            out.append([*head, "redcap_data_access_group", row.dag])
        for column in selection.columns:
            if column.field == id_field:
                if not row.key.instrument:
                    out.append([*head, id_field, row.record])
                continue
            value = row.stored.get(column.name, "")
            if not value:
                continue
            if column.kind == "checkbox":
                value = column.code
            if in_labels:
                value = eav_label(structure, column, value)
            out.append([*head, column.field, value])
    names = ["record", *key_columns(structure), "field_name", "value"]
    return Table(names, out, root="records")
