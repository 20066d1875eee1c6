"""Import of the data dictionary: in development only, it replaces the whole one (API help).

The refusals of names, forms and types are recorded in PyCap issue 190, from an import that had lost
its first column; the cells are those of the dictionary as a spreadsheet, its header in row 1.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace

from redcap_jobs.sandbox.answers import Answer, Plain
from redcap_jobs.sandbox.context import Context
from redcap_jobs.sandbox.dictionary import Field, parse_choices
from redcap_jobs.sandbox.import_formats import Row
from redcap_jobs.sandbox.import_rows import posted_rows
from redcap_jobs.sandbox.parameters import Refusal
from redcap_jobs.sandbox.structure import Form, Schedule, Structure
from redcap_jobs.sandbox.structure_log import noted

WITH_CHOICES = frozenset({"radio", "dropdown", "checkbox"})
WITH_FORMULA = frozenset({"calc", "sql"})
FIELD_TYPES = (
    *("text", "notes", "radio", "dropdown", "calc", "file", "checkbox", "yesno", "truefalse"),
    *("descriptive", "slider"),
)
NAME = re.compile(r"[a-z][a-z0-9_]*")

ONLY_IN_DEVELOPMENT = "The data dictionary can only be imported while the project is in development"
NO_FIELDS = "The data dictionary has no fields"
NO_NAME = "Each row MUST have a variable/field name, but the following cells have none: {}."
BAD_NAME = (
    "Variable/field names may hold only lower-case letters, digits and underscores and must begin "
    "with a letter:{}"
)
"""These four are worded by this sandbox."""
DUPLICATED = (
    "The following variable/field names were duplicated. Please rename these field names so that "
    "they only appear once.{}"
)
NO_FORM = "Each row MUST have a form name, but the following cells have a form name missing: {}."
NOT_SEQUENTIAL = (
    "Form names must be sequential and cannot repeat again after being used for another form. "
    "Rename the following form names\r\n                   beginning with the values listed below:{}"
)
BAD_TYPE = "The only valid field types are {} and must all be in lower-case. The following are not valid:{}"
"""Recorded up to *must all*; the rest is this sandbox's own."""


@noted("Upload data dictionary (API)")
def import_metadata(context: Context) -> Answer:
    """Answer an import of ``content=metadata``: replace the dictionary, return its size.

    Values of fields that are no longer there stay stored and come back with them, and so does what
    was set up for forms.
    """
    project = context.project
    if project.settings.in_production:
        raise Refusal(400, ONLY_IN_DEVELOPMENT)
    rows = [cleaned(row) for row in posted_rows(context.parameters)]
    refuse_mistakes(rows)
    fields = tuple(field_of(row) for row in rows)
    with project.lock:
        project.change(structure=with_fields(project.structure, fields))
    return Plain(str(len(fields)))


def cleaned(row: Row) -> Row:
    """Return a row with names as REDCap keeps them: lower case, ``_`` for a form's blanks."""
    form = re.sub(r"[^a-z0-9_]", "", row.get("form_name", "").strip().lower().replace(" ", "_"))
    return {
        **row,
        "field_name": row.get("field_name", "").strip().lower(),
        "form_name": form,
        "field_type": row.get("field_type", "").strip() or "text",
    }


def refuse_mistakes(rows: Sequence[Row]) -> None:
    """Refuse a dictionary with mistakes, all of them at once, one per line."""
    if not rows:
        raise Refusal(400, NO_FIELDS)
    numbered = [(place + 2, row) for place, row in enumerate(rows)]
    found = [
        (NO_NAME, ", ".join(f"A{line}" for line, row in numbered if not row["field_name"])),
        (BAD_NAME, cells(bad_names(numbered))),
        (DUPLICATED, cells(duplicates(numbered))),
        (NO_FORM, ", ".join(f"B{line}" for line, row in numbered if not row["form_name"])),
        (NOT_SEQUENTIAL, cells(scattered(numbered))),
    ]
    lines = [text.format(what) for text, what in found if what]
    types = [
        (row["field_type"], f"D{line}")
        for line, row in numbered
        if row["field_type"] not in (*FIELD_TYPES, "sql")
    ]
    if types:
        lines.append(BAD_TYPE.format(", ".join(FIELD_TYPES), cells(types)))
    if lines:
        raise Refusal(400, "\n".join(lines))


