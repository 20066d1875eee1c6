"""Details of a record export: rules that a recording or REDCap's documentation states."""

from __future__ import annotations

import pytest
from sandbox_projects import Caller

from redcap_jobs.sandbox.dictionary import Choice, Field
from redcap_jobs.sandbox.project import SandboxProject, Settings
from redcap_jobs.sandbox.server import Sandbox
from redcap_jobs.sandbox.store import Record, RowKey, Snapshot
from redcap_jobs.sandbox.structure import Form, Structure

FIELDS = (
    Field("sid", "one", "text", "ID"),
    Field("pets", "one", "checkbox", "Pets", (Choice("0", "None"), Choice("1", "A cat"))),
    Field("weight", "one", "text", "Weight", validation="number"),
    Field("note", "one", "notes", "Note"),
    Field("more", "two", "text", "More"),
)


def project(
    *rows: dict[str, str], codes: dict[str, str] | None = None, surveys: bool = False
) -> SandboxProject:
    """Return a classic project of two forms; its records are 1, 2, ... with these values."""
    forms = (Form("one", "One"), Form("two", "Two"))
    structure = Structure(FIELDS, forms, missing_data_codes=codes or {})
    made = SandboxProject(903, "Details", structure, Settings(surveys_enabled=surveys))
    made.store.current = Snapshot(
        {str(number): Record({RowKey(""): row}) for number, row in enumerate(rows, start=1)}
    )
    return made


def asked(one: SandboxProject, **parameters: str) -> str:
    """Export records, as csv if nothing else is asked for, and return the text."""
    with Sandbox([one]) as sandbox:
        caller = Caller(sandbox.url, one.token)
        answer = caller.post(content="record", **{"format": "csv", **parameters})
    assert answer.status_code == 200, answer.text
    return answer.content.decode()


def test_an_unticked_option_with_code_0_is_not_listed_as_ticked() -> None:
    """combineCheckboxOptions (own answer) lists ticked options only, whatever their codes are."""
    one = project(
        {"pets___1": "1", "weight": "2"}, {"pets___0": "1", "weight": "2"}, {"weight": "2"}
    )
    combined = {"combineCheckboxOptions": "true", "fields": "pets,weight"}
    assert asked(one, **combined) == "pets,weight\n1,2\n0,2\n,2\n"
    words = asked(one, rawOrLabel="label", exportCheckboxLabel="true", **combined)
    assert words == 'pets,weight\n"A cat",2\nNone,2\n,2\n'


@pytest.mark.parametrize("blank", ["\u00a0", "\u2003", "\x0b", "\u2028"])
def test_only_ascii_blanks_ask_for_quotes_in_csv(blank: str) -> None:
    """Quoted are blank, delimiter, quote, tab, line's end (raw exports of REDCapTidieR's tests)."""
    assert asked(project({"note": f"a{blank}b"}), fields="note") == f"note\na{blank}b\n"
    assert asked(project({"note": "a\tb"}), fields="note") == 'note\n"a\tb"\n'


def test_a_form_with_data_is_not_gray_even_without_a_status() -> None:
    """The gray icon is *Incomplete (no data saved)*: values without a status give 0, no values ''."""
    gray = {"exportBlankForGrayFormStatus": "true", "forms": "one,two"}
    one = project({"weight": "5"}, {"sid": "2"}, {"more": "x", "one_complete": "0"})
    lines = asked(one, **gray).splitlines()
    header = "sid,pets___0,pets___1,weight,note,one_complete,more,two_complete"
    assert lines == [header, "1,0,0,5,,0,,", "2,0,0,,,,,", "3,0,0,,,0,x,0"]
    eav = asked(one, type="eav", **gray).splitlines()
    assert [line for line in eav if "_complete" in line] == [
        *("1,one_complete,0", "3,one_complete,0", "3,two_complete,0"),
    ]


def test_numbers_keep_the_decimal_character_in_labels() -> None:
    """Missing-data codes of the project do not switch decimalCharacter off (phpcap's tests)."""
    one = project({"weight": "5.5"}, {"weight": "-99"}, codes={"-99": "Unknown"})
    text = asked(one, rawOrLabel="label", decimalCharacter=",", csvDelimiter=";", fields="weight")
    assert text == "weight\n5,5\nUnknown\n"


def test_the_survey_identifier_comes_where_surveys_are_enabled() -> None:
    """Even if no form is a survey; no time stamp then (raw export in REDCapTidieR's tests)."""
    row = {"weight": "5"}
    wanted = {"exportSurveyFields": "true", "fields": "sid,weight"}
    assert asked(project(row, surveys=True), **wanted) == (
        "sid,redcap_survey_identifier,weight\n1,,5\n"
    )
    assert asked(project(row), **wanted) == "sid,weight\n1,5\n"


def test_eav_says_a_value_as_a_flat_export_does() -> None:
    """Missing-data codes in words and both decimal characters, as documented for flat (own answer)."""
    one = project({"weight": "-99"}, {"weight": "1,5"}, codes={"-99": "Unknown"})
    words = asked(one, type="eav", rawOrLabel="label", fields="weight")
    assert words == 'record,field_name,value\n1,weight,Unknown\n2,weight,"1,5"\n'
    marked = asked(one, type="eav", decimalCharacter=".", fields="weight")
    assert marked == "record,field_name,value\n1,weight,-99\n2,weight,1.5\n"
