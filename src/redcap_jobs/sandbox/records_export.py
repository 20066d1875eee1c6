"""``content=record`` without data: which columns, which rows, flat or value by value."""

from __future__ import annotations

from collections.abc import Iterable

from redcap_jobs.sandbox.answers import Answer
from redcap_jobs.sandbox.context import Context
from redcap_jobs.sandbox.export_columns import Selection, select
from redcap_jobs.sandbox.export_eav import eav_table
from redcap_jobs.sandbox.export_flat import flat_table
from redcap_jobs.sandbox.export_hash import as_shown
from redcap_jobs.sandbox.export_rows import (
    ExportRow,
    asked_for,
    ordered_rows,
    selected_rows,
    visible_rows,
    wanted_records,
)
from redcap_jobs.sandbox.filter_logic import matching_rows

__all__ = [
    "ExportRow",
    "Selection",
    "as_shown",
    "eav_table",
    "export_records",
    "flat_table",
    "ordered_rows",
    "rows_asked_for",
    "rows_chosen",
    "select",
    "selected_rows",
    "visible_rows",
    "wanted_records",
]


def export_records(context: Context) -> Answer:
    """Answer ``content=record`` without data: flat, or EAV with ``type=eav``."""
    selection = select(context)
    rows = rows_asked_for(context, selection)
    parameters = context.parameters
    label = parameters.text("rawOrLabel", "raw")
    details = f"export_format: {parameters.format.upper()}, rawOrLabel: {label}"
    context.note("export", "Data export (API)", details)
    writer = eav_table if parameters.text("type") == "eav" else flat_table
    return writer(context, selection, rows)


def rows_asked_for(context: Context, selection: Selection) -> Iterable[ExportRow]:
    """Return the rows that an export shows, under the record names that the user may see."""
    return as_shown(context, rows_chosen(context, selection))


def rows_chosen(context: Context, selection: Selection) -> Iterable[ExportRow]:
    """Return the stored rows that records, events, date range and filterLogic choose."""
    if not context.parameters.text("filterLogic"):
        return selected_rows(context, selection)
    return filter(asked_for(context, selection), matching_rows(context, visible_rows(context)))
