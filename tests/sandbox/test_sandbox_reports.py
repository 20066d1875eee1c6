"""Reports: their own columns, rows and options."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from sandbox_projects import Caller, trial

from redcap_jobs.sandbox.members import user
from redcap_jobs.sandbox.report import Report
from redcap_jobs.sandbox.server import Sandbox
from redcap_jobs.sandbox.store import RowKey

START = "start_arm_1"
KEYS = ["record_id", "redcap_event_name", "redcap_repeat_instrument", "redcap_repeat_instance"]
REPORTS = (
    Report(7, "Sexes", ("sex", "born"), "[sex] = '1'", with_dag=True),
    Report(8, "Everything", ("seen", "sex", "gone"), events=("week_1_arm_1", "gone_arm_1")),
    Report(9, "The north", ("sex",), dags=("north_clinic",)),
    Report(10, "Women's rows", ("felt", "sex"), "[sex] = '1'"),
    Report(11, "Women", ("felt", "sex"), "[sex] = '1'", attributes={"filter_type": "RECORD"}),
    Report(
        12,
        "Women's first week",
        ("felt", "sex"),
        "[sex] = '1'",
        events=("week_1_arm_1",),
        attributes={"filter_type": "RECORD"},
    ),
    Report(13, "Lines", ("drug",), attributes={"remove_line_breaks_in_values": "1"}),
    Report(14, "Lines kept", ("drug",), attributes={"remove_line_breaks_in_values": "0"}),
    Report(15, "Boxes", ("weight", "consent", "enrolment_complete"), combine_checkboxes=True),
    Report(16, "Broken", ("sex",), "[sex] = ("),
    Report(17, "Surveys", ("sex", "felt", "seen"), with_survey_fields=True),
    Report(18, "Numbers", ("weight", "consent"), events=("start_arm_2",)),
)


@pytest.fixture
def server() -> Iterator[Sandbox]:
    project = trial()
    project.change(reports={one.report_id: one for one in REPORTS})
    with Sandbox([project]) as sandbox:
        yield sandbox


@pytest.fixture
def caller(server: Sandbox) -> Caller:
    return Caller(server.url, server.project(901).token)


def report(caller: Caller, number: int, **parameters: str) -> list[dict[str, Any]]:
    answer = caller.post(content="report", format="json", report_id=str(number), **parameters)
    assert answer.status_code == 200, answer.text
    rows: list[dict[str, Any]] = answer.json()
    return rows


def places(rows: list[dict[str, Any]]) -> list[tuple[str, str, str]]:
    return [
        (row["record_id"], row["redcap_event_name"], row["redcap_repeat_instrument"])
        for row in rows
    ]


def test_a_report_has_its_own_columns_rows_and_group(caller: Caller) -> None:
    """Keys in front, then the report's fields in its order; its logic chooses the rows."""
    rows = caller.post(content="report", format="json", report_id="7").json()
    assert [list(row)[-3:] for row in rows] == [["redcap_data_access_group", "sex", "born"]]
    assert rows[0]["redcap_event_name"] == START
    words = caller.post(content="report", format="csv", report_id="7", rawOrLabel="label").text
    assert words.endswith('"North Clinic",Female,1990-01-31\n')


def test_a_report_limited_to_events_passes_over_fields_that_are_gone(caller: Caller) -> None:
    """A field deleted since is left out; rows are those of the report's events."""
    rows = caller.post(content="report", format="json", report_id="8").json()
    assert {row["redcap_event_name"] for row in rows} == {"week_1_arm_1"}
    assert list(rows[0])[-2:] == ["seen", "sex"]


@pytest.mark.parametrize("number", ["99", "", "x", "9" * 5000])
def test_an_unknown_report_is_refused(caller: Caller, number: str) -> None:
    """Own words, status 400."""
    assert caller.post(content="report", format="json", report_id=number).status_code == 400


def test_a_report_has_the_keys_and_its_fields_and_no_more(caller: Caller) -> None:
    """No column of form status unless it was chosen (phpcap's recorded report)."""
    assert list(report(caller, 9)[0]) == [*KEYS, "sex"]


