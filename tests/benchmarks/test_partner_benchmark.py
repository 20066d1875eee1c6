"""The comparison with the partner grows as the study does, and fifty decisions cost little over one."""

from __future__ import annotations

import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

sys.path.insert(0, str(Path(__file__).parent.parent / "end_to_end"))

from partnering import POLL, SYNC, partnering

from redcap_jobs.jobs import poll_participants, sync_agile
from redcap_jobs.plan import Job, PartnerCall, Plan, Stands
from redcap_jobs.sandbox.ismile import PRODUCTION_PID

SMALL, LARGE = 500, 2000
GROWTH = 1.5
"""So much more than in proportion may four times the participants cost."""
FIFTY_OVER_ONE = 5.0


def planned(
    folder: Path, participants: int, name: str, monkeypatch: pytest.MonkeyPatch
) -> tuple[Any, ...]:
    """Run a job dry on a study whose participants are members; give what its plan was made from."""
    module: Any = {POLL: poll_participants, SYNC: sync_agile}[name]
    job: Job = module.JOB
    asked: list[tuple[Any, ...]] = []

    def plan(*given: Any) -> Plan:
        asked.append(given)
        return job.plan(*given)

    folder.mkdir()
    with partnering(folder, participants=participants) as study, monkeypatch.context() as patch:
        patch.setattr(module, "JOB", replace(job, plan=plan))
        if name == SYNC:
            store = study.sandbox.project(PRODUCTION_PID).store
            ids = {}
            for record in store.current.records:
                fields = {"studyId": record, "firstName": "Wren", "mobilePhone": "+14155550101"}
                ids[record] = study.sandbox.partner.add({**fields, "language": "en"})["memberId"]
            with store.writing(study.clock.server_time()) as draft:
                for record, found in store.current.records.items():
                    for key in found.rows:
                        if key.event.startswith("baseline") and not key.instrument:
                            draft.row(record, key).update({"ag_member_id": ids[record]})
        study.run(name, dry_run=True, yes=False)
    return asked[-1]


def cpu_seconds(work: Any) -> float:
    """Give the least CPU time of three rounds."""
    rounds = []
    for _ in range(3):
        start = time.process_time()
        work()
        rounds.append(time.process_time() - start)
    return min(rounds)


def test_the_comparison_is_linear(
    benchmark: BenchmarkFixture, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Four times the members cost about four times as much."""
    small = planned(tmp_path / "small", SMALL, SYNC, monkeypatch)
    large = planned(tmp_path / "large", LARGE, SYNC, monkeypatch)
    seconds = {
        name: cpu_seconds(lambda given=given: sync_agile.plan(*given))
        for name, given in (("small", small), ("large", large))
    }
    plan = benchmark.pedantic(lambda: sync_agile.plan(*large), rounds=1)
    assert len(plan.decisions) > LARGE / 2
    ratio = seconds["large"] / seconds["small"]
    benchmark.extra_info |= {"seconds": seconds, "ratio": ratio}
    assert ratio <= GROWTH * LARGE / SMALL


def test_fifty_decisions_moments_before_a_call_cost_little_over_one(
    benchmark: BenchmarkFixture, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was read afresh for fifty calls is worked out once for all of them."""
    study, inputs, as_of = planned(tmp_path / "one", 80, POLL, monkeypatch)
    calls = [
        each
        for each in poll_participants.plan(study, inputs, as_of).actions
        if isinstance(each, PartnerCall)
    ][:50]
    assert len(calls) == 50

    def decided(count: int) -> float:
        fresh = replace(inputs, fresh=True)
        start = time.process_time()
        for call in calls[:count]:
            assert isinstance(poll_participants.recheck(study, call, fresh), Stands)
        return time.process_time() - start

    one = min(decided(1) for _ in range(3))
    fifty = min(decided(50) for _ in range(3))
    benchmark.pedantic(lambda: decided(50), rounds=1)
    benchmark.extra_info |= {"one": one, "fifty": fifty, "ratio": fifty / one}
    assert fifty <= FIFTY_OVER_ONE * one
