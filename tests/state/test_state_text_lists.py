"""Texts as people ask for them: by name, by day, once more, and as another memory holds them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from tests.state.journal_steps import SID, a_text, posted, taken

from redcap_jobs.errors import GuardRefused, UsageError
from redcap_jobs.messaging.keys import MessageKey
from redcap_jobs.messaging.logged_texts import LoggedText
from redcap_jobs.state.adoption import adopt_texts, lacking
from redcap_jobs.state.alarms import Alarm, keep_alarm, load_alarm
from redcap_jobs.state.journal import Journal
from redcap_jobs.state.journal_entry import AlreadyDone, Claimed, Intent
from redcap_jobs.state.journal_evidence import not_written_back
from redcap_jobs.state.resending import MOST_RESENDS, request_resend
from redcap_jobs.state.scope import ProjectKey
from redcap_jobs.state.store import Store
from redcap_jobs.state.text_lists import (
    entry_called,
    first_posted,
    last_attempts,
    phone_of_record,
    posted_between,
)

IDS = ("m2-invitation", "formerly-so")


def key_of(project: ProjectKey, occurrence: str = "0", event: str = "17") -> MessageKey:
    return MessageKey(str(project), IDS[0], "1001", event, occurrence=occurrence)


def text_to(project: ProjectKey, occurrence: str = "0", event: str = "17", **more: Any) -> Intent:
    key = str(key_of(project, occurrence, event))
    return a_text(project, key, occurrence=occurrence, **more)


def ask(store: Store, project: ProjectKey) -> str:
    more = {"job": "send-surveys", "run_id": "by-hand", "reason": "phone was off", "by": "ann"}
    return request_resend(store, project, "1001", IDS, **more)


def test_the_last_attempt_of_each_text_is_listed(
    store: Store, journal: Journal, project: ProjectKey
) -> None:
    """A first attempt that was not sent gives way to the one that was."""
    journal.rejected(posted(journal, text_to(project)), "20429", definite_not_sent=True)
    journal.sent(posted(journal, text_to(project)), SID)
    (entry,) = last_attempts(store, project)
    assert (entry.attempt, entry.state) == (2, "sent")
    assert len(posted_between(store, project, None, None)) == 2


def test_only_what_was_handed_over_is_an_attempt_and_the_bounds_hold(
    store: Store, journal: Journal, project: ProjectKey
) -> None:
    """The start counts in and the end does not; what was only claimed went nowhere."""
    journal.sent(posted(journal, text_to(project)), SID)
    journal.withhold(taken(journal, text_to(project, "1")), "outside the hours")
    now, second = store.clock.now(), timedelta(seconds=1)
    assert len(posted_between(store, project, now, now + second)) == 1
    assert posted_between(store, project, now + second, None) == []
    assert posted_between(store, project, None, now) == []


def test_a_text_is_found_by_its_name_or_its_key(
    store: Store, journal: Journal, project: ProjectKey
) -> None:
    """Two events with one name: the whole key is asked for."""
    journal.sent(posted(journal, text_to(project)), SID)
    assert entry_called(store, project, "1001/m2-invitation/0").reference == SID
    assert entry_called(store, project, str(key_of(project))).reference == SID
    with pytest.raises(UsageError, match="knows no text"):
        entry_called(store, project, "1001/m2-invitation/1")
    taken(journal, text_to(project, event="18"))
    with pytest.raises(UsageError, match="whole key"):
        entry_called(store, project, "1001/m2-invitation/0")


def test_the_phone_is_that_of_the_last_text_that_went_out(
    store: Store, journal: Journal, project: ProjectKey, clock: Any
) -> None:
    """Not of one that was claimed only; '' where none went out."""
    assert phone_of_record(store, project, "1001") == ""
    for number, phone in enumerate(("old", "new")):
        journal.sent(
            posted(journal, text_to(project, str(number), phone_hash=phone)), f"{SID}{phone}"
        )
        clock.sleep(timedelta(days=1))
    taken(journal, text_to(project, "2", phone_hash="newest"))
    assert phone_of_record(store, project, "1001") == "new"


def test_a_text_asked_for_again_is_claimed_once(
    store: Store, journal: Journal, project: ProjectKey
) -> None:
    """Its key is a new one; once it went out it is done, as any other."""
    journal.sent(posted(journal, text_to(project)), SID)
    assert ask(store, project) == str(key_of(project, "101"))
    with pytest.raises(UsageError, match="waits"):
        ask(store, project)
    journal.sent(posted(journal, text_to(project, "101")), f"{SID}1")
    assert isinstance(journal.claim(text_to(project, "101")), AlreadyDone)


def test_it_may_be_asked_for_three_times(
    store: Store, journal: Journal, project: ProjectKey, clock: Any
) -> None:
    """Then somebody should ring them up."""
    journal.sent(posted(journal, text_to(project)), SID)
    for number in range(1, MOST_RESENDS + 1):
        clock.sleep(timedelta(days=1))
        ask(store, project)
        clock.sleep(timedelta(days=1))
        journal.sent(posted(journal, text_to(project, str(100 + number))), f"{SID}{number}")
    with pytest.raises(GuardRefused, match="ring them up"):
        ask(store, project)


def test_nothing_is_asked_for_again_before_all_is_known(
    store: Store, journal: Journal, project: ProjectKey
) -> None:
    """Unknown, under way, refused: each has another way out; none sent: nothing to resend."""
    with pytest.raises(UsageError, match="none to resend"):
        ask(store, project)
    claim = taken(journal, text_to(project))
    with pytest.raises(GuardRefused, match="settle it first"):
        ask(store, project)
    journal.begin_posting(claim)
    journal.unknown(claim)
    with pytest.raises(GuardRefused, match="settle it first"):
        ask(store, project)
    journal.rejected(claim, "21614", definite_not_sent=False)
    with pytest.raises(GuardRefused, match="cleared"):
        ask(store, project)


def logged(project: ProjectKey, **more: Any) -> LoggedText:
    at = datetime(2026, 11, 20, 15, tzinfo=UTC)
    values = {"state": "sent", "sid": SID, "status": "delivered", "code": "", "at": at}
    return LoggedText(key_of(project), instance=4, **(values | more))


def take_over(store: Store, project: ProjectKey, *texts: LoggedText) -> int:
    more = {"sender": "hash of the sender", "job": "state adopt", "run_id": "run-9"}
    return len(adopt_texts(store, project, texts, {}, **more))


def test_what_another_memory_holds_is_never_sent_again(
    store: Store, journal: Journal, project: ProjectKey
) -> None:
    """Entered once, with its place and time; REDCap holds it already."""
    assert len(lacking(store, project, [logged(project)])) == 1
    assert take_over(store, project, logged(project)) == 1
    assert take_over(store, project, logged(project)) == 0
    assert lacking(store, project, [logged(project)]) == []
    assert isinstance(journal.claim(text_to(project)), AlreadyDone)
    (entry,) = last_attempts(store, project)
    assert (entry.log_instance, entry.reference, entry.status) == (4, SID, "delivered")
    assert not_written_back(store, project) == []
    assert first_posted(store, "hash of the sender") == datetime(2026, 11, 20, 15, tzinfo=UTC)


def test_a_renamed_row_is_to_be_written_once_more(store: Store, project: ProjectKey) -> None:
    """REDCap's row holds the older key."""
    take_over(store, project, logged(project, renamed=True))
    assert len(not_written_back(store, project)) == 1


