"""Twilio's own words for what became of a message, and which of them may follow which.

Twilio publishes the words (API reference, Message resource) and no diagram of their order. Large
senders report that updates arrive out of order and that a word thought final may still change,
so: a word never goes back to an earlier one, and one final word may be corrected to another.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, TypeAlias

Step: TypeAlias = Literal["keep", "take", "correct"]

DELIVERY_UNKNOWN = "delivery_unknown"
"""Our own word for a text without a receipt for so long that none is expected any more."""

RANK: Mapping[str, int] = {
    "": 0,
    "accepted": 2,
    "scheduled": 3,
    "queued": 4,
    "sending": 5,
    "sent": 6,
    "partially_delivered": 7,
    DELIVERY_UNKNOWN: 8,
    "undelivered": 9,
    "failed": 9,
    "canceled": 9,
    "delivered": 9,
    "read": 10,
}
RANK_OF_A_NEW_WORD = 1
"""A word Twilio adds one day says more than none, and never replaces one that is known."""

OPEN = ("accepted", "scheduled", "queued", "sending", "sent", "partially_delivered")
FINAL = ("delivered", "read", "undelivered", "failed", "canceled")
NEVER_ARRIVED = frozenset({"undelivered", "failed", "canceled"})
"""Of these the ones for a text that did not reach the phone."""
CODED = ("failed", "undelivered")
"""Only with these does an error code speak of the message; Twilio may leave an old code on others
(observed by the senders of the US Department of Veterans Affairs)."""


def rank(word: str) -> int:
    """Return how far along a word is; a later one never gives way to an earlier one."""
    return RANK.get(word, RANK_OF_A_NEW_WORD)


def is_open(word: str) -> bool:
    """Tell whether more is to come after a word. One that is not known, and none, are open."""
    return word != DELIVERY_UNKNOWN and word not in FINAL


def advance(old: str, new: str) -> Step:
    """Say what to do with ``new`` where ``old`` was last heard: keep ``old``, or take ``new``.

    ``correct`` is taking it too, where one final word replaces another: that is worth a line in
    the log.
    """
    if old == new or rank(new) < rank(old):
        return "keep"
    return "correct" if rank(old) == rank(new) and old in FINAL else "take"
