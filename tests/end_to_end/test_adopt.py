"""A lost state is made again from REDCap's message log, and nobody is texted twice."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from study_home import DEV, PROD, Done
from texting import ACCOUNT, Texting, lose_the_state, texting
from typed import typed

from redcap_jobs.errors import ExitCode
from redcap_jobs.state.journal_evidence import entries_of_record
from redcap_jobs.state.scope import ProjectKey
from redcap_jobs.state.stops import stops_of
from redcap_jobs.state.store import Store
from redcap_jobs.state.text_lists import last_attempts


@pytest.fixture
def study(tmp_path: Path) -> Iterator[Texting]:
    with texting(tmp_path, participants=120) as made:
        yield made


def adopt(study: Texting, *more: str, token: str = PROD) -> Done:
    home = study.home
    return home.call(
        *("state", "adopt", home.study, "--token", token, "--env-file", home.env_file, *more)
    )


def test_after_adoption_the_jobs_go_on_and_text_nobody_again(study: Texting) -> None:
    """The journal knows each text with its SID and status; only those due since are texted."""
    study.run()
    study.clock.pass_by(timedelta(minutes=30))
    study.run("poll-messages")
    first = Counter(text.to for text in study.accepted)
    rows = {row["sms_sid"]: row for row in study.log_rows()}
    lose_the_state(study)
    done = adopt(study)
    assert (done.code, done.err) == (0, "")
    assert f"{len(rows)} texts taken over, 0 were known" in done.out
    study.run()
    assert Counter(text.to for text in study.accepted) == first
    assert {row["sms_sid"]: row for row in study.log_rows()} == rows
    project = ProjectKey(study.home.sandbox.url, 3041, "production")
    with Store.open(study.home.state_url) as store:
        for row in rows.values():
            (entry,) = entries_of_record(store, project, row["record"])
            assert (entry.reference, entry.status) == (row["sms_sid"], row["sms_status"])
            assert (entry.key, str(entry.log_instance)) == (row["sms_key"], row["instance"])


def test_an_adopted_phone_keeps_its_turn_and_its_stop(study: Texting) -> None:
    """A STOP of weeks ago is read again, and a phone that had its text today waits."""
    study.run()
    phones = {text.sid: text.to for text in study.accepted}
    stopped = study.accepted[0]
    study.home.sandbox.twilio.receive(stopped.to, ACCOUNT.numbers[0], "STOP")
    study.clock.pass_by(timedelta(days=9))
    study.run("poll-messages")
    lose_the_state(study)
    assert adopt(study).code == 0
    study.run("poll-messages")
    project = ProjectKey(study.home.sandbox.url, 3041, "production")
    with Store.open(study.home.state_url) as store:
        entries = last_attempts(store, project)
        hashes = {phones[str(entry.reference)]: entry.phone_hash for entry in entries}
        held = stops_of(store, "ismile")
    assert None not in hashes.values()
    (word,) = held.to_dict("records")
    assert (word["subject"], word["state"]) == (hashes[stopped.to], "stopped")


def test_a_stop_is_not_hidden_by_a_run_before_the_adoption(study: Texting) -> None:
    """cron goes on while the state is lost: it reads the replies of the last days, and no others."""
    study.run()
    stopped, other = study.accepted[:2]
    study.home.sandbox.twilio.receive(stopped.to, ACCOUNT.numbers[0], "ALTO")
    study.clock.pass_by(timedelta(days=30))
    study.home.sandbox.twilio.receive(other.to, ACCOUNT.numbers[0], "gracias")
    lose_the_state(study)
    study.run("poll-messages")
    assert adopt(study).code == 0
    with Store.open(study.home.state_url) as store:
        assert list(stops_of(store, "ismile")["state"]) == ["stopped"]


def test_a_dry_run_says_so_and_changes_nothing(study: Texting) -> None:
    """--dry-run tells how many there are; the guard still refuses afterwards."""
    study.run()
    sent = len(study.accepted)
    lose_the_state(study)
    done = adopt(study, "--dry-run")
    assert f"{sent} texts would be taken over" in done.out
    assert study.run().exit_code == ExitCode.REFUSED


def test_a_restored_older_state_texts_nobody_again(study: Texting) -> None:
    """The backup says of each key that nothing went out; REDCap's log knows better."""
    study.home.sandbox.fault("twilio-429", rate=1.0)
    study.run()
    assert study.accepted == []
    backup = study.home.folder / "backup.db"
    assert typed(study, "state", "backup", backup).code == 0
    study.home.sandbox.no_faults()
    study.run()
    sent = len(study.accepted)
    assert sent
    assert typed(study, "state", "restore", backup, "--overwrite").code == 0
    study.run()
    assert len(study.accepted) == sent


def test_a_second_adoption_changes_nothing(study: Texting) -> None:
    """What the journal knows stays as it is."""
    study.run()
    done = adopt(study)
    assert f"0 texts taken over, {len(study.accepted)} were known" in done.out
    lose_the_state(study)
    adopt(study)
    assert "0 texts taken over" in adopt(study).out


def enter_log_row(study: Texting, pid: int, instance: str, key: str) -> str:
    """Enter a row into the message log of the first record that has a text; return the record."""
    records = study.home.sandbox.project(3041).store.current.records
    record, event = next(
        (name, place.event)
        for name, each in records.items()
        for place in each.rows
        if place.instrument == "message_log"
    )
    row = {
        "record_id": record,
        "redcap_event_name": event,
        "redcap_repeat_instrument": "message_log",
        "redcap_repeat_instance": instance,
        "sms_key": key,
    }
    study.home.enter(pid, row)
    return record


def test_a_row_without_a_key_of_ours_is_told_and_the_rest_taken_over(study: Texting) -> None:
    """Somebody typed into the log: exit 1 with record and instance, never the value."""
    study.run()
    record = enter_log_row(study, 3041, "7", "typed by hand")
    lose_the_state(study)
    done = adopt(study)
    assert done.code == ExitCode.PARTLY_FAILED
    assert f"record {record}, instance 7" in done.err
    assert "typed by hand" not in done.out + done.err
    assert f"{len(study.accepted)} texts taken over" in done.out


def test_a_copy_brings_the_log_of_another_project(study: Texting) -> None:
    """Keys of production in a development copy are counted and left out."""
    study.run()
    enter_log_row(study, 3042, "1", study.log_rows()[0]["sms_key"])
    done = adopt(study, token=DEV)
    assert done.code == 0
    assert "0 texts taken over" in done.out
    assert "1 rows hold keys of another project" in done.out


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (("--token", "REDCAP_API_NONE"), 2, "declares no such project"),
        (("--token", "0123456789ABCDEF0123456789ABCDEF"), 2, "regenerated"),
        ((), 2, "Missing option '--token'"),
    ],
)
def test_a_wrong_token_is_one_clear_line(
    study: Texting, arguments: tuple[str, ...], code: int, words: str
) -> None:
    """Nothing is asked of any server for a token that names no project of the study."""
    home = study.home
    done = home.call("state", "adopt", home.study, "--env-file", home.env_file, *arguments)
    assert done.code == code
    assert words in done.err
    assert not home.sandbox.requests
