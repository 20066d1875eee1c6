"""What Twilio does by itself about replies: its default keywords, in English, one word alone.

Source: Twilio's support article on STOP, START and HELP. The words of the replies are this
sandbox's own.
"""

from __future__ import annotations

from collections.abc import Mapping

KEYWORDS: Mapping[str, frozenset[str]] = {
    "stop": frozenset({"STOP", "STOPALL", "UNSUBSCRIBE", "CANCEL", "END", "QUIT"}),
    "start": frozenset({"START", "YES", "UNSTOP"}),
    "help": frozenset({"HELP", "INFO"}),
}
REPLIES: Mapping[str, str] = {
    "stop": "You are unsubscribed and will get no more messages. Reply START to get them again.",
    "start": "You are subscribed again. Reply STOP to get no more messages.",
    "help": "Reply STOP to get no more messages.",
}


def meaning(body: str) -> str:
    """Return ``stop``, ``start`` or ``help``; '' for anything that is not a keyword alone."""
    word = body.strip().upper()
    return next((name for name, words in KEYWORDS.items() if word in words), "")
