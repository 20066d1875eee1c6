"""Told once when it begins, once a day while it lasts, once when it is over; never one per run."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from tests.notify.mail_server import Mails, mail_server

from redcap_jobs.errors import ExitCode
from redcap_jobs.notify.alarms import after_run, standing, step
from redcap_jobs.notify.outcome import RunOutcome
from redcap_jobs.state.alarms import Alarm
from redcap_jobs.state.scope import ProjectKey
from redcap_jobs.state.store import Store
from redcap_jobs.study.config import Study
from redcap_jobs.study.credentials import Credentials
from redcap_jobs.study.loading import load_study

NOW = datetime(2026, 11, 24, 18, 0, tzinfo=UTC)
PROJECT = ProjectKey("https://redcap.example.org/api/", 1, "production")
WELL = RunOutcome("20261124T180000-aaaa", "send-surveys", "small", "done", ExitCode.DONE)
PARTLY = replace(
    WELL,
    state="partial",
    exit_code=ExitCode.PARTLY_FAILED,
    message="7 sent; 2 problems in the data",
    counts={"actions sent": 7, "problems": 2, "skipped": 0},
    problems=("record 1003: mobile: is a landline; correct it", "record -: export: fewer rows"),
)
FAILED = replace(
    WELL, state="failed", exit_code=ExitCode.PARTLY_FAILED, message="Twilio cannot be reached"
)
STUDY = """
format = 1
[study]
id = "small"
name = "A small study"
time_zone = "America/New_York"
[redcap]
url = "https://redcap.example.org/api/"
[redcap.projects.REDCAP_API_PROD]
project_id = 1
role = "production"
in_production = true
[notify]
mail_to = ["ann@example.org"]
[notify.smtp]
host = "localhost"
port = PORT
sender = "jobs@example.org"
"""


class StillClock:
    def __init__(self) -> None:
        self.time = NOW

    def now(self) -> datetime:
        return self.time

    def sleep(self, pause: timedelta) -> None:
        self.time += pause


@dataclass
class Office:
    """A study with a mail server, its state, and runs that end in it."""

    study: Study
    store: Store
    mails: Mails
    clock: StillClock

    def ends(
        self, outcome: RunOutcome, after: timedelta = timedelta(minutes=15), **more: Any
    ) -> None:
        """End a run so long after the last one."""
        self.clock.sleep(after)
        given = {"study": self.study, "project": PROJECT} | more
        after_run(outcome, store=self.store, credentials=Credentials(), clock=self.clock, **given)

    @property
    def subjects(self) -> list[str]:
        return [str(mail["Subject"]) for mail in self.mails.taken]


@pytest.fixture
def office(tmp_path: Path) -> Iterator[Office]:
    clock = StillClock()
    with (
        mail_server() as mails,
        Store.create(f"sqlite:///{tmp_path}/state.db", clock=clock) as store,
    ):
        path = tmp_path / "study.toml"
        path.write_text(STUDY.replace("PORT", str(mails.port)), encoding="utf-8")
        yield Office(load_study(path), store, mails, clock)


def test_one_mail_when_it_begins_and_one_when_it_is_over(office: Office) -> None:
    """Ten runs that fail alike are one mail; so is the end of it; a good run is none."""
    for outcome in (WELL, *[FAILED] * 10, WELL, WELL):
        office.ends(outcome)
    assert office.subjects == [
        "[small] send-surveys did not end well",
        "[small] send-surveys is well again",
    ]


def test_once_a_day_while_it_lasts(office: Office) -> None:
    """Runs every 15 minutes for three days, each day a minute earlier or later: three more mails."""
    office.ends(FAILED)
    for minutes in (1439, 1441, 1440):
        office.ends(FAILED, timedelta(minutes=minutes - 30))
        office.ends(FAILED, timedelta(minutes=30))
    assert office.subjects[1:] == ["[small] send-surveys still does not end well"] * 3


def test_a_failure_after_bad_data_is_told_at_once(office: Office) -> None:
    """Bad data of one record may last for weeks; that nobody is texted must not hide behind it."""
    for outcome in (PARTLY, PARTLY, FAILED, PARTLY, WELL):
        office.ends(outcome)
    assert office.subjects == [
        "[small] send-surveys did not end well",
        "[small] send-surveys fails now",
        "[small] send-surveys works again in part",
        "[small] send-surveys is well again",
    ]


def test_counts_and_record_ids_only(office: Office) -> None:
    """What is wrong with a record stands in the run's record, not in a mail."""
    office.ends(PARTLY)
    body = office.mails.taken[0].get_content()
    assert "Records with problems: 1 (1003)" in body
    assert "actions sent: 7" in body
    assert "redcap-jobs runs 20261124T180000-aaaa" in body
    assert "13:15 (America/New_York)" in body
    assert "landline" not in body
    assert "skipped" not in body


