"""The data-dictionary rows of the fields that jobs write, in the wording of REDCap's own CSV.

Uploading a data dictionary replaces the whole dictionary (REDCap help, "Data Dictionary"): rows
alone, uploaded as they are, would delete every other field. So the rows come in two forms: a CSV
to append to the dictionary that was downloaded, and instrument ZIPs, each of which the Online
Designer adds as one more instrument, leaving the others as they are.
"""

from __future__ import annotations

import csv
import io
import zipfile
from itertools import chain

from redcap_jobs.redcap.project import Project
from redcap_jobs.study.config import Study
from redcap_jobs.study.uses import PARTNER_COPY, SHARED_OUTPUTS, FieldUse, fields, log_fields
from redcap_jobs.study.visit_state_names import VISIT_STATES

HEADER = (
    "Variable / Field Name",
    "Form Name",
    "Section Header",
    "Field Type",
    "Field Label",
    "Choices, Calculations, OR Slider Labels",
    "Field Note",
    "Text Validation Type OR Show Slider Number",
    "Text Validation Min",
    "Text Validation Max",
    "Identifier?",
    "Branching Logic (Show field only if...)",
    "Required Field?",
    "Custom Alignment",
    "Question Number (surveys only)",
    "Matrix Group Name",
    "Matrix Ranking?",
    "Field Annotation",
)
VISITS_FORM, PEOPLE_FORM, PARTNER_FORM = "visit_tracking", "texting", "partner"
STATE_CHOICES = " | ".join(
    f"{state}, {state.replace('_', ' ').capitalize()}" for state in VISIT_STATES
)
TYPES: dict[str, tuple[str, str, str, str]] = {
    "target": ("text", "Target date of the visit", "", "date_ymd"),
    "opens": ("text", "Window opens on", "", "date_ymd"),
    "closes": ("text", "Window closes on", "", "date_ymd"),
    "state": ("dropdown", "State of the visit", STATE_CHOICES, ""),
    "flags": ("text", "Flags of the visit", "", ""),
    "days_from_target": ("text", "Days from the target date", "", "integer"),
    "stamp": ("text", "Computed at", "", "datetime_seconds_ymd"),
    "pending_visit": ("text", "Visit now open or overdue", "", ""),
    "opted_out": ("yesno", "Asked to get no more texts", "", ""),
    "invalid_number": ("yesno", "The mobile number takes no texts", "", ""),
    "message_key": ("text", "Key of the text", "", ""),
    "message_kind": ("text", "Survey", "", ""),
    "occurrence": ("text", "Invitation (0) or number of the reminder", "", "integer"),
    "sid": ("text", "Twilio's message SID", "", ""),
    "status": ("text", "Status", "", ""),
    "error": ("notes", "What went wrong", "", ""),
    "partner_member_id": ("text", "Partner's member id", "", ""),
    "partner_status": ("text", "Status with the partner", "", ""),
    "partner_opted_out": ("yesno", "Opted out with the partner", "", ""),
    "partner_synced_at": ("text", "Partner's data as of", "", "datetime_seconds_ymd"),
    "partner_error": ("notes", "What went wrong with the partner", "", ""),
    "posted_at": ("text", "Handed to Twilio at", "", "datetime_seconds_ymd"),
    "updated_at": ("text", "Status as of", "", "datetime_seconds_ymd"),
}
"""What is written → field type, label, choices, validation."""
READ_ONLY = "@READONLY"


def missing_rows(study: Study, project: Project | None) -> list[dict[str, str]]:
    """Return the dictionary rows of the output fields that the project lacks, by instrument.

    Without a project every output field of the study file is lacking. Each row has all of
    :data:`HEADER`. What is computed for visits is on instrument ``visit_tracking``, what is ticked
    about texts on ``texting`` (there people tick, too), what the partner says on ``partner``, the
    message log on its own; all but the ticks are read-only on the page.
    """
    rows: dict[str, dict[str, str]] = {}
    for use in chain(fields(study), log_fields(study)):
        name = use.reference.field
        if use.written and (project is None or name not in project.fields):
            kind, label, choices, validation = type_of(use, study)
            cells = (name, form_of(use, study), "", kind, label, choices, "", validation)
            row = dict.fromkeys(HEADER, "") | dict(zip(HEADER, cells, strict=False))
            shared = use.role in SHARED_OUTPUTS
            rows.setdefault(name, row | {"Field Annotation": "" if shared else READ_ONLY})
    forms = list(dict.fromkeys(row["Form Name"] for row in rows.values()))
    return sorted(rows.values(), key=lambda row: forms.index(row["Form Name"]))


def type_of(use: FieldUse, study: Study) -> tuple[str, str, str, str]:
    """Give field type, label, choices and validation of an output field."""
    if use.role != PARTNER_COPY or study.partner is None:
        return TYPES[use.role]
    each = study.partner.fields[int(use.path[2])]
    validation = {"date": "date_ymd", "whole": "integer"}.get(each.kind, "")
    choices = " | ".join(f"{code}, {word}" for code, word in (each.values or {}).items())
    return ("dropdown" if choices else "text", f"Partner: {each.partner}", choices, validation)


def form_of(use: FieldUse, study: Study) -> str:
    """Name the instrument on which a field that is lacking is to be."""
    if use.path[0] == "message_log" and study.message_log is not None:
        return study.message_log.form
    if use.about == "partner":
        return PARTNER_FORM
    return PEOPLE_FORM if use.role in SHARED_OUTPUTS else VISITS_FORM


def instrument_zips(rows: list[dict[str, str]]) -> dict[str, bytes]:
    """Pack rows as instrument ZIPs, one per instrument, by the file's name."""
    by_form: dict[str, list[dict[str, str]]] = {}
    for row in rows:
        by_form.setdefault(row["Form Name"], []).append(row)
    return {f"{form}.zip": as_instrument_zip(own) for form, own in by_form.items()}


def as_csv(rows: list[dict[str, str]]) -> str:
    """Write rows as the CSV that REDCap reads."""
    text = io.StringIO()
    writer = csv.DictWriter(text, HEADER, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def as_instrument_zip(rows: list[dict[str, str]]) -> bytes:
    """Pack the rows of one instrument for "Upload instrument ZIP file" in the Online Designer."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        member = zipfile.ZipInfo("instrument.csv", date_time=(2026, 1, 1, 0, 0, 0))
        archive.writestr(member, as_csv(rows))
    return packed.getvalue()
