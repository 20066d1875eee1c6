"""Record import: what is stored, what is refused, in REDCap's words."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from sandbox_projects import Caller, trial

from redcap_jobs.sandbox.api import Behaviour
from redcap_jobs.sandbox.members import user
from redcap_jobs.sandbox.server import Sandbox

BAD_FORMAT = (
    "The value you provided could not be validated because it does not follow the expected "
    "format. Please try again."
)


def stored(server: Sandbox, record: str, event: str = "start_arm_1") -> dict[str, str]:
    return dict(server.project(901).values(record, event))


def test_normal_leaves_blanks_alone(server: Sandbox, longitudinal: Caller) -> None:
    """overwriteBehavior=normal (the default): blanks change nothing, other values overwrite."""
    row = {"record_id": "10", "redcap_event_name": "start_arm_1", "born": "", "sex": "2"}
    assert longitudinal.send([row]).json() == {"count": 1}
    assert stored(server, "10") == {"born": "1990-01-31", "consent____4": "1", "sex": "2"}


def test_overwrite_erases_what_is_sent_blank(server: Sandbox, longitudinal: Caller) -> None:
    """overwriteBehavior=overwrite: a blank erases; fields that are not sent stay untouched."""
    row = {"record_id": "10", "redcap_event_name": "start_arm_1", "born": ""}
    longitudinal.send([row], overwriteBehavior="overwrite")
    assert stored(server, "10") == {"consent____4": "1", "sex": "1"}


def test_zero_unticks_a_checkbox(server: Sandbox, longitudinal: Caller) -> None:
    """'0' is no blank: it unticks an option in normal mode, '1' ticks it."""
    row = {"record_id": "10", "redcap_event_name": "start_arm_1"}
    longitudinal.send([row | {"consent____4": "0", "consent___1": "1"}])
    exported = longitudinal.export(records=["10"], events=["start_arm_1"])[0]
    assert (exported["consent____4"], exported["consent___1"]) == ("0", "1")


def test_the_count_is_of_records(longitudinal: Caller) -> None:
    """Two rows of one record count 1; ids names it once."""
    rows = [
        {"record_id": "10", "redcap_event_name": "start_arm_1", "sex": "2"},
        {"record_id": "10", "redcap_event_name": "week_1_arm_1", "felt": "1"},
    ]
    assert longitudinal.send(rows).text == '{"count":1}'
    assert longitudinal.send(rows, returnContent="ids").text == '["10"]'
    assert longitudinal.send(rows, returnContent="nothing").text == ""
    assert longitudinal.send(rows, returnFormat="csv").text == "1"
    assert longitudinal.send(rows, returnFormat="csv", returnContent="ids").text == "id\n10"
    assert longitudinal.send(rows, returnFormat="xml").text == (
        '<?xml version="1.0" encoding="UTF-8" ?><count>1</count>'
    )
    assert longitudinal.send(rows, backgroundProcess="1").text == '{"success":true}'


def test_one_bad_value_refuses_everything(server: Sandbox, longitudinal: Caller) -> None:
    """All or nothing: the good record of the same POST is not stored either."""
    before = server.project(901).digest()
    rows = [
        {"record_id": "11", "redcap_event_name": "start_arm_1", "sex": "1"},
        {"record_id": "12", "redcap_event_name": "start_arm_1", "sex": "9"},
    ]
    message = longitudinal.refusal(rows)
    assert message == '"12","sex","9","The value is not a valid category for sex"'
    assert server.project(901).digest() == before


@pytest.mark.parametrize(
    ("field", "value", "reason"),
    [
        ("sex", "9", "The value is not a valid category for sex"),
        ("consent___1", "2", "The value is not a valid category for consent___1"),
        ("enrolment_complete", "3", "The value is not a valid category for enrolment_complete"),
        ("born", "31.01.1990", BAD_FORMAT),
        ("born", "1990-02-30", BAD_FORMAT),
        ("weight", "heavy", BAD_FORMAT),
        ("phone", "555", BAD_FORMAT),
        (
            "slept",
            "8",
            (
                "This field ('slept') exists on an instrument that is not designated for the event "
                "named 'Start (Arm 1: Drug A)'. You are not allowed to import data for this field "
                "into this event."
            ),
        ),
    ],
)
def test_refused_values_come_as_quoted_csv_lines(
    longitudinal: Caller, field: str, value: str, reason: str
) -> None:
    """Record, field, value, reason, every cell quoted; one line per value."""
    row = {"record_id": "10", "redcap_event_name": "start_arm_1", field: value}
    assert longitudinal.refusal([row]) == f'"10","{field}","{value}","{reason}"'


def test_every_refused_value_has_its_line(longitudinal: Caller) -> None:
    """Lines are joined by a line feed, in the order of the data; quotes are doubled."""
    rows = [
        {"record_id": "10", "redcap_event_name": "start_arm_1", "born": 'a "b"', "sex": "9"},
        {"record_id": "2", "redcap_event_name": "start_arm_2", "weight": "x"},
    ]
    assert longitudinal.refusal(rows).split("\n") == [
        f'"10","born","a ""b""","{BAD_FORMAT}"',
        '"10","sex","9","The value is not a valid category for sex"',
        f'"2","weight","x","{BAD_FORMAT}"',
    ]


