"""Record export as recorded servers answer it."""

from __future__ import annotations

import csv
import io
import xml.etree.ElementTree as ET

import pytest
from sandbox_projects import Caller, trial

from redcap_jobs.sandbox.api import Behaviour
from redcap_jobs.sandbox.members import user
from redcap_jobs.sandbox.server import Sandbox

KEYS = ["record_id", "redcap_event_name", "redcap_repeat_instrument", "redcap_repeat_instance"]


def test_columns_stand_in_the_recorded_order(longitudinal: Caller) -> None:
    """Key columns, group, then form by form in dictionary order, the status last; no descriptive."""
    rows = longitudinal.export(exportDataAccessGroups="true")
    assert list(rows[0]) == [
        *KEYS,
        "redcap_data_access_group",
        *("born", "consent___1", "consent____4", "consent____99"),
        *("sex", "weight", "bmi", "photo", "phone"),
        *("enrolment_complete", "seen", "felt", "visit_complete"),
        *("drug", "dose", "drugs_complete", "slept", "diary_complete"),
    ]


def test_records_and_rows_stand_in_the_recorded_order(longitudinal: Caller) -> None:
    """Numeric names ascend by value; a record's rows follow its events, repeats after the plain row."""
    rows = longitudinal.export()
    assert [tuple(row[key] for key in KEYS) for row in rows] == [
        ("2", "start_arm_2", "", ""),
        ("10", "start_arm_1", "", ""),
        ("10", "week_1_arm_1", "", ""),
        ("10", "week_1_arm_1", "drugs", 1),
        ("10", "week_1_arm_1", "drugs", 2),
        ("10", "diary_arm_1", "", 1),
    ]


def test_unticked_and_untouched_are_zero_only_where_their_form_lives(longitudinal: Caller) -> None:
    """An unticked checkbox and an untouched status are '0' on their form's rows and '' elsewhere."""
    rows = {(row["record_id"], *list(row.values())[1:4]): row for row in longitudinal.export()}
    start = rows["10", "start_arm_1", "", ""]
    assert (start["consent___1"], start["consent____4"]) == ("0", "1")
    assert (start["enrolment_complete"], start["visit_complete"]) == ("0", "0")
    assert (start["drugs_complete"], start["diary_complete"]) == ("", "")
    week = rows["10", "week_1_arm_1", "", ""]
    assert (week["consent___1"], week["enrolment_complete"], week["drugs_complete"]) == ("", "", "")
    assert week["visit_complete"] == "0"
    drugs = rows["10", "week_1_arm_1", "drugs", 1]
    assert (drugs["drugs_complete"], drugs["visit_complete"], drugs["seen"]) == ("0", "", "")
    assert rows["10", "diary_arm_1", "", 1]["diary_complete"] == "0"


def test_gray_status_can_be_blank(longitudinal: Caller) -> None:
    """``exportBlankForGrayFormStatus`` leaves an untouched status blank, a stored one as it is."""
    rows = longitudinal.export(exportBlankForGrayFormStatus="true")
    assert (rows[1]["enrolment_complete"], rows[1]["visit_complete"]) == ("0", "")
    assert rows[4]["drugs_complete"] == "2"


def test_record_id_and_keys_are_missing_when_only_other_fields_are_asked(
    longitudinal: Caller,
) -> None:
    """Without the record ID field among the fields there are no key columns either."""
    assert list(longitudinal.export(fields=["sex", "born"])[0]) == ["born", "sex"]


def test_a_form_brings_its_status(longitudinal: Caller) -> None:
    """``forms`` gives the form's fields and ``_complete``; fields and forms add up."""
    rows = longitudinal.export(fields=["record_id"], forms=["visit"])
    assert list(rows[0]) == [*KEYS, "seen", "felt", "visit_complete"]


def test_repeating_rows_come_with_their_own_fields_only(longitudinal: Caller) -> None:
    """Rows of a repeating instrument are shown when a field of that form is asked for."""
    without = longitudinal.export(fields=["record_id", "seen"])
    assert {row["redcap_repeat_instrument"] for row in without} == {""}
    assert len(longitudinal.export(fields=["record_id", "drug"])) == 6


@pytest.mark.parametrize("as_array", [True, False])
def test_lists_come_as_arrays_or_with_commas(longitudinal: Caller, as_array: bool) -> None:
    """Records, fields and events are taken as ``records[0]=…`` and as ``records=a,b``."""
    asked = {"records": ["10", "2"], "fields": ["record_id", "seen"], "events": ["week_1_arm_1"]}
    sent = asked if as_array else {name: ",".join(values) for name, values in asked.items()}
    rows = longitudinal.export(**sent)
    assert [row["seen"] for row in rows] == ["2026-02-01"]


