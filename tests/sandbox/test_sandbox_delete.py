"""Deletion of records and of their parts."""

from __future__ import annotations

from typing import Any

import pytest
from sandbox_projects import Caller

from redcap_jobs.sandbox.members import user
from redcap_jobs.sandbox.server import Sandbox


def delete(caller: Caller, **parts: Any) -> str:
    response = caller.post(content="record", action="delete", **parts)
    assert response.status_code == 200, response.text
    return response.text


def test_deleting_an_unknown_record_deletes_nothing(server: Sandbox, longitudinal: Caller) -> None:
    """400, the recorded text, and the known record is still there."""
    response = longitudinal.post(
        content="record", action="delete", records=["10", "1"], returnFormat="json"
    )
    assert response.status_code == 400
    assert response.json()["error"] == (
        "One or more of the records provided cannot be deleted because they do not exist in the "
        "project. The following records do not exist: 1"
    )
    assert "10" in server.project(901).store.current.records


@pytest.mark.parametrize("format_", ["csv", "json", "xml"])
def test_the_answer_is_a_bare_number(longitudinal: Caller, format_: str) -> None:
    """The number of records, the same in every format."""
    assert delete(longitudinal, records=["10", "2"], format=format_) == "2"
    assert longitudinal.export() == []


def test_an_event_of_a_record(longitudinal: Caller) -> None:
    """Only that event's data go; the answer is still 1."""
    assert delete(longitudinal, records=["10"], event="week_1_arm_1") == "1"
    events = {row["redcap_event_name"] for row in longitudinal.export(records=["10"])}
    assert events == {"start_arm_1", "diary_arm_1"}


def test_an_arm_of_a_record(longitudinal: Caller) -> None:
    """A record that is in two arms stays in the other one; in the last one it goes."""
    row = {"record_id": "10", "redcap_event_name": "week_1_arm_2", "felt": "1"}
    longitudinal.send([row])
    delete(longitudinal, records=["10"], arm="1")
    left = [row["redcap_event_name"] for row in longitudinal.export(records=["10"])]
    assert left == ["week_1_arm_2"]
    delete(longitudinal, records=["10"], arm="2")
    assert longitudinal.export(records=["10"]) == []


def test_an_instrument_and_an_instance(longitudinal: Caller) -> None:
    """An instance of a repeating form alone; a form that does not repeat loses its values."""
    where = {"records": ["10"], "event": "week_1_arm_1"}
    delete(longitudinal, instrument="drugs", repeat_instance="1", **where)
    delete(longitudinal, instrument="visit", **where)
    rows = longitudinal.export(records=["10"], events=["week_1_arm_1"])
    assert [(row["redcap_repeat_instance"], row["drug"], row["seen"]) for row in rows] == [
        ("", "", ""),
        (2, "B", ""),
    ]


def test_a_user_in_a_group_cannot_delete_what_it_cannot_see(server: Sandbox) -> None:
    """Another group's record does not exist for this user."""
    token = server.project(901).add_user(user("nurse", dag="north_clinic"))
    response = Caller(server.url, token).post(content="record", action="delete", records=["2"])
    assert response.status_code == 400
    assert response.text.endswith("The following records do not exist: 2</error></hash>")


def test_records_must_be_named(longitudinal: Caller) -> None:
    """Nothing is deleted by a call that names nothing."""
    response = longitudinal.post(content="record", action="delete", format="json")
    assert response.status_code == 400
    assert len(longitudinal.export()) == 6