def test_some_servers_name_the_event_beside_the_record() -> None:
    """With that behaviour on, the first cell is ``record (unique_event)``."""
    with Sandbox([trial()], behaviour=Behaviour(refusals_name_event=True)) as sandbox:
        caller = Caller(sandbox.url, sandbox.tokens["REDCAP_API_SMALL_TRIAL"])
        row = {"record_id": "1", "redcap_event_name": "start_arm_1", "sex": "9"}
        assert caller.refusal([row]).startswith('"1 (start_arm_1)","sex","9",')


@pytest.mark.parametrize(
    ("parameters", "text"),
    [
        ({"returnFormat": "csv"}, "ERROR: {}"),
        ({"returnFormat": "json"}, '{{"error":"{}"}}'),
        (
            {"returnFormat": "xml"},
            '<?xml version="1.0" encoding="UTF-8" ?><hash><error>{}</error></hash>',
        ),
    ],
)
def test_unknown_fields_are_refused(
    longitudinal: Caller, parameters: dict[str, str], text: str
) -> None:
    """400 and all unknown names in one sentence; a descriptive field is no data field."""
    row = {"record_id": "10", "foo": "1", "heading": "", "sex": "1", "baz": "2"}
    response = longitudinal.send([row], **parameters)
    assert response.status_code == 400
    assert response.text == text.format(
        "The following fields were not found in the project as real data fields: foo, heading, baz"
    )


def test_unknown_events_are_refused(longitudinal: Caller) -> None:
    """400 and all unknown names in one sentence."""
    rows = [
        {"record_id": "10", "redcap_event_name": name, "seen": "2026-02-02"}
        for name in ("visit_11_arm_1", "week_1_arm_1", "visit_12_arm_1")
    ]
    assert longitudinal.refusal(rows) == (
        "The following values of redcap_event_name are invalid: visit_11_arm_1, visit_12_arm_1"
    )


def test_a_row_without_an_event_goes_to_the_first_one(
    server: Sandbox, longitudinal: Caller
) -> None:
    """200, and the data are silently in the first event (PyCap issue 142)."""
    assert longitudinal.send([{"record_id": "10", "weight": "80"}]).status_code == 200
    assert stored(server, "10")["weight"] == "80"


def test_a_row_of_keys_alone_is_counted_and_stores_nothing(
    server: Sandbox, longitudinal: Caller
) -> None:
    """Only record and event: 200 and a count, but no row and no record."""
    before = server.project(901).digest()
    row = {"record_id": "77", "redcap_event_name": "start_arm_1"}
    assert longitudinal.send([row], returnContent="ids").json() == ["77"]
    assert server.project(901).digest() == before


