"""Renaming records, background imports, rights to edit."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from dataclasses import replace
from datetime import datetime
from threading import Barrier

import pytest
from sandbox_projects import Caller

from redcap_jobs.sandbox.members import Rights, user
from redcap_jobs.sandbox.server import Sandbox
from redcap_jobs.sandbox.store import Draft, RowKey

RENAME = {"content": "record", "action": "rename"}
START = "start_arm_1"


def test_a_renamed_record_keeps_everything(server: Sandbox, caller: Caller) -> None:
    """Rows, group and locks go along; the old name is free; the answer is a bare 1."""
    project = server.project(901)
    with project.store.writing(None) as draft:
        draft.set_locks("10", frozenset({(RowKey(START), "visit"), (RowKey(), "")}))
    before = project.store.current.records["10"]
    answer = caller.post(record="10", new_record_name="10b", **RENAME)
    assert (answer.status_code, answer.text) == (200, "1")
    after = project.store.current.records["10b"]
    assert (after.rows, after.dag, after.locks) == (before.rows, before.dag, before.locks)
    assert "10" not in project.store.current.records


def test_in_one_arm_only(caller: Caller) -> None:
    """With ``arm`` the rows of the other arms stay under the old name."""
    caller.send([{"record_id": "10", "redcap_event_name": "start_arm_2", "sex": "1"}])
    assert caller.post(record="10", new_record_name="11", arm="2", **RENAME).text == "1"
    assert {row["redcap_event_name"][-1] for row in caller.export(records=["11"])} == {"2"}
    assert {row["redcap_event_name"][-1] for row in caller.export(records=["10"])} == {"1"}


@pytest.mark.parametrize("arm", ["", "1"])
def test_a_new_name_is_no_change(server: Sandbox, caller: Caller, arm: str) -> None:
    """Date ranges find a renamed record, or its arm, by when its data changed (own answer)."""
    project = server.project(901)
    born = datetime(2020, 1, 1, 10)  # noqa: DTZ001 - server time has no zone
    with project.store.writing(born) as draft:
        draft.row("10", RowKey("start_arm_2"))["sex"] = "1"
    caller.post(record="10", new_record_name="11", arm=arm, **RENAME)
    touched = {name: one.touched for name, one in project.store.current.records.items()}
    assert touched == {"11": (born,), "2": ()} | ({"10": (born,)} if arm else {})
    day = {"dateRangeBegin": "2020-01-01 00:00:00", "dateRangeEnd": "2020-01-02 00:00:00"}
    assert "11" in {row["record_id"] for row in caller.export(fields=["record_id"], **day)}
    assert caller.export(fields=["record_id"], dateRangeBegin="2020-01-02 00:00:00") == []


@pytest.mark.parametrize(("record", "new"), [("99", "100"), ("10", "2"), ("10", ""), ("10", "10")])
def test_renames_that_cannot_be(server: Sandbox, caller: Caller, record: str, new: str) -> None:
    """Unknown record, taken or missing name: 400, nothing changes."""
    before = server.project(901).digest()
    assert caller.post(record=record, new_record_name=new, **RENAME).status_code == 400
    assert server.project(901).digest() == before


@pytest.mark.parametrize("arm", ["2", "9"])
def test_a_record_that_is_not_in_the_arm(server: Sandbox, caller: Caller, arm: str) -> None:
    """400, and no empty record comes into being; of arm 9 there is none."""
    before = server.project(901).store.current
    answer = caller.post(record="10", new_record_name="11", arm=arm, **RENAME)
    assert answer.status_code == 400
    assert server.project(901).store.current is before


def test_locks_go_with_the_rows_of_their_arm(server: Sandbox, caller: Caller) -> None:
    """What stays under the old name keeps its own locks, and no others."""
    caller.send([{"record_id": "10", "redcap_event_name": "start_arm_2", "sex": "1"}])
    one, two = (RowKey(START), "visit"), (RowKey("start_arm_2"), "enrolment")
    with server.project(901).store.writing(None) as draft:
        draft.set_locks("10", frozenset({one, two}))
    caller.post(record="10", new_record_name="11", arm="2", **RENAME)
    records = server.project(901).store.current.records
    assert (records["10"].locks, records["11"].locks) == (frozenset({one}), frozenset({two}))


def test_a_record_of_another_group_does_not_exist(server: Sandbox) -> None:
    """Somebody in a group can neither rename the others' records nor learn of them."""
    nurse = Caller(server.url, server.project(901).add_user(user("nurse", dag="north_clinic")))
    answer = nurse.post(record="2", new_record_name="11", returnFormat="json", **RENAME)
    assert answer.json() == {"error": 'The record "2" does not exist'}


def test_of_two_renames_at_once_one_finds_no_record(
    server: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both wait for their turn to write; the first answers 1, and its name alone is there."""
    project = server.project(901)
    callers = [Caller(server.url, project.token) for _ in range(2)]
    both, writing = Barrier(2), project.store.writing

    def writing_together(now: datetime | None) -> AbstractContextManager[Draft]:
        both.wait(timeout=20)
        return writing(now)

    monkeypatch.setattr(project.store, "writing", writing_together)
    with ThreadPoolExecutor(2) as pool:
        answers = [
            pool.submit(one.post, record="10", new_record_name=name, **RENAME)
            for one, name in zip(callers, ("11", "12"), strict=True)
        ]
        statuses = sorted(one.result().status_code for one in answers)
    assert statuses == [200, 400]
    assert len({"11", "12"} & set(project.store.current.records)) == 1


def test_renaming_needs_its_right(server: Sandbox) -> None:
    """``record_rename``."""
    token = server.project(901).add_user(user("guest", record_rename=0))
    answer = Caller(server.url, token).post(record="10", new_record_name="11", **RENAME)
    assert answer.status_code == 403


def test_nobody_is_randomized_without_an_allocation_table(caller: Caller) -> None:
    """Own words, status 400."""
    answer = caller.post(content="record", action="randomize", record="10", randomization_id="1")
    assert answer.status_code == 400


def test_a_background_import_leaves_bad_records_out(caller: Caller) -> None:
    """Recorded of the web page's background import; the call itself says success."""
    rows = [
        {"record_id": "10", "redcap_event_name": START, "sex": "2"},
        {"record_id": "2", "redcap_event_name": "start_arm_2", "sex": "9"},
    ]
    answer = caller.send(rows, backgroundProcess="1")
    assert answer.text == '{"success":true}'
    sexes = {row["record_id"]: row["sex"] for row in caller.export(fields=["record_id", "sex"])}
    assert (sexes["10"] or "2", sexes["2"] or "2") == ("2", "2")
    assert caller.export(records=["10"], fields=["sex"])[0]["sex"] == "2"


@pytest.mark.parametrize("code", [0, 2])
def test_a_form_that_one_may_not_edit_is_not_imported(server: Sandbox, code: int) -> None:
    """No access, or read only: refused, as the web page would; the words are our own."""
    reader = replace(user("reader"), rights=Rights(forms={"enrolment": code}))
    caller = Caller(server.url, server.project(901).add_user(reader))
    row = {"record_id": "10", "redcap_event_name": START, "sex": "2"}
    assert "edit rights" in caller.refusal([row])


def test_half_a_letter_is_no_json(caller: Caller) -> None:
    """A lone surrogate is refused like JSON that is cut off, as PHP's decoder does."""
    answer = caller.post(content="record", format="json", data='[{"record_id":"\\ud800"}]')
    assert answer.status_code == 400
    assert "JSON decoder" in answer.text
