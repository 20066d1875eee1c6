"""What a survey's page shows of each kind of field, read as a browser would."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime
from html.parser import HTMLParser
from typing import Any

import pytest
import requests
from sandbox_projects import Caller, registry

from redcap_jobs.sandbox.dictionary import Choice, Field
from redcap_jobs.sandbox.server import Sandbox
from redcap_jobs.sandbox.store import Record, RowKey, Snapshot
from redcap_jobs.sandbox.structure import Form, Structure

CHOICES = (Choice("1", "<b>Tea</b>"), Choice("2", "Coffee"))
FIELDS = (
    Field("id", "diary", "text", "ID"),
    Field("day", "diary", "text", "Day", validation="date_dmy", section_header="Your day"),
    Field("at", "diary", "text", "Time", validation="datetime_mdy", note="By your watch"),
    Field("mail", "diary", "text", "<p>E-mail &amp; more</p>", validation="email"),
    Field("said", "diary", "notes", "What did you say?"),
    Field("drink", "diary", "dropdown", "Drink", CHOICES),
    Field("meals", "diary", "checkbox", "Meals", CHOICES),
    Field("secret", "diary", "text", "Secret", annotation="@DEFAULT='1' @HIDDEN"),
    Field("unseen", "diary", "text", "Unseen", annotation="@HIDDEN-SURVEY"),
    Field("in_app", "diary", "text", "Not in the app", annotation="@HIDDEN-APP"),
    Field("fixed", "diary", "radio", "Fixed", CHOICES, annotation="@READONLY"),
)
ATTRIBUTES = {
    "title": "<h3>Diary &amp; more</h3>",
    "instructions": "<p>First &lt;this&gt;.</p><p>Then that.</p>",
    "acknowledgement": "<p>Well done!</p>",
}
STORED = {"drink": "2", "fixed": "1", "secret": "7", "said": "\n</textarea><script>"}


class Controls(HTMLParser):
    """Collects the attributes of each kind of element, and all text."""

    def __init__(self) -> None:
        super().__init__()
        self.found: dict[str, list[dict[str, str | None]]] = {}
        self.text: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.setdefault(tag, []).append(dict(attrs))

    def handle_data(self, data: str) -> None:
        if data.strip():
            self.text.append(data.strip())


@pytest.fixture
def server() -> Iterator[Sandbox]:
    project = registry()
    form = Form("diary", "Diary", survey=True, survey_attributes=ATTRIBUTES)
    project.change(structure=Structure(FIELDS, (form,)))
    project.store.current = Snapshot({"1": Record({RowKey(): STORED})})
    with Sandbox([project], now=datetime(2026, 11, 22, 12, tzinfo=UTC)) as sandbox:
        yield sandbox


@pytest.fixture
def address(server: Sandbox) -> str:
    caller = Caller(server.url, server.project(902).token)
    return caller.post(content="surveyLink", record="1", instrument="diary").text


def read(answer: requests.Response) -> Controls:
    controls = Controls()
    controls.feed(answer.text)
    return controls


def change_form(server: Sandbox, **values: Any) -> None:
    project = server.project(902)
    form = replace(project.structure.forms[0], **values)
    project.change(structure=replace(project.structure, forms=(form,)))


def lock(server: Sandbox, form: str) -> None:
    with server.project(902).store.writing(None) as draft:
        draft.set_locks("1", frozenset({(RowKey(), form)}))


def test_every_field_has_the_control_of_its_kind(address: str) -> None:
    """A date, an address, a choice and a long text are asked for as browsers know them."""
    found = read(requests.get(address, timeout=10)).found
    inputs = {one["name"]: one["type"] for one in found["input"]}
    assert inputs == {
        "day": "date",
        "at": "text",
        "mail": "email",
        "meals___1": "checkbox",
        "meals___2": "checkbox",
        "in_app": "text",
    }
    assert [one["name"] for one in found["select"]] == ["drink"]
    assert [one["value"] for one in found["option"] if "selected" in one] == ["2"]
    assert [one["name"] for one in found["textarea"]] == ["said"]


def test_every_control_has_its_label(address: str) -> None:
    """WCAG 1.3.1: a label for each by its id, a legend for each group."""
    page = read(requests.get(address, timeout=10))
    single = [
        one["id"]
        for tag in ("input", "select", "textarea")
        for one in page.found[tag]
        if one.get("type") != "checkbox"
    ]
    assert [one["for"] for one in page.found["label"] if "for" in one] == sorted(
        single, key=[field.name for field in FIELDS].index
    )
    assert len(page.found["legend"]) == 1
    described = {one.get("id"): one.get("aria-describedby") for one in page.found["input"]}
    assert described["at"] == "at-note "
    assert "By your watch YYYY-MM-DD HH:MM" in page.text


def test_what_the_editor_wrote_is_shown_as_text(address: str) -> None:
    """Title, instructions, labels and choices without tags, whatever stands in them."""
    answer = requests.get(address, timeout=10)
    text = read(answer).text
    assert {"Diary & more", "First <this>.", "Then that.", "E-mail & more", "Tea"} <= set(text)
    assert "<script>" not in answer.text


def test_a_text_is_given_back_as_it_is_stored(address: str) -> None:
    """A browser drops the first line break in a textarea, so there is one more."""
    assert ">\n\n&lt;/textarea&gt;" in requests.get(address, timeout=10).text


def test_hidden_fields_are_not_on_the_page_and_cannot_be_set(server: Sandbox, address: str) -> None:
    """``@HIDDEN`` and ``@HIDDEN-SURVEY`` (action tags); what somebody posts for them is dropped."""
    text = read(requests.get(address, timeout=10)).text
    assert {"Secret", "Unseen"}.isdisjoint(text)
    requests.post(address, data={"secret": "8", "unseen": "9"}, timeout=10)
    row = server.project(902).values("1")
    assert row["secret"] == "7"
    assert "unseen" not in row


def test_read_only_fields_are_shown_and_cannot_be_set(server: Sandbox, address: str) -> None:
    """``@READONLY`` (action tags)."""
    assert ": Tea" in read(requests.get(address, timeout=10)).text
    requests.post(address, data={"fixed": "2"}, timeout=10)
    assert server.project(902).values("1")["fixed"] == "1"


def test_answers_are_stored_as_an_import_stores_them(server: Sandbox, address: str) -> None:
    """Only ticked boxes; blanks erase what was shown; then the survey's own words of thanks."""
    posted = {"day": "2026-11-22", "meals___2": "1", "meals___1": "0", "drink": ""}
    answer = requests.post(address, data=posted, timeout=10)
    assert "Well done!" in read(answer).text
    assert server.project(902).values("1") == {
        "day": "2026-11-22",
        "meals___2": "1",
        "secret": "7",
        "fixed": "1",
        "diary_timestamp": "2026-11-22 12:00:00",
        "diary_complete": "2",
    }


