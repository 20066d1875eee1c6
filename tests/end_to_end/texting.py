"""Runs of jobs that text, in this process and on a clock that the sandbox shares."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console
from study_home import PROD, Home, new_home

from redcap_jobs.clock import SystemClock
from redcap_jobs.notify.outcome import RunOutcome
from redcap_jobs.request import RunRequest, Terminal
from redcap_jobs.run import run_job
from redcap_jobs.sandbox.ismile import ismile_projects
from redcap_jobs.sandbox.server import Sandbox
from redcap_jobs.sandbox.twilio_account import TwilioAccount
from redcap_jobs.state.store import Store
from redcap_jobs.state.throttle import Throttle

MIDDAY = datetime(2026, 11, 24, 18, 0, tzinfo=UTC)
"""A Tuesday, 10:00 in Los Angeles."""
ACCOUNT = TwilioAccount("AC" + "a1" * 16, "0123456789abcdef" * 2, ("+12025550100",))


@dataclass
class SharedClock:
    """A clock that moves when a run sleeps or a test says so, and the sandbox's with it."""

    sandbox: Sandbox
    time: datetime = MIDDAY

    def now(self) -> datetime:
        return self.time

    def sleep(self, pause: timedelta) -> None:
        self.pass_by(max(pause, timedelta(0)))

    def pass_by(self, span: timedelta) -> None:
        self.time += span
        self.sandbox.twilio.advance(span.total_seconds())


@dataclass
class Texting:
    """A study that texts: its home, its clock, and the jobs to run."""

    home: Home
    clock: SharedClock

    def run(self, job: str = "send-surveys", token: str = PROD, **more: Any) -> RunOutcome:
        """Run a job as cron does."""
        request = RunRequest(
            job, self.home.study, token, token, self.home.env_file, **{"yes": True, **more}
        )
        terminal = Terminal(
            interactive=False,
            watched=False,
            console=Console(quiet=True),
            confirm=lambda question: False,
        )
        return run_job(request, terminal, self.clock)

    @property
    def accepted(self) -> list[Any]:
        """Every text that Twilio took, in order of arrival."""
        return list(self.home.sandbox.twilio.accepted())

    def log_rows(self, pid: int = 3041) -> list[dict[str, str]]:
        """Return the rows of REDCap's message log."""
        records = self.home.sandbox.project(pid).store.current.records
        return [
            {"record": name, "instance": str(key.instance), **row}
            for name, record in records.items()
            for key, row in record.rows.items()
            if key.instrument == "message_log"
        ]


@contextmanager
def texting(
    folder: Path, participants: int = 60, seed: int = 3, variables: Sequence[str] = ()
) -> Iterator[Texting]:
    """Serve ISMILE and a Twilio account, and write a study file that names both."""
    projects = ismile_projects(participants=participants, seed=seed, as_of=date(2026, 11, 24))
    with Sandbox(projects=projects, now=MIDDAY, twilio=ACCOUNT) as sandbox:
        home = new_home(folder, sandbox)
        home.edit_study("[sender]\n", f'[sender]\nurl = "{sandbox.twilio_url}"\n')
        home.write(**sandbox.variables)
        yield Texting(home, SharedClock(sandbox))


def pace_by(clock: SharedClock, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the gap between texts be measured by the shared clock, however slow this machine is."""
    defaults = Throttle.__init__.__kwdefaults__
    monkeypatch.setitem(defaults, "monotonic", lambda: clock.now().timestamp())


def lose_the_state(study: Texting) -> None:
    """Put a new, empty state where the old one was."""
    for end in ("", "-wal", "-shm"):
        (study.home.folder / f"state.db{end}").unlink(missing_ok=True)
    Store.create(study.home.state_url, clock=SystemClock()).close()