def test_a_row_of_another_arm_creates_the_record_there(longitudinal: Caller) -> None:
    """Nothing stops a record of arm 1 from being written in arm 2: it is then in both."""
    row = {"record_id": "10", "redcap_event_name": "week_1_arm_2", "felt": "1"}
    assert longitudinal.send([row]).json() == {"count": 1}
    events = {row["redcap_event_name"] for row in longitudinal.export(records=["10"])}
    assert {"start_arm_1", "week_1_arm_2"} <= events


def test_json_that_is_no_json_is_refused(longitudinal: Caller) -> None:
    """400 (never 406); the whole recorded answer was 153 bytes long."""
    response = longitudinal.post(content="record", format="json", data="[{")
    assert response.status_code == 400
    assert len(response.content) == 153
    assert response.json()["error"] == (
        "The data being imported is not formatted correctly. PHP error from JSON decoder: Syntax "
        "error. The JSON must be in an array, as in [{ ... }]."
    )


def test_a_json_object_imports_nothing(longitudinal: Caller) -> None:
    """A single object instead of a list: 200 and a count of 0 (PyCap issues 103 and 138)."""
    response = longitudinal.send({"record_id": "10", "sex": "2"})
    assert (response.status_code, response.text) == (200, '{"count":0}')


@pytest.mark.parametrize("data", ["record_id,sex\n10,1", "<records><item>"])
def test_xml_that_is_no_xml_is_refused(longitudinal: Caller, data: str) -> None:
    """The recorded text for csv sent as xml, which is the default format."""
    response = longitudinal.post(content="record", data=data, returnFormat="json")
    assert response.status_code == 400
    assert response.json() == {"error": "The data is not in the specified format."}


@pytest.mark.parametrize(
    ("format_", "data"),
    [
        ("json", '[{"record_id":"10","redcap_event_name":"start_arm_1","phone":"(617) 555-0123"}]'),
        ("csv", "record_id,redcap_event_name,phone\n10,start_arm_1,(617) 555-0123\n"),
        (
            "xml",
            (
                "<records><item><record_id>10</record_id><redcap_event_name>start_arm_1"
                "</redcap_event_name><phone><![CDATA[(617) 555-0123]]></phone></item></records>"
            ),
        ),
    ],
)
def test_the_three_formats_store_the_same(
    server: Sandbox, longitudinal: Caller, format_: str, data: str
) -> None:
    """csv, json and xml are read alike."""
    response = longitudinal.post(content="record", format=format_, data=data, returnFormat="csv")
    assert (response.status_code, response.text) == (200, "1")
    assert stored(server, "10")["phone"] == "(617) 555-0123"


def eav(field: str, value: str, **keys: Any) -> dict[str, Any]:
    return (
        {"record": "10", "redcap_event_name": "start_arm_1"}
        | keys
        | {
            "field_name": field,
            "value": value,
        }
    )


def test_eav_stores_one_value_per_line(server: Sandbox, longitudinal: Caller) -> None:
    """A checkbox is ``field___code`` with 0 or 1; repeating instances have their key columns."""
    lines = [
        eav("sex", "2"),
        eav("consent___1", "1"),
        eav("consent____4", "0"),
        eav(
            "dose",
            "9",
            redcap_event_name="week_1_arm_1",
            redcap_repeat_instrument="drugs",
            redcap_repeat_instance=2,
        ),
    ]
    assert longitudinal.send(lines, type="eav").json() == {"count": 1}
    assert stored(server, "10") == {"born": "1990-01-31", "consent___1": "1", "sex": "2"}
    rows = longitudinal.export(records=["10"], fields=["record_id", "dose"])
    assert [row["dose"] for row in rows if row["redcap_repeat_instrument"]] == ["5", "9"]


def test_eav_with_overwrite_erases_the_named_cells(server: Sandbox, longitudinal: Caller) -> None:
    """A blank value erases with overwrite, and is ignored without it."""
    longitudinal.send([eav("born", "")], type="eav")
    assert "born" in stored(server, "10")
    longitudinal.send([eav("born", "")], type="eav", overwriteBehavior="overwrite")
    assert stored(server, "10") == {"consent____4": "1", "sex": "1"}


def test_eav_does_not_know_a_checkbox_by_its_base_name(longitudinal: Caller) -> None:
    """Only ``field___code`` is a data field."""
    response = longitudinal.send([eav("consent", "1")], type="eav")
    assert response.json()["error"].endswith("real data fields: consent")


