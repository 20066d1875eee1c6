"""Calls that look like mistakes and are answered with 200, raw, in the three formats."""

from __future__ import annotations

import pytest
from sandbox_projects import Caller

XML = '<?xml version="1.0" encoding="UTF-8" ?>'
FORMATS = ["csv", "json", "xml"]
WITHOUT_EVENT = {
    "csv": "record_id,sex\n55,2\n",
    "json": '[{"record_id":"55","sex":"2"}]',
    "xml": "<records><item><record_id>55</record_id><sex>2</sex></item></records>",
}
COUNTED = {"csv": "1", "json": '{"count":1}', "xml": f"{XML}<count>1</count>"}
KEYS_ALONE = {
    "csv": "record_id,redcap_event_name\n10,start_arm_2\n",
    "json": '[{"record_id":"10","redcap_event_name":"start_arm_2"}]',
    "xml": "<records><item><record_id>10</record_id>"
    "<redcap_event_name>start_arm_2</redcap_event_name></item></records>",
}
NAMED = {"csv": "id\n10", "json": '["10"]', "xml": f"{XML}<ids><id>10</id></ids>"}


@pytest.mark.parametrize("format_", FORMATS)
def test_a_row_without_an_event(longitudinal: Caller, format_: str) -> None:
    """It goes to the first event (PyCap issue 142)."""
    answer = longitudinal.post(content="record", format=format_, data=WITHOUT_EVENT[format_])
    assert (answer.status_code, answer.text) == (200, COUNTED[format_])
    (row,) = longitudinal.export(records=["55"])
    assert (row["redcap_event_name"], row["sex"]) == ("start_arm_1", "2")


@pytest.mark.parametrize("format_", FORMATS)
def test_a_row_of_keys_alone(longitudinal: Caller, format_: str) -> None:
    """The record is named in the answer, and nothing is stored (recorded by a client's log)."""
    before = longitudinal.export(records=["10"])
    answer = longitudinal.post(
        content="record", format=format_, data=KEYS_ALONE[format_], returnContent="ids"
    )
    assert (answer.status_code, answer.text) == (200, NAMED[format_])
    assert longitudinal.export(records=["10"]) == before


@pytest.mark.parametrize("format_", FORMATS)
def test_an_unknown_event_of_a_classic_project(classic: Caller, format_: str) -> None:
    """The export is what it is without it (REDCapR issue 492)."""
    classic.send([{"id": "1", "name": "a"}])
    named = classic.post(content="record", format=format_, events=["nowhere"])
    plain = classic.post(content="record", format=format_)
    assert (named.status_code, named.text) == (200, plain.text)
    assert "name" in named.text
