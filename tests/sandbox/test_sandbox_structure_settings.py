"""Project information and settings over raw HTTP, and projects made with a super token."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
from sandbox_projects import Caller, registry, trial

from redcap_jobs.sandbox.server import Sandbox

SUPER = "AB" * 32
NUMBERS = {
    *("project_id", "in_production", "purpose", "is_longitudinal"),
    *("has_repeating_instruments_or_events", "surveys_enabled", "scheduling_enabled"),
    *("record_autonumbering_enabled", "randomization_enabled", "ddp_enabled"),
    *("display_today_now_button", "bypass_branching_erase_field_prompt"),
}
EIGHTEEN = {
    "project_title": "ABCDEFG",
    "project_language": "Spanish",
    "purpose": "1",
    "purpose_other": "Other",
    "project_notes": "None",
    "custom_record_label": "[name]",
    "secondary_unique_field": "name",
    "is_longitudinal": "1",
    "surveys_enabled": "1",
    "scheduling_enabled": "1",
    "record_autonumbering_enabled": "1",
    "randomization_enabled": "1",
    "project_irb_number": "123456",
    "project_grant_number": "654321",
    "project_pi_firstname": "First",
    "project_pi_lastname": "Last",
    "display_today_now_button": "0",
    "bypass_branching_erase_field_prompt": "1",
}


def info(caller: Caller) -> dict[str, Any]:
    """Return the project's information."""
    answer: dict[str, Any] = caller.post(content="project", format="json").json()
    return answer


