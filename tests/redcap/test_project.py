"""A project's structure: what the API's JSON becomes, and the questions it answers."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from redcap_jobs.errors import DictionaryError, ExitCode
from redcap_jobs.redcap.errors import UnknownName
from redcap_jobs.redcap.project import (
    Arm,
    Choice,
    Event,
    Field,
    Project,
    ProjectInfo,
    checkbox_column,
    parse_arm,
    parse_choices,
    parse_event,
    parse_field,
    parse_fields,
    parse_info,
    parse_mapping,
    parse_repeating,
)

ROW = {
    "field_name": "consent",
    "form_name": "enrolment",
    "section_header": "",
    "field_type": "checkbox",
    "field_label": "Consent",
    "select_choices_or_calculations": "1, Study | -4, Refused, later | A b, Text messages",
    "field_note": "",
    "text_validation_type_or_show_slider_number": "",
    "text_validation_min": "",
    "text_validation_max": "",
    "identifier": "y",
    "branching_logic": "",
    "required_field": "y",
    "field_annotation": "@NOW",
}


def project() -> Project:
    fields = parse_fields(
        [
            {"field_name": "record_id", "form_name": "enrolment", "field_type": "text"},
            ROW,
            {"field_name": "hello", "form_name": "enrolment", "field_type": "descriptive"},
            {"field_name": "visit_date", "form_name": "visit", "field_type": "text"},
        ]
    )
    info = ProjectInfo(1, "", True, True, True, False, True, False)
    events = (
        Event("baseline_arm_1", "Baseline", 1),
        Event("month_2_arm_1", "Month 2", 1),
        Event("baseline_arm_2", "Baseline", 2),
    )
    mapping = frozenset(
        {
            ("baseline_arm_1", "enrolment"),
            ("baseline_arm_2", "visit"),
            ("baseline_arm_1", "visit"),
            ("month_2_arm_1", "visit"),
        }
    )
    return Project(info, fields, events, mapping)


def test_a_dictionary_row_becomes_a_field() -> None:
    """Type, label, choices, validation, identifier, required, annotation; commas in labels stay."""
    assert parse_field(ROW) == Field(
        name="consent",
        form="enrolment",
        type="checkbox",
        label="Consent",
        choices=(
            Choice("1", "Study"),
            Choice("-4", "Refused, later"),
            Choice("A b", "Text messages"),
        ),
        identifier=True,
        required=True,
        annotation="@NOW",
    )


@pytest.mark.parametrize(
    ("kind", "options", "choices", "calculation"),
    [
        ("yesno", "", ("1", "0"), ""),
        ("truefalse", "", ("1", "0"), ""),
        ("calc", "[a] + [b]", (), "[a] + [b]"),
        ("slider", "low | middle | high", (), ""),
        ("text", "", (), ""),
        ("sql", "select a, b from c", (), ""),
        ("dropdown", "1, A | 2, B", ("1", "2"), ""),
    ],
)
def test_what_stands_under_choices_depends_on_the_type(
    kind: str, options: str, choices: tuple[str, ...], calculation: str
) -> None:
    """One column of the dictionary holds choices, a calculation, a slider's labels or a query."""
    found = parse_field(ROW | {"field_type": kind, "select_choices_or_calculations": options})
    assert tuple(choice.code for choice in found.choices) == choices
    assert found.calculation == calculation


LABEL = st.text(
    alphabet=st.characters(exclude_characters="|", exclude_categories=["Cs", "Cc"])
).map(str.strip)
CODE = st.from_regex(r"-?[A-Za-z0-9_.]{1,6}", fullmatch=True)


@given(st.lists(st.tuples(CODE, LABEL), max_size=6))
def test_choices_written_are_the_choices_read(pairs: list[tuple[str, str]]) -> None:
    """Any codes and labels without a bar: read back as they were written, in order."""
    text = " | ".join(f"{code}, {label}" for code, label in pairs)
    assert parse_choices(text) == tuple(Choice(code, label) for code, label in pairs)


@pytest.mark.parametrize(
    ("code", "column"),
    [("1", "c___1"), ("-4", "c____4"), ("A b", "c___a_b"), ("NA", "c___na"), ("1.5", "c___1_5")],
)
def test_checkbox_columns_are_named_as_redcap_names_them(code: str, column: str) -> None:
    """Three underscores and the code; what cannot stand in a name becomes "_", small letters."""
    assert checkbox_column("c", code) == column


