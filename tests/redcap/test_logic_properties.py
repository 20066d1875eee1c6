"""Properties of REDCap logic that hold for any expression and any data."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from logic_columns import Columns

from redcap_jobs.redcap.logic import parse

FIELDS = ("[a]", "[b]", "[e_arm_1][c]", "[d(1)]")
ODD = ["", "0", "1", "01", "1.0", "-3", "abc", "Abc", "2025-01-31", "2025-03-01 12:00", "1e5", "é"]
stored = st.sampled_from(ODD) | st.text(
    st.characters(exclude_categories=("Cs",), exclude_characters="\x00"), max_size=4
)
numbers = st.decimals(-1000, 1000, places=3).map(str)
atoms = (
    st.sampled_from(FIELDS)
    | st.integers(0, 99).map(str)
    | st.sampled_from(["'1'", "''", '"it\'s"', "true", "[record-name]"])
)


def deeper(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    two = st.tuples(inner, inner)
    operators = ["=", "<>", "<", ">", "<=", ">=", "+", "-", "*", "/", "and", "or"]
    functions = ["sum", "contains", "concat", "left", "min", "mod"]
    return st.one_of(
        st.tuples(st.sampled_from(operators), two).map(lambda t: f"({t[1][0]} {t[0]} {t[1][1]})"),
        st.tuples(st.sampled_from(functions), two).map(lambda t: f"{t[0]}({t[1][0]}, {t[1][1]})"),
        inner.map(lambda each: f"(not {each})"),
        inner.map(lambda each: f"(-{each})"),
        two.map(lambda pair: f"datediff({pair[0]}, 'today', 'd', true)"),
        st.tuples(inner, inner, inner).map(lambda t: f"if({t[0]}, {t[1]}, {t[2]})"),
    )


expressions = st.recursive(atoms, deeper, max_leaves=8)
tables = st.lists(st.tuples(*[stored] * (len(FIELDS) + 1)), min_size=1, max_size=6)


def as_table(rows: list[tuple[str, ...]]) -> dict[str, list[str]]:
    names = (*FIELDS, "[record-name]")
    return {name: [row[place] for row in rows] for place, name in enumerate(names)}


@given(expressions)
def test_writing_back_and_parsing_again_gives_the_same_expression(text: str) -> None:
    """``str`` loses nothing: the tree, its fields, its smart variables."""
    expression = parse(text)
    again = parse(str(expression))
    assert again == expression
    assert str(again) == str(expression)
    assert again.references == expression.references
    assert again.smart_variables == expression.smart_variables


@given(expressions, tables)
def test_many_rows_at_once_equal_one_row_at_a_time(text: str, rows: list[tuple[str, ...]]) -> None:
    """No row's result depends on its neighbours: vectorised is the same as a loop."""
    expression = parse(text)
    whole = Columns(as_table(rows))
    for row, value, truth, blank in zip(
        rows,
        expression.evaluate(whole),
        expression.truth(whole),
        expression.any_blank(whole),
        strict=True,
    ):
        alone = Columns(as_table([row]))
        (single,) = expression.evaluate(alone)
        assert single == value or (single != single and value != value)
        assert list(expression.truth(alone)) == [truth]
        assert list(expression.any_blank(alone)) == [blank]


@given(numbers, numbers)
def test_numbers_compare_and_add_as_in_python(left: str, right: str) -> None:
    """Any two decimal numbers, as stored or as written."""
    context = Columns({"[a]": [left], "[b]": [right]})
    x, y = float(left), float(right)
    for operator, expected in [
        ("=", x == y), ("<>", x != y), ("<", x < y), (">", x > y), ("<=", x <= y), (">=", x >= y),
    ]:  # fmt: skip
        assert parse(f"[a] {operator} [b]").truth(context).iloc[0] == expected
        assert parse(f"[a] {operator} '{right}'").truth(context).iloc[0] == expected
    assert parse("[a] + [b]").evaluate(context).iloc[0] == x + y
    assert parse("[a] * [b]").evaluate(context).iloc[0] == x * y


@given(stored, stored)
def test_comparisons_fit_together(left: str, right: str) -> None:
    """Exactly one of <, =, > holds, and <>, <=, >= are their opposites and unions."""
    context = Columns({"[a]": [left], "[b]": [right]})
    less, equal, more, unequal, at_most, at_least = (
        bool(parse(f"[a] {operator} [b]").truth(context).iloc[0])
        for operator in ("<", "=", ">", "<>", "<=", ">=")
    )
    assert [less, equal, more].count(True) == 1
    assert unequal is not equal
    assert at_most is (less or equal)
    assert at_least is (more or equal)


@given(stored, stored)
def test_not_and_or_are_logic(left: str, right: str) -> None:
    """De Morgan's rule, whatever is stored."""
    context = Columns({"[a]": [left], "[b]": [right]})
    one = parse("not ([a] and [b])").truth(context)
    other = parse("not [a] or not [b]").truth(context)
    assert list(one) == list(other)


@given(
    st.datetimes(datetime(1900, 1, 1), datetime(2100, 1, 1)),  # noqa: DTZ001 - REDCap has no zones
    st.datetimes(datetime(1900, 1, 1), datetime(2100, 1, 1)),  # noqa: DTZ001 - REDCap has no zones
)
def test_datediff_counts_seconds(start: datetime, end: datetime) -> None:
    """Signed, it is Python's difference in each unit; unsigned, its absolute value."""
    start, end = start.replace(microsecond=0), end.replace(microsecond=0)
    context = Columns({"[a]": [str(start)], "[b]": [str(end)]})
    apart = (end - start) / timedelta(seconds=1)
    for unit, seconds in [
        ("s", 1), ("m", 60), ("h", 3600), ("d", 86400), ("M", 30.44 * 86400), ("y", 365.2425 * 86400),
    ]:  # fmt: skip
        signed = parse(f"datediff([a], [b], '{unit}', true)").evaluate(context).iloc[0]
        unsigned = parse(f"datediff([a], [b], '{unit}')").evaluate(context).iloc[0]
        assert signed == pytest.approx(apart / seconds)
        assert unsigned == pytest.approx(abs(apart) / seconds)


@pytest.mark.parametrize("rows", [1, 1_000, 100_000])
def test_each_field_is_read_once_however_many_rows(rows: int) -> None:
    """An evaluation asks for whole columns: the number of reads does not grow with the rows."""
    context = Columns({"[a]": ["1", ""] * rows, "[d]": ["2025-06-01", "2025-06-14"] * rows})
    text = "[a] = 1 and datediff([d], 'today', 'd') > 7 or [a] > 5 and [d] <> ''"
    truth = parse(text).truth(context)
    assert int(truth.sum()) == rows
    assert context.reads == {"[a]": 1, "[d]": 1}
