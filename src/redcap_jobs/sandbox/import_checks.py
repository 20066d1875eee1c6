"""Checking an import: every row's record, place and values, before anything is stored."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from redcap_jobs.sandbox.context import Context
from redcap_jobs.sandbox.import_formats import Row
from redcap_jobs.sandbox.import_places import DAG_COLUMN, BadPlace, place_of
from redcap_jobs.sandbox.parameters import Refusal
from redcap_jobs.sandbox.rights import editable
from redcap_jobs.sandbox.store import Draft, RowKey
from redcap_jobs.sandbox.structure import Structure
from redcap_jobs.sandbox.validation import BadValue, Check, column_check

NEVER_IMPORTED = frozenset({"calc", "sql"})
"""Field types whose imported values are passed over without a word."""

FILE_FIELD = "This field is a 'file' field and cannot be imported with the data"
NO_RECORD_NAME = "The record ID is missing"
OTHER_DAG = "This record belongs to another Data Access Group"
READ_ONLY = "You do not have edit rights to the instrument of this field"
"""These four texts are this sandbox's own."""
LOCKED_FORM = (
    "This field is located on a form that is locked. You must first unlock this form for this "
    "record."
)
LOCKED_RECORD = (
    "This record has been locked at the record level. No value within this record can be modified."
)
MAY_NOT_CREATE = "Your user privileges do NOT allow you to create new records."
"""Recorded; the last two from the web page's import."""


class RefusedValue(NamedTuple):
    """One line of a refusal, in REDCap's order; ``where`` is the record, or record and event."""

    where: str
    field: str
    value: str
    reason: str


@dataclass(frozen=True)
class Line:
    """One imported row, checked: where it goes and what it stores ('' erases)."""

    record: str
    key: RowKey
    cells: Mapping[str, str]
    dag: str | None


@dataclass
class Checked:
    """The rows that may be stored, and the values that REDCap refuses."""

    lines: list[Line] = field(default_factory=list)
    refused: list[RefusedValue] = field(default_factory=list)


class RowChecks:
    """The checks of one import; those of a column are made once."""

    def __init__(self, context: Context, draft: Draft) -> None:
        parameters = context.parameters
        order = parameters.text("dateFormat", "YMD")
        self._context = context
        self._structure = context.structure
        self._draft = draft
        self._overwrite = parameters.text("overwriteBehavior") == "overwrite"
        self._order = order if order in ("YMD", "MDY", "DMY") else "YMD"
        self._by_column: dict[str, Check] = {}
        self._living: dict[tuple[str, str], frozenset[str]] = {}
        self._given: set[tuple[str, RowKey]] = set()
        self._may_edit: dict[str, bool] = {}

    def check(self, rows: Sequence[Row]) -> Checked:
        """Return all rows, checked."""
        checked = Checked()
        for row in rows:
            record = row[self._structure.record_id_field].strip()
            key = self._place(row, record)
            if isinstance(key, list):
                checked.refused.extend(key)
                continue
            self._given.add((record, key))
            cells: dict[str, str] = {}
            for name, stored in self._values(row, record, key):
                if isinstance(stored, RefusedValue):
                    checked.refused.append(stored)
                else:
                    cells[name] = stored
            dag = row.get(DAG_COLUMN)
            if dag and dag not in self._structure.dag_by_unique_name:
                reason = f"The value is not a valid Data Access Group for {DAG_COLUMN}"
                checked.refused.append(RefusedValue(record, DAG_COLUMN, dag, reason))
            moved = dag if dag or self._overwrite else None
            checked.lines.append(Line(record, key, cells, moved))
        return checked

    def _place(self, row: Row, record: str) -> RowKey | list[RefusedValue]:
        id_field = self._structure.record_id_field
        if not record:
            return [RefusedValue(record, id_field, record, NO_RECORD_NAME)]
        if self._draft.exists(record):
            if not self._context.visible(self._draft.dag(record)):
                return [RefusedValue(record, id_field, record, OTHER_DAG)]
        elif not self._context.rights.allow("record_create"):
            raise Refusal(400, MAY_NOT_CREATE)
        try:
            return place_of(row, record, self._structure, self._draft, self._given)
        except BadPlace as bad:
            return [RefusedValue(record, *flaw) for flaw in bad.flaws]

    def _values(
        self, row: Row, record: str, key: RowKey
    ) -> Iterator[tuple[str, str | RefusedValue]]:
        """Yield column and value to store ('' erases), or its refusal."""
        columns, id_field = self._structure.column_by_name, self._structure.record_id_field
        locks = self._draft.locks(record)
        for name, value in row.items():
            if name not in columns or name == id_field or not (value or self._overwrite):
                continue
            try:
                if locks:
                    refuse_locked(locks, key, columns[name].form)
                stored = self._stored(name, value, key)
            except BadValue as bad:
                named = self._context.behaviour.refusals_name_event
                where = f"{record} ({key.event})" if named else record
                yield name, RefusedValue(where, name, value, str(bad))
                continue
            if stored is not None:
                yield name, stored

    def _editable(self, form: str) -> bool:
        if form not in self._may_edit:
            self._may_edit[form] = editable(self._context, form)
        return self._may_edit[form]

    def _stored(self, name: str, value: str, key: RowKey) -> str | None:
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
            raise BadValue(FILE_FIELD)
        if not self._editable(column.form):
            raise BadValue(READ_ONLY)
        if name not in self._by_column:
            self._by_column[name] = column_check(column, structure, self._order)
        return self._by_column[name](value)


def refuse_locked(locks: Collection[tuple[RowKey, str]], key: RowKey, form: str) -> None:
    """Refuse a value of a locked record or form, changed or not; BadValue."""
    if any(locked == "" for _, locked in locks):
        raise BadValue(LOCKED_RECORD)
    if (key, form) in locks:
        raise BadValue(LOCKED_FORM)


def misplaced(structure: Structure, name: str, form: str, key: RowKey) -> str:
    """Return REDCap's words for a field whose form is not on that row's event.

    Recorded too for a form that repeats there and was given no instance (INTERPOLAR issue 308);
    where the row is another form's instance, the words are this sandbox's own.
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
        f"This field ('{name}') exists on a Repeating Instrument named '{form}'. However, the "
        "fields 'redcap_repeat_instance' and/or 'redcap_repeat_instrument' for this row of data "
        "have no value, which are both required for importing data into a Repeating Instrument.  "
        "You are not allowed to import data for this field into a non-repeating instrument."
    )