def test_what_a_failed_run_says_is_in_the_mail_redacted(office: Office) -> None:
    """Whoever reads it must know what to do; a phone in a message is taken out."""
    office.ends(replace(FAILED, message="Twilio said +12025550123 is wrong"))
    body = office.mails.taken[0].get_content()
    assert "Why: Twilio said [phone] is wrong" in body


def test_a_mail_that_could_not_be_sent_is_sent_by_the_next_run(
    office: Office, capsys: pytest.CaptureFixture[str]
) -> None:
    """The run ends as it would have; one line on stderr, without addresses."""
    office.mails.answer = "451 come back later"
    office.ends(FAILED)
    told = capsys.readouterr().err
    assert told.count("\n") == 1
    assert "no mail could be sent" in told
    assert "example.org" not in told
    office.mails.answer = "250 OK"
    office.ends(FAILED)
    assert len(office.subjects) == 1


@pytest.mark.parametrize(
    "more",
    [
        {"project": ProjectKey("https://redcap.example.org/api/", 2, "development")},
        {"whole": False},
    ],
)
def test_development_runs_and_runs_of_single_records_tell_nobody(
    office: Office, more: dict[str, Any]
) -> None:
    """A development run reaches nobody; one record says nothing of how a job stands."""
    office.ends(FAILED, **more)
    assert office.subjects == []


def test_a_sandbox_mails_this_machine_only(
    office: Office, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """REDCap on this machine and a mail server elsewhere: nobody is told of made-up people."""
    path = tmp_path / "sandbox.toml"
    text = office.study.text.replace("https://redcap.example.org", "http://127.0.0.1:8080")
    path.write_text(text.replace('"localhost"', '"mail.example.org"'), encoding="utf-8")
    office.ends(FAILED, study=load_study(path))
    assert "(a sandbox)" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("outcome", "now_is"),
    [
        (WELL, "ok"),
        (PARTLY, "partly"),
        (FAILED, "failing"),
        (replace(FAILED, state="refused", exit_code=ExitCode.REFUSED), "failing"),
        (replace(FAILED, exit_code=ExitCode.ANOTHER_RUN_ACTIVE), None),
        (replace(PARTLY, state="dry"), None),
        (replace(FAILED, state="cancelled"), None),
    ],
)
def test_which_runs_say_how_a_job_stands(outcome: RunOutcome, now_is: str | None) -> None:
    """A second crontab line, a dry run and a no at the terminal say nothing."""
    assert standing(outcome) == now_is


def test_since_when_it_lasts_is_kept() -> None:
    """The day's mail says when it began, not when it was told last."""
    first, news = step(None, "failing", NOW)
    assert (first.since, news) == (NOW, "began")
    told = replace(first, told="failing", told_at=NOW)
    later, news = step(told, "failing", NOW + timedelta(days=1))
    assert (later.since, news) == (NOW, "still")


def test_a_clock_set_back_tells_rather_once_more() -> None:
    """A mail dated in the future must not silence the fault until then."""
    told = Alarm("failing", NOW, told="failing", told_at=NOW + timedelta(days=400))
    assert step(told, "failing", NOW)[1] == "still"
