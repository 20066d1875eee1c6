"""Export a project as XML, create one from it, export again: the same."""

from __future__ import annotations

import os
import secrets
from dataclasses import replace
from pathlib import Path

import pytest
import requests
from hypothesis import given, settings
from odm_projects import NOW, projects
from sandbox_projects import Caller, trial

from redcap_jobs.sandbox.context import Context
from redcap_jobs.sandbox.odm import project_from_xml
from redcap_jobs.sandbox.parameters import Parameters
from redcap_jobs.sandbox.project import SandboxProject
from redcap_jobs.sandbox.project_xml import export_project_xml
from redcap_jobs.sandbox.server import Sandbox
from redcap_jobs.sandbox.structure import Structure

EXAMPLES = 1000 if os.environ.get("REDCAP_JOBS_LONG_TESTS") else 60
OWN_FILES = [
    Path(name) for name in os.environ.get("REDCAP_JOBS_PROJECT_XML", "").split(":") if name
]
"""Project XML files of one's own to try the round trip on."""
EVERYTHING = {
    "exportDataAccessGroups": "true",
    "exportSurveyFields": "true",
    "exportFiles": "true",
}


def xml_of(project: SandboxProject) -> str:
    user = next(iter(project.members.users.values()))
    parameters = Parameters.read(EVERYTHING.items())
    text, _ = export_project_xml(Context(parameters, project, user, NOW)).body("xml")
    return text


def comparable(structure: Structure) -> Structure:
    """Return a structure without what the file does not hold.

    That is numbers of events and groups, and what somebody typed between two choices.
    """
    return replace(
        structure,
        fields=tuple(replace(field, choices_text="") for field in structure.fields),
        events=tuple(replace(event, event_id=0) for event in structure.events),
        dags=tuple(replace(dag, group_id=0) for dag in structure.dags),
    )


@settings(max_examples=EXAMPLES, deadline=None)
@given(projects())
def test_a_project_made_from_its_xml_is_the_same(project: SandboxProject) -> None:
    """Structure, settings, roles, reports, groups and every value; and so the XML of both."""
    first = xml_of(project)
    again = project_from_xml(first.encode(), project.pid, NOW, "again")
    assert comparable(again.structure) == comparable(project.structure)
    assert again.settings == project.settings
    assert again.members.roles == project.members.roles
    assert [report.fields for report in again.reports.values()] == [("sid",)]
    assert again.store.current.records == project.store.current.records
    assert (
        again.files.all().items()
        >= {
            key: file for key, file in project.files.all().items() if key in first_keys(project)
        }.items()
    )
    assert xml_of(again) == first


def first_keys(project: SandboxProject) -> set[str]:
    """Return the keys of files that some cell holds."""
    return {
        value
        for record in project.store.current.records.values()
        for row in record.rows.values()
        for value in row.values()
    }


def test_the_round_trip_over_http() -> None:
    """As a user does it: export, create with a super token, export with the new token."""
    token = secrets.token_hex(32)
    with Sandbox([trial()], now=None, super_token=token) as sandbox:
        caller = Caller(sandbox.url, sandbox.project(901).token)
        parameters = {"content": "project_xml", **EVERYTHING}
        first = caller.post(**parameters).text
        created = requests.post(
            sandbox.url,
            data={
                "token": token,
                "content": "project",
                "format": "json",
                "data": '[{"project_title":"Small Trial","purpose":0}]',
                "odm": first,
            },
            timeout=10,
        )
        assert created.status_code == 200
        second = Caller(sandbox.url, created.text).post(**parameters).text
        old, new = (
            Caller(sandbox.url, one).export(exportDataAccessGroups="true")
            for one in (caller.token, created.text)
        )
    assert undated(second) == undated(first)
    assert new == old


def undated(text: str) -> list[str]:
    """Return the lines without those that hold the time of the export."""
    return [line for line in text.splitlines() if "Metadata." not in line and "<ODM " not in line]


@pytest.mark.parametrize("parameters", [{}, {"returnMetadataOnly": "true"}])
def test_without_its_options_the_file_holds_less(parameters: dict[str, str]) -> None:
    """Files, groups and survey fields only when asked for; no data with returnMetadataOnly."""
    with Sandbox([trial()]) as sandbox:
        caller = Caller(sandbox.url, sandbox.project(901).token)
        text = caller.post(content="project_xml", **parameters).text
    assert "redcap_data_access_group" not in text
    assert "ItemDataBase64Binary" not in text
    assert ("<ClinicalData" in text) is (not parameters)


def test_records_fields_and_logic_choose_the_data() -> None:
    """As in a record export; the dictionary stays whole."""
    with Sandbox([trial()]) as sandbox:
        caller = Caller(sandbox.url, sandbox.project(901).token)
        names = list(dict.fromkeys(row["record_id"] for row in caller.export()))
        text = caller.post(
            content="project_xml", **{"records[0]": names[0], "fields[0]": "record_id"}
        ).text
    assert text.count("<SubjectData") == 1
    assert set(data_items(text)) == {"record_id"}
    assert text.count("<ItemDef") > 1


def data_items(text: str) -> list[str]:
    """Return the names of all values in the data."""
    return [part.partition('"')[0] for part in text.split('<ItemData ItemOID="')[1:]]


@pytest.mark.skipif(not OWN_FILES, reason="REDCAP_JOBS_PROJECT_XML names no project XML to try")
def test_files_of_ones_own_come_back() -> None:
    """Project XML files exported from a real REDCap: load, export, load, export."""
    for path in OWN_FILES:
        project = project_from_xml(path.read_bytes(), 7, NOW, str(path))
        first = xml_of(project)
        again = project_from_xml(first.encode(), 7, NOW, "again")
        assert again.structure == project.structure
        assert again.digest() == project.digest()
        assert xml_of(again) == first
