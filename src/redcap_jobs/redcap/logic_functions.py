"""REDCap's special functions over whole columns, as its own function list describes them.

Sources: REDCap's special-function list as copied in public guides (REDCap 16.1). Blanks: an
aggregate skips them; ``concat_ws`` too; every other numeric or date function of a blank is blank;
a text function takes a blank as empty text. Text searches ignore capitals, comparisons do not.

``datediff``: 1 month is 30.44 days and 1 year 365.2425 days; unsigned unless the last argument is
``true``, then positive if the second date is the later; a date counts as its midnight, so does
``'today'``. The old argument for the date format may stand before the sign: stored dates are ISO
whatever it says, so it only tells how a date written in the expression is to be read.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias, cast

import numpy as np

from redcap_jobs.redcap.logic_values import (
    DATE_FORMATS,
    Dates,
    Floats,
    Marks,
    Numbers,
    Strings,
    Texts,
    Truths,
    Value,
    blank,
    choose,
    dates_of,
)

Arguments: TypeAlias = Sequence[Value]

SECONDS_PER_DAY = 86_400
SECONDS = {
    "y": 365.2425 * SECONDS_PER_DAY,
    "M": 30.44 * SECONDS_PER_DAY,
    "d": float(SECONDS_PER_DAY),
    "h": 3_600.0,
    "m": 60.0,
    "s": 1.0,
}
"""Seconds in each of datediff's units; M is months, m is minutes."""

ANY_NUMBER = 1_000


@dataclass(frozen=True)
class Function:
    """One function: how many arguments it takes, and what it does with them.

    ``words`` says which arguments (by position) must be written out, and as which words.
    """

    least: int
    most: int
    apply: Callable[[Arguments], Value]
    words: Mapping[int, tuple[str, ...]]


def _seconds_between(start: Dates, end: Dates) -> Floats:
    apart = end - start
    return np.where(np.isnat(apart), np.nan, apart.astype(np.int64).astype(np.float64))


def _datediff(arguments: Arguments) -> Value:
    unit, *rest = (str(argument.text[0]) for argument in arguments[2:])
    order = next((word for word in rest if word in DATE_FORMATS), "ymd")
    apart = _seconds_between(dates_of(arguments[0], order), dates_of(arguments[1], order))
    signed = "1" in rest
    return Numbers((apart if signed else np.abs(apart)) / SECONDS[unit])


def _age_at_date(arguments: Arguments) -> Value:
    born, on = (dates_of(each).astype("datetime64[D]") for each in arguments[:2])
    if len(arguments) > 2 and str(arguments[2].text[0]) == "1":
        apart = _seconds_between(born.astype("datetime64[s]"), on.astype("datetime64[s]"))
        return Numbers(apart / SECONDS["y"])
    before_birthday = _month_and_day(on) < _month_and_day(born)
    return Numbers(_part(on, "Y") - _part(born, "Y") - before_birthday)


def _part(dates: Dates, unit: str) -> Floats:
    """Give the year, the month of the year or the day of the month; NaN for no date."""
    whole: dict[str, Callable[[], np.ndarray[tuple[int], np.dtype[np.int64]]]] = {
        "Y": lambda: dates.astype("datetime64[Y]").astype(np.int64) + 1970,
        "M": lambda: dates.astype("datetime64[M]").astype(np.int64) % 12 + 1,
        "D": lambda: (
            (dates.astype("datetime64[D]") - dates.astype("datetime64[M]")).astype(np.int64) + 1
        ),
    }
    return np.where(np.isnat(dates), np.nan, whole[unit]().astype(np.float64))


def _month_and_day(dates: Dates) -> Floats:
    return _part(dates, "M") * 100 + _part(dates, "D")


def _part_of_date(unit: str) -> Callable[[Arguments], Value]:
    return lambda arguments: Numbers(_part(dates_of(arguments[0]), unit))


def _day_of_the_week(arguments: Arguments) -> Value:
    dates = dates_of(arguments[0])
    since_monday = (dates.astype("datetime64[D]").astype(np.int64) + 3) % 7
    return Numbers(np.where(np.isnat(dates), np.nan, since_monday + 1.0))


def _rounding(toward: Callable[[Floats], Floats]) -> Callable[[Arguments], Value]:
    """Round to decimals; the tiny step first undoes what binary fractions lose (1.005)."""

    def apply(arguments: Arguments) -> Value:
        scale = np.power(10.0, arguments[1].numbers if len(arguments) > 1 else np.zeros(1))
        scaled = arguments[0].numbers * scale
        nearest = np.round(scaled, 9)
        return Numbers(toward(nearest) / scale)

    return apply