def cells(found: Sequence[tuple[str, str]]) -> str:
    """Write values and their cells, as recorded without anything between them."""
    return "".join(f"{value} ({cell})" for value, cell in found)


def bad_names(numbered: Sequence[tuple[int, Row]]) -> list[tuple[str, str]]:
    """Return names that cannot be names."""
    names = [(row["field_name"], f"A{line}") for line, row in numbered]
    return [(name, cell) for name, cell in names if name and not NAME.fullmatch(name)]


def duplicates(numbered: Sequence[tuple[int, Row]]) -> list[tuple[str, str]]:
    """Return the names that were used before."""
    seen: set[str] = set()
    twice = []
    for line, row in numbered:
        name = row["field_name"]
        if name and name in seen:
            twice.append((name, f"A{line}"))
        seen.add(name)
    return twice


def scattered(numbered: Sequence[tuple[int, Row]]) -> list[tuple[str, str]]:
    """Return where a form begins again after another form."""
    seen: set[str] = set()
    again = []
    last = None
    for line, row in numbered:
        form = row["form_name"]
        if form != last and form in seen:
            again.append((form, f"B{line}"))
        seen.add(form)
        last = form
    return again


def with_fields(structure: Structure, fields: tuple[Field, ...]) -> Structure:
    """Return the structure with another dictionary; forms keep what they were set up with.

    What is set up for forms that are gone waits until they come back.
    """
    known = {form.name: form for form in structure.forms}
    forms = tuple(
        known.get(name) or Form(name, name.replace("_", " ").title())
        for name in dict.fromkeys(one.form for one in fields)
    )
    names = {form.name for form in forms} | {""}
    waiting = structure.waiting
    mapping = structure.mapping | waiting.mapping if structure.events else structure.mapping
    repeating = {**waiting.repeating, **structure.repeating}
    if not structure.events:
        repeating = {pair: text for pair, text in repeating.items() if not pair[0]}
    kept = frozenset(pair for pair in mapping if pair[1] in names)
    in_use = {pair: text for pair, text in repeating.items() if pair[1] in names}
    return replace(
        structure,
        fields=fields,
        forms=forms,
        mapping=kept,
        repeating=in_use,
        waiting=Schedule(
            waiting.arms,
            waiting.events,
            (waiting.mapping | mapping) - kept,
            {
                pair: text
                for pair, text in {**waiting.repeating, **repeating}.items()
                if pair not in in_use
            },
        ),
    )


def field_of(row: Mapping[str, str]) -> Field:
    """Build a field from one row of the dictionary's 18 columns."""
    kind = row["field_type"]
    options = row.get("select_choices_or_calculations", "")
    return Field(
        name=row["field_name"],
        form=row["form_name"],
        type=kind,
        label=row.get("field_label", ""),
        choices=parse_choices(options) if kind in WITH_CHOICES else (),
        calculation=options if kind in WITH_FORMULA else "",
        validation=row.get("text_validation_type_or_show_slider_number", ""),
        minimum=row.get("text_validation_min", ""),
        maximum=row.get("text_validation_max", ""),
        note=row.get("field_note", ""),
        section_header=row.get("section_header", ""),
        slider_labels=options if kind == "slider" else "",
        identifier=row.get("identifier", "").lower() == "y",
        branching=row.get("branching_logic", ""),
        required=row.get("required_field", "").lower() == "y",
        alignment=row.get("custom_alignment", ""),
        question_number=row.get("question_number", ""),
        matrix_group=row.get("matrix_group_name", ""),
        matrix_ranking=row.get("matrix_ranking", "").lower() == "y",
        annotation=row.get("field_annotation", ""),
        choices_text=options if kind in {*WITH_CHOICES, "text"} else "",
    )
