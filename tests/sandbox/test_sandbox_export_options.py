"""What a record export can be asked for beside its columns and rows, and how it is spelled."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest
from sandbox_projects import Caller, trial

from redcap_jobs.sandbox.members import Rights, user
from redcap_jobs.sandbox.project import SandboxProject
from redcap_jobs.sandbox.server import Sandbox
from redcap_jobs.sandbox.store import Record, RowKey, Snapshot

START = RowKey("start_arm_1")


def filled(**values: str) -> SandboxProject:
    """Return the small trial with one record, whose start event holds these values."""
    project = trial()
    project.store.current = Snapshot({"1": Record({START: values}, "north_clinic")})
    return project


def with_surveys(project: SandboxProject) -> SandboxProject:
    forms = tuple(
        replace(form, survey=form.name in ("enrolment", "visit"))
        for form in project.structure.forms
    )
    project.change(structure=replace(project.structure, forms=forms))
    return project


def asked(project: SandboxProject, **parameters: str) -> str:
    """Export records and return the text."""
    with Sandbox([project]) as sandbox:
        caller = Caller(sandbox.url, project.token)
        answer = caller.post(content="record", **{"format": "csv", **parameters})
    assert answer.status_code == 200, answer.text
    return answer.text


def test_survey_fields_stand_before_their_forms() -> None:
    """The identifier behind the keys, each survey's time stamp before its fields (REDCapR)."""
    project = with_surveys(
        filled(
            sex="1",
            redcap_survey_identifier="Ms Example",
            enrolment_timestamp="2026-01-02 10:00:00",
            visit_timestamp="[not completed]",
        )
    )
    text = asked(project, exportSurveyFields="true", exportDataAccessGroups="1", fields="record_id")
    head, line = text.splitlines()
    assert head.endswith("redcap_data_access_group,redcap_survey_identifier")
    assert line == '1,start_arm_1,,,north_clinic,"Ms Example"'
    forms = asked(project, exportSurveyFields="true", forms="enrolment,visit").splitlines()
    assert forms[0].startswith(
        "record_id,redcap_event_name,redcap_repeat_instrument,redcap_repeat_instance,"
        "redcap_survey_identifier,enrolment_timestamp,born,"
    )
    assert forms[0].endswith("enrolment_complete,visit_timestamp,seen,felt,visit_complete")
    assert '"2026-01-02 10:00:00"' in forms[1]
    assert forms[1].endswith('"[not completed]",,,0')


def test_without_the_option_or_without_surveys_there_are_no_survey_fields() -> None:
    """They come only when asked for, and only where a form is a survey."""
    assert "timestamp" not in asked(with_surveys(filled(sex="1")))
    assert "survey_identifier" not in asked(filled(sex="1"), exportSurveyFields="true")


@pytest.mark.parametrize(("mark", "shown"), [("", "70.5"), (",", "70,5"), (".", "70.5")])
@pytest.mark.parametrize("kind", ["flat", "eav"])
def test_the_decimal_character_is_of_numbers_and_calculations(
    mark: str, shown: str, kind: str
) -> None:
    """Text that looks like a number stays (phpcap's tests); the delimiter is another then."""
    project = filled(weight="70.5", bmi="17.6", phone="617.555.0100")
    text = asked(project, decimalCharacter=mark, csvDelimiter=";", type=kind)
    assert shown in text
    assert shown.replace("70", "17").replace("5", "6") in text
    assert "617.555.0100" in text


def test_a_file_is_a_name_in_a_flat_export_and_a_number_in_eav() -> None:
    """REDCapR's and PyCap's recordings; an untouched file field is blank."""
    assert "me.jpg" in asked(trial(), fields="photo")
    lines = asked(trial(), fields="photo", type="eav").splitlines()
    assert lines[1].split(",")[-2] == "photo"
    assert lines[1].split(",")[-1].isdecimal()


def test_options_are_blank_where_no_field_asked_for_holds_a_value() -> None:
    """Without the record ID among the fields, as redcapAPI issue 293 shows."""
    project = filled(sex="1")
    options = "consent___1,consent____4,consent____99"
    assert asked(project, fields="consent,weight") == f"{options},weight\n,,,\n"
    assert asked(project, fields="consent,sex") == f"{options},sex\n0,0,0,1\n"