def test_one_sid_is_one_text(store: Store, project: ProjectKey) -> None:
    """A row that somebody copied keeps its key, which is never sent, but has no SID."""
    copied = LoggedText(key_of(project, "1"), "sent", SID, "delivered", "", None, 5)
    assert take_over(store, project, logged(project), copied) == 2
    assert sorted(entry.reference or "" for entry in last_attempts(store, project)) == ["", SID]


def test_what_stands_in_the_journal_is_left_as_it_is(
    store: Store, journal: Journal, project: ProjectKey
) -> None:
    """An unknown text is not made a sent one by a row of the log."""
    journal.unknown(posted(journal, text_to(project)))
    assert take_over(store, project, logged(project)) == 0
    assert last_attempts(store, project)[0].state == "unknown"


def test_an_alarm_is_kept_for_each_study_and_job(store: Store) -> None:
    """What was told last, and when; the newest word replaces the one before."""
    now = store.clock.now()
    assert load_alarm(store, "small", "send-surveys") is None
    for alarm in (Alarm("failing", now), Alarm("failing", now, "failing", now)):
        keep_alarm(store, "small", "send-surveys", alarm)
    keep_alarm(store, "small", "poll-messages", Alarm("ok", now))
    assert load_alarm(store, "small", "send-surveys") == Alarm("failing", now, "failing", now)
    assert load_alarm(store, "another", "send-surveys") is None


def test_a_claim_is_still_a_claim(journal: Journal, project: ProjectKey, store: Store) -> None:
    """A request is claimed by a run as a text that was given back is."""
    journal.sent(posted(journal, text_to(project)), SID)
    ask(store, project)
    assert isinstance(journal.claim(text_to(project, "101")), Claimed)
