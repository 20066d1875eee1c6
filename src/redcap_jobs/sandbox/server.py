"""The HTTP server: one loopback address, one thread per request, its own clock."""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Callable, Sequence
from datetime import datetime
from threading import Thread
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit

from flask import Flask
from werkzeug.serving import BaseWSGIServer, WSGIRequestHandler, make_server

from redcap_jobs.errors import UsageError
from redcap_jobs.sandbox.api import Api
from redcap_jobs.sandbox.behaviour import Behaviour
from redcap_jobs.sandbox.faults import FaultRule
from redcap_jobs.sandbox.partner_account import PartnerAccount
from redcap_jobs.sandbox.partner_calls import PartnerCalls, PartnerRequest
from redcap_jobs.sandbox.partner_members import Members, present
from redcap_jobs.sandbox.partner_members_kept import MembersFile
from redcap_jobs.sandbox.project import SandboxProject
from redcap_jobs.sandbox.request_log import RequestEntry
from redcap_jobs.sandbox.twilio_account import TwilioAccount
from redcap_jobs.sandbox.twilio_calls import TwilioCalls, TwilioRequest
from redcap_jobs.sandbox.twilio_switchboard import Switchboard
from redcap_jobs.sandbox.web import flask_app

LOOPBACK = "127.0.0.1"
BACKLOG = 128
SECONDS_TO_STOP = 0.05
"""How often the serving thread looks whether it should end."""


class QuietHandler(WSGIRequestHandler):
    """Keep connections open as a real server does, and print nothing."""

    protocol_version = "HTTP/1.1"

    def log(self, type: str, message: str, *args: object) -> None:  # noqa: A002 - werkzeug's signature
        """Print nothing: the request log says what was asked."""


class Sandbox:
    """A running server; use it as a context manager.

    Args:
        projects: What it serves. Their data live in them, and outlive the server.
        host: A loopback address.
        port: 0 for a free one.
        now: An aware instant at which the server's clock stands still; None: the machine's clock.
        behaviour: Switches where recorded servers differ.
        super_token: 64 characters with which projects may be created; '' for none.
        public_url: What survey links begin with; '' for this server's own address.
        created: Told of each project that the super token made, before its token is handed out.
        twilio: The Twilio account to serve beside REDCap; None for none.
        partner: The texting partner's account to serve; None for none.
        members: Where its members were left and are kept; None for nowhere.

    Raises:
        UsageError: ``host`` is reachable from elsewhere, the port is taken, or ``public_url`` is
            no address.

    """

    def __init__(
        self,
        projects: Sequence[SandboxProject],
        *,
        host: str = LOOPBACK,
        port: int = 0,
        now: datetime | None = None,
        behaviour: Behaviour | None = None,
        super_token: str = "",
        public_url: str = "",
        created: Callable[[SandboxProject], None] | None = None,
        twilio: TwilioAccount | None = None,
        partner: PartnerAccount | None = None,
        members: MembersFile | None = None,
    ) -> None:
        refuse_open_address(host)
        refuse_no_url(public_url)
        self.api = Api(
            list(projects),
            clock_at(now),
            behaviour or Behaviour(),
            super_token=super_token,
            public_url=public_url.rstrip("/"),
            created=created,
        )
        if twilio is not None:
            board = Switchboard(twilio, None if now is None else lambda: now)
            self.api.twilio = TwilioCalls(board, self.api.faults, self.api.stopping)
        if partner is not None:
            sets = member_sets(partner, now, members)
            self.api.partner = PartnerCalls(sets[0], self.api.faults, self.api.stopping, *sets[1:])
        self._host = host
        self._server = bind(host, port, flask_app(self.api))
        if not self.api.public_url:
            self.api.public_url = self.url.removesuffix("/api/")
        self._thread = Thread(
            target=self._server.serve_forever, args=(SECONDS_TO_STOP,), name="sandbox", daemon=True
        )

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Stop serving and free the port; slow answers under way are sent at once."""
        self.api.stopping.set()
        if self._thread.is_alive():
            self._server.shutdown()
            self._thread.join()
        self._server.server_close()

    def wait(self) -> None:
        """Serve until the server is shut down from another thread."""
        self._thread.join()

    @property
    def port(self) -> int:
        """Return the port that is served."""
        return self._server.port

    @property
    def url(self) -> str:
        """Return the address of the API, as a study file names it."""
        host = f"[{self._host}]" if ":" in self._host else self._host
        return f"http://{host}:{self.port}/api/"

    @property
    def control_url(self) -> str:
        """Return the address of the sandbox's own pages."""
        return self.url.removesuffix("api/") + "sandbox/"

    @property
    def tokens(self) -> dict[str, str]:
        """Return variable name → token of each project's first user."""
        return {project.env_name: project.token for project in self.api.projects}

    @property
    def twilio_url(self) -> str:
        """Return what takes the place of ``https://api.twilio.com`` (and messaging.twilio.com)."""
        return self.url.removesuffix("/api/")

    @property
    def twilio(self) -> Switchboard:
        """Return the Twilio account at work; LookupError if none is served."""
        return self._twilio.board

    @property
    def twilio_requests(self) -> list[TwilioRequest]:
        """Return the requests to Twilio so far; LookupError if none is served."""
        return self._twilio.entries()

    @property
    def partner_url(self) -> str:
        """Return what a study file names as the partner's address."""
        return self.twilio_url

    @property
    def partner(self) -> Members:
        """Return the partner's members at work; LookupError if none are served."""
        return self._partner.members

    @property
    def partner_development(self) -> Members:
        """Return the members for development; LookupError if none are served."""
        if self._partner.development is None:
            raise LookupError("the sandbox's partner has no development token")
        return self._partner.development

    @property
    def partner_requests(self) -> list[PartnerRequest]:
        """Return the requests to the partner so far; LookupError if it is not served."""
        return self._partner.entries()

    @property
    def _partner(self) -> PartnerCalls:
        if self.api.partner is None:
            raise LookupError("the sandbox serves no partner")
        return self.api.partner

    @property
    def _twilio(self) -> TwilioCalls:
        if self.api.twilio is None:
            raise LookupError("the sandbox serves no Twilio account")
        return self.api.twilio

    @property
    def variables(self) -> dict[str, str]:
        """Return what a ``.env`` needs: the projects' tokens, both accounts' credentials."""
        named = self.tokens
        if self.api.partner is not None:
            partner = self.partner.account
            named |= {"AGILE_TOKEN": partner.token, "AGILE_API_URL": self.partner_url}
            if partner.development_token:
                named |= {"AGILE_DEV_TOKEN": partner.development_token}
        if self.api.twilio is None:
            return named
        account = self.twilio.account
        return named | {
            "TWILIO_ACCOUNT_SID": account.sid,
            "TWILIO_AUTH_TOKEN": account.auth_token,
            "TWILIO_NUMBER": account.numbers[0] if account.numbers else "",
            "TWILIO_API_URL": self.twilio_url,
        }

    @property
    def requests(self) -> list[RequestEntry]:
        """Return the calls so far."""
        return self.api.log.entries()

    def forget_requests(self) -> None:
        """Empty the logs of calls."""
        self.api.log.clear()
        if self.api.twilio is not None:
            self.api.twilio.clear()
        if self.api.partner is not None:
            self.api.partner.clear()

    def project(self, pid: int) -> SandboxProject:
        """Return a project by its id; LookupError if there is none."""
        for project in self.api.projects:
            if project.pid == pid:
                return project
        raise LookupError(f"the sandbox has no project {pid}")

    def fault(
        self,
        name: str,
        *,
        rate: float = 0.0,
        times: int | None = None,
        content: str = "",
        action: str = "",
        after: bool = False,
        seconds: float = 1.0,
        requests: int = 0,
    ) -> None:
        """Switch a fault on, see :class:`~redcap_jobs.sandbox.faults.FaultRule`."""
        self.api.faults.switch_on(
            FaultRule(name, rate, times, content, action, after, seconds, requests)
        )

    def no_faults(self) -> None:
        """Switch all faults off; an address that is banned stays so."""
        self.api.faults.clear()

    def lift_bans(self) -> None:
        """Let banned addresses ask again."""
        self.api.faults.bans.lift()


