"""One project under two study ids: who asked for no more texts asked both."""

from __future__ import annotations

import dataclasses
from datetime import UTC, datetime, timedelta

import pytest
from tests.state.conftest import StillClock

from redcap_jobs.state.runs import RunStart, start_run
from redcap_jobs.state.scope import ProjectKey
from redcap_jobs.state.stops import Stop, say, stops_of
from redcap_jobs.state.store import Store

FIRST, SECOND = "ismile", "ismile-2"


@pytest.fixture
def one_project(store: Store, project: ProjectKey) -> ProjectKey:
    """Give a production project that both study ids have run on."""
    production = dataclasses.replace(project, mode="production")
    for study in (FIRST, SECOND):
        at = datetime(2026, 11, 22, 9, tzinfo=UTC)
        start_run(store, RunStart(study, "send-surveys", production, "T", "T", at, "ab" * 32))
    return production


def states(store: Store, project: ProjectKey) -> list[str]:
    return list(stops_of(store, SECOND, project)["state"])


@pytest.mark.parametrize("scope", ["phone", "record"])
def test_a_stop_holds_for_a_second_study_file(
    store: Store, one_project: ProjectKey, scope: str
) -> None:
    """Also an unread reply; neither holds in a copy of the project, nor in another one."""
    for state in ("stopped", "held"):
        say(store, FIRST, Stop(scope, state, state, "person"))  # type: ignore[arg-type] - a scope
    assert sorted(states(store, one_project)) == ["held", "stopped"]
    assert states(store, dataclasses.replace(one_project, project_id=7)) == []
    assert states(store, dataclasses.replace(one_project, mode="development")) == []


def test_leave_and_a_pause_are_one_studys_own(store: Store, one_project: ProjectKey) -> None:
    """What lets texts go out, and what stops a whole study, says nothing of another."""
    say(store, FIRST, Stop("phone", "p", "allowed", "person"))
    say(store, FIRST, Stop("study", "", "paused", "person"))
    assert states(store, one_project) == []


@pytest.mark.parametrize(
    ("source", "later", "holds"),
    [("person", 1, False), ("person", -1, True), ("reply", 1, True)],
)
def test_a_persons_later_leave_outweighs_it(
    store: Store, one_project: ProjectKey, clock: StillClock, source: str, later: int, holds: bool
) -> None:
    """Leave from before the stop does not, nor does a START, which may follow a person's stop."""
    at = clock.now()
    say(store, FIRST, Stop("phone", "p", "stopped", "person"), at=at)
    leave = Stop("phone", "p", "allowed", source)
    say(store, SECOND, leave, at=at + timedelta(minutes=later))
    assert ("stopped" in states(store, one_project)) is holds
