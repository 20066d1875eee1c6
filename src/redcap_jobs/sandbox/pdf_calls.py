"""``content=pdf``: forms as a PDF, blank or with a record's values.

What is on the pages is our own: a line per field, label and value. The type of the answer and the
names of the files are recorded. It is drawn with matplotlib, whose own font has Cyrillic and Greek.
"""

from __future__ import annotations

import io
import textwrap
from collections.abc import Iterator, Mapping
from typing import NamedTuple

from redcap_jobs.sandbox.answers import Answer, FileAnswer
from redcap_jobs.sandbox.call_places import event_of, existing_record
from redcap_jobs.sandbox.context import Context
from redcap_jobs.sandbox.dictionary import STATUS_CHOICES, Field, status_field
from redcap_jobs.sandbox.export_rows import ordered_rows
from redcap_jobs.sandbox.parameters import Refusal
from redcap_jobs.sandbox.rights import exportable
from redcap_jobs.sandbox.store import RowKey
from redcap_jobs.sandbox.stored_files import StoredFile

NO_MATPLOTLIB = (
    "This sandbox was installed without what draws PDFs; type: pip install 'redcap-jobs[report]'"
)
NO_FORM = 'The value of the parameter "instrument" is not valid'
A4 = (8.27, 11.69)
LINES_PER_PAGE = 58
LABEL_WIDTH, VALUE_WIDTH = 58, 42
TOP, STEP, LEFT, RIGHT = 0.95, 0.0155, 0.07, 0.60


class Line(NamedTuple):
    """One line of a page; ``value`` stands in the right column."""

    label: str
    value: str = ""
    heading: bool = False


def export_pdf(context: Context) -> Answer:
    """Answer ``content=pdf``; ``compactDisplay`` leaves out fields without a value."""
    parameters = context.parameters
    form = parameters.text("instrument")
    if form and form not in context.structure.form_order:
        raise Refusal(400, NO_FORM)
    forms = [form] if form else list(context.structure.form_order)
    if parameters.flag("allRecords"):
        records = [
            name
            for name in context.project.store.current.ordered
            if context.visible(context.project.store.current.records[name].dag)
        ]
        name = "all_records"
    elif parameters.text("record"):
        records = [existing_record(context)]
        name = f"record_{records[0]}"
    else:
        records, name = [], "blank"
    lines = list(lines_of(context, records, forms) if records else blank_lines(context, forms))
    title = "".join(sign for sign in context.project.title if sign.isalnum())
    file = StoredFile(f"{form or title}_{name}.pdf", "application/pdf", drawn(lines))
    context.note("export", "Download data entry form as PDF (API)", name)
    return FileAnswer(file)


def blank_lines(context: Context, forms: list[str]) -> Iterator[Line]:
    """Yield forms to be filled in by hand."""
    for form in forms:
        yield heading_of(context, form)
        for field in fields_of(context, form):
            yield Line(field.label, " / ".join(field.labels.values()) or "_" * 20)


def lines_of(context: Context, records: list[str], forms: list[str]) -> Iterator[Line]:
    """Yield the records' values, row by row, form by form."""
    structure = context.structure
    wanted = event_of(context) if context.parameters.text("event") else None
    instance = context.parameters.text("repeat_instance")
    compact = context.parameters.flag("compactDisplay")
    for name in records:
        record = context.project.store.current.records[name]
        for key in ordered_rows(record, structure):
            if wanted not in (None, key.event):
                continue
            if instance and key.instance and str(key.instance) != instance:
                continue
            living = structure.forms_on_row(key.event, key.instrument)
            for form in forms:
                if form in living:
                    yield heading_of(context, form, name, key)
                    yield from form_lines(context, form, record.rows[key], name, compact=compact)


def form_lines(
    context: Context, form: str, stored: Mapping[str, str], record: str, *, compact: bool
) -> Iterator[Line]:
    """Yield one form's fields with their values in words."""
    for field in fields_of(context, form):
        value = words_of(context, field, stored)
        if field.name == context.structure.record_id_field:
            value = record
        if value or not compact:
            yield Line(field.label, value)
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
    if field.type == "checkbox":
        ticked = [column.code for column in field.columns if stored.get(column.name) == "1"]
        return ", ".join(field.labels[code] for code in ticked)
    value = stored.get(field.name, "")
    if field.type == "file" and value:
        try:
            return context.project.files.get(value).name
        except LookupError:
            return value
    return field.labels.get(value, value)


def drawn(lines: list[Line]) -> bytes:
    """Return a PDF of A4 pages; Refusal where matplotlib is not installed."""
    try:
        from matplotlib import rc_context
        from matplotlib.backends.backend_pdf import PdfPages
        from matplotlib.figure import Figure
    except ModuleNotFoundError:
        raise Refusal(501, NO_MATPLOTLIB) from None
    laid_out = [one for line in lines for one in wrapped(line)] or [Line("(nothing to show)")]
    target = io.BytesIO()
    with rc_context({"pdf.fonttype": 42}), PdfPages(target) as pages:
        for start in range(0, len(laid_out), LINES_PER_PAGE):
            page = Figure(figsize=A4)
            for place, line in enumerate(laid_out[start : start + LINES_PER_PAGE]):
                height = TOP - place * STEP
                weight = "bold" if line.heading else "normal"
                page.text(LEFT, height, line.label, fontsize=8, weight=weight, parse_math=False)
                page.text(RIGHT, height, line.value, fontsize=8, parse_math=False)
            pages.savefig(page)
    return target.getvalue()


def wrapped(line: Line) -> Iterator[Line]:
    """Yield a line as often as its label or value needs."""
    if line.heading:
        yield Line("")
    width = LABEL_WIDTH + VALUE_WIDTH if line.heading else LABEL_WIDTH
    labels = textwrap.wrap(line.label, width) or [""]
    values = textwrap.wrap(line.value, VALUE_WIDTH) or [""]
    for place in range(max(len(labels), len(values))):
        label = labels[place] if place < len(labels) else ""
        value = values[place] if place < len(values) else ""
        yield Line(label, value, line.heading)
