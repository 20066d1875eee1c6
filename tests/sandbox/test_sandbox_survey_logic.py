"""Branching logic and piping on survey pages, as a participant's browser meets them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime

import pytest
import requests
from sandbox_projects import Caller, registry, trial

from redcap_jobs.sandbox.dictionary import Choice, Field
from redcap_jobs.sandbox.server import Sandbox
from redcap_jobs.sandbox.store import Record, RowKey, Snapshot
from redcap_jobs.sandbox.structure import Form, Structure

CHOICES = (Choice("1", "Tea"), Choice("2", "Coffee"))
FIELDS = (
    Field("id", "diary", "text", "ID"),
    Field("drink", "diary", "radio", "Drink", CHOICES),
    Field("sugar", "diary", "text", "Sugar", branching="[drink] = '1'", required=True),
    Field("spoons", "diary", "text", "Spoons", branching="[sugar] = 'yes'"),
    Field("beans", "diary", "text", "Beans", branching="[drink] = '2'", section_header="Coffee?"),
    Field("cup", "diary", "text", "Cup"),
    Field("odd", "diary", "text", "Odd", branching="[survey-date-started] <> ''"),
)
NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)


def project_of(fields: tuple[Field, ...], stored: dict[str, str], title: str = "") -> Sandbox:
    project = registry()
    form = Form("diary", "Diary", survey=True, survey_attributes={"title": title or "Diary"})
    project.change(structure=Structure(fields, (form,)))
    project.store.current = Snapshot({"1": Record({RowKey(): stored})})
    return Sandbox([project], now=NOW)


def link(server: Sandbox, pid: int = 902, **parameters: str) -> str:
    caller = Caller(server.url, server.project(pid).token)
    return caller.post(content="surveyLink", **{"record": "1", **parameters}).text


def labels(text: str) -> list[str]:
    """Return what the page asks, with its headers."""
    return re.findall(r"<(?:label for=\"\w+\"|legend|h2)>([^<]+)<", text)


def on_page(text: str) -> str:
    found = re.search(r'name="fields-on-page" value="([^"]*)"', text)
    assert found is not None
    return found[1]


@pytest.fixture
def server() -> Iterator[Sandbox]:
    with project_of(FIELDS, {"drink": "1", "spoons": "3"}) as sandbox:
        yield sandbox


@pytest.fixture
def address(server: Sandbox) -> str:
    return link(server, instrument="diary")


def test_stored_values_decide_what_is_asked(server: Sandbox, address: str) -> None:
    """A section whose first question is hidden keeps its header; unreadable logic hides nothing."""
    shown = labels(requests.get(address, timeout=10).text)
    assert shown == ["Drink", "Sugar (required)", "Coffee?", "Cup", "Odd"]
    server.project(902).store.current = Snapshot({"1": Record({RowKey(): {"drink": "2"}})})
    assert labels(requests.get(address, timeout=10).text)[1:3] == ["Coffee?", "Beans"]


def test_a_header_goes_with_all_its_questions() -> None:
    """As REDCap's help on branching logic says."""
    never = "[drink] = '9'"
    fields = (
        *FIELDS[:2],
        Field("x", "diary", "text", "X", branching=never, section_header="Nothing here"),
        Field("y", "diary", "text", "Y", branching=never),
        Field("z", "diary", "text", "Z", section_header="More"),
    )
    with project_of(fields, {}) as server:
        text = requests.get(link(server, instrument="diary"), timeout=10).text
    assert labels(text) == ["Drink", "More", "Z"]


def test_what_an_answer_opens_is_asked_before_anything_is_stored(
    server: Sandbox, address: str
) -> None:
    """The page comes again with the question and what was typed; then all is stored."""
    before = server.project(902).digest()
    first = requests.get(address, timeout=10).text
    posted = {"fields-on-page": on_page(first), "drink": "2", "cup": "blue"}
    again = requests.post(address, data=posted, timeout=10)
    assert again.status_code == 200
    assert "opened more questions" in again.text
    assert labels(again.text) == ["Drink", "Coffee?", "Beans", "Cup", "Odd"]
    assert 'value="blue"' in again.text
    assert server.project(902).digest() == before
    posted |= {"fields-on-page": on_page(again.text), "beans": "brown"}
    assert "Thank you" in requests.post(address, data=posted, timeout=10).text
    row = server.project(902).store.current.records["1"].rows[RowKey()]
    assert (row["drink"], row["beans"], row["cup"]) == ("2", "brown", "blue")


