"""The data dictionary: fields, their choices, and the columns each takes in an export."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

NO_VALUE_TYPES = frozenset({"descriptive"})
"""Field types that hold no value: in the dictionary, but in no export and no import."""

STATUS_CHOICES = {"0": "Incomplete", "1": "Unverified", "2": "Complete"}
YES_NO = {"1": "Yes", "0": "No"}
TRUE_FALSE = {"1": "True", "0": "False"}


@dataclass(frozen=True)
class Choice:
    """One option of a radio, dropdown or checkbox field."""

    code: str
    label: str


def parse_choices(text: str) -> tuple[Choice, ...]:
    """Read ``1, Yes | 0, No`` (or one choice per line), as the data dictionary writes it."""
    choices = []
    for part in re.split(r"\s*(?:\||\\n|\n)\s*", text.strip()):
        code, _, label = part.partition(",")
        if code.strip():
            choices.append(Choice(code.strip(), label.strip()))
    return tuple(choices)


def checkbox_column(field: str, code: str) -> str:
    """Return the export name of one checkbox option: code -4 of ``field`` is ``field____4``."""
    return f"{field}___{re.sub(r'[^0-9A-Za-z_]', '_', code).lower()}"


@dataclass(frozen=True)
class Column:
    """One column of a flat export: a field, an option, a form's status or a survey's time stamp."""

    name: str
    form: str
    field: str
    kind: Literal["value", "checkbox", "status", "file", "timestamp"] = "value"
    code: str = ""

    @property
    def default(self) -> str:
        """Return what an export shows where the form lives but nothing is stored."""
        return "0" if self.kind in ("checkbox", "status") else ""


@dataclass(frozen=True)
class Field:
    """One row of the data dictionary, in the words of its 18 columns.

    ``choices_text`` is the choices as somebody typed them, which the dictionary gives back; ''
    where they came in another form.
    """

    name: str
    form: str
    type: str
    label: str = ""
    choices: tuple[Choice, ...] = ()
    calculation: str = ""
    validation: str = ""
    minimum: str = ""
    maximum: str = ""
    note: str = ""
    section_header: str = ""
    slider_labels: str = ""
    identifier: bool = False
    branching: str = ""
    required: bool = False
    alignment: str = ""
    question_number: str = ""
    matrix_group: str = ""
    matrix_ranking: bool = False
    annotation: str = ""
    choices_text: str = ""

    @cached_property
    def labels(self) -> dict[str, str]:
        """Return code → label of a field that offers choices, else an empty dict."""
        if self.type == "yesno":
            return YES_NO
        if self.type == "truefalse":
            return TRUE_FALSE
        return {choice.code: choice.label for choice in self.choices}

    @cached_property
    def columns(self) -> tuple[Column, ...]:
        """Return the field's export columns; none for a descriptive field."""
        if self.type in NO_VALUE_TYPES:
            return ()
        if self.type == "checkbox":
            return tuple(
                Column(
                    checkbox_column(self.name, choice.code),
                    self.form,
                    self.name,
                    "checkbox",
                    choice.code,
                )
                for choice in self.choices
            )
        kind: Literal["value", "file"] = "file" if self.type == "file" else "value"
        return (Column(self.name, self.form, self.name, kind),)

    @property
    def choices_or_calculations(self) -> str:
        """Return the ``select_choices_or_calculations`` cell of the data dictionary."""
        if self.calculation:
            return self.calculation
        if self.slider_labels:
            return self.slider_labels
        if self.choices_text:
            return self.choices_text
        return " | ".join(f"{choice.code}, {choice.label}" for choice in self.choices)


def status_field(form: str) -> str:
    """Return the name of a form's status field."""
    return f"{form}_complete"


def status_column(form: str) -> Column:
    """Return the status column that closes every form in an export."""
    return Column(status_field(form), form, status_field(form), "status")


def slug(name: str, length: int = 18) -> str:
    """Return REDCap's unique name of a group or event: lower case, ``_`` for blanks, cut short.

    Other signs are dropped and runs stay: ``Screening & Enrollment`` gives ``screening__enrollm``,
    as recorded.
    """
    words = re.sub(r"[^a-z0-9_ ]", "", name.lower()).strip()
    return words.replace(" ", "_")[:length].rstrip("_")


def unique_names(names: Iterable[str]) -> list[str]:
    """Return a slug per name; later duplicates get a letter (``visit``, ``visitb``)."""
    taken: set[str] = set()
    slugs = []
    for name in names:
        base = slug(name) or "group"
        candidate, letter = base, ord("b")
        while candidate in taken:
            candidate, letter = base + chr(letter), letter + 1
        taken.add(candidate)
        slugs.append(candidate)
    return slugs
