"""Logging that cannot leak: one redacting formatter on every handler.

A log line may carry record ids, field names, run ids and counts. Should anything else slip into
one (a token in a library's message, a phone in a server's answer), the formatter takes it out.
"""

from __future__ import annotations

import logging
import re
import sys
from collections.abc import Iterable

TOKEN = re.compile(r"(?<![0-9A-Za-z])(?:[0-9A-Fa-f]{64}|[0-9A-Fa-f]{32})(?![0-9A-Za-z])")
EMAIL = re.compile(r"[^\s@<>\"'(),;:]+@[^\s@<>\"'(),;:]+\.[A-Za-z]{2,}")
PHONE = re.compile(
    r"(?:\+|%2[Bb])[1-9](?:[ .()-]{0,2}\d){7,14}(?!\d)"  # E.164, also as in a URL, or in groups
    r"|(?<![\d-])(?:1[ .-]?)?(?:\(\d{3}\) ?|\d{3}[ .-])\d{3}[ .-]\d{4}(?![\d-])"  # North American
)
URL_CREDENTIALS = re.compile(r"(?<=://)[^\s/@:]+:[^\s/@]+(?=@)")
LONG_NUMBER = re.compile(r"(?<![\w.])\d{10,15}(?!\w|\.\d)")
"""A phone without any mark, but also what a long record id looks like."""
SURVEY_LINK = re.compile(r"(?<=[?&])(sq?|hash|__return)=[^\s&#\"'<>]+")
"""Whoever holds the code of a survey link answers in the participant's name."""


class Redactor:
    """Take tokens, phones, e-mail addresses and the secrets it was told of out of a text.

    Of a survey link the code is taken out: the rest says which server it is of.
    """

    def __init__(self) -> None:
        self._secrets: set[str] = set()

    def learn(self, secrets: Iterable[str]) -> None:
        """Remember values that must never appear; those under six characters are too common."""
        self._secrets.update(secret for secret in secrets if len(secret) >= 6)

    def __call__(self, text: str) -> str:
        """Return ``text`` with every private thing replaced by a word in brackets."""
        for secret in sorted(self._secrets, key=len, reverse=True):
            text = text.replace(secret, "[secret]")
        text = URL_CREDENTIALS.sub("[credentials]", text)
        text = SURVEY_LINK.sub(r"\1=[link]", text)
        text = TOKEN.sub("[token]", text)
        text = EMAIL.sub("[e-mail]", text)
        return PHONE.sub("[phone]", text)


def redact_foreign(text: str) -> str:
    """Redact what others wrote (a server, a person): long bare numbers, too.

    Of our own lines they are not taken out, which name records.
    """
    return LONG_NUMBER.sub("[number]", REDACT(text))


REDACT = Redactor()
"""The process's redactor; whoever loads a credential teaches it."""


class RedactingFormatter(logging.Formatter):
    """Format a record, tracebacks included, then redact the whole."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line that may be written."""
        return REDACT(super().format(record))


def configure_logging(*, verbose: bool) -> None:
    """Send this package's log to stderr: warnings only, or everything with ``verbose``.

    Libraries stay at WARNING whatever is asked: ``twilio.http_client`` and ``urllib3`` print
    addresses and parameters at lower levels. A line that cannot be written is lost: Python would
    print its parts to stderr, past the formatter.
    """
    logging.raiseExceptions = False
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(RedactingFormatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    root = logging.getLogger()
    for old in list(root.handlers):
        root.removeHandler(old)
    root.addHandler(handler)
    root.setLevel(logging.WARNING)
    logging.getLogger("redcap_jobs").setLevel(logging.DEBUG if verbose else logging.WARNING)
