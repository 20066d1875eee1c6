"""Record import: everything is checked first, then all of it is stored, or nothing.

What REDCap does not object to, this does not object to either: a row for an event of another arm
creates the record in that arm, a row without an event goes to the first one.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from redcap_jobs.sandbox.answers import Answer, Count, Ids, Plain, Success
from redcap_jobs.sandbox.context import Context
from redcap_jobs.sandbox.import_formats import NothingImported, Row, read_rows
from redcap_jobs.sandbox.import_places import DAG_COLUMN, KEY_COLUMNS, BadPlace, place_of
from redcap_jobs.sandbox.parameters import Refusal
from redcap_jobs.sandbox.store import Draft, RowKey
from redcap_jobs.sandbox.structure import Structure
from redcap_jobs.sandbox.structure_calls import next_number
from redcap_jobs.sandbox.validation import BadValue, Check, column_check

DAG_FORBIDDEN = "Illegal use of 'redcap_data_access_group' field!"
NEVER_IMPORTED = frozenset({"calc", "sql"})
"""Field types whose imported values are passed over without a word."""


@dataclass(frozen=True)
class Line:
    """One imported row, checked: where it goes and what it stores ('' erases)."""

    record: str
    key: RowKey
    cells: Mapping[str, str]
    dag: str | None


@dataclass
class Checked:
    """The rows that may be stored, and the refused values as REDCap lists them."""

    lines: list[Line] = field(default_factory=list)
    refused: list[tuple[str, str, str, str]] = field(default_factory=list)
    """Record (or record and event), field, value, reason."""


def import_records(context: Context) -> Answer:
    """Answer ``content=record`` with ``data``: how many records, or their names.

    Raises:
        Refusal: Anything at all is wrong with the data; then nothing was stored.

    """
    structure = context.structure
    try:
        rows = read_rows(context.parameters, structure.record_id_field)
    except NothingImported:
        return Count(0)
    refuse_unknown_columns(rows, structure)
    refuse_unknown_events(rows, structure)
    if context.user.dag and any(DAG_COLUMN in row for row in rows):
        raise Refusal(400, DAG_FORBIDDEN)
    with context.project.store.writing(context.now) as draft:
        renamed = auto_numbers(context, rows, draft)
        checked = check_rows(context, rows, draft)
        if checked.refused:
            raise Refusal(400, refusal_text(checked.refused))
        for line in checked.lines:
            store_line(draft, line, context)
    context.counts.rows = len(rows)
    context.counts.cells = sum(len(line.cells) for line in checked.lines)
    return import_answer(context, checked.lines, renamed)


def refuse_unknown_columns(rows: Sequence[Row], structure: Structure) -> None:
    """Refuse columns that are no fields; a survey's own columns are passed over."""
    known = {*structure.column_by_name, structure.record_id_field, *KEY_COLUMNS, DAG_COLUMN}
    known |= {"redcap_survey_identifier"} | {f"{form.name}_timestamp" for form in structure.forms}
    named = dict.fromkeys(name for row in rows for name in row)
    unknown = [name for name in named if name not in known]
    if unknown:
        raise Refusal(
            400,
            "The following fields were not found in the project as real data fields: "
            + ", ".join(unknown),
        )
    if any(structure.record_id_field not in row for row in rows):
        raise Refusal(
            400, f"The record ID field '{structure.record_id_field}' is missing from the data"
        )


def refuse_unknown_events(rows: Sequence[Row], structure: Structure) -> None:
    """Refuse event names that do not exist, all of them in one sentence."""
    if not structure.is_longitudinal:
        return
    named = dict.fromkeys(row.get("redcap_event_name", "") for row in rows)
    unknown = [name for name in named if name and name not in structure.event_by_name]
    if unknown:
        raise Refusal(
            400, "The following values of redcap_event_name are invalid: " + ", ".join(unknown)
        )


def auto_numbers(context: Context, rows: Sequence[Row], draft: Draft) -> dict[str, str]:
    """With ``forceAutoNumber`` give every record a new name; returns new name → name sent."""
    if not context.parameters.flag("forceAutoNumber"):
        return {}
    id_field = context.structure.record_id_field
    prefix, number = next_number(context, draft.names())
    new_names: dict[str, str] = {}
    for row in rows:
        sent = row[id_field]
        if sent not in new_names:
            new_names[sent] = f"{prefix}{number + len(new_names)}"
        row[id_field] = new_names[sent]
    return {new: sent for sent, new in new_names.items()}


