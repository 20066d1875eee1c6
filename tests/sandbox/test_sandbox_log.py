"""The project's own log."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from sandbox_projects import Caller, trial

from redcap_jobs.sandbox.keep import CREATED, Keeper
from redcap_jobs.sandbox.members import user
from redcap_jobs.sandbox.server import Sandbox

START = "start_arm_1"


@pytest.fixture
def server() -> Iterator[Sandbox]:
    with Sandbox([trial()], now=datetime(2026, 11, 22, 12, tzinfo=UTC)) as sandbox:
        yield sandbox


@pytest.fixture
def caller(server: Sandbox) -> Caller:
    return Caller(server.url, server.project(901).token)


def log(caller: Caller, **parameters: str) -> list[dict[str, str]]:
    rows: list[dict[str, str]] = caller.post(content="log", format="json", **parameters).json()
    return rows


def test_what_records_do_is_logged_newest_first(caller: Caller) -> None:
    """Created, updated, deleted, with the changed cells; time to the minute."""
    caller.send([{"record_id": "77", "redcap_event_name": START, "sex": "1"}])
    caller.send([{"record_id": "77", "redcap_event_name": START, "sex": "2", "born": "1990-01-01"}])
    caller.post(content="record", action="delete", records=["77"])
    rows = log(caller, logtype="record")
    assert [row["action"] for row in rows] == [
        "Delete record (API) 77",
        "Update record (API) 77",
        "Create record (API) 77",
    ]
    assert rows[1]["details"] == "sex = '2', born = '1990-01-01'"
    assert rows[2]["details"] == "record_id = '77', sex = '1'"
    assert list(rows[0]) == ["timestamp", "username", "action", "details", "record"]
    assert rows[0]["timestamp"] == "2026-11-22 12:00"
    assert {row["username"] for row in rows} == {"data_manager"}


def test_details_have_blanks_for_line_breaks(caller: Caller) -> None:
    """As REDCapR recorded them, in every format; the value itself keeps its own."""
    drug = {"redcap_repeat_instrument": "drugs", "redcap_repeat_instance": "1"}
    row = {"record_id": "10", "redcap_event_name": "week_1_arm_1", "drug": "a\r\nb\nc\rd"}
    caller.send([row | drug])
    assert log(caller, logtype="record")[0]["details"] == "drug = 'a b c d'"
    text = caller.post(content="log", format="csv", logtype="record").text
    assert "\"drug = 'a b c d'\"" in text
    stored = caller.export(records=["10"], fields=["drug"])
    assert "a\r\nb\nc\rd" in [one["drug"] for one in stored]


def test_unchanged_data_leave_no_row(caller: Caller) -> None:
    """REDCapR issue 515: such an import succeeds, and nothing is logged."""
    caller.send([{"record_id": "10", "redcap_event_name": START, "sex": "1"}])
    assert log(caller, logtype="record") == []


def test_every_export_leaves_a_row(caller: Caller) -> None:
    """With format and rawOrLabel as details."""
    caller.export(rawOrLabel="label")
    assert log(caller, logtype="export")[0]["details"] == "export_format: JSON, rawOrLabel: label"


@pytest.mark.parametrize(
    ("wanted", "count"),
    [
        ({"logtype": "record_add"}, 1),
        ({"logtype": "record_edit"}, 1),
        ({"record": "77"}, 1),
        ({"record": "10"}, 1),
        ({"logtype": "record", "user": "data_manager"}, 2),
        ({"logtype": "record", "user": "nobody"}, 0),
        ({"logtype": "record", "dag": "north_clinic"}, 1),
        ({"logtype": "record", "dag": "20"}, 1),
        ({"logtype": "record", "dag": "21"}, 0),
        ({"logtype": "record", "dag": "nowhere"}, 0),
        ({"logtype": "record", "beginTime": "2026-11-22 12:00"}, 2),
        ({"logtype": "record", "beginTime": "2026-11-22 12:00:01"}, 0),
        ({"logtype": "record", "endTime": "2026-11-22 11:59"}, 0),
        ({"logtype": "lock_record"}, 0),
    ],
)
def test_filters_of_the_log(caller: Caller, wanted: dict[str, str], count: int) -> None:
    """Type, record, user, group (PyCap and redcapAPI: its number) and time."""
    caller.send(
        [
            {"record_id": "77", "redcap_event_name": START, "sex": "1"},
            {"record_id": "10", "redcap_event_name": START, "sex": "2"},
        ]
    )
    assert len(log(caller, **wanted)) == count


@pytest.mark.parametrize("wrong", [{"logtype": "everything"}, {"beginTime": "yesterday"}])
def test_filters_that_make_no_sense_are_refused(caller: Caller, wrong: dict[str, str]) -> None:
    """Own words, status 400."""
    assert caller.post(content="log", format="json", **wrong).status_code == 400


@pytest.mark.parametrize("dag", ["", "20", "21", "south_clinic", "nowhere"])
def test_a_user_in_a_group_reads_no_other_groups_log(
    server: Sandbox, caller: Caller, dag: str
) -> None:
    """Whatever group they ask for: record 2 is the south clinic's, record 10 the north's."""
    sexes = {"10": "2", "2": "1"}
    events = {"10": START, "2": "start_arm_2"}
    for record, sex in sexes.items():
        row = {"record_id": record, "redcap_event_name": events[record], "sex": sex}
        assert caller.send([row]).json() == {"count": 1}
    token = server.project(901).add_user(user("north", dag="north_clinic"))
    seen = {row["record"] for row in log(Caller(server.url, token), logtype="record", dag=dag)}
    assert seen == ({"10"} if dag in ("", "20") else set())


def test_reading_the_log_is_noted(caller: Caller) -> None:
    """As recorded: a row of kind manage, with a blank after Design."""
    assert log(caller) == []
    (row,) = log(caller, logtype="manage")
    assert (row["action"], row["details"]) == ("Manage/Design ", "Export Logging (API)")


def test_the_log_needs_its_right(server: Sandbox) -> None:
    """``logging``: 403 (own answer)."""
    guest = Caller(server.url, server.project(901).add_user(user("guest", logging=0)))
    assert guest.post(content="log", format="json").status_code == 403


def test_a_refused_call_leaves_no_row(caller: Caller) -> None:
    """Neither a refused import nor a refused export did anything."""
    caller.refusal([{"record_id": "77", "redcap_event_name": START, "sex": "9"}])
    assert caller.post(content="record", format="json", fields=["none"]).status_code == 400
    assert log(caller) == []


def test_the_log_as_csv_and_xml(caller: Caller) -> None:
    """The same columns in the same order."""
    caller.send([{"record_id": "77", "redcap_event_name": START, "sex": "1"}])
    lines = caller.post(content="log", format="csv", logtype="record").text.splitlines()
    assert lines[0] == "timestamp,username,action,details,record"
    assert lines[1].endswith(",77")
    text = caller.post(content="log", format="xml", logtype="record").text
    assert "<record><![CDATA[77]]></record></item>" in text


def rename_groups(caller: Caller, names: dict[str, str]) -> None:
    """Give groups, by their unique names, new names."""
    rows = [
        {"data_access_group_name": name, "unique_group_name": unique}
        for unique, name in names.items()
    ]
    data = json.dumps(rows)
    assert caller.post(content="dag", action="import", format="json", data=data).text == str(
        len(rows)
    )


def test_rows_follow_a_group_to_its_new_name(server: Sandbox, caller: Caller) -> None:
    """Whoever asks for the group, by its number or its new name, or is in it, still sees them."""
    caller.send([{"record_id": "10", "redcap_event_name": START, "sex": "2"}])
    token = server.project(901).add_user(user("north", dag="north_clinic"))
    rename_groups(caller, {"north_clinic": "Far North"})
    for dag in ("20", "far_north"):
        assert [row["record"] for row in log(caller, dag=dag)] == ["10"]
    assert log(caller, dag="north_clinic") == []
    assert [row["record"] for row in log(Caller(server.url, token), logtype="record")] == ["10"]


def test_rows_of_a_group_that_is_gone_are_of_no_group(server: Sandbox, caller: Caller) -> None:
    """A later group of the same name does not find them (own answer)."""
    caller.send([{"record_id": "10", "redcap_event_name": START, "sex": "2"}])
    caller.post(content="dag", action="delete", dags=["north_clinic"])
    row = {"data_access_group_name": "North Clinic", "unique_group_name": ""}
    caller.post(content="dag", action="import", format="json", data=json.dumps([row]))
    assert log(caller, dag="north_clinic") == []
    assert [row["record"] for row in log(caller, logtype="record")] == ["10"]


def test_groups_of_the_log_are_kept_over_a_restart(tmp_path: Path) -> None:
    """Also where groups changed their names with each other, by way of a third."""
    with Keeper(tmp_path) as keeper:
        keeper.add([(trial(), CREATED)])
        with Sandbox(keeper.projects) as server:
            calling = Caller(server.url, server.project(901).token)
            calling.send([{"record_id": "10", "redcap_event_name": START, "sex": "2"}])
            calling.send([{"record_id": "2", "redcap_event_name": "start_arm_2", "sex": "1"}])
            rename_groups(calling, {"north_clinic": "Third"})
            rename_groups(calling, {"south_clinic": "North Clinic", "third": "South Clinic"})
        now = keeper.projects[0].log.all()
    with Keeper(tmp_path) as keeper:
        assert keeper.projects[0].log.all() == now
    groups = {one.record: one.dag for one in now if one.record}
    assert groups == {"10": "south_clinic", "2": "north_clinic"}


def test_a_project_xml_is_in_the_log(caller: Caller) -> None:
    """As an export of data, or of the set-up alone; the words are own answers."""
    caller.post(content="project_xml")
    (row,) = log(caller, logtype="export")
    assert row["action"] == "Data export (API)"
    caller.post(content="project_xml", returnMetadataOnly="true")
    assert len(log(caller, logtype="export")) == 1
    details = [row["details"] for row in log(caller, logtype="manage")]
    assert details.count("Export project XML (API)") == 1


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("surveyLink", "Export survey link (API)"),
        ("surveyAccessCode", "Export survey access code (API)"),
        ("surveyReturnCode", "Export survey return code (API)"),
        ("surveyQueueLink", "Export survey queue link (API)"),
    ],
)
def test_links_and_codes_of_surveys_are_in_the_log(
    server: Sandbox, caller: Caller, content: str, words: str
) -> None:
    """About their record, without the code; a refused call leaves no row (own answers)."""
    project = server.project(901)
    forms = tuple(replace(form, survey=True) for form in project.structure.forms)
    project.change(structure=replace(project.structure, forms=forms))
    place = {"record": "10", "instrument": "visit", "event": START}
    code = caller.post(content=content, **place).text.rpartition("=")[2]
    assert caller.post(content=content, **{**place, "record": "99"}).status_code == 400
    (row,) = log(caller, record="10")
    assert (row["action"], row["details"]) == ("Manage/Design ", words)
    assert [code in str(one) for one in project.log.all()] == [False] * len(project.log.all())
    caller.post(content="participantList", instrument="visit", event=START)
    assert "Export survey participant list (API)" in [one.details for one in project.log.all()]
