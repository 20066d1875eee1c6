"""Importing the data dictionary over raw HTTP: what comes back, what stays, what is refused."""

from __future__ import annotations

import csv
import io
import json
from typing import Any

import pytest
from sandbox_projects import Caller

Rows = list[dict[str, Any]]


def dictionary(caller: Caller) -> Rows:
    """Return the dictionary as JSON rows."""
    rows: Rows = caller.post(content="metadata", format="json").json()
    return rows


def upload(caller: Caller, rows: Rows) -> str:
    """Import a dictionary that must be taken, and return the answer."""
    response = caller.post(content="metadata", format="json", data=json.dumps(rows))
    assert response.status_code == 200, response.text
    return response.text


def refusal(caller: Caller, rows: Any) -> str:
    """Import a dictionary that must be refused with 400, and return the text."""
    response = caller.post(content="metadata", format="json", data=json.dumps(rows))
    assert response.status_code == 400, response.text
    return str(response.json()["error"])


@pytest.mark.parametrize("format_", ["csv", "json", "xml"])
def test_it_comes_back_as_it_was_imported(longitudinal: Caller, format_: str) -> None:
    """Export, import, export in each format: equal, and the answer is the number of fields."""
    before = longitudinal.post(content="metadata", format=format_).text
    answer = longitudinal.post(content="metadata", format=format_, data=before)
    assert (answer.status_code, answer.text) == (200, str(len(dictionary(longitudinal))))
    assert longitudinal.post(content="metadata", format=format_).text == before


@pytest.mark.parametrize(
    ("kind", "choices"),
    [
        ("radio", "1, Yes|0, No"),
        ("dropdown", "1, Yes | 0, No"),
        ("checkbox", "a, Alpha |-4, None of it"),
        ("calc", "round([weight]/4, 1)"),
        ("slider", "never | now and then | always"),
        ("sql", "select value from redcap_data where field_name = 'x'"),
        ("text", "BIOPORTAL:ICD10"),
    ],
)
def test_choices_come_back_as_somebody_typed_them(
    longitudinal: Caller, kind: str, choices: str
) -> None:
    """One column holds choices, formula, labels of a slider or a query: raw text (as recorded)."""
    field = {
        "field_name": "extra",
        "form_name": "diary",
        "field_type": kind,
        "select_choices_or_calculations": choices,
    }
    upload(longitudinal, [*dictionary(longitudinal), field])
    assert dictionary(longitudinal)[-1]["select_choices_or_calculations"] == choices


def test_a_spreadsheets_types_and_flags(classic: Caller) -> None:
    """A signature is a file with that validation; flags are y; a matrix keeps its name."""
    rows = [
        *dictionary(classic),
        {
            **dict.fromkeys(dictionary(classic)[0], ""),
            "field_name": "Signed",
            "form_name": "Consent Form",
            "field_type": "file",
            "text_validation_type_or_show_slider_number": "signature",
            "identifier": "Y",
            "required_field": "y",
            "matrix_group_name": "m",
        },
    ]
    upload(classic, rows)
    last = dictionary(classic)[-1]
    assert (last["field_name"], last["form_name"]) == ("signed", "consent_form")
    assert (last["identifier"], last["required_field"], last["matrix_group_name"]) == (
        "y",
        "y",
        "m",
    )
    assert last["text_validation_type_or_show_slider_number"] == "signature"
    forms = classic.post(content="instrument", format="json").json()
    assert forms[-1] == {"instrument_name": "consent_form", "instrument_label": "Consent Form"}


def test_values_of_a_field_that_vanishes_come_back_with_it(longitudinal: Caller) -> None:
    """Gone from exports while the field is gone, and not lost."""
    fields = dictionary(longitudinal)
    before = longitudinal.export()
    fewer = [field for field in fields if field["field_name"] not in ("born", "consent")]
    upload(longitudinal, fewer)
    assert "born" not in longitudinal.export()[0]
    upload(longitudinal, fields)
    assert longitudinal.export() == before


