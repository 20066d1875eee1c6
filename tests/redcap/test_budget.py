"""The request budget: never more than so many in any minute, over all processes."""

from __future__ import annotations

import multiprocessing
import os
import stat
import struct
from datetime import timedelta
from pathlib import Path

import pytest
from client_doubles import URL, HandClock
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from redcap_jobs.clock import SystemClock
from redcap_jobs.errors import StateUnusable
from redcap_jobs.redcap.budget import WINDOW_SECONDS, RequestBudget


def budget(folder: Path, clock: HandClock, per_minute: int = 3, url: str = URL) -> RequestBudget:
    return RequestBudget(folder, url, per_minute=per_minute, clock=clock)


def test_within_the_budget_nobody_waits(tmp_path: Path) -> None:
    """As many requests as the budget has go out at once."""
    clock = HandClock()
    for _ in range(3):
        budget(tmp_path, clock).take()
    assert clock.pauses == []


def test_the_next_request_waits_until_the_first_is_a_minute_old(tmp_path: Path) -> None:
    """The window slides: the fourth of three waits for the first one's minute to pass."""
    clock = HandClock()
    mine = budget(tmp_path, clock)
    mine.take()
    clock.instant += timedelta(seconds=20)
    mine.take()
    mine.take()
    mine.take()
    assert clock.pauses == [pytest.approx(40, abs=0.01)]


def test_two_programs_share_one_budget(tmp_path: Path) -> None:
    """What one process has taken is gone for the other; another host has its own."""
    clock = HandClock()
    for _ in range(3):
        budget(tmp_path, clock).take()
    budget(tmp_path, clock, url="https://elsewhere.example.edu/api/").take()
    assert clock.pauses == []
    budget(tmp_path, clock).take()
    assert len(clock.pauses) == 1


def test_another_service_on_the_same_host_has_a_budget_of_its_own(tmp_path: Path) -> None:
    """A REDCap and a partner that share a host name are counted apart."""
    clock = HandClock()
    for service in ("", "partner"):
        mine = RequestBudget(tmp_path, URL, per_minute=1, clock=clock, service=service)
        mine.take()
    assert clock.pauses == []
    mine.take()
    assert len(clock.pauses) == 1


@given(
    waits=st.lists(st.floats(0, 45), min_size=1, max_size=60),
    per_minute=st.integers(1, 7),
    who=st.lists(st.integers(0, 2), min_size=60, max_size=60),
)
@settings(
    max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_never_more_than_the_budget_in_any_minute(
    tmp_path_factory: pytest.TempPathFactory, waits: list[float], per_minute: int, who: list[int]
) -> None:
    """Whatever the rhythm and however many programs: at most N in each sliding minute."""
    folder = tmp_path_factory.mktemp("budget")
    clock = HandClock()
    programs = [budget(folder, clock, per_minute) for _ in range(3)]
    taken: list[float] = []
    for wait, program in zip(waits, who, strict=False):
        clock.instant += timedelta(seconds=wait)
        programs[program].take()
        taken.append(clock.now().timestamp())
    for place, first in enumerate(taken[:-per_minute]):
        assert taken[place + per_minute] - first >= WINDOW_SECONDS


def take_some(folder: Path, count: int) -> None:
    mine = RequestBudget(folder, URL, per_minute=1000, clock=SystemClock())
    for _ in range(count):
        mine.take()


def test_processes_at_the_same_time_lose_no_count(tmp_path: Path) -> None:
    """Four processes taking 50 each leave 200 times in the file: the lock holds."""
    context = multiprocessing.get_context("spawn")
    processes = [context.Process(target=take_some, args=(tmp_path, 50)) for _ in range(4)]
    for process in processes:
        process.start()
    for process in processes:
        process.join(60)
        assert process.exitcode == 0
    path = RequestBudget(tmp_path, URL, per_minute=1000, clock=SystemClock()).path
    assert path.stat().st_size == 200 * 8


def test_the_file_is_its_owners_alone(tmp_path: Path) -> None:
    """Mode 0600 in a folder of mode 0700; it holds times and nothing else."""
    mine = budget(tmp_path / "requests", HandClock())
    mine.take()
    assert stat.S_IMODE(mine.path.stat().st_mode) == 0o600
    assert stat.S_IMODE(mine.path.parent.stat().st_mode) == 0o700
    assert mine.path.stat().st_size == 8


@pytest.mark.parametrize("damage", [b"x", b"xxxxxxxx" * 3 + b"yy", struct.pack("<d", float("nan"))])
def test_a_damaged_file_lets_requests_through(tmp_path: Path, damage: bytes) -> None:
    """Times that are none are forgotten: a damaged file stops no run for good."""
    clock = HandClock()
    mine = budget(tmp_path, clock, per_minute=5)
    mine.path.write_bytes(damage)
    mine.take()
    assert sum(clock.pauses) <= WINDOW_SECONDS + 1


def test_a_clock_set_back_does_not_stop_the_run_for_hours(tmp_path: Path) -> None:
    """Requests of what is now the future count as made just now: a minute's wait at most."""
    clock = HandClock()
    mine = budget(tmp_path, clock)
    for _ in range(3):
        mine.take()
    clock.instant -= timedelta(hours=5)
    mine.take()
    assert clock.pauses == [pytest.approx(WINDOW_SECONDS, abs=0.01)]


def test_a_link_in_place_of_the_file_is_not_followed(tmp_path: Path) -> None:
    """Somebody else's link must not make us write elsewhere."""
    mine = budget(tmp_path, HandClock())
    os.symlink(tmp_path / "elsewhere", mine.path)  # noqa: PTH211 - reads the same
    with pytest.raises(StateUnusable, match="request count"):
        mine.take()
    assert not (tmp_path / "elsewhere").exists()


def test_a_folder_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    """Without the count nothing keeps the ban away: the run ends, and says which folder."""
    (tmp_path / "requests").write_text("a file")
    with pytest.raises(StateUnusable, match=str(tmp_path)):
        budget(tmp_path / "requests", HandClock()).take()


def test_a_budget_of_nothing_is_a_mistake(tmp_path: Path) -> None:
    """A budget that lets nothing through would wait for ever."""
    with pytest.raises(ValueError, match="nothing through"):
        budget(tmp_path, HandClock(), per_minute=0)
