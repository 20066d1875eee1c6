"""REDCap's bad days, on demand: at a rate, or for the next so many calls."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from random import Random
from threading import Lock

from redcap_jobs.errors import UsageError
from redcap_jobs.sandbox import partner_faults
from redcap_jobs.sandbox.bans import Bans
from redcap_jobs.sandbox.partner_faults import PARTNER_FAULTS
from redcap_jobs.sandbox.twilio_faults import (
    OF_LISTS,
    TWILIO_FAULTS,
    refuse_senseless,
    struck,
)

MEMORY_TEXT = (
    "REDCap ran out of server memory. The request cannot be processed. Please try "
    "importing/exporting a smaller amount of data."
)
UNKNOWN_ERROR_PAGE = (
    "<!DOCTYPE html>\n<html><head><title>REDCap</title></head><body><p>An unknown error occurred. "
    "If you have multiple browser tabs of the same REDCap page open, close them and try again."
    "</p></body></html>"
)
MEMORY_PAGE = (
    "<br />\n<b>Fatal error</b>:  Allowed memory size of 536870912 bytes exhausted<br />\n"
    f'{{"error":"{MEMORY_TEXT}"}}'
)
LOGIN_PAGE = (
    "<!DOCTYPE html>\n<html><head><title>Log in</title></head><body><p>Please log in with your user "
    'name and password.</p><form action="/" method="post"><input type="text" name="username">'
    '<input type="password" name="password"><button>Log In</button></form></body></html>'
)
BAN_PAGE = (
    "<!DOCTYPE html>\n<html><head><title>REDCap</title></head><body><p>Your IP address has been "
    "banned due to suspected abuse. Contact the REDCap administrator if this is an error.</p>"
    "</body></html>"
)
GATEWAY_PAGE = "<html><head><title>504 Gateway Time-out</title></head><body></body></html>"
HTML = "text/html; charset=UTF-8"
"""Recorded are that a login page comes with 200 (REDCapR issue 556), the words about browser tabs,
about memory and about suspected abuse; how the pages read around them is this sandbox's own."""


@dataclass(frozen=True)
class Replacement:
    """An answer that takes the place of the right one."""

    status: int
    body: str
    content_type: str = HTML


REPLACEMENTS: Mapping[str, Replacement] = {
    "html-200": Replacement(200, UNKNOWN_ERROR_PAGE),
    "login-page": Replacement(200, LOGIN_PAGE),
    "empty-200": Replacement(200, ""),
    "empty-500": Replacement(500, ""),
    "504": Replacement(504, GATEWAY_PAGE),
    "memory-200": Replacement(200, MEMORY_PAGE),
    "memory-500": Replacement(500, "ERROR: REDCap ran out of memory!"),
}
ALTERATIONS = ("cut-json", "cut-connection", "missing-rows", "slow")
BAN = "ban"
BANNED = Replacement(200, BAN_PAGE)
LONGEST_SECONDS = 3600
LONGEST_LAG = 7 * 86_400
FAULTS = (*REPLACEMENTS, *ALTERATIONS, BAN, *TWILIO_FAULTS, *PARTNER_FAULTS)
RANDOM_ROWS = frozenset({"missing-rows", "twilio-out-of-order"})


