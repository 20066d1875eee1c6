"""What a token may do: calls, expired access, columns of an export, forms that may be edited."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import date, datetime, timedelta
from typing import Any

import pytest
from sandbox_projects import Caller, trial

from redcap_jobs.sandbox.context import Context
from redcap_jobs.sandbox.export_hash import record_hash
from redcap_jobs.sandbox.members import Rights, User, user
from redcap_jobs.sandbox.parameters import Parameters
from redcap_jobs.sandbox.project import SandboxProject
from redcap_jobs.sandbox.report import Report
from redcap_jobs.sandbox.rights import editable, exportable, nothing_exportable
from redcap_jobs.sandbox.server import Sandbox

DATA = '[{"x":"y"}]'
DESIGN = "Project Design/Setup"
USERS = "User Rights"
GROUPS = "Data Access Groups"


def insufficient(first: str, second: str) -> str:
    """Return the refusal of a right that is needed beside an API right."""
    return (
        f"Insufficient user privileges: You must have '{first}' privileges and '{second}' "
        "privileges in the project."
    )


def caller(server: Sandbox, one: User) -> Caller:
    """Return a caller with a new user's token."""
    return Caller(server.url, server.project(901).add_user(one))


@pytest.mark.parametrize(
    ("missing", "second", "calls"),
    [
        (
            "design",
            DESIGN,
            [
                *({"content": content, "data": DATA} for content in ("metadata", "event", "arm")),
                {"content": "formEventMapping", "data": DATA},
                {"content": "repeatingFormsEvents", "data": DATA},
                {"content": "project_settings", "data": DATA},
                {"content": "arm", "action": "delete", "arms": ["1"]},
                {"content": "event", "action": "delete", "events": ["start_arm_1"]},
            ],
        ),
        (
            "user_rights",
            USERS,
            [
                {"content": "user"},
                {"content": "userRole"},
                {"content": "userRoleMapping"},
                {"content": "user", "data": DATA},
                {"content": "userRole", "data": DATA},
                {"content": "userRoleMapping", "action": "import", "data": DATA},
                {"content": "user", "action": "delete", "users": ["x"]},
                {"content": "userRole", "action": "delete", "roles": ["x"]},
            ],
        ),
        (
            "data_access_groups",
            GROUPS,
            [
                {"content": "dag"},
                {"content": "userDagMapping"},
                {"content": "dag", "action": "import", "data": DATA},
                {"content": "userDagMapping", "action": "import", "data": DATA},
                {"content": "dag", "action": "delete", "dags": ["north_clinic"]},
            ],
        ),
    ],
)
def test_a_second_right_beside_the_apis(
    server: Sandbox, missing: str, second: str, calls: list[dict[str, Any]]
) -> None:
    """400 and the words recorded for groups, of structure, people and groups alike (API help)."""
    nurse = caller(server, user("nurse", **{missing: 0}))
    for call in calls:
        response = nurse.post(format="json", **call)
        first = "API Import/Update" if {"data", "action"} & call.keys() else "API Export"
        assert (response.status_code, response.json()) == (
            400,
            {"error": insufficient(first, second)},
        )


@pytest.mark.parametrize("format_", ["csv", "json", "xml"])
def test_groups_without_their_right_in_each_format(server: Sandbox, format_: str) -> None:
    """The recorded refusal of a group export, in the three envelopes."""
    nurse = caller(server, user("nurse", data_access_groups=0))
    message = insufficient("API Export", GROUPS)
    response = nurse.post(content="dag", format=format_)
    assert response.status_code == 400
    assert (
        response.text
        == {
            "csv": f"ERROR: {message}",
            "json": f'{{"error":"{message}"}}',
            "xml": f'<?xml version="1.0" encoding="UTF-8" ?><hash><error>{message}</error></hash>',
        }[format_]
    )


