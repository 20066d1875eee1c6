"""Whose account the Twilio part of the sandbox serves: credentials, numbers, Messaging Services."""

from __future__ import annotations

import re
import secrets
from collections.abc import Sequence
from dataclasses import dataclass, field

from redcap_jobs.errors import UsageError

E164 = re.compile(r"\+[1-9][0-9]{6,14}")


@dataclass(frozen=True)
class ApiKey:
    """An API key; a ``main`` one may also read the account itself, a standard one may not."""

    sid: str
    secret: str = field(repr=False)
    main: bool = False


@dataclass(frozen=True)
class MessagingService:
    """A Messaging Service (``MG…``) and the numbers it picks a sender from."""

    sid: str
    numbers: Sequence[str] = ()
    name: str = "Sandbox"


@dataclass(frozen=True)
class Pace:
    """How fast texts move.

    A number sends ``segments_per_second``; a Messaging Service takes ``accepting`` seconds to
    choose a number, handing over to the carrier takes ``sending`` seconds, and the carrier's
    receipt comes ``receipt`` seconds later.
    """

    segments_per_second: float = 1.0
    accepting: float = 0.2
    sending: float = 0.3
    receipt: float = 2.0


@dataclass(frozen=True)
class TwilioAccount:
    """One account: everything but what happens in it.

    Args:
        sid: ``AC`` and 32 hexadecimal characters.
        auth_token: What opens it together with its SID.
        numbers: Its numbers in E.164.
        api_keys: Other credentials that open it.
        services: Its Messaging Services, each with some of the numbers.
        voice_only: Those of the numbers that cannot send texts.
        countries: Where it may send texts to (ISO 3166 codes; Geo Permissions).
        pace: How fast texts move.

    Raises:
        UsageError: A SID or a number is none, or a service has a number that the account has not.

    """

    sid: str
    auth_token: str = field(repr=False)
    numbers: Sequence[str] = ()
    api_keys: Sequence[ApiKey] = ()
    services: Sequence[MessagingService] = ()
    voice_only: Sequence[str] = ()
    countries: Sequence[str] = ("US", "CA")
    pace: Pace = field(default_factory=Pace)

    def __post_init__(self) -> None:
        sids = {"AC": [self.sid], "SK": [key.sid for key in self.api_keys]}
        sids["MG"] = [service.sid for service in self.services]
        for prefix, found in sids.items():
            for sid in found:
                if not re.fullmatch(prefix + r"[0-9a-f]{32}", sid):
                    raise UsageError(f"{sid} is no SID {prefix}… of 34 characters")
        for number in self.numbers:
            if not E164.fullmatch(number):
                raise UsageError("a number of the Twilio account is not in E.164 (+12025550100)")
        pools = [number for service in self.services for number in service.numbers]
        if not {*pools, *self.voice_only} <= set(self.numbers):
            raise UsageError("a Messaging Service has a number that the Twilio account has not")

    def opens(self, username: str, password: str) -> bool:
        """Tell whether these credentials open the account."""
        pairs = {self.sid: self.auth_token} | {key.sid: key.secret for key in self.api_keys}
        expected = pairs.get(username, "")
        return bool(expected) and secrets.compare_digest(expected.encode(), password.encode())

    def is_standard_key(self, username: str) -> bool:
        """Tell whether a user name is an API key that may not read the account itself."""
        return any(key.sid == username and not key.main for key in self.api_keys)

    def service(self, sid: str) -> MessagingService | None:
        """Return a Messaging Service by its SID, None if there is none."""
        return next((one for one in self.services if one.sid == sid), None)

    def service_of(self, number: str) -> MessagingService | None:
        """Return the Messaging Service that has a number, None if none has it."""
        return next((one for one in self.services if number in one.numbers), None)


def made_up_account(pace: Pace | None = None) -> TwilioAccount:
    """Return an account with made-up credentials, one number +1 202 555 01XX and one service."""
    number = f"+1202555{100 + secrets.randbelow(100):04d}"
    return TwilioAccount(
        sid=new_sid("AC"),
        auth_token=secrets.token_hex(16),
        numbers=(number,),
        services=(MessagingService(new_sid("MG"), (number,)),),
        pace=pace or Pace(),
    )


def new_sid(prefix: str) -> str:
    """Return a SID that was never given before."""
    return prefix + secrets.token_hex(16)
