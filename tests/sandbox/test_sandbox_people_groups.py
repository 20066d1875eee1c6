"""Data access groups over raw HTTP: who is in which, and switching between one's own."""

from __future__ import annotations

from dataclasses import replace

import pytest
from json_calls import get, put, refused
from sandbox_projects import Caller

from redcap_jobs.sandbox.members import user
from redcap_jobs.sandbox.server import Sandbox

GROUPS = [
    {
        "data_access_group_name": "North Clinic",
        "unique_group_name": "north_clinic",
        "data_access_group_id": 20,
    },
    {
        "data_access_group_name": "South Clinic",
        "unique_group_name": "south_clinic",
        "data_access_group_id": 21,
    },
]


def test_groups_and_their_columns(longitudinal: Caller) -> None:
    """Name, unique name and a number."""
    assert get(longitudinal, "dag") == GROUPS


def test_a_blank_unique_name_makes_a_group(longitudinal: Caller) -> None:
    """In csv, as REDCap.jl does it; a long name is cut at 18 signs, a used one gets a letter."""
    data = (
        "data_access_group_name,unique_group_name\nIntegration Test DAG,\ndag-a,\nNorth Clinic,\n"
    )
    response = longitudinal.post(content="dag", action="import", format="csv", data=data)
    assert (response.status_code, response.text) == (200, "3")
    made = get(longitudinal, "dag")[2:]
    assert [row["unique_group_name"] for row in made] == [
        *("integration_test_d", "daga"),
        "north_clinicb",
    ]
    assert [row["data_access_group_id"] for row in made] == [22, 23, 24]


def test_a_renamed_group_keeps_its_people_and_records(
    server: Sandbox, longitudinal: Caller
) -> None:
    """The unique name changes with the name (as recorded); records, users and rights follow."""
    nurse = Caller(server.url, server.project(901).add_user(user("nurse", dag="north_clinic")))
    rows = [{"data_access_group_name": "A different name", "unique_group_name": "north_clinic"}]
    before = nurse.export()
    assert put(longitudinal, "dag", rows) == "1"
    assert get(longitudinal, "dag")[0] == {
        "data_access_group_name": "A different name",
        "unique_group_name": "a_different_name",
        "data_access_group_id": 20,
    }
    exported = longitudinal.export(exportDataAccessGroups="true")
    groups = {row["record_id"]: row["redcap_data_access_group"] for row in exported}
    assert groups == {"2": "south_clinic", "10": "a_different_name"}
    assert nurse.export() == before
    stamps = [record.touched for record in server.project(901).store.current.records.values()]
    assert stamps == [(), ()]


def test_groups_may_swap_their_names(server: Sandbox, longitudinal: Caller) -> None:
    """Renamed one after the other in one import, records go where their group went."""
    rows = [
        {"data_access_group_name": "Middle", "unique_group_name": "north_clinic"},
        {"data_access_group_name": "North Clinic", "unique_group_name": "south_clinic"},
        {"data_access_group_name": "South Clinic", "unique_group_name": "middle"},
    ]
    assert put(longitudinal, "dag", rows) == "3"
    records = server.project(901).store.current.records
    assert {name: record.dag for name, record in records.items()} == {
        "10": "south_clinic",
        "2": "north_clinic",
    }


def test_a_deleted_group_leaves_records_and_users_without(
    server: Sandbox, longitudinal: Caller
) -> None:
    """The number of groups; whoever was in it sees everything then."""
    nurse = Caller(server.url, server.project(901).add_user(user("nurse", dag="north_clinic")))
    assert {row["record_id"] for row in nurse.export()} == {"10"}
    response = longitudinal.post(content="dag", action="delete", dags=["north_clinic"])
    assert (response.status_code, response.text) == (200, "1")
    assert {row["record_id"] for row in nurse.export()} == {"2", "10"}
    assert server.project(901).store.current.records["10"].dag == ""
    assert get(longitudinal, "dag") == GROUPS[1:]


@pytest.mark.parametrize(
    ("content", "row", "words"),
    [
        ("dag", {"data_access_group_name": ""}, "data_access_group_name"),
        ("dag", {"data_access_group_name": "X", "unique_group_name": "nowhere"}, '"nowhere"'),
        ("userDagMapping", {"username": "nobody"}, '"nobody"'),
        (
            "userDagMapping",
            {"username": "data_manager", "redcap_data_access_group": "nowhere"},
            '"nowhere"',
        ),
    ],
)
def test_a_wrong_group_spoils_the_import(
    longitudinal: Caller, content: str, row: dict[str, str], words: str
) -> None:
    """400, and nothing of the import is taken on."""
    before = get(longitudinal, content)
    good = {"data_access_group_name": "Good", "unique_group_name": ""}
    rows = [good, row] if content == "dag" else [row]
    assert words in refused(longitudinal, content, rows)
    assert get(longitudinal, content) == before


def test_unknown_groups_cannot_be_deleted(longitudinal: Caller) -> None:
    """400 with the name."""
    response = longitudinal.post(content="dag", action="delete", dags=["nowhere"], format="json")
    assert response.status_code == 400
    assert "'nowhere'" in response.json()["error"]


def test_users_are_put_into_groups(longitudinal: Caller) -> None:
    """A blank group takes a user out; so does none (API help); shows in the user's row."""
    rows = [{"username": "data_manager", "redcap_data_access_group": "south_clinic"}]
    assert put(longitudinal, "userDagMapping", rows) == "1"
    assert get(longitudinal, "userDagMapping") == rows
    (row,) = get(longitudinal, "user")
    assert (row["data_access_group"], row["data_access_group_id"]) == ("south_clinic", 21)
    assert put(longitudinal, "userDagMapping", [{"username": "data_manager"}]) == "1"
    assert get(longitudinal, "userDagMapping")[0]["redcap_data_access_group"] == ""
    assert "more than once" in refused(longitudinal, "userDagMapping", rows * 2)


def test_switching_needs_an_assignment(server: Sandbox, longitudinal: Caller) -> None:
    """1 as plain text; from then on the user sees the other group's records, and only those."""
    project = server.project(901)
    caller = Caller(server.url, project.add_user(user("nurse", dag="north_clinic")))
    refusal = caller.post(content="dag", action="switch", dag="south_clinic", format="json")
    assert refusal.status_code == 400
    assert "south_clinic" in refusal.json()["error"]
    nurse = project.members.users["nurse"]
    both = replace(nurse, dags=("north_clinic", "south_clinic"))
    project.change(members=project.members.put(both))
    response = caller.post(content="dag", action="switch", dag="south_clinic", returnFormat="csv")
    assert (response.status_code, response.text) == (200, "1")
    assert {row["record_id"] for row in caller.export()} == {"2"}
    for dag in ("", "nowhere"):
        assert caller.post(content="dag", action="switch", dag=dag).status_code == 400
    project.change(members=project.members.put(replace(both, dags=("", "north_clinic"))))
    assert caller.post(content="dag", action="switch", dag="").text == "1"
    assert {row["record_id"] for row in caller.export()} == {"2", "10"}


def test_what_happens_to_groups_is_logged(server: Sandbox, longitudinal: Caller) -> None:
    """As Manage/Design with the recorded details."""
    get(longitudinal, "dag")
    put(longitudinal, "userDagMapping", [{"username": "data_manager"}])
    rows = [(row.kind, row.action, row.details) for row in server.project(901).log.all()]
    assert rows == [
        ("manage", "Manage/Design ", "Export DAGs (API)"),
        ("manage", "Manage/Design ", "Import User-DAG assignments (API)"),
    ]