def test_a_report_limited_to_groups(caller: Caller) -> None:
    """Only records of these groups."""
    assert {row["record_id"] for row in report(caller, 9)} == {"10"}


def test_a_report_whose_groups_are_gone_has_no_rows(caller: Caller) -> None:
    """What was limited never opens by itself: a deleted group shows nothing (own answer)."""
    assert caller.post(content="dag", action="delete", dags=["north_clinic"]).text == "1"
    assert {row["record_id"] for row in caller.export()} == {"10", "2"}
    assert report(caller, 9) == []
    assert caller.post(content="dag", action="delete", dags=["south_clinic"]).text == "1"
    assert report(caller, 9) == []


def test_a_report_follows_a_group_to_its_new_name(caller: Caller) -> None:
    """A renamed group is the same group under another unique name."""
    row = {"data_access_group_name": "The Far North", "unique_group_name": "north_clinic"}
    caller.post(content="dag", action="import", format="json", data=json.dumps([row]))
    assert {row["record_id"] for row in report(caller, 9)} == {"10"}


def test_a_report_whose_events_are_gone_has_no_rows(server: Sandbox, caller: Caller) -> None:
    """As with groups: own answer."""
    gone = replace(REPORTS[1], events=("gone_arm_1",))
    server.project(901).change(reports={8: gone})
    assert report(caller, 8) == []


ORDERS = [
    ({}, ["2", "10", "10", "11"]),
    ({"orderby_field1": "record_id", "orderby_sort1": "ASC"}, ["2", "10", "10", "11"]),
    ({"orderby_field1": "record_id", "orderby_sort1": "DESC"}, ["11", "10", "10", "2"]),
    ({"orderby_field1": "weight", "orderby_sort1": "ASC"}, ["10", "10", "11", "2"]),
    ({"orderby_field1": "weight", "orderby_sort1": "DESC"}, ["2", "11", "10", "10"]),
    ({"orderby_field1": "gone", "orderby_sort1": "DESC"}, ["2", "10", "10", "11"]),
    (
        {
            "orderby_field1": "sex",
            "orderby_sort1": "DESC",
            "orderby_field3": "weight",
            "orderby_sort3": "DESC",
        },
        ["2", "11", "10", "10"],
    ),
]


@pytest.mark.parametrize(("attributes", "records"), ORDERS)
def test_a_report_has_its_own_order(
    server: Sandbox, caller: Caller, attributes: dict[str, str], records: list[str]
) -> None:
    """Up to three fields of the project XML; numbers by value, blanks first when ascending."""
    project = server.project(901)
    with project.store.writing(None) as draft:
        draft.row("11", RowKey(START)).update({"sex": "2", "weight": "9"})
    events = ("start_arm_1", "start_arm_2", "week_1_arm_1")
    one = Report(30, "Ordered", ("sex", "weight", "felt"), "[sex] <> '' or [felt] <> ''", events)
    project.change(reports={30: replace(one, attributes=attributes)})
    assert [row["record_id"] for row in report(caller, 30)] == records


def test_rows_of_a_record_are_ordered_within_it(server: Sandbox, caller: Caller) -> None:
    """The record ID first, another field second: each row has its own place."""
    attributes = {
        "orderby_field1": "record_id",
        "orderby_sort1": "ASC",
        "orderby_field2": "drug",
        "orderby_sort2": "DESC",
    }
    one = Report(30, "Drugs", ("drug",), "[drug] <> ''", attributes=attributes)
    server.project(901).change(reports={30: one})
    assert [row["drug"] for row in report(caller, 30)] == ["B", "A"]


def test_a_user_in_a_group_gets_its_records_only(server: Sandbox) -> None:
    """A report opens no other group's records."""
    token = server.project(901).add_user(user("south", dag="south_clinic"))
    assert report(Caller(server.url, token), 9) == []
    assert {row["record_id"] for row in report(Caller(server.url, token), 8)} <= {"2"}


def test_the_logic_chooses_rows_or_whole_records(caller: Caller) -> None:
    """``filter_type`` RECORD of the project XML: all rows of each record that was found."""
    assert places(report(caller, 10)) == [("10", START, "")]
    whole = places(report(caller, 11))
    assert {record for record, _, _ in whole} == {"10"}
    assert [event for _, event, _ in whole] == [START, "week_1_arm_1", "diary_arm_1"]


