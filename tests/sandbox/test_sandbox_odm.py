"""Loading a project from REDCap's own XML."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import odm_texts
import pytest
from sandbox_projects import Caller

from redcap_jobs.errors import SetupError, UsageError
from redcap_jobs.sandbox.odm import project_from_xml, read_project_xml
from redcap_jobs.sandbox.project import SandboxProject
from redcap_jobs.sandbox.server import Sandbox

NOW = datetime(2026, 11, 22, 12)  # noqa: DTZ001 - the server's own time


def loaded(text: str) -> SandboxProject:
    return project_from_xml(text.encode(), 3101, NOW, "test.xml")


def test_the_dictionary_is_in_the_words_of_the_api() -> None:
    """Inner names of types and validations are translated; checkbox options make one field.

    Choices come without blanks around the bar, whatever the file has: a server that loaded
    ``1, A | 2, B`` gives back ``1, A|2, B`` (REDCapR's projects, exported before and after).
    """
    project = loaded(odm_texts.LONGITUDINAL)
    fields = {
        one.name: (one.type, one.validation, one.choices_or_calculations)
        for one in project.structure.fields
    }
    assert fields == {
        "sid": ("text", "", ""),
        "notes": ("notes", "", ""),
        "weight": ("text", "number", ""),
        "age": ("calc", "", "[weight] > 1"),
        "race": ("dropdown", "", "0, White|5, Other"),
        "gym": ("checkbox", "", "0, Monday|-1, Never, ever"),
        "mood": ("slider", "", "bad | | good"),
        "scan": ("file", "", ""),
        "heading": ("descriptive", "", ""),
        "seen": ("text", "datetime_ymd", ""),
        "dose": ("text", "integer", ""),
    }
    weight = project.structure.field_by_name["weight"]
    assert (weight.minimum, weight.maximum, weight.required) == ("30", "200", True)
    assert project.structure.field_by_name["notes"].identifier
    assert project.structure.field_by_name["dose"].annotation == "@HIDDEN"
    assert project.structure.missing_data_codes == {"-99": "Unknown", "NA": "Not asked"}


def test_events_come_in_the_protocols_order_with_their_offsets() -> None:
    """Arms, mapping, offsets, scheduling and repeating set-up are those of the file."""
    project = loaded(odm_texts.LONGITUDINAL)
    structure = project.structure
    assert [event.unique_name for event in structure.events] == ["start_arm_1", "week_arm_2"]
    assert [(arm.number, arm.name) for arm in structure.arms] == [(1, "Drug 1"), (2, "Drug 2")]
    week = structure.event_by_name["week_arm_2"]
    assert (week.day_offset, week.offset_min, week.offset_max) == (7, 2, 3)
    assert structure.repeating == {("start_arm_1", "drugs"): "[dose]", ("week_arm_2", ""): ""}
    assert structure.mapping == {
        ("start_arm_1", "first"),
        ("start_arm_1", "drugs"),
        ("week_arm_2", "visit"),
    }
    assert project.settings.scheduling_enabled
    assert not project.settings.in_production
    assert [dag.unique_name for dag in structure.dags] == ["north_clinic", "dagb"]


def test_a_flat_export_of_a_loaded_project() -> None:
    """Line ends in notes stay, a file shows its name, repeats have their instances."""
    with Sandbox([loaded(odm_texts.LONGITUDINAL)]) as sandbox:
        caller = Caller(sandbox.url, sandbox.tokens["REDCAP_API_HAND_MADE"])
        rows = caller.export(exportDataAccessGroups="true")
    assert [list(row.values())[:5] for row in rows] == [
        ["7", "start_arm_1", "", "", "dagb"],
        ["7", "start_arm_1", "drugs", 1, "dagb"],
        ["7", "start_arm_1", "drugs", 2, "dagb"],
        ["7", "week_arm_2", "", 2, "dagb"],
    ]
    start = rows[0]
    assert start["notes"] == 'one\ntwo & "three"'
    assert (start["gym___0"], start["gym____1"], start["age"]) == ("0", "1", "12")
    assert (start["scan"], start["first_complete"]) == ("a.txt", "0")
    assert "heading" not in start
    assert [row["dose"] for row in rows] == ["", "3", "4", ""]
    assert rows[3]["seen"] == "2026-01-02 10:00"


def test_a_classic_project_with_other_scripts_and_names() -> None:
    """Forms without an event; names that are no numbers; Cyrillic text; repeating forms."""
    with Sandbox([loaded(odm_texts.CLASSIC)]) as sandbox:
        caller = Caller(sandbox.url, sandbox.tokens["REDCAP_API_HAND_MADE"])
        rows = caller.export(fields=["sid", "notes", "dose"])
        csv_text = caller.post(content="record", format="csv", fields="sid,notes").text
    assert rows == [
        {
            "sid": "Ж-1",
            "redcap_repeat_instrument": instrument,
            "redcap_repeat_instance": instance,
            "notes": notes,
            "dose": dose,
        }
        for instrument, instance, notes, dose in [
            ("", "", "Привет", ""),
            ("drugs", 1, "", "3"),
            ("drugs", 2, "", "4"),
        ]
    ]
    assert "Ж-1,,,Привет" in csv_text


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("<ODM>", "no well-formed XML"),
        ("", "no well-formed XML"),
        ("<html></html>", "no REDCap project: ODM/Study/MetaDataVersion is missing"),
        (
            f"{odm_texts.HEAD}<Study><MetaDataVersion/></Study></ODM>",
            "it defines no instrument with fields",
        ),
        (
            '<!DOCTYPE x [<!ENTITY a "aaaa">]><ODM>&a;</ODM>',
            "XML with entities or external references is not read",
        ),
    ],
)
def test_what_is_no_project_is_said_in_one_line(text: str, message: str) -> None:
    """Broken XML, other XML, XML with entities: each gets its own words, with the file's name."""
    with pytest.raises(SetupError, match=f"^test.xml: .*{message}") as caught:
        loaded(text)
    assert "\n" not in str(caught.value)


def test_a_file_that_cannot_be_read(tmp_path: Path) -> None:
    """The path and the reason."""
    with pytest.raises(UsageError, match=r"nowhere\.xml: cannot be read: No such file"):
        read_project_xml(tmp_path / "nowhere.xml", 1, NOW)


def test_a_super_token_creates_a_project_from_the_same_text() -> None:
    """``odm`` with the title of ``data``: structure and records of the file."""
    with Sandbox([], super_token="AB" * 32) as sandbox:
        admin = Caller(sandbox.url, "AB" * 32)
        response = admin.post(
            content="project",
            format="json",
            data='[{"project_title":"Copy"}]',
            odm=odm_texts.LONGITUDINAL,
        )
        made = Caller(sandbox.url, response.text)
        assert made.post(content="project", format="json").json()["project_title"] == "Copy"
        assert len(made.export()) == 4
        bad = admin.post(
            content="project", format="json", data='[{"project_title":"Copy"}]', odm="<x/>"
        )
        assert bad.status_code == 400
