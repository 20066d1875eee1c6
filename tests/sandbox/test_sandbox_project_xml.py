"""A project's XML as recorded servers write it, where the rest of the tests would not notice.

The projects are made up; shapes are those of files that servers 14.6 and 14.7 wrote (REDCapR's
projects ``checkboxes-1``, ``blank-for-gray-status``, ``survey``, ``longitudinal``, ``empty-rows``).
"""

from __future__ import annotations

import re
from datetime import datetime

import pytest
from sandbox_projects import Caller

from redcap_jobs.sandbox.dictionary import Choice, Field
from redcap_jobs.sandbox.members import RIGHT_NAMES, Rights, Role
from redcap_jobs.sandbox.odm import project_from_xml
from redcap_jobs.sandbox.project import SandboxProject, Settings
from redcap_jobs.sandbox.project_xml import study_oid
from redcap_jobs.sandbox.server import Sandbox
from redcap_jobs.sandbox.store import Record, RowKey, Snapshot
from redcap_jobs.sandbox.structure import CLASSIC, Dag, Form, Structure

NOW = datetime(2026, 11, 22, 12)  # noqa: DTZ001 - the server's own time
PETS = (Choice("1", "Cat"), Choice("-2", "Dog"))
FIELDS = (
    Field("pid", "intake", "text", "Person"),
    Field("town", "intake", "text", "Town", section_header="Where"),
    Field("pets", "home", "checkbox", "Pets", PETS, choices_text="1, Cat | -2, Dog"),
    Field("rooms", "home", "text", "Rooms"),
    Field("street", "home", "text", "Street"),
    Field("mood", "feelings", "text", "Mood"),
    Field("sleep", "feelings", "text", "Sleep"),
    Field("pain", "feelings", "text", "Pain", section_header="Pain"),
    Field("where", "feelings", "text", "Where"),
    Field("since", "feelings", "text", "Since"),
)
STAMP = "intake_timestamp"


def small(values: dict[str, str]) -> SandboxProject:
    """Return a classic project with a survey, groups, and one record of these values."""
    forms = (Form("intake", "Intake", survey=True), Form("home", "Home"), Form("feelings", "Mood"))
    structure = Structure(fields=FIELDS, forms=forms, dags=(Dag("North", "north", 20),))
    project = SandboxProject(77, "Small", structure, Settings(surveys_enabled=True), created=NOW)
    record = Record({RowKey(CLASSIC): values}, "north", (NOW,))
    project.store.current = Snapshot({"1": record})
    return project


def xml_of(project: SandboxProject) -> str:
    """Return the project's XML with all that can be in it."""
    with Sandbox([project]) as sandbox:
        answer = Caller(sandbox.url, project.token).post(
            content="project_xml",
            exportDataAccessGroups="true",
            exportSurveyFields="true",
            exportFiles="true",
        )
    assert answer.status_code == 200
    return answer.text


def form_data(text: str) -> dict[str, list[tuple[str, list[str]]]]:
    """Return form → groups, each with its name and its items' names, as the data have them."""
    return {
        form: [
            (group, re.findall(r'ItemOID="(\w+)"', inside))
            for group, inside in re.findall(
                r'<ItemGroupData ItemGroupOID="([\w.]*)"[^>]*>(.*?)</ItemGroupData>',
                body,
                re.DOTALL,
            )
        ]
        for form, body in re.findall(
            r'<FormData FormOID="Form.(\w+)"[^>]*>(.*?)</FormData>', text, re.DOTALL
        )
    }


def test_a_form_with_a_checkbox_is_there_even_if_nobody_opened_it() -> None:
    """Its boxes are all 0 and it has no status; other forms without data are left out."""
    text = xml_of(small({"town": "Bern", "intake_complete": "2"}))
    data = form_data(text)
    assert list(data) == ["intake", "home"]
    assert data["home"] == [("home.pets___1", ["pets___1", "pets____2"])]
    assert '<ItemData ItemOID="pets____2" Value="0"/>' in text


@pytest.mark.parametrize(
    ("values", "groups"),
    [
        (["mood", "sleep"], [("feelings.mood", ["mood", "sleep"])]),
        (["sleep"], [("", ["sleep"])]),
        (
            ["sleep", "pain", "where", "since"],
            [("", ["sleep"]), ("feelings.pain", ["pain"]), ("feelings.where", ["where", "since"])],
        ),
        (["mood", "where"], [("feelings.mood", ["mood", "where"])]),
        (
            ["mood", "pain", "since"],
            [("feelings.mood", ["mood"]), ("feelings.pain", ["pain"]), ("", ["since"])],
        ),
    ],
)
def test_groups_of_values_go_by_the_section_headers_of_those_written(
    values: list[str], groups: list[tuple[str, list[str]]]
) -> None:
    """A group begins where the header changes from one written item to the next.

    It has its name only if it begins with the item that it is named after, and what belongs to
    another group by the definitions may stand in it (REDCapR's ``russian`` and ``longitudinal``).
    """
    data = form_data(xml_of(small(dict.fromkeys(values, "1"))))
    assert data["feelings"] == groups


def test_groups_identifiers_and_time_stamps_are_items_with_a_label() -> None:
    """None has a field type; a time stamp's data type is ``datetime``."""
    text = xml_of(small({"town": "Bern"}))
    for name, kind, label in (
        ("redcap_data_access_group", "text", "Data Access Group"),
        ("redcap_survey_identifier", "text", "Survey Identifier"),
        (STAMP, "datetime", "Survey Timestamp"),
    ):
        assert (
            f'\t<ItemDef OID="{name}" Name="{name}" DataType="{kind}" Length="999" '
            f'redcap:Variable="{name}">\n'
            f"\t\t<Question><TranslatedText>{label}</TranslatedText></Question>\n\t</ItemDef>\n"
        ) in text


