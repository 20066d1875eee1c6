"""Importing the data dictionary and the form-event mapping."""

from __future__ import annotations

import json
from datetime import date

import pytest
import requests

from redcap_jobs.sandbox.ismile import ismile_projects
from redcap_jobs.sandbox.server import Sandbox


def ask(sandbox: Sandbox, pid: int, content: str, data: object = None) -> requests.Response:
    form = {"token": sandbox.project(pid).token, "content": content, "format": "json"}
    if data is not None:
        form["data"] = json.dumps(data)
    return requests.post(sandbox.url, data=form, timeout=30)


@pytest.fixture
def sandbox():  # type: ignore[no-untyped-def]
    with Sandbox(ismile_projects(participants=20, as_of=date(2026, 11, 22))) as server:
        yield server


def test_the_dictionary_comes_back_as_it_was_imported(sandbox: Sandbox) -> None:
    """Export, import, export: equal; the answer is the number of fields (REDCap API help)."""
    before = ask(sandbox, 3042, "metadata").json()
    answer = ask(sandbox, 3042, "metadata", before)
    assert (answer.status_code, answer.text) == (200, str(len(before)))
    assert ask(sandbox, 3042, "metadata").json() == before


def test_a_new_field_on_a_new_form_can_be_filled_once_it_is_mapped(sandbox: Sandbox) -> None:
    """A new form holds data only on events it is designated for."""
    fields = ask(sandbox, 3042, "metadata").json()
    blank = dict.fromkeys(fields[0], "")
    new = {"field_name": "note_a", "form_name": "notes_form", "field_type": "text"}
    ask(sandbox, 3042, "metadata", [*fields, blank | new])
    record = sandbox.project(3042).store.current.ordered[0]
    event = next(key.event for key in sandbox.project(3042).store.current.records[record].rows)
    row = [{"record_id": record, "redcap_event_name": event, "note_a": "x"}]
    assert ask(sandbox, 3042, "record", row).status_code == 400
    mapping = ask(sandbox, 3042, "formEventMapping").json()
    pairs = [*mapping, {"arm_num": 1, "unique_event_name": event, "form": "notes_form"}]
    assert ask(sandbox, 3042, "formEventMapping", pairs).text == str(len(pairs))
    assert ask(sandbox, 3042, "record", row).status_code == 200
    assert sandbox.project(3042).values(record, event)["note_a"] == "x"


def test_the_mapping_is_replaced_as_a_whole(sandbox: Sandbox) -> None:
    """What an import of the mapping leaves out is gone (REDCap API help)."""
    mapping = ask(sandbox, 3042, "formEventMapping").json()
    assert ask(sandbox, 3042, "formEventMapping", mapping[:3]).text == "3"
    assert len(ask(sandbox, 3042, "formEventMapping").json()) == 3


@pytest.mark.parametrize(
    ("pid", "content", "data", "words"),
    [
        (3041, "metadata", [{"field_name": "a", "form_name": "b"}], "in development"),
        (3042, "metadata", [], "no fields"),
        (3042, "metadata", [{"field_name": "a"}], "form name missing: B2."),
        (3042, "metadata", [{"field_name": "a", "form_name": "b"}] * 2, "only appear once.a (A3)"),
        (3042, "formEventMapping", [{"unique_event_name": "x", "form": "visit"}], "x: visit"),
    ],
)
def test_a_wrong_structure_is_refused_and_changes_nothing(
    sandbox: Sandbox, pid: int, content: str, data: list[dict[str, str]], words: str
) -> None:
    """A refused import leaves dictionary and mapping as they were."""
    before = ask(sandbox, pid, content).json()
    answer = ask(sandbox, pid, content, data)
    assert answer.status_code == 400
    assert words in answer.json()["error"]
    assert ask(sandbox, pid, content).json() == before
