"""Project creation with a super token: from a row of settings, or with a project XML besides.

Defaults are those of the API help: one instrument with a Record ID field, for longitudinal
projects one arm with one event, record auto-numbering on.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime

from redcap_jobs.errors import SetupError
from redcap_jobs.sandbox.answers import Answer, Plain
from redcap_jobs.sandbox.calls import NOT_IMPLEMENTED
from redcap_jobs.sandbox.dictionary import Field
from redcap_jobs.sandbox.members import Members, User
from redcap_jobs.sandbox.odm import project_from_xml
from redcap_jobs.sandbox.parameters import Parameters, Refusal
from redcap_jobs.sandbox.people_rights import OF_THE_CREATOR
from redcap_jobs.sandbox.project import SandboxProject, Settings, env_name_of
from redcap_jobs.sandbox.project_settings import (
    LONGITUDINAL,
    PURPOSE_OTHER_MISSING,
    changed_settings,
    is_true,
    settings_row,
)
from redcap_jobs.sandbox.structure import Arm, Event, Form, Structure
from redcap_jobs.sandbox.structure_calls import REDCAP_VERSION

FIRST_FORM = "my_first_instrument"
FIRST_EVENT = "event_1_arm_1"
CREATOR = "data_manager"

OF_NEW_PROJECTS = frozenset(
    {
        *("project_title", "purpose", "purpose_other", "project_notes", "is_longitudinal"),
        *("surveys_enabled", "record_autonumbering_enabled"),
    }
)
"""What a row may set of a new project (API help); anything else in it is passed over."""
BESIDE_ODM = frozenset({"purpose", "purpose_other", "project_notes"})
"""What the row sets of a project from an XML, which brings its own switches (own answer)."""


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
    project.env_name = unused(project.env_name, projects)
    projects.append(project)
    return Plain(project.token)


def next_pid(projects: Sequence[SandboxProject]) -> int:
    """Return the id of the next project."""
    return max((project.pid for project in projects), default=3100) + 1


def unused(env_name: str, projects: Sequence[SandboxProject]) -> str:
    """Return the variable for a new project's token: with ``_2``, ``_3``, ... if it is taken."""
    taken = {project.env_name for project in projects}
    name, number = env_name, 1
    while name in taken:
        number += 1
        name = f"{env_name}_{number}"
    return name


def new_project(parameters: Parameters, pid: int, now: datetime) -> SandboxProject:
    """Return the project that ``data`` (one row) and ``odm`` describe.

    Raises:
        Refusal: The title is missing, or the words for another purpose, or the XML is none.

    """
    row = {
        name: value for name, value in settings_row(parameters).items() if name in OF_NEW_PROJECTS
    }
    title = row.get("project_title", "").strip()
    if not title:
        raise Refusal(400, "The project_title is missing")
    if row.get("purpose") == "1" and not row.get("purpose_other"):
        raise Refusal(400, PURPOSE_OTHER_MISSING)
    odm = parameters.text("odm")
    if odm:
        return project_of_odm(odm, row, pid, title, now)
    structure = first_structure(pid, longitudinal=is_true(row.get(LONGITUDINAL, "")))
    settings = changed_settings(Settings(record_autonumbering_enabled=True), row, structure)
    return SandboxProject(
        pid, title, structure, settings, created=now, members=with_creator(Members())
    )


def project_of_odm(
    odm: str, row: Mapping[str, str], pid: int, title: str, now: datetime
) -> SandboxProject:
    """Return the project of an XML under the row's title."""
    try:
        project = project_from_xml(odm.encode(), pid, now, "odm")
    except SetupError as error:
        raise Refusal(400, str(error)) from None
    texts = {name: value for name, value in row.items() if name in BESIDE_ODM}
    project.title, project.env_name = title, env_name_of(title)
    project.settings = changed_settings(project.settings, texts, project.structure)
    project.members = with_creator(replace(project.members, users={}, tokens={}))
    return project


def with_creator(members: Members) -> Members:
    """Return the members with whoever creates the project, and a token of theirs."""
    return members.put(User(CREATOR, rights=OF_THE_CREATOR)).with_token(CREATOR)[0]


def first_structure(pid: int, *, longitudinal: bool) -> Structure:
    """Return what a new project begins with."""
    structure = Structure(
        fields=(Field("record_id", FIRST_FORM, "text", "Record ID"),),
        forms=(Form(FIRST_FORM, "My First Instrument"),),
    )
    if not longitudinal:
        return structure
    return replace(
        structure,
        arms=(Arm(1, "Arm 1"),),
        events=(Event(FIRST_EVENT, "Event 1", 1, day_offset=1, event_id=pid * 10),),
        mapping=frozenset({(FIRST_EVENT, FIRST_FORM)}),
        longitudinal=True,
    )
