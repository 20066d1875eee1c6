"""A job of the partner's that does not end well is told by mail, with nothing private in it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from partnering import DEVELOPMENT_TOKEN, TOKEN, Partnering, partnering
from study_home import DEV
from test_mail import NOTIFY
from tests.notify.mail_server import Mails, mail_server

from redcap_jobs.errors import CredentialsError


@pytest.fixture
def mails() -> Iterator[Mails]:
    with mail_server() as served:
        yield served


@pytest.fixture
def study(tmp_path: Path, mails: Mails) -> Iterator[Partnering]:
    with partnering(tmp_path, participants=40) as made:
        made.home.edit_study("[message_log]\n", NOTIFY.replace("PORT", str(mails.port)))
        yield made


def test_an_enrolment_nobody_knows_about_is_mailed_by_record_id(
    study: Partnering, mails: Mails
) -> None:
    """One mail when it begins, one when it is over; no name, phone or token in either."""
    study.sandbox.fault("partner-drop", times=1, action="enrol")
    first = study.run()
    lost = [each["studyId"] for each in study.sandbox.partner.all()]
    study.clock.pass_by(timedelta(minutes=20))
    study.run()
    assert [str(mail["Subject"]) for mail in mails.taken] == [
        "[ismile] poll-participants did not end well",
        "[ismile] poll-participants is well again",
    ], first
    told = mails.taken[0].get_content()
    found = [record for record in lost if f"nobody knows about: 1 ({record})" in told]
    assert len(found) == 1, told
    assert f"redcap-jobs partner {study.home.study}" in told
    assert "enrolled: " in told
    written = "".join(mail.as_string() for mail in mails.taken)
    people = [study.baseline(record) for record in lost]
    private = {
        person[name]
        for person in people
        for name in ("part_first_name", "part_last_name", "child_name", "part_mobile_number")
    }
    assert [one for one in {*private, TOKEN, DEVELOPMENT_TOKEN} if one and one in written] == []


def test_a_start_without_the_partners_credentials_is_mailed_once(
    study: Partnering, mails: Mails
) -> None:
    """A variable is missing: cron starts the job every 15 minutes, and its people hear of it."""
    study.home.write(**study.sandbox.variables | {"AGILE_TOKEN": None})
    for _ in range(3):
        study.run()
        study.clock.pass_by(timedelta(minutes=15))
    study.home.write(**study.sandbox.variables | {"REDCAP_JOBS_HASH_KEY": None})
    for _ in range(3):
        with pytest.raises(CredentialsError):
            study.run()
        study.clock.pass_by(timedelta(minutes=15))
    study.home.write(**study.sandbox.variables)
    study.run()
    assert [str(mail["Subject"]) for mail in mails.taken] == [
        "[ismile] poll-participants did not end well",
        "[ismile] poll-participants is well again",
    ]
    assert "AGILE_TOKEN is not set" in mails.taken[0].get_content()


def test_a_development_run_mails_nobody(study: Partnering, mails: Mails) -> None:
    """However it ends."""
    study.sandbox.fault("partner-drop", times=1, action="enrol")
    study.run(token=DEV)
    assert mails.taken == []