def test_one_release_refuses_comma_lists() -> None:
    """With strict arrays a comma list gets the text that redcapAPI issue 59 recorded."""
    with Sandbox([trial()], behaviour=Behaviour(strict_arrays=True)) as sandbox:
        caller = Caller(sandbox.url, sandbox.tokens["REDCAP_API_SMALL_TRIAL"])
        response = caller.post(content="record", format="json", fields="record_id,sex")
        assert response.status_code == 400
        assert response.json()["error"] == (
            'The "fields" parameter has been provided with a value, but the value is not an array. '
            'The "fields" parameter must be provided as an array of one or more values.'
        )
        assert len(caller.export(fields=["record_id"])) == 4


def test_nothing_found_is_an_empty_answer(longitudinal: Caller) -> None:
    """No rows: csv is an empty body without a header, json an empty list."""
    assert longitudinal.post(content="record", format="csv", records=["999"]).text == ""
    assert longitudinal.export(records=["999"]) == []


def test_the_three_formats_say_the_same(longitudinal: Caller) -> None:
    """csv, json and xml hold the same cells; xml is the default."""
    by_json = [{k: str(v) for k, v in row.items()} for row in longitudinal.export()]
    by_csv = longitudinal.post(content="record", format="csv")
    assert list(csv.DictReader(io.StringIO(by_csv.text))) == by_json
    by_xml = longitudinal.post(content="record")
    items = ET.fromstring(by_xml.content).iter("item")  # noqa: S314 - our own answer
    assert [{cell.tag: cell.text or "" for cell in item} for item in items] == by_json
    assert by_xml.text.startswith('<?xml version="1.0" encoding="UTF-8" ?>\n<records>')


@pytest.mark.parametrize(
    ("form", "envelope"),
    [
        ({"format": "csv"}, "ERROR: {}"),
        ({"format": "json"}, '{{"error":"{}"}}'),
        ({}, '<?xml version="1.0" encoding="UTF-8" ?><hash><error>{}</error></hash>'),
        ({"format": "json", "returnFormat": "csv"}, "ERROR: {}"),
    ],
)
def test_unknown_fields_are_refused(
    longitudinal: Caller, form: dict[str, str], envelope: str
) -> None:
    """Status 400 and the text since 13.4.10, key columns included, in ``returnFormat``."""
    fields = ["record_id", "x", "redcap_event_name"]
    response = longitudinal.post(content="record", fields=fields, **form)
    message = (
        "The following values in the parameter \"fields\" are not valid: 'x', 'redcap_event_name'"
    )
    if envelope.startswith("{"):
        message = message.replace('"', '\\"')
    assert response.status_code == 400
    assert response.text == envelope.format(message)


def test_unknown_events_of_a_classic_project_are_ignored(classic: Caller) -> None:
    """A classic project does not look at ``events`` (REDCapR issue 492)."""
    classic.send([{"id": "1", "name": "A"}])
    assert len(classic.export(events=["nowhere"])) == 1


def test_a_classic_project_has_no_key_columns(classic: Caller) -> None:
    """No events, no repeating set-up: the record ID is the only key."""
    classic.send([{"id": "1", "name": "A", "langs___en": "1"}])
    assert classic.export() == [
        {"id": "1", "name": "A", "sex": "", "langs___en": "1", "people_complete": "0"}
    ]


def test_eav_has_a_line_per_value(longitudinal: Caller) -> None:
    """Blanks are left out; a ticked option has its code; untouched statuses are '0', at the end."""
    rows = longitudinal.export(type="eav", records=["10"], events=["start_arm_1"])
    assert list(rows[0]) == ["record", *KEYS[1:], "field_name", "value"]
    assert [(row["field_name"], row["value"]) for row in rows] == [
        ("record_id", "10"),
        ("born", "1990-01-31"),
        ("consent", "-4"),
        ("sex", "1"),
        ("enrolment_complete", "0"),
        ("visit_complete", "0"),
    ]
    gray = longitudinal.export(
        type="eav", records=["10"], events=["start_arm_1"], exportBlankForGrayFormStatus="1"
    )
    assert gray == rows[:5]


def test_labels_replace_codes(longitudinal: Caller) -> None:
    """rawOrLabel=label: choices, checkboxes, status, event, instrument and group in words."""
    rows = longitudinal.export(rawOrLabel="label", records=["10"], exportDataAccessGroups="1")
    start, _, drugs = rows[:3]
    assert start["redcap_event_name"] == "Start (Arm 1: Drug A)"
    assert (start["sex"], start["consent___1"], start["consent____4"]) == (
        "Female",
        "Unchecked",
        "Checked",
    )
    assert start["enrolment_complete"] == "Incomplete"
    assert start["redcap_data_access_group"] == "North Clinic"
    assert drugs["redcap_repeat_instrument"] == "Drugs taken"
    own = longitudinal.export(rawOrLabel="label", records=["10"], exportCheckboxLabel="true")[0]
    assert (own["consent___1"], own["consent____4"]) == ("", "Not asked")


