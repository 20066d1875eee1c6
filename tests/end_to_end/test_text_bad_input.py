"""Bad days of texting: a clear message, the right exit code, nobody texted who should not be."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from study_home import PROD
from test_text_promises import make_due, only
from texting import Texting, pace_by, texting

from redcap_jobs.demo import where_it_is_noon
from redcap_jobs.errors import CredentialsError, ExitCode, StudyFileError


@pytest.fixture
def study(tmp_path: Path) -> Iterator[Texting]:
    with texting(tmp_path, participants=20, seed=5) as made:
        only(made, make_due(made, 6))
        yield made


def test_two_participants_with_one_phone_take_turns(study: Texting) -> None:
    """One text a day to a phone, whatever the record; the other's goes out the next day."""
    baseline = {"redcap_event_name": "baseline_arm_1", "part_mobile_number": "(617) 555-0110"}
    study.home.enter(3041, *({"record_id": f"T{number}", **baseline} for number in (1001, 1002)))
    run = study.run()
    assert Counter(text.to for text in study.accepted).most_common(1) == [("+16175550110", 1)]
    assert any("waits its turn" in reason for reason in run.skip_reasons)
    study.clock.pass_by(timedelta(days=1))
    study.run()
    assert Counter(text.to for text in study.accepted)["+16175550110"] == 2


@pytest.mark.parametrize("status", ["suspended", "out-of-funds"])
def test_an_account_that_cannot_send_ends_the_run_and_loses_nobody(
    study: Texting, status: str
) -> None:
    """Nothing goes out; once the account is mended everybody who is due gets the one text."""
    study.home.sandbox.twilio.set_status(status)
    run = study.run()
    assert run.exit_code != ExitCode.DONE
    assert "ccount" in run.message + " ".join(run.problems)
    assert study.accepted == []
    study.home.sandbox.twilio.set_status("active")
    study.run()
    due = {text.to for text in study.accepted}
    assert len(due) == len(study.accepted) >= 5


def test_a_daily_limit_ends_the_run_and_the_rest_goes_out_the_next_day(study: Texting) -> None:
    """Twilio's 63038 comes as 429: one try, no run through everybody, and nobody is lost."""
    twilio = study.home.sandbox.twilio
    phones = [f"+1617555{110 + number:04d}" for number in range(6)]
    for phone in phones:
        twilio.set_fate(phone, "over-daily-limit")
    run = study.run()
    tried = [each for each in study.home.sandbox.twilio_requests if each.action == "create"]
    assert [each.code for each in tried] == [63038]
    assert run.exit_code != ExitCode.DONE
    assert "in a day" in run.message + " ".join(run.problems)
    study.clock.pass_by(timedelta(days=1))
    for phone in phones:
        twilio.set_fate(phone, "delivered")
    study.run()
    assert sorted(text.to for text in study.accepted) == phones


def test_a_wrong_auth_token_is_told_before_anything_is_sent(study: Texting) -> None:
    """Exit 3, and the message names the variables, not what they hold."""
    study.home.write(**{**study.home.sandbox.variables, "TWILIO_AUTH_TOKEN": "f" * 32})
    run = study.run()
    assert run.exit_code == ExitCode.SETUP
    assert "[sender]" in run.message
    assert "f" * 32 not in run.message
    assert study.accepted == []


def test_a_missing_variable_is_named(study: Texting) -> None:
    """Exit 3 with the name that is not set."""
    study.home.write(**{**study.home.sandbox.variables, "TWILIO_NUMBER": None})
    run = study.run()
    assert run.exit_code == CredentialsError.exit_code
    assert "TWILIO_NUMBER" in run.message


def test_an_unverified_campaign_is_shown_and_texts_nobody_twice(study: Texting) -> None:
    """30034 comes later, as undelivered: told at once and for a day, in REDCap's log, not repeated."""
    study.home.sandbox.twilio.campaign_verified = False
    sent = study.run()
    study.clock.pass_by(timedelta(minutes=20))
    for run in (sent, study.run("poll-messages")):
        assert run.exit_code == ExitCode.PARTLY_FAILED
        assert sum("not registered with the carriers" in each for each in run.problems) == 6
        assert len(run.problems) == 6
    errors = {row.get("sms_error", "")[:5] for row in study.log_rows()}
    assert errors == {"30034"}
    before = len(study.accepted)
    study.run()
    assert len(study.accepted) == before


