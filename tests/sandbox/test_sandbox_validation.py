"""Which texts each validation type takes in an import, and as what it stores them."""

from __future__ import annotations

import pytest

from redcap_jobs.sandbox.dictionary import Field
from redcap_jobs.sandbox.structure import Form, Structure
from redcap_jobs.sandbox.validation import BAD_FORMAT, BadValue, column_check


def stored(validation: str, value: str, order: str = "YMD", kind: str = "text") -> str:
    """Return what an import stores of one value; BadValue if REDCap refuses it."""
    fields = (Field("id", "f", "text"), Field("x", "f", kind, validation=validation))
    structure = Structure(fields, (Form("f", "F"),))
    return column_check(structure.column_by_name["x"], structure, order)(value)


@pytest.mark.parametrize(
    ("validation", "value"),
    [
        ("", "anything\nat all"),
        ("date_ymd", "2024-02-29"),
        ("date_mdy", "2024-02-29"),
        ("datetime_ymd", "2024-02-29 23:59"),
        ("datetime_seconds_ymd", "2024-02-29 23:59:59"),
        ("datetime_seconds_dmy", "2024-02-29 00:00:00"),
        ("time", "09:30"),
        ("integer", "-12"),
        ("number", "1.5e-3"),
        ("number", ".5"),
        ("number_2dp", "1.50"),
        ("number_comma_decimal", "1,5"),
        ("phone", "(617) 555-0123"),
        ("phone", "617-555-0123"),
        ("phone", "6175550123"),
        ("phone", "+1 617 555 0123 ext 7"),
        ("email", "a.b@example.org"),
        ("zipcode", "02118-1234"),
        ("some_local_type", "whatever"),
    ],
)
def test_what_is_taken(validation: str, value: str) -> None:
    """Stored as it came; a validation type that is not known here takes anything."""
    assert stored(validation, value) == value


@pytest.mark.parametrize(
    ("validation", "value"),
    [
        ("date_ymd", "2023-02-29"),
        ("date_ymd", "2024-2-9"),
        ("date_ymd", "02/29/2024"),
        ("date_ymd", "2024-02-29 10:00"),
        ("date_ymd", " 2024-02-29"),
        ("datetime_ymd", "2024-02-29"),
        ("datetime_ymd", "2024-02-29 9:30"),
        ("datetime_ymd", "2024-02-29 24:00"),
        ("datetime_ymd", "2024-02-29 10:00:00"),
        ("datetime_seconds_ymd", "2024-02-29 10:00"),
        ("date_ymd", "\u0662\u0660\u0662\u0664-\u0660\u0662-\u0662\u0669"),
        ("datetime_ymd", "2024-02-29 10:0\u0660"),
        ("integer", "\u0661\u0662"),
        ("number", "\u0661\u0662"),
        ("phone", "617-555-012\u0663"),
        ("time", "24:00"),
        ("integer", "1.0"),
        ("number", "1,5"),
        ("number_2dp", "1.5"),
        ("phone", "617-555"),
        ("phone", "555-0123"),
        ("email", "nobody"),
        ("zipcode", "2118"),
    ],
)
def test_what_is_refused(validation: str, value: str) -> None:
    """The recorded words for a wrong format."""
    with pytest.raises(BadValue) as refused:
        stored(validation, value)
    assert str(refused.value) == BAD_FORMAT


@pytest.mark.parametrize(
    ("order", "value", "kept"),
    [
        ("MDY", "2/9/2024", "2024-02-09"),
        ("DMY", "9-2-2024", "2024-02-09"),
        ("YMD", "2024-02-09", "2024-02-09"),
    ],
)
def test_dates_are_stored_year_first(order: str, value: str, kept: str) -> None:
    """``dateFormat`` names the order they come in, whatever order the field shows."""
    assert stored("date_mdy", value, order) == kept
    assert stored("datetime_dmy", f"{value} 10:00", order) == f"{kept} 10:00"


def test_a_slider_takes_whole_numbers() -> None:
    """A slider stores an integer."""
    assert stored("", "50", kind="slider") == "50"
    with pytest.raises(BadValue):
        stored("", "high", kind="slider")


@pytest.mark.parametrize(("kind", "code"), [("yesno", "2"), ("truefalse", "yes")])
def test_yes_and_no_are_one_and_zero(kind: str, code: str) -> None:
    """Any other value is no valid category."""
    assert stored("", "1", kind=kind) == "1"
    with pytest.raises(BadValue, match="The value is not a valid category for x"):
        stored("", code, kind=kind)
