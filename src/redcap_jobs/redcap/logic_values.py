"""Whole columns of values as REDCap's logic sees them: text, numbers, or true and false.

Every value converts to each of the three views, so that operators and functions ask for the view
they need. Arrays have one entry per row, or exactly one entry for a constant; numpy broadcasts.

* A blank is ``''`` as text, NaN as a number, false as a truth.
* Text *looks numeric* if it is an optional sign, digits and at most one decimal point, with at
  most 15 digits before and after it. Longer digit strings (such as ids) stay text, since floats
  cannot tell neighbours among them apart; exponents stay text, so that "1e5" is a name.
"""

from __future__ import annotations

from functools import cached_property
from typing import Protocol, TypeAlias, TypeVar, cast

import numpy as np
import numpy.typing as npt
import pandas as pd

Strings: TypeAlias = npt.NDArray[np.str_]
"""One-dimensional, of numpy's variable-width ``StringDType``."""
Floats: TypeAlias = npt.NDArray[np.float64]
Marks: TypeAlias = npt.NDArray[np.bool_]
Dates: TypeAlias = npt.NDArray[np.datetime64]
"""``datetime64[s]``; NaT for a blank and for what is no date."""

NUMERIC = r"[+-]?(?:\d{1,15}(?:\.\d{0,15})?|\.\d{1,15})"
LARGEST_EXACT = 1e15
DATE_FORMATS = {"ymd": "%Y-%m-%d", "mdy": "%m-%d-%Y", "dmy": "%d-%m-%Y"}
TIME_FORMATS = ("", " %H:%M", " %H:%M:%S")


def as_strings(values: pd.Series | npt.NDArray[np.object_]) -> Strings:
    """Copy text out of pandas; blanks must already be ''."""
    objects = values.to_numpy(dtype=object) if isinstance(values, pd.Series) else values
    return cast("Strings", objects.astype(np.dtypes.StringDType()))


def as_series(text: Strings, index: pd.Index | None = None) -> pd.Series:
    """Copy text into pandas, dtype ``str``."""
    return pd.Series(text.astype(object), index=index, dtype="str")


class Value(Protocol):
    """A column, in whichever view is asked for."""

    @property
    def text(self) -> Strings:
        """As text; a blank is ''."""

    @property
    def numbers(self) -> Floats:
        """As numbers; NaN where blank or not numeric."""

    @property
    def truths(self) -> Marks:
        """As true or false: a number is true unless it is 0, text unless it is blank."""


class Texts:
    """Text as stored, or made by a text function."""

    def __init__(self, text: Strings) -> None:
        self.text = text

    @cached_property
    def _distinct(self) -> tuple[npt.NDArray[np.intp], pd.Series]:
        codes, distinct = pd.factorize(as_series(self.text))
        return codes, pd.Series(distinct, dtype="str")

    @cached_property
    def numbers(self) -> Floats:
        """Read each distinct text once."""
        codes, distinct = self._distinct
        numeric = distinct.where(distinct.str.fullmatch(NUMERIC))
        return pd.to_numeric(numeric).to_numpy(dtype=np.float64, na_value=np.nan)[codes]

    @cached_property
    def truths(self) -> Marks:
        """Blank and zero are false."""
        return cast("Marks", (self.text != "") & ~(self.numbers == 0))

    def dates(self, order: str = "ymd") -> Dates:
        """Read dates and datetimes: ISO as stored, else in the named order with - or /."""
        codes, distinct = self._distinct
        tidy = distinct.str.replace("/", "-", regex=False).str.replace("T", " ", regex=False)
        read = pd.Series(pd.NaT, index=distinct.index, dtype="datetime64[s]")
        for day in dict.fromkeys((DATE_FORMATS["ymd"], DATE_FORMATS[order])):
            for time in TIME_FORMATS:
                parsed = pd.to_datetime(tidy, format=day + time, errors="coerce")
                read = read.fillna(parsed.astype("datetime64[s]"))
        return cast("Dates", read.to_numpy(dtype="datetime64[s]")[codes])


