"""A report as a project keeps it: which fields of which records, under an id."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Report:
    """``events`` limits the rows (none: all), ``filter_logic`` is REDCap's logic ('' for all).

    ``attributes`` is what else the project XML says of it, kept to be written back.
    """

    report_id: int
    title: str
    fields: tuple[str, ...]
    filter_logic: str = ""
    events: tuple[str, ...] = ()
    dags: tuple[str, ...] = ()
    with_dag: bool = False
    with_survey_fields: bool = False
    combine_checkboxes: bool = False
    attributes: Mapping[str, str] = field(default_factory=dict)
