"""Replies are read whole, whatever this machine's clock says."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta

import pytest
from tests.state.conftest import StillClock
from tests.state.journal_steps import a_text, posted

from redcap_jobs.messaging.twilio import InboundText
from redcap_jobs.messaging.watch import Seen, Watch
from redcap_jobs.state.inbound import replies_to_read
from redcap_jobs.state.journal import Journal
from redcap_jobs.state.reply_reading import read_reply
from redcap_jobs.state.scope import ProjectKey
from redcap_jobs.state.stops import Stop, hindrance, say
from redcap_jobs.state.store import Store

STUDY, PHONE = "small", "+12025550123"
DAY, MINUTE = timedelta(days=1), timedelta(minutes=1)


def keyed(text: str, kind: str) -> str:
    return f"{kind} {text}"


@dataclass
class Inbox:
    """Twilio's list of replies, by Twilio's own clock, and since when it was asked for."""

    sender_hash: str = "sender"
    texts: list[InboundText] = field(default_factory=list)
    asked_since: list[date] = field(default_factory=list)
    former: list[Collection[str]] = field(default_factory=list)

    def inbound(self, since: date, former: Collection[str]) -> list[InboundText]:
        self.asked_since.append(since)
        self.former.append(former)
        return [text for text in self.texts if text.received_at.date() >= since]

    def came(self, at: datetime, body: str) -> None:
        self.texts.append(InboundText(f"SM{len(self.texts)}", at, PHONE, body))


@pytest.fixture
def inbox() -> Inbox:
    return Inbox()


@pytest.fixture
def watch(store: Store, project: ProjectKey, inbox: Inbox, clock: StillClock) -> Watch:
    return Watch(store, STUDY, project, inbox, keyed, clock)  # type: ignore[arg-type]  # an inbox is all it asks for


def hindered(store: Store) -> bool:
    return bool(hindrance(store, STUDY, keyed(PHONE, "phone"), "1001"))


def test_a_clock_that_ran_ahead_for_days_loses_no_stop(
    watch: Watch, inbox: Inbox, clock: StillClock, store: Store
) -> None:
    """Runs of those days asked for replies of a time to come; what came meanwhile is read after."""
    true = clock.now()
    watch.read_replies(Seen())
    clock.time = true + 30 * DAY
    watch.read_replies(Seen())
    inbox.came(true + DAY, "ALTO")
    clock.time = true + 33 * DAY
    watch.read_replies(Seen())
    clock.time = true + 3 * DAY
    watch.read_replies(Seen())
    assert hindered(store)


def test_the_first_look_after_a_clock_was_set_back_reads_what_came(
    watch: Watch, inbox: Inbox, clock: StillClock, store: Store
) -> None:
    """It counts as reading them, so texts go out after it."""
    true = clock.now()
    watch.read_replies(Seen())
    clock.time = true + 30 * DAY
    watch.read_replies(Seen())
    inbox.came(true + 5 * MINUTE, "ALTO")
    clock.time = true + 15 * MINUTE
    watch.read_replies(Seen())
    assert watch.replies_are_fresh(15 * MINUTE)
    assert hindered(store)


def test_replies_are_asked_for_since_the_newest_known(
    watch: Watch, inbox: Inbox, clock: StillClock
) -> None:
    """With a day's overlap, since a list may lag; not ever again since the first text."""
    inbox.came(clock.now() + 20 * DAY, "thanks")
    clock.sleep(20 * DAY + MINUTE)
    for _ in range(2):
        watch.read_replies(Seen())
    assert inbox.asked_since[1] == (clock.now() - DAY).date()


@pytest.mark.parametrize("body", ["ALTO", "please stop texting me"])
def test_a_leave_given_before_a_reply_was_heard_does_not_outweigh_it(
    watch: Watch, inbox: Inbox, clock: StillClock, store: Store, body: str
) -> None:
    """Whoever gave it could not know; a second leave, given knowing of the reply, does."""
    leave = Stop("phone", keyed(PHONE, "phone"), "allowed", "person")
    inbox.came(clock.now(), body)
    clock.sleep(5 * MINUTE)
    say(store, STUDY, leave)
    clock.sleep(5 * MINUTE)
    watch.read_replies(Seen())
    assert hindered(store)
    clock.sleep(MINUTE)
    say(store, STUDY, leave)
    watch.read_replies(Seen())
    assert not hindered(store)