class Numbers:
    """Results of arithmetic; NaN is a blank."""

    def __init__(self, numbers: Floats) -> None:
        self.numbers = np.where(np.isfinite(numbers), numbers, np.nan)

    @cached_property
    def text(self) -> Strings:
        """Whole numbers without a decimal point, others in their shortest exact form."""
        text = self.numbers.astype(np.dtypes.StringDType())
        whole = (np.abs(self.numbers) < LARGEST_EXACT) & (self.numbers == np.trunc(self.numbers))
        integers = np.where(whole, self.numbers, 0).astype(np.int64)
        text = np.where(whole, integers.astype(np.dtypes.StringDType()), text)
        return cast("Strings", np.where(np.isnan(self.numbers), "", text))

    @cached_property
    def truths(self) -> Marks:
        """Zero and blank are false."""
        truths: Marks = ~np.isnan(self.numbers) & (self.numbers != 0)
        return truths


class Truths:
    """Results of comparisons; as a number or text, true is 1 and false is 0."""

    def __init__(self, truths: Marks) -> None:
        self.truths = truths

    @cached_property
    def numbers(self) -> Floats:
        """1.0 and 0.0."""
        return self.truths.astype(np.float64)

    @cached_property
    def text(self) -> Strings:
        """'1' and '0'."""
        return Numbers(self.numbers).text


class Moments:
    """Dates of the clock (``today``, ``now``), one per row."""

    def __init__(self, moments: Dates) -> None:
        self.moments = moments

    @cached_property
    def text(self) -> Strings:
        """ISO, with the time of day where there is one."""
        stamps = np.strings.replace(
            as_strings(np.datetime_as_string(self.moments, unit="s").astype(object)), "T", " "
        )
        stamps = np.where(np.isnat(self.moments), "", stamps)
        return np.strings.replace(stamps, " 00:00:00", "")

    @property
    def numbers(self) -> Floats:
        """A date is no number."""
        return np.full(self.moments.shape, np.nan)

    @property
    def truths(self) -> Marks:
        """True unless blank."""
        return ~np.isnat(self.moments)

    def dates(self, _order: str = "ymd") -> Dates:
        """Give the moments as they are."""
        return self.moments


def dates_of(value: Value, order: str = "ymd") -> Dates:
    """Read any value as dates; NaT where it is none."""
    if isinstance(value, Texts | Moments):
        return value.dates(order)
    return Texts(value.text).dates(order)


T = TypeVar("T", bound=np.generic)


def compare(operator: str, left: Value, right: Value) -> Truths:
    """Compare row by row: as numbers where both sides look numeric, else as text.

    Text is compared by its characters, capitals counting; so ISO dates order rightly, and a
    blank equals only a blank and comes before everything else: with ``[x]`` blank, ``[x] = ''``,
    ``[x] <> '0'`` and ``[x] < 5`` are true, ``[x] = 0``, ``[x] > 5`` and ``[x] >= 0`` are not.
    """
    test = COMPARISONS[operator]
    both = ~np.isnan(left.numbers) & ~np.isnan(right.numbers)
    as_numbers = test(left.numbers, right.numbers)
    if both.all():
        return Truths(as_numbers)
    return Truths(np.where(both, as_numbers, test(left.text, right.text)))


COMPARISONS = {
    "=": np.equal,
    "<>": np.not_equal,
    "<": np.less,
    ">": np.greater,
    "<=": np.less_equal,
    ">=": np.greater_equal,
}
CALCULATIONS = {
    "+": np.add,
    "-": np.subtract,
    "*": np.multiply,
    "/": np.divide,
    "^": np.power,
}


def calculate(operator: str, left: Value, right: Value) -> Numbers:
    """Calculate row by row; blank where an operand is blank or no number, or has no result."""
    with np.errstate(all="ignore"):
        return Numbers(CALCULATIONS[operator](left.numbers, right.numbers))


def blank(value: Value) -> Marks:
    """Say where a value is blank."""
    return np.isnan(value.numbers) if isinstance(value, Numbers) else value.text == ""


def choose(condition: Marks, yes: Value, no: Value) -> Value:
    """Take ``yes`` where the condition holds, else ``no``; numbers stay numbers, else text."""
    if isinstance(yes, Texts | Moments) or isinstance(no, Texts | Moments):
        return Texts(cast("Strings", np.where(condition, yes.text, no.text)))
    if isinstance(yes, Truths) and isinstance(no, Truths):
        return Truths(np.where(condition, yes.truths, no.truths))
    return Numbers(np.where(condition, yes.numbers, no.numbers))
