"""Survey links, codes, the participant list."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest
from sandbox_projects import Caller, trial

from redcap_jobs.sandbox.members import user
from redcap_jobs.sandbox.project import Settings
from redcap_jobs.sandbox.server import Sandbox
from redcap_jobs.sandbox.store import RowKey

WEEK = {"record": "10", "instrument": "visit", "event": "week_1_arm_1"}
LINKS = ("surveyLink", "surveyAccessCode", "surveyReturnCode")


@pytest.fixture
def server() -> Iterator[Sandbox]:
    project = trial()
    forms = tuple(
        replace(form, survey=form.name in ("visit", "drugs")) for form in project.structure.forms
    )
    project.change(
        structure=replace(project.structure, forms=forms),
        settings=Settings(surveys_enabled=True, survey_invitation_email_field="phone"),
    )
    with Sandbox([project], public_url="https://surveys.example.org/") as sandbox:
        yield sandbox


@pytest.fixture
def caller(server: Sandbox) -> Caller:
    return Caller(server.url, server.project(901).token)


def test_links_and_codes_are_stable_and_each_response_has_its_own(caller: Caller) -> None:
    """Plain text under the public address; 9 and 8 signs; no two responses share one."""
    for content, length in (("surveyLink", None), ("surveyAccessCode", 9), ("surveyReturnCode", 8)):
        answer = caller.post(content=content, **WEEK)
        assert answer.status_code == 200
        assert answer.text == caller.post(content=content, **WEEK).text
        others = [
            {**WEEK, "event": "start_arm_1"},
            {**WEEK, "instrument": "drugs"},
            {**WEEK, "instrument": "drugs", "repeat_instance": "2"},
        ]
        texts = {caller.post(content=content, **one).text for one in others} | {answer.text}
        assert len(texts) == 4
        if length is None:
            assert answer.text.startswith("https://surveys.example.org/surveys/?s=")
        else:
            assert len(answer.text) == length
    queue = caller.post(content="surveyQueueLink", record="10").text
    assert queue.startswith("https://surveys.example.org/surveys/?sq=")
    assert queue != caller.post(content="surveyQueueLink", record="2").text


@pytest.mark.parametrize("content", [*LINKS, "surveyQueueLink"])
def test_a_record_that_does_not_exist(caller: Caller, content: str) -> None:
    """REDCapR's recording."""
    answer = caller.post(content=content, returnFormat="json", **{**WEEK, "record": "-1"})
    assert answer.status_code == 400
    assert answer.json()["error"] == 'The record "-1" does not exist'


@pytest.mark.parametrize(
    "wrong",
    [
        {"instrument": "enrolment"},
        {"instrument": "nothing"},
        {"event": "nowhere"},
        {"event": "diary_arm_1"},
        {"repeat_instance": "0"},
        {"instrument": "drugs", "repeat_instance": "23"},
    ],
)
@pytest.mark.parametrize("content", LINKS)
def test_what_is_no_survey_there_is_refused(
    caller: Caller, content: str, wrong: dict[str, str]
) -> None:
    """No survey, no such event, a form that is not on it, no instance: own words, status 400."""
    assert caller.post(content=content, **{**WEEK, **wrong}).status_code == 400


def test_the_participant_list(server: Sandbox, caller: Caller) -> None:
    """A row per record of the arm; links and codes are those of the single calls."""
    with server.project(901).store.writing(None) as draft:
        row = draft.row("10", next(key for key in draft.rows("10") if key.event == "week_1_arm_1"))
        row["visit_timestamp"] = "[not completed]"
    answer = caller.post(content="participantList", format="json", **WEEK)
    (row,) = answer.json()
    assert list(row) == [
        "email",
        "email_occurrence",
        "identifier",
        "record",
        "invitation_sent_status",
        "invitation_send_time",
        "response_status",
        "survey_access_code",
        "survey_link",
    ]
    assert (row["record"], row["response_status"], row["email_occurrence"]) == ("10", 1, 1)
    assert row["survey_link"] == caller.post(content="surveyLink", **WEEK).text
    assert row["survey_access_code"] == caller.post(content="surveyAccessCode", **WEEK).text


def test_the_participant_list_needs_its_right(server: Sandbox) -> None:
    """``manage_survey_participants``."""
    token = server.project(901).add_user(user("guest", manage_survey_participants=0))
    answer = Caller(server.url, token).post(content="participantList", format="json", **WEEK)
    assert answer.status_code == 403


def test_whose_form_is_complete_counts_as_answered(caller: Caller) -> None:
    """Also without a time stamp, which no import can set: own answer. Type and values: PyCap."""
    row = {"record_id": "10", "redcap_event_name": "week_1_arm_1", "visit_complete": "2"}
    statuses = []
    for rows in ([], [row]):
        if rows:
            caller.send(rows)
        listed = caller.post(content="participantList", format="json", **WEEK).json()
        statuses += [one["response_status"] for one in listed]
    assert statuses == [0, 2]


def test_an_address_of_several_records_is_counted(server: Sandbox, caller: Caller) -> None:
    """``email_occurrence``, in the records' order, of the project's designated e-mail field."""
    with server.project(901).store.writing(None) as draft:
        for record, address in (("10", "a@example.org"), ("3", "a@example.org"), ("4", "")):
            draft.row(record, RowKey("start_arm_1"))["sex"] = "1"
            if address:
                draft.row(record, RowKey("start_arm_1"))["phone"] = address
    listed = caller.post(content="participantList", format="json", **WEEK).json()
    assert [(one["record"], one["email"], one["email_occurrence"]) for one in listed] == [
        ("3", "a@example.org", 1),
        ("4", "", 1),
        ("10", "a@example.org", 2),
    ]


def test_the_participant_list_shows_no_other_group(server: Sandbox) -> None:
    """As record exports do; record 10 is of the north clinic."""
    token = server.project(901).add_user(user("south", dag="south_clinic"))
    answer = Caller(server.url, token).post(content="participantList", format="json", **WEEK)
    assert answer.json() == []
