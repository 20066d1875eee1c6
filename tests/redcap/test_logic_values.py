"""Comparisons, blanks, arithmetic, truth: the rules of the logic module's docstring as tables."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from logic_columns import Columns, true, value

from redcap_jobs.redcap.logic import parse


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("[x] = ''", True),
        ("[x] <> ''", False),
        ("[x] = 0", False),
        ("[x] = '0'", False),
        ("[x] <> '0'", True),
        ("[x] <> 1", True),
        ("[x] < 5", True),
        ("[x] <= 5", True),
        ("[x] < -5", True),
        ("[x] > 5", False),
        ("[x] >= 0", False),
        ("[x] > -5", False),
        ("[x] < '2025-01-01'", True),
        ("[x] = [y]", True),
        ("[x] + 1 = ''", True),
        ("[x] + 1 < 5", True),
        ("datediff([x], 'today', 'd') >= 0", False),
        ("datediff([x], 'today', 'd') = ''", True),
        ("[x]", False),
        ("not [x]", True),
        ("isblankormissingcode([x])", True),
        ("isnumber([x])", False),
    ],
)
def test_a_blank_is_empty_text_and_comes_first(text: str, expected: bool) -> None:
    """A blank equals only a blank; in an order it comes before everything; it is not zero."""
    assert true(text, x="", y="") is expected


@pytest.mark.parametrize(
    ("left", "operator", "right", "expected"),
    [
        ("1", "=", "1.0", True),
        ("01", "=", "1", True),
        ("+1", "=", "1", True),
        ("-0", "=", "0", True),
        (".5", "=", "0.5", True),
        ("9", "<", "10", True),
        ("-2", "<", "-1", True),
        ("9", "<", "10a", False),
        ("abc", "<", "abd", True),
        ("Yes", "=", "yes", False),
        ("2024-12-31", "<", "2025-01-01", True),
        ("2025-01-01", "<", "2025-01-01 08:00", True),
        ("1e5", "=", "100000", False),
        (" 1", "=", "1", False),
        ("nan", "=", "nan", True),
        ("inf", ">", "5", True),
        ("1,5", "=", "1.5", False),
        ("12345678901234567890", "=", "12345678901234567891", False),
        ("é", "=", "é", True),
    ],
)
def test_numbers_compare_as_numbers_and_all_else_as_text(
    left: str, operator: str, right: str, expected: bool
) -> None:
    """Only if both sides are plain decimal numbers of at most 15 digits; capitals count."""
    assert true(f"[x] {operator} [y]", x=left, y=right) is expected
    assert true(f"[x] {operator} '{right}'", x=left) is expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("[a] + [b]", 7),
        ("[a] - [b]", 3),
        ("[a] * [b]", 10),
        ("[a] / [b]", 2.5),
        ("([a])^([b])", 25),
        ("-[a]", -5),
        ("[a] / 0", ""),
        ("[a] + [blank]", ""),
        ("[a] + [word]", ""),
        ("(0 - 4)^(0.5)", ""),
        ("(10)^(999)", ""),
        ("[a] + ([b] > 1)", 6),
    ],
)
def test_arithmetic_with_a_blank_is_blank(text: str, expected: object) -> None:
    """``+`` gives a number only if both operands are numbers, and a result exists."""
    assert value(text, a="5", b="2", blank="", word="x") == expected


@pytest.mark.parametrize(
    ("stored", "expected"), [("1", True), ("0", False), ("0.0", False), ("", False), ("no", True)]
)
def test_a_value_alone_is_true_unless_blank_or_zero(stored: str, expected: bool) -> None:
    """``[x]`` as a condition asks whether anything but zero is there."""
    assert true("[x]", x=stored) is expected


def test_an_untouched_checkbox_option_is_unticked() -> None:
    """An option's blank reads as '0', and never counts as a blank field."""
    context = Columns({"[consent(3)]": ["1", "0", ""], "[other]": ["a", "", "b"]})
    assert list(parse("[consent(3)] = '1'").truth(context)) == [True, False, False]
    assert list(parse("[consent(3)] = '0'").truth(context)) == [False, True, True]
    assert list(parse("[consent(3)] <> ''").truth(context)) == [True, True, True]
    both = parse("[consent(3)] = '1' and [other] = 'a'")
    assert list(both.any_blank(context)) == [False, True, False]


def test_results_have_one_dtype_each() -> None:
    """Numbers come as float64 with NaN, truths as bool, text as str with '', constants spread."""
    context = Columns({"[x]": ["1", "", "b"]})
    numbers = parse("[x] + 1").evaluate(context)
    truths = parse("[x] = 1").evaluate(context)
    text = parse("if([x] = 1, 'one', [x])").evaluate(context)
    constant = parse("2").evaluate(context)
    pd.testing.assert_series_equal(numbers, pd.Series([2.0, np.nan, np.nan]))
    pd.testing.assert_series_equal(truths, pd.Series([True, False, False]))
    pd.testing.assert_series_equal(text, pd.Series(["one", "", "b"], dtype="str"))
    pd.testing.assert_series_equal(constant, pd.Series([2.0, 2.0, 2.0]))


def test_numbers_become_text_in_their_shortest_form() -> None:
    """A whole number has no decimal point when joined to text."""
    assert value("concat([x] * 2, '/', [x] / 2, '/', [x] > 1)", x="5") == "10/2.5/1"


def test_smart_variables_are_asked_of_the_context() -> None:
    """``[record-name]`` and its like are text, compared like fields."""
    context = Columns({"[record-name]": ["1001", "1002"]})
    assert list(parse("[record-name] = 1002").truth(context)) == [False, True]


def test_no_rows_give_no_results() -> None:
    """An empty frame is evaluated like any other."""
    context = Columns({"[x]": []})
    for text in (
        "[x] = 1",
        "[x] + 1",
        "if([x]=1,'a','b')",
        "datediff([x],'today','d')",
        "left([x], 1)",
    ):
        assert len(parse(text).evaluate(context)) == 0
    assert len(parse("[x] = 1").any_blank(context)) == 0
