"""One check for every public name of PyCap's ``Project``: what a user of it would expect back.

Each check is given the PyCap project and the format to ask for; it raises if anything is odd.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from xml.etree import ElementTree as ET

import pandas as pd

ALL = ("json", "csv", "xml", "df")
NO_FRAME = ("json", "csv", "xml")
NONE = ("",)
NO_CSV = ("json", "xml")
"""Of two methods: with csv as the format for errors PyCap 2.7 fails in itself, whatever comes."""
FIRST, SECOND = "start_arm_1", "week_1_arm_1"
REPORT = "9010"


@dataclass(frozen=True)
class Check:
    """A check, and the formats that the method offers ('' where it offers none)."""

    run: Callable[[Any, str], None]
    formats: tuple[str, ...]


CHECKS: dict[str, Check] = {}


def check(name: str, *formats: str) -> Callable[[Callable[[Any, str], None]], None]:
    """Enter a check under the method's name."""

    def enter(run: Callable[[Any, str], None]) -> None:
        assert name not in CHECKS
        CHECKS[name] = Check(run, formats or NONE)

    return enter


def rows_of(answer: Any, format_: str) -> list[dict[str, str]]:
    """Return the rows of an export in any format, every cell as text."""
    if format_ == "json":
        assert isinstance(answer, list), answer
        return [{name: str(cell) for name, cell in row.items()} for row in answer]
    if format_ == "csv":
        return list(csv.DictReader(io.StringIO(answer)))
    if format_ == "xml":
        root = ET.fromstring(answer)  # noqa: S314 - our own server's answer
        return [{cell.tag: cell.text or "" for cell in item} for item in root]
    assert isinstance(answer, pd.DataFrame)
    frame = answer if answer.index.names == [None] else answer.reset_index()
    return [
        {str(name): "" if pd.isna(cell) else plain(cell) for name, cell in row.items()}
        for row in frame.to_dict("records")
    ]


def plain(cell: Any) -> str:
    """Return a cell of a frame as REDCap wrote it: pandas makes 1.0 of a 1 beside blanks."""
    return str(int(cell)) if isinstance(cell, float) and cell.is_integer() else str(cell)


def column(answer: Any, format_: str, name: str) -> list[str]:
    """Return one column of an export."""
    return [row[name] for row in rows_of(answer, format_)]


def number(answer: Any) -> int:
    """Return an import's or deletion's number, in whatever format it came."""
    if isinstance(answer, dict):
        return int(answer["count"])
    text = str(answer).rpartition("?>")[2]
    return int("".join(sign for sign in text if sign.isdigit()))


def sent(rows: list[dict[str, Any]], format_: str) -> dict[str, Any]:
    """Return PyCap's arguments for an import of rows in a format; the answer comes in it, too."""
    if format_ == "json":
        return {"to_import": rows, "import_format": "json"}
    frame = pd.DataFrame(rows)
    if format_ == "df":
        return {"to_import": frame.set_index(frame.columns[0]), "import_format": "df"}
    if format_ == "csv":
        text = frame.to_csv(index=False)
    else:
        cells = ("".join(f"<{k}><![CDATA[{v}]]></{k}>" for k, v in row.items()) for row in rows)
        text = "<rows>" + "".join(f"<item>{one}</item>" for one in cells) + "</rows>"
    return {"to_import": text, "import_format": format_, "return_format_type": format_}


@check("url")
def _url(project: Any, _: str) -> None:
    assert project.url.endswith("/api/")


@check("token")
def _token(project: Any, _: str) -> None:
    assert len(project.token) == 32


@check("metadata")
def _metadata_property(project: Any, _: str) -> None:
    assert [row["field_name"] for row in project.metadata][:2] == ["record_id", "born"]


@check("field_names")
def _field_names(project: Any, _: str) -> None:
    assert "weight" in project.field_names


@check("forms")
def _forms(project: Any, _: str) -> None:
    assert set(project.forms) == {"enrolment", "visit", "drugs", "diary"}


@check("def_field")
def _def_field(project: Any, _: str) -> None:
    assert project.def_field == "record_id"


@check("is_longitudinal")
def _is_longitudinal(project: Any, _: str) -> None:
    assert project.is_longitudinal is True


@check("redcap_version")
def _redcap_version(project: Any, _: str) -> None:
    assert project.redcap_version.major == 14


@check("export_version")
def _export_version(project: Any, _: str) -> None:
    assert str(project.export_version()).startswith("14.9")


@check("export_project_info", *ALL)
def _project_info(project: Any, format_: str) -> None:
    answer = project.export_project_info(format_type=format_)
    if format_ == "json":
        assert answer["project_id"] == 901
        assert answer["in_production"] == 0
        return
    if format_ == "xml":
        assert "<project_title><![CDATA[Small Trial]]></project_title>" in answer
        return
    assert column(answer, format_, "project_title") == ["Small Trial"]


