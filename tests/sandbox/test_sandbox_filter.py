"""``filterLogic``: rows are judged in blocks, so that an export's size costs no memory."""

from __future__ import annotations

import tracemalloc
from datetime import datetime
from itertools import pairwise

import pytest
from sandbox_projects import trial

from redcap_jobs.sandbox import filter_logic
from redcap_jobs.sandbox.context import Context
from redcap_jobs.sandbox.export_rows import visible_rows
from redcap_jobs.sandbox.filter_logic import blocks_of_records, matching_rows
from redcap_jobs.sandbox.parameters import Parameters, Refusal
from redcap_jobs.sandbox.project import SandboxProject
from redcap_jobs.sandbox.store import Record, RowKey, Snapshot

NOW = datetime(2026, 11, 22, 12, 0)  # noqa: DTZ001 - server time
EVENTS = ("start_arm_1", "week_1_arm_1")
MANY = 20_000


def filtering(project: SandboxProject, logic: str) -> Context:
    """Return an export with this logic."""
    someone = next(iter(project.members.users.values()))
    return Context(Parameters({"filterLogic": logic}, {}), project, someone, NOW)


def with_records(number: int) -> SandboxProject:
    """Return the trial with many records of two rows."""
    project = trial()
    stored = {RowKey(EVENTS[0]): {"sex": "1"}, RowKey(EVENTS[1]): {"felt": "0"}}
    odd = {**stored, RowKey(EVENTS[0]): {"sex": "2"}}
    project.store.current = Snapshot(
        {str(place): Record(odd if place % 2 else stored) for place in range(number)}
    )
    return project


@pytest.mark.parametrize("size", [1, 2, 3, 7, 5_000])
@pytest.mark.parametrize("logic", ["[sex] = '2'", "[start_arm_1][sex] = '2' and [felt] = '0'"])
def test_blocks_do_not_show(monkeypatch: pytest.MonkeyPatch, size: int, logic: str) -> None:
    """Whatever the size of a block: a record is never torn, another event is found in it."""
    monkeypatch.setattr(filter_logic, "ROWS_AT_ONCE", size)
    context = filtering(with_records(9), logic)
    found = [row.record for row in matching_rows(context, visible_rows(context))]
    assert found == ["1", "3", "5", "7"]
    blocks = list(blocks_of_records(visible_rows(context)))
    assert sum(map(len, blocks)) == 18
    assert len(blocks) == len({block[-1].record for block in blocks})
    assert all(before[-1].record != after[0].record for before, after in pairwise(blocks))


@pytest.mark.parametrize("logic", ["[sex", "[nowhere] = 1", "[consent(9)] = '1'", "[sex(1)] = '1'"])
def test_what_is_wrong_is_told_before_the_first_row(logic: str) -> None:
    """An answer that has begun cannot be refused any more; also if there is nothing to judge."""
    for project in (trial(), with_records(0)):
        context = filtering(project, logic)
        with pytest.raises(Refusal, match="filterLogic"):
            matching_rows(context, visible_rows(context))


def test_no_rows_pass_none() -> None:
    """A project without records has an empty answer, not a refusal."""
    context = filtering(with_records(0), "[sex] = '1'")
    assert list(matching_rows(context, visible_rows(context))) == []


def test_rows_are_not_held_in_memory() -> None:
    """40,000 rows as objects alone take more than the limit; blocks stay far below it."""
    context = filtering(with_records(MANY), "[sex] <> '7'")
    every = sum(1 for _ in matching_rows(context, visible_rows(context)))  # imports are done here
    tracemalloc.start()
    try:
        assert sum(1 for _ in matching_rows(context, visible_rows(context))) == every
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert every == 2 * MANY
    assert peak < 4_000_000


def test_half_a_letter_is_a_question_mark() -> None:
    """A lone surrogate, which JSON can bring in, fails no filter; it reads as it goes out."""
    project = trial()
    stored = {"1": "a\ud800b", "2": "ab"}
    project.store.current = Snapshot(
        {name: Record({RowKey(EVENTS[0]): {"born": text}}) for name, text in stored.items()}
    )
    context = filtering(project, "[born] = 'a?b'")
    assert [row.record for row in matching_rows(context, visible_rows(context))] == ["1"]
