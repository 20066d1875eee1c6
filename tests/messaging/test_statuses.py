"""Twilio's words for a message: which may follow which."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from redcap_jobs.messaging.statuses import (
    DELIVERY_UNKNOWN,
    FINAL,
    OPEN,
    RANK,
    advance,
    is_open,
    rank,
)

DOCUMENTED = """\
queued sending sent failed delivered undelivered receiving received accepted scheduled read
partially_delivered canceled
"""
WORDS = st.sampled_from(["", *OPEN, *FINAL, DELIVERY_UNKNOWN, "brand_new"])


def test_every_outbound_word_of_the_api_has_a_place() -> None:
    """The words of Twilio's API description, those of inbound messages aside, are ranked."""
    words = set(DOCUMENTED.split()) - {"receiving", "received"}
    assert words == {*OPEN, *FINAL}
    assert words | {"", DELIVERY_UNKNOWN} == set(RANK)


@pytest.mark.parametrize(
    ("old", "new", "step"),
    [
        ("", "queued", "take"),
        ("", "brand_new", "take"),
        ("queued", "sent", "take"),
        ("accepted", "delivered", "take"),
        ("sent", "sending", "keep"),
        ("sent", "queued", "keep"),
        ("delivered", "sent", "keep"),
        ("delivered", "delivered", "keep"),
        ("delivered", "undelivered", "correct"),
        ("undelivered", "delivered", "correct"),
        ("failed", "delivered", "correct"),
        ("delivered", "read", "take"),
        ("read", "delivered", "keep"),
        ("sent", "brand_new", "keep"),
        ("brand_new", "queued", "take"),
        (DELIVERY_UNKNOWN, "sent", "keep"),
        (DELIVERY_UNKNOWN, "delivered", "take"),
    ],
)
def test_steps(old: str, new: str, step: str) -> None:
    """Forward is taken, back is not, and one final word for another is a correction."""
    assert advance(old, new) == step


@given(old=WORDS, new=WORDS)
def test_laws_of_steps(old: str, new: str) -> None:
    """Never back in rank; never from final to open; corrections between final words only."""
    step = advance(old, new)
    if step != "keep":
        assert rank(new) >= rank(old)
        assert new != old
        assert is_open(old) or not is_open(new)
    if step == "correct":
        assert old in FINAL
        assert new in FINAL


@given(words=st.permutations([*OPEN, "delivered"]))
def test_the_order_of_arrival_does_not_matter(words: list[str]) -> None:
    """However updates are shuffled, what is kept in the end is the furthest."""
    held = ""
    for word in words:
        held = word if advance(held, word) != "keep" else held
    assert held == "delivered"


def test_what_is_open() -> None:
    """Unknown words and none are open: they are looked at again; our own closing word is not."""
    assert all(map(is_open, [*OPEN, "", "brand_new"]))
    assert not any(map(is_open, [*FINAL, DELIVERY_UNKNOWN]))
