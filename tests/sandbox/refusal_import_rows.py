"""Refusals of record imports; see ``refusal_rows``."""

from __future__ import annotations

from refusal_rows import START, Refused

from redcap_jobs.sandbox.store import RowKey

IMPORT = {"content": "record", "type": "flat"}


def imported(**cells: str) -> list[dict[str, str]]:
    return [{"record_id": "10", "redcap_event_name": START, **cells}]


ROWS = [
    Refused(
        "no import right (REDCapR)",
        "You do not have API Import/Update privileges",
        IMPORT,
        imported(sex="1"),
        status=403,
        rights={"api_import": 0},
    ),
    Refused(
        "JSON that is none",
        "The data being imported is not formatted correctly. PHP error from JSON decoder: Syntax "
        "error. The JSON must be in an array, as in [{ ... }].",
        {**IMPORT, "data": "[{"},
        formats=("json",),
    ),
    Refused(
        "csv as xml (REDCap.jl)",
        "The data is not in the specified format.",
        {**IMPORT, "data": "record_id,sex\n10,1"},
        own="status",
        formats=("xml",),
    ),
    Refused(
        "unknown import fields (PyCap 20, 151)",
        "The following fields were not found in the project as real data fields: foo, baz",
        IMPORT,
        imported(foo="1", baz="2"),
    ),
    Refused(
        "unknown import events",
        "The following values of redcap_event_name are invalid: visit_11_arm_1, visit_12_arm_1",
        IMPORT,
        [
            {"record_id": "10", "redcap_event_name": f"visit_{number}_arm_1", "sex": "1"}
            for number in (11, 12)
        ],
    ),
    Refused(
        "invalid choices, a line per value",
        '"10","sex","01234","The value is not a valid category for sex"\n'
        '"2","felt","7","The value is not a valid category for felt"',
        IMPORT,
        [
            {"record_id": "10", "redcap_event_name": START, "sex": "01234", "felt": ""},
            {"record_id": "2", "redcap_event_name": "week_1_arm_2", "sex": "", "felt": "7"},
        ],
    ),
    Refused(
        "wrong format (PyCap 154, 138)",
        '"10","born","yesterday","The value you provided could not be validated because it does '
        'not follow the expected format. Please try again."',
        IMPORT,
        imported(born="yesterday"),
    ),
    Refused(
        "field not on this event (PyCap 142, redcapAPI PR 348)",
        '"10","slept","2","This field (\'slept\') exists on an instrument that is not '
        "designated for the event named 'Start (Arm 1: Drug A)'. You are not allowed to import "
        'data for this field into this event."',
        IMPORT,
        imported(slept="2"),
    ),
    Refused(
        "bad repeating instrument (PyCap 154): two lines for one row",
        '"10","redcap_repeat_instrument","visit","redcap_repeat_instrument must be the unique '
        "form name of a Repeating Instrument. It currently does not match the unique form name of "
        "any Repeating Instruments.  Please fix this in the data import file and try "
        'again."\n"10","redcap_repeat_instance","3","redcap_repeat_instance cannot have a value '
        "since this instrument or event is not a repeating instrument or repeating event, "
        "respectively.  The redcap_repeat_instance field must be left blank for this row of "
        'data."',
        IMPORT,
        imported(redcap_repeat_instrument="visit", redcap_repeat_instance="3", seen="2026-01-01"),
    ),
    Refused(
        "instance where nothing repeats (PyCap 154)",
        '"10","redcap_repeat_instance","2","redcap_repeat_instance cannot have a value since this '
        "instrument or event is not a repeating instrument or repeating event, respectively.  The "
        'redcap_repeat_instance field must be left blank for this row of data."',
        IMPORT,
        imported(redcap_repeat_instrument="", redcap_repeat_instance="2", sex="1"),
    ),
    Refused(
        "instance that is no number (INTERPOLAR 917)",
        "The record name (10) has an invalid value for 'redcap_repeat_instance'. The value must "
        "either be a positive integer or the value 'new'. Value provided: x",
        IMPORT,
        [
            {
                "record_id": "10",
                "redcap_event_name": "week_1_arm_1",
                "redcap_repeat_instrument": "drugs",
                "redcap_repeat_instance": "x",
                "drug": "A",
            }
        ],
    ),
    Refused(
        "repeating form without instance (INTERPOLAR 308)",
        '"10","drug","A","This field (\'drug\') exists on a Repeating Instrument named '
        "'drugs'. However, the fields 'redcap_repeat_instance' and/or 'redcap_repeat_instrument' "
        "for this row of data have no value, which are both required for importing data into a "
        "Repeating Instrument.  You are not allowed to import data for this field into a "
        'non-repeating instrument."',
        IMPORT,
        [{"record_id": "10", "redcap_event_name": "week_1_arm_1", "drug": "A"}],
    ),
    Refused(
        "locked form (ABCD)",
        '"10","sex","2","This field is located on a form that is locked. You must first unlock '
        'this form for this record."',
        IMPORT,
        imported(sex="2"),
        lock=(RowKey(START), "enrolment"),
    ),
    Refused(
        "locked record (redcap_rsvc)",
        '"10","sex","2","This record has been locked at the record level. No value within this '
        'record can be modified."',
        IMPORT,
        imported(sex="2"),
        lock=(RowKey(), ""),
        own="status",
    ),
    Refused(
        "group column of a user in a group (redcap_rsvc)",
        "Illegal use of 'redcap_data_access_group' field!",
        IMPORT,
        imported(redcap_data_access_group="north_clinic"),
        dag="north_clinic",
        own="status",
    ),
    Refused(
        "creating records without the right (redcap_rsvc)",
        "Your user privileges do NOT allow you to create new records.",
        IMPORT,
        [{"record_id": "77", "redcap_event_name": START, "sex": "1"}],
        rights={"record_create": 0},
        own="status",
    ),
    Refused(
        "too few decimals (redcapAPI 217)",
        '"10","dose_1dp","22","The value you provided could not be validated because it does not '
        'follow the expected format. Please try again."',
        IMPORT,
        imported(dose_1dp="22"),
    ),
    Refused(
        "JSON as xml",
        "The data is not in the specified format.",
        {**IMPORT, "data": '[{"record_id":"10"}]'},
        own="status",
        formats=("xml",),
    ),
    Refused(
        "csv with a line too short",
        "The data is not in the specified format.",
        {**IMPORT, "data": "record_id,sex\n10"},
        own="status and text",
        formats=("csv",),
    ),
    Refused(
        "csv as JSON",
        "The data being imported is not formatted correctly. PHP error from JSON decoder: Syntax "
        "error. The JSON must be in an array, as in [{ ... }].",
        {**IMPORT, "data": "record_id,sex\n10,1"},
        formats=("json",),
    ),
    Refused(
        "values of a form that one may only read",
        '"10","sex","2","You do not have edit rights to the instrument of this field"',
        IMPORT,
        imported(sex="2"),
        read_only="enrolment",
        own="status and text",
    ),
]