def test_events_limit_whole_records_too(caller: Caller) -> None:
    """Recorded from phpcap's report, which has events and filter type RECORD."""
    assert places(report(caller, 12)) == [("10", "week_1_arm_1", "")]


@pytest.mark.parametrize(("number", "shown"), [(13, "a  b  c"), (14, "a\nb\r\nc")])
def test_a_report_may_remove_line_ends(
    server: Sandbox, caller: Caller, number: int, shown: str
) -> None:
    """Two blanks for each (recorded by REDCapR); only where the report says so."""
    with server.project(901).store.writing(None) as draft:
        draft.row("10", RowKey("week_1_arm_1", "drugs", 1))["drug"] = "a\nb\r\nc"
    (row,) = [
        one
        for one in report(caller, number)
        if (one["redcap_repeat_instrument"], one["redcap_repeat_instance"]) == ("drugs", 1)
    ]
    assert row["drug"] == shown


def test_a_report_may_combine_checkboxes(caller: Caller) -> None:
    """One column with the field's name, where the report has it so."""
    assert list(report(caller, 15)[0]) == [*KEYS, "weight", "consent", "enrolment_complete"]


def test_checkboxes_have_a_column_per_option(caller: Caller) -> None:
    """Recorded from phpcap's report: gym___0 to gym___4 where gym stands."""
    options = ["consent___1", "consent____4", "consent____99"]
    assert list(report(caller, 18)[0]) == [*KEYS, "weight", *options]


def test_a_surveys_time_stamp_stands_before_its_first_column(
    server: Sandbox, caller: Caller
) -> None:
    """In the report's order as in the dictionary's."""
    project = server.project(901)
    forms = tuple(
        replace(one, survey=one.name in ("visit", "enrolment")) for one in project.structure.forms
    )
    project.change(structure=replace(project.structure, forms=forms))
    assert list(report(caller, 17)[0])[len(KEYS) :] == [
        *("redcap_survey_identifier", "enrolment_timestamp", "sex"),
        *("visit_timestamp", "felt", "seen"),
    ]


def test_labels_headers_delimiter_and_decimal_character(caller: Caller) -> None:
    """The parameters of a record export that the API help gives to reports."""
    text = caller.post(
        content="report",
        format="csv",
        report_id="18",
        rawOrLabel="label",
        rawOrLabelHeaders="label",
        csvDelimiter=";",
        decimalCharacter=",",
        exportCheckboxLabel="true",
    ).text
    header, row = text.splitlines()
    assert header.startswith('"Record ID";"Event Name";')
    assert "70,5" in row.split(";")


def test_what_a_report_does_not_take(caller: Caller) -> None:
    """``type=eav``, fields and records of the call say nothing: always flat (REDCapR #326)."""
    plain = report(caller, 10)
    assert report(caller, 10, type="eav", fields="born", records="2", filterLogic="1=2") == plain


def test_a_report_whose_logic_cannot_be_read_is_refused_and_not_logged(caller: Caller) -> None:
    """400, own words."""
    assert caller.post(content="report", format="json", report_id="16").status_code == 400
    assert caller.post(content="log", format="json", logtype="export").json() == []


def test_a_report_is_in_the_log(caller: Caller) -> None:
    """Every export leaves a row."""
    report(caller, 10)
    (row,) = caller.post(content="log", format="json", logtype="export").json()
    assert (row["action"], row["details"]) == ("Data export (API)", "report_id: 10")


def test_reports_need_their_right(server: Sandbox) -> None:
    """``reports``: 403 (own answer)."""
    guest = Caller(server.url, server.project(901).add_user(user("guest", reports=0)))
    assert guest.post(content="report", format="json", report_id="7").status_code == 403


def test_groups_are_left_out_for_who_may_not_see_them(server: Sandbox) -> None:
    """The report asks for them, not the call, so that nothing is refused: own answer."""
    token = server.project(901).add_user(user("guest", data_access_groups=0))
    rows = report(Caller(server.url, token), 7)
    assert rows
    assert all("redcap_data_access_group" not in row for row in rows)
