"""Everything that happens in the Twilio account: messages, queues, opt-outs, what was accepted.

Nothing runs in the background: the way of each message is laid out when it is accepted, and the
clock says how far it has come.
"""

from __future__ import annotations

import hashlib
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from threading import RLock

from redcap_jobs.errors import UsageError
from redcap_jobs.sandbox.twilio_account import E164, TwilioAccount, new_sid
from redcap_jobs.sandbox.twilio_errors import TwilioRefusal
from redcap_jobs.sandbox.twilio_fates import DELIVERED, FATES, OPTED_OUT, UNREGISTERED, Fate
from redcap_jobs.sandbox.twilio_keywords import REPLIES, meaning
from redcap_jobs.sandbox.twilio_messages import Message, Step
from redcap_jobs.sandbox.twilio_segments import segments_of

ACTIVE, SUSPENDED, CLOSED, OUT_OF_FUNDS = "active", "suspended", "closed", "out-of-funds"
STATUSES = (ACTIVE, SUSPENDED, CLOSED, OUT_OF_FUNDS)
SHUT = (SUSPENDED, CLOSED)


@dataclass(frozen=True)
class Accepted:
    """A POST that created a message, whether its answer arrived or not.

    ``at`` is the account's clock; ``monotonic`` the machine's monotonic clock in seconds when the
    request arrived, which measures spacing. ``code`` is set if the message was accepted although
    it can only fail (with a Messaging Service). ``fault`` is what befell the answer.
    """

    number: int
    at: datetime
    monotonic: float
    sid: str
    to: str = field(repr=False)
    sender: str = field(repr=False)
    segments: int
    body_sha256: str
    code: int | None = None
    fault: str = ""

    def as_json(self) -> dict[str, object]:
        """Return the entry for the control page."""
        return {
            "number": self.number,
            "at": self.at.isoformat(),
            "monotonic": self.monotonic,
            "sid": self.sid,
            "to": self.to,
            "from": self.sender,
            "segments": self.segments,
            "body_sha256": self.body_sha256,
            "code": self.code,
            "fault": self.fault,
        }