def test_the_first_forms_time_stamp_is_defined_twice_and_written_once() -> None:
    """Beside the record ID, and in a nameless group of its own; its value stands in the first."""
    text = xml_of(small({"town": "Bern", STAMP: "2026-11-20 08:00:00"}))
    assert text.count(f'<ItemDef OID="{STAMP}"') == 2
    assert (
        f'\t<ItemGroupDef OID="intake.{STAMP}" Name="" Repeating="No">\n'
        f'\t\t<ItemRef ItemOID="{STAMP}" Mandatory="No" redcap:Variable="{STAMP}"/>\n'
        "\t</ItemGroupDef>\n"
    ) in text
    assert form_data(text)["intake"] == [
        ("intake.pid", ["pid", "redcap_data_access_group", STAMP]),
        ("intake.town", ["town"]),
    ]


def test_choices_of_a_checkbox_stand_as_somebody_typed_them() -> None:
    """Blanks around the bar come from a dictionary, and stay."""
    text = xml_of(small({"town": "Bern"}))
    assert text.count('redcap:CheckboxChoices="1, Cat | -2, Dog"') == 2


def test_a_roles_attributes_are_those_of_a_server_in_its_order() -> None:
    """Things that the sandbox has no right for are there, too, as every recorded role has them."""
    project = small({"town": "Bern"})
    role = Role("U-A1", "Nurse", Rights(dict.fromkeys(RIGHT_NAMES, 0), {"home": 2}, {"home": 0}))
    project.members.roles["U-A1"] = role
    found = re.search(r"<redcap:UserRoles (.*)/>", xml_of(project))
    assert found is not None
    forms = "[intake,1][home,{}][feelings,1]"
    assert found[1] == (
        'role_name="Nurse" unique_role_name="U-A1" lock_record="0" lock_record_multiform="0" '
        'lock_record_customize="0" data_export_tool="" '
        f'data_export_instruments="{forms.format(0)}" data_import_tool="0" '
        'data_comparison_tool="0" data_logging="0" email_logging="0" file_repository="0" '
        'double_data="0" user_rights="0" data_access_groups="0" graphical="0" reports="0" '
        f'design="0" alerts="0" calendar="0" data_entry="{forms.format(2)}" api_export="0" '
        'api_import="0" api_modules="0" mobile_app="0" mobile_app_download_data="0" '
        'record_create="0" record_rename="0" record_delete="0" dts="0" participants="0" '
        'data_quality_design="0" data_quality_execute="0" data_quality_resolution="1" '
        'random_setup="0" random_dashboard="0" random_perform="0" '
        'realtime_webservice_mapping="0" realtime_webservice_adjudicate="0" '
        'external_module_config="" mycap_participants="0"'
    )


def test_settings_without_a_meaning_here_are_there_as_in_a_new_project() -> None:
    """In the server's order; those of the survey login only where surveys are on."""
    text = xml_of(small({"town": "Bern"}))
    variables = text.partition("<GlobalVariables>")[2].partition("\t<redcap:SurveysGroup>")[0]
    names = re.findall(r"<redcap:(\w+)>", variables)
    assert names[2:7] == [
        *("SecondaryUniqueField", "SecondaryUniqueFieldDisplayValue"),
        *("SecondaryUniqueFieldDisplayLabel", "SchedulingEnabled", "SurveysEnabled"),
    ]
    assert names[10:16] == [
        *("PreventBranchingEraseValues", "RequireChangeReason", "DataHistoryPopup"),
        *("OrderRecordsByField", "taskCompleteStatus", "MyCapEnabled"),
    ]
    assert names[19:22] == ["SurveyAuthEnabled", "SurveyAuthField1", "SurveyAuthEvent1"]
    assert variables.endswith(
        "\t<redcap:MissingDataCodes></redcap:MissingDataCodes>\n"
        "\t<redcap:ProtectedEmailMode>0</redcap:ProtectedEmailMode>\n"
        "\t<redcap:ProtectedEmailModeCustomText></redcap:ProtectedEmailModeCustomText>\n"
        "\t<redcap:ProtectedEmailModeTrigger>ALL</redcap:ProtectedEmailModeTrigger>\n"
        "\t<redcap:ProtectedEmailModeLogo></redcap:ProtectedEmailModeLogo>\n"
    )
    without = small({"town": "Bern"})
    without.change(settings=Settings())
    assert "SurveyAuth" not in xml_of(without)


def test_settings_without_a_meaning_here_come_back_as_they_were_loaded() -> None:
    """Nothing that somebody set is lost on the way through."""
    text = xml_of(small({"town": "Bern"}))
    changed = text.replace("RequireChangeReason>0<", "RequireChangeReason>1<")
    changed = changed.replace("Trigger>ALL<", "Trigger>PIPING<")
    again = xml_of(project_from_xml(changed.encode(), 78, NOW, "x"))
    assert "<redcap:RequireChangeReason>1</redcap:RequireChangeReason>" in again
    assert "<redcap:ProtectedEmailModeTrigger>PIPING<" in again
    assert "<redcap:DataHistoryPopup>1</redcap:DataHistoryPopup>" in again


def test_the_study_is_named_after_its_title() -> None:
    """Signs are dropped before words get their capital; cut at 30."""
    assert study_oid("Sleep: low-dose") == "SleepLowdose"
    assert study_oid("Sleep Study -see https://example.org") == "SleepStudySeeHttpsexampleorg"
    assert (
        study_oid("A title that is longer than thirty letters") == "ATitleThatIsLongerThanThirtyLe"
    )
