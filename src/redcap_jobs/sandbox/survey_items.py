"""What a survey's page shows of each field, and what the answers are as they are stored."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from typing import NamedTuple

from redcap_jobs.sandbox.dictionary import Column, Field
from redcap_jobs.sandbox.rich_text import one_line
from redcap_jobs.sandbox.structure import Structure
from redcap_jobs.sandbox.validation import BadValue, column_check

NOT_SHOWN = ("calc", "file", "sql")
"""What nobody can type; choices of ``sql`` fields come from a database that is not here."""
HIDDEN = re.compile(r"@HIDDEN(-SURVEY)?(?![\w-])")
READ_ONLY = re.compile(r"@READONLY(-SURVEY)?(?![\w-])")
CONTROLS = {
    "email": "email",
    "phone": "tel",
    "time": "time",
    "notes": "textarea",
    "dropdown": "select",
    "slider": "number",
}
"""Field type or validation → control; dates besides."""
HINTS = {"datetime_seconds": "YYYY-MM-DD HH:MM:SS", "datetime": "YYYY-MM-DD HH:MM"}
MISSING = "Please give an answer."


class Option(NamedTuple):
    """One choice: the name and value that are posted if it is ticked."""

    name: str
    value: str
    label: str
    on: bool


class Item(NamedTuple):
    """One field on the page.

    ``control``: words (nothing to answer), shown (read only), textarea, select, radio, checkbox (these
    three have options), or the type of an input.
    """

    name: str
    label: str
    control: str
    value: str = ""
    options: tuple[Option, ...] = ()
    header: str = ""
    note: str = ""
    wrong: str = ""


def fields_of(structure: Structure, form: str) -> Iterator[Field]:
    """Yield a form's fields but the one that holds the record's name."""
    for field in structure.fields:
        if field.form == form and field.name != structure.record_id_field:
            yield field


def shown(structure: Structure, form: str) -> Iterator[Field]:
    """Yield the fields that the page has, unless their branching logic hides them."""
    for field in fields_of(structure, form):
        if field.type not in NOT_SHOWN and not HIDDEN.search(field.annotation):
            yield field


def asked(structure: Structure, form: str) -> Iterator[Field]:
    """Yield those of them that can be answered."""
    for field in shown(structure, form):
        if field.columns and not READ_ONLY.search(field.annotation):
            yield field


def items_of(
    structure: Structure,
    form: str,
    values: Mapping[str, str],
    hidden: frozenset[str] = frozenset(),
    wrong: Mapping[str, str] | None = None,
    piped: Callable[[str], str] = str,
) -> list[Item]:
    """Return what the page shows.

    ``hidden`` names the fields that are left out. A section's header stands over the first field
    that is not; it goes if all are. ``piped`` puts values into labels.
    """
    answerable = {field.name for field in asked(structure, form)}
    on_page = {field.name for field in shown(structure, form)} - hidden
    items = []
    header = ""
    for field in fields_of(structure, form):
        header = one_line(field.section_header) or header
        if field.name in on_page:
            item = item_of(
                field,
                values,
                (wrong or {}).get(field.name, ""),
                answerable=field.name in answerable,
                piped=piped,
            )
            items.append(item._replace(header=piped(header)))
            header = ""
    return items


def item_of(
    field: Field,
    values: Mapping[str, str],
    wrong: str,
    *,
    answerable: bool,
    piped: Callable[[str], str],
) -> Item:
    """Return one field with its value."""
    control, options = control_of(field), tuple(options_of(field, values, piped))
    value = values.get(field.name, "")
    label = piped(one_line(field.label)) or field.name
    if not answerable:
        control = "shown" if field.columns else "words"
        ticked = ", ".join(option.label for option in options if option.on)
        value, options = ticked or value, ()
    elif field.required:
        label += " (required)"
    hints = (hint for kind, hint in HINTS.items() if field.validation.startswith(kind))
    notes = [piped(one_line(field.note)), next(hints, "")]
    return Item(
        name=field.name,
        label=label,
        control=control,
        value=value,
        options=options,
        note=" ".join(filter(None, notes)),
        wrong=wrong,
    )


def control_of(field: Field) -> str:
    """Return the control for a field's answers."""
    if field.type == "checkbox":
        return "checkbox"
    if field.type in CONTROLS:
        return CONTROLS[field.type]
    if field.labels:
        return "radio"
    if field.validation.startswith("date_"):
        return "date"
    return CONTROLS.get(field.validation, "text")


def options_of(
    field: Field, values: Mapping[str, str], piped: Callable[[str], str]
) -> Iterator[Option]:
    """Yield a field's choices."""
    if field.type == "checkbox":
        for one in field.columns:
            label = piped(one_line(field.labels[one.code]))
            yield Option(one.name, "1", label, values.get(one.name) == "1")
        return
    for code, label in field.labels.items():
        yield Option(field.name, code, piped(one_line(label)), values.get(field.name) == code)


def checked(
    structure: Structure,
    form: str,
    posted: Mapping[str, str],
    hidden: frozenset[str] = frozenset(),
) -> tuple[dict[str, str], dict[str, str]]:
    """Return column → value as it is stored ('' for nothing), and field → what is wrong.

    Nothing is taken, or required, for the fields that are ``hidden``.
    """
    given: dict[str, str] = {}
    wrong: dict[str, str] = {}
    for field in asked(structure, form):
        if field.name in hidden:
            continue
        for column in field.columns:
            try:
                given[column.name] = stored_value(structure, column, posted.get(column.name, ""))
            except BadValue as bad:
                wrong[field.name] = str(bad)
        if field.required and not any(given.get(column.name) for column in field.columns):
            wrong.setdefault(field.name, MISSING)
    return given, wrong


def stored_value(structure: Structure, column: Column, posted: str) -> str:
    """Return a posted value as it is stored; BadValue if it is none."""
    value = posted.strip()
    if not value or (column.kind == "checkbox" and value == "0"):
        return ""
    return column_check(column, structure, "YMD")(value)
