"""Codes in words: what an export says instead with ``rawOrLabel`` and ``rawOrLabelHeaders``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from redcap_jobs.sandbox.context import Context
from redcap_jobs.sandbox.dictionary import STATUS_CHOICES, Column
from redcap_jobs.sandbox.structure import Structure

KEY_HEADERS = {
    "redcap_event_name": "Event Name",
    "redcap_repeat_instrument": "Repeat Instrument",
    "redcap_repeat_instance": "Repeat Instance",
    "redcap_data_access_group": "Data Access Group",
    "redcap_survey_identifier": "Survey Identifier",
}


def header_labels(structure: Structure, names: Sequence[str]) -> list[str]:
    """Return the labels over csv columns: ``Label (choice=Option)`` for an option of a checkbox.

    Labels may repeat: every form has a ``Complete?``.
    """
    return [header_label(structure, name) for name in names]


def header_label(structure: Structure, name: str) -> str:
    """Return the label over one column."""
    if name in KEY_HEADERS:
        return KEY_HEADERS[name]
    if name not in structure.column_by_name:
        field = structure.field_by_name.get(name)
        return field.label if field else "Survey Timestamp"
    column = structure.column_by_name[name]
    if column.kind == "status":
        return "Complete?"
    field = structure.field_by_name[column.field]
    if column.kind == "checkbox":
        return f"{field.label} (choice={structure.option_label(column)})"
    return field.label


def label_of_keys(structure: Structure) -> dict[str, str]:
    """Return the words for event names and repeating instruments."""
    words = {form.name: form.label for form in structure.forms}
    words.update({event: structure.event_label(event) for event in structure.event_by_name})
    return words


def translations(context: Context, columns: Sequence[Column]) -> list[Mapping[str, str]]:
    """Return per column what a stored code reads as in words.

    A missing-data code reads as its label, too: own answer.
    """
    structure = context.structure
    own_label = context.parameters.flag("exportCheckboxLabel")
    words: list[Mapping[str, str]] = []
    for column in columns:
        if column.kind == "status":
            words.append(STATUS_CHOICES)
        elif column.kind == "checkbox" and own_label:
            words.append({"1": structure.option_label(column), "0": ""})
        elif column.kind == "checkbox":
            words.append({"1": "Checked", "0": "Unchecked"})
        elif column.kind == "timestamp":
            words.append({})
        else:
            labels = structure.field_by_name[column.field].labels
            words.append({**structure.missing_data_codes, **labels})
    return words