def test_a_hidden_question_takes_no_answer_and_none_is_required(
    server: Sandbox, address: str
) -> None:
    """Nor does it open others; what was stored for it stays (own answer)."""
    posted = {"drink": "2", "sugar": "yes", "spoons": "9"}
    assert "Thank you" in requests.post(address, data=posted, timeout=10).text
    row = server.project(902).store.current.records["1"].rows[RowKey()]
    assert "sugar" not in row
    assert row["spoons"] == "3"


def test_logic_reads_other_events_and_the_row_beside_an_instance() -> None:
    """On a repeating form's page a field of another form is read on its event."""
    project = trial()
    forms = tuple(replace(form, survey=True) for form in project.structure.forms)
    logic = {"drug": "[felt] = '0'", "dose": "[start_arm_1][sex] = '2'"}
    fields = tuple(
        replace(one, branching=logic.get(one.name, "")) for one in project.structure.fields
    )
    project.change(structure=replace(project.structure, forms=forms, fields=fields))
    with Sandbox([project], now=NOW) as server:
        place = {"record": "10", "instrument": "drugs", "event": "week_1_arm_1"}
        text = requests.get(link(server, 901, **place, repeat_instance="3"), timeout=10).text
    assert 'name="drug"' in text
    assert 'name="dose"' not in text


PIPED = {
    "Dear [name]": "Dear &lt;b&gt;[id]&lt;/b&gt;",
    "You drink [drink]": "You drink Tea",
    "Code [drink:value]": "Code 1",
    "Foods: [foods].": "Foods: Rice, Beans.",
    "Rice: [foods(-1)], Nuts: [foods(3)]": "Rice: Checked, Nuts: Unchecked",
    "Cup: [cup]": "Cup: ______",
    "No cup:[cup:hideunderscore]!": "No cup:!",
    "Side by side [drink][id]": "Side by side Tea1",
    "Record [record-name]": "Record 1",
    "Form: [diary_complete]": "Form: Incomplete",
    "Stays: [nothing], [1], [ ], [photo], [drink:odd]": (
        "Stays: [nothing], [1], [ ], [photo], [drink:odd]"
    ),
}


@pytest.mark.parametrize("label", PIPED)
def test_values_are_put_into_labels(label: str) -> None:
    """A choice's label, ticked choices, six underscores for a blank; never as HTML, only once."""
    foods = (Choice("-1", "Rice"), Choice("2", "Beans"), Choice("3", "Nuts"))
    fields = (
        *FIELDS[:2],
        Field("name", "diary", "text", "Name"),
        Field("cup", "diary", "text", "Cup"),
        Field("photo", "diary", "file", "Photo"),
        Field("foods", "diary", "checkbox", "Foods", foods),
        Field("words", "diary", "text", label, note=label),
    )
    stored = {"drink": "1", "name": "<b>[id]</b>", "foods____1": "1", "foods___2": "1"}
    with project_of(fields, {**stored, "photo": "0123abcd"}, title=label) as server:
        text = requests.get(link(server, instrument="diary"), timeout=10).text
    assert f'<label for="words">{PIPED[label]}</label>' in text
    assert f'id="words-note">{PIPED[label]}</span>' in text
    assert f"<h1>{PIPED[label]}</h1>" in text


def test_half_a_letter_is_a_question_mark() -> None:
    """What an import with a lone surrogate left is read by logic, piped and shown."""
    fields = (*FIELDS[:2], Field("cup", "diary", "text", "Cup", branching="[drink] = 'a?b'"))
    with project_of(fields, {"drink": "a\ud800b", "cup": "\ud800"}, title="[drink]") as server:
        answer = requests.get(link(server, instrument="diary"), timeout=10)
    assert answer.status_code == 200
    assert "<h1>a?b</h1>" in answer.text
    assert 'name="cup" value="?"' in answer.text


def test_thanks_name_what_was_just_answered() -> None:
    """The words at the end read the answers, not what was stored before."""
    with project_of(FIELDS[:2], {"drink": "1"}) as server:
        form = server.project(902).structure.forms[0]
        form = replace(form, survey_attributes={"acknowledgement": "<p>Enjoy your [drink]!</p>"})
        structure = replace(server.project(902).structure, forms=(form,))
        server.project(902).change(structure=structure)
        answer = requests.post(link(server, instrument="diary"), data={"drink": "2"}, timeout=10)
    assert "Enjoy your Coffee!" in answer.text
