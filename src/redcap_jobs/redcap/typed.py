"""The typed view of a rows frame: every column as the data dictionary says, never by guessing.

A stored string that does not fit its field's type becomes missing here and stays what it is in the
rows frame; :func:`parse_dates` says which ones those were. Missing-data codes of the project become
missing, too.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import numpy as np
import pandas as pd

if TYPE_CHECKING:
    from redcap_jobs.redcap.project import Field, Project

ISO_DATE = r"\d{4}-\d{2}-\d{2}"
ISO_DATE_TIME = rf"{ISO_DATE}[ T]\d{{2}}:\d{{2}}(?::\d{{2}})?"
WHOLE_NUMBER = r"[+-]?\d{1,18}"
"""What fits 64 bits; longer strings of digits are names of something."""
DECIMAL_NUMBER = r"[+-]?(?:\d+\.?\d*|\.\d+)"
WHOLE = {"integer", "int"}


def parse_dates(values: pd.Series) -> tuple[pd.Series, pd.Series]:
    """Read stored dates, each distinct text once.

    Takes ``str`` (blank ''); returns a ``datetime64[s]`` series (NaT where blank or bad) and a
    ``bool`` mask of the bad ones: not blank, and neither ``YYYY-MM-DD`` nor such a date with a time
    behind it, whose date part counts. 2018-02-30 is bad. REDCap stores dates so whatever the
    field's display format is (REDCap API help, date formats).
    """
    codes, distinct = pd.factorize(values, use_na_sentinel=False)
    texts = pd.Series(distinct, dtype="str").str.strip()
    fits = texts.str.fullmatch(f"{ISO_DATE}|{ISO_DATE_TIME}")
    parsed = pd.to_datetime(
        texts.str.slice(0, 10).where(fits, None), format="%Y-%m-%d", errors="coerce"
    ).to_numpy(dtype="datetime64[s]")
    bad = np.isnat(parsed) & (texts != "").to_numpy(dtype=bool)
    return (
        pd.Series(parsed[codes], index=values.index),
        pd.Series(bad[codes], index=values.index),
    )


def typed(rows: pd.DataFrame, project: Project) -> pd.DataFrame:
    """Return a rows frame with each field's column typed by the dictionary.

    KEYS and ``dag`` stay ``str``. Dates and datetimes become ``datetime64[s]``, ``integer``
    ``Int64``, other numbers, calculations and sliders ``Float64``, yes/no, true/false and checkbox
    columns ``boolean``, radio and dropdown categories of their labels, in the dictionary's order;
    everything else stays ``str`` with missing values for blanks. Columns of no field stay as is.
    """
    columns = {
        column: (name, found)
        for name, found in project.fields.items()
        for column in project.export_columns(name)
    }
    typed_columns = {
        name: typed_column(
            rows[name].mask(rows[name].isin(set(project.missing_data_codes)), ""), columns[name][1]
        )
        if name in columns
        else rows[name]
        for name in rows.columns
    }
    return pd.DataFrame(typed_columns, index=rows.index)


def typed_column(values: pd.Series, field: Field) -> pd.Series:
    """Type one column of one field; blank and unfitting values become missing."""
    if field.type in {"yesno", "truefalse", "checkbox"}:
        truths = {"1": True, "0": False}
        return values.map(truths).astype("boolean")
    if field.type in {"radio", "dropdown"}:
        labels = {choice.code: choice.label for choice in field.choices}
        order = pd.CategoricalDtype(list(dict.fromkeys(labels.values())))
        return values.map(labels).astype(order)
    if field.validation.startswith(("date_", "datetime_")):
        return parse_moments(values) if "datetime" in field.validation else parse_dates(values)[0]
    if field.validation in WHOLE:
        return parse_numbers(values, WHOLE_NUMBER, "Int64")
    if "comma_decimal" in field.validation:
        values = values.str.replace(",", ".", regex=False)
    if is_decimal(field):
        return parse_numbers(values, DECIMAL_NUMBER, "Float64")
    return values.where(values != "", np.nan)


def is_decimal(field: Field) -> bool:
    """Tell whether a field holds numbers that need not be whole."""
    return field.validation.startswith(("number", "float")) or field.type in {"calc", "slider"}


def parse_numbers(values: pd.Series, form: str, kind: Literal["Int64", "Float64"]) -> pd.Series:
    """Read the values of a form as numbers, missing where they are of another."""
    plain = values.reset_index(drop=True)
    fits = plain.str.fullmatch(form)
    numbers = plain[fits].astype("int64" if kind == "Int64" else "float64").astype(kind)
    return numbers.reindex(plain.index).set_axis(values.index)


def parse_moments(values: pd.Series) -> pd.Series:
    """Read stored datetimes (``YYYY-MM-DD HH:MM[:SS]``, no zone) as ``datetime64[s]``."""
    fits = values.str.fullmatch(ISO_DATE_TIME)
    moments = pd.to_datetime(values.where(fits, None), format="ISO8601", errors="coerce")
    return pd.Series(moments.to_numpy(dtype="datetime64[s]"), index=values.index)
