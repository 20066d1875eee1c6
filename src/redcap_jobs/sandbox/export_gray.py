"""Which forms are gray: never saved, so that ``exportBlankForGrayFormStatus`` leaves them blank.

REDCap's gray icon means *Incomplete (no data saved)*. A form with data is therefore not gray, also
where an import brought its values without a status.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from redcap_jobs.sandbox.dictionary import Column
from redcap_jobs.sandbox.structure import Structure


def columns_by_form(structure: Structure) -> dict[str, frozenset[str]]:
    """Return form → its columns, without the record ID, which says nothing about the form."""
    return {
        form.name: frozenset(
            column.name
            for column in structure.columns
            if column.form == form.name and column.field != structure.record_id_field
        )
        for form in structure.forms
    }


def touched(stored: Mapping[str, str], columns: frozenset[str]) -> bool:
    """Tell whether a form was ever saved: one of its values or its status is stored."""
    return not columns.isdisjoint(stored)


def statuses_at(columns: Sequence[Column]) -> list[tuple[int, str]]:
    """Return the places of status columns, each with its form."""
    return [(at, column.form) for at, column in enumerate(columns) if column.kind == "status"]
