"""The typed view: each column as the dictionary says, whatever its values look like."""

from __future__ import annotations

from datetime import date, datetime

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from redcap_jobs.redcap.frames import KEYS
from redcap_jobs.redcap.project import Choice, Field, Project, ProjectInfo
from redcap_jobs.redcap.typed import parse_dates, typed

CHOICES = (Choice("1", "One"), Choice("2", "Two"), Choice("-4", "Refused"))
FIELDS = [
    Field("record_id", "f", "text"),
    Field("name", "f", "text"),
    Field("note", "f", "notes"),
    Field("born", "f", "text", validation="date_dmy"),
    Field("seen", "f", "text", validation="datetime_seconds_mdy"),
    Field("rung", "f", "text", validation="datetime_ymd"),
    Field("count", "f", "text", validation="integer"),
    Field("share", "f", "text", validation="number"),
    Field("weight", "f", "text", validation="number_1dp_comma_decimal"),
    Field("total", "f", "calc"),
    Field("mood", "f", "slider"),
    Field("agrees", "f", "yesno"),
    Field("right", "f", "truefalse"),
    Field("group", "f", "radio", choices=CHOICES),
    Field("box", "f", "checkbox", choices=CHOICES),
]


def project(codes: dict[str, str] | None = None) -> Project:
    info = ProjectInfo(
        project_id=1,
        title="",
        in_production=False,
        is_longitudinal=False,
        has_repeating=False,
        scheduling_enabled=False,
        surveys_enabled=False,
        record_autonumbering=False,
        missing_data_codes=codes or {},
    )
    return Project(info, {field.name: field for field in FIELDS})


def column(name: str, values: list[str], codes: dict[str, str] | None = None) -> pd.Series:
    rows = pd.DataFrame({name: pd.Series(values, dtype="str")})
    return typed(rows, project(codes))[name]


@pytest.mark.parametrize(
    ("name", "dtype"),
    [
        ("born", "datetime64[s]"),
        ("seen", "datetime64[s]"),
        ("rung", "datetime64[s]"),
        ("count", "Int64"),
        ("share", "Float64"),
        ("weight", "Float64"),
        ("total", "Float64"),
        ("mood", "Float64"),
        ("agrees", "boolean"),
        ("right", "boolean"),
        ("box___1", "boolean"),
        ("name", "str"),
        ("note", "str"),
        ("unknown", "str"),
    ],
)
@pytest.mark.parametrize("values", [[], [""], ["1"], ["2020-01-31"], ["other", "", "7"]])
def test_the_type_is_the_dictionarys_whatever_the_values(
    name: str, dtype: str, values: list[str]
) -> None:
    """No rows, blanks, numbers in a text field, words in a number field: the type stays."""
    assert column(name, values).dtype == dtype


def test_keys_stay_text() -> None:
    """Record names like 007 are names; keys and the group keep their blanks."""
    rows = pd.DataFrame(
        {name: pd.Series(["007", ""], dtype="str") for name in [*KEYS, "dag", "name"]}
    )
    view = typed(rows, project())
    assert view["record"].tolist() == ["007", ""]
    assert (view.dtypes == "str").all()
    assert list(view.columns) == list(rows.columns)


@pytest.mark.parametrize(
    ("name", "stored", "meant"),
    [
        ("name", ["01", "NA", ""], ["01", "NA", None]),
        ("born", ["2020-02-29", "2021-02-29", ""], [datetime(2020, 2, 29), None, None]),  # noqa: DTZ001 - dates have no zone
        ("seen", ["2020-02-29 23:59:58", "soon"], [datetime(2020, 2, 29, 23, 59, 58), None]),  # noqa: DTZ001 - server time, no zone
        ("rung", ["2020-02-29 23:59", ""], [datetime(2020, 2, 29, 23, 59), None]),  # noqa: DTZ001 - server time, no zone
        ("count", ["7", "-3", "+2", "1.5", "many"], [7, -3, 2, None, None]),
        ("count", ["9" * 18, "9" * 19, "9" * 40], [10**18 - 1, None, None]),
        ("share", ["1.5", ".5", "-2", "inf", "1e5", "1,5"], [1.5, 0.5, -2.0, None, None, None]),
        ("weight", ["1,5", "2"], [1.5, 2.0]),
        ("agrees", ["1", "0", "", "2"], [True, False, None, None]),
        ("box____4", ["1", "0", ""], [True, False, None]),
        ("group", ["1", "-4", "", "9"], ["One", "Refused", None, None]),
    ],
)
def test_stored_values_become_what_they_mean(
    name: str, stored: list[str], meant: list[object]
) -> None:
    """Blanks and what does not fit the field's type are missing, nothing is bent to fit."""
    found = column(name, stored)
    assert [None if pd.isna(value) else value for value in found] == meant