@pytest.mark.parametrize(
    "call",
    [
        {"content": "user", "action": "delete", "users": ["x"]},
        {"content": "userRole", "action": "delete", "roles": ["x"]},
        {"content": "dag", "action": "delete", "dags": ["north_clinic"]},
        {"content": "arm", "action": "delete", "arms": ["1"]},
        {"content": "event", "action": "delete", "events": ["start_arm_1"]},
    ],
)
def test_every_deletion_needs_the_right_to_delete(server: Sandbox, call: dict[str, Any]) -> None:
    """Recorded by REDCap.jl when it deleted a user; for the others concluded from it."""
    nurse = caller(server, user("nurse", record_delete=0))
    response = nurse.post(format="json", **call)
    assert (response.status_code, response.json()) == (
        403,
        {"error": "You do not have Delete Record privileges"},
    )


def test_user_rights_may_be_read_only(server: Sandbox) -> None:
    """Level 2 exports users and imports none (API help); REDCapR recorded a user with it."""
    nurse = caller(server, user("nurse", user_rights=2))
    assert nurse.post(content="user", format="json").status_code == 200
    response = nurse.post(content="user", format="json", data='[{"username":"x"}]')
    assert response.json() == {"error": insufficient("API Import/Update", USERS)}


def test_without_any_api_right_a_token_is_nobodys(server: Sandbox) -> None:
    """403 and the text of an unknown token (recorded)."""
    nurse = caller(server, user("nurse", api_export=0, api_import=0))
    for content in ("version", "record", "project"):
        response = nurse.post(content=content, format="json")
        assert response.status_code == 403
        assert response.json() == {"error": "You do not have permissions to use the API"}


@pytest.mark.parametrize(("days", "status"), [(-1, 403), (0, 403), (1, 200)])
def test_access_ends_on_the_day_of_expiration(server: Sandbox, days: int, status: int) -> None:
    """From that day on, by the server's clock, the token is nobody's (own answer)."""
    day = server.api.now().date() + timedelta(days=days)
    nurse = caller(server, User("nurse", expiration=day))
    assert nurse.post(content="version").status_code == status


def test_rights_taken_away_count_from_the_next_call(server: Sandbox, longitudinal: Caller) -> None:
    """Over the API: a user without export right is refused at once."""
    nurse = caller(server, user("nurse"))
    assert nurse.post(content="record", format="json").status_code == 200
    data = '[{"username":"nurse","api_export":0}]'
    longitudinal.post(content="user", format="json", data=data)
    assert nurse.post(content="record", format="json").status_code == 403


def context(rights: Rights) -> Context:
    """Return a call by somebody with these rights."""
    project = trial()
    one = User("nurse", rights=rights)
    project.change(members=project.members.put(one))
    now = datetime.combine(date(2026, 11, 22), datetime.min.time())
    return Context(Parameters({}, {}), project, one, now)


@pytest.mark.parametrize(
    ("code", "gone"),
    [
        (0, {"born", "consent", "sex", "weight", "phone", "photo", "notes", "status"}),
        (1, set()),
        (2, {"born", "phone", "photo"}),
        (3, {"phone"}),
    ],
)
def test_what_leaves_with_each_export_right(code: int, gone: set[str]) -> None:
    """0 nothing but the id, 1 all, 3 all but tagged identifiers, 2 neither dates, files, free text."""
    call = context(Rights(forms_export={"enrolment": code}))
    columns = [one for one in call.structure.columns if one.form == "enrolment"]
    kept = {one.field for one in columns if exportable(call, one)}
    fields = {one.field for one in columns}
    assert "record_id" in kept
    if code == 0:
        assert kept == {"record_id"}
    else:
        assert fields - kept == gone & fields


def test_deidentified_drops_unvalidated_text_and_keeps_numbers() -> None:
    """A text field without validation may say anything; a validated one says what it says."""
    call = context(Rights(forms_export=dict.fromkeys(("visit", "drugs", "diary"), 2)))
    kept = {one.field for one in call.structure.columns if exportable(call, one)}
    assert {"felt", "dose", "slept"} <= kept
    assert "seen" not in kept
    assert {"visit_complete", "drugs_complete", "diary_complete"} <= kept