def _half_up(numbers: Floats) -> Floats:
    return np.sign(numbers) * np.floor(np.abs(numbers) + 0.5)


def _away_from_zero(numbers: Floats) -> Floats:
    return np.sign(numbers) * np.ceil(np.abs(numbers))


def _numeric(of: Callable[..., Floats]) -> Callable[[Arguments], Value]:
    def apply(arguments: Arguments) -> Value:
        with np.errstate(all="ignore"):
            return Numbers(of(*(argument.numbers for argument in arguments)))

    return apply


def _log(numbers: Floats, base: Floats | None = None) -> Floats:
    return np.log(numbers) if base is None else np.log(numbers) / np.log(base)


def _aggregate(of: Callable[[Floats, Floats], Floats]) -> Callable[[Arguments], Value]:
    """Aggregate over the arguments, blanks skipped; a sum of nothing is 0, all else blank."""

    def apply(arguments: Arguments) -> Value:
        table = np.stack(np.broadcast_arrays(*(argument.numbers for argument in arguments)))
        count = (~np.isnan(table)).sum(axis=0).astype(np.float64)
        with np.errstate(all="ignore"):
            result = of(table, count)
        return Numbers(np.where((count == 0) & (of is not _sum), np.nan, result))

    return apply


def _sum(table: Floats, _count: Floats) -> Floats:
    return cast("Floats", np.nansum(table, axis=0))


def _mean(table: Floats, count: Floats) -> Floats:
    return _sum(table, count) / count


def _minimum(table: Floats, _count: Floats) -> Floats:
    smallest: Floats = np.fmin.reduce(table, axis=0)
    return smallest


def _maximum(table: Floats, _count: Floats) -> Floats:
    largest: Floats = np.fmax.reduce(table, axis=0)
    return largest


