"""A study that texts, and what can befall it: processes killed anywhere, answers lost, lists late.

Runs are children forked from this process, where everything is imported and the sandbox answers.
The clock is shared by all of them and hardly ever really waits.
"""

from __future__ import annotations

import logging
import mmap
import os
import signal
import struct
import time
import traceback
import warnings
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, redirect_stderr
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from io import StringIO
from itertools import pairwise
from pathlib import Path
from typing import Any, NoReturn

import requests
from rich.console import Console
from sqlalchemy import select
from study_home import PROD, Home, new_home
from texting import ACCOUNT, MIDDAY

from redcap_jobs.messaging import twilio
from redcap_jobs.notify.outcome import RunOutcome
from redcap_jobs.request import RunRequest, Terminal
from redcap_jobs.run import run_job
from redcap_jobs.sandbox.ismile import ismile_projects
from redcap_jobs.sandbox.people import fictitious_phone
from redcap_jobs.sandbox.server import Sandbox
from redcap_jobs.sandbox.twilio_messages import Message
from redcap_jobs.state import schema
from redcap_jobs.state.journal_entry import Entry, entry_of
from redcap_jobs.state.store import Store

PID = 3041
CLIENT_TIMEOUT, LATE_ANSWER = 0.4, 0.8
"""Real seconds: shorter than in earnest, so that a late answer is lost soon."""
HANGS = 60.0
"""A child that lives longer has hung."""
FAULT_OF_OURS, BROKE = 98, 99
"""How a child ends that met a fault of the program, or of this harness."""


class MappedClock:
    """A clock in memory that forked processes share; a pause lets its time pass, hardly ours."""

    def __init__(self, start: datetime = MIDDAY) -> None:
        self._memory = mmap.mmap(-1, 8)
        self._start = start

    def now(self) -> datetime:
        return self._start + timedelta(seconds=struct.unpack("d", self._memory[:8])[0])

    def sleep(self, pause: timedelta) -> None:
        seconds = pause.total_seconds()
        if seconds > 0:
            time.sleep(min(seconds, 0.001))
            self.pass_by(pause)

    def pass_by(self, span: timedelta) -> None:
        passed = struct.unpack("d", self._memory[:8])[0] + span.total_seconds()
        self._memory[:8] = struct.pack("d", passed)

    def pass_until(self, instant: datetime) -> None:
        self.pass_by(max(instant - self.now(), timedelta(0)))


@dataclass(frozen=True)
class Hurt:
    """How one run is killed, if at all: at the n-th time at a step, at the n-th border, or later.

    A border is the moment before or after something leaves the process: a commit, a request.
    ``in_flight``: when so many texts of the run were accepted and the last is not answered.
    """

    step: str = ""
    border: int = 0
    nth: int = 1
    after_seconds: float = 0.0
    in_flight: int = 0

    @property
    def name(self) -> str:
        """Name the kind of death, for the table."""
        if self.step:
            return f"at '{self.step}'"
        if self.border:
            return "at a commit or request"
        if self.in_flight:
            return "between accept and answer"
        return "at a moment" if self.after_seconds else "not killed"


class Executioner(logging.Handler):
    """Ends this process, without a chance to clean up, where its order says."""

    def __init__(self, hurt: Hurt) -> None:
        super().__init__(logging.DEBUG)
        self.hurt = hurt
        self.steps = self.borders = 0

    def emit(self, record: logging.LogRecord) -> None:
        if self.hurt.step and record.getMessage() == self.hurt.step:
            self.steps += 1
            if self.steps == self.hurt.nth:
                die()

    def border(self) -> None:
        self.borders += 1
        if self.borders == self.hurt.border:
            die()

    def take_office(self) -> None:
        """Watch every step, commit and request of this process from now on."""
        logger = logging.getLogger("redcap_jobs")
        logger.setLevel(logging.DEBUG)
        logger.propagate = False
        logger.handlers = [self]
        write, send = Store.write, requests.adapters.HTTPAdapter.send

        @contextmanager
        def watched_write(store: Store) -> Iterator[Any]:
            with write(store) as connection:
                yield connection
                self.border()
            self.border()

        def watched_send(adapter: Any, *arguments: Any, **more: Any) -> requests.Response:
            self.border()
            answer = send(adapter, *arguments, **more)
            self.border()
            return answer

        Store.write = watched_write  # type: ignore[method-assign]
        requests.adapters.HTTPAdapter.send = watched_send  # type: ignore[method-assign]