def test_information_has_its_types(longitudinal: Caller) -> None:
    """Switches, id and purpose are numbers in json, all else is text."""
    shown = info(longitudinal)
    assert {name for name, value in shown.items() if isinstance(value, int)} == NUMBERS
    assert all(isinstance(value, int | str) for value in shown.values())
    assert re.fullmatch(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d", shown["creation_time"])
    assert shown["production_time"] == ""


def test_information_in_csv_and_xml(longitudinal: Caller) -> None:
    """The same 27 values as in json, in one row and one element each."""
    shown = {name: str(value) for name, value in info(longitudinal).items()}
    text = longitudinal.post(content="project", format="csv").text
    header, line = csv.reader(io.StringIO(text))
    assert dict(zip(header, line, strict=True)) == shown
    xml = longitudinal.post(content="project", format="xml").text
    found = re.findall(r"<(\w+)>(?:<!\[CDATA\[(.*?)\]\]>)?</\1>", xml)
    assert {name: value for name, value in found if name in shown} == shown


@pytest.mark.parametrize("format_", ["csv", "json", "object", "xml"])
def test_all_eighteen_settings(classic: Caller, format_: str) -> None:
    """REDCap.jl's test: 18 attributes, answer 18; they are shown afterwards."""
    row = "".join(f"<{name}>{value}</{name}>" for name, value in EIGHTEEN.items())
    data = {
        "csv": ",".join(EIGHTEEN) + "\n" + ",".join(EIGHTEEN.values()),
        "json": json.dumps([EIGHTEEN]),
        "object": json.dumps(EIGHTEEN),
        "xml": f"<item>{row}</item>",
    }[format_]
    response = classic.post(
        content="project_settings", format=format_.replace("object", "json"), data=data
    )
    assert (response.status_code, response.text) == (200, "18")
    shown = {name: str(value) for name, value in info(classic).items() if name in EIGHTEEN}
    assert shown == EIGHTEEN | {"is_longitudinal": "0"}


def test_what_cannot_be_set_is_passed_over(classic: Caller) -> None:
    """A whole exported row may be sent back: only what is settable counts, and only it changes."""
    before = info(classic)
    sent = before | {"in_production": 1, "project_id": 5, "missing_data_codes": "-9, x", "new": 1}
    response = classic.post(content="project_settings", format="json", data=json.dumps([sent]))
    assert response.text == "19"
    assert info(classic) == before


def test_words_for_switches(classic: Caller) -> None:
    """true and false as clients write them; what is not named stays."""
    data = '[{"surveys_enabled":true,"scheduling_enabled":"True","randomization_enabled":false}]'
    assert classic.post(content="project_settings", format="json", data=data).text == "3"
    shown = info(classic)
    assert [shown[name] for name in ("surveys_enabled", "scheduling_enabled")] == [1, 1]
    assert shown["randomization_enabled"] == 0
    assert shown["display_today_now_button"] == 1


def test_values_that_mean_nothing_count_and_change_nothing(classic: Caller) -> None:
    """REDCap.jl sends purpose "Testing" and a unique field "R" that does not exist: no error."""
    data = '[{"purpose":"Testing","secondary_unique_field":"R","project_title":""}]'
    before = info(classic)
    assert classic.post(content="project_settings", format="json", data=data).text == "3"
    assert info(classic) == before


def test_another_purpose_needs_words(classic: Caller) -> None:
    """The refusal of project creation holds here, too (own answer); nothing is changed."""
    before = info(classic)
    data = '[{"purpose":1,"project_notes":"x"}]'
    response = classic.post(content="project_settings", format="json", data=data)
    assert response.status_code == 400
    assert "'purpose_other'" in response.json()["error"]
    assert info(classic) == before


def test_settings_in_another_format(classic: Caller) -> None:
    """The recorded text of JSON that is none."""
    response = classic.post(content="project_settings", format="json", data="title=x")
    assert response.status_code == 400
    assert response.json()["error"].startswith("The data being imported is not formatted correctly")


@pytest.fixture
def creating() -> Iterator[Sandbox]:
    with Sandbox([registry()], super_token=SUPER) as sandbox:
        yield sandbox


def create(sandbox: Sandbox, data: str, format_: str = "json", **parameters: str) -> Caller:
    """Create a project that must be taken, and return a caller with its token."""
    admin = Caller(sandbox.url, SUPER)
    response = admin.post(content="project", format=format_, data=data, **parameters)
    assert response.status_code == 200, response.text
    assert re.fullmatch(r"[0-9A-F]{32}", response.text)
    return Caller(sandbox.url, response.text)


@pytest.mark.parametrize(
    ("format_", "data"),
    [
        ("json", '[{"project_title":"New One","purpose":0}]'),
        ("json", '{"project_title":"New One","purpose":0}'),
        ("csv", "project_title,purpose\nNew One,0\n"),
        (
            "xml",
            (
                '<?xml version="1.0" encoding="UTF-8" ?>\n    <item>\n    <project_title>New One'
                "</project_title>\n    <purpose>0</purpose>\n    </item>"
            ),
        ),
    ],
)
def test_a_new_project_begins_with_defaults(creating: Sandbox, format_: str, data: str) -> None:
    """One form with a record ID field, auto-numbering on, development; served at once."""
    made = create(creating, data, format_)
    shown = info(made)
    assert (shown["project_title"], shown["record_autonumbering_enabled"]) == ("New One", 1)
    assert (shown["is_longitudinal"], shown["surveys_enabled"], shown["in_production"]) == (0, 0, 0)
    fields = made.post(content="metadata", format="json").json()
    assert [(field["field_name"], field["form_name"]) for field in fields] == [
        ("record_id", "my_first_instrument")
    ]
    assert made.send([{"record_id": "1"}]).json() == {"count": 1}


def test_every_attribute_of_a_new_project_is_taken(creating: Sandbox) -> None:
    """The seven of the API help; others are passed over."""
    row = {
        "project_title": "All of it",
        "purpose": 1,
        "purpose_other": "Teaching",
        "project_notes": "Some\nnotes",
        "is_longitudinal": 1,
        "surveys_enabled": 1,
        "record_autonumbering_enabled": 0,
    }
    made = create(creating, json.dumps([row | {"project_irb_number": "9", "in_production": 1}]))
    shown = info(made)
    assert {name: shown[name] for name in row} == row
    assert (shown["project_irb_number"], shown["in_production"]) == ("", 0)


def test_a_new_longitudinal_project_has_an_arm_and_an_event(creating: Sandbox) -> None:
    """As the API help says; override=1 replaces them by one's own."""
    made = create(creating, '[{"project_title":"Long","purpose":0,"is_longitudinal":1}]')
    assert made.post(content="arm", format="json").json() == [{"arm_num": 1, "name": "Arm 1"}]
    (event,) = made.post(content="event", format="json").json()
    assert event["unique_event_name"] == "event_1_arm_1"
    assert made.post(content="formEventMapping", format="json").json() == [
        {"arm_num": 1, "unique_event_name": "event_1_arm_1", "form": "my_first_instrument"}
    ]
    made.post(content="arm", action="import", format="csv", data="arm_num,name\n2,B\n", override=1)
    assert info(made)["is_longitudinal"] == 0


def test_whoever_creates_a_project_must_grant_themselves_deletion(creating: Sandbox) -> None:
    """As PyCap's test set-up does: export the user, set four rights, import: 1."""
    made = create(creating, '[{"project_title":"Mine","purpose":0}]')
    made.send([{"record_id": "1"}])
    deletion = {"content": "record", "action": "delete", "records": ["1"], "format": "json"}
    refusal = made.post(**deletion)
    assert refusal.json() == {"error": "You do not have Delete Record privileges"}
    (me,) = made.post(content="user", format="json").json()
    rights = ("record_delete", "record_rename", "lock_records_all_forms", "lock_records")
    assert {me[right] for right in rights} == {0}
    me |= dict.fromkeys(rights, 1)
    assert made.post(content="user", format="json", data=json.dumps([me])).text == "1"
    assert made.post(**deletion).text == "1"


def test_projects_of_one_title_have_variables_of_their_own(creating: Sandbox) -> None:
    """Each token is under a name that no other project has."""
    data = '[{"project_title":"Small Registry","purpose":0}]'
    tokens = {create(creating, data).token for _ in range(2)}
    assert tokens < set(creating.tokens.values())
    assert len(creating.tokens) == 3


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ("[{}]", "The project_title is missing"),
        ('[{"project_title":" "}]', "The project_title is missing"),
        (
            '[{"project_title":"X","purpose":1}]',
            (
                "You must provide some text for 'purpose_other' since you specified 'purpose' as "
                "'1' (Other)."
            ),
        ),
    ],
)
@pytest.mark.parametrize("format_", ["csv", "json", "xml", ""])
def test_what_a_new_project_must_have(
    creating: Sandbox, data: str, message: str, format_: str
) -> None:
    """400; the words about the purpose are recorded in the formats, xml where none is named."""
    cells = json.loads(data)[0]
    row = "".join(f"<{name}>{value}</{name}>" for name, value in cells.items())
    sent = {
        "csv": ",".join(cells) + "\n" + ",".join(map(str, cells.values())) + "\n",
        "json": data,
    }.get(format_, f"<item>{row}</item>")
    response = Caller(creating.url, SUPER).post(content="project", format=format_, data=sent)
    envelope = {
        "csv": f"ERROR: {message}",
        "json": json.dumps({"error": message}, separators=(",", ":")),
    }.get(
        format_,
        f'<?xml version="1.0" encoding="UTF-8" ?><hash><error>{message}</error></hash>',
    )
    assert (response.status_code, response.text) == (400, envelope)
    assert len(creating.tokens) == 1