def test_options_of_a_checkbox_can_share_a_column() -> None:
    """combineCheckboxOptions: the ticked codes, or labels, joined by commas (own answer)."""
    project = filled(consent___1="1", consent____4="1", sex="2")
    combined = {"combineCheckboxOptions": "true", "fields": "consent,sex"}
    assert asked(project, **combined) == 'consent,sex\n"1,-4",2\n'
    words = asked(project, rawOrLabel="label", **combined)
    assert words == 'consent,sex\n"Study,Not asked",Male\n'


def test_checkbox_labels_in_words() -> None:
    """Checked and Unchecked; with exportCheckboxLabel the option's label or nothing."""
    project = filled(consent___1="1")
    words = {"fields": "consent", "rawOrLabel": "label"}
    assert asked(project, **words).splitlines()[1] == "Checked,Unchecked,Unchecked"
    assert asked(project, exportCheckboxLabel="TRUE", **words).splitlines()[1] == "Study,,"


def test_cells_of_csv_are_quoted_where_recorded_servers_quote() -> None:
    """A blank, a comma, a quote, a line's end, a backslash; quotes are doubled; no other cell."""
    project = filled(phone="a b", weight='say "x"', sex="1", born="c\\d")
    line = asked(project, fields="born,sex,weight,phone").splitlines()[1]
    assert line == '"c\\d",1,"say ""x""","a b"'
    several = asked(filled(phone="a;b,c"), fields="phone", csvDelimiter=";")
    assert several == 'phone\n"a;b,c"\n'.replace('"a;b,c"', '"a;b,c"')
    assert asked(filled(phone="a,b"), fields="phone", csvDelimiter="tab") == "phone\na,b\n"


def test_json_and_xml_are_spelled_as_recorded() -> None:
    """Slashes and letters beyond ASCII escaped in json; a cell of xml is CDATA, blank or not."""
    project = filled(phone="a/b é")
    assert asked(project, fields="phone", format="json") == '[{"phone":"a\\/b \\u00e9"}]'
    text = asked(project, fields="phone,weight", format="xml")
    assert "<item><weight><![CDATA[]]></weight><phone><![CDATA[a/b é]]></phone></item>" in text


@pytest.mark.parametrize(
    ("code", "columns"),
    [
        (0, "record_id,redcap_event_name,redcap_repeat_instrument,redcap_repeat_instance,seen"),
        (3, "weight"),
    ],
)
def test_export_rights_of_a_form_take_columns_away(code: int, columns: str) -> None:
    """No access: all of the form's; without identifiers: those tagged (REDCapTidieR, API help)."""
    project = filled(phone="x", weight="1")
    rights = Rights(forms_export={"enrolment": code})
    token = project.add_user(replace(user("reader"), rights=rights))
    with Sandbox([project]) as sandbox:
        text = Caller(sandbox.url, token).post(content="record", format="csv").text
    header = text.splitlines()[0]
    assert columns in header
    assert "phone" not in header


def test_nobody_exports_without_the_right_to_any_form() -> None:
    """All forms 0 is no right to export data (API help)."""
    project = filled(sex="1")
    nothing = Rights(forms_export={form.name: 0 for form in project.structure.forms})
    token = project.add_user(replace(user("reader"), rights=nothing))
    with Sandbox([project]) as sandbox:
        answer = Caller(sandbox.url, token).post(content="record", format="json")
    assert answer.status_code == 403


@pytest.fixture
def structure() -> Iterator[Caller]:
    with Sandbox([trial()]) as sandbox:
        yield Caller(sandbox.url, sandbox.project(901).token)


@pytest.mark.parametrize(
    ("content", "text"),
    [
        ("arm", 'arm_num,name\n1,"Drug A"\n2,"Drug B"'),
        ("instrument", 'instrument_name,instrument_label\nenrolment,"Enrolment"\nvisit,"Visit"\n'),
    ],
)
def test_csv_of_the_structure(structure: Caller, content: str, text: str) -> None:
    """Arms end without a line's end; labels of instruments are always quoted (REDCapTidieR)."""
    assert structure.post(content=content, format="csv").text.startswith(text)
    ends = structure.post(content=content, format="csv").text.endswith("\n")
    assert ends is (content == "instrument")


def test_an_unknown_arm_gives_a_header_alone(structure: Caller) -> None:
    """Tables of the structure show their columns even without a row."""
    answer = structure.post(content="formEventMapping", format="csv", arms="9")
    assert answer.text == "arm_num,unique_event_name,form"
