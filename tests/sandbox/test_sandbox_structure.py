"""The calls that tell what a project is made of."""

from __future__ import annotations

from typing import Any

import pytest
from sandbox_projects import Caller, trial

from redcap_jobs.sandbox.ismile import ismile_structure
from redcap_jobs.sandbox.members import user
from redcap_jobs.sandbox.server import Sandbox


def rows(caller: Caller, content: str, **parameters: Any) -> list[dict[str, Any]]:
    response = caller.post(content=content, format="json", **parameters)
    assert response.status_code == 200, response.text
    answer: list[dict[str, Any]] = response.json()
    return answer


def test_metadata_has_the_eighteen_columns(longitudinal: Caller) -> None:
    """Column names and order of the API's data dictionary; choices and calculations share one."""
    fields = rows(longitudinal, "metadata")
    assert list(fields[0]) == [
        *("field_name", "form_name", "section_header", "field_type", "field_label"),
        *("select_choices_or_calculations", "field_note"),
        *("text_validation_type_or_show_slider_number", "text_validation_min"),
        *("text_validation_max", "identifier", "branching_logic", "required_field"),
        *("custom_alignment", "question_number", "matrix_group_name", "matrix_ranking"),
        "field_annotation",
    ]
    by_name = {field["field_name"]: field for field in fields}
    assert by_name["consent"]["select_choices_or_calculations"] == "1, Study | -4, Not asked"
    assert by_name["bmi"]["select_choices_or_calculations"] == "[weight]/4"
    assert by_name["phone"]["identifier"] == "y"
    assert by_name["weight"]["text_validation_max"] == "200"
    assert "heading" in by_name
    assert "enrolment_complete" not in by_name


def test_metadata_of_some_fields_and_forms(longitudinal: Caller) -> None:
    """``fields`` and ``forms`` choose, in dictionary order."""
    chosen = rows(longitudinal, "metadata", fields=["slept", "born"], forms=["visit"])
    assert [field["field_name"] for field in chosen] == ["born", "seen", "felt", "slept"]


def test_metadata_of_forms_and_fields_that_do_not_exist(longitudinal: Caller) -> None:
    """Unknown forms alone give everything (PyCap issue 234); unknown fields are refused."""
    everything = rows(longitudinal, "metadata")
    assert rows(longitudinal, "metadata", forms=["nowhere", "x"]) == everything
    assert {row["form_name"] for row in rows(longitudinal, "metadata", forms=["x", "visit"])} == {
        "visit"
    }
    assert rows(longitudinal, "metadata", fields=["visit_complete"]) == []
    response = longitudinal.post(content="metadata", format="json", fields=["born", "baz"])
    assert (response.status_code, response.json()["error"]) == (
        400,
        "The following values in the parameter \"fields\" are not valid: 'baz'",
    )


def test_arms_without_events_are_not_shown(longitudinal: Caller) -> None:
    """Arm numbers are numbers in JSON; an arm that has no event is left out."""
    assert rows(longitudinal, "arm") == [
        {"arm_num": 1, "name": "Drug A"},
        {"arm_num": 2, "name": "Drug B"},
    ]


def test_offsets_appear_only_with_scheduling(longitudinal: Caller) -> None:
    """day_offset, offset_min and offset_max are columns only where the Scheduling module is on."""
    plain = rows(longitudinal, "event", arms=["2"])
    assert [list(event) for event in plain] == [
        ["event_name", "arm_num", "unique_event_name", "custom_event_label", "event_id"]
    ] * 2
    with Sandbox([trial(scheduling=True)]) as sandbox:
        caller = Caller(sandbox.url, sandbox.tokens["REDCAP_API_SMALL_TRIAL"])
        event = rows(caller, "event")[1]
        assert (event["day_offset"], event["offset_min"], event["offset_max"]) == (7, 2, 3)


def test_the_mapping_lists_the_forms_of_each_event(longitudinal: Caller) -> None:
    """Event by event in the project's order, forms in dictionary order; an unknown arm is empty."""
    mapping = rows(longitudinal, "formEventMapping", arms=["1"])
    assert mapping[0] == {"arm_num": 1, "unique_event_name": "start_arm_1", "form": "enrolment"}
    assert [row["form"] for row in mapping] == ["enrolment", "visit", "visit", "drugs", "diary"]
    assert rows(longitudinal, "formEventMapping", arms=["9"]) == []


