"""What a person reads in a reply ends a hold or makes a stop, and never lifts one."""

from __future__ import annotations

from datetime import timedelta

import pytest

from redcap_jobs.errors import UsageError
from redcap_jobs.state.inbound import Reply, note_replies, replies_to_read
from redcap_jobs.state.reply_reading import read_reply
from redcap_jobs.state.stops import Stop, hindrance, say
from redcap_jobs.state.store import Store

STUDY, PHONE = "small", "hash of a phone"


def unclear(store: Store, *sids: str) -> None:
    """Note unclear replies of one phone, and hold it, as a look does."""
    now = store.clock.now()
    replies = [
        Reply(sid, PHONE, now + timedelta(seconds=number), "unclear", ("1001",))
        for number, sid in enumerate(sids)
    ]
    note_replies(store, STUDY, "sender", replies)
    for reply in replies:
        say(store, STUDY, Stop("phone", PHONE, "held", "reply"), at=reply.received_at)


def hindered(store: Store) -> bool:
    return bool(hindrance(store, STUDY, PHONE, "1001"))


def test_a_reply_that_asks_for_no_more_stops_the_phone(store: Store) -> None:
    """And it does not wait any more; who read it is kept with it."""
    unclear(store, "SM1")
    assert read_reply(store, STUDY, "SM1", "stop", "ann") == "stopped"
    assert hindrance(store, STUDY, PHONE, "1001").startswith("phone stopped")
    assert replies_to_read(store, STUDY) == []


def test_the_last_of_several_replies_ends_the_hold(store: Store) -> None:
    """The first could be harmless and the second not."""
    unclear(store, "SM1", "SM2")
    assert read_reply(store, STUDY, "SM1", "keep", "ann") == "held"
    assert hindered(store)
    assert read_reply(store, STUDY, "SM2", "keep", "ann") == "allowed"
    assert not hindered(store)


def test_a_stop_outlasts_harmless_replies(store: Store) -> None:
    """STOP came besides: what was read says nothing against it."""
    unclear(store, "SM1")
    later = store.clock.now() + timedelta(minutes=1)
    say(store, STUDY, Stop("phone", PHONE, "stopped", "reply"), at=later)
    assert read_reply(store, STUDY, "SM1", "keep", "ann") == "unchanged"
    assert hindered(store)


def test_a_reply_is_read_once(store: Store) -> None:
    """A second word on it would be about something else; nor is one of another study there."""
    unclear(store, "SM1")
    with pytest.raises(UsageError, match="SM1"):
        read_reply(store, "another", "SM1", "keep", "ann")
    read_reply(store, STUDY, "SM1", "keep", "ann")
    with pytest.raises(UsageError, match="SM1"):
        read_reply(store, STUDY, "SM1", "stop", "ann")
    assert not hindered(store)


def test_listing_the_reply_again_holds_nobody(store: Store) -> None:
    """Replies of a day are listed again and again; what a person said later stands."""
    unclear(store, "SM1")
    received = store.clock.now()
    store.clock.sleep(timedelta(hours=1))
    read_reply(store, STUDY, "SM1", "keep", "ann")
    say(store, STUDY, Stop("phone", PHONE, "held", "reply"), at=received)
    assert not hindered(store)