def test_a_form_that_vanishes_comes_back_with_its_set_up(longitudinal: Caller) -> None:
    """Events it was on, that it repeats, and its values; meanwhile none of it shows."""
    contents = ("formEventMapping", "repeatingFormsEvents")
    fields, before = dictionary(longitudinal), longitudinal.export()
    held = {one: longitudinal.post(content=one, format="json").json() for one in contents}
    upload(longitudinal, [field for field in fields if field["form_name"] != "drugs"])
    for content, key in (("formEventMapping", "form"), ("repeatingFormsEvents", "form_name")):
        rows = longitudinal.post(content=content, format="json").json()
        assert "drugs" not in [row[key] for row in rows]
    assert "drugs" not in {row["redcap_repeat_instrument"] for row in longitudinal.export()}
    upload(longitudinal, fields)
    now = {one: longitudinal.post(content=one, format="json").json() for one in contents}
    assert now == held
    assert longitudinal.export() == before


def test_a_dictionary_without_its_first_column(classic: Caller) -> None:
    """The refusal recorded in PyCap issue 190: all mistakes at once, with the cells of a sheet."""
    rows = [
        {"field_name": form, "form_name": section, "field_type": label}
        for form, section, label in (
            ("demographics", "", "Study ID"),
            ("demographics", "Consent", "Date"),
            ("demographics", "", "File"),
        )
    ]
    lines = refusal(classic, rows).split("\n")
    assert lines[0] == (
        "The following variable/field names were duplicated. Please rename these field names so "
        "that they only appear once.demographics (A3)demographics (A4)"
    )
    assert lines[1] == (
        "Each row MUST have a form name, but the following cells have a form name missing: B2, B4."
    )
    assert "\n".join(lines[2:4]) == (
        "Form names must be sequential and cannot repeat again after being used for another form. "
        "Rename the following form names\r\n                   beginning with the values listed "
        "below: (B4)"
    )
    assert lines[4].startswith(
        "The only valid field types are text, notes, radio, dropdown, calc, file, checkbox, yesno, "
        "truefalse, descriptive, slider and must all "
    )


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        ([], "no fields"),
        ([{"field_name": "", "form_name": "a"}], "none: A2."),
        ([{"field_name": "1st", "form_name": "a"}], "1st (A2)"),
        ([{"field_name": "a-b", "form_name": "a"}], "a-b (A2)"),
    ],
)
def test_mistakes_in_names(classic: Caller, rows: Rows, words: str) -> None:
    """In this sandbox's own words; nothing is taken on."""
    before = dictionary(classic)
    assert words in refusal(classic, rows)
    assert dictionary(classic) == before


@pytest.mark.parametrize(
    ("format_", "data", "message"),
    [
        (
            "json",
            "field_name,form_name",
            (
                "The data being imported is not formatted correctly. PHP error from JSON decoder: "
                "Syntax error. The JSON must be in an array, as in [{ ... }]."
            ),
        ),
        ("xml", "field_name,form_name", "The data is not in the specified format."),
    ],
)
def test_data_in_another_format(classic: Caller, format_: str, data: str, message: str) -> None:
    """The recorded texts of imports that are not what they say."""
    response = classic.post(content="metadata", format=format_, returnFormat="json", data=data)
    assert (response.status_code, response.json()) == (400, {"error": message})


def test_csv_with_quotes_and_lines(classic: Caller) -> None:
    """A label over two lines with quotes and commas is one cell."""
    label = 'First, "second"\nand third'
    text = io.StringIO()
    csv.writer(text).writerows([["field_name", "form_name", "field_label"], ["id", "p", label]])
    response = classic.post(content="metadata", format="csv", data=text.getvalue())
    assert (response.status_code, response.text) == (200, "1")
    assert dictionary(classic)[0]["field_label"] == label
