"""Record import: everything is checked first, then all of it is stored, or nothing.

Only a background import stores the good records and leaves out the bad, as recorded.

What REDCap does not object to, this does not object to either: a row for an event of another arm
creates the record in that arm, a row without an event goes to the first one.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import chain
from typing import NamedTuple

from redcap_jobs.sandbox.activity_log import Activity, Kind
from redcap_jobs.sandbox.answers import Answer, Count, Ids, Plain, Success
from redcap_jobs.sandbox.context import Context
from redcap_jobs.sandbox.import_checks import Line, RefusedValue, RowChecks
from redcap_jobs.sandbox.import_formats import NothingImported, Row, read_rows
from redcap_jobs.sandbox.import_places import DAG_COLUMN, KEY_COLUMNS
from redcap_jobs.sandbox.parameters import Refusal
from redcap_jobs.sandbox.store import Draft
from redcap_jobs.sandbox.structure import Structure
from redcap_jobs.sandbox.structure_calls import next_number

DAG_FORBIDDEN = "Illegal use of 'redcap_data_access_group' field!"


class Stored(NamedTuple):
    """What became of one row: whether its record is new or moved, and which cells changed to what."""

    record: str
    dag: str
    new: bool
    changed: dict[str, str]
    moved: bool = False


def import_records(context: Context) -> Answer:
    """Answer ``content=record`` with ``data``: how many records, or their names.

    Raises:
        Refusal: Anything at all is wrong with the data; then nothing was stored.

    """
    structure = context.structure
    try:
        rows, columns = read_rows(context.parameters, structure.record_id_field)
    except NothingImported:
        return Count(0)
    refuse_unknown_columns(columns, structure)
    refuse_nameless_rows(rows, structure)
    refuse_unknown_events(rows, structure)
    if context.user.dag and any(DAG_COLUMN in row for row in rows):
        raise Refusal(400, DAG_FORBIDDEN)
    with context.project.store.writing(context.now) as draft:
        renamed = auto_numbers(context, rows, draft)
        checked = RowChecks(context, draft).check(rows)
        if checked.refused and not context.parameters.flag("backgroundProcess"):
            raise Refusal(400, refusal_text(checked.refused))
        lines = checked.good_lines
        changes = [store_line(draft, line, context) for line in lines]
    note_changes(context, changes)
    context.counts.rows = len(rows)
    context.counts.cells = sum(len(line.cells) for line in checked.lines)
    return import_answer(context, checked.lines, renamed)


def refuse_unknown_columns(columns: Iterable[str], structure: Structure) -> None:
    """Refuse columns that are no fields; a survey's own columns are passed over."""
    known = {*structure.column_by_name, structure.record_id_field, *KEY_COLUMNS, DAG_COLUMN}
    known |= {"redcap_survey_identifier"} | {f"{form.name}_timestamp" for form in structure.forms}
    unknown = [name for name in dict.fromkeys(columns) if name not in known]
    if unknown:
        raise Refusal(
            400,
            "The following fields were not found in the project as real data fields: "
            + ", ".join(unknown),
        )


def refuse_nameless_rows(rows: Sequence[Row], structure: Structure) -> None:
    """Refuse rows without the record ID field."""
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
    """With ``forceAutoNumber`` give every record a new name; returns new name → name sent.

    Where the project does not number its records itself, names stay as sent (recorded).
    """
    if not context.parameters.flag("forceAutoNumber"):
        return {}
    id_field = context.structure.record_id_field
    if not context.project.settings.record_autonumbering_enabled:
        return {row[id_field]: row[id_field] for row in rows}
    prefix, number = next_number(context, draft.names())
    new_names: dict[str, str] = {}
    for row in rows:
        sent = row[id_field]
        if sent not in new_names:
            new_names[sent] = f"{prefix}{number + len(new_names)}"
        row[id_field] = new_names[sent]
    return {new: sent for sent, new in new_names.items()}


def refusal_text(refused: Iterable[RefusedValue]) -> str:
    """Return one csv line per refused value, every cell quoted."""
    text = io.StringIO()
    csv.writer(text, quoting=csv.QUOTE_ALL, lineterminator="\n").writerows(refused)
    return text.getvalue().rstrip("\n")


def store_line(draft: Draft, line: Line, context: Context) -> Stored:
    """Store one checked row and return what changed.

    A row that says nothing new leaves no trace (as recorded), an unticked option is kept as
    nothing. A new record may consist of its name
    and an instance (PyCap's doctests), or of its name in a classic project (own answer).
    """
    new = not draft.exists(line.record)
    held = draft.rows(line.record).get(line.key, {}).get
    boxes = context.structure.checkbox_columns
    changed = {
        name: value
        for name, value in line.cells.items()
        if held(name, "") != ("" if value == "0" and name in boxes else value)
    }
    bare = new and (line.key.instance > 0 or not context.structure.is_longitudinal)
    if changed or bare:
        row = draft.row(line.record, line.key)
        for name, value in changed.items():
            if value and not (value == "0" and name in boxes):
                row[name] = value
            else:
                row.pop(name, None)
    if not draft.exists(line.record):
        return Stored(line.record, "", new=False, changed={})
    if new and context.user.dag:
        draft.set_dag(line.record, context.user.dag)
    if line.dag is not None and draft.dag(line.record) != line.dag:
        draft.set_dag(line.record, line.dag)
        return Stored(line.record, line.dag, new, changed, moved=True)
    return Stored(line.record, draft.dag(line.record), new, changed)


def note_changes(context: Context, changes: Iterable[Stored]) -> None:
    """Write a row per record into the project's log; unchanged data leave none (REDCapR #515).

    A move to a group has a row of its own, and what is done in the background is done by
    ``SYSTEM``; both as recorded from the web page's import.
    """
    by_record: dict[str, list[Stored]] = {}
    for one in changes:
        if one.new or one.changed or one.moved:
            by_record.setdefault(one.record, []).append(one)
    rows = list(chain.from_iterable(log_rows(context, several) for several in by_record.values()))
    if context.parameters.flag("backgroundProcess"):
        rows = [replace(row, username=f"SYSTEM ({row.username})") for row in rows]
    context.project.log.add(*rows)


def log_rows(context: Context, several: Sequence[Stored]) -> Iterator[Activity]:
    """Yield the log's rows about one record."""
    record, dag, new = several[0].record, several[-1].dag, several[0].new
    changed = [f"{name} = '{value}'" for one in several for name, value in one.changed.items()]
    if new:
        changed.insert(0, f"{context.structure.record_id_field} = '{record}'")
    if changed:
        action = "Create record (API)" if new else "Update record (API)"
        kind: Kind = "record_add" if new else "record_edit"
        yield context.activity(kind, f"{action} {record}", ", ".join(changed), record, dag)
    if any(one.moved for one in several):
        verb = "Assign record to" if dag else "Remove record from"
        details = f"{verb} Data Access Group ({DAG_COLUMN} = '{dag}')"
        yield context.activity("record_edit", f"Update record (API) {record}", details, record, dag)


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
