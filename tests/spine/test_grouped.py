"""What is told of many records in the same words is shown once."""

from __future__ import annotations

import pytest
from rich.console import Console

from redcap_jobs.grouped import Told, grouped
from redcap_jobs.plan import Problem
from redcap_jobs.render import show_problems, show_told

AGAIN = "differs; redcap-jobs partner tell-again study.toml --env-file 7/.env {} --reason ..."


def differs(record: str, typed: str = "") -> str:
    return f"record {record}: language: {AGAIN.format(typed or record)}"


def test_the_same_sentence_stands_once_with_its_records() -> None:
    """In the order of the first of each kind; one record alone keeps its own command."""
    told = grouped([differs("3"), "record 9: arm: two arms", differs("1"), differs("2")])
    assert told == [
        Told(("3", "1", "2"), f"language: {AGAIN.format('RECORD')}"),
        Told(("9",), "arm: two arms"),
    ]
    assert grouped([differs("3")]) == [Told(("3",), f"language: {AGAIN.format('3')}")]


def test_what_differs_by_more_than_the_record_stands_alone() -> None:
    """Another field, or another record in the sentence itself."""
    told = grouped(["record 1: a: like 2", "record 2: a: like 1", "record 1: b: like 2"])
    assert [each.what for each in told] == ["a: like 2", "a: like 1", "b: like 2"]


def test_only_the_record_itself_is_put_out_of_the_command() -> None:
    """Not a part of a word or of a path, and nothing before the command."""
    told = grouped(["record 7: x: 7 days; redcap-jobs why 7/study.toml 7 --days=7", "record 8: y"])
    assert told[0].what.endswith("redcap-jobs why 7/study.toml 7 --days=7")
    both = ["record 7: x: 7 days; redcap-jobs why S 7", "record 8: x: 7 days; redcap-jobs why S 8"]
    assert [each.what for each in grouped(both)] == ["x: 7 days; redcap-jobs why S RECORD"]


def test_a_record_that_needs_quotes_is_found() -> None:
    """As a shell needs it, or bare."""
    (told,) = grouped([differs("1 0", "'1 0'"), differs("2")])
    assert told.records == ("1 0", "2")


@pytest.mark.parametrize(("most", "shown"), [(50, "49, … and 10 more"), (None, "58, 59")])
def test_of_very_many_the_first_fifty_are_named_where_not_all_are_asked_for(
    most: int | None, shown: str
) -> None:
    """A run's own page names all."""
    (told,) = grouped(differs(str(number)) for number in range(60))
    assert told.whom(most).endswith(shown)
    console = Console(record=True, width=80, quiet=False, file=None, force_terminal=False)
    with console.capture() as captured:
        show_told([told], console, most)
    first, ids = captured.get().splitlines()
    assert first.startswith("  60 records: language: differs")
    assert ids.strip() == told.whom(most)


def test_the_kinds_that_are_not_shown_are_counted_by_records() -> None:
    """Twenty kinds, then how many problems more, and the command that lists them."""
    problems = [Problem(str(number), f"place{number}", "wrong") for number in range(20)]
    problems += [Problem(str(number), "last", "wrong") for number in range(5)]
    console = Console(width=80, force_terminal=False)
    with console.capture() as captured:
        show_problems(problems, console, all_of_them="redcap-jobs runs R1")
    lines = captured.get().splitlines()
    assert lines[0] == "25 problems in the data:"
    assert lines[1] == "  record 0: place0: wrong"
    assert lines[-1] == "  … and 5 more: redcap-jobs runs R1"
    assert len(lines) == 22
