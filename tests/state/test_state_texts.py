"""Stops, replies and rows of REDCap's log, on both databases."""

from __future__ import annotations

from datetime import timedelta

import pandas as pd
import pytest
from tests.state.conftest import StillClock

from redcap_jobs.errors import UsageError
from redcap_jobs.messaging.keys import MessageKey
from redcap_jobs.state.inbound import (
    Reply,
    last_read,
    note_replies,
    replies_to_read,
)
from redcap_jobs.state.journal import Journal
from redcap_jobs.state.journal_entry import Claimed, Entry, Intent
from redcap_jobs.state.journal_evidence import not_written_back
from redcap_jobs.state.log_places import places_for
from redcap_jobs.state.messages import is_unsettled, message_history, to_look_up
from redcap_jobs.state.reply_reading import read_reply
from redcap_jobs.state.scope import ProjectKey
from redcap_jobs.state.stops import Stop, hindrance, say, stops_of
from redcap_jobs.state.store import Store

STUDY = "ismile"
HOUR = timedelta(hours=1)


def word(state: str, source: str = "reply", subject: str = "hash-1", scope: str = "phone") -> Stop:
    return Stop(scope, subject, state, source)  # type: ignore[arg-type] - words of the table below


@pytest.mark.parametrize(
    ("said", "holds"),
    [
        (["stopped reply"], "stopped"),
        (["stopped reply", "allowed person"], "allowed"),
        (["stopped reply", "allowed person", "stopped reply"], "stopped"),
        (["stopped reply", "allowed reply"], "allowed"),
        (["stopped person", "allowed person"], "allowed"),
        (["stopped person", "allowed reply"], "stopped"),
        (["stopped person", "stopped reply", "allowed reply"], "stopped"),
        (["stopped person", "stopped twilio", "allowed reply"], "stopped"),
        (["held reply", "allowed reply"], "held"),
        (["held reply", "allowed person"], "allowed"),
        (["held reply", "stopped reply"], "stopped"),
        (["stopped reply", "held reply"], "stopped"),
        (["stopped twilio", "held reply"], "stopped"),
        (["allowed person", "held reply"], "held"),
    ],
)
def test_what_was_said_last_holds_but_no_reply_softens_a_person(
    store: Store, clock: StillClock, said: list[str], holds: str
) -> None:
    """A newer STOP wins over a leave; START lifts neither a person's stop nor an unread reply."""
    for each in said:
        clock.sleep(HOUR)
        state, source = each.split()
        say(store, STUDY, word(state, source))
    (row,) = stops_of(store, STUDY).to_dict("records")
    assert row["state"] == holds
    assert bool(hindrance(store, STUDY, "hash-1", "1")) is (holds != "allowed")


def test_an_older_word_read_again_changes_nothing(store: Store, clock: StillClock) -> None:
    """Lists hold a STOP for days: it is read at every look, after a person's leave as well."""
    at = clock.now()
    assert say(store, STUDY, word("stopped"), at=at)
    clock.sleep(HOUR)
    assert say(store, STUDY, word("allowed", "person"))
    assert not say(store, STUDY, word("stopped"), at=at)
    assert not hindrance(store, STUDY, "hash-1", "1")


def test_a_pause_ends_by_itself_and_concerns_the_whole_study(
    store: Store, clock: StillClock
) -> None:
    """Until its instant nobody is texted; other studies go on."""
    until = clock.now() + HOUR
    say(store, STUDY, Stop("study", "", "paused", "person", "holidays", "dm", until))
    assert "holidays" in hindrance(store, STUDY, "any", "any")
    assert hindrance(store, "another", "any", "any") == ""
    clock.sleep(2 * HOUR)
    assert hindrance(store, STUDY, "any", "any") == ""
    assert stops_of(store, STUDY).empty


def test_a_record_is_stopped_whatever_its_phone(store: Store) -> None:
    """A coordinator's stop is about the person."""
    say(store, STUDY, word("stopped", "person", "1001", "record"))
    assert hindrance(store, STUDY, "another phone", "1001")
    assert not hindrance(store, STUDY, "another phone", "1002")
    say(store, STUDY, word("stopped", "person", "1003", "phone"))
    assert not hindrance(store, STUDY, "another phone", "1003"), "a phone is no record"


def reply(sid: str, clock: StillClock, meaning: str = "unclear") -> Reply:
    return Reply(sid, "hash-1", clock.now(), meaning, ("1001",))


def test_a_reply_is_new_once_and_an_unclear_one_waits_for_a_person(
    store: Store, clock: StillClock
) -> None:
    """The same SID read twice is one reply; only what is unclear is to be read."""
    replies = [reply("SM1", clock), reply("SM2", clock, "stop")]
    assert [each.sid for each in note_replies(store, STUDY, "sender", replies)] == ["SM1", "SM2"]
    assert note_replies(store, STUDY, "sender", replies) == []
    (waiting,) = replies_to_read(store, STUDY)
    assert (waiting.sid, waiting.records) == ("SM1", ("1001",))
    note_replies(store, "another study", "sender", replies)
    assert read_reply(store, STUDY, "SM1", "keep", "coordinator") == "unchanged"
    assert replies_to_read(store, STUDY) == []
    assert len(replies_to_read(store, "another study")) == 1
    with pytest.raises(UsageError, match="SM1"):
        read_reply(store, STUDY, "SM1", "keep", "coordinator")


def test_when_replies_were_last_read_is_known_per_sender(store: Store, clock: StillClock) -> None:
    """Reading nothing is reading, too; another sender's replies say nothing."""
    assert last_read(store, STUDY, "sender") is None
    note_replies(store, STUDY, "sender", [])
    assert last_read(store, STUDY, "sender") == clock.now()
    assert last_read(store, STUDY, "other") is None