@pytest.mark.parametrize("form", ["diary", ""])
def test_a_locked_form_takes_no_answers(server: Sandbox, address: str, form: str) -> None:
    """Neither does one of a locked record; REDCap keeps locks over surveys, the words are ours."""
    lock(server, form)
    before = server.project(902).digest()
    answer = requests.post(address, data={"said": "x"}, timeout=10)
    assert answer.status_code == 409
    assert "locked" in answer.text
    assert server.project(902).digest() == before


@pytest.mark.parametrize(
    "spoil",
    [
        lambda server: change_form(server, survey_attributes={"survey_enabled": "0"}),
        lambda server: change_form(server, survey=False),
        lambda server: server.project(902).change(structure=registry().structure),
    ],
    ids=["offline", "no survey any more", "form gone"],
)
def test_a_survey_that_was_taken_away_takes_no_answers(
    server: Sandbox, address: str, spoil: Callable[[Sandbox], None]
) -> None:
    """Old links lead to a page that says so; nothing is stored."""
    before = server.project(902).digest()
    spoil(server)
    answer = requests.post(address, data={"said": "x"}, timeout=10)
    assert answer.status_code in (200, 404)
    assert "<form" not in answer.text
    assert server.project(902).digest() == before


def test_the_address_is_passed_on_to_nobody(address: str) -> None:
    """It is the key to the answers: no referrer, no cache, nothing loaded from elsewhere."""
    headers = requests.get(address, timeout=10).headers
    assert headers["Referrer-Policy"] == "no-referrer"
    assert headers["Cache-Control"] == "no-store"
    assert headers["Content-Security-Policy"].startswith("default-src 'none'")


def test_values_are_in_no_log(server: Sandbox, address: str) -> None:
    """The project's log names record and form; the participant's words stay out of it."""
    requests.post(address, data={"said": "private words"}, timeout=10)
    rows = [str(one) for one in server.project(902).log.all()]
    assert any("[survey respondent]" in row for row in rows)
    assert not any("private words" in row for row in rows)


def test_of_answers_at_once_one_is_stored(server: Sandbox, address: str) -> None:
    """Eight times *Submit*: one is thanked for, the others are told that it is done."""
    with ThreadPoolExecutor(8) as pool:
        said = [f"answer {number}" for number in range(8)]
        answers = list(
            pool.map(lambda one: requests.post(address, data={"said": one}, timeout=20), said)
        )
    thanked = [
        one for one, answer in zip(said, answers, strict=True) if "Well done!" in answer.text
    ]
    assert thanked == [server.project(902).values("1")["said"]]
    assert sum("already completed" in answer.text for answer in answers) == 7