def test_a_sender_whose_texts_do_not_arrive_takes_nobody_elses(
    study: Texting, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The run looks a quarter of a minute in and ends; one a run is tried until it is mended."""
    pace_by(study.clock, monkeypatch)
    only(study, make_due(study, 40))
    study.home.sandbox.twilio.campaign_verified = False
    run = study.run()
    lost = len(study.accepted)
    assert lost <= 20
    assert run.exit_code == ExitCode.PARTLY_FAILED
    assert any(f"{40 - lost} that are due were not begun" in each for each in run.problems)
    study.clock.pass_by(timedelta(minutes=20))
    study.run()
    assert len(study.accepted) == lost + 1
    study.home.sandbox.twilio.campaign_verified = True
    study.clock.pass_by(timedelta(minutes=20))
    study.run()
    texts = Counter(text.to for text in study.accepted)
    assert (len(texts), set(texts.values())) == (40, {1})
    statuses = Counter(row["sms_status"] for row in study.log_rows())
    assert statuses == {"undelivered": lost + 1, "delivered": 39 - lost}


def test_a_template_with_a_typo_is_told_with_the_nearest_name(study: Texting) -> None:
    """The study file is refused before anything is read or sent."""
    study.home.edit_study("Hi {{ first_name }}, it is time", "Hi {{ frist_name }}, it is time")
    with pytest.raises(StudyFileError, match="first_name"):
        study.run()
    assert study.accepted == []


def test_without_a_sender_the_job_says_what_to_add(study: Texting) -> None:
    """A study that does not text yet gets one line and exit 3."""
    text = study.home.study.read_text(encoding="utf-8")
    start, end = text.index("[sender]"), text.index("[messages]")
    study.home.study.write_text(text[:start] + text[end:], encoding="utf-8")
    try:
        said = study.run().message
    except StudyFileError as error:
        said = str(error)
    assert "[sender]" in said
    assert study.accepted == []


def test_a_full_disk_under_the_state_sends_nothing_that_is_not_journalled(study: Texting) -> None:
    """The state can grow no more: every text that went out stands in it, and the run says why.

    The limit is that of the process for any file (setrlimit), so that the disk itself stays usable.
    """
    zone = where_it_is_noon(datetime.now(UTC))
    study.home.edit_study('time_zone = "America/Los_Angeles"', f'time_zone = "{zone}"')
    study.home.edit_study("seconds_between = 1.05", "seconds_between = 0.05")
    study.home.edit_study("latest = { days = 21 }", "latest = { days = 30 }")
    anchor = (datetime.now(UTC).date() - timedelta(days=70)).isoformat()
    baseline = {"redcap_event_name": "baseline_arm_1", "anchor_date": anchor}
    people = [f"T{1001 + number}" for number in range(6)]
    study.home.enter(3041, *({"record_id": record, **baseline} for record in people))
    used = sum(
        path.stat().st_size for path in study.home.folder.glob("state.db*") if path.is_file()
    )
    failed = 0
    for pages in (1, 3, 6, 12, 20):
        room = used + pages * 4096
        done = study.home.call(
            "send-surveys", "--study", study.home.study, "--env-file", study.home.env_file,
            "--export-token", PROD, "--import-token", PROD, "--yes", most_bytes=room,
        )  # fmt: skip
        assert "Traceback" not in done.err
        if done.code == ExitCode.DONE:  # room enough to come to its end
            break
        failed += 1
    assert failed >= 2, "the disk was never full"
    last = study.home.call(
        "send-surveys", "--study", study.home.study, "--env-file", study.home.env_file,
        "--export-token", PROD, "--import-token", PROD, "--yes",
    )  # fmt: skip
    assert last.code in (0, 1), last.err
    texts = Counter(text.to for text in study.accepted)
    assert set(texts.values()) == {1}


def test_a_dry_run_needs_no_twilio_account(study: Texting) -> None:
    """What would be sent can be looked at before there is an account; Twilio is asked nothing."""
    names = ("TWILIO_ACCOUNT_SID", "TWILIO_AUTH_TOKEN", "TWILIO_NUMBER")
    study.home.write(**{**study.home.sandbox.variables, **dict.fromkeys(names)})
    run = study.run(yes=False, dry_run=True)
    assert run.exit_code == ExitCode.DONE, run
    assert "6 x text" in run.message
    assert study.home.sandbox.twilio_requests == []


def test_real_participants_are_never_texted_by_a_sandbox_nor_made_up_ones_for_real(
    study: Texting,
) -> None:
    """REDCap on this machine with Twilio's own address is refused before anything is asked."""
    url = study.home.sandbox.twilio_url
    study.home.edit_study(f'url = "{url}"', 'url = "https://api.twilio.com"')
    run = study.run()
    assert run.exit_code == ExitCode.REFUSED
    assert "sandbox" in run.message