@pytest.mark.parametrize(("code", "may"), [(0, False), (1, True), (2, False), (3, True)])
def test_which_forms_may_be_edited(code: int, may: bool) -> None:
    """View and edit, or edit survey responses; not with no access or read only."""
    call = context(Rights(forms={"visit": code}))
    assert editable(call, "visit") is may
    assert editable(call, "drugs")


def test_no_form_at_all() -> None:
    """A data export is refused to whom every form is closed (API help)."""
    forms = ("enrolment", "visit", "drugs", "diary")
    assert nothing_exportable(context(Rights(forms_export=dict.fromkeys(forms, 0))))
    assert not nothing_exportable(context(Rights(forms_export=dict.fromkeys(forms[1:], 0))))


def with_hidden_names(**codes: int) -> tuple[SandboxProject, User]:
    """Return the trial with its record ID tagged as identifier, and a user with these rights."""
    project = trial()
    record_id, *others = project.structure.fields
    fields = (replace(record_id, identifier=True), *others)
    project.change(structure=replace(project.structure, fields=fields))
    return project, replace(
        user("reader"), rights=replace(user("reader").rights, forms_export=codes)
    )


@pytest.mark.parametrize("parameters", [{}, {"type": "eav"}, {"rawOrLabel": "label"}])
def test_an_identifying_record_id_is_a_hash_for_who_gets_data_deidentified(
    parameters: dict[str, str],
) -> None:
    """32 signs that ``records`` does not find (REDCapR issues 74 and 75); always the same ones."""
    project, reader = with_hidden_names(enrolment=2)
    with Sandbox([project]) as server:
        reading = caller(server, reader)
        rows = reading.export(**parameters)
        name = "record" if "type" in parameters else "record_id"
        hashes = {row[name] for row in rows}
        assert len(hashes) == 2
        assert all(re.fullmatch("[0-9a-f]{32}", one) for one in hashes)
        assert {row[name] for row in reading.export(**parameters)} == hashes
        values = [row["value"] for row in rows if row.get("field_name") == "record_id"]
        assert set(values) == (hashes if values else set())
        assert reading.export(records=sorted(hashes), **parameters) == []
        assert {row[name] for row in reading.export(records=["10"], **parameters)} < hashes
        logic = {"filterLogic": "[record_id] = '10'"}
        assert len({row[name] for row in reading.export(**logic, **parameters)}) == 1


def test_hashes_of_record_names_in_reports_and_project_xml() -> None:
    """No export of data tells the name, and all tell the same hash."""
    project, reader = with_hidden_names(enrolment=2)
    project.change(reports={7: Report(7, "Sexes", ("sex",), "[sex] = '1'")})
    with Sandbox([project]) as server:
        reading = caller(server, reader)
        shown = record_hash(project, "10")
        (row,) = reading.post(content="report", report_id="7", format="json").json()
        assert row["record_id"] == shown
        text = reading.post(content="project_xml").text
        assert f'SubjectKey="{shown}"' in text
        assert 'SubjectKey="10"' not in text
        assert 'ItemOID="record_id" Value="10"' not in text


@pytest.mark.parametrize(
    "codes", [{}, {"enrolment": 1}, {"enrolment": 3}, {"enrolment": 0}, {"visit": 2}]
)
def test_a_record_id_is_plain_with_any_other_export_right(codes: dict[str, int]) -> None:
    """The right to its own form counts (own answer); and only a tagged record ID is hidden."""
    project, reader = with_hidden_names(**codes)
    with Sandbox([project]) as server:
        assert {row["record_id"] for row in caller(server, reader).export()} == {"2", "10"}
    with Sandbox([trial()]) as server:
        plain = replace(user("reader"), rights=Rights(reader.rights.granted, {}, {"enrolment": 2}))
        assert {row["record_id"] for row in caller(server, plain).export()} == {"2", "10"}


def test_a_hash_is_another_in_each_project() -> None:
    """Nobody tells from two projects' hashes that a record is in both."""
    assert record_hash(trial(), "10") != record_hash(trial(), "10")
