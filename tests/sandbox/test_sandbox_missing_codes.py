"""A project's missing-data codes in checkboxes: a column for each, behind the options.

The columns, their order and their labels are those of exports whose R scripts were published
(three projects, one of them read through the API).
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

import pytest
from sandbox_projects import Caller, registry

from redcap_jobs.sandbox.dictionary import Choice, Field
from redcap_jobs.sandbox.odm import project_from_xml
from redcap_jobs.sandbox.server import Sandbox
from redcap_jobs.sandbox.store import Record, RowKey, Snapshot
from redcap_jobs.sandbox.structure import Form, Structure

FIELDS = (
    Field("id", "people", "text", "ID"),
    Field("race", "people", "checkbox", "Race", (Choice("1", "A"), Choice("OTH", "Other {x}"))),
    Field("sex", "people", "radio", "Sex", (Choice("1", "Female"),)),
    Field("langs", "people", "checkbox", "Langs", (Choice("en", "English"),), annotation="@X"),
    Field("kin", "people", "checkbox", "Kin", (Choice("1", "None"),), annotation="@NOMISSING @X"),
)
CODES = {"UNK": "Unknown", "OTH": "Other", "PM": "Premenarchal"}
NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
RACE = ["race___1", "race___oth", "race___unk", "race___pm"]
LANGS = ["langs___en", "langs___unk", "langs___oth", "langs___pm"]


@pytest.fixture
def server() -> Iterator[Sandbox]:
    project = registry()
    form = Form("people", "People")
    project.change(structure=Structure(FIELDS, (form,), missing_data_codes=CODES))
    rows = {"1": {"race___1": "1"}, "2": {"race___pm": "1"}}
    project.store.current = Snapshot(
        {name: Record({RowKey(): values}) for name, values in rows.items()}
    )
    with Sandbox([project], now=NOW) as sandbox:
        yield sandbox


@pytest.fixture
def caller(server: Sandbox) -> Caller:
    return Caller(server.url, server.project(902).token)


def csv_of(caller: Caller, **parameters: str) -> list[str]:
    return caller.post(content="record", format="csv", **parameters).text.splitlines()


def test_every_checkbox_has_a_column_for_each_code(caller: Caller) -> None:
    """In the codes' order; a code that is an option has one column; none with @NOMISSING."""
    header = csv_of(caller)[0].split(",")
    assert header == ["id", *RACE, "sex", *LANGS, "kin___1", "people_complete"]
    named = caller.post(content="exportFieldNames", format="json", field="race").json()
    assert [row["choice_value"] for row in named] == ["1", "OTH", "UNK", "PM"]


def test_where_a_code_is_ticked_the_options_are_blank(caller: Caller) -> None:
    """As in the web export of Utah's guide; other fields of the row are as ever."""
    assert csv_of(caller, fields="id,race,langs")[1:] == ["1,1,0,0,0,0,0,0,0", "2,,,0,1,0,0,0,0"]


def test_codes_have_their_labels(caller: Caller) -> None:
    """``Race (choice=Premenarchal)``; an option that is a code keeps its own words."""
    labels = csv_of(caller, fields="race", rawOrLabelHeaders="label")[0].split(",")
    words = [f'"Race (choice={word})"' for word in ("A", "Other {x}", "Unknown", "Premenarchal")]
    assert labels == words
    own = {"rawOrLabel": "label", "exportCheckboxLabel": "true"}
    assert csv_of(caller, fields="id,race", records="2", **own)[1] == "2,,,,Premenarchal"
    lines = csv_of(caller, fields="race", records="2", type="eav")
    assert lines[1] == "2,race,PM"
    assert csv_of(caller, fields="race", type="eav", rawOrLabel="label")[2] == "2,race,Premenarchal"


@pytest.mark.parametrize("kind", ["flat", "eav"])
def test_codes_can_be_imported(caller: Caller, kind: str) -> None:
    """As options: 1 ticks, 0 unticks; anything else is no category. What goes in comes out."""
    for value, cells in (("1", "3,,,1,0"), ("0", "3,0,0,0,0")):
        flat = {"id": "3", "race___unk": value}
        eav = {"record": "3", "field_name": "race___unk", "value": value}
        answer = caller.send([flat if kind == "flat" else eav], type=kind)
        assert answer.status_code == 200, answer.text
        assert csv_of(caller, fields="id,race", records="3")[1] == cells
    assert "not a valid category" in caller.refusal([{"id": "3", "race___unk": "UNK"}])
    assert "not found" in caller.refusal([{"id": "3", "kin___unk": "1"}])


def test_logic_reads_codes(caller: Caller) -> None:
    """``[field(code)]``, as an option; a code that the project does not have is refused."""
    assert csv_of(caller, fields="id", filterLogic="[race(PM)] = '1'")[1:] == ["2"]
    wrong = caller.post(content="record", format="json", filterLogic="[race(zz)] = '1'")
    assert wrong.status_code == 400


def test_codes_outlive_a_project_xml(caller: Caller) -> None:
    """Written beside the options of a form, and read back (own answer: none is recorded)."""
    text = caller.post(content="project_xml", returnFormat="json").content
    again = project_from_xml(text, 903, NOW, "here")
    assert again.store.current.records["2"].rows[RowKey()]["race___pm"] == "1"
