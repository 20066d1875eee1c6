"""Twilio, as the jobs use it: one POST per text, lists for what became of them, no retries.

Nothing here decides whether a text is due or whether one may be sent again; it says, for each
POST, what is known: accepted (with its SID), refused (with a code), or that nobody knows. Twilio
offers no idempotency key for messages (API reference, Message resource), so a POST whose answer
was lost is never repeated.

Every POST has a connection of its own: on one that idled, a close from the other side would leave
open whether the text went out.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import urlsplit

from redcap_jobs.clock import SystemClock
from redcap_jobs.errors import CredentialsError, GuardRefused
from redcap_jobs.messaging.delivery import SID, TwilioMessage
from redcap_jobs.messaging.statuses import is_open
from redcap_jobs.messaging.twilio_answers import (
    NotFound,
    TwilioUnreachable,
    explained,
    lost,
    refused,
)
from redcap_jobs.notify.logs import REDACT
from redcap_jobs.plan import Posted
from redcap_jobs.study.addresses import is_loopback

if TYPE_CHECKING:
    from twilio.rest import Client

    from redcap_jobs.clock import Clock
    from redcap_jobs.study.credentials import Credentials
    from redcap_jobs.study.texts_config import Sender

PAGE_SIZE = 1000
VALIDITY_LONGEST = timedelta(hours=10)
OF_ANOTHER_SHAPE = (ValueError, KeyError, TypeError, AttributeError)
"""What twilio-python and the reading of its rows raise where the JSON is not Twilio's."""

Answer = TypeVar("Answer")


@dataclass(frozen=True)
class Account:
    """The credentials and the sending number, by value; never shown."""

    sid: str
    user: str = field(repr=False)
    secret: str = field(repr=False)
    number: str = field(default="", repr=False)
    service: str = ""

    @classmethod
    def of(cls, sender: Sender, credentials: Credentials) -> Account:
        """Read what ``[sender]`` names. Raises CredentialsError for what is not set."""
        sid = credentials.require(sender.account_sid)
        user = credentials.require(sender.api_key) if sender.api_key else sid
        secret = credentials.require(str(sender.auth_token or sender.api_secret))
        REDACT.learn([secret])  # its variable may be called anything
        number = credentials.require(sender.number) if sender.number else ""
        named = sender.messaging_service
        return cls(sid, user, secret, number, credentials.require(named) if named else "")

    @property
    def sender(self) -> str:
        """What texts come from: the number, or the Messaging Service's SID."""
        return self.number or self.service


@dataclass(frozen=True)
class InboundText:
    """A reply: what it says and from whom is private and never kept."""

    sid: str
    received_at: datetime
    sender: str = field(repr=False)
    body: str = field(repr=False)