def repeat(instrument: str, instance: Any, **values: str) -> dict[str, Any]:
    return {
        "record_id": "10",
        "redcap_event_name": "week_1_arm_1",
        "redcap_repeat_instrument": instrument,
        "redcap_repeat_instance": instance,
    } | values


def test_new_instances_are_numbered_on(longitudinal: Caller) -> None:
    """``new`` takes the next free instance, within one import too."""
    rows = [repeat("drugs", "new", drug="C"), repeat("drugs", "new", drug="D")]
    assert longitudinal.send(rows).json() == {"count": 1}
    exported = longitudinal.export(records=["10"], fields=["record_id", "drug"])
    assert [(row["redcap_repeat_instance"], row["drug"]) for row in exported if row["drug"]] == [
        (1, "A"),
        (2, "B"),
        (3, "C"),
        (4, "D"),
    ]


def test_a_repeat_instrument_must_repeat_on_that_event(longitudinal: Caller) -> None:
    """A form that does not repeat is refused as redcap_repeat_instrument (PyCap issue 154)."""
    message = longitudinal.refusal([repeat("visit", 1, seen="2026-02-02")])
    assert message.startswith(
        '"10","redcap_repeat_instrument","visit","redcap_repeat_instrument must be the unique form '
        "name of a Repeating Instrument. It currently does not match "
    )


def test_an_instance_needs_something_that_repeats(longitudinal: Caller) -> None:
    """An instance number where nothing repeats is refused (PyCap issue 154)."""
    message = longitudinal.refusal([repeat("", 2, seen="2026-02-02")])
    assert message.startswith(
        '"10","redcap_repeat_instance","2","redcap_repeat_instance cannot have a value since this '
        "instrument or event is not a repeating instrument or repeating event, respectively."
    )


def test_instances_of_a_repeating_event(longitudinal: Caller) -> None:
    """A repeating event has instances without an instrument; none given means the first."""
    row = {"record_id": "10", "redcap_event_name": "diary_arm_1"}
    longitudinal.send([row | {"slept": "6"}, row | {"slept": "5", "redcap_repeat_instance": "3"}])
    exported = longitudinal.export(records=["10"], events=["diary_arm_1"])
    assert [(one["redcap_repeat_instance"], one["slept"]) for one in exported] == [
        (1, "6"),
        (3, "5"),
    ]


def test_limits_are_soft(server: Sandbox, longitudinal: Caller) -> None:
    """A value outside min and max is stored: REDCap only asks people to check it twice."""
    row = {"record_id": "10", "redcap_event_name": "start_arm_1", "weight": "900"}
    assert longitudinal.send([row]).status_code == 200
    assert stored(server, "10")["weight"] == "900"


def test_missing_data_codes_pass_every_check(server: Sandbox, longitudinal: Caller) -> None:
    """A code such as -99 is stored in a date field as well."""
    row = {"record_id": "10", "redcap_event_name": "start_arm_1", "born": "-99", "sex": "-99"}
    assert longitudinal.send([row]).status_code == 200
    assert stored(server, "10")["born"] == "-99"


@pytest.mark.parametrize(("order", "text"), [("MDY", "01/31/1991"), ("DMY", "31-01-1991")])
def test_dates_come_in_the_order_named(
    server: Sandbox, longitudinal: Caller, order: str, text: str
) -> None:
    """``dateFormat`` says how dates are written; they are stored as YYYY-MM-DD."""
    row = {"record_id": "10", "redcap_event_name": "start_arm_1", "born": text}
    assert longitudinal.send([row], dateFormat=order).status_code == 200
    assert stored(server, "10")["born"] == "1991-01-31"


def test_calculated_fields_are_passed_over(server: Sandbox, longitudinal: Caller) -> None:
    """A value for a calc field changes nothing and refuses nothing."""
    row = {"record_id": "10", "redcap_event_name": "start_arm_1", "bmi": "20", "sex": "2"}
    assert longitudinal.send([row]).json() == {"count": 1}
    assert "bmi" not in stored(server, "10")