@check("export_metadata", *ALL)
def _metadata(project: Any, format_: str) -> None:
    answer = project.export_metadata(format_type=format_, fields=["sex"], forms=["diary"])
    assert column(answer, format_, "field_name") == ["sex", "slept"]


@check("import_metadata", *ALL)
def _import_metadata(project: Any, format_: str) -> None:
    rows = project.export_metadata()
    rows.append({**rows[-1], "field_name": "woke", "field_label": "Woke at"})
    assert number(project.import_metadata(**sent(rows, format_))) == len(rows)
    assert project.export_metadata(fields=["woke"])[0]["field_label"] == "Woke at"


@check("export_field_names", *ALL)
def _export_field_names(project: Any, format_: str) -> None:
    answer = project.export_field_names(format_type=format_, field="consent")
    options = ["consent___1", "consent____4", "consent____99"]
    assert column(answer, format_, "export_field_name") == options


@check("export_instruments", *ALL)
def _instruments(project: Any, format_: str) -> None:
    answer = project.export_instruments(format_type=format_)
    assert column(answer, format_, "instrument_label")[2] == "Drugs taken"


@check("export_pdf")
def _pdf(project: Any, _: str) -> None:
    content, facts = project.export_pdf(record="10", event=FIRST, instrument="enrolment")
    assert content.startswith(b"%PDF-")
    assert "name" in facts


@check("export_arms", *ALL)
def _arms(project: Any, format_: str) -> None:
    answer = project.export_arms(format_type=format_)
    assert column(answer, format_, "name") == ["Drug A", "Drug B"]


@check("import_arms", *ALL)
def _import_arms(project: Any, format_: str) -> None:
    renamed = [{"arm_num": "1", "name": "Drug C"}]
    assert number(project.import_arms(**sent(renamed, format_))) == 1
    assert project.export_arms()[0] == {"arm_num": 1, "name": "Drug C"}


@check("delete_arms", *NO_FRAME)
def _delete_arms(project: Any, format_: str) -> None:
    assert number(project.delete_arms(["2"], return_format_type=format_)) == 1
    assert [arm["arm_num"] for arm in project.export_arms()] == [1]


@check("export_events", *ALL)
def _events(project: Any, format_: str) -> None:
    answer = project.export_events(format_type=format_, arms=["2"])
    assert column(answer, format_, "unique_event_name") == ["start_arm_2", "week_1_arm_2"]


@check("import_events", *ALL)
def _import_events(project: Any, format_: str) -> None:
    new = [{"event_name": "XYZ", "arm_num": "2"}]
    assert number(project.import_events(**sent(new, format_))) == 1
    assert "xyz_arm_2" in [row["unique_event_name"] for row in project.export_events()]


@check("delete_events", *NO_FRAME)
def _delete_events(project: Any, format_: str) -> None:
    assert number(project.delete_events(["diary_arm_1"], return_format_type=format_)) == 1
    assert "diary_arm_1" not in [row["unique_event_name"] for row in project.export_events()]


@check("export_instrument_event_mappings", *ALL)
def _mappings(project: Any, format_: str) -> None:
    answer = project.export_instrument_event_mappings(format_type=format_, arms=["2"])
    assert column(answer, format_, "form") == ["enrolment", "visit"]


@check("import_instrument_event_mappings", *ALL)
def _import_mappings(project: Any, format_: str) -> None:
    rows = project.export_instrument_event_mappings()[1:]
    assert number(project.import_instrument_event_mappings(**sent(rows, format_))) == len(rows)
    assert project.export_instrument_event_mappings() == rows


@check("export_repeating_instruments_events", *ALL)
def _repeating(project: Any, format_: str) -> None:
    answer = project.export_repeating_instruments_events(format_type=format_)
    assert column(answer, format_, "form_name") == ["drugs", ""]


@check("import_repeating_instruments_events", *ALL)
def _import_repeating(project: Any, format_: str) -> None:
    rows = [{"event_name": SECOND, "form_name": "visit", "custom_form_label": "[seen]"}]
    assert number(project.import_repeating_instruments_events(**sent(rows, format_))) == 1
    assert project.export_repeating_instruments_events() == rows


@check("export_records", *ALL)
def _records(project: Any, format_: str) -> None:
    answer = project.export_records(
        format_type=format_,
        records=["10"],
        fields=["sex", "seen"],
        events=[FIRST, SECOND],
        export_data_access_groups=True,
    )
    rows = rows_of(answer, format_)
    assert [row["redcap_event_name"] for row in rows][:2] == [FIRST, SECOND]
    assert (rows[0]["sex"], rows[1]["seen"]) == ("1", "2026-02-01")
    assert rows[0]["redcap_data_access_group"] == "north_clinic"
    lines = project.export_records(format_type=format_, record_type="eav", fields=["sex"])
    assert "sex" in column(lines, format_, "field_name")
    future = datetime(2099, 1, 1)  # noqa: DTZ001 - REDCap's own time has no zone
    if format_ == "json":
        assert project.export_records(date_begin=future) == []
        assert len(project.export_records(filter_logic="[sex] = '2'")) == 1


