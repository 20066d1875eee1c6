"""What Twilio's list of messages proves about the journal's texts, and what it does not.

Pure: entries and a list in, evidence out; the caller writes it down. A list is proof of what it
holds and of nothing else: it lags by minutes, seldom by hours (twilio-node issue 647, twilio-java
issue 442), so that a text is never taken for unsent because it is missing.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, TypeAlias

from redcap_jobs.messaging.statuses import CODED, RANK, advance, is_open, rank
from redcap_jobs.messaging.twilio_codes import reaction

if TYPE_CHECKING:
    from redcap_jobs.state.journal_entry import Entry

BEFORE, AFTER = timedelta(seconds=60), timedelta(minutes=10)
"""How far from the start of its post a message's creation may lie: clocks differ, answers wait."""
NO_MORE_RECEIPTS = timedelta(hours=72)
"""After three days no receipt is expected any more (GOV.UK Notify waits as long)."""
ASK_AFTER = timedelta(hours=24)
OUTBOUND = "outbound-api"
SID = re.compile(r"(?:SM|MM)[0-9a-f]{32}")
"""A message's id: MM where it has media (API reference, Message resource)."""


@dataclass(frozen=True)
class TwilioMessage:
    """One message as Twilio lists it; phones and body as keyed hashes, instants aware UTC."""

    sid: str
    to_hash: str
    sender_hash: str
    body_hash: str
    direction: str
    status: str
    error_code: str = ""
    created_at: datetime | None = None
    sent_at: datetime | None = None
    updated_at: datetime | None = None
    segments: int = 1

    @property
    def code(self) -> str:
        """The error code where it speaks of this message: beside failed or undelivered, else ''."""
        return self.error_code if self.status in CODED else ""


@dataclass(frozen=True)
class Found:
    """An unknown attempt is this message: it was accepted. What follows from its code, follows."""

    key: str
    attempt: int
    sid: str
    status: str
    code: str


@dataclass(frozen=True)
class StatusIs:
    """Twilio's newest word on an attempt; ``correction``: one final word replaces another."""

    key: str
    attempt: int
    status: str
    code: str
    correction: bool = False


@dataclass(frozen=True)
class NotSentAfterAll:
    """The attempt is documented as never sent, so that a new one may be made."""

    key: str
    attempt: int
    status: str
    code: str


@dataclass(frozen=True)
class DeliveryUnknown:
    """No final word came within 72 hours of the post, and none is expected."""

    key: str
    attempt: int


@dataclass(frozen=True)
class StillUnknown:
    """Nobody knows what became of an attempt begun at ``since``.

    ``several``: more than one message fits it, or one message fits more than one attempt.
    ``ask_person``: looking again will not help; somebody must settle it.
    """

    key: str
    attempt: int
    since: datetime
    ask_person: bool
    several: bool


@dataclass(frozen=True)
class Missing:
    """An open message that the list does not hold; it is to be fetched by its SID."""

    key: str
    attempt: int
    sid: str


Evidence: TypeAlias = Found | StatusIs | NotSentAfterAll | DeliveryUnknown | StillUnknown | Missing


def reconcile(
    entries: Sequence[Entry],
    listed: Iterable[TwilioMessage],
    owned: Collection[str],
    now: datetime,
    *,
    gone: Collection[str] = (),
) -> list[Evidence]:
    """Say what a list of messages tells about the journal's texts.

    ``entries`` are the unknown ones, the sent ones whose status is open, and the refused ones
    without a SID of the days listed: Twilio may list a refused request as a failed message, which
    must not be taken for the text of another attempt. ``owned`` are the SIDs that the journal
    knows, ``gone`` those that Twilio, asked for one by one, has nothing of. Fetched messages are
    given as part of ``listed``.

    Returns the evidence, unknown attempts first, each in the order of ``entries``. A ``Found``
    stands before what follows from it.
    """
    by_sid = {message.sid: message for message in listed}
    evidence = list(_of_unknown(entries, by_sid, owned, now))
    for entry in entries:
        if entry.state == "sent":
            evidence += _of_sent(entry, by_sid.get(entry.reference or ""), now, gone)
    return evidence


def _of_unknown(
    entries: Sequence[Entry],
    by_sid: dict[str, TwilioMessage],
    owned: Collection[str],
    now: datetime,
) -> Iterator[Evidence]:
    """Look each unknown attempt up; a match counts only if it is the only one on both sides."""
    taken = set(owned) | {entry.reference for entry in entries}
    free = [message for message in by_sid.values() if message.sid not in taken]
    unknown = [entry for entry in entries if entry.state == "unknown"]
    refused = [entry for entry in entries if entry.state == "rejected" and not entry.reference]
    fitting = [[message for message in free if fits(entry, message)] for entry in unknown]
    claims = Counter(message.sid for messages in fitting for message in messages)
    claims.update(
        message.sid for message in free for entry in refused if is_refusal_of(entry, message)
    )
    for entry, messages in zip(unknown, fitting, strict=True):
        if len(messages) == 1 and claims[messages[0].sid] == 1:
            yield from _found(entry, messages[0])
        else:
            since = entry.last_sign
            several = bool(messages)
            overdue = now - since >= ASK_AFTER
            yield StillUnknown(entry.key, entry.attempt, since, several or overdue, several)


def fits(entry: Entry, message: TwilioMessage) -> bool:
    """Tell whether a message may be what an attempt posted: phone, body, sender and time."""
    began, created = entry.posting_at, message.created_at
    if began is None or created is None or message.direction != OUTBOUND:
        return False
    same = (entry.phone_hash, entry.body_hash, entry.sender) == (
        message.to_hash,
        message.body_hash,
        message.sender_hash,
    )
    return same and began - BEFORE <= created <= began + AFTER


def is_refusal_of(entry: Entry, message: TwilioMessage) -> bool:
    """Tell whether a listed failure may be Twilio's record of a request that it refused."""
    refusal = message.status == "failed" and message.code == entry.code
    return refusal and fits(entry, message)


def _found(entry: Entry, message: TwilioMessage) -> Iterator[Evidence]:
    yield Found(entry.key, entry.attempt, message.sid, message.status, message.code)
    if is_not_sent("", message):
        yield NotSentAfterAll(entry.key, entry.attempt, message.status, message.code)


def _of_sent(
    entry: Entry, message: TwilioMessage | None, now: datetime, gone: Collection[str]
) -> Iterator[Evidence]:
    """Say what an accepted attempt's message tells; nothing where nothing changed."""
    status, sid = entry.status, entry.reference or ""
    if message is None:
        if is_open(status) and sid not in gone:
            yield Missing(entry.key, entry.attempt, sid)
            return
    elif is_not_sent(status, message):
        yield NotSentAfterAll(entry.key, entry.attempt, message.status, message.code)
        return
    else:
        step = advance(status, message.status)
        late_code = message.status == status and message.code not in ("", entry.code)
        if step != "keep" or late_code:
            status = message.status
            yield StatusIs(entry.key, entry.attempt, status, message.code, step == "correct")
    if is_open(status) and now - entry.last_sign >= NO_MORE_RECEIPTS:
        yield DeliveryUnknown(entry.key, entry.attempt)


def is_not_sent(before: str, message: TwilioMessage) -> bool:
    """Tell whether a message is documented as never sent, where ``before`` was last heard of it.

    Only failed messages with one of the codes for it; never one that was handed to a carrier.
    """
    return (
        message.status == "failed"
        and reaction(message.code).kind == "not_sent"
        and rank(before) < RANK["sent"]
    )
