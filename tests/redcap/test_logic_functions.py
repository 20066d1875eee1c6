"""REDCap's special functions, each by its documented examples and its blanks."""

from __future__ import annotations

import pytest
from logic_columns import Columns, true, value

from redcap_jobs.redcap.logic import parse
from redcap_jobs.redcap.logic_functions import FUNCTIONS

DATES = {
    "[start]": ["2025-01-31"],
    "[end]": ["2025-03-01"],
    "[at]": ["2025-03-01 12:00"],
    "[atsec]": ["2025-03-01 12:00:30"],
    "[none]": [""],
    "[junk]": ["31.12.2024"],
    "[feb30]": ["2025-02-30"],
}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("datediff([start], [end], 'd')", 29),
        ("datediff([end], [start], 'd')", 29),
        ("datediff([end], [start], 'd', true)", -29),
        ("datediff([start], [end], 'd', true)", 29),
        ("datediff([end], [start], 'd', 'ymd')", 29),
        ("datediff([end], [start], 'd', 'mdy', true)", -29),
        ("datediff([end], [start], 'd', '', true)", -29),
        ("datediff([end], [start], 'd', 'dmy', false)", 29),
        ("datediff([start], [end], 'y')", 29 / 365.2425),
        ("datediff([start], [end], 'M')", 29 / 30.44),
        ("datediff([start], [end], 'h')", 29 * 24),
        ("datediff([start], [end], 'm')", 29 * 24 * 60),
        ("datediff([start], [end], 's')", 29 * 86_400),
        ("datediff([end], [at], 'd')", 0.5),
        ("datediff([at], [atsec], 's')", 30),
        ("datediff('01/31/2025', '03/01/2025', 'd', 'mdy')", 29),
        ("datediff('31-01-2025', '01-03-2025', 'd', 'dmy')", 29),
        ("datediff('31-01-2025', '01-03-2025', 'd')", ""),
        ("datediff([none], [end], 'd')", ""),
        ("datediff([start], [junk], 'd')", ""),
        ("datediff([start], [feb30], 'd')", ""),
    ],
)
def test_datediff(text: str, expected: object) -> None:
    """1 month is 30.44 days, 1 year 365.2425; unsigned unless told; no date, no difference."""
    result = parse(text).evaluate(Columns(DATES)).iloc[0]
    assert result == pytest.approx(expected) if expected != "" else result != result


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("datediff([t], 'today', 'd')", 0.75),
        ('datediff([t], "today", "d", true)', -0.75),
        ("datediff([t], 'now', 'h')", 0),
        ("datediff([t], now, 'h')", 0),
        ("datediff([n], 'today', 'd')", 0.25),
        ("datediff(if([t] = '', 'today', 'now'), [t], 's')", 0),
        ("year('today') * 10000 + month(today) * 100 + day('now')", 20250615),
        ("dayoftheweek('today')", 7),
        ("concat('on ', if(1, today, ''))", "on 2025-06-15"),
        ("concat('at ', if(1, now, ''))", "at 2025-06-15 18:00:00"),
    ],
)
def test_today_is_midnight_and_now_the_clock(text: str, expected: object) -> None:
    """A time of 18:00 is 0.75 days from today on the day itself and 0.25 before midnight."""
    context = Columns({"[t]": ["2025-06-15 18:00"], "[n]": ["2025-06-14 18:00:00"]})
    assert parse(text).evaluate(context).iloc[0] == expected