def _median(table: Floats, count: Floats) -> Floats:
    """Sort each column (NaN last) and take the middle one or two."""
    ordered = np.sort(table, axis=0)
    upper = np.clip(count // 2, 0, len(table) - 1).astype(np.intp)
    lower = np.clip((count - 1) // 2, 0, len(table) - 1).astype(np.intp)
    either = np.take_along_axis(ordered, np.stack([lower, upper]), axis=0)
    return cast("Floats", either.mean(axis=0))


def _stdev(table: Floats, count: Floats) -> Floats:
    """Give the sample standard deviation; blank for fewer than two values."""
    spread = np.nansum((table - _mean(table, count)) ** 2, axis=0)
    deviation: Floats = np.sqrt(spread / (count - 1))
    return deviation


def _is_number(arguments: Arguments) -> Value:
    return Truths(~np.isnan(arguments[0].numbers))


def _is_integer(arguments: Arguments) -> Value:
    numbers = arguments[0].numbers
    return Truths(~np.isnan(numbers) & (numbers == np.trunc(numbers)))


def _text(of: Callable[..., Strings]) -> Callable[[Arguments], Value]:
    return lambda arguments: Texts(of(*(argument.text for argument in arguments)))


def _search(of: Callable[[Strings, Strings], Marks]) -> Callable[[Arguments], Value]:
    def apply(arguments: Arguments) -> Value:
        haystack, needle = (np.strings.lower(argument.text) for argument in arguments)
        return Truths(of(haystack, needle))

    return apply


def _find(arguments: Arguments) -> Value:
    needle, haystack = (np.strings.lower(argument.text) for argument in arguments)
    return Numbers((np.strings.find(haystack, needle) + 1).astype(np.float64))


def _characters(of: Callable[..., Strings]) -> Callable[[Arguments], Value]:
    """Cut text at character positions; a blank position counts as 0."""

    def apply(arguments: Arguments) -> Value:
        places = [np.nan_to_num(each.numbers).astype(np.int64) for each in arguments[1:]]
        return Texts(of(arguments[0].text, *(np.maximum(place, 0) for place in places)))

    return apply


def _left(text: Strings, length: np.ndarray[tuple[int], np.dtype[np.int64]]) -> Strings:
    return np.strings.slice(text, 0, length)


def _right(text: Strings, length: np.ndarray[tuple[int], np.dtype[np.int64]]) -> Strings:
    size = np.strings.str_len(text)
    return np.strings.slice(text, np.maximum(size - length, 0), size)


def _mid(
    text: Strings,
    start: np.ndarray[tuple[int], np.dtype[np.int64]],
    length: np.ndarray[tuple[int], np.dtype[np.int64]],
) -> Strings:
    first = np.maximum(start - 1, 0)
    return np.strings.slice(text, first, first + length)


def _concat(*texts: Strings) -> Strings:
    joined = texts[0]
    for text in texts[1:]:
        joined = np.strings.add(joined, text)
    return joined


def _concat_ws(separator: Strings, *texts: Strings) -> Strings:
    joined = texts[0]
    for text in texts[1:]:
        between = np.where((joined == "") | (text == ""), "", separator)
        joined = _concat(joined, cast("Strings", between), text)
    return joined


def _if(arguments: Arguments) -> Value:
    return choose(arguments[0].truths, arguments[1], arguments[2])


def _function(
    least: int,
    most: int,
    apply: Callable[[Arguments], Value],
    words: Mapping[int, tuple[str, ...]] | None = None,
) -> Function:
    return Function(least, most, apply, words or {})


SIGNS = ("true", "false", "0", "1")

FUNCTIONS: Mapping[str, Function] = {
    "if": _function(3, 3, _if),
    "datediff": _function(
        3, 5, _datediff, {2: tuple(SECONDS), 3: (*DATE_FORMATS, "", *SIGNS), 4: SIGNS}
    ),
    "age_at_date": _function(2, 3, _age_at_date, {2: SIGNS}),
    "dayoftheweek": _function(1, 1, _day_of_the_week),
    "year": _function(1, 1, _part_of_date("Y")),
    "month": _function(1, 1, _part_of_date("M")),
    "day": _function(1, 1, _part_of_date("D")),
    "round": _function(1, 2, _rounding(_half_up)),
    "roundup": _function(1, 2, _rounding(_away_from_zero)),
    "rounddown": _function(1, 2, _rounding(np.trunc)),
    "sqrt": _function(1, 1, _numeric(np.sqrt)),
    "abs": _function(1, 1, _numeric(np.abs)),
    "exponential": _function(1, 1, _numeric(np.exp)),
    "log": _function(1, 2, _numeric(_log)),
    "mod": _function(2, 2, _numeric(np.fmod)),
    "min": _function(1, ANY_NUMBER, _aggregate(_minimum)),
    "max": _function(1, ANY_NUMBER, _aggregate(_maximum)),
    "mean": _function(1, ANY_NUMBER, _aggregate(_mean)),
    "median": _function(1, ANY_NUMBER, _aggregate(_median)),
    "sum": _function(1, ANY_NUMBER, _aggregate(_sum)),
    "stdev": _function(1, ANY_NUMBER, _aggregate(_stdev)),
    "isnumber": _function(1, 1, _is_number),
    "isinteger": _function(1, 1, _is_integer),
    "isblankormissingcode": _function(1, 1, lambda arguments: Truths(blank(arguments[0]))),
    "contains": _function(2, 2, _search(lambda text, part: np.strings.find(text, part) >= 0)),
    "not_contain": _function(2, 2, _search(lambda text, part: np.strings.find(text, part) < 0)),
    "starts_with": _function(2, 2, _search(np.strings.startswith)),
    "ends_with": _function(2, 2, _search(np.strings.endswith)),
    "find": _function(2, 2, _find),
    "left": _function(2, 2, _characters(_left)),
    "right": _function(2, 2, _characters(_right)),
    "mid": _function(3, 3, _characters(_mid)),
    "length": _function(
        1, 1, lambda arguments: Numbers(np.strings.str_len(arguments[0].text).astype(np.float64))
    ),
    "trim": _function(1, 1, _text(np.strings.strip)),
    "upper": _function(1, 1, _text(np.strings.upper)),
    "lower": _function(1, 1, _text(np.strings.lower)),
    "replace_text": _function(3, 3, _text(np.strings.replace)),
    "concat": _function(1, ANY_NUMBER, _text(_concat)),
    "concat_ws": _function(2, ANY_NUMBER, _text(_concat_ws)),
}

SYNONYMS = {"not_contains": "not_contain"}

UNANSWERABLE = dict.fromkeys(
    ("ismissingcode", "hasmissingcode", "isblanknotmissingcode"),
    "a missing-data code is read as blank here; use isblankormissingcode",
)
"""Functions of REDCap that have no answer here, and why."""