def member_sets(
    partner: PartnerAccount, now: datetime | None, kept: MembersFile | None
) -> list[Members]:
    """Return the partner's members: those in earnest, and where a token opens them development's."""
    clock = present if now is None else lambda: now
    sets = [Members(partner, clock, kept.production if kept else None)]
    if partner.development_token:
        sets.append(Members(partner, clock, kept.development if kept else None))
    return sets


def refuse_open_address(host: str) -> None:
    """Refuse an address that other machines could reach: what is served needs no password."""
    try:
        loopback = host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        loopback = False
    if not loopback:
        raise UsageError(f"the sandbox serves a loopback address only, not {host}; use {LOOPBACK}")


def refuse_no_url(text: str) -> None:
    """Refuse what survey links cannot begin with."""
    try:
        parts = urlsplit(text)
        fits = parts.scheme in ("http", "https") and parts.hostname and not parts.query
    except ValueError:
        fits = False
    if text and not fits:
        raise UsageError(f"{text} is no address; write it as https://redcap.example.org")


def bind(host: str, port: int, app: Flask) -> BaseWSGIServer:
    """Return a server bound to the address.

    The socket is made here: werkzeug would print advice of its own and end the process.

    Raises:
        UsageError: Another program listens there, or the port may not be used.

    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as listening:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listening.bind((host, port))
            listening.listen(BACKLOG)
        except OSError as error:
            raise UsageError(
                f"port {port} of {host} cannot be used: {error.strerror}; choose another, or 0 "
                "for a free one"
            ) from None
        return make_server(
            host,
            listening.getsockname()[1],
            app,
            threaded=True,
            request_handler=QuietHandler,
            fd=listening.fileno(),
        )


def clock_at(instant: datetime | None) -> Callable[[], datetime]:
    """Return the server's clock: naive times, frozen at ``instant`` (in its own zone) if given."""
    if instant is None:
        return lambda: datetime.now().astimezone().replace(tzinfo=None)
    if instant.tzinfo is None:
        raise UsageError("the sandbox's now needs a time zone, e.g. 2026-11-22T12:00:00-05:00")
    frozen = instant.replace(tzinfo=None)
    return lambda: frozen
