"""One message: its way through the statuses as time goes by, and how the API shows it.

The whole way is laid out when a message is accepted; what it is at present follows from the clock.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import format_datetime
from typing import NamedTuple

from redcap_jobs.sandbox.twilio_account import Pace
from redcap_jobs.sandbox.twilio_errors import error_message
from redcap_jobs.sandbox.twilio_fates import Fate

VERSION = "2010-04-01"
FINAL = frozenset({"delivered", "undelivered", "failed", "canceled", "received"})
PRICE_OF_SEGMENT = 0.0083


class Step(NamedTuple):
    """A status and when it is taken on, in seconds since 1970; a code only with a bad end."""

    at: float
    status: str
    code: int | None = None


@dataclass
class Message:
    """A message as it is stored; the switchboard's lock guards what changes.

    ``number`` counts messages in the order in which they came. ``sender`` is ours for outbound
    messages and a phone's for inbound ones.
    """

    number: int
    sid: str
    sender: str
    to: str
    body: str
    segments: int
    steps: tuple[Step, ...]
    service_sid: str | None = None
    direction: str = "outbound-api"

    @property
    def created(self) -> float:
        """Return when it was accepted."""
        return self.steps[0].at

    def place(self, now: float) -> int:
        """Return which of its steps it has reached."""
        if self.steps[-1].at <= now:
            return len(self.steps) - 1
        place = 0
        for number, step in enumerate(self.steps):
            if step.at > now:
                break
            place = number
        return place

    def sent_at(self, place: int) -> float | None:
        """Return when it was handed to a carrier (or came in), None if not yet at that step."""
        for step in self.steps[: place + 1]:
            if step.status in ("sent", "received"):
                return step.at
        return None

    def shown_sender(self, place: int) -> str | None:
        """Return its sender: none as long as a Messaging Service has not chosen one."""
        waits = self.steps[place].status in ("accepted", "scheduled")
        return None if waits and self.service_sid else self.sender

    def ends(self, now: float, status: str, code: int | None = None) -> None:
        """Cut its way short: what would have come after ``now`` does not."""
        kept = tuple(step for step in self.steps if step.at <= now) or self.steps[:1]
        self.steps = (*kept, Step(now, status, code))

    def is_final(self, now: float) -> bool:
        """Tell whether it is over."""
        return self.steps[self.place(now)].status in FINAL


def way(
    begun: Sequence[Step], start: float, pace: Pace, fate: Fate, *, expires: float
) -> tuple[Step, ...]:
    """Return the steps of an accepted message whose turn in the queue comes at ``start``.

    What has not begun to be sent when its validity period ``expires`` never is (Twilio's error page
    30036).
    """
    if start > expires:
        return (*begun, Step(expires, "failed", 30036))
    sent = start + pace.sending
    receipts = (Step(sent + pace.receipt + end.later, end.status, end.code) for end in fate.endings)
    return (*begun, Step(start, "sending"), Step(sent, "sent"), *receipts)


def as_json(message: Message, account_sid: str, place: int) -> dict[str, object]:
    """Return the Message resource as it is at one of its steps."""
    step = message.steps[place]
    shown = message.shown_sender(place)
    sent = message.sent_at(place)
    uri = f"/{VERSION}/Accounts/{account_sid}/Messages/{message.sid}"
    over = step.status in FINAL and sent is not None
    return {
        "account_sid": account_sid,
        "api_version": VERSION,
        "body": message.body,
        "date_created": rfc_2822(message.created),
        "date_sent": None if sent is None else rfc_2822(sent),
        "date_updated": rfc_2822(step.at),
        "direction": message.direction,
        "error_code": step.code,
        "error_message": error_message(step.code),
        "from": shown,
        "messaging_service_sid": message.service_sid,
        "num_media": "0",
        "num_segments": "0" if shown is None else str(message.segments),
        "price": f"-{message.segments * PRICE_OF_SEGMENT:.5f}" if over else None,
        "price_unit": "USD",
        "sid": message.sid,
        "status": step.status,
        "subresource_uris": {"media": f"{uri}/Media.json"},
        "to": message.to,
        "uri": f"{uri}.json",
    }


def rfc_2822(seconds: float) -> str:
    """Return an instant as Twilio writes it: ``Thu, 30 Jul 2015 20:12:31 +0000``."""
    return format_datetime(datetime.fromtimestamp(int(seconds), UTC))
