"""The order of a report's rows: up to three fields, each ascending or descending.

Recorded are the names in the project XML (``orderby_field1``, ``orderby_sort1``) and that the
record ID ascending is the order of any export. Own answers: numbers stand before words and blanks
before both, what is equal keeps an export's order, and rows of a record are ordered one by one.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import TypeAlias

from redcap_jobs.sandbox.export_rows import ExportRow
from redcap_jobs.sandbox.report import Report
from redcap_jobs.sandbox.store import natural_order
from redcap_jobs.sandbox.structure import Structure

PLACES = (1, 2, 3)
DESCENDING = "DESC"

SortKey: TypeAlias = tuple[int, float, list[tuple[int, int, str]]]


def in_report_order(
    structure: Structure, report: Report, rows: Iterable[ExportRow]
) -> Iterable[ExportRow]:
    """Return the rows as the report orders them; fields that are gone do not count."""
    order = order_of(structure, report)
    id_field = structure.record_id_field
    if order in ([], [(id_field, False)]):
        return rows
    ordered = list(rows)
    for field, descending in reversed(order):
        ordered.sort(key=by_record if field == id_field else by_value(field), reverse=descending)
    return ordered


def by_record(row: ExportRow) -> SortKey:
    """Return what orders rows by their record's name."""
    return 2, 0.0, natural_order(row.record)


def by_value(field: str) -> Callable[[ExportRow], SortKey]:
    """Return what orders rows by a field."""
    return lambda row: sort_key(row.stored.get(field, ""))


def order_of(structure: Structure, report: Report) -> list[tuple[str, bool]]:
    """Return the fields to order by, each with whether it is descending."""
    known = {*structure.field_by_name, *(column.field for column in structure.columns)}
    named = [
        (
            report.attributes.get(f"orderby_field{place}", ""),
            report.attributes.get(f"orderby_sort{place}", "").upper() == DESCENDING,
        )
        for place in PLACES
    ]
    return [(field, descending) for field, descending in named if field in known]


def sort_key(value: str) -> SortKey:
    """Return blanks first, then numbers by value, then words; dates are words that sort rightly."""
    if not value:
        return 0, 0.0, []
    try:
        number = float(value)
    except ValueError:
        return 2, 0.0, natural_order(value)
    return (1, number, []) if math.isfinite(number) else (2, 0.0, natural_order(value))
