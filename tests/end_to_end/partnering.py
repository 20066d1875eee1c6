"""Runs of the jobs for the partner, in this process and on a clock that the sandbox shares."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

from rich.console import Console
from sqlalchemy import select
from study_home import PROD, Home, new_home

from redcap_jobs.notify.outcome import RunOutcome
from redcap_jobs.request import RunRequest, Terminal
from redcap_jobs.run import run_job
from redcap_jobs.sandbox.ismile import PRODUCTION_PID, ismile_projects
from redcap_jobs.sandbox.partner_account import PartnerAccount
from redcap_jobs.sandbox.server import Sandbox
from redcap_jobs.state import schema
from redcap_jobs.state.store import Store

MIDDAY = datetime(2026, 11, 24, 18, 0, tzinfo=UTC)
TOKEN, DEVELOPMENT_TOKEN = "0123456789abcdef" * 2, "fedcba9876543210" * 2
POLL, SYNC = "poll-participants", "sync-agile"


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
        for members in (self.sandbox.partner, self.sandbox.partner_development):
            members.advance(span.total_seconds())

    def server_time(self) -> datetime:
        return self.time.replace(tzinfo=None)


@dataclass
class Partnering:
    """A study with a partner: its home, its clock, and the jobs to run."""

    home: Home
    clock: SharedClock

    def run(self, job: str = POLL, token: str = PROD, **more: Any) -> RunOutcome:
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
    def sandbox(self) -> Sandbox:
        """The server of REDCap and the partner."""
        return self.home.sandbox

    @property
    def writes(self) -> Counter[str]:
        """How many writes of each kind the partner took."""
        return Counter(each.call for each in self.sandbox.partner.accepted())

    @property
    def doubles(self) -> list[str]:
        """Study ids with more than one member."""
        ids = Counter(each["studyId"] for each in self.sandbox.partner.all())
        return [study_id for study_id, count in ids.items() if count > 1]

    def imports(self) -> int:
        """How many imports REDCap took so far."""
        return sum(entry.call == "record import" for entry in self.sandbox.requests)

    def baseline(self, record: str, pid: int = PRODUCTION_PID) -> dict[str, str]:
        """Return what stands on a record's first event."""
        found = self.sandbox.project(pid).store.current.records[record]
        rows = [row for key, row in found.rows.items() if key.event.startswith("baseline")]
        return {name: value for row in rows for name, value in row.items()}

    def decisions(self) -> dict[str, str]:
        """Return what was decided about each record, with the reason."""
        with Store.open(self.home.state_url) as store, store.read() as connection:
            rows = connection.execute(select(schema.decisions)).mappings().all()
        return {row["record"]: f"{row['decision']} {row['reasons']}" for row in rows}

    def new_state(self) -> None:
        """Make an empty state where the old one was."""
        Store.create(self.home.state_url).close()

    def edit(self, record: str, pid: int = PRODUCTION_PID, **values: str) -> None:
        """Change cells of a record's baseline, as a person in REDCap does; '' erases."""
        project = self.sandbox.project(pid)
        rows = project.store.current.records[record].rows
        keys = [key for key in rows if key.event.startswith("baseline") and not key.instrument]
        with project.store.writing(self.clock.server_time()) as draft:
            for key in keys:
                draft.row(record, key).update(values)

    def switch_arm(self, record: str, pid: int = PRODUCTION_PID) -> None:
        """Move a record's rows into the other arm and correct the randomisation."""
        project = self.sandbox.project(pid)
        rows = dict(project.store.current.records[record].rows)
        with project.store.writing(self.clock.server_time()) as draft:
            for key, values in rows.items():
                event, _, arm = key.event.rpartition("_")
                other = key._replace(event=f"{event}_{3 - int(arm)}")
                group = {"rand_group": str(3 - int(arm))} if "rand_group" in values else {}
                draft.drop_row(record, key)
                draft.row(record, other).update({**values, **group})


@contextmanager
def partnering(folder: Path, participants: int = 60, seed: int = 3) -> Iterator[Partnering]:
    """Serve ISMILE and a partner, and write a study file that names both."""
    projects = ismile_projects(participants=participants, seed=seed, as_of=date(2026, 11, 24))
    account = PartnerAccount(TOKEN, development_token=DEVELOPMENT_TOKEN)
    with Sandbox(projects=projects, now=MIDDAY, partner=account) as sandbox:
        home = new_home(folder, sandbox)
        home.edit_study("https://api.agilehealth.example", sandbox.partner_url)
        home.edit_study("https://sandbox.agilehealth.example", sandbox.partner_url)
        home.edit_study("[redcap]\n", '[redcap]\ntime_zone = "UTC"\n')
        home.write(**sandbox.variables)
        clock = SharedClock(sandbox)
        sandbox.api.now = clock.server_time
        yield Partnering(home, clock)
