"""Texts from study file to phone and back into REDCap, against REDCap and Twilio look-alikes."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from study_home import DEV
from texting import Texting, texting

from redcap_jobs.errors import ExitCode


@pytest.fixture
def study(tmp_path: Path) -> Iterator[Texting]:
    with texting(tmp_path, participants=200) as made:
        yield made


def test_a_run_stopped_among_its_texts_says_how_far_it_came(
    study: Texting, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Ctrl-C after two texts: its line tells of them, and the next run goes on with the others."""

    def until_two_are_out(pause: timedelta) -> None:
        if len(study.accepted) >= 2:
            raise KeyboardInterrupt
        study.clock.pass_by(max(pause, timedelta(0)))

    with monkeypatch.context() as patched:
        patched.setattr(study.clock, "sleep", until_two_are_out)
        with pytest.raises(KeyboardInterrupt):
            study.run()
    told = capsys.readouterr().err
    found = re.search(r"cancelled: stopped before its end; 2 of (\d+) texts were dealt with", told)
    assert found, told
    study.run()
    sent = Counter(text.to for text in study.accepted)
    assert sum(sent.values()) == len(sent) == int(found[1])


def test_whoever_is_due_gets_one_text_and_redcap_remembers_it(study: Texting) -> None:
    """One run texts all who are due; the next sends nothing, and every text stands in the log."""
    first = study.run()
    assert first.exit_code in (ExitCode.DONE, ExitCode.PARTLY_FAILED), first
    sent = Counter(text.to for text in study.accepted)
    assert sent, first
    assert set(sent.values()) == {1}
    second = study.run()
    assert len(study.accepted) == len(sent), second
    assert len(study.log_rows()) == len(sent)


def test_delivery_is_learnt_and_written_back(study: Texting) -> None:
    """poll-messages turns queued into delivered, in the journal and in REDCap, in few requests."""
    study.run()
    study.clock.pass_by(timedelta(minutes=30))
    study.run("poll-messages")
    assert {row["sms_status"] for row in study.log_rows()} == {"delivered"}
    before = len(study.home.sandbox.twilio_requests)
    study.run("poll-messages")
    assert len(study.home.sandbox.twilio_requests) - before <= 3


def test_a_development_run_reaches_nobody(study: Texting) -> None:
    """Without [development] recipients a development copy texts no one."""
    study.run(token=DEV)
    assert study.accepted == []


def test_an_unread_reply_is_one_line_a_day_and_no_line_each_quarter_of_an_hour(
    study: Texting, capsys: pytest.CaptureFixture[str]
) -> None:
    """The exit code stays 1, the run record says it each time; cron mails it once a day."""
    study.run()
    study.home.sandbox.twilio.receive(study.accepted[0].to, "+12025550100", "who is this")
    capsys.readouterr()
    said = []
    for _ in range(4):
        study.clock.pass_by(timedelta(minutes=15))
        assert study.run("poll-messages").exit_code == ExitCode.PARTLY_FAILED
        said.append(len(capsys.readouterr().err.splitlines()))
    assert said == [1, 0, 0, 0]
    study.clock.pass_by(timedelta(hours=14))
    study.run("poll-messages")
    assert len(capsys.readouterr().err.splitlines()) == 1
