"""Runs of compute-visit-windows against a server on its bad days, and what became of them.

``python tests/end_to_end/faulty_runs.py [SEEDS]`` prints the release note's table of
faults and rates.
"""

from __future__ import annotations

import contextlib
import io
import os
import shutil
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any, Literal

import requests

sys.path.insert(0, str(Path(__file__).parent))

from study_home import DEV, JOB, NOW, Home, new_home

from redcap_jobs.errors import ExitCode
from redcap_jobs.notify.outcome import RunOutcome
from redcap_jobs.redcap.client import RedcapClient
from redcap_jobs.request import RunRequest, Terminal
from redcap_jobs.run import run_job
from redcap_jobs.sandbox.faults import FAULTS, PARTNER_FAULTS, TWILIO_FAULTS, FaultBoard
from redcap_jobs.sandbox.ismile import ismile_projects
from redcap_jobs.sandbox.server import Sandbox
from redcap_jobs.sandbox.store import Snapshot

PID = 3042
PER_MINUTE = 25
"""Low enough that disturbed runs meet it."""
LATER = datetime(2026, 12, 20, 17, 0, tzinfo=UTC)
RATES = (0.1, 0.2, 0.3)
RATED = tuple(name for name in FAULTS if name not in {"ban", *TWILIO_FAULTS, *PARTNER_FAULTS})
"""REDCap's own; a ban is no matter of rates."""
PATIENCE_SECONDS, SLOW_SECONDS = 0.3, 0.9
"""How long the client waits, and how late a slow answer is: later than that."""
DOCUMENTED = {ExitCode.PARTLY_FAILED, ExitCode.SETUP, ExitCode.REFUSED}


class PassingClock:
    """A clock whose pauses pass at once: what was to be slept is simply later."""

    def __init__(self) -> None:
        self.instant = datetime(2026, 11, 22, 17, 0, tzinfo=UTC)

    def now(self) -> datetime:
        self.instant += timedelta(milliseconds=1)
        return self.instant

    def sleep(self, pause: timedelta) -> None:
        self.instant += max(pause, timedelta(0))


@dataclass(frozen=True)
class Start:
    """Where a run begins: the data, the state's file, the instant it plans for."""

    data: Snapshot
    state: bytes
    as_of: datetime
    allow: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Ended:
    """How a run ended: its outcome, its data, and when its requests went out."""

    outcome: RunOutcome
    data: Snapshot
    requests: tuple[datetime, ...]
    struck: int

    @property
    def failed(self) -> bool:
        """Tell whether the run itself says that it did not do its work, and why."""
        outcome = self.outcome
        said = outcome.state in {"failed", "refused"} and outcome.exit_code in DOCUMENTED
        return said and bool(outcome.message)

    def same(self, other: Ended) -> bool:
        """Tell whether both left the same data."""
        return self.data.digest() == other.data.digest()

    @property
    def most_in_a_minute(self) -> int:
        """The largest number of requests in any 60 seconds."""
        return max(
            (
                sum(one <= other < one + timedelta(seconds=60) for other in self.requests)
                for one in self.requests
            ),
            default=0,
        )


@dataclass
class Bench:
    """One server and one study; every run begins anew from a :class:`Start`."""

    home: Home
    folder: Path

    @property
    def sandbox(self) -> Sandbox:
        return self.home.sandbox

    @property
    def state(self) -> Path:
        return self.home.folder / "state.db"

    def here(self, as_of: datetime, **allow: str) -> Start:
        """Return the present data and state as a start."""
        return Start(self.sandbox.project(PID).store.current, self.state.read_bytes(), as_of, allow)

    def reset(self, start: Start) -> None:
        """Put data and state back to a start, and forget which requests went out before."""
        self.sandbox.project(PID).store.current = start.data
        for leftover in self.home.folder.glob("state.db?*"):
            if leftover.is_file():
                leftover.unlink()
        self.state.write_bytes(start.state)
        shutil.rmtree(self.folder / "redcap-jobs", ignore_errors=True)

    def run(self, start: Start, fault: str = "", *, rate: float = 0.0, seed: int = 0) -> Ended:
        """Run the job from a start, under a fault."""
        self.reset(start)
        self.sandbox.api.faults = FaultBoard(seed)
        if fault:
            late = fault == "slow"  # a late import must not come into the next run
            after = late or seed % 2 == 1
            self.sandbox.fault(fault, rate=rate, after=after, seconds=SLOW_SECONDS)
        with impatient(fault):
            return self.once(start)

    def once(self, start: Start, clock: PassingClock | None = None) -> Ended:
        """Run the job on what is there now, under the faults that are on; they are off then."""
        clock = clock or PassingClock()
        self.sandbox.forget_requests()
        request = RunRequest(
            job=JOB,
            study=self.home.study,
            export_token=DEV,
            import_token=DEV,
            env_file=self.home.env_file,
            as_of=start.as_of,
            yes=True,
            allow=start.allow,
        )
        with requests_timed(clock) as times, contextlib.redirect_stderr(io.StringIO()):
            outcome = run_job(request, Terminal.attached(), clock)
        struck = sum(entry.fault != "" for entry in self.sandbox.requests)
        self.sandbox.no_faults()
        return Ended(outcome, self.sandbox.project(PID).store.current, tuple(times), struck)


@contextlib.contextmanager
def requests_timed(clock: PassingClock) -> Iterator[list[datetime]]:
    """Note when each request leaves the house, whatever sends it."""
    times: list[datetime] = []
    send = requests.Session.send

    def noted(self: requests.Session, *given: Any, **named: Any) -> requests.Response:
        times.append(clock.instant)
        return send(self, *given, **named)

    requests.Session.send = noted  # type: ignore[method-assign] # the wire is where it counts
    try:
        yield times
    finally:
        requests.Session.send = send  # type: ignore[method-assign] # and back


