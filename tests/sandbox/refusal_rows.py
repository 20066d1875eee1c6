"""Refusals recorded from real servers, but for those of imports: what is asked, what is answered.

Rows without an ``own`` mark have status and text as somebody recorded them, the source in the
row's name; ``own`` says what of it nobody recorded and this sandbox decides itself.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from redcap_jobs.sandbox.store import RowKey

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
    read_only: str = ""
    lock: tuple[RowKey, str] | None = None
    own: str = ""
    formats: tuple[str, ...] = ("csv", "json", "xml")


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
        "filterLogic that cannot be read (API help: an error message)",
        'The value of the parameter "filterLogic" is not valid: logic: character 5: found the end, '
        'expected "(", "]" or ":"',
        {**EXPORT, "filterLogic": "[sex"},
        own="status and text",
    ),
    Refused(
        "unknown export event of a longitudinal project",
        "The following values in the parameter \"events\" are not valid: 'nowhere'",
        {**EXPORT, "events[0]": "nowhere"},
        own="status and text",
    ),
    Refused(
        "no file to download (compared with by two clients)",
        "There is no file to download for this record",
        {
            "content": "file",
            "action": "export",
            "record": "10",
            "field": "photo",
            "event": START,
        },
        own="status",
    ),
    Refused(
        "deleting a locked form",
        "One or more of the records provided cannot be deleted because they are locked or have "
        "locked forms. The following records are locked: 10",
        {"content": "record", "action": "delete", "records[0]": "2", "records[1]": "10"},
        lock=(RowKey(START), "enrolment"),
        own="status and text",
    ),
]
