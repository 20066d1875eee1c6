"""``content=pdf``: forms as a PDF, blank or with a record's values.

What is on the pages is our own: a line per field, label and value. The type of the answer and the
names of the files are recorded.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from redcap_jobs.sandbox.answers import Answer, FileAnswer
from redcap_jobs.sandbox.call_places import event_of, existing_record, form_place
from redcap_jobs.sandbox.context import Context
from redcap_jobs.sandbox.dictionary import STATUS_CHOICES, Field, status_field
from redcap_jobs.sandbox.export_rows import ordered_rows
from redcap_jobs.sandbox.parameters import Refusal
from redcap_jobs.sandbox.pdf_pages import Line, drawn
from redcap_jobs.sandbox.rich_text import one_line
from redcap_jobs.sandbox.rights import exportable
from redcap_jobs.sandbox.store import Record, RowKey, Snapshot
from redcap_jobs.sandbox.stored_files import StoredFile

NO_FORM = 'The value of the parameter "instrument" is not valid'


def export_pdf(context: Context) -> Answer:
    """Answer ``content=pdf``; ``compactDisplay`` leaves out fields without a value."""
    form = context.parameters.text("instrument")
    if form and form not in context.structure.form_order:
        raise Refusal(400, NO_FORM)
    forms = [form] if form else list(context.structure.form_order)
    snapshot = context.project.store.current
    if context.parameters.flag("allRecords"):
        about, lines = "all_records", all_lines(context, snapshot, forms)
    elif context.parameters.text("record"):
        record = existing_record(context)
        lines = record_lines(context, record, snapshot.records.get(record, Record()), forms)
        about = "".join(sign for sign in f"record_{record}" if sign.isprintable())
    else:
        about, lines = "blank", blank_lines(context, forms)
    title = "".join(sign for sign in context.project.title if sign.isalnum())
    content = drawn(lines, context.project.title, context.now)
    context.note("export", "Download data entry form as PDF (API)", about)
    return FileAnswer(StoredFile(f"{form or title}_{about}.pdf", "application/pdf", content))


def blank_lines(context: Context, forms: list[str]) -> Iterator[Line]:
    """Yield forms to be filled in by hand: no data, so export rights do not matter."""
    for form in forms:
        yield heading_of(context, form)
        for field in context.structure.fields:
            if field.form == form and field.columns:
                choices = " / ".join(map(one_line, field.labels.values()))
                yield Line(one_line(field.label), choices or "_" * 20)


def all_lines(context: Context, snapshot: Snapshot, forms: list[str]) -> Iterator[Line]:
    """Yield the values of every record that the user may see."""
    for name in snapshot.ordered:
        record = snapshot.records[name]
        if context.visible(record.dag):
            yield from record_lines(context, name, record, forms)


def record_lines(context: Context, name: str, record: Record, forms: list[str]) -> Iterator[Line]:
    """Yield a record's values, row by row, form by form.

    A form that was named with its place is there even if nothing is stored.
    """
    structure = context.structure
    compact = context.parameters.flag("compactDisplay")
    for key in rows_wanted(context, record, forms):
        living = structure.forms_on_row(key.event, key.instrument)
        for form in forms:
            if form in living and context.rights.export_of(form):
                yield heading_of(context, form, name, key)
                stored = record.rows.get(key, {})
                yield from form_lines(context, form, stored, name, compact=compact)


def rows_wanted(context: Context, record: Record, forms: list[str]) -> list[RowKey]:
    """Return the rows that ``event`` and ``repeat_instance`` leave of a record."""
    structure = context.structure
    wanted = event_of(context) if context.parameters.text("event") else None
    instance = context.parameters.text("repeat_instance")
    keys = [
        key
        for key in ordered_rows(record, structure)
        if wanted in (None, key.event)
        and (not instance or not key.instance or str(key.instance) == instance)
        and structure.forms_on_row(key.event, key.instrument) & set(forms)
    ]
    named = context.parameters.text("instrument")
    if not keys and named and (wanted or not structure.is_longitudinal):
        return [form_place(context, named)]
    return keys


def form_lines(
    context: Context, form: str, stored: Mapping[str, str], record: str, *, compact: bool
) -> Iterator[Line]:
    """Yield one form's fields with their values in words."""
    for field in fields_of(context, form):
        value = words_of(context, field, stored)
        if field.name == context.structure.record_id_field:
            value = record
        if value or not compact:
            yield Line(one_line(field.label), value)
    yield Line("Complete?", STATUS_CHOICES.get(stored.get(status_field(form), "0"), ""))


def heading_of(context: Context, form: str, record: str = "", key: RowKey | None = None) -> Line:
    """Return a form's heading: record, event and instance as far as there are any."""
    parts = [form_label(context, form)]
    if record:
        parts.append(f"record {record}")
    if key and key.event:
        parts.append(context.structure.event_label(key.event))
    if key and key.instance:
        parts.append(f"#{key.instance}")
    return Line(", ".join(parts), heading=True)


def form_label(context: Context, name: str) -> str:
    """Return an instrument's label."""
    return next(form.label for form in context.structure.forms if form.name == name)


def fields_of(context: Context, form: str) -> Iterator[Field]:
    """Yield the fields that hold values and that the user may export."""
    for field in context.structure.fields:
        if field.form == form and field.columns and exportable(context, field.columns[0]):
            yield field


def words_of(context: Context, field: Field, stored: Mapping[str, str]) -> str:
    """Return a field's value as a person would read it."""
    structure = context.structure
    if field.type == "checkbox":
        columns = (*field.columns, *structure.code_columns.get(field.name, ()))
        ticked = [column for column in columns if stored.get(column.name) == "1"]
        return ", ".join(one_line(structure.option_label(column)) for column in ticked)
    value = stored.get(field.name, "")
    if field.type == "file" and value:
        try:
            return context.project.files.get(value).name
        except LookupError:
            return value
    return one_line(field.labels[value]) if value in field.labels else value
