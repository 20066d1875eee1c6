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


def test_a_state_that_knows_only_a_stop_is_not_empty(store: Store) -> None:
    """Somebody asked for no more texts: a restore must not replace that without a word."""
    assert store.is_empty()
    say(store, "small", Stop("record", "1001", "stopped", "person"))
    assert not store.is_empty()