def test_the_group_column_needs_groups_and_a_user_outside_them(server: Sandbox) -> None:
    """No column without groups in the project, nor for a user who is in one of them."""
    project = server.project(901)
    inside = Caller(server.url, project.add_user(user("nurse", dag="north_clinic")))
    rows = inside.export(exportDataAccessGroups="true")
    assert "redcap_data_access_group" not in rows[0]
    with Sandbox([trial(dags=False)]) as other:
        caller = Caller(other.url, other.tokens["REDCAP_API_SMALL_TRIAL"])
        assert "redcap_data_access_group" not in caller.export(exportDataAccessGroups="true")[0]


def test_the_group_column_needs_the_right_to_see_groups(server: Sandbox) -> None:
    """Without the Data Access Groups right: 400 and the recorded text."""
    guest = user("guest", data_access_groups=False)
    caller = Caller(server.url, server.project(901).add_user(guest))
    response = caller.post(content="record", format="json", exportDataAccessGroups="true")
    assert response.status_code == 400
    assert response.json()["error"] == (
        "Insufficient user privileges: You must have 'API Export' privileges and 'Data Access "
        "Groups' privileges in the project."
    )


def test_a_user_in_a_group_sees_its_records_only(server: Sandbox) -> None:
    """Other groups' records are not there at all."""
    token = server.project(901).add_user(user("nurse", dag="north_clinic"))
    assert {row["record_id"] for row in Caller(server.url, token).export()} == {"10"}


@pytest.mark.parametrize(
    ("logic", "records"),
    [
        ("[sex] = '1'", ["10"]),
        ("[consent(-4)] = '1'", ["10"]),
        ("[weight] > 70", ["2"]),
        ("[start_arm_1][sex] = '1' and [event-name] = 'week_1_arm_1'", ["10", "10", "10"]),
        ("[sex] = '7'", []),
    ],
)
def test_filter_logic_keeps_the_rows_where_it_is_true(
    longitudinal: Caller, logic: str, records: list[str]
) -> None:
    """Each row is judged by itself; another event's field is read from the same record."""
    rows = longitudinal.export(filterLogic=logic)
    assert [row["record_id"] for row in rows] == records


@pytest.mark.parametrize("logic", ["[sex = '1'", "[nowhere] = '1'", "[moon_arm_1][sex] = '1'"])
def test_filter_logic_that_makes_no_sense_is_refused(longitudinal: Caller, logic: str) -> None:
    """The help page promises an error message; its words are not recorded."""
    response = longitudinal.post(content="record", format="json", filterLogic=logic)
    assert response.status_code == 400
    assert "filterLogic" in response.json()["error"]


def test_headers_can_be_labels(longitudinal: Caller) -> None:
    """rawOrLabelHeaders=label in csv: options as ``(choice=…)``, every status is ``Complete?``."""
    text = longitudinal.post(
        content="record", format="csv", rawOrLabelHeaders="label", forms=["enrolment"]
    ).text
    assert text.splitlines()[0] == (
        '"Record ID","Event Name","Repeat Instrument","Repeat Instance","Date of birth",'
        '"Consent (choice=Study)","Consent (choice=Not asked)","Consent (choice=Unknown)",'
        "Sex,Weight,BMI,Photo,Phone,Complete?"
    )


def test_a_date_range_is_of_changes_in_server_time(server: Sandbox, longitudinal: Caller) -> None:
    """Records created or changed in the range; unchanged data leave no trace (REDCapR issue 515)."""
    whole_day = {
        "dateRangeBegin": "2026-11-22 00:00:00",
        "dateRangeEnd": "2026-11-22 23:59:59",
    }
    assert longitudinal.export(**whole_day) == []
    row = {"record_id": "2", "redcap_event_name": "start_arm_2"}
    longitudinal.send([row | {"sex": "2"}])
    assert longitudinal.export(**whole_day) == []
    longitudinal.send([row | {"sex": "1"}])
    assert {one["record_id"] for one in longitudinal.export(**whole_day)} == {"2"}
    assert longitudinal.export(dateRangeBegin="2026-11-22 12:30:01") == []
    bad = longitudinal.post(content="record", format="json", dateRangeBegin="22.11.2026")
    assert bad.status_code == 400


def test_csv_takes_another_delimiter(classic: Caller) -> None:
    """``csvDelimiter`` separates the cells; a value that holds it is quoted."""
    classic.send([{"id": "1", "name": "A;B"}])
    response = classic.post(content="record", format="csv", csvDelimiter=";", fields="id,name")
    assert response.text == 'id;name\n1;"A;B"\n'
