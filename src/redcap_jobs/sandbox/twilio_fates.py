"""What becomes of texts to a phone, by the name of its fate.

The codes are those of Twilio's error dictionary; which of them ends in ``failed`` and which in
``undelivered`` follows the Message resource: undelivered is a carrier's receipt, failed never
reached a carrier.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

HOUR = 3600.0


@dataclass(frozen=True)
class Ending:
    """A status that a text takes ``later`` seconds after the carrier's receipt is due."""

    status: str
    code: int | None = None
    later: float = 0.0


@dataclass(frozen=True)
class Fate:
    """Refused at once with a code (0: no), or accepted with these endings (none: stays sent)."""

    refused: int = 0
    endings: tuple[Ending, ...] = ()


DELIVERED = Fate(endings=(Ending("delivered"),))
UNREGISTERED = Fate(endings=(Ending("undelivered", 30034),))
OPTED_OUT = "opted-out"
"""No fate of its own: texts to the phone are blocked as if it had replied STOP to every number."""

FATES: Mapping[str, Fate] = {
    "delivered": DELIVERED,
    "no-receipt": Fate(),
    "unreachable": Fate(endings=(Ending("undelivered", 30003),)),
    "blocked": Fate(endings=(Ending("undelivered", 30004),)),
    "unknown": Fate(endings=(Ending("undelivered", 30005),)),
    "landline-carrier": Fate(endings=(Ending("undelivered", 30006),)),
    "filtered": Fate(endings=(Ending("undelivered", 30007),)),
    "unknown-error": Fate(endings=(Ending("undelivered", 30008),)),
    "carrier-timeout": Fate(endings=(Ending("failed", 30410),)),
    "internal-error": Fate(endings=(Ending("failed", 30500),)),
    "corrected": Fate(endings=(Ending("undelivered", 30008), Ending("delivered", later=HOUR))),
    "late-receipt": Fate(endings=(Ending("delivered", later=HOUR),)),
    "landline": Fate(refused=21614),
    "invalid": Fate(refused=21211),
    "unroutable": Fate(refused=21612),
    "no-geo-permission": Fate(refused=21408),
    "unverified": Fate(refused=21608),
    "over-daily-limit": Fate(refused=63038),
}

MAGIC_TO: Mapping[str, int] = {
    "+15005550001": 21211,
    "+15005550002": 21612,
    "+15005550003": 21408,
    "+15005550004": 21610,
    "+15005550009": 21614,
}
MAGIC_FROM: Mapping[str, int] = {
    "+15005550001": 21212,
    "+15005550006": 0,
    "+15005550007": 21606,
    "+15005550008": 21611,
}
"""Twilio's numbers for tests, by side → the code they are refused with, 0 for none."""