def test_a_super_token_does_nothing_else(creating: Sandbox) -> None:
    """It creates and tells the version; it reads and writes no project."""
    admin = Caller(creating.url, SUPER)
    assert admin.post(content="version").text == "14.9.0"
    for call in (
        {"content": "record"},
        {"content": "user"},
        {"content": "project"},
        {"content": "metadata", "data": "[]"},
        {"content": "record", "data": "[]"},
    ):
        assert admin.post(format="json", **call).status_code == 501


def test_a_project_of_an_xml_keeps_the_files_switches(creating: Sandbox) -> None:
    """Title, purpose and notes are the row's; structure, switches and data the file's."""
    with Sandbox([trial()]) as other:
        xml = Caller(other.url, other.tokens["REDCAP_API_SMALL_TRIAL"]).post(content="project_xml")
    row = {
        "project_title": "Copy",
        "purpose": 2,
        "project_notes": "mine",
        "record_autonumbering_enabled": 1,
    }
    made = create(creating, json.dumps([row]), odm=xml.text)
    shown = info(made)
    assert (shown["project_title"], shown["purpose"], shown["project_notes"]) == ("Copy", 2, "mine")
    assert (shown["is_longitudinal"], shown["record_autonumbering_enabled"]) == (1, 0)
    assert {one["record_id"] for one in made.export(fields=["record_id"])} == {"2", "10"}