def die() -> NoReturn:
    """Die as a power failure has it."""
    os.kill(os.getpid(), signal.SIGKILL)
    raise AssertionError("dead processes do not return")


@dataclass
class Child:
    """A run under way in a process of its own."""

    pid: int
    hurt: Hurt
    began: float = field(default_factory=time.monotonic)

    def ended(self) -> int | None:
        """Return how it ended (negative: by which signal), None while it lives."""
        pid, status = os.waitpid(self.pid, os.WNOHANG)
        return os.waitstatus_to_exitcode(status) if pid else None

    def kill(self) -> None:
        os.kill(self.pid, signal.SIGKILL)


@dataclass
class ChaosStudy:
    """A study whose participants are all due, each with a phone of their own."""

    home: Home
    clock: MappedClock
    phones: dict[str, str]
    state_url: str
    counted: Counter[str] = field(default_factory=Counter)
    ever_unknown: set[tuple[str, int]] = field(default_factory=set)

    @property
    def sandbox(self) -> Sandbox:
        return self.home.sandbox

    def run(self, job: str) -> RunOutcome:
        """Run a job as cron does, in this process."""
        request = RunRequest(job, self.home.study, PROD, PROD, self.home.env_file, yes=True)
        quiet = Terminal(False, False, Console(quiet=True), lambda question: False)
        with redirect_stderr(StringIO()):  # where a partial run tells cron
            return run_job(request, quiet, self.clock)

    def start(self, job: str, hurt: Hurt) -> Child:
        """Run a job in a child."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # the sandbox's thread is idle
            pid = os.fork()
        if pid:
            return Child(pid, hurt)
        code = BROKE
        try:
            self.be_impatient(HANGS if hurt.in_flight else CLIENT_TIMEOUT)
            Executioner(hurt).take_office()
            outcome = self.run(job)
            code = int(outcome.exit_code)
            if "a fault of this program" in outcome.message:
                self.told(outcome.message)
                code = FAULT_OF_OURS
        except BaseException:  # noqa: BLE001 - told to the parent, then over
            self.told(traceback.format_exc())
        finally:
            os._exit(code)

    def be_impatient(self, seconds: float) -> None:
        """Give up an answer after so many real seconds."""
        twilio.TIMEOUT_SECONDS = seconds

    def accepted_so_far(self) -> int:
        """Count what took effect at the other side."""
        return len(self.sandbox.twilio.accepted())

    def told(self, text: str) -> None:
        """Leave word for the parent."""
        with (self.home.folder / "told.txt").open("a", encoding="utf-8") as file:
            file.write(text + "\n")

    def see_to_its_end(self, children: Sequence[Child]) -> None:
        """Wait until every child has ended, kill those that are to be, count how it came."""
        accepted_before = self.accepted_so_far()
        alive = list(children)
        while alive:
            for child in list(alive):
                code = child.ended()
                if code is not None:
                    alive.remove(child)
                    killed = code == -signal.SIGKILL
                    assert killed or code in (0, 1, 4, 75), (code, self.last_words())
                    self.counted[child.hurt.name if killed else "ended by itself"] += 1
                    continue
                age = time.monotonic() - child.began
                accepted = self.accepted_so_far() - accepted_before
                timely = 0 < child.hurt.after_seconds <= age
                if timely or 0 < child.hurt.in_flight <= accepted:
                    child.kill()
                assert age < HANGS, "a run hangs"
            time.sleep(0.001)

    def last_words(self) -> str:
        path = self.home.folder / "told.txt"
        return path.read_text(encoding="utf-8") if path.exists() else ""

    def entries(self) -> list[Entry]:
        """Return the journal of texts."""
        with Store.open(self.state_url) as store, store.read() as connection:
            rows = connection.execute(select(schema.journal)).mappings().all()
        return [entry_of(row) for row in rows]

    def unknown(self) -> set[str]:
        """Return the records of which the journal does not know what became of a text."""
        entries = self.entries()
        open_ends = {one for one in entries if one.state in ("unknown", "posting")}
        self.ever_unknown |= {(one.key, one.attempt) for one in open_ends}
        return {one.record for one in open_ends}

    def took(self) -> dict[tuple[str, str], list[Message]]:
        """Return what Twilio accepted: phone and body's hash → its messages, in their order."""
        board = self.sandbox.twilio
        texts: dict[tuple[str, str], list[Message]] = {}
        for one in board.accepted():
            message = board.message(one.sid)
            assert message is not None
            texts.setdefault((one.to, one.body_sha256), []).append(message)
        return texts

    def body_is(self, message: Message, *, reminder: bool) -> bool:
        return ("still open" in message.body) == reminder


