"""The pages behind survey links, as a participant's browser asks for them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime

import pytest
import requests
from sandbox_projects import Caller, trial

from redcap_jobs.sandbox.server import Sandbox
from redcap_jobs.sandbox.store import RowKey

WEEK = {"record": "10", "instrument": "visit", "event": "week_1_arm_1"}


@pytest.fixture
def server() -> Iterator[Sandbox]:
    project = trial()
    forms = tuple(
        replace(form, survey=True, survey_attributes={"title": f"About <{form.name}>"})
        for form in project.structure.forms
    )
    fields = tuple(
        replace(one, required=True) if one.name == "seen" else one
        for one in project.structure.fields
    )
    project.change(structure=replace(project.structure, forms=forms, fields=fields))
    with Sandbox([project], now=datetime(2026, 11, 22, 12, tzinfo=UTC)) as sandbox:
        yield sandbox


@pytest.fixture
def caller(server: Sandbox) -> Caller:
    return Caller(server.url, server.project(901).token)


def link(caller: Caller, **parameters: str) -> str:
    return caller.post(content="surveyLink", **{**WEEK, **parameters}).text


def test_a_survey_shows_its_fields_and_what_was_answered(caller: Caller) -> None:
    """A label for every control; the title is escaped; earlier values are there."""
    answer = requests.get(link(caller), timeout=10)
    assert answer.status_code == 200
    assert "About &lt;visit&gt;" in answer.text
    assert '<label for="seen">Seen on (required)</label>' in answer.text
    assert 'value="2026-02-01"' in answer.text
    assert "<legend>Felt well?</legend>" in answer.text


def test_an_answer_is_stored_with_stamp_and_status(server: Sandbox, caller: Caller) -> None:
    """Then the survey is done: it thanks, and asks nothing again."""
    address = link(caller)
    done = requests.post(address, data={"seen": "2026-02-03", "felt": "1"}, timeout=10)
    assert "Thank you" in done.text
    row = server.project(901).store.current.records["10"].rows[RowKey("week_1_arm_1")]
    assert (row["seen"], row["felt"], row["visit_complete"]) == ("2026-02-03", "1", "2")
    assert row["visit_timestamp"] == "2026-11-22 12:00:00"
    again = requests.post(address, data={"seen": "2026-02-04"}, timeout=10)
    assert "already completed" in again.text
    listed = caller.post(content="participantList", format="json", **WEEK).json()
    assert listed[0]["response_status"] == 2


def test_wrong_answers_are_told_beside_their_field(server: Sandbox, caller: Caller) -> None:
    """Nothing is stored, and what was typed is still there."""
    before = server.project(901).digest()
    answer = requests.post(link(caller), data={"seen": "yesterday", "felt": "7"}, timeout=10)
    assert answer.status_code == 400
    assert 'value="yesterday"' in answer.text
    assert re.findall(r'id="(\w+)-wrong"', answer.text) == ["seen", "felt"]
    assert answer.text.count('aria-invalid="true"') == 2
    blank = requests.post(link(caller), data={"felt": "1"}, timeout=10)
    assert "Please give an answer." in blank.text
    assert server.project(901).digest() == before


def test_an_instance_that_is_not_there_yet_can_be_begun(server: Sandbox, caller: Caller) -> None:
    """A repeating form's next instance, and the last one that a link is given for."""
    for instance in ("3", "23"):
        address = link(caller, instrument="drugs", repeat_instance=instance)
        assert "Thank you" in requests.post(address, data={"drug": "C"}, timeout=10).text
        rows = server.project(901).store.current.records["10"].rows
        assert rows[RowKey("week_1_arm_1", "drugs", int(instance))]["drug"] == "C"


def test_files_and_calculations_are_not_asked_for(caller: Caller) -> None:
    """What nobody can type; a checkbox has a box per option."""
    text = requests.get(link(caller, instrument="enrolment", event="start_arm_1"), timeout=10).text
    assert 'name="bmi"' not in text
    assert 'name="photo"' not in text
    assert 'name="consent____4" value="1" checked' in text.replace("\n", "")
    assert "About you" in text


def test_the_queue_lists_what_is_left(caller: Caller) -> None:
    """Links to open surveys; those that are done say so."""
    requests.post(link(caller), data={"seen": "2026-02-03"}, timeout=10)
    queue = caller.post(content="surveyQueueLink", record="10").text
    text = requests.get(queue, timeout=10).text
    assert "About &lt;visit&gt;, Week 1 (Arm 1: Drug A): completed" in text
    assert link(caller, event="start_arm_1") in text.replace("&amp;", "&")
    assert link(caller) not in text


@pytest.mark.parametrize("query", ["", "?s=nothing", "?sq=nothing", "?s=é", "?sq=é"])
def test_an_unknown_address_is_a_page_that_says_so(server: Sandbox, query: str) -> None:
    """404, no traceback."""
    answer = requests.get(server.url.removesuffix("api/") + "surveys/" + query, timeout=10)
    assert answer.status_code == 404
    assert "does not exist" in answer.text


def test_the_queue_keeps_to_the_arm_of_the_record(caller: Caller) -> None:
    """Record 10 is in the first arm: no link to an event of the second (own answer)."""
    text = requests.get(caller.post(content="surveyQueueLink", record="10").text, timeout=10).text
    assert text.count("About &lt;visit&gt;") == 2
    assert text.count("About &lt;drugs&gt;") == 3
