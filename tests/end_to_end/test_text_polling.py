"""What it costs to follow many texts: lists, not one question per text."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta
from pathlib import Path

import pytest
from text_chaos import PID, ChaosStudy, chaos_study

from redcap_jobs.messaging.keys import MessageKey
from redcap_jobs.sandbox.twilio_create import create
from redcap_jobs.state.fingerprint import Fingerprinter
from redcap_jobs.state.journal import Journal
from redcap_jobs.state.journal_entry import Claimed, Intent
from redcap_jobs.state.scope import ProjectKey
from redcap_jobs.state.store import Store

TEXTS, PEOPLE = 500, 20


def send_many(study: ChaosStudy) -> None:
    """Let Twilio accept many texts, and the journal know them as queued."""
    board = study.sandbox.twilio
    (number,) = board.account.numbers
    keyed = Fingerprinter("0f" * 20).one
    project = ProjectKey(study.sandbox.url, PID, "production")
    with Store.open(study.state_url, clock=study.clock) as store:
        journal = Journal(store, "run-0")
        for count in range(TEXTS):
            record = list(study.phones)[count % PEOPLE]
            to, body = study.phones[record], f"Text {count}"
            key = MessageKey(str(project), "m2-survey", record, "", occurrence=str(count))
            claim = journal.claim(
                Intent(
                    key=str(key),
                    kind="text",
                    project=project,
                    job="send-surveys",
                    record=record,
                    message="m2-survey",
                    occurrence=str(count),
                    sender=keyed(number, "sender"),
                    phone_hash=keyed(to, "phone"),
                    body_hash=keyed(body, "body"),
                )
            )
            assert isinstance(claim, Claimed)
            journal.begin_posting(claim)
            made = create(board, {"To": to, "From": number, "Body": body}, arrived=0.0)
            journal.sent(claim, made.sid, "queued")


def test_five_hundred_open_texts_cost_three_requests(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All are open; one run of poll-messages brings every one up to date, asking for lists only."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "xdg"))
    with chaos_study(tmp_path, PEOPLE) as study:
        send_many(study)
        study.clock.pass_by(timedelta(hours=1))
        outcome = study.run("poll-messages")
        assert outcome.state == "done", outcome
        asked = Counter(request.action for request in study.sandbox.twilio_requests)
        statuses = Counter(entry.status for entry in study.entries())
        assert statuses == {"delivered": TEXTS}
        assert set(asked) == {"list"}
        assert asked["list"] <= 3