def never_sent(message: Message, when: float) -> bool:
    """Tell whether a message had lapsed in Twilio's queue by an instant: documented as not sent."""
    step = message.steps[message.place(when)]
    return (step.status, step.code) == ("failed", 30036)


def at_most_once(study: ChaosStudy) -> None:
    """For every phone and text at most one POST was accepted, but after one documented as unsent."""
    for (_, body), messages in study.took().items():
        for earlier, later in pairwise(messages):
            assert never_sent(earlier, later.created), (
                f"a text went out twice: {body}, {later.created - earlier.created:.1f} s apart; "
                f"{[(one.key, one.attempt, one.state, one.note) for one in study.entries()]}"
            )


def everybody_has_theirs(study: ChaosStudy, *, reminder: bool) -> None:
    """Everybody has exactly one text of this round, or stands among the unknowns with none."""
    unknown = study.unknown()
    now = study.sandbox.twilio.now()
    for record, phone in study.phones.items():
        texts = [
            message
            for (to, _), messages in study.took().items()
            for message in messages
            if to == phone and study.body_is(message, reminder=reminder)
        ]
        count = sum(not never_sent(message, now) for message in texts)
        story = [
            (one.attempt, one.state, one.status, one.note, one.code)
            for one in study.entries()
            if one.record == record
        ]
        if record in unknown:
            assert count == 0, (record, "accepted, and never found", story)
        else:
            assert count == 1, (record, count, story)


def logged_once(study: ChaosStudy) -> None:
    """REDCap's message log has one row per key, whatever was repeated."""
    rows = [
        row.get("sms_key", "")
        for record in study.sandbox.project(PID).store.current.records.values()
        for key, row in record.rows.items()
        if key.instrument == "message_log"
    ]
    doubled = {key: count for key, count in Counter(rows).items() if count > 1 or not key}
    assert not doubled, doubled


@contextmanager
def chaos_study(folder: Path, people: int, state_url: str = "") -> Iterator[ChaosStudy]:
    """Serve a study in which ``people`` are due their two-month survey today."""
    projects = ismile_projects(participants=1, seed=1, as_of=MIDDAY.date())
    clock = MappedClock()
    with Sandbox(projects=projects, now=MIDDAY, twilio=ACCOUNT) as sandbox:
        sandbox.twilio._clock = clock.now
        home = new_home(folder, sandbox)
        url = state_url or home.state_url
        if state_url:
            Store.create(url).close()
        home.write(**sandbox.variables, REDCAP_JOBS_STATE_URL=url)
        home.edit_study("[sender]\n", f'[sender]\nurl = "{sandbox.twilio_url}"\n')
        home.edit_study(
            'hours = { weekdays = "09:00-20:00", weekend = "10:00-18:00" }', 'hours = "08:00-21:00"'
        )
        home.edit_study(
            "remind = { days_apart = 3, count = 2 }", "remind = { days_apart = 3, count = 1 }"
        )
        yield ChaosStudy(home, clock, enter_people(home, people), url)


def enter_people(home: Home, count: int) -> dict[str, str]:
    """Enter people who are due, and nobody else; return the phone of each."""
    written = {f"T{number}": fictitious_phone(number) for number in range(1, count + 1)}
    home.enter(PID, *(due_today(record, phone) for record, phone in written.items()))
    store = home.sandbox.project(PID).store
    with store.writing(MIDDAY.replace(tzinfo=None)) as draft:
        for record in set(store.current.records) - set(written):
            draft.delete(record)
    return {
        record: "+1" + "".join(each for each in phone if each.isdigit())
        for record, phone in written.items()
    }


def due_today(record: str, phone: str) -> dict[str, str]:
    """Return the baseline of somebody whose two-month survey is due today."""
    return {
        "record_id": record,
        "redcap_event_name": "baseline_arm_1",
        "consent___1": "1",
        "consent___3": "1",
        "part_first_name": f"Parent {record}",
        "part_mobile_number": phone,
        "part_language": "1",
        "anchor_date": "2026-09-24",
        "rand_group": "1",
    }