def test_a_record_moves_to_another_group(server: Sandbox, longitudinal: Caller) -> None:
    """redcap_data_access_group moves the record; it keeps its name."""
    row = {
        "record_id": "10",
        "redcap_event_name": "start_arm_1",
        "redcap_data_access_group": "south_clinic",
    }
    assert longitudinal.send([row]).status_code == 200
    assert server.project(901).store.current.records["10"].dag == "south_clinic"


def test_a_user_in_a_group_may_not_send_the_group_column(server: Sandbox) -> None:
    """The recorded refusal; without the column, new records are in the user's group."""
    project = server.project(901)
    nurse = Caller(server.url, project.add_user(user("nurse", dag="north_clinic")))
    row = {"record_id": "20-1", "redcap_event_name": "start_arm_1", "sex": "1"}
    message = nurse.refusal([row | {"redcap_data_access_group": "north_clinic"}])
    assert message == "Illegal use of 'redcap_data_access_group' field!"
    assert nurse.send([row]).json() == {"count": 1}
    assert project.store.current.records["20-1"].dag == "north_clinic"
    assert '"2","record_id"' in nurse.refusal([row | {"record_id": "2"}])


@pytest.mark.parametrize(("enabled", "ids"), [(True, ["11,a", "12,b"]), (False, ["a,a", "b,b"])])
def test_auto_numbering_renames_the_records_sent(
    server: Sandbox, longitudinal: Caller, enabled: bool, ids: list[str]
) -> None:
    """``forceAutoNumber`` gives new names where the project numbers its records; auto_ids tells."""
    project = server.project(901)
    project.change(settings=replace(project.settings, record_autonumbering_enabled=enabled))
    rows = [
        {"record_id": name, "redcap_event_name": "start_arm_1", "sex": "1"} for name in ("a", "b")
    ]
    response = longitudinal.send(rows, forceAutoNumber="true", returnContent="auto_ids")
    assert response.json() == ids


def test_what_was_exported_can_be_imported(server: Sandbox, longitudinal: Caller) -> None:
    """A flat export without its file cells, imported again, changes no export."""
    rows = longitudinal.export()
    for row in rows:
        del row["photo"]
    assert longitudinal.send(rows).json() == {"count": 2}
    after = longitudinal.export()
    for row in after:
        del row["photo"]
    assert after == rows


@pytest.mark.parametrize(
    ("row", "field", "part"),
    [
        ({"record_id": ""}, "record_id", "missing"),
        ({"photo": "me.jpg"}, "photo", "'file' field"),
        ({"redcap_data_access_group": "moon"}, "redcap_data_access_group", "not a valid Data"),
        (repeat("drugs", 1, seen="2026-02-02"), "seen", "not on the repeating instrument"),
    ],
)
def test_what_else_is_refused(
    server: Sandbox, longitudinal: Caller, row: dict[str, Any], field: str, part: str
) -> None:
    """Refusals nobody recorded: the words are our own, the form and the all-or-nothing are not."""
    before = server.project(901).digest()
    base = {"record_id": "10", "redcap_event_name": "start_arm_1", "sex": "2"}
    whole = row if "redcap_repeat_instrument" in row else base | row
    message = longitudinal.refusal([whole])
    assert f',"{field}",' in message
    assert part in message
    assert server.project(901).digest() == before


def test_json_values_of_other_types(server: Sandbox, longitudinal: Caller) -> None:
    """Numbers and booleans are stored as text, null is blank."""
    row = {"record_id": 10, "redcap_event_name": "start_arm_1", "weight": 71.5, "born": None}
    assert longitudinal.send([row | {"consent___1": True}]).json() == {"count": 1}
    assert stored(server, "10") == {
        "born": "1990-01-31",
        "consent____4": "1",
        "sex": "1",
        "weight": "71.5",
        "consent___1": "1",
    }


def test_rows_without_the_record_id_are_refused(longitudinal: Caller) -> None:
    """The record ID field must be in every row."""
    assert "'record_id' is missing" in longitudinal.refusal([{"sex": "1"}])
