"""``filterLogic``: keep the rows for which an expression of REDCap's logic language is true."""

from __future__ import annotations

from typing import TYPE_CHECKING

from redcap_jobs.sandbox.parameters import Refusal

if TYPE_CHECKING:
    from redcap_jobs.sandbox.context import Context
    from redcap_jobs.sandbox.records_export import ExportRow


def matching_rows(context: Context, rows: list[ExportRow]) -> list[ExportRow]:  # noqa: ARG001 - not evaluated yet
    """Return the rows for which the call's filterLogic is true."""
    raise Refusal(400, "filterLogic is not evaluated by this sandbox yet")
