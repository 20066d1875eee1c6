"""The one way to REDCap: one POST, how long it waits, when it is repeated.

REDCap uses POST for everything, so the caller says whether a call may be repeated.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from datetime import timedelta
from ipaddress import ip_address
from typing import TYPE_CHECKING, TypeVar
from urllib.parse import urlsplit

import requests
import stamina
from stamina.instrumentation import set_on_retry_hooks
from urllib3.exceptions import DecodeError, HTTPError, NewConnectionError, ReadTimeoutError

from redcap_jobs.errors import UsageError
from redcap_jobs.redcap.answers import Answer, Call, believable
from redcap_jobs.redcap.errors import (
    Banned,
    BrokenOff,
    RedcapError,
    ServerFailed,
    ServerOverloaded,
    Unreachable,
)

if TYPE_CHECKING:
    from redcap_jobs.clock import Clock
    from redcap_jobs.redcap.budget import RequestBudget

log = logging.getLogger(__name__)
T = TypeVar("T")

Upload = tuple[str, bytes, str]
"""A file's name, bytes and MIME type."""
Message = tuple[Mapping[str, str], "Upload | None"]

CONNECT_SECONDS = 20.0
READ_SECONDS = 300.0
"""Well above the 120 s after which servers were seen to give up by themselves."""
ANSWER_SECONDS = 1200.0
"""From the request to the answer's last byte: a large export over a slow line takes minutes."""
ATTEMPTS = 5
FIRST_PAUSE = timedelta(seconds=2)
"""Doubled from attempt to attempt: half a minute in all, long enough for a restarted server."""


class Secret:
    """A token: given out only by :meth:`reveal`, never by ``str``, ``repr`` or a format."""

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def reveal(self) -> str:
        """Return the token itself, for the request's body."""
        return self._value

    def __repr__(self) -> str:
        return "Secret(…)"


