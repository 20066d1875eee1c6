"""A job on the server's bad days: the same data as on a good one, or a clear failure.

``REDCAP_JOBS_LONG_TESTS=1`` runs every fault at every rate eight times over both cases;
``python tests/end_to_end/faulty_runs.py`` prints that as a table.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator
from datetime import timedelta
from itertools import product

import pytest
from faulty_runs import (
    PER_MINUTE,
    RATED,
    RATES,
    Bench,
    Case,
    PassingClock,
    cases,
    new_bench,
    tried,
)
from study_home import DEV, NOW, Home

from redcap_jobs.errors import ExitCode
from redcap_jobs.redcap.client import RedcapClient
from redcap_jobs.redcap.project import Field
from redcap_jobs.sandbox.bans import Bans
from redcap_jobs.sandbox.faults import FaultBoard

SEEDS = range(8) if os.environ.get("REDCAP_JOBS_LONG_TESTS") else range(1)
MOST_REQUESTS = 120
"""Ten times what an undisturbed run asks: a bound, so that no run asks without end."""


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    with new_bench(tmp_path_factory.mktemp("bench")) as made:
        yield made


@pytest.fixture(scope="module")
def both(bench: Bench) -> list[Case]:
    """Give a first run and a later one that overwrites and erases, both undisturbed."""
    made = cases(bench)
    assert [case.right.outcome.state for case in made] == ["partial", "partial"]
    assert made[0].right.outcome.counts["cells_written"] > 1000
    assert made[1].right.outcome.counts["cells_written"] > 100
    return made


@pytest.mark.parametrize(("fault", "rate"), list(product(RATED, RATES)))
def test_a_run_under_a_fault_ends_right_or_says_that_it_failed(
    fault: str, rate: float, bench: Bench, both: list[Case]
) -> None:
    """The data of an undisturbed run; or an error, no record half-written, and the next run
    mends it. Never more requests in a minute than the study file allows."""
    number = RATED.index(fault) + RATES.index(rate)
    for seed in SEEDS:
        for case in both if len(SEEDS) > 1 else [both[number % 2]]:
            run = tried(bench, case, fault, rate, seed + number)
            about = f"{case.name} run, seed {seed + number}: {run.ended.outcome.message}"
            assert run.verdict in {"same at once", "failed, mended"}, about
            assert run.half_written == (), about
            assert run.ended.most_in_a_minute <= PER_MINUTE, about
            assert len(run.ended.requests) <= MOST_REQUESTS, about


def test_the_bench_disturbs(bench: Bench, both: list[Case]) -> None:
    """At rate 1 nothing gets through: the run fails, says so, and leaves the data alone."""
    ended = bench.run(both[0].start, "504", rate=1)
    assert ended.failed
    assert ended.struck == len(ended.requests) == 5
    assert ended.data.digest() == both[0].start.data.digest()


@pytest.mark.parametrize(
    ("content", "more"),
    [
        ("metadata", {"metadata": 2, "event": 2, "formEventMapping": 2, "repeatingFormsEvents": 2}),
        ("record", {"record": 4}),
    ],
)
def test_rows_left_out_once_are_noticed(
    content: str, more: dict[str, int], bench: Bench, both: list[Case]
) -> None:
    """A dictionary that lacks the study's fields is read again before it is believed; so is a
    roster that lacks rows of the export after it, until it grows no more. Nobody is passed over in
    silence."""
    case = both[0]
    bench.reset(case.start)
    bench.sandbox.fault("missing-rows", times=1, content=content, action="export")
    ended = bench.once(case.start)
    assert ended.same(case.right)
    assert ended.outcome.counts == case.right.outcome.counts
    asked = Counter(
        entry.content
        for entry in bench.sandbox.requests
        if entry.action == "export" and entry.fault != "slow"  # an answer still due from before
    )
    assert {name: asked[name] for name in more} == more


def test_an_empty_roster_is_not_an_empty_project(bench: Bench, both: list[Case]) -> None:
    """A first run has nothing to compare with: two empty answers must not end it as done."""
    case = both[0]
    bench.reset(case.start)
    bench.sandbox.fault("empty-200", times=1, content="record", action="export")
    ended = bench.once(case.start)
    assert ended.same(case.right)
    bench.reset(case.start)
    bench.sandbox.fault("empty-200", rate=1, content="record", action="export")
    ended = bench.once(case.start)
    assert ended.failed
    assert "empty answer" in ended.outcome.message


def banning(bench: Bench, clock: PassingClock, per_minute: int, seed: int = 1) -> FaultBoard:
    """Let the server ban whoever asks more often than so many times in a minute of this clock."""
    board = bench.sandbox.api.faults = FaultBoard(seed)
    board.bans = Bans(lambda: clock.instant.timestamp())
    bench.sandbox.fault("ban", requests=per_minute)
    return board


def test_a_ban_is_met_once_and_then_left_alone(bench: Bench, both: list[Case]) -> None:
    """One request meets the ban, none follows it for a quarter of an hour; the message says whom
    to ask; once it is lifted, the next run does the work."""
    case, clock = both[0], PassingClock()
    bench.reset(case.start)
    board = banning(bench, clock, per_minute=4)
    ended = bench.once(case.start, clock)
    assert ended.failed
    assert ended.outcome.exit_code == ExitCode.PARTLY_FAILED
    assert "Ask the REDCap administrators to lift the ban" in ended.outcome.message
    assert len(ended.requests) == 5
    assert ended.data.digest() == case.start.data.digest()
    again = bench.once(case.start, clock)
    assert again.failed
    assert "not asked, because of a ban" in again.outcome.message
    assert again.requests == ()
    clock.sleep(timedelta(minutes=15))
    later = bench.once(case.start, clock)
    assert "lift the ban" in later.outcome.message
    assert len(later.requests) == 1
    board.bans.lift()
    clock.sleep(timedelta(minutes=15))
    assert bench.once(case.start, clock).same(case.right)


@pytest.mark.parametrize("fault", ["504", "empty-200"])
def test_within_the_budget_nobody_is_banned(fault: str, bench: Bench, both: list[Case]) -> None:
    """A server that bans at one request more than the study file allows never does, however often
    calls are repeated."""
    case, clock = both[1], PassingClock()
    asked = []
    for seed in range(3):
        bench.reset(case.start)
        board = banning(bench, clock, PER_MINUTE, seed)
        bench.sandbox.fault(fault, rate=0.5)
        ended = bench.once(case.start, clock)
        assert board.bans.addresses() == [], ended.outcome.message
        asked.append(len(ended.requests))
        clock.sleep(timedelta(minutes=1))
    assert max(asked) > PER_MINUTE, "no run came near the budget"


def test_a_ban_at_the_command_line(home: Home) -> None:
    """Exit 1 and one line that says what happened and whom to ask; without any request, the next
    command says that it does not ask; no command repeats anything."""
    home.sandbox.fault("ban", requests=2)
    run = home.job("--as-of", NOW.isoformat())
    assert run.code == ExitCode.PARTLY_FAILED
    assert "banned this machine's address" in run.err
    assert "Ask the REDCap administrators" in run.err
    assert len(run.err.strip().splitlines()) == 1
    assert sum(home.calls().values()) == 3
    check = ("check", home.study, "--token", DEV, "--env-file", home.env_file)
    for done in (home.call(*check), home.job()):
        assert done.code == ExitCode.PARTLY_FAILED
        assert "not asked, because of a ban" in done.err + done.out
    assert sum(home.calls().values()) == 0


@pytest.mark.parametrize("lost", ["record_id", "consent"])
def test_a_dictionary_without_its_first_row_takes_no_other_field_for_the_record_id(
    lost: str, bench: Bench, both: list[Case], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The record ID field is the first of the dictionary: without that row rows have no events,
    and the run says so; without another field that is needed the dictionary is read again."""
    case = both[0]
    bench.reset(case.start)
    whole = RedcapClient.metadata
    shortened: list[Field] = []

    def short(self: RedcapClient) -> dict[str, Field]:
        fields = whole(self)
        if not shortened:
            shortened.append(fields.pop(lost))
        return fields

    monkeypatch.setattr(RedcapClient, "metadata", short)
    ended = bench.once(case.start)
    assert shortened
    if lost == "consent":
        assert ended.same(case.right)
        return
    assert ended.failed
    assert "is not the record ID field" in ended.outcome.message
    assert ended.data.digest() == case.start.data.digest()
    assert bench.once(case.start).same(case.right)
