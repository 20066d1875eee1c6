"""What repeats: importing the set-up, and the stored values that follow it."""

from __future__ import annotations

import pytest
from json_calls import get, info, put, refused
from sandbox_projects import Caller

from redcap_jobs.sandbox.server import Sandbox
from redcap_jobs.sandbox.store import RowKey


def test_repeating_set_up_of_a_classic_project(classic: Caller) -> None:
    """Its rows name a form each; the import replaces what was there."""
    rows = [{"form_name": "people", "custom_form_label": "[name]"}]
    assert put(classic, "repeatingFormsEvents", rows) == "1"
    assert get(classic, "repeatingFormsEvents") == rows
    assert info(classic)["has_repeating_instruments_or_events"] == 1
    assert put(classic, "repeatingFormsEvents", []) == "0"
    assert info(classic)["has_repeating_instruments_or_events"] == 0
    assert "not valid: nowhere" in refused(
        classic, "repeatingFormsEvents", [{"form_name": "nowhere"}]
    )


@pytest.mark.parametrize("format_", ["csv", "json", "xml"])
def test_the_repeating_set_up_comes_back_in_each_format(longitudinal: Caller, format_: str) -> None:
    """Export and import again, as PyCap's test does in each format: the number of rows."""
    before = longitudinal.post(content="repeatingFormsEvents", format=format_).text
    again = longitudinal.post(content="repeatingFormsEvents", format=format_, data=before)
    assert (again.status_code, again.text) == (200, "2")
    assert longitudinal.post(content="repeatingFormsEvents", format=format_).text == before


def test_a_form_that_begins_to_repeat_takes_its_values_along(longitudinal: Caller) -> None:
    """They are instance 1; when it stops, they are back, and later instances are unseen, not lost."""
    before = longitudinal.export(fields=["record_id", "seen", "felt"])
    held = get(longitudinal, "repeatingFormsEvents")
    visit = {"event_name": "week_1_arm_1", "form_name": "visit", "custom_form_label": ""}
    put(longitudinal, "repeatingFormsEvents", [*held, visit])
    key = {
        "record_id": "10",
        "redcap_event_name": "week_1_arm_1",
        "redcap_repeat_instrument": "visit",
    }
    longitudinal.send([key | {"redcap_repeat_instance": "2", "seen": "2026-03-01"}])
    rows = longitudinal.export(fields=["record_id", "seen"], events=["week_1_arm_1"])
    seen = {
        row["redcap_repeat_instance"]: row["seen"]
        for row in rows
        if row["redcap_repeat_instrument"] == "visit"
    }
    assert seen == {1: "2026-02-01", 2: "2026-03-01"}
    put(longitudinal, "repeatingFormsEvents", held)
    assert longitudinal.export(fields=["record_id", "seen", "felt"]) == before
    put(longitudinal, "repeatingFormsEvents", [*held, visit])
    again = longitudinal.export(fields=["record_id", "seen"], events=["week_1_arm_1"])
    assert "2026-03-01" in [row["seen"] for row in again]


def test_locks_follow_their_form(server: Sandbox, longitudinal: Caller) -> None:
    """A locked form stays locked under the event's new name, and as instance 1 of a repeating form."""
    project = server.project(901)
    with project.store.writing(None) as draft:
        draft.set_locks("10", frozenset({(RowKey("week_1_arm_1"), "visit")}))
    event = {"event_name": "Week One", "arm_num": 1, "unique_event_name": "week_1_arm_1"}
    put(longitudinal, "event", [event])
    assert project.store.current.records["10"].locks == {(RowKey("week_one_arm_1"), "visit")}
    put(
        longitudinal,
        "repeatingFormsEvents",
        [{"event_name": "week_one_arm_1", "form_name": "visit"}],
    )
    assert project.store.current.records["10"].locks == {
        (RowKey("week_one_arm_1", "visit", 1), "visit")
    }