class Switchboard:
    """The account at work; every method may be called from any thread.

    Args:
        account: Whose it is.
        clock: Where the present comes from (aware); the machine's clock by default.

    """

    def __init__(self, account: TwilioAccount, clock: Callable[[], datetime] | None = None) -> None:
        self.account = account
        self.lock = RLock()
        self.status = ACTIVE
        self.campaign_verified = True
        self._clock = clock or (lambda: datetime.now(UTC))
        self._advanced = 0.0
        self._messages: dict[str, Message] = {}
        self._deleted: dict[str, Message] = {}
        self._accepted: list[Accepted] = []
        self._number = 0
        self._free_at: dict[str, float] = {}
        self._fates: dict[str, str | Fate] = {}
        self._opted_out: set[tuple[str, str]] = set()

    def now(self) -> float:
        """Return the account's present in seconds since 1970."""
        return self._clock().timestamp() + self._advanced

    def advance(self, seconds: float) -> None:
        """Let time go by at once.

        Raises:
            UsageError: ``seconds`` is negative.

        """
        if not seconds >= 0:
            raise UsageError("time only goes forward; seconds is 0 or more")
        with self.lock:
            self._advanced += seconds

    def next_number(self) -> int:
        """Return the number of the next message."""
        with self.lock:
            self._number += 1
            return self._number

    def add(self, message: Message) -> None:
        """Store a message."""
        with self.lock:
            self._messages[message.sid] = message

    def note(self, message: Message, *, arrived: float, code: int | None, fault: str) -> None:
        """Note that a POST was accepted; ``arrived`` is its ``time.monotonic()``."""
        with self.lock:
            entry = Accepted(
                number=len(self._accepted) + 1,
                at=datetime.fromtimestamp(message.created, UTC),
                monotonic=arrived,
                sid=message.sid,
                to=message.to,
                sender=message.sender,
                segments=message.segments,
                body_sha256=hashlib.sha256(message.body.encode()).hexdigest(),
                code=code,
                fault=fault,
            )
            self._accepted.append(entry)

    def accepted(self) -> list[Accepted]:
        """Return every POST that created a message, in the order in which they were accepted."""
        with self.lock:
            return list(self._accepted)

    def forget_accepted(self) -> None:
        """Empty the list of what was accepted; the messages stay."""
        with self.lock:
            self._accepted.clear()

    def messages(self) -> list[Message]:
        """Return all messages that were not deleted, oldest first."""
        with self.lock:
            return list(self._messages.values())

    def message(self, sid: str) -> Message | None:
        """Return a message by its SID, None if there is none."""
        with self.lock:
            return self._messages.get(sid)

    def delete(self, sid: str) -> None:
        """Forget a message, but not where in lists it stood: a page may begin there."""
        with self.lock:
            gone = self._messages.pop(sid, None)
            if gone is not None:
                self._deleted[sid] = replace(gone, sender="", to="", body="")

    def deleted(self, sid: str) -> Message | None:
        """Return what is left of a message that was deleted, None if there was none."""
        with self.lock:
            return self._deleted.get(sid)

    def free_at(self, sender: str) -> float:
        """Return when a number has sent all that is queued, at the earliest now."""
        with self.lock:
            return max(self.now(), self._free_at.get(sender, 0.0))

    def queue(self, sender: str, start: float, segments: int) -> None:
        """Take the number's time for a message whose turn comes at ``start``."""
        with self.lock:
            self._free_at[sender] = start + segments / self.account.pace.segments_per_second

    def set_fate(self, phone: str, fate: str | Fate) -> None:
        """Say what becomes of texts to a phone from now on, by name or in full.

        Raises:
            UsageError: It is no phone number, or there is no such fate.

        """
        if not E164.fullmatch(phone):
            raise UsageError("phone must be a number in E.164, such as +12025550123")
        if isinstance(fate, str) and fate not in (*FATES, OPTED_OUT):
            raise UsageError(f"no fate {fate!r}; there are {', '.join((*FATES, OPTED_OUT))}")
        with self.lock:
            if fate == OPTED_OUT:
                self._opted_out |= {(self._pool(number), phone) for number in self.account.numbers}
            else:
                self._fates[phone] = fate

    def fate_of(self, phone: str) -> Fate:
        """Return what becomes of a text to a phone that is accepted now."""
        with self.lock:
            named = self._fates.get(phone, DELIVERED)
            fate = FATES[named] if isinstance(named, str) else named
            return fate if self.campaign_verified or fate.refused else UNREGISTERED

    def is_opted_out(self, sender: str, phone: str) -> bool:
        """Tell whether a phone has replied STOP to a number or its Messaging Service."""
        with self.lock:
            return (self._pool(sender), phone) in self._opted_out

    def _pool(self, number: str) -> str:
        service = self.account.service_of(number)
        return number if service is None else service.sid

    def receive(self, sender: str, to: str, body: str) -> Message:
        """Let a phone reply: an inbound message, with what Twilio does by itself about STOP.

        Raises:
            UsageError: ``to`` is none of the account's numbers, or ``sender`` is no number.

        """
        if to not in self.account.numbers:
            raise UsageError("to must be one of the account's own numbers")
        if not E164.fullmatch(sender):
            raise UsageError("from must be a number in E.164, such as +12025550123")
        with self.lock:
            now = self.now()
            came = self._put(sender, to, body, (Step(now, "received"),), "inbound")
            meant, pair = meaning(body), (self._pool(to), sender)
            if meant == "stop":
                self._opted_out.add(pair)
            elif meant == "start":
                self._opted_out.discard(pair)
            if meant:
                steps = (Step(now, "queued"), Step(now, "sent"), Step(now, "delivered"))
                self._put(to, sender, REPLIES[meant], steps, "outbound-reply")
            return came

    def _put(
        self, sender: str, to: str, body: str, steps: tuple[Step, ...], direction: str
    ) -> Message:
        number, segments = self.next_number(), segments_of(body)
        service = self.account.service_of(to if direction == "inbound" else sender)
        sid = None if service is None else service.sid
        message = Message(number, new_sid("SM"), sender, to, body, segments, steps, sid, direction)
        self.add(message)
        return message

    def set_status(self, status: str) -> None:
        """Suspend or close the account, empty its balance, or make it active again.

        What is still queued when an account is suspended fails (Twilio's error page 30002).

        Raises:
            UsageError: There is no such status.

        """
        if status not in STATUSES:
            raise UsageError(f"no status {status!r}; there are {', '.join(STATUSES)}")
        with self.lock:
            self.status = status
            now = self.now()
            for message in self._messages.values():
                unsent = message.sent_at(message.place(now)) is None
                if status in SHUT and unsent and not message.is_final(now):
                    message.ends(now, "failed", 30002)

    @property
    def shown_status(self) -> str:
        """Return the Account resource's status, which knows active, suspended and closed only."""
        return SUSPENDED if self.status == OUT_OF_FUNDS else self.status

    def counts(self) -> Mapping[str, object]:
        """Return how many messages there are, and how the account stands."""
        with self.lock:
            now = self.now()
            statuses = Counter(one.steps[one.place(now)].status for one in self._messages.values())
            return {
                "status": self.status,
                "campaign_verified": self.campaign_verified,
                "now": datetime.fromtimestamp(now, UTC).isoformat(),
                "accepted": len(self._accepted),
                "messages": len(self._messages),
                "by_status": dict(sorted(statuses.items())),
                "opted_out": len(self._opted_out),
            }

    def phones(self) -> dict[str, object]:
        """Return the fates of phones, and which of them opted out of which sender."""
        with self.lock:
            fates = {
                phone: fate if isinstance(fate, str) else "own"
                for phone, fate in self._fates.items()
            }
            pairs = [{"from": sender, "phone": phone} for sender, phone in sorted(self._opted_out)]
            return {"fates": fates, "opted_out": pairs}


def arrival() -> float:
    """Return the machine's monotonic clock in seconds: the same for all its processes."""
    return time.monotonic()


def refuse_unusable(switchboard: Switchboard) -> None:
    """Refuse whatever is asked of a suspended or closed account (Twilio's error page 20003)."""
    if switchboard.status in SHUT:
        raise TwilioRefusal(20003)
