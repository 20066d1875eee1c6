"""Every refusal recorded from a real server, asked for raw (no client) in the three formats.

Rows without an ``own`` mark have status and text as somebody recorded them, the source in the
row's name; ``own`` says what of it nobody recorded and this sandbox decides itself.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from xml.sax.saxutils import escape

import pytest
import requests
from sandbox_projects import Caller, registry, trial

from redcap_jobs.sandbox.members import user
from redcap_jobs.sandbox.project import SandboxProject, Settings
from redcap_jobs.sandbox.server import Sandbox
from redcap_jobs.sandbox.store import RowKey

XML = '<?xml version="1.0" encoding="UTF-8" ?>'
START = "start_arm_1"
NO_TOKEN = "0" * 32
SUPER = "AB" * 32


@dataclass(frozen=True)
class Refused:
    """One call and its answer; ``rows`` are sent as data in the format asked for."""

    name: str
    text: str
    call: dict[str, str]
    rows: list[dict[str, str]] = field(default_factory=list)
    status: int = 400
    project: int = 901
    token: str = ""
    rights: dict[str, int] = field(default_factory=dict)
    dag: str = ""
    lock: tuple[RowKey, str] | None = None
    own: str = ""
    formats: tuple[str, ...] = ("csv", "json", "xml")


def imported(**cells: str) -> list[dict[str, str]]:
    return [{"record_id": "10", "redcap_event_name": START, **cells}]


IMPORT = {"content": "record", "type": "flat"}
EXPORT = {"content": "record"}
ROWS = [
    Refused(
        "bad token (REDCapR)",
        "You do not have permissions to use the API",
        {"content": "version"},
        status=403,
        token=NO_TOKEN,
    ),
    Refused(
        "no export right",
        "You do not have API Export privileges",
        EXPORT,
        status=403,
        rights={"api_export": 0},
    ),
    Refused(
        "no import right (REDCapR)",
        "You do not have API Import/Update privileges",
        IMPORT,
        imported(sex="1"),
        status=403,
        rights={"api_import": 0},
    ),
    Refused(
        "no delete right (REDCapR)",
        "You do not have Delete Record privileges",
        {"content": "record", "action": "delete", "records[0]": "10"},
        status=403,
        rights={"record_delete": 0},
    ),
    Refused(
        "groups without the right (redcapAPI 365, REDCapR 558)",
        "Insufficient user privileges: You must have 'API Export' privileges and 'Data Access "
        "Groups' privileges in the project.",
        {**EXPORT, "exportDataAccessGroups": "true"},
        rights={"data_access_groups": 0},
    ),
    Refused(
        "groups themselves without the right (REDCapR 558)",
        "Insufficient user privileges: You must have 'API Export' privileges and 'Data Access "
        "Groups' privileges in the project.",
        {"content": "dag"},
        rights={"data_access_groups": 0},
    ),
    Refused(
        "bad content",
        'The value of the parameter "content" is not valid',
        {"content": "nonsense"},
        own="status",
    ),
    Refused(
        "missing content",
        'The value of the parameter "content" is not valid',
        {},
        own="status",
    ),
    Refused(
        "unknown export field (redcapAPI 231, 267)",
        "The following values in the parameter \"fields\" are not valid: 'x'",
        {**EXPORT, "fields[0]": "x"},
    ),
    Refused(
        "a key column as export field (REDCapR NEWS)",
        "The following values in the parameter \"fields\" are not valid: 'redcap_event_name'",
        {**EXPORT, "fields": "redcap_event_name"},
    ),
    Refused(
        "a survey's time stamp as export field (redcapcustodian 130)",
        "The following values in the parameter \"fields\" are not valid: 'visit_timestamp'",
        {**EXPORT, "fields": "visit_timestamp"},
    ),
    Refused(
        "arms of a classic project (REDCapR)",
        "You cannot export arms for classic projects",
        {"content": "arm"},
        project=902,
    ),
    Refused(
        "events of a classic project (REDCapR)",
        "You cannot export events for classic projects",
        {"content": "event"},
        project=902,
    ),
    Refused(
        "mappings of a classic project (REDCapR)",
        "You cannot export form/event mappings for classic projects",
        {"content": "formEventMapping"},
        project=902,
    ),
    Refused(
        "nothing repeats (REDCapR)",
        "You cannot export repeating instruments and events because the project does not contain "
        "any repeating instruments and events",
        {"content": "repeatingFormsEvents"},
        project=902,
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
        "delete an unknown record (REDCapR)",
        "One or more of the records provided cannot be deleted because they do not exist in the "
        "project. The following records do not exist: 1",
        {"content": "record", "action": "delete", "records[0]": "1"},
    ),
    Refused(
        "survey link of an unknown record (REDCapR)",
        'The record "-1" does not exist',
        {"content": "surveyLink", "record": "-1", "instrument": "visit", "event": START},
    ),
    Refused(
        "file of a bad field (REDCapR)",
        "The field 'mugshotttttt' does not exist or is not a 'file' field",
        {"content": "file", "action": "export", "record": "2", "field": "mugshotttttt"},
    ),
    Refused(
        "file on a bad event (PyCap 117)",
        "invalid event",
        {
            "content": "file",
            "action": "export",
            "record": "2",
            "field": "photo",
            "event": "nowhere",
        },
    ),
    Refused(
        "no file to delete (redcapy)",
        "There is no file to delete for this record",
        {
            "content": "file",
            "action": "delete",
            "record": "10",
            "field": "photo",
            "event": START,
        },
        own="status",
    ),
    Refused(
        "no such repository folder (REDCapR)",
        "The File Repository folder folder_id=99 does not exist or else you do not have permission "
        "to that folder because it is DAG-restricted or Role-restricted.",
        {"content": "fileRepository", "action": "list", "folder_id": "99"},
    ),
    Refused(
        "project without a purpose's text (REDCap.jl)",
        "You must provide some text for 'purpose_other' since you specified 'purpose' as '1' "
        "(Other).",
        {"content": "project"},
        [{"project_title": "New", "purpose": "1"}],
        token=SUPER,
        own="status",
    ),
    Refused(
        "a comma list on a strict server (redcapAPI 59)",
        'The "fields" parameter has been provided with a value, but the value is not an array. The '
        '"fields" parameter must be provided as an array of one or more values.',
        {**EXPORT, "fields": "sex"},
        own="behaviour",
    ),
    Refused(
        "creating records without the right (redcap_rsvc)",
        "Your user privileges do NOT allow you to create new records.",
        IMPORT,
        [{"record_id": "77", "redcap_event_name": START, "sex": "1"}],
        rights={"record_create": 0},
        own="status",
    ),
]


def project_for(row: Refused) -> SandboxProject:
    project = trial() if row.project == 901 else registry()
    forms = tuple(replace(form, survey=form.name == "visit") for form in project.structure.forms)
    project.change(
        structure=replace(project.structure, forms=forms), settings=Settings(surveys_enabled=True)
    )
    if row.lock:
        with project.store.writing(None) as draft:
            draft.set_locks("10", frozenset({row.lock}))
    return project


def data_of(rows: list[dict[str, str]], format_: str) -> str:
    if format_ == "json":
        return json.dumps(rows)
    if format_ == "csv":
        lines = [list(rows[0]), *(list(row.values()) for row in rows)]
        return "\n".join(",".join(f'"{cell}"' for cell in line) for line in lines)
    items = (
        "".join(f"<{name}>{escape(value)}</{name}>" for name, value in row.items()) for row in rows
    )
    return f"<records>{''.join(f'<item>{item}</item>' for item in items)}</records>"


def envelope(text: str, format_: str) -> str:
    """Return the error as the API help writes it in each format."""
    if format_ == "json":
        return json.dumps({"error": text}, separators=(",", ":"))
    return (
        f"ERROR: {text}" if format_ == "csv" else f"{XML}<hash><error>{escape(text)}</error></hash>"
    )


CASES = [(row, format_) for row in ROWS for format_ in row.formats]


@pytest.mark.parametrize(("row", "format_"), CASES, ids=[f"{r.name}-{f}" for r, f in CASES])
def test_a_refusal_has_the_recorded_status_and_text(row: Refused, format_: str) -> None:
    """To the letter, whole body; and nothing of the data has changed."""
    project = project_for(row)
    token = row.token or project.add_user(user("somebody", dag=row.dag, **row.rights))
    with Sandbox([project], super_token=SUPER) as sandbox:
        if row.own == "behaviour":
            sandbox.api.behaviour = replace(sandbox.api.behaviour, strict_arrays=True)
        before = project.digest()
        form = {"token": token, "format": format_, "returnFormat": format_, **row.call}
        if row.rows:
            form["data"] = data_of(row.rows, format_)
        answer = requests.post(sandbox.url, data=form, timeout=10)
        assert (answer.status_code, answer.text) == (row.status, envelope(row.text, format_))
        assert project.digest() == before


@pytest.fixture
def caller() -> Iterator[Caller]:
    with Sandbox([trial(), registry()]) as sandbox:
        yield Caller(sandbox.url, sandbox.project(901).token)


def test_what_looks_like_a_mistake_and_is_none(caller: Caller) -> None:
    """200 each: an object instead of a list, no event name, only id and event (recorded)."""
    single = caller.post(content="record", format="json", data='{"record_id":"10","sex":"2"}')
    assert (single.status_code, single.text) == (200, '{"count":0}')
    assert caller.export(records=["10"], fields=["sex"])[0]["sex"] == "1"
    first = caller.send([{"record_id": "55", "sex": "2"}])
    assert (first.status_code, first.text) == (200, '{"count":1}')
    (row,) = caller.export(records=["55"], fields=["record_id", "sex"])
    assert (row["redcap_event_name"], row["sex"]) == (START, "2")
    keys = [{"record_id": "56", "redcap_event_name": START}]
    assert caller.send(keys, returnContent="ids").json() == ["56"]
    assert caller.export(records=["56"]) == []