def test_a_field_may_have_several_columns_or_none() -> None:
    """One per checkbox choice, none for a descriptive text, else the field's own name."""
    found = project()
    assert found.export_columns("consent") == ("consent___1", "consent____4", "consent___a_b")
    assert found.export_columns("hello") == ()
    assert found.export_columns("visit_date") == ("visit_date",)
    assert found.export_columns("visit_complete") == ("visit_complete",)


def test_each_form_has_its_status_field() -> None:
    """`<form>_complete` stands behind the form's fields: 0, 1 or 2."""
    found = project()
    assert list(found.fields) == [
        "record_id",
        "consent",
        "hello",
        "enrolment_complete",
        "visit_date",
        "visit_complete",
    ]
    assert found.forms == ("enrolment", "visit")
    assert [choice.code for choice in found.field("visit_complete").choices] == ["0", "1", "2"]
    assert found.record_id_field == "record_id"


def test_a_project_says_where_a_field_lives() -> None:
    """Events in the project's order; the record ID is on all of them; arms by number."""
    found = project()
    assert found.events_of_form("visit") == ("baseline_arm_1", "month_2_arm_1", "baseline_arm_2")
    assert found.events_of_field("visit_complete") == found.events_of_form("visit")
    assert found.events_of_field("consent") == ("baseline_arm_1",)
    assert found.events_of_field("record_id") == found.events_of_form("visit")
    assert found.arm_of("baseline_arm_2") == 2
    assert found.event("month_2_arm_1").name == "Month 2"


@pytest.mark.parametrize(
    ("ask", "said"),
    [
        (lambda found: found.field("visit_dat"), "field 'visit_dat'.*did you mean 'visit_date'"),
        (lambda found: found.event("month_2"), "event 'month_2'.*did you mean 'month_2_arm_1'"),
        (lambda found: found.export_columns("zzz"), "field 'zzz': is not in the project$"),
    ],
)
def test_an_unknown_name_comes_with_the_nearest(ask: object, said: str) -> None:
    """A mistyped name is the dictionary's matter (exit 3), and the message helps."""
    assert callable(ask)
    with pytest.raises(UnknownName, match=said) as failed:
        ask(project())
    assert isinstance(failed.value, DictionaryError)
    assert failed.value.exit_code is ExitCode.SETUP


@pytest.mark.parametrize(
    ("sent", "offsets"),
    [
        ({}, (None, None, None)),
        ({"day_offset": "", "offset_min": "", "offset_max": ""}, (None, None, None)),
        ({"day_offset": "60", "offset_min": "14", "offset_max": "28"}, (60, 14, 28)),
        ({"day_offset": 0, "offset_min": 0, "offset_max": 0}, (0, 0, 0)),
    ],
)
def test_offsets_are_there_only_where_they_were_sent(
    sent: dict[str, object], offsets: tuple[int | None, ...]
) -> None:
    """With Scheduling off REDCap sends none: None is not a window of zero days."""
    row = {"event_name": "Month 2", "arm_num": 1, "unique_event_name": "month_2_arm_1"}
    event = parse_event(row | sent)
    assert (event.day_offset, event.offset_min, event.offset_max) == offsets
    assert event.arm == 1


def test_settings_that_a_release_does_not_send_are_off() -> None:
    """Older releases send fewer settings: what is not said is no."""
    info = parse_info({"project_id": "12"})
    assert info == ProjectInfo(12, "", False, False, False, False, False, False)
    with pytest.raises(KeyError):
        parse_info({})


def test_arms_mapping_and_repeating_setup() -> None:
    """A whole event that repeats has form ''; a classic project's repeating form has event ''."""
    assert parse_arm({"arm_num": "2", "name": "Drug B"}) == Arm(2, "Drug B")
    assert parse_mapping([{"unique_event_name": "a", "form": "b", "arm_num": 1}]) == {("a", "b")}
    assert parse_repeating(
        [
            {"event_name": "a", "form_name": ""},
            {"event_name": "a", "form_name": None},
            {"form_name": "log", "custom_form_label": ""},
        ]
    ) == {("a", ""), ("", "log")}


@pytest.mark.parametrize("between", [" | ", "\n", "\r\n", "\r", "\\n", "\\r\\n", " \n "])
def test_missing_data_codes_are_told_apart_at_bars_and_line_breaks(between: str) -> None:
    """REDCap's settings page takes missing-data codes one per line: each line is a code."""
    codes = between.join(["-99, Not asked, ever", "UNK, Unknown", "NI, No information"])
    found = parse_info({"project_id": 1, "missing_data_codes": codes}).missing_data_codes
    assert found == {"-99": "Not asked, ever", "UNK": "Unknown", "NI": "No information"}
