"""What is said now is the last word about a phone, a record or the study, whatever the clock."""

from __future__ import annotations

from datetime import timedelta

from redcap_jobs.state.stops import Stop, hindrance, say
from redcap_jobs.state.store import Store


def test_a_stop_said_now_holds_though_the_clock_was_set_back(store: Store) -> None:
    """A START dated by Twilio's clock, which is ahead, must not outlive a person's stop."""
    ahead = store.clock.now() + timedelta(minutes=5)
    say(store, "small", Stop("phone", "p", "allowed", "reply"), at=ahead)
    assert say(store, "small", Stop("phone", "p", "stopped", "person", "asked"))
    assert hindrance(store, "small", "p", "1001")
    assert not say(store, "small", Stop("phone", "p", "allowed", "reply"), at=ahead)
    assert hindrance(store, "small", "p", "1001")


def test_leave_said_in_the_same_instant_ends_a_stop(store: Store) -> None:
    """Two commands within one tick of a clock: the second is what counts."""
    say(store, "small", Stop("study", "", "paused", "person", "one"))
    say(store, "small", Stop("study", "", "allowed", "person"))
    assert hindrance(store, "small", "p", "1001") == ""


def test_of_two_replies_of_one_second_the_later_read_counts(store: Store) -> None:
    """Twilio dates replies to the second; the same word again changes nothing."""
    at = store.clock.now()
    say(store, "small", Stop("phone", "p", "allowed", "reply"), at=at)
    assert say(store, "small", Stop("phone", "p", "stopped", "reply"), at=at)
    assert not say(store, "small", Stop("phone", "p", "stopped", "reply"), at=at)
    assert hindrance(store, "small", "p", "1001")


def test_a_stop_heard_late_does_not_outweigh_the_start_that_followed_it(store: Store) -> None:
    """Only a person's leave is given without knowing; whoever wrote START knew of their STOP."""
    at = store.clock.now()
    say(store, "small", Stop("phone", "p", "allowed", "reply"), at=at)
    earlier = at - timedelta(minutes=5)
    assert not say(store, "small", Stop("phone", "p", "stopped", "reply"), at=earlier, unheard=True)
    assert hindrance(store, "small", "p", "1001") == ""


def test_a_state_that_knows_only_a_stop_is_not_empty(store: Store) -> None:
    """Somebody asked for no more texts: a restore must not replace that without a word."""
    assert store.is_empty()
    say(store, "small", Stop("record", "1001", "stopped", "person"))
    assert not store.is_empty()