class Transport:
    """The connection to one project; ``label`` is its token's variable name, for messages.

    Times are seconds: to connect, between bytes, and to a whole answer. TLS certificates are verified; plain http and no proxy towards this
    machine, https and the environment's proxy towards any other.

    Raises:
        UsageError: The address is neither https nor on this machine, or carries credentials.

    """

    def __init__(
        self,
        url: str,
        token: Secret | str,
        label: str,
        *,
        budget: RequestBudget,
        clock: Clock,
        connect_seconds: float = CONNECT_SECONDS,
        read_seconds: float = READ_SECONDS,
        answer_seconds: float = ANSWER_SECONDS,
    ) -> None:
        loopback = check_address(url)
        self.url = url
        self.label = label
        self._token = token if isinstance(token, Secret) else Secret(token)
        self._budget = budget
        self._clock = clock
        self._timeouts = (connect_seconds, read_seconds)
        self._patience = timedelta(seconds=answer_seconds)
        self._session = requests.Session()
        self._session.headers.update({"Accept-Encoding": "gzip", "Accept": "*/*"})
        self._session.auth = no_authorization  # or ~/.netrc would add a header of its own
        self._session.trust_env = not loopback

    def __repr__(self) -> str:
        return f"Transport({self.url}, {self.label})"

    def close(self) -> None:
        """Close the connection."""
        self._session.close()

    def post(
        self,
        content: str,
        parameters: Mapping[str, str],
        read: Callable[[Answer], T],
        *,
        repeatable: bool,
        divisible: bool = False,
        private: tuple[str, ...] = (),
        upload: Upload | None = None,
    ) -> T:
        """Send one call and return what ``read`` makes of its answer.

        ``repeatable``: sending it twice does no harm; it is sent up to five times, after pauses
        that grow, as long as the fault may pass. ``divisible``: the caller will ask for less, so
        an overloaded server is not asked the same again, and one that keeps failing or breaking
        off is taken for overloaded. ``private``: values that no message may quote. ``upload``: a
        file that goes along as form variable ``file``.

        After a ban nothing is sent at all for a while, by no program of this account.

        Raises:
            RedcapError: See :mod:`redcap_jobs.redcap.errors`.

        """
        call = Call(self.label, content, (self._token.reveal(), *private))
        try:
            return self._repeated(
                call, (parameters, upload), read, repeatable=repeatable, divisible=divisible
            )
        except (ServerFailed, BrokenOff) as error:
            if not divisible:
                raise
            what = error.what
        raise call.overloaded(f"{what}; it may have been too much at once")

    def _repeated(
        self,
        call: Call,
        message: Message,
        read: Callable[[Answer], T],
        *,
        repeatable: bool,
        divisible: bool,
    ) -> T:
        def may_pass(error: Exception) -> bool:
            overloaded = isinstance(error, ServerOverloaded)
            return (
                repeatable
                and isinstance(error, RedcapError)
                and error.transient
                and not (overloaded and divisible)
            )

        # stamina counts and judges; the pauses are the clock's, which tests can pass.
        for attempt in stamina.retry_context(
            on=may_pass, attempts=ATTEMPTS, timeout=None, wait_max=0, wait_jitter=0
        ):
            if attempt.num > 1:
                pause = FIRST_PAUSE * 2 ** (attempt.num - 2)
                log.debug("%r: attempt %d in %s", call, attempt.num, pause)
                self._clock.sleep(pause)
            with attempt:
                return self._once(call, message, read)
        raise AssertionError("stamina either returns or raises")

    def _once(self, call: Call, message: Message, read: Callable[[Answer], T]) -> T:
        parameters, upload = message
        form = {
            "token": self._token.reveal(),
            "content": call.content,
            "returnFormat": "json",
            **parameters,
        }
        if until := self._budget.silent_until():
            raise call.banned(
                f"not asked, because of a ban a short while ago; the server is asked again after "
                f"{until:%H:%M} UTC. Until its administrators lift the ban it will refuse again"
            )
        self._budget.take()
        latest = self._clock.now() + self._patience
        try:
            with self._session.post(
                self.url,
                data=form,
                files={"file": upload} if upload else None,
                timeout=self._timeouts,
                allow_redirects=False,
                stream=True,
            ) as response:
                return read(believable(call, response, lambda: self._clock.now() <= latest))
        except Banned:
            self._budget.keep_silent()
            raise
        except (requests.RequestException, HTTPError) as error:
            broken = self._broken(call, error)
        # Not within the except: the original holds the request, token and all, and would hang
        # on as the new error's context.
        raise broken

    def _broken(self, call: Call, error: requests.RequestException | HTTPError) -> RedcapError:
        """Return what a broken exchange means, without the original."""
        if isinstance(error, requests.ReadTimeout | ReadTimeoutError) or any(
            isinstance(reason, ReadTimeoutError) for reason in error.args
        ):
            return call.overloaded(f"no answer within {self._timeouts[1]:.0f} s")
        host = urlsplit(self.url).hostname
        kind, transient = Unreachable, True
        if isinstance(error, requests.exceptions.SSLError):
            what, transient = f"{host}: the server's certificate is not trusted", False
        elif isinstance(error, requests.ConnectTimeout | requests.exceptions.ProxyError):
            what = f"{host} cannot be reached ({type(error).__name__})"
        elif isinstance(error, DecodeError):
            what = f"{host}: the answer cannot be unpacked"
        elif isinstance(error, requests.ConnectionError) and no_connection(error):
            what = f"{host}: no connection"
        else:
            kind, what = BrokenOff, f"{host}: the connection broke off"
        return kind(what, label=call.label, content=call.content, transient=transient)


def no_connection(error: requests.ConnectionError) -> bool:
    """Tell whether there never was a connection: nobody listens, or the name is unknown."""
    return any(
        isinstance(getattr(reason, "reason", reason), NewConnectionError) for reason in error.args
    )


def no_authorization(request: requests.PreparedRequest) -> requests.PreparedRequest:
    """Add nothing: the token in the body is all there is."""
    return request


def check_address(url: str) -> bool:
    """Refuse an address that would give the token away; tell whether it is this machine."""
    parts = urlsplit(url)
    host = parts.hostname or ""
    if parts.username or parts.password or parts.query or parts.fragment:
        raise UsageError(f"the address of {host} must hold nothing but scheme, host and path")
    try:
        loopback = ip_address(host).is_loopback
    except ValueError:
        loopback = host == "localhost"
    if parts.scheme == "https" or (parts.scheme == "http" and loopback):
        return loopback
    raise UsageError(f"{host}: REDCap is reached by https only; http would show the token")


set_on_retry_hooks([])  # its own hook warns of each repetition; under cron that would be a mail
