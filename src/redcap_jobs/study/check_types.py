"""Whether a field's type fits what the study file uses it for: a table, read row by row."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from redcap_jobs.redcap.logic_nodes import Binary, FieldValue, Number, Text, walk
from redcap_jobs.redcap.logic_parser import parse_node
from redcap_jobs.redcap.project import Field, Project
from redcap_jobs.study.config import Study
from redcap_jobs.study.flaws import Flaw
from redcap_jobs.study.uses import DATES, PARTNER_COPY, ConditionUse, FieldUse, fields
from redcap_jobs.study.visit_state_names import VISIT_STATES

ONE_CHOICE = {"radio", "dropdown"}
YES_NO = {"yesno", "truefalse"}
NEVER_WRITTEN = {"calc", "file", "descriptive", "checkbox", "slider", "sql", "yesno", "truefalse"}
WHOLE = re.compile(r"-?\d+")
NO_MISSING = re.compile(r"@NOMISSING\b")
CALCULATED = re.compile(r"@CALC(DATE|TEXT)\b")


@dataclass(frozen=True)
class Fits:
    """What an output field may be: the validations of a text field, and in words.

    ``choices`` says whether it may be a dropdown that has every value written; ``notes`` whether
    it may be a notes box, ``yes`` a yes-no field.
    """

    validation: str
    words: str
    choices: bool = False
    notes: bool = False
    yes: bool = False


DATE_FIELD = Fits(r"date_(ymd|mdy|dmy)", "a text field with date validation (date_ymd)")
YES_FIELD = Fits("|integer|number", "a yes-no field", choices=True, yes=True)
WORDS = Fits("", "a text field without validation")
MOMENT = Fits(
    r"datetime_seconds_(ymd|mdy|dmy)", "a text field with validation datetime_seconds_ymd"
)
OUTPUTS = {
    "target": DATE_FIELD,
    "opens": DATE_FIELD,
    "closes": DATE_FIELD,
    "state": Fits("", "a text field without validation, or a dropdown", choices=True),
    "flags": Fits("", "a text field without validation, or a notes box", notes=True),
    "days_from_target": Fits(r"|integer|number", "a text field, best with integer validation"),
    "stamp": MOMENT,
    "message_key": WORDS,
    "message_kind": Fits("", "a text field without validation, or a dropdown", choices=True),
    "occurrence": Fits("|integer|number", "a text field, best with integer validation"),
    "sid": WORDS,
    "status": WORDS,
    "error": Fits("", "a text field without validation, or a notes box", notes=True),
    "posted_at": MOMENT,
    "updated_at": MOMENT,
    "opted_out": YES_FIELD,
    "invalid_number": YES_FIELD,
    "partner_member_id": WORDS,
    "partner_status": Fits("", "a text field without validation, or a dropdown", choices=True),
    "partner_opted_out": YES_FIELD,
    "partner_synced_at": MOMENT,
    "partner_error": Fits("", "a text field without validation, or a notes box", notes=True),
    "pending_visit": Fits("", "a text field without validation, or a dropdown", choices=True),
}


def type_flaws(use: FieldUse, field: Field, study: Study) -> Iterator[Flaw]:
    """Yield why a field cannot serve as what the study file takes it for."""
    if field.type == "checkbox" and use.reference.code is None:
        what = f'"{field.name}" is a checkbox; say which of its choices is meant'
        first = next((choice.code for choice in field.choices), "1")
        yield Flaw(use.path, what, f'such as "[{field.name}({first})]"')
    elif use.reference.code is not None:
        yield from code_flaws(use, field)
    elif use.role == PARTNER_COPY:
        return  # judged by the table that says what is copied
    elif use.written:
        yield from output_flaws(use, field, study)
    elif use.role in DATES:
        yield from date_flaws(use, field)
    elif field.type in {"descriptive", "file"}:
        yield Flaw(use.path, f'"{field.name}" holds no value (type {field.type})')


def code_flaws(use: FieldUse, field: Field) -> Iterator[Flaw]:
    """Yield why ``[field(code)]`` means nothing."""
    if field.type != "checkbox":
        what = f'"{field.name}" is no checkbox (type {field.type})'
        yield Flaw(use.path, what, f'write "[{field.name}]"')
    elif use.reference.code not in (codes := [choice.code for choice in field.choices]):
        what = f'checkbox "{field.name}" has no choice {use.reference.code}'
        yield Flaw(use.path, what, f"its choices: {', '.join(codes)}")


def date_flaws(use: FieldUse, field: Field) -> Iterator[Flaw]:
    """Yield why a field is no date: only a date validation keeps other things out of it."""
    if field.type == "calc":
        what = f'"{field.name}" is calculated; check that it holds a date (YYYY-MM-DD)'
        yield Flaw(use.path, what, warning=True)
    elif field.type != "text":
        yield Flaw(use.path, f'"{field.name}" is no date field (type {field.type})')
    elif not (field.validation or "").startswith(("date_", "datetime_")):
        found = f"validation {field.validation}" if field.validation else "no validation"
        yield Flaw(
            use.path, f'"{field.name}" is no date field ({found})', "give it validation date_ymd"
        )


def output_flaws(use: FieldUse, field: Field, study: Study) -> Iterator[Flaw]:
    """Yield why a value cannot be written to a field."""
    fits = OUTPUTS[use.role]
    name = f'"{field.name}"'
    if fits.yes and field.type in YES_NO:
        return
    if field.type in NEVER_WRITTEN:
        yield Flaw(use.path, f"{name} cannot be written (type {field.type})", f"use {fits.words}")
    elif CALCULATED.search(field.annotation or ""):
        yield Flaw(use.path, f"{name} is calculated by REDCap (@CALC...)", f"use {fits.words}")
    elif field.type in ONE_CHOICE and fits.choices:
        has = {choice.code for choice in field.choices}
        lacking = [value for value in values_written(use.role, study) if value not in has]
        if lacking:
            what = f"{name} lacks choices that will be written: {', '.join(lacking)}"
            yield Flaw(use.path, what, "add them in REDCap, or use a text field")
    elif field.type == "text":
        if not re.fullmatch(fits.validation, field.validation or ""):
            found = field.validation or "none"
            what = f"{name} has the wrong validation for this ({found})"
            yield Flaw(use.path, what, f"use {fits.words}")
    elif not (field.type == "notes" and fits.notes):
        what = f"{name} has the wrong type for this ({field.type})"
        yield Flaw(use.path, what, f"use {fits.words}")


def values_written(role: str, study: Study) -> list[str]:
    """List the values that a choice field must have."""
    if OUTPUTS[role].yes:
        return ["1"]
    if role == "partner_status" and study.partner is not None:
        return list(study.partner.statuses.values())
    if role == "message_kind":
        return [survey.id for survey in study.surveys]
    return [visit.id for visit in study.visits] if role == "pending_visit" else list(VISIT_STATES)


def missing_code_flaws(study: Study, project: Project) -> Iterator[Flaw]:
    """Warn of numbers that will be written and that REDCap would read as missing.

    A whole-number missing-data code, such as -99, is also a number of days from a target. A field
    with @NOMISSING takes no such codes (REDCap help, "Action Tags").
    """
    codes = [code for code in project.missing_data_codes if WHOLE.fullmatch(code)]
    for use in fields(study) if codes else ():
        field = project.fields.get(use.reference.field)
        if use.role != "days_from_target" or field is None or NO_MISSING.search(field.annotation):
            continue
        what = (
            f'"{field.name}" may be given a number that is a missing-data code of the project '
            f"({', '.join(codes)}), which REDCap reads as missing"
        )
        yield Flaw(use.path, what, "give the field @NOMISSING", warning=True)


def choice_flaws(use: ConditionUse, project: Project) -> Iterator[Flaw]:
    """Warn of comparisons that can never hold: with a value that is no choice of the field."""
    for node in walk(parse_node(use.condition.text)):
        if isinstance(node, Binary) and node.operator in {"=", "<>", "!="}:
            for side, other in ((node.left, node.right), (node.right, node.left)):
                if isinstance(side, FieldValue) and isinstance(other, Text | Number):
                    yield from value_flaws(use, side.reference.field, other.text, project)


def value_flaws(use: ConditionUse, name: str, value: str, project: Project) -> Iterator[Flaw]:
    """Warn if a field can never hold a value."""
    field = project.fields.get(name)
    if field is None or field.type not in ONE_CHOICE | YES_NO | {"checkbox"}:
        return
    codes = ["0", "1"] if field.type == "checkbox" else [choice.code for choice in field.choices]
    if value not in {"", *codes, *project.missing_data_codes}:
        what = f'compares "{name}" with "{value}", which is no choice of it'
        yield Flaw(use.path, what, f"its choices: {', '.join(codes)}", warning=True)
