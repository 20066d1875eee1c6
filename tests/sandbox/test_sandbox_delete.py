"""Deletion of records and of their parts."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from sandbox_projects import Caller, trial

from redcap_jobs.sandbox.behaviour import Behaviour
from redcap_jobs.sandbox.keep import CREATED, Keeper
from redcap_jobs.sandbox.members import user
from redcap_jobs.sandbox.server import Sandbox
from redcap_jobs.sandbox.store import RowKey


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


def lock(server: Sandbox, key: RowKey, form: str) -> None:
    with server.project(901).store.writing(None) as draft:
        draft.set_locks("10", frozenset({(key, form)}))


@pytest.mark.parametrize(
    "parts",
    [
        {},
        {"event": "week_1_arm_1"},
        {"instrument": "drugs"},
        {"arm": "1"},
        {"instrument": "drugs", "repeat_instance": "1"},
    ],
)
def test_what_is_locked_is_not_deleted(
    server: Sandbox, longitudinal: Caller, parts: dict[str, str]
) -> None:
    """Neither a locked form alone nor all that holds it, nor the others of the call: own answer."""
    lock(server, RowKey("week_1_arm_1", "drugs", 1), "drugs")
    before = server.project(901).digest()
    names = ["2", "10"] if not parts else ["10"]
    answer = longitudinal.post(
        content="record", action="delete", records=names, format="json", **parts
    )
    assert answer.status_code == 400
    assert answer.json()["error"].endswith("The following records are locked: 10")
    assert server.project(901).digest() == before


@pytest.mark.parametrize(
    "parts",
    [
        {"event": "start_arm_1"},
        {"instrument": "visit"},
        {"instrument": "drugs", "repeat_instance": "2"},
    ],
)
def test_what_is_not_locked_is_deleted(
    server: Sandbox, longitudinal: Caller, parts: dict[str, str]
) -> None:
    """A locked form locks neither other forms nor other instances; a locked record locks all."""
    lock(server, RowKey("week_1_arm_1", "drugs", 1), "drugs")
    assert delete(longitudinal, records=["10"], **parts) == "1"
    lock(server, RowKey(), "")
    answer = longitudinal.post(content="record", action="delete", records=["10"], **parts)
    assert answer.status_code == 400


@pytest.mark.parametrize(
    "parts",
    [{"arm": "9"}, {"event": "nowhere"}, {"instrument": "none"}, {"repeat_instance": "x"}],
)
def test_parts_that_do_not_exist(
    server: Sandbox, longitudinal: Caller, parts: dict[str, str]
) -> None:
    """A name that is wrong is refused, rather than answered with a number of deletions."""
    before = server.project(901).digest()
    answer = longitudinal.post(
        content="record", action="delete", records=["10"], format="json", **parts
    )
    ((name, value),) = parts.items()
    assert answer.status_code == 400
    assert answer.json()["error"] == (
        f"The following values in the parameter \"{name}\" are not valid: '{value}'"
    )
    assert server.project(901).digest() == before


def test_a_classic_project_has_arm_1(classic: Caller) -> None:
    """Clients that always name an arm get what they mean."""
    classic.send([{"id": "1", "name": "a"}, {"id": "2", "name": "b"}])
    assert delete(classic, records=["1"], arm="1") == "1"
    assert [row["id"] for row in classic.export()] == ["2"]


def test_the_log_of_deletions(longitudinal: Caller) -> None:
    """A record that is gone was deleted, one that lost a part was updated; nothing, no row."""
    delete(longitudinal, records=["2"], event="week_1_arm_2")
    delete(longitudinal, records=["10"], instrument="drugs", repeat_instance="2")
    delete(longitudinal, records=["2"], arm="2")
    rows = longitudinal.post(content="log", format="json", logtype="record").json()
    assert [(row["action"], row["details"]) for row in rows] == [
        ("Delete record (API) 2", "record_id = '2'"),
        ("Update record (API) 10", "Delete data: instrument = 'drugs', instance = '2'"),
    ]


def test_a_form_goes_with_its_survey_time_stamp(server: Sandbox, longitudinal: Caller) -> None:
    """What a survey response holds beside its fields is the form's, too."""
    key = RowKey("start_arm_1")
    with server.project(901).store.writing(None) as draft:
        draft.row("10", key).update(visit_timestamp="2026-01-01 10:00:00", seen="2026-01-01")
    delete(longitudinal, records=["10"], event="start_arm_1", instrument="visit")
    row = server.project(901).values("10", "start_arm_1")
    assert row == {"born": "1990-01-31", "consent____4": "1", "sex": "1"}


def test_instance_1_of_a_form_that_does_not_repeat(longitudinal: Caller) -> None:
    """Clients that always name an instance get what they mean; there is no second one."""
    where = {"records": ["10"], "event": "week_1_arm_1", "instrument": "visit"}
    delete(longitudinal, repeat_instance="2", **where)
    kept = longitudinal.export(records=["10"], events=["week_1_arm_1"], fields=["seen"])
    assert "2026-02-01" in [row["seen"] for row in kept]
    delete(longitudinal, repeat_instance="1", **where)
    left = longitudinal.export(records=["10"], events=["week_1_arm_1"])
    assert [(row["seen"], row["drug"]) for row in left] == [("", ""), ("", "A"), ("", "B")]


SET = Behaviour(delete_logging=True)


@pytest.mark.parametrize(
    ("behaviour", "sent", "left"),
    [(SET, "1", 1), (SET, "True", 1), (SET, "0", 2), (SET, "", 2), (Behaviour(), "1", 2)],
)
def test_the_log_goes_with_the_record(
    tmp_path: Path, behaviour: Behaviour, sent: str, left: int
) -> None:
    """Where an administrator allows it and the call asks for it: over a restart, too."""
    with Keeper(tmp_path) as keeper:
        keeper.add([(trial(), CREATED)])
        with Sandbox(keeper.projects, behaviour=behaviour) as sandbox:
            caller = Caller(sandbox.url, sandbox.project(901).token)
            for record in ("10", "2"):
                caller.send([{"record_id": record, "redcap_event_name": "start_arm_1", "sex": "2"}])
            delete(caller, records=["10"], delete_logging=sent)
            rows = caller.post(content="log", format="json", logtype="record").json()
    assert [row["action"] for row in rows if row["record"] == "10"] == [
        "Delete record (API) 10",
        "Update record (API) 10",
    ][:left]
    assert "Update record (API) 2" in [row["action"] for row in rows]
    with Keeper(tmp_path) as keeper:
        (project,) = keeper.projects
        kept = [one.action for one in project.log.all() if one.record]
    assert kept == [row["action"] for row in reversed(rows)]


def test_the_log_stays_while_something_of_the_record_does() -> None:
    """Deleting a part leaves the log; deleting the last part is deleting the record (own answer)."""
    with Sandbox([trial()], behaviour=SET) as sandbox:
        caller = Caller(sandbox.url, sandbox.project(901).token)
        caller.send([{"record_id": "2", "redcap_event_name": "week_1_arm_2", "felt": "1"}])
        actions = []
        for event in ("week_1_arm_2", "start_arm_2"):
            delete(caller, records=["2"], event=event, delete_logging="1")
            rows = caller.post(content="log", format="json", record="2").json()
            actions.append([row["action"] for row in rows])
    assert actions == [["Update record (API) 2"] * 2, ["Delete record (API) 2"]]