@dataclass(frozen=True)
class FaultRule:
    """One fault that is switched on.

    ``times`` is how many calls it still strikes; None: each call with probability ``rate``.
    ``content`` and ``action`` confine it ('' for all). ``after`` lets the call take effect first,
    so that only the answer is lost. ``seconds`` is how slow ``slow`` is.

    ``missing-rows`` leaves out a tenth of the rows; ``chance`` says which: the board draws it anew
    for each call, since rows that are lost by accident are not the same ones twice.

    Names that begin with ``twilio-`` strike calls of Twilio's API, see
    :data:`~redcap_jobs.sandbox.twilio_faults.TWILIO_FAULTS`, those with ``partner-`` the partner's,
    see :data:`~redcap_jobs.sandbox.partner_faults.PARTNER_FAULTS`; the others REDCap's.

    ``ban`` has no rate: it strikes, for good, an address that sends more than ``requests`` within
    a minute, see :class:`~redcap_jobs.sandbox.bans.Bans`.
    """

    name: str
    rate: float = 0.0
    times: int | None = None
    content: str = ""
    action: str = ""
    after: bool = False
    seconds: float = 1.0
    requests: int = 0
    chance: int = 0

    def __post_init__(self) -> None:
        if self.name not in FAULTS:
            raise UsageError(f"no fault {self.name!r}; there are {', '.join(FAULTS)}")
        if not 0 <= self.rate <= 1:
            raise UsageError(f"fault {self.name}: a rate lies between 0 and 1, not {self.rate}")
        unwaited = self.name in OF_LISTS or self.name in partner_faults.OF_DAYS
        longest = LONGEST_LAG if unwaited else LONGEST_SECONDS
        if not 0 <= self.seconds <= longest:
            raise UsageError(
                f"fault {self.name}: seconds lie between 0 and {longest}, not {self.seconds}"
            )
        if self.times is not None and self.times < 0:
            raise UsageError(f"fault {self.name}: times cannot be {self.times}")
        if (self.name == BAN) != (self.requests > 0):
            raise UsageError("requests (1 or more in a minute) go with ban, and with nothing else")
        if self.name in TWILIO_FAULTS:
            scoped = bool(self.content) or self.after
            refuse_senseless(self.name, self.action, other_scope=scoped)
        if self.name in PARTNER_FAULTS:
            scoped = bool(self.content) or self.after
            partner_faults.refuse_senseless(self.name, self.action, other_scope=scoped)

    @property
    def replacement(self) -> Replacement | None:
        """Return the answer that takes the right one's place, None for an altered one."""
        return REPLACEMENTS.get(self.name)


class FaultBoard:
    """The faults that are switched on; calls draw from it in the order in which they come."""

    def __init__(self, seed: int = 1) -> None:
        self._lock = Lock()
        self._random = Random(seed)  # noqa: S311 - repeatable bad luck, no secret
        self._rules: list[FaultRule] = []
        self.bans = Bans()

    def switch_on(self, rule: FaultRule) -> None:
        """Add a fault; one of the same name and scope is replaced."""
        scope = (rule.name, rule.content, rule.action)
        with self._lock:
            self._rules = [
                old for old in self._rules if (old.name, old.content, old.action) != scope
            ]
            self._rules.append(rule)
            if rule.name == BAN:
                self.bans.limit = rule.requests

    def clear(self) -> None:
        """Switch all faults off; an address that is banned stays so until its ban is lifted."""
        with self._lock:
            self._rules.clear()
            self.bans.limit = 0

    def rules(self) -> list[FaultRule]:
        """Return the faults that are switched on."""
        with self._lock:
            return list(self._rules)

    def draw(self, content: str, action: str) -> FaultRule | None:
        """Return the fault that strikes this call of REDCap's, if any, and count it down."""

        def strikes(rule: FaultRule) -> bool:
            scoped = rule.content in ("", content) and rule.action in ("", action)
            elsewhere = rule.name == BAN or rule.name in {*TWILIO_FAULTS, *PARTNER_FAULTS}
            return scoped and not elsewhere

        return self._draw(strikes)

    def draw_twilio(self, action: str) -> FaultRule | None:
        """Return the fault that strikes this call of Twilio's, if any, and count it down."""
        return self._draw(
            lambda rule: rule.name in TWILIO_FAULTS and struck(rule.name, rule.action, action)
        )

    def draw_partner(self, action: str) -> FaultRule | None:
        """Return the fault that strikes this call of the partner's, if any, and count it down."""
        return self._draw(
            lambda rule: (
                rule.name in PARTNER_FAULTS
                and partner_faults.struck(rule.name, rule.action, action)
            )
        )

    def _draw(self, strikes: Callable[[FaultRule], bool]) -> FaultRule | None:
        with self._lock:
            for place, rule in enumerate(self._rules):
                if not strikes(rule):
                    continue
                if rule.times is None:
                    if self._random.random() < rule.rate:
                        return self._drawn(rule)
                elif rule.times > 0:
                    self._rules[place] = replace(rule, times=rule.times - 1)
                    return self._drawn(rule)
            self._rules = [rule for rule in self._rules if rule.times is None or rule.times > 0]
            return None

    def _drawn(self, rule: FaultRule) -> FaultRule:
        rows = rule.name in RANDOM_ROWS
        return replace(rule, chance=self._random.getrandbits(32)) if rows else rule
