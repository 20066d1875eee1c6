"""A job that texts and does not end well is told by mail, with nothing private in it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from study_home import DEV, PROD
from tests.notify.mail_server import Mails, mail_server
from texting import ACCOUNT, Texting, texting

from redcap_jobs.errors import CredentialsError, StateMissing

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


def test_a_reply_to_read_is_counted_whoever_it_is_from(study: Texting, mails: Mails) -> None:
    """A phone that no text went to may ask for no more, too; its words are in no mail."""
    study.home.sandbox.twilio.receive("+12025550142", ACCOUNT.numbers[0], "who is this, please?")
    study.run("poll-messages")
    (mail,) = mails.taken
    assert "Replies to read: 1 (of a phone no text went to)" in mail.get_content()
    assert "who is this" not in mail.as_string()


def test_a_development_run_mails_nobody(study: Texting, mails: Mails) -> None:
    """However it ends."""
    study.home.sandbox.twilio.set_status("suspended")
    study.run(token=DEV)
    study.run("poll-messages", token=DEV)
    assert mails.taken == []


@pytest.mark.parametrize(
    ("lacking", "said"),
    [("REDCAP_JOBS_HASH_KEY", "REDCAP_JOBS_HASH_KEY is not set"), (PROD, f"{PROD} is not set")],
)
def test_starts_that_come_to_no_run_are_one_mail_and_so_is_their_end(
    study: Texting, mails: Mails, lacking: str, said: str
) -> None:
    """A variable is missing: cron starts the job every 15 minutes, and its people hear of it."""
    study.home.write(**study.home.sandbox.variables | {lacking: None})
    for _ in range(5):
        with pytest.raises(CredentialsError):
            study.run("poll-messages")
        study.clock.pass_by(timedelta(minutes=15))
    study.home.write(**study.home.sandbox.variables)
    study.run("poll-messages")
    assert [str(mail["Subject"]) for mail in mails.taken] == [
        "[ismile] poll-messages did not end well",
        "[ismile] poll-messages is well again",
    ]
    first = mails.taken[0].get_content()
    assert said in first
    assert "before a run began" in first


@pytest.mark.parametrize("options", [{"dry_run": True, "yes": False}, {"token": DEV}])
def test_a_start_that_was_no_start_of_cron_in_production_mails_nobody(
    study: Texting, mails: Mails, options: dict[str, Any]
) -> None:
    """A dry run is read by who typed it; a development run reaches nobody."""
    study.home.write(**study.home.sandbox.variables | {"REDCAP_JOBS_HASH_KEY": None})
    with pytest.raises(CredentialsError):
        study.run(**options)
    assert mails.taken == []


def test_without_a_state_the_error_is_what_it_was(study: Texting, mails: Mails) -> None:
    """Nothing says whether its people know already: no mail each quarter of an hour."""
    study.home.write(**study.home.sandbox.variables | {"REDCAP_JOBS_STATE_URL": None})
    with pytest.raises(StateMissing):
        study.run("poll-messages")
    assert mails.taken == []
