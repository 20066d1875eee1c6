"""``content=project_settings``: what of a project's information may be changed, and how.

The attributes are those of the API help and of redcapAPI's tables; whatever else stands in a row,
as in an exported one, is passed over (project_id, in_production, missing_data_codes, ...). The
number answered is that of the attributes named, changed or not: recorded as 18 for all eighteen.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from redcap_jobs.sandbox.answers import Answer, Plain
from redcap_jobs.sandbox.context import Context
from redcap_jobs.sandbox.import_formats import JSON_MALFORMED, Row, csv_rows, json_text, xml_rows
from redcap_jobs.sandbox.parameters import Parameters, Refusal
from redcap_jobs.sandbox.project import Settings
from redcap_jobs.sandbox.schedule import switched
from redcap_jobs.sandbox.structure import Structure
from redcap_jobs.sandbox.structure_log import noted
from redcap_jobs.sandbox.structure_rows import take_on

TITLE, LONGITUDINAL = "project_title", "is_longitudinal"
TEXTS = (
    *("project_language", "purpose", "purpose_other", "project_notes", "custom_record_label"),
    *("secondary_unique_field", "project_irb_number", "project_grant_number"),
    *("project_pi_firstname", "project_pi_lastname", "project_pi_email"),
)
FLAGS = (
    *("surveys_enabled", "scheduling_enabled", "record_autonumbering_enabled"),
    *("randomization_enabled", "display_today_now_button", "bypass_branching_erase_field_prompt"),
)
SETTABLE = frozenset({TITLE, LONGITUDINAL, *TEXTS, *FLAGS})
PURPOSES = frozenset("01234")
TRUE_WORDS = frozenset({"1", "true", "yes"})

PURPOSE_OTHER_MISSING = (
    "You must provide some text for 'purpose_other' since you specified 'purpose' as '1' (Other)."
)
"""Recorded from project creation; that it holds here, too, is this sandbox's own answer."""


@noted("Import project information (API)")
def import_settings(context: Context) -> Answer:
    """Answer an import of ``content=project_settings``: how many settable attributes were named.

    ``is_longitudinal`` is a switch: with it on, the project is longitudinal once it has events.
    """
    row = settings_row(context.parameters)
    project = context.project
    with project.lock:
        before = project.structure
        settings = changed_settings(project.settings, row, before)
        project.change(title=row.get(TITLE) or None, settings=settings)
        if LONGITUDINAL in row:
            take_on(project, switched(before, on=is_true(row[LONGITUDINAL])))
    return Plain(str(len(SETTABLE & row.keys())))


def changed_settings(settings: Settings, row: Mapping[str, str], structure: Structure) -> Settings:
    """Return the settings with what a row sets.

    A purpose that is none of 0 to 4 and a secondary unique field that does not exist count but
    change nothing: recorded is that they are no errors.
    """
    flags: dict[str, Any] = {name: is_true(row[name]) for name in FLAGS if name in row}
    texts = {name: row[name] for name in TEXTS if name in row}
    if texts.get("purpose", "0") not in PURPOSES:
        del texts["purpose"]
    unique = texts.get("secondary_unique_field", "")
    if unique and unique not in structure.field_by_name:
        del texts["secondary_unique_field"]
    after = replace(settings, **(flags | texts))
    if texts.get("purpose") == "1" and not after.purpose_other:
        raise Refusal(400, PURPOSE_OTHER_MISSING)
    return after


def is_true(text: str) -> bool:
    """Tell whether a cell is on."""
    return text.strip().lower() in TRUE_WORDS


def settings_row(parameters: Parameters) -> Row:
    """Return the one row of settings, in whatever format it came: json also as a bare object.

    Raises:
        Refusal: It is not in the format the call names.

    """
    data = parameters.text("data")
    if parameters.format == "json":
        try:
            parsed = json.loads(data)
        except ValueError:
            raise Refusal(400, JSON_MALFORMED) from None
        first = parsed[0] if isinstance(parsed, list) and parsed else parsed
        if not isinstance(first, dict):
            raise Refusal(400, JSON_MALFORMED)
        return {str(name): json_text(value) for name, value in first.items()}
    rows = csv_rows(data, ",") if parameters.format == "csv" else xml_rows(data)
    return rows[0] if rows else {}
