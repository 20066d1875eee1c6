"""What an answer of the partner's says, taken with care: its JSON, its id, its pause, its refusal.

A partner's free text may quote a value, and a gateway before it answers in pages of its own:
nothing of either is repeated, and nothing is believed of them.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import requests

MEMBER_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
"""What an id may look like that is kept in the state and in REDCap."""
CODE = re.compile(r"[A-Za-z][A-Za-z0-9_.-]{0,39}|[0-9]{1,5}")
"""What a code may look like that is repeated: no phone, no sentence."""
WORD = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,39}")
SECONDS = re.compile(r"[0-9]+")
SECONDS_DIGITS = 9
VERY_LONG = timedelta(days=36500)


@dataclass(frozen=True)
class Reply:
    """One answer: its status, its JSON object (None where it has none), and how long to wait."""

    status: int
    body: Mapping[str, Any] | None = field(repr=False)
    wait: timedelta | None = None


def is_json(response: requests.Response) -> bool:
    """Tell whether an answer says that it is JSON."""
    kind = response.headers.get("Content-Type", "").partition(";")[0].strip().lower()
    return kind == "application/json"


def json_object(body: bytes) -> Mapping[str, Any] | None:
    """Return a body's JSON object; None where it is none, or cut off."""
    try:
        read = json.loads(body)
    except (ValueError, RecursionError):
        return None
    return read if isinstance(read, Mapping) else None


def retry_after(response: requests.Response, now: datetime) -> timedelta | None:
    """Return how long an answer asks to wait from the aware instant ``now``; None if it does not.

    ``Retry-After`` holds seconds or an HTTP date (RFC 9110).
    """
    asked = response.headers.get("Retry-After", "").strip()
    if SECONDS.fullmatch(asked):
        return timedelta(seconds=int(asked)) if len(asked) <= SECONDS_DIGITS else VERY_LONG
    try:
        until = parsedate_to_datetime(asked)
    except ValueError:
        return None
    if until.tzinfo is None:
        until = until.replace(tzinfo=UTC)
    return until - now if until > now else None


def refusal(body: Mapping[str, Any], sent: Collection[str]) -> tuple[str, str]:
    """Return the code of a refusal, and which of the fields that were ``sent`` it is about."""
    error = body.get("error")
    if not isinstance(error, Mapping):
        return "", ""
    code, named = error.get("code"), error.get("field")
    is_code = isinstance(code, str | int) and CODE.fullmatch(str(code))
    return str(code) if is_code else "", str(named) if named in list(sent) else ""


def status_word(body: Mapping[str, Any], name: str) -> str:
    """Return the partner's word for how a member stands; '' where it is no word."""
    said = body.get(name)
    return said if isinstance(said, str) and WORD.fullmatch(said) else ""


def as_id(value: object) -> str:
    """Return an id as text; '' for what cannot be one."""
    if isinstance(value, bool) or not isinstance(value, str | int):
        return ""
    return str(value) if MEMBER_ID.fullmatch(str(value)) else ""


def as_text(value: Any) -> str:
    """Give a JSON value as text: null is '', 7.0 is 7, and a list or object :data:`NO_TEXT`."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value) if isinstance(value, str | int | float) else NO_TEXT


NO_TEXT = "\N{SUBSTITUTE}"
"""Stands for a value that is no text; nothing is translated that holds it."""