@pytest.fixture
def journal(store: Store) -> Journal:
    return Journal(store, "run-1")


def sent(journal: Journal, project: ProjectKey, key: str, record: str, sid: str) -> Entry:
    """Send one text, and return its entry."""
    intent = Intent(key, "text", project, "send-surveys", record, "m2", sender="sender")
    claim = journal.claim(intent)
    assert isinstance(claim, Claimed)
    journal.begin_posting(claim)
    journal.sent(claim, sid, "queued")
    return next(each for each in not_written_back(journal.store, project) if each.key == key)


def log(*rows: tuple[str, str, str]) -> pd.DataFrame:
    """Give rows of REDCap's log: record, instance, key."""
    return pd.DataFrame(rows, columns=["record", "instance", "key"], dtype="str")


def test_a_text_keeps_its_row_of_the_log(
    store: Store, journal: Journal, project: ProjectKey
) -> None:
    """Chosen once: after a crash before the import, and with rows that others made meanwhile."""
    first = sent(journal, project, "k1", "1001", "SM1")
    assert places_for(store, project, [first], log(("1001", "3", "by hand"))) == {"k1": 4}
    again = places_for(store, project, [first], log(("1001", "3", "by hand"), ("1001", "9", "x")))
    assert again == {"k1": 4}


def test_a_row_where_another_text_came_to_stand_is_left_alone(
    store: Store, journal: Journal, project: ProjectKey
) -> None:
    """Another state or a person took the instance first: this text gets the next one, for good."""
    first = sent(journal, project, "k1", "1001", "SM1")
    assert places_for(store, project, [first], log()) == {"k1": 1}
    held = log(("1001", "1", "of another state"))
    assert places_for(store, project, [first], held) == {"k1": 2}
    assert places_for(store, project, [first], held) == {"k1": 2}


def test_a_row_under_an_older_name_of_the_text_is_its_own(
    store: Store, journal: Journal, project: ProjectKey
) -> None:
    """The record was renamed: REDCap moved the row along, whose key still names the old record."""
    now, before = (str(MessageKey(str(project), "m2", record, "12042")) for record in ("77", "7"))
    entry = sent(journal, project, now, "77", "SM1")
    assert places_for(store, project, [entry], log()) == {now: 1}
    assert places_for(store, project, [entry], log(("77", "1", before))) == {now: 1}
    other = str(MessageKey(str(project), "m4", "7", "12043"))
    assert places_for(store, project, [entry], log(("77", "1", other))) == {now: 2}


def test_a_row_that_holds_the_key_is_taken_up(
    store: Store, journal: Journal, project: ProjectKey
) -> None:
    """A state restored from a backup finds the rows that were written after it."""
    entry = sent(journal, project, "k1", "1001", "SM1")
    held = log(("1001", "1", "k0"), ("1001", "2", "k1"))
    assert places_for(store, project, [entry], held) == {"k1": 2}


def test_no_two_texts_of_a_record_share_a_row(
    store: Store, journal: Journal, project: ProjectKey
) -> None:
    """Though REDCap shows none of them yet; records count for themselves."""
    entries = [
        sent(journal, project, key, record, f"SM{key}")
        for key, record in (("k1", "1001"), ("k2", "1001"), ("k3", "1002"))
    ]
    found = places_for(store, project, entries, log())
    assert found == {"k1": 1, "k2": 2, "k3": 1}
    later = sent(journal, project, "k4", "1001", "SMk4")
    assert places_for(store, project, [later], log()) == {"k4": 3}


def test_the_history_is_all_text(journal: Journal, project: ProjectKey, clock: StillClock) -> None:
    """One row per attempt, '' where nothing is known, instants in ISO 8601."""
    sent(journal, project, "k1", "1001", "SM1")
    (row,) = message_history(journal.store, project).to_dict("records")
    assert (row["key"], row["state"], row["status"], row["not_sent"]) == (
        "k1",
        "sent",
        "queued",
        "false",
    )
    assert row["at"] == clock.now().strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    assert {type(value) for value in row.values()} == {str}


def test_what_is_worth_asking_for(journal: Journal, project: ProjectKey, clock: StillClock) -> None:
    """Open and unknown texts, a word that Twilio adds one day, and what ended lately."""
    from redcap_jobs.state.journal_evidence import set_status

    for key, status in (("open", "sent"), ("new", "pondering"), ("ended", "delivered")):
        sent(journal, project, key, "1001", f"SM{key}")
        set_status(journal.store, key, 1, status)
    intent = Intent("lost", "text", project, "send-surveys", "1001", "m2", sender="sender")
    claim = journal.claim(intent)
    assert isinstance(claim, Claimed)
    journal.begin_posting(claim)
    journal.unknown(claim)
    clock.sleep(HOUR)
    lately = to_look_up(journal.store, project, "sender", clock.now() - 2 * HOUR)
    assert {entry.key for entry in lately} == {"open", "new", "ended", "lost"}
    assert {entry.key for entry in lately if is_unsettled(entry)} == {"open", "new", "lost"}
    later = to_look_up(journal.store, project, "sender", clock.now())
    assert {entry.key for entry in later} == {"open", "new", "lost"}
    early = clock.now() - 2 * HOUR
    assert to_look_up(journal.store, project, "another", early) == []
    elsewhere = ProjectKey(project.url, 9, "production")
    assert to_look_up(journal.store, elsewhere, "sender", early) == []