class TwilioClient:
    """One account and one sender, at Twilio or at a sandbox on this machine.

    ``keyed(text, kind)`` makes the hashes by which messages are recognised without being kept;
    ``clock``, the machine's by default, ends an answer that comes too slowly.
    """

    def __init__(
        self,
        account: Account,
        url: str,
        keyed: Callable[[str, str], str],
        clock: Clock | None = None,
    ) -> None:
        self._account = account
        self._url = url
        self._keyed = keyed
        self._clock = clock or SystemClock()
        self._made: Client | None = None
        self._numbers: frozenset[str] | None = None

    @property
    def sender_hash(self) -> str:
        """Return the keyed hash under which the sender's lease and journal rows stand."""
        return self._keyed(self._account.sender, "sender")

    def number_hashes(self) -> tuple[str, ...]:
        """Return the keyed hashes of a Messaging Service's numbers; () where a number sends."""
        numbers = self._pool() if self._account.service else ()
        return tuple(self._keyed(number, "sender") for number in numbers)

    def verify(self) -> None:
        """Make sure that the account is active and that the sender is its own.

        Raises:
            CredentialsError: Twilio does not know these credentials.
            GuardRefused: The account is suspended, or the sender belongs to somebody else.
            TwilioUnreachable: No answer, or none that can be read.

        """
        self._verify_account()
        if self._account.service:
            self._verify_service()
            return
        owned = self._ask(
            lambda client: client.incoming_phone_numbers.list(
                phone_number=self._account.number, limit=1
            )
        )
        if not any(each.phone_number == self._account.number for each in owned):
            raise GuardRefused(
                "sender",
                "the sending number does not belong to this Twilio account; correct the variable "
                "that [sender] names for the number, or for the account",
            )

    def _verify_account(self) -> None:
        """Make sure that the account is active; a standard API key may not ask that."""
        try:
            account = self._ask(lambda client: client.api.accounts(self._account.sid).fetch())
        except CredentialsError:
            if self._account.user == self._account.sid:
                raise
            return  # whether the key itself is good shows when the sender is asked for
        if str(account.status) != "active":
            raise GuardRefused(
                "sender",
                f"the Twilio account is {account.status}, so that no text can be sent; look in "
                "Twilio's console (an empty balance suspends an account, too), or ask Twilio",
            )

    def _verify_service(self) -> None:
        """Make sure that the Messaging Service is one of the account's."""
        try:
            self._ask(lambda client: client.messaging.v1.services(self._account.service).fetch())
        except NotFound:
            raise GuardRefused(
                "sender",
                "this Twilio account has no such Messaging Service; correct the variable that "
                "[sender] names for it, or for the account",
            ) from None

    def send(self, to: str, body: str, validity: timedelta) -> Posted:
        """Post one text, once. ``validity`` is how long Twilio may hold it back before it lapses.

        An answer that cannot be read, a time-out after connecting and a server error are
        ``unknown``; only what Twilio documents as not sent may be tried again.
        """
        import requests
        from twilio.base.exceptions import TwilioRestException, TwilioServiceException

        seconds = int(min(validity, VALIDITY_LONGEST).total_seconds())
        origin = (
            {"from_": self._account.number}
            if self._account.number
            else {"messaging_service_sid": self._account.service}
        )
        try:
            made = self._client().messages.create(
                to=to, body=body, validity_period=seconds, **origin
            )
        except (TwilioRestException, TwilioServiceException) as error:
            return refused(error.status, str(error.code))
        except requests.exceptions.RequestException as error:
            return lost(error)
        except Exception as error:  # noqa: BLE001 - whatever it is, the POST was begun
            return Posted("unknown", note=type(error).__name__)
        if not SID.fullmatch(str(made.sid or "")):
            return Posted("unknown", note="the answer names no message")
        status = str(made.status or "")  # one that ends it is looked up, with its code
        return Posted("sent", reference=str(made.sid), status=status if is_open(status) else "")

    def outbound(self, since: date) -> list[TwilioMessage]:
        """List what this sender sent since a UTC date, newest first; a page holds 1,000."""
        where = {"from_": self._account.number} if self._account.number else {}
        return self._ask(
            lambda client: self._own(
                client.messages.list(
                    date_sent_after=since.isoformat(), page_size=PAGE_SIZE, **where
                )
            )
        )

    def newest(self) -> list[TwilioMessage]:
        """List this sender's newest messages, one page of 1,000: also what was never sent."""
        where = {"from_": self._account.number} if self._account.number else {}
        return self._ask(
            lambda client: self._own(
                client.messages.list(limit=PAGE_SIZE, page_size=PAGE_SIZE, **where)
            )
        )

    def fetch(self, sid: str) -> TwilioMessage | None:
        """Look up one message; None if Twilio has none of that SID."""
        try:
            return self._ask(lambda client: self.read(client.messages(sid).fetch()))
        except NotFound:
            return None

    def inbound(self, since: date, former: Collection[str] = ()) -> list[InboundText]:
        """List the replies that came to this sender since a UTC date, newest first.

        ``former`` are the keyed hashes of senders before it, whose replies are listed, too: people
        answer the text that they have, from whatever number it came.
        """
        where = {"to": self._account.number} if self._account.number and not former else {}
        return self._ask(
            lambda client: list(
                self._replies(
                    client.messages.list(
                        date_sent_after=since.isoformat(), page_size=PAGE_SIZE, **where
                    ),
                    former,
                )
            )
        )

    def read(self, row: Any) -> TwilioMessage:
        """Turn twilio-python's message into ours: phones and body as keyed hashes only."""
        return TwilioMessage(
            sid=str(row.sid),
            to_hash=self._keyed(str(row.to or ""), "phone"),
            sender_hash=self._keyed(self._account.sender, "sender"),
            body_hash=self._keyed(str(row.body or ""), "body"),
            direction=str(row.direction or ""),
            status=str(row.status or ""),
            error_code=str(row.error_code or ""),
            created_at=utc(row.date_created),
            sent_at=utc(row.date_sent),
            updated_at=utc(row.date_updated),
            segments=int(row.num_segments or 1),
        )

    def _own(self, rows: Iterable[Any]) -> list[TwilioMessage]:
        return [self.read(row) for row in rows if self._is_own(row)]

    def _is_own(self, row: Any) -> bool:
        if str(row.direction) == "inbound":
            return False
        service = self._account.service
        return not service or str(row.messaging_service_sid) == service

    def _pool(self) -> frozenset[str]:
        """Return the numbers of the Messaging Service, asked for once.

        Twilio does not say whether a reply names the service it came to (API reference, Message
        resource), so it is also known by the number it came to.
        """
        if self._numbers is None:
            service = self._account.service
            found = self._ask(
                lambda client: client.messaging.v1.services(service).phone_numbers.list()
            )
            self._numbers = frozenset(str(each.phone_number) for each in found)
        return self._numbers

    def _replies(self, rows: list[Any], former: Collection[str]) -> Iterator[InboundText]:
        service = self._account.service
        numbers = self._pool() if service else frozenset({self._account.number})
        for row in rows:
            to, through = str(row.to or ""), str(row.messaging_service_sid or "")
            own = to in numbers or (through == service if service else not former)
            before = any(self._keyed(each, "sender") in former for each in (to, through))
            if str(row.direction) == "inbound" and (own or before):
                at = utc(row.date_sent) or utc(row.date_created) or datetime.now(UTC)
                yield InboundText(str(row.sid), at, str(row.from_ or ""), str(row.body or ""))

    def _client(self) -> Client:
        if self._made is None:
            from twilio.rest import Client

            from redcap_jobs.messaging.twilio_http import TwilioWire

            host = urlsplit(self._url).hostname or ""
            http_client = TwilioWire(self._clock, unproxied=host if is_loopback(host) else "")
            self._made = Client(
                self._account.user,
                self._account.secret,
                self._account.sid,
                http_client=http_client,
                environment={"TWILIO_REGION": ""},  # else the process's own could move the host
            )
            self._made.api.base_url = self._url
            if not self._url.startswith("https://api.twilio.com"):
                self._made.messaging.base_url = self._url
        return self._made

    def _ask(self, question: Callable[[Client], Answer]) -> Answer:
        """Ask something that changes nothing, and read the answer; no failure tells what was asked."""
        import requests
        from twilio.base.exceptions import TwilioException

        try:
            return question(self._client())
        except TwilioException as error:
            raise explained(error) from None
        except (requests.exceptions.RequestException, *OF_ANOTHER_SHAPE) as error:
            raise TwilioUnreachable(
                f"Twilio gave no usable answer ({type(error).__name__}); nothing was sent; "
                "the next run asks again"
            ) from None


def utc(instant: datetime | None) -> datetime | None:
    """Give an instant of Twilio's (RFC 2822, GMT) as aware UTC."""
    if instant is None:
        return None
    return instant.replace(tzinfo=UTC) if instant.tzinfo is None else instant.astimezone(UTC)
