"""Project creation with a super token: from a title alone, or from a project XML."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime

from redcap_jobs.errors import SetupError
from redcap_jobs.sandbox.answers import Answer, Plain
from redcap_jobs.sandbox.calls import NOT_IMPLEMENTED
from redcap_jobs.sandbox.dictionary import Field
from redcap_jobs.sandbox.import_formats import JSON_MALFORMED, csv_rows, json_text, xml_rows
from redcap_jobs.sandbox.odm import project_from_xml
from redcap_jobs.sandbox.parameters import Parameters, Refusal
from redcap_jobs.sandbox.project import SandboxProject, Settings, env_name_of
from redcap_jobs.sandbox.structure import Form, Structure
from redcap_jobs.sandbox.structure_calls import REDCAP_VERSION

PURPOSE_OTHER_MISSING = (
    "You must provide some text for 'purpose_other' since you specified 'purpose' as '1' (Other)."
)
FIRST_FORM = "my_first_instrument"


def answer_super_token(
    parameters: Parameters, projects: list[SandboxProject], now: datetime
) -> Answer:
    """Answer a call made with the super token: it may create projects and ask for the version.

    Raises:
        Refusal: Anything else was asked for, or the new project's data are wrong.

    """
    content = parameters.text("content")
    if content == "version":
        return Plain(REDCAP_VERSION)
    if content != "project" or not parameters.given("data"):
        raise Refusal(501, NOT_IMPLEMENTED)
    project = new_project(parameters, next_pid(projects), now)
    projects.append(project)
    return Plain(project.token)


def next_pid(projects: Sequence[SandboxProject]) -> int:
    """Return the id of the next project."""
    return max((project.pid for project in projects), default=3100) + 1


def new_project(parameters: Parameters, pid: int, now: datetime) -> SandboxProject:
    """Return the project that ``data`` (one row) and ``odm`` describe."""
    row = settings_row(parameters)
    title = row.get("project_title", "")
    if not title:
        raise Refusal(400, "The project_title is missing")
    purpose = row.get("purpose", "0")
    if purpose == "1" and not row.get("purpose_other"):
        raise Refusal(400, PURPOSE_OTHER_MISSING)
    odm = parameters.text("odm")
    if odm:
        try:
            project = project_from_xml(odm.encode(), pid, now, "odm")
        except SetupError as error:
            raise Refusal(400, str(error)) from None
        project.title, project.env_name = title, env_name_of(title)
        return project
    return SandboxProject(
        pid,
        title,
        Structure(
            fields=(Field("record_id", FIRST_FORM, "text", "Record ID"),),
            forms=(Form(FIRST_FORM, "My First Instrument"),),
        ),
        Settings(purpose=purpose, purpose_other=row.get("purpose_other", "")),
        created=now,
    )


def settings_row(parameters: Parameters) -> dict[str, str]:
    """Return the one row of settings, in whatever format it came."""
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
