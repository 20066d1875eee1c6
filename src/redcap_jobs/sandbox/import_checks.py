"""Checking an import: every row's record, place and values, before anything is stored."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from redcap_jobs.sandbox.context import Context
from redcap_jobs.sandbox.dictionary import Column
from redcap_jobs.sandbox.import_formats import Row
from redcap_jobs.sandbox.import_places import DAG_COLUMN, NO_INSTANCE, BadPlace, Instances, place_of
from redcap_jobs.sandbox.parameters import Refusal
from redcap_jobs.sandbox.rights import editable
from redcap_jobs.sandbox.store import Draft, RowKey
from redcap_jobs.sandbox.structure import Structure
from redcap_jobs.sandbox.validation import BadValue, column_check

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
    """The rows that may be stored, the values that REDCap refuses, and whose they are."""

    lines: list[Line] = field(default_factory=list)
    refused: list[RefusedValue] = field(default_factory=list)
    bad: set[str] = field(default_factory=set)

    @property
    def good_lines(self) -> list[Line]:
        """Return the rows of the records of which nothing is refused."""
        return [line for line in self.lines if line.record not in self.bad]


class RowChecks:
    """The checks of one import; those of a column are made once."""

    def __init__(self, context: Context, draft: Draft) -> None:
        parameters = context.parameters
        order = parameters.text("dateFormat", "YMD")
        self._context = context
        self._structure = context.structure
        self._draft = draft
        self._overwrite = parameters.text("overwriteBehavior") == "overwrite"
        self._one_by_one = parameters.flag("backgroundProcess")
        self._eav = parameters.text("type") == "eav"
        self._may_create = context.rights.allow("record_create")
        self._order = order if order in ("YMD", "MDY", "DMY") else "YMD"
        self._by_place: dict[tuple[str, str], PlaceChecks] = {}
        self._instances = Instances(draft)

    def check(self, rows: Sequence[Row]) -> Checked:
        """Return all rows, checked.

        Raises:
            Refusal: Something is wrong that REDCap says in one sentence; a background import
                only leaves the record out.

        """
        checked = Checked()
        for row in rows:
            record = row[self._structure.record_id_field].strip()
            known = len(checked.refused)
            try:
                key = self._place(row, record)
            except BadPlace as bad:
                checked.refused.extend(RefusedValue(record, *flaw) for flaw in bad.flaws)
                checked.bad.add(record)
                continue
            except Refusal:
                if not self._one_by_one:
                    raise
                checked.bad.add(record)
                continue
            self._instances.note(record, key)
            cells = self._cells(row, record, key, checked.refused)
            moved = self._moved(row, record, checked.refused)
            if len(checked.refused) > known:
                checked.bad.add(record)
            checked.lines.append(Line(record, key, cells, moved))
        return checked

    def _moved(self, row: Row, record: str, refused: list[RefusedValue]) -> str | None:
        """Return the group the row names, None for none; what may not be goes to ``refused``.

        A group is on no form, so that only a lock of the whole record keeps it (own answer).
        """
        dag = row.get(DAG_COLUMN)
        if dag is None or not (dag or self._overwrite):
            return None
        reason = ""
        if dag and dag not in self._structure.dag_by_unique_name:
            reason = f"The value is not a valid Data Access Group for {DAG_COLUMN}"
        elif dag != self._draft.dag(record) and record_is_locked(self._draft.locks(record)):
            reason = LOCKED_RECORD
        if reason:
            refused.append(RefusedValue(record, DAG_COLUMN, dag, reason))
        return dag

    def _place(self, row: Row, record: str) -> RowKey:
        id_field = self._structure.record_id_field
        if not record:
            raise BadPlace((id_field, record, NO_RECORD_NAME))
        if self._draft.exists(record):
            if not self._context.visible(self._draft.dag(record)):
                raise BadPlace((id_field, record, OTHER_DAG))
        elif not self._may_create:
            raise Refusal(400, MAY_NOT_CREATE)
        return place_of(row, record, self._structure, self._instances, numbers_on=not self._eav)

    def _cells(
        self, row: Row, record: str, key: RowKey, refused: list[RefusedValue]
    ) -> dict[str, str]:
        """Return what is stored by column ('' erases); what is not goes to ``refused``."""
        place = (key.event, key.instrument)
        if place not in self._by_place:
            self._by_place[place] = PlaceChecks(self._context, key, self._order)
        checks, overwrite = self._by_place[place], self._overwrite
        locks = self._draft.locks(record)
        held = self._draft.rows(record).get(key, {})
        cells: dict[str, str] = {}
        for name, value in row.items():
            check = checks[name] if value or overwrite else None
            if check is None:
                continue
            try:
                if locks and (value or name in held):
                    refuse_locked(locks, key, check.form)
                if not value:
                    check.refuse_erasing(held.get(name, ""))
                stored = check[value]
            except BadValue as bad:
                named = self._context.behaviour.refusals_name_event
                where = f"{record} ({key.event})" if named else record
                refused.append(RefusedValue(where, name, value, str(bad)))
                continue
            if stored is not None:
                cells[name] = stored
        return cells


class Known(dict[str, str | None]):
    """A column's values → what is stored for them (None: nothing); each is checked once.

    Codes, dates and small numbers come again and again, and looking them up takes a tenth of
    checking them. A value that is refused is not kept: BadValue. ``kept`` says why what is stored
    may not be erased, if so.
    """

    def __init__(self, form: str, check: Callable[[str], str | None], kept: str = "") -> None:
        super().__init__()
        self.form = form
        self._check = check
        self._kept = kept

    def __missing__(self, value: str) -> str | None:
        stored = self[value] = self._check(value)
        return stored

    def refuse_erasing(self, held: str) -> None:
        """Refuse to erase a value that is there and that the user may not change: BadValue."""
        if held and self._kept:
            raise BadValue(self._kept)


class PlaceChecks(dict[str, Known | None]):
    """The checks of rows of one event and instrument by column; None for what is passed over."""

    def __init__(self, context: Context, key: RowKey, order: str) -> None:
        super().__init__()
        self._context, self._key, self._order = context, key, order
        self._structure = context.structure
        self._living = self._structure.forms_on_row(key.event, key.instrument)

    def __missing__(self, name: str) -> Known | None:
        structure = self._structure
        column = structure.column_by_name.get(name)
        known = None
        if (
            column is not None
            and name != structure.record_id_field
            and importable(column, structure)
        ):
            known = self._known(column)
        self[name] = known
        return known

    def _known(self, column: Column) -> Known:
        structure, here = self._structure, column.form in self._living
        why_not = kept = ""
        if not here:
            why_not = misplaced(structure, column.name, column.form, self._key)
        elif column.kind == "file":
            why_not = FILE_FIELD
        elif not editable(self._context, column.form):
            why_not = kept = READ_ONLY
        erases = here and column.kind != "file"
        check = column_check(column, structure, self._order)

        def stored(value: str) -> str | None:
            if not value:
                return "" if erases else None
            if why_not:
                raise BadValue(why_not)
            return check(value)

        return Known(column.form, stored, kept)


def importable(column: Column, structure: Structure) -> bool:
    """Tell whether a column takes values at all: calculated ones are passed over."""
    return (
        column.kind == "status" or structure.field_by_name[column.field].type not in NEVER_IMPORTED
    )


def record_is_locked(locks: Collection[tuple[RowKey, str]]) -> bool:
    """Tell whether the locks are of the record itself, beside any of its forms."""
    return any(not form for _, form in locks)


def refuse_locked(locks: Collection[tuple[RowKey, str]], key: RowKey, form: str) -> None:
    """Refuse a value of a locked record or form, changed or not; BadValue."""
    if record_is_locked(locks):
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
    return NO_INSTANCE.format(field=name, form=form)
