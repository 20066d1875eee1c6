"""Windows for 100,000 participants x 5 visits: at most 2 seconds of CPU."""

from __future__ import annotations

import time

import numpy as np
import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from redcap_jobs.jobs.visit_flags import FlagBits, flags
from redcap_jobs.jobs.visit_states import Classified, classify
from redcap_jobs.jobs.visit_windows import Facts, Schedule

PARTICIPANTS = 100_000
VISITS = 5
LIMIT_SECONDS = 2.0


@pytest.fixture
def study() -> tuple[Schedule, Facts]:
    """Anchors over four years, two amendments' widths, every kind of record."""
    random = np.random.default_rng(20180309)
    shape = (PARTICIPANTS, VISITS)

    def spans(values: list[int], unit: str) -> np.ndarray:
        return np.broadcast_to(np.array(values, dtype=f"timedelta64[{unit}]"), shape)

    first = np.datetime64("2018-03-09")
    anchor = first + random.integers(0, 1460, PARTICIPANTS).astype("timedelta64[D]")
    anchor[random.random(PARTICIPANTS) < 0.03] = np.datetime64("NaT", "D")
    months = spans([0, 2, 4, 12, 24], "M")
    late = spans([14, 28, 28, 60, 90], "D").copy()
    late[random.random(PARTICIPANTS) < 0.5, 3] += np.timedelta64(30, "D")
    about = anchor.astype("datetime64[M]")[:, None] + months
    done = about.astype("datetime64[D]") + random.integers(-40, 90, shape).astype("timedelta64[D]")
    done[random.random(shape) < 0.3] = np.datetime64("NaT", "D")
    off_study = anchor + random.integers(0, 900, PARTICIPANTS).astype("timedelta64[D]")
    off_study[random.random(PARTICIPANTS) < 0.8] = np.datetime64("NaT", "D")
    no_span = np.full(shape, np.timedelta64("NaT", "D"))
    schedule = Schedule(
        visits=("baseline", "m2", "m4", "m12", "m24"),
        applicable=random.random(shape) < 0.98,
        months=months,
        days=no_span,
        early=spans([0, 14, 14, 30, 60], "D"),
        late=late,
        limit_after_close=no_span,
        limit_days=no_span,
        limit_months=no_span.astype("timedelta64[M]"),
        anchor_visits=(None,) * VISITS,
    )
    facts = Facts(
        anchor=np.repeat(anchor[:, None], VISITS, axis=1),
        done=done,
        form_complete=random.random(shape) < 0.7,
        missed=random.random(shape) < 0.05,
        skipped=random.random(shape) < 0.01,
        off_study=off_study,
        off_study_undated=random.random(PARTICIPANTS) < 0.01,
        today=np.full(PARTICIPANTS, np.datetime64("2020-06-15")),
    )
    return schedule, facts


def test_windows_of_100_000_participants(
    benchmark: BenchmarkFixture, study: tuple[Schedule, Facts]
) -> None:
    """Windows, states and flags of 500,000 participant-visits take at most 2 s of CPU."""
    schedule, facts = study
    seconds: list[float] = []

    def all_windows() -> tuple[Classified, FlagBits]:
        start = time.process_time()
        found = classify(schedule, facts)
        bits = flags(found, facts, opens_soon_days=14, closing_soon_days=7)
        seconds.append(time.process_time() - start)
        return found, bits

    found, _ = benchmark(all_windows)
    assert len(np.unique(found.state)) >= 12
    benchmark.extra_info["cpu_seconds"] = min(seconds)
    assert min(seconds) <= LIMIT_SECONDS