@contextlib.contextmanager
def impatient(fault: str) -> Iterator[None]:
    """Let clients wait shorter than a slow server takes; for other faults as long as always."""
    settings: Any = RedcapClient.__init__.__kwdefaults__
    patience = settings["read_seconds"]
    settings["read_seconds"] = PATIENCE_SECONDS if fault == "slow" else patience
    try:
        yield
    finally:
        settings["read_seconds"] = patience


@contextlib.contextmanager
def new_bench(folder: Path, participants: int = 60) -> Iterator[Bench]:
    """Give a bench whose state and request budget lie in ``folder``."""
    projects = ismile_projects(participants=participants, seed=3, as_of=date(2026, 11, 22))
    before = os.environ.get("XDG_STATE_HOME")
    os.environ["XDG_STATE_HOME"] = str(folder / "xdg")
    try:
        with Sandbox(projects=projects, now=NOW) as sandbox:
            (folder / "home").mkdir()
            home = new_home(folder / "home", sandbox)
            home.edit_study("requests_per_minute = 300", f"requests_per_minute = {PER_MINUTE}")
            yield Bench(home, folder / "xdg")
    finally:
        if before is None:
            del os.environ["XDG_STATE_HOME"]
        else:
            os.environ["XDG_STATE_HOME"] = before


def change_data(home: Home) -> None:
    """Take away three anchors (their windows must be erased) and correct four others."""
    project = home.sandbox.project(PID)
    anchored = [
        (name, place.event)
        for name in project.store.current.ordered
        for place, values in project.store.current.records[name].rows.items()
        if place.event.startswith("baseline") and values.get("vt_target")
    ]
    for number, (name, event) in enumerate(anchored[:7]):
        row = {"record_id": name, "redcap_event_name": event}
        home.enter(PID, row | {"anchor_date": "" if number < 3 else "2026-05-31"}, erase=number < 3)


@dataclass(frozen=True)
class Case:
    """A start and what an undisturbed run makes of it."""

    name: str
    start: Start
    right: Ended


def cases(bench: Bench) -> list[Case]:
    """Return a first run (fills) and a later one (fills, overwrites and erases)."""
    first = bench.here(NOW)
    right = bench.run(first)
    change_data(bench.home)
    later = bench.here(LATER, share="1")
    return [Case("first", first, right), Case("later", later, bench.run(later))]


Verdict = Literal["same at once", "failed, mended", "other data", "not mended"]
VERDICTS: Sequence[Verdict] = ("same at once", "failed, mended", "other data", "not mended")


@dataclass(frozen=True)
class Tried:
    """One disturbed run and, where it did not reach the same data, the plain run after it."""

    ended: Ended
    verdict: Verdict
    half_written: tuple[str, ...]
    """Records that are neither as before nor as they should be."""


def tried(bench: Bench, case: Case, fault: str, rate: float, seed: int) -> Tried:
    """Run a case under a fault, then once more without where that is needed."""
    ended = bench.run(case.start, fault, rate=rate, seed=seed)
    before, right = case.start.data.records, case.right.data.records
    half = tuple(
        name
        for name, record in ended.data.records.items()
        if record.rows not in (before[name].rows, right[name].rows)
    )
    if ended.same(case.right) and not ended.failed:
        return Tried(ended, "same at once", half)
    mended = bench.once(case.start).same(case.right)
    verdict: Verdict = "failed, mended" if ended.failed else "other data"
    return Tried(ended, verdict if mended else "not mended", half)


def table(seeds: int, participants: int = 60) -> Iterator[str]:
    """Yield the lines of the table of faults and rates, over so many seeds and both cases."""
    last = ("half-written records", "calls struck", "requests a run", "most in a minute")
    yield "| " + " | ".join(["fault", "rate", "runs", *VERDICTS, *last]) + " |"
    yield "|---|---|---|" + "---|" * (len(VERDICTS) + len(last))
    with tempfile.TemporaryDirectory() as folder, new_bench(Path(folder), participants) as bench:
        both = cases(bench)
        plain = sum(len(case.right.requests) for case in both) / len(both)
        cells = ["none", "0%", str(len(both)), str(len(both)), *["0"] * 5, f"{plain:.0f}"]
        cells += [f"{max(case.right.most_in_a_minute for case in both)} of {PER_MINUTE}"]
        yield "| " + " | ".join(cells) + " |"
        for fault in RATED:
            for rate in RATES:
                first = 100 * (len(RATES) * RATED.index(fault) + RATES.index(rate))
                all_tried = [
                    tried(bench, case, fault, rate, first + seed)
                    for case in both
                    for seed in range(seeds)
                ]
                counted = Counter(one.verdict for one in all_tried)
                struck = sum(one.ended.struck for one in all_tried)
                asked = sum(len(one.ended.requests) for one in all_tried) / len(all_tried)
                cells = [fault, f"{rate:.0%}", str(len(all_tried))]
                cells += [str(counted[verdict]) for verdict in VERDICTS]
                cells += [str(sum(len(one.half_written) for one in all_tried))]
                most = max(one.ended.most_in_a_minute for one in all_tried)
                cells += [str(struck), f"{asked:.0f}", f"{most} of {PER_MINUTE}"]
                yield "| " + " | ".join(cells) + " |"


if __name__ == "__main__":
    for line in table(int(sys.argv[1]) if len(sys.argv) > 1 else 8):
        print(line, flush=True)  # noqa: T201 - what the script is for