def test_a_stop_that_its_sender_took_back_unheard_stops_nothing(
    watch: Watch, inbox: Inbox, clock: StillClock, store: Store
) -> None:
    """STOP and then START before anybody looked: the last word is the sender's START."""
    inbox.came(clock.now(), "STOP")
    inbox.came(clock.now() + MINUTE, "START")
    clock.sleep(5 * MINUTE)
    watch.read_replies(Seen())
    assert not hindered(store)


@pytest.mark.parametrize("listed", [("STOP", "START"), ("START", "STOP")])
def test_a_stop_and_a_start_of_one_second_stop(
    watch: Watch, inbox: Inbox, clock: StillClock, store: Store, listed: tuple[str, str]
) -> None:
    """Twilio dates to the second, so their order is not known: the safer one counts."""
    for body in listed:
        inbox.came(clock.now(), body)
    watch.read_replies(Seen())
    assert hindered(store)


def test_where_replies_were_never_read_they_are_read_since_the_first_text(
    watch: Watch, inbox: Inbox, clock: StillClock, journal: Journal, project: ProjectKey
) -> None:
    """A week back at least, and a day more: a state that was lost and adopted forgot its replies."""
    week_ago = (clock.now() - 8 * DAY).date()
    watch.read_replies(Seen())
    posted(journal, a_text(project, "k1", sender=inbox.sender_hash))
    clock.sleep(30 * DAY)
    watch.read_replies(Seen())
    assert inbox.asked_since == [week_ago, (clock.now() - 31 * DAY).date()]


def test_how_long_a_look_at_the_replies_counts(watch: Watch, clock: StillClock) -> None:
    """Not before the first, up to its end, and not where the clock was set back since."""
    assert not watch.replies_are_fresh(15 * MINUTE)
    watch.read_replies(Seen())
    clock.sleep(15 * MINUTE)
    assert watch.replies_are_fresh(15 * MINUTE)
    clock.sleep(timedelta(seconds=1))
    assert not watch.replies_are_fresh(15 * MINUTE)
    clock.sleep(-60 * MINUTE)
    assert not watch.replies_are_fresh(15 * MINUTE)


def test_a_start_that_was_unheard_lifts_no_later_word(
    watch: Watch, inbox: Inbox, clock: StillClock, store: Store
) -> None:
    """Only what asks for fewer texts is let through late."""
    inbox.came(clock.now(), "START")
    clock.sleep(5 * MINUTE)
    say(store, STUDY, Stop("phone", keyed(PHONE, "phone"), "stopped", "twilio"))
    watch.read_replies(Seen())
    assert hindered(store)


def test_what_a_person_read_is_not_held_again_where_our_clock_is_slow(
    watch: Watch, inbox: Inbox, clock: StillClock, store: Store
) -> None:
    """The reply bears Twilio's time, the person's word ours; the list holds the reply for days."""
    inbox.came(clock.now() + 10 * MINUTE, "who is this?")
    watch.read_replies(Seen())
    clock.sleep(2 * MINUTE)
    (reply,) = replies_to_read(store, STUDY)
    assert read_reply(store, STUDY, reply.sid, "keep", "ann") == "allowed"
    watch.read_replies(Seen())
    assert not hindered(store)


def test_a_leave_is_not_undone_where_our_clock_is_slow(
    watch: Watch, inbox: Inbox, clock: StillClock, store: Store
) -> None:
    """Given after the STOP was read: the list shows that STOP again at the next look."""
    inbox.came(clock.now() + 10 * MINUTE, "ALTO")
    watch.read_replies(Seen())
    clock.sleep(2 * MINUTE)
    say(store, STUDY, Stop("phone", keyed(PHONE, "phone"), "allowed", "person"))
    watch.read_replies(Seen())
    assert not hindered(store)


def test_replies_to_the_number_before_are_asked_for_too(
    watch: Watch, inbox: Inbox, clock: StillClock, journal: Journal, project: ProjectKey
) -> None:
    """A study that changed its number: a STOP to the text of before is a STOP; for over a year."""
    for key, sender in (("k1", "before"), ("k2", inbox.sender_hash)):
        posted(journal, a_text(project, key, sender=sender))
    elsewhere = ProjectKey(project.url, 9, "production")
    posted(journal, a_text(elsewhere, "k3", sender="of another project"))
    watch.read_replies(Seen())
    clock.sleep(401 * DAY)
    watch.read_replies(Seen())
    assert inbox.former == [{"before"}, frozenset()]