def test_today_is_each_rows_own() -> None:
    """Sites in different zones have different days at one instant."""
    days = {"[d]": ["2025-06-15", "2025-06-15"]}
    context = Columns(days, "2025-06-15 23:00:00", "2025-06-16 01:00:00")
    assert list(parse("datediff([d], 'today', 'd')").evaluate(context)) == [0.0, 1.0]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("age_at_date('2000-06-15', '2025-06-14')", 24),
        ("age_at_date('2000-06-15', '2025-06-15')", 25),
        ("age_at_date('2000-02-29', '2025-02-28 23:00')", 24),
        ("age_at_date('2024-06-15', '2024-09-11', true)", 88 / 365.2425),
        ("age_at_date([x], 'today')", ""),
        ("dayoftheweek('2025-06-16')", 1),
        ("year('1985-03-15 10:00')", 1985),
        ("month('1969-12-31')", 12),
        ("day('1969-12-31')", 31),
        ("year([x])", ""),
        ("dayoftheweek([x])", ""),
    ],
)
def test_parts_of_dates(text: str, expected: object) -> None:
    """Birthdays count for age; a week starts on Monday; a blank date has no parts."""
    assert value(text) == (pytest.approx(expected) if expected != "" else "")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("round(14.384, 1)", 14.4),
        ("roundup(14.384, 1)", 14.4),
        ("rounddown(14.384, 1)", 14.3),
        ("round(2.5)", 3),
        ("round(-2.5)", -3),
        ("round(1.005, 2)", 1.01),
        ("roundup(2)", 2),
        ("roundup(-2.1)", -3),
        ("rounddown(-2.9)", -2),
        ("round(1234, -2)", 1200),
        ("sqrt(9)", 3),
        ("sqrt(0 - 1)", ""),
        ("abs(-7.1)", 7.1),
        ("(4)^(3)", 64),
        ("exponential(0)", 1),
        ("log(100, 10)", 2),
        ("log(exponential(1))", 1),
        ("log(0)", ""),
        ("mod(10, 4)", 2),
        ("mod(10, 0)", ""),
        ("round([x])", ""),
        ("min(3, 1, 2)", 1),
        ("max(3, [x], 2)", 3),
        ("mean(1, [x], 2)", 1.5),
        ("median(5, 1, [x], 3)", 3),
        ("median(5, 1, 2, 3)", 2.5),
        ("sum(1, [x], 2)", 3),
        ("sum([x], [x])", 0),
        ("mean([x], [x])", ""),
        ("median([x])", ""),
        ("stdev(2, 4, 4, 4, 5, 5, 7, 9)", 2.138089935299395),
        ("stdev(2, [x])", ""),
        ("isnumber('1.5') + isnumber('x')", 1),
        ("isinteger('15') + isinteger('1.5') + isinteger('x')", 1),
    ],
)
def test_numbers(text: str, expected: object) -> None:
    """Halves round away from zero; aggregates skip blanks; what has no result is blank."""
    assert value(text) == (pytest.approx(expected) if expected != "" else "")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("left('Taylor', 3)", "Tay"),
        ("right('Taylor', 4)", "ylor"),
        ("right('Taylor', 40)", "Taylor"),
        ("mid('Taylor', 2, 3)", "ayl"),
        ("mid('Taylor', 9, 3)", ""),
        ("length('Taylor')", 6),
        ("length([x])", 0),
        ("find('Y', 'Taylor')", 3),
        ("find('z', 'Taylor')", 0),
        ("trim('  hello ')", "hello"),
        ("upper('José Ñ')", "JOSÉ Ñ"),
        ("lower('John Doe')", "john doe"),
        ("replace_text('a-b-c', '-', '+')", "a+b+c"),
        ("concat('Rob', ' ', 'Taylor')", "Rob Taylor"),
        ("concat_ws(' and ', 'Peas', [x], 'Carrots')", "Peas and Carrots"),
        ("concat_ws('-', [x], [x])", ""),
        ("right(concat('00', 7), 3)", "007"),
        ("left('Taylor', [x])", ""),
        ("left('añb', 2)", "añ"),
    ],
)
def test_text(text: str, expected: object) -> None:
    """Positions count characters from 1; a blank is empty text, skipped by concat_ws."""
    assert value(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("contains('Rob Taylor', 'taylor')", True),
        ("contains('Rob Taylor', '')", True),
        ("not_contain('Rob Taylor', 'smith')", True),
        ("not_contains('Rob Taylor', 'ROB')", False),
        ("starts_with('Rob Taylor', 'rob')", True),
        ("ends_with('Rob Taylor', 'Rob')", False),
        ("isblankormissingcode('0')", False),
    ],
)
def test_searches_ignore_capitals(text: str, expected: bool) -> None:
    """Unlike comparisons, which do not."""
    assert true(text) is expected


def test_a_needle_may_differ_from_row_to_row() -> None:
    """Every argument may be a field."""
    context = Columns({"[a]": ["abc", "abc", ""], "[b]": ["B", "x", "x"], "[n]": ["2", "1", ""]})
    assert list(parse("contains([a], [b])").truth(context)) == [True, False, False]
    assert list(parse("left([a], [n])").evaluate(context)) == ["ab", "a", ""]
    assert list(parse("round(1.26, [n])").evaluate(context))[:2] == [1.26, 1.3]


def test_if_keeps_numbers_numbers_and_mixes_to_text() -> None:
    """Branches of one kind keep it; a number beside text becomes text."""
    assert value("if(1 = 1, 2, 3) + 1") == 3
    assert value("if(1 = 2, 'a', 3)") == "3"
    assert value("if(if(1 = 1, false, true), 'a', 'b')") == "b"


@pytest.mark.parametrize("name", sorted(FUNCTIONS))
def test_every_function_takes_a_column_without_a_date_or_number(name: str) -> None:
    """No function raises for what data hold: blanks, words, numbers."""
    words = {"datediff": ", 'd'"}.get(name, "")
    arguments = ", ".join(["[a]"] * (2 if words else FUNCTIONS[name].least))
    context = Columns({"[a]": ["", "word", "-1", "0", "2025-01-01", "99999999999999999999"]})
    assert len(parse(f"{name}({arguments}{words})").evaluate(context)) == 6