def check_rows(context: Context, rows: Sequence[Row], draft: Draft) -> Checked:
    """Check every row and value against structure, dictionary and the user's group."""
    structure = context.structure
    order = context.parameters.text("dateFormat", "YMD")
    checks = Checks(structure, order if order in ("YMD", "MDY", "DMY") else "YMD")
    overwrite = context.parameters.text("overwriteBehavior") == "overwrite"
    checked = Checked()
    given: set[tuple[str, RowKey]] = set()
    for row in rows:
        record = row[structure.record_id_field].strip()
        problem = record_problem(context, record, draft)
        if problem:
            checked.refused.append((record, structure.record_id_field, record, problem))
            continue
        try:
            key = place_of(row, record, structure, draft, given)
        except BadPlace as bad:
            checked.refused.append((record, bad.field, bad.value, bad.reason))
            continue
        given.add((record, key))
        cells: dict[str, str] = {}
        for name, value in row.items():
            if name not in structure.column_by_name or name == structure.record_id_field:
                continue
            if not value and not overwrite:
                continue
            try:
                stored = checks.stored(name, value, key)
            except BadValue as bad_value:
                where = f"{record} ({key.event})" if context.refusals_name_event else record
                checked.refused.append((where, name, value, str(bad_value)))
                continue
            if stored is not None:
                cells[name] = stored
        dag = row.get(DAG_COLUMN)
        if dag and dag not in structure.dag_by_unique_name:
            reason = f"The value is not a valid Data Access Group for {DAG_COLUMN}"
            checked.refused.append((record, DAG_COLUMN, dag, reason))
        checked.lines.append(Line(record, key, cells, dag if dag or overwrite else None))
    return checked


def record_problem(context: Context, record: str, draft: Draft) -> str:
    """Return why nothing may be written to a record of that name, '' if it may.

    The two texts are this sandbox's own.
    """
    if not record:
        return "The record ID is missing"
    if draft.exists(record) and not context.visible(draft.dag(record)):
        return "This record belongs to another Data Access Group"
    return ""


class Checks:
    """The checks of one import, each made once: of a value, and of its place on the row."""

    def __init__(self, structure: Structure, order: str) -> None:
        self._structure = structure
        self._order = order
        self._by_column: dict[str, Check] = {}
        self._living: dict[tuple[str, str], frozenset[str]] = {}

    def stored(self, name: str, value: str, key: RowKey) -> str | None:
        """Return the value to store ('' erases), or None for one that is passed over.

        Raises:
            BadValue: REDCap would refuse it.

        """
        structure = self._structure
        column = structure.column_by_name[name]
        if column.kind != "status" and structure.field_by_name[column.field].type in NEVER_IMPORTED:
            return None
        place = (key.event, key.instrument)
        if place not in self._living:
            self._living[place] = structure.forms_on_row(*place)
        if column.form not in self._living[place]:
            if not value:
                return None
            raise BadValue(misplaced(structure, name, column.form, key))
        if not value:
            return ""
        if column.kind == "file":
            raise BadValue("This field is a 'file' field and cannot be imported with the data")
        if name not in self._by_column:
            self._by_column[name] = column_check(column, structure, self._order)
        return self._by_column[name](value)


def misplaced(structure: Structure, name: str, form: str, key: RowKey) -> str:
    """Return REDCap's words for a field whose form is not on that row's event.

    Where the form is on the event but repeats there (or the row is another form's instance), the
    words are this sandbox's own.
    """
    if structure.is_longitudinal and form not in structure.forms_on(key.event):
        event = structure.event_label(key.event)
        return (
            f"This field ('{name}') exists on an instrument that is not designated for the event "
            f"named '{event}'. You are not allowed to import data for this field into this event."
        )
    if key.instrument:
        return f"This field ('{name}') is not on the repeating instrument of this row."
    return (
        f"This field ('{name}') is on a repeating instrument: redcap_repeat_instrument and "
        "redcap_repeat_instance must be given."
    )


def refusal_text(refused: Iterable[tuple[str, str, str, str]]) -> str:
    """Return one csv line per refused value, every cell quoted."""
    text = io.StringIO()
    csv.writer(text, quoting=csv.QUOTE_ALL, lineterminator="\n").writerows(refused)
    return text.getvalue().rstrip("\n")


def store_line(draft: Draft, line: Line, context: Context) -> None:
    """Store one checked row; a row with nothing to say in it leaves no trace (as recorded).

    A new record of a classic project may consist of its name alone; that is this sandbox's answer.
    """
    new = not draft.exists(line.record)
    held = draft.rows(line.record).get(line.key, {})
    changed = {
        name: value
        for name, value in line.cells.items()
        if held.get(name, "") != as_stored(value, name, context.structure)
    }
    if changed or (new and not context.structure.is_longitudinal):
        row = draft.row(line.record, line.key)
        for name, value in changed.items():
            stored = as_stored(value, name, context.structure)
            if stored:
                row[name] = stored
            else:
                row.pop(name, None)
    if not draft.exists(line.record):
        return
    if new and context.user.dag:
        draft.set_dag(line.record, context.user.dag)
    if line.dag is not None and draft.dag(line.record) != line.dag:
        draft.set_dag(line.record, line.dag)


def as_stored(value: str, name: str, structure: Structure) -> str:
    """Return what is kept: an unticked checkbox is kept as nothing."""
    if value == "0" and structure.column_by_name[name].kind == "checkbox":
        return ""
    return value


def import_answer(context: Context, lines: Sequence[Line], renamed: Mapping[str, str]) -> Answer:
    """Return what ``returnContent`` asks for; a count is of records, not of rows."""
    parameters = context.parameters
    names = list(dict.fromkeys(line.record for line in lines))
    if parameters.flag("backgroundProcess"):
        return Success()
    wanted = parameters.text("returnContent", "count")
    if wanted == "ids":
        return Ids(names)
    if wanted == "auto_ids" and renamed:
        return Ids([f"{name},{renamed[name]}" for name in names])
    if wanted == "nothing":
        return Plain("")
    return Count(len(names))