def test_a_blank_form_means_that_the_event_repeats(longitudinal: Caller) -> None:
    """The rows of a longitudinal project: event, form, custom label."""
    assert rows(longitudinal, "repeatingFormsEvents") == [
        {"event_name": "week_1_arm_1", "form_name": "drugs", "custom_form_label": "[drug]"},
        {"event_name": "diary_arm_1", "form_name": "", "custom_form_label": ""},
    ]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("arm", "You cannot export arms for classic projects"),
        ("event", "You cannot export events for classic projects"),
        ("formEventMapping", "You cannot export form/event mappings for classic projects"),
        (
            "repeatingFormsEvents",
            (
                "You cannot export repeating instruments and events because the project does not "
                "contain any repeating instruments and events"
            ),
        ),
    ],
)
@pytest.mark.parametrize("format_", ["csv", "json", "xml"])
def test_what_a_classic_project_refuses(
    classic: Caller, content: str, message: str, format_: str
) -> None:
    """Status 400 and the recorded texts, in the three envelopes."""
    response = classic.post(content=content, format=format_)
    envelopes = {
        "csv": f"ERROR: {message}",
        "json": f'{{"error":"{message}"}}',
        "xml": f'<?xml version="1.0" encoding="UTF-8" ?><hash><error>{message}</error></hash>',
    }
    assert (response.status_code, response.text) == (400, envelopes[format_])


def test_instruments(classic: Caller) -> None:
    """Unique name and label of each."""
    assert rows(classic, "instrument") == [
        {"instrument_name": "people", "instrument_label": "People"}
    ]


def test_export_field_names_omit_files_and_descriptive_fields(longitudinal: Caller) -> None:
    """A row per export column, status fields included; ``field`` asks for one field's."""
    names = rows(longitudinal, "exportFieldNames")
    exported = [row["export_field_name"] for row in names]
    assert exported[:4] == ["record_id", "born", "consent___1", "consent____4"]
    assert "enrolment_complete" in exported
    assert not {"photo", "heading"} & set(exported)
    assert rows(longitudinal, "exportFieldNames", field="consent") == [
        {
            "original_field_name": "consent",
            "choice_value": "1",
            "export_field_name": "consent___1",
        },
        {
            "original_field_name": "consent",
            "choice_value": "-4",
            "export_field_name": "consent____4",
        },
        {
            "original_field_name": "consent",
            "choice_value": "-99",
            "export_field_name": "consent____99",
        },
    ]


def test_export_field_names_of_one_field(longitudinal: Caller) -> None:
    """A file has no export column; a form's status has; what does not exist is refused."""
    assert rows(longitudinal, "exportFieldNames", field="photo") == []
    (status,) = rows(longitudinal, "exportFieldNames", field="visit_complete")
    assert status["export_field_name"] == "visit_complete"
    response = longitudinal.post(content="exportFieldNames", format="json", field="baz")
    assert response.status_code == 400
    assert "'baz'" in response.json()["error"]


def test_project_info_has_the_recorded_keys(longitudinal: Caller, classic: Caller) -> None:
    """27 keys; switches are 0 and 1; is_longitudinal follows from the events."""
    info = longitudinal.post(content="project", format="json").json()
    assert list(info) == [
        *("project_id", "project_title", "creation_time", "production_time", "in_production"),
        *("project_language", "purpose", "purpose_other", "project_notes"),
        *("custom_record_label", "secondary_unique_field", "is_longitudinal"),
        *("has_repeating_instruments_or_events", "surveys_enabled", "scheduling_enabled"),
        *("record_autonumbering_enabled", "randomization_enabled", "ddp_enabled"),
        *("project_irb_number", "project_grant_number", "project_pi_firstname"),
        *("project_pi_lastname", "project_pi_email", "display_today_now_button"),
        *("missing_data_codes", "external_modules", "bypass_branching_erase_field_prompt"),
    ]
    assert (info["project_id"], info["is_longitudinal"], info["in_production"]) == (901, 1, 0)
    assert info["missing_data_codes"] == "-99, Unknown"
    assert classic.post(content="project", format="json").json()["is_longitudinal"] == 0
    assert classic.post(content="project", format="csv").text.startswith("project_id,project_title")


def test_version_is_plain_text(classic: Caller) -> None:
    """The bare number whatever the format."""
    for format_ in ("csv", "json", "xml"):
        assert classic.post(content="version", format=format_).text == "14.9.0"


def test_the_next_record_name_is_the_largest_number_plus_one(
    server: Sandbox, longitudinal: Caller, classic: Caller
) -> None:
    """Names that are no numbers do not count; a group's user gets its id and a hyphen."""
    assert longitudinal.post(content="generateNextRecordName").text == "11"
    classic.send([{"id": "A-7", "name": "x"}])
    assert classic.post(content="generateNextRecordName").text == "1"
    project = server.project(901)
    nurse = Caller(server.url, project.add_user(user("nurse", dag="north_clinic")))
    assert nurse.post(content="generateNextRecordName").text == "20-1"
    nurse.send([{"record_id": "20-1", "redcap_event_name": "start_arm_1", "sex": "1"}])
    assert nurse.post(content="generateNextRecordName").text == "20-2"


def test_ismile_has_the_states_of_the_job_as_choices() -> None:
    """Every state that compute-visit-windows writes is a choice of vt_state, and no other."""
    from redcap_jobs.jobs.visit_states import STATES

    assert set(ismile_structure().field_by_name["vt_state"].labels) == set(STATES)