@check("import_records", *ALL)
def _import_records(project: Any, format_: str) -> None:
    rows = [{"record_id": "77", "redcap_event_name": FIRST, "sex": "2"}]
    assert number(project.import_records(**sent(rows, format_))) == 1
    assert project.export_records(records=["77"], fields=["sex"])[0]["sex"] == "2"


@check("delete_records", *NO_FRAME)
def _delete_records(project: Any, format_: str) -> None:
    assert number(project.delete_records(["2"], return_format_type=format_)) == 1
    assert {row["record_id"] for row in project.export_records()} == {"10"}


@check("generate_next_record_name")
def _next_name(project: Any, _: str) -> None:
    assert project.generate_next_record_name() == "11"


@check("export_report", *ALL)
def _report(project: Any, format_: str) -> None:
    answer = project.export_report(REPORT, format_type=format_)
    assert "1" in column(answer, format_, "sex")


@check("export_logging", *ALL)
def _logging(project: Any, format_: str) -> None:
    project.import_records([{"record_id": "10", "redcap_event_name": FIRST, "sex": "2"}])
    answer = project.export_logging(format_type=format_, log_type="record", record="10")
    rows = rows_of(answer, format_)
    assert {row["username"] for row in rows} == {"data_manager"}
    assert "10" in rows[0]["action"]


@check("export_file")
def _file(project: Any, _: str) -> None:
    content, facts = project.export_file("2", "photo", event="start_arm_2")
    assert content == b"a photo"
    assert facts["name"] == "me.jpg"


@check("import_file")
def _import_file(project: Any, _: str) -> None:
    project.import_file("10", "photo", "new.txt", io.BytesIO(b"new"), event=FIRST)
    assert project.export_file("10", "photo", event=FIRST)[0] == b"new"


@check("delete_file")
def _delete_file(project: Any, _: str) -> None:
    project.delete_file("2", "photo", event="start_arm_2")
    assert project.export_records(records=["2"], fields=["photo"])[0]["photo"] == ""


def new_folder(project: Any, format_: str = "json") -> Any:
    """Make a folder."""
    return project.create_folder_in_repository(
        "Consent", format_type=format_, return_format_type=format_
    )


@check("create_folder_in_repository", *NO_FRAME)
def _folder(project: Any, format_: str) -> None:
    (folder,) = rows_of(new_folder(project, format_), format_)
    assert int(folder["folder_id"]) > 0


@check("export_file_repository", *NO_FRAME)
def _repository(project: Any, format_: str) -> None:
    new_folder(project)
    answer = project.export_file_repository(format_type=format_, return_format_type=format_)
    assert column(answer, format_, "name") == ["Consent"]


def stored(project: Any) -> tuple[int, int]:
    """Put a file into a new folder; returns folder and document."""
    folder = new_folder(project)[0]["folder_id"]
    project.import_file_into_repository("form.txt", io.BytesIO(b"form"), folder_id=folder)
    (document,) = project.export_file_repository(folder_id=folder)
    return folder, document["doc_id"]


@check("import_file_into_repository")
def _into_repository(project: Any, _: str) -> None:
    folder, _document = stored(project)
    assert project.export_file_repository(folder_id=folder)[0]["name"] == "form.txt"


@check("export_file_from_repository", *NO_CSV)
def _from_repository(project: Any, format_: str) -> None:
    _folder, document = stored(project)
    content, facts = project.export_file_from_repository(document, return_format_type=format_)
    assert (content, facts["name"]) == (b"form", "form.txt")


@check("delete_file_from_repository", *NO_CSV)
def _delete_from_repository(project: Any, format_: str) -> None:
    folder, document = stored(project)
    project.delete_file_from_repository(document, return_format_type=format_)
    assert project.export_file_repository(folder_id=folder) == []


@check("export_survey_link")
def _survey_link(project: Any, _: str) -> None:
    link = project.export_survey_link("10", "visit", event=SECOND)
    assert "/surveys/?s=" in link
    assert link == project.export_survey_link("10", "visit", event=SECOND)


@check("export_survey_access_code")
def _access_code(project: Any, _: str) -> None:
    assert len(project.export_survey_access_code("10", "visit", event=SECOND)) == 9


@check("export_survey_return_code")
def _return_code(project: Any, _: str) -> None:
    assert len(project.export_survey_return_code("10", "visit", event=SECOND)) == 8