def test_choices_are_categories_in_the_dictionarys_order() -> None:
    """All labels are there, used or not, in the order of the dictionary."""
    found = column("group", ["2"])
    assert list(found.cat.categories) == ["One", "Two", "Refused"]


def test_missing_data_codes_are_missing() -> None:
    """A project's missing-data codes read as blank in every field; elsewhere they are values."""
    codes = {"-99": "Not asked", "UNK": "Unknown"}
    assert column("count", ["-99", "5"], codes).isna().tolist() == [True, False]
    assert column("name", ["UNK", "UNKNOWN"], codes).isna().tolist() == [True, False]
    assert column("count", ["-99", "5"]).tolist() == [-99, 5]


@pytest.mark.parametrize(
    ("stored", "day", "bad"),
    [
        ("", None, False),
        ("2020-02-29", date(2020, 2, 29), False),
        (" 2020-02-29 ", date(2020, 2, 29), False),
        ("2020-02-29 10:00", date(2020, 2, 29), False),
        ("2020-02-29 10:00:59", date(2020, 2, 29), False),
        ("2021-02-29", None, True),
        ("29-02-2020", None, True),
        ("02/29/2020", None, True),
        ("2020-2-9", None, True),
        ("2020-02-29x", None, True),
        ("20200229", None, True),
        ("soon", None, True),
        ("0000-00-00", None, True),
        ("9999-12-31", date(9999, 12, 31), False),
        ("1850-01-01", date(1850, 1, 1), False),
    ],
)
def test_dates_are_read_strictly(stored: str, day: date | None, bad: bool) -> None:
    """Only YYYY-MM-DD, with or without a time: what is neither blank nor that is bad."""
    dates, wrong = parse_dates(pd.Series([stored], dtype="str"))
    assert dates.dtype == "datetime64[s]"
    assert wrong.tolist() == [bad]
    assert [None if pd.isna(value) else value.date() for value in dates] == [day]


@given(st.lists(st.one_of(st.just(""), st.dates().map(str), st.text(max_size=12))))
@settings(deadline=None)
def test_a_date_is_blank_read_or_bad(stored: list[str]) -> None:
    """Exactly one of three for each text; what was read is what stood there; the index stays."""
    values = pd.Series(stored, dtype="str", index=[f"r{n}" for n in range(len(stored))])
    dates, bad = parse_dates(values)
    assert dates.index.equals(values.index)
    assert bad.index.equals(values.index)
    blank = values.str.strip() == ""
    assert ((blank.astype(int) + bad.astype(int) + dates.notna().astype(int)) == 1).all()
    read = dates.notna()
    assert (
        dates[read].dt.strftime("%Y-%m-%d").str.zfill(10) == values[read].str.strip().str[:10]
    ).all()


@given(days=st.lists(st.dates(min_value=date(1900, 1, 1)), min_size=1))
@settings(deadline=None, max_examples=40)
def test_what_was_typed_can_be_written_back(days: list[date]) -> None:
    """Dates, whole numbers, truths and labels give back the stored text: nothing was lost."""
    count = len(days)
    stored = pd.DataFrame(
        {
            "born": [day.isoformat() for day in days],
            "count": [str(day.toordinal()) for day in days],
            "agrees": [str(day.day % 2) for day in days],
            "group": [CHOICES[day.day % 3].code for day in days],
        },
        dtype="str",
    )
    view = typed(stored, project())
    code_of = {choice.label: choice.code for choice in CHOICES}
    back = pd.DataFrame(
        {
            "born": view["born"].dt.strftime("%Y-%m-%d"),
            "count": view["count"].astype("str"),
            "agrees": view["agrees"].astype("Int64").astype("str"),
            "group": view["group"].astype("object").map(code_of),
        }
    ).astype("str")
    assert len(back) == count
    assert np.array_equal(back.to_numpy(), stored.to_numpy())
