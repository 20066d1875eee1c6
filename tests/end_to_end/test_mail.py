"""A job that texts and does not end well is told by mail, with nothing private in it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from study_home import DEV
from tests.notify.mail_server import Mails, mail_server
from texting import ACCOUNT, Texting, texting

NOTIFY = """[notify]
mail_to = ["coordination@example.org"]

[notify.smtp]
host = "127.0.0.1"
port = PORT
sender = "redcap-jobs@example.org"

[message_log]
"""


@pytest.fixture
def mails() -> Iterator[Mails]:
    with mail_server() as served:
        yield served


@pytest.fixture
def study(tmp_path: Path, mails: Mails) -> Iterator[Texting]:
    with texting(tmp_path, participants=100) as made:
        made.home.edit_study("[message_log]\n", NOTIFY.replace("PORT", str(mails.port)))
        yield made


def test_a_suspended_account_is_told_once_and_nothing_private_with_it(
    study: Texting, mails: Mails
) -> None:
    """One mail for each job however often it fails; what it waits for is named by record id."""
    study.home.sandbox.fault("twilio-drop", times=1)
    study.home.sandbox.fault("twilio-list-lag", rate=1.0, seconds=86_400)
    study.run()
    study.home.sandbox.twilio.set_status("suspended")
    for _ in range(3):
        study.clock.pass_by(timedelta(minutes=15))
        study.run("poll-messages")
    subjects = [str(mail["Subject"]) for mail in mails.taken]
    assert subjects == [
        "[ismile] send-surveys did not end well",
        "[ismile] poll-messages did not end well",
    ]
    assert "Texts nobody knows about: 1 (" in mails.taken[0].get_content()
    written = "".join(mail.as_string() for mail in mails.taken)
    people = study.home.sandbox.project(3041).store.current.records
    names = {
        row[field]
        for record in people.values()
        for row in record.rows.values()
        for field in ("part_first_name", "part_last_name", "part_mobile_number")
        if row.get(field)
    }
    assert len(names) > 50
    words = set(written.replace(",", " ").replace(".", " ").split())
    assert not names & words
    for secret in (ACCOUNT.auth_token, ACCOUNT.numbers[0], *study.home.sandbox.tokens.values()):
        assert secret not in written


def test_a_development_run_mails_nobody(study: Texting, mails: Mails) -> None:
    """However it ends."""
    study.home.sandbox.twilio.set_status("suspended")
    study.run(token=DEV)
    study.run("poll-messages", token=DEV)
    assert mails.taken == []