@check("export_survey_queue_link")
def _queue_link(project: Any, _: str) -> None:
    assert "/surveys/?sq=" in project.export_survey_queue_link("10")


@check("export_survey_participant_list", *ALL)
def _participants(project: Any, format_: str) -> None:
    answer = project.export_survey_participant_list("visit", format_type=format_, event=SECOND)
    rows = rows_of(answer, format_)
    assert "10" in [row["record"] for row in rows]
    assert all("/surveys/?s=" in row["survey_link"] for row in rows)


@check("export_users", *ALL)
def _users(project: Any, format_: str) -> None:
    answer = project.export_users(format_type=format_)
    assert column(answer, format_, "username") == ["data_manager"]


@check("import_users", *ALL)
def _import_users(project: Any, format_: str) -> None:
    assert number(project.import_users(**sent([{"username": "nurse"}], format_))) == 1
    assert [row["username"] for row in project.export_users()] == ["data_manager", "nurse"]


@check("delete_users", *NO_FRAME)
def _delete_users(project: Any, format_: str) -> None:
    project.import_users([{"username": "nurse"}])
    assert number(project.delete_users(["nurse"], return_format_type=format_)) == 1
    assert len(project.export_users()) == 1


def new_role(project: Any) -> str:
    """Make a role; returns its unique name."""
    project.import_user_roles([{"role_label": "Nurses"}])
    return str(project.export_user_roles()[0]["unique_role_name"])


@check("export_user_roles", *ALL)
def _roles(project: Any, format_: str) -> None:
    new_role(project)
    answer = project.export_user_roles(format_type=format_)
    assert column(answer, format_, "role_label") == ["Nurses"]


@check("import_user_roles", *ALL)
def _import_roles(project: Any, format_: str) -> None:
    assert number(project.import_user_roles(**sent([{"role_label": "Nurses"}], format_))) == 1
    assert project.export_user_roles()[0]["role_label"] == "Nurses"


@check("delete_user_roles", *NO_FRAME)
def _delete_roles(project: Any, format_: str) -> None:
    role = new_role(project)
    assert number(project.delete_user_roles([role], return_format_type=format_)) == 1
    assert project.export_user_roles() == []


@check("export_user_role_assignment", *ALL)
def _role_assignment(project: Any, format_: str) -> None:
    answer = project.export_user_role_assignment(format_type=format_)
    assert column(answer, format_, "unique_role_name") == [""]


@check("import_user_role_assignment", *ALL)
def _import_role_assignment(project: Any, format_: str) -> None:
    project.import_users([{"username": "nurse"}])
    role = new_role(project)
    rows = [{"username": "nurse", "unique_role_name": role, "data_access_group": ""}]
    assert number(project.import_user_role_assignment(**sent(rows, format_))) == 1
    assigned = {row["username"]: row for row in project.export_user_role_assignment()}
    assert assigned["nurse"]["unique_role_name"] == role


@check("export_dags", *ALL)
def _dags(project: Any, format_: str) -> None:
    answer = project.export_dags(format_type=format_)
    assert column(answer, format_, "unique_group_name") == ["north_clinic", "south_clinic"]


@check("import_dags", *ALL)
def _import_dags(project: Any, format_: str) -> None:
    rows = [{"data_access_group_name": "New DAG", "unique_group_name": ""}]
    assert number(project.import_dags(**sent(rows, format_))) == 1
    assert "new_dag" in [row["unique_group_name"] for row in project.export_dags()]


@check("delete_dags", *NO_FRAME)
def _delete_dags(project: Any, format_: str) -> None:
    assert number(project.delete_dags(["south_clinic"], return_format_type=format_)) == 1
    assert [row["unique_group_name"] for row in project.export_dags()] == ["north_clinic"]


@check("switch_dag")
def _switch_dag(project: Any, _: str) -> None:
    rows = [{"username": "data_manager", "redcap_data_access_group": "north_clinic"}]
    project.import_user_dag_assignment(rows)
    assert project.switch_dag("north_clinic") == "1"


@check("export_user_dag_assignment", *ALL)
def _dag_assignment(project: Any, format_: str) -> None:
    answer = project.export_user_dag_assignment(format_type=format_)
    assert column(answer, format_, "username") == ["data_manager"]


@check("import_user_dag_assignment", *ALL)
def _import_dag_assignment(project: Any, format_: str) -> None:
    project.import_users([{"username": "nurse"}])
    rows = [{"username": "nurse", "redcap_data_access_group": "south_clinic"}]
    assert number(project.import_user_dag_assignment(**sent(rows, format_))) == 1
    assigned = {row["username"]: row for row in project.export_user_dag_assignment()}
    assert assigned["nurse"]["redcap_data_access_group"] == "south_clinic"
