"""The project's own log, and reports."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

import pytest
from sandbox_projects import Caller, trial

from redcap_jobs.sandbox.members import user
from redcap_jobs.sandbox.report import Report
from redcap_jobs.sandbox.server import Sandbox

START = "start_arm_1"


@pytest.fixture
def server() -> Iterator[Sandbox]:
    project = trial()
    project.change(
        reports={
            7: Report(7, "Sexes", ("sex", "born"), "[sex] = '1'", with_dag=True),
            8: Report(8, "Everything", ("seen", "sex", "gone"), events=("week_1_arm_1",)),
        }
    )
    with Sandbox([project], now=datetime(2026, 11, 22, 12, tzinfo=UTC)) as sandbox:
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
        ({"logtype": "record", "beginTime": "2026-11-22 12:00"}, 2),
        ({"logtype": "record", "beginTime": "2026-11-22 12:00:01"}, 0),
        ({"logtype": "record", "endTime": "2026-11-22 11:59"}, 0),
        ({"logtype": "lock_record"}, 0),
    ],
)
def test_filters_of_the_log(caller: Caller, wanted: dict[str, str], count: int) -> None:
    """Type, record, user, group and time, as the API help lists them."""
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


def test_log_and_reports_need_their_rights(server: Sandbox) -> None:
    """``logging`` and ``reports``."""
    token = server.project(901).add_user(user("guest", logging=0, reports=0))
    guest = Caller(server.url, token)
    for content in ("log", "report"):
        answer = guest.post(content=content, format="json", report_id="7")
        assert answer.status_code == 403


def test_a_report_has_its_own_columns_rows_and_group(caller: Caller) -> None:
    """Keys in front, then the report's fields in its order; its logic chooses the rows."""
    rows = caller.post(content="report", format="json", report_id="7").json()
    assert [list(row)[-3:] for row in rows] == [["redcap_data_access_group", "sex", "born"]]
    assert rows[0]["redcap_event_name"] == START
    words = caller.post(content="report", format="csv", report_id="7", rawOrLabel="label").text
    assert words.endswith('"North Clinic",Female,1990-01-31\n')


def test_a_report_limited_to_events_passes_over_fields_that_are_gone(caller: Caller) -> None:
    """A field deleted since is left out; rows are those of the report's events."""
    rows = caller.post(content="report", format="json", report_id="8").json()
    assert {row["redcap_event_name"] for row in rows} == {"week_1_arm_1"}
    assert list(rows[0])[-2:] == ["seen", "sex"]


def test_an_unknown_report_is_refused(caller: Caller) -> None:
    """Own words, status 400."""
    assert caller.post(content="report", format="json", report_id="99").status_code == 400
