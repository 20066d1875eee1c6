"""The partner's REST interface as the jobs use it: each write once, reads repeated with patience.

The partner offers no idempotency key, so an enrolment whose answer was lost is never repeated
here: what became of it is looked up by the study's id. An update says how things are and may be
said twice; it is still one request per call, and the journal decides.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlsplit

import requests
from urllib3.exceptions import HTTPError

from redcap_jobs.errors import CredentialsError, RedcapJobsError
from redcap_jobs.notify.logs import REDACT
from redcap_jobs.partner.answers import (
    Reply,
    as_id,
    as_text,
    is_json,
    json_object,
    refusal,
    retry_after,
    status_word,
)
from redcap_jobs.plan import Posted
from redcap_jobs.redcap.transport import no_connection
from redcap_jobs.wire import received, too_slow

if TYPE_CHECKING:
    from redcap_jobs.clock import Clock
    from redcap_jobs.partner.adapter import Adapter
    from redcap_jobs.redcap.budget import RequestBudget
    from redcap_jobs.study.credentials import Credentials
    from redcap_jobs.study.partner_config import PartnerAccess

log = logging.getLogger(__name__)

TIMEOUTS = (10.0, 60.0)
"""Seconds to connect, and between bytes of an answer."""
ANSWER_WITHIN = timedelta(minutes=3)
"""From the request to the last byte of its answer, however steadily it drips."""
ATTEMPTS = 4
FIRST_PAUSE = timedelta(seconds=2)
LONGEST_PAUSE = timedelta(seconds=60)
"""What a ``Retry-After`` may ask for within one run; longer is left to the next."""
LISTINGS = 3
"""So often a list is read whose pages moved under the reader."""
MOST_PAGES = 1000
OK, CREATED = 200, 201
BAD_REQUEST, UNAUTHORIZED, FORBIDDEN, NOT_FOUND = 400, 401, 403, 404
REQUEST_TIMEOUT, CONFLICT, UNPROCESSABLE, TOO_MANY, SERVER_ERROR = 408, 409, 422, 429, 500
AGAIN = frozenset({OK, REQUEST_TIMEOUT, TOO_MANY})
ABOUT_DATA = frozenset({BAD_REQUEST, CONFLICT, UNPROCESSABLE})
NOT_DONE = "not done"
"""The code of a refusal that gives no reason: nothing was done, and it says nothing of the data."""


class PartnerUnreachable(RedcapJobsError):
    """The partner gave no usable answer to a question; nothing was changed by it."""


@dataclass(frozen=True)
class Access:
    """Where the partner is and what opens it, by value; never shown."""

    url: str
    token: str = field(default="", repr=False)
    user: str = field(default="", repr=False)
    password: str = field(default="", repr=False)

    @classmethod
    def of(cls, access: PartnerAccess, credentials: Credentials) -> Access:
        """Read what the study file names.

        Raises CredentialsError for what is not set, and for a token that fits no header.
        """
        if access.token:
            token = credentials.require(access.token)
            if not (token.isascii() and token.isprintable()) or " " in token:
                raise CredentialsError(
                    f"{access.token} holds signs that no token has (a blank, a line break, a "
                    "letter that is not of a-z); copy it anew from the partner"
                )
            REDACT.learn([token])
            return cls(access.url, token=token)
        user = credentials.require(str(access.user))
        password = credentials.require(str(access.password))
        REDACT.learn([password])
        return cls(access.url, user=user, password=password)

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        """Sign a request; given as its ``auth``, so that ~/.netrc adds nothing of its own."""
        if self.token:
            request.headers["Authorization"] = f"Bearer {self.token}"
            return request
        basic = requests.auth.HTTPBasicAuth(self.user.encode(), self.password.encode())
        signed: requests.PreparedRequest = basic(request)
        return signed


class PartnerClient:
    """One partner's members, at one address."""

    def __init__(
        self, access: Access, adapter: Adapter, *, clock: Clock, budget: RequestBudget
    ) -> None:
        self.adapter = adapter
        self._access = access
        self._clock = clock
        self._budget = budget
        self._session = requests.Session()
        loopback = urlsplit(access.url).scheme == "http"
        self._session.trust_env = not loopback
        self._session.auth = access
        self._session.headers["Accept"] = "application/json"

    def __repr__(self) -> str:
        return f"PartnerClient({self._access.url})"

    def close(self) -> None:
        """Close the connection."""
        self._session.close()

    def enrol(self, payload: Mapping[str, str]) -> Posted:
        """Create a member, once; ``reference`` of the answer is its id."""
        method, path = self.adapter.enrol
        return self._write(method, path, payload)

    def update(self, member: str, payload: Mapping[str, str]) -> Posted:
        """Set fields of a member."""
        method, path = self.adapter.update
        return self._write(method, path, payload, member)

    def assign_arm(self, member: str, arm: str) -> Posted:
        """Assign a member's arm."""
        method, path = self.adapter.assign
        return self._write(method, path, {self.adapter.arm: arm}, member)

    def member(self, member: str) -> Mapping[str, Any] | None:
        """Look one member up; None where the partner knows none of that id."""
        reply = self._read(self._path(self.adapter.look_up, member), {})
        return None if reply.status == NOT_FOUND else self._whole_member(reply.body)

    def members_of(self, study_id: str) -> list[Mapping[str, Any]]:
        """Look up all members with a study's id: normally one or none.

        Raises what :meth:`all_members` raises, and PartnerUnreachable where only members of others
        came: whoever is not found is enrolled, so an answer to another question is not "none".
        """
        found = self._listed({self.adapter.study_id: study_id})
        own = [each for each in found if as_text(each.get(self.adapter.study_id)) == study_id]
        if found and not own:
            raise self.unreachable("asked for one study id, it answers with other members")
        return own

    def verify(self) -> None:
        """Make sure that the credentials open a list of members.

        Raises:
            CredentialsError: The partner refuses them.
            PartnerUnreachable: No answer, or none that is a list of members.

        """
        name, _ = self.adapter.page_size
        body = self._read(self.adapter.listing, {name: "1"}).body or {}
        if not isinstance(body.get(self.adapter.members), list):
            raise self.unreachable("what came is no list of members")

    def all_members(self) -> list[Mapping[str, Any]]:
        """List every member; pages that moved under the reader are read again.

        Raises:
            PartnerUnreachable: No answer, none that can be read, or a list that is not whole
                even after some readings.

        """
        return self._listed({})

    def _listed(self, query: Mapping[str, str]) -> list[Mapping[str, Any]]:
        for _ in range(LISTINGS):
            found, is_whole = self._list_once(query)
            if is_whole:
                return found
            log.debug("the partner's list changed while it was read, reading it again")
        raise self.unreachable("its list of members never came whole")

    def _list_once(self, query: Mapping[str, str]) -> tuple[list[Mapping[str, Any]], bool]:
        """Read all pages; whole is what holds as many different members as every page said."""
        name, size = self.adapter.page_size
        path, parameters = self.adapter.listing, {**query, name: str(size)}
        found: dict[str, Mapping[str, Any]] = {}
        totals: set[int] = set()
        read = 0
        for _ in range(MOST_PAGES):
            body = self._read(path, parameters).body or {}
            members, total = body.get(self.adapter.members), body.get(self.adapter.total)
            if not isinstance(members, list) or type(total) is not int:
                raise self.unreachable("what came is no list of members")
            for each in members:
                found[str(self._whole_member(each)[self.adapter.member_id])] = each
            read += len(members)
            totals.add(total)
            following = body.get(self.adapter.next_page)
            if not following:
                return list(found.values()), totals == {len(found)} and read == len(found)
            if not members or read > total:
                return [], False
            path, parameters = self._own_path(following), {}
        raise self.unreachable(f"its list of members has more than {MOST_PAGES} pages")

    def _own_path(self, following: object) -> str:
        """Let the address of a next page pass if it is a path: nothing leads to another host."""
        if isinstance(following, str) and following.startswith("/") and "//" not in following[:2]:
            return following
        raise self.unreachable("its next page is elsewhere")

    def _whole_member(self, body: object) -> Mapping[str, Any]:
        if isinstance(body, Mapping) and as_id(body.get(self.adapter.member_id)):
            return body
        raise self.unreachable("what came is no member")

    def _write(
        self, method: str, path: str, payload: Mapping[str, str], member: str = ""
    ) -> Posted:
        """Ask for a change once; only "too many requests" is documented as not done, and waits."""
        target = self._path(path, member)
        for attempt in range(ATTEMPTS):
            self._session.close()  # a connection that idled may be closed while this goes out
            try:
                reply = self._once(method, target, {}, payload)
            except (requests.RequestException, HTTPError) as error:
                if isinstance(error, requests.ConnectTimeout) or (
                    isinstance(error, requests.ConnectionError) and no_connection(error)
                ):
                    return Posted(
                        "rejected", code="no connection", not_sent=True, stops=self._gone()
                    )
                return Posted("unknown", note=f"the answer was lost ({type(error).__name__})")
            if reply.status != TOO_MANY:
                return self._posted(reply, payload, member)
            pause = self._pause(attempt, reply)
            if attempt + 1 == ATTEMPTS or pause > LONGEST_PAUSE:
                break
            self._clock.sleep(pause)
        return Posted("rejected", code="429", not_sent=True, stops="the partner asks to wait")

    def _posted(self, reply: Reply, payload: Mapping[str, str], member: str) -> Posted:
        """Say what is known after an answer to what was sent, of ``member`` if it had an id."""
        body = reply.body or {}
        if reply.status in (OK, CREATED):
            return self._taken(body, payload, member)
        if not SERVER_ERROR > reply.status >= BAD_REQUEST or reply.status == REQUEST_TIMEOUT:
            return Posted("unknown", note=f"HTTP {reply.status}")
        code, named = refusal(body, payload)
        if reply.status == UNAUTHORIZED or (reply.status == FORBIDDEN and code):
            stops = f"the partner refuses the credentials (HTTP {reply.status}); correct them"
            return Posted("rejected", code=str(reply.status), not_sent=True, stops=stops)
        if reply.body is not None and reply.status in ABOUT_DATA:
            code = code or str(reply.status)
        about = f", field {named}" if named else ""
        why = f"({code}{about}); correct the data" if code else f"(HTTP {reply.status}, no reason)"
        sentence = f"the partner refused it {why}"
        return Posted("rejected", code=code or NOT_DONE, not_sent=True, sentence=sentence)

    def _taken(self, body: Mapping[str, Any], payload: Mapping[str, str], member: str) -> Posted:
        """Believe an answer that shows a member: the one that was meant."""
        shown, asked = as_id(body.get(self.adapter.member_id)), self.adapter.study_id
        if not shown:
            return Posted("unknown", note="the answer holds no member")
        study_id = as_text(body.get(asked))
        if (member and shown != member) or (study_id and study_id != payload.get(asked, study_id)):
            return Posted("unknown", note="the answer is about another member")
        return Posted("sent", reference=shown, status=status_word(body, self.adapter.status))

    def _read(self, path: str, query: Mapping[str, str]) -> Reply:
        """Ask a question, again where that may help; 404 is an answer."""
        what = "no answer"
        for attempt in range(ATTEMPTS):
            pause = FIRST_PAUSE * 2**attempt
            try:
                reply = self._once("GET", path, query, None)
            except (requests.RequestException, HTTPError) as error:
                what = f"no answer ({type(error).__name__})"
            else:
                if reply.status in (UNAUTHORIZED, FORBIDDEN):
                    raise CredentialsError(
                        f"the partner at {self._access.url} refuses the credentials (HTTP "
                        f"{reply.status}); correct the variables that [partner] names"
                    )
                if reply.status == NOT_FOUND or (reply.status == OK and reply.body is not None):
                    return reply
                what = f"HTTP {reply.status} without a usable answer"
                pause = self._pause(attempt, reply)
                if pause > LONGEST_PAUSE:
                    what = f"HTTP {reply.status}, and it asks to wait longer than a run may"
                if pause > LONGEST_PAUSE or not (
                    reply.status in AGAIN or reply.status >= SERVER_ERROR
                ):
                    break
            if attempt + 1 < ATTEMPTS:
                self._clock.sleep(pause)
        raise self.unreachable(what)

    def _once(
        self, method: str, path: str, query: Mapping[str, str], payload: Mapping[str, str] | None
    ) -> Reply:
        self._budget.take()
        latest = self._clock.now() + ANSWER_WITHIN
        with self._session.request(
            method,
            self._access.url + path,
            params=dict(query),
            json=None if payload is None else dict(payload),
            timeout=TIMEOUTS,
            allow_redirects=False,
            stream=True,
        ) as response:
            wait = retry_after(response, self._clock.now())
            body = None
            if is_json(response):
                pieces = received(response, lambda: self._clock.now() <= latest, too_slow)
                body = json_object(b"".join(pieces))
            return Reply(response.status_code, body, wait)

    def _pause(self, attempt: int, reply: Reply) -> timedelta:
        return reply.wait if reply.wait is not None else FIRST_PAUSE * 2**attempt

    def _path(self, path: str, member: str) -> str:
        return path.format(member=quote(member, safe=""))

    def _gone(self) -> str:
        return f"the partner at {self._access.url} cannot be reached"

    def unreachable(self, what: str) -> PartnerUnreachable:
        """Return the error that says so of this partner."""
        return PartnerUnreachable(f"the partner at {self._access.url}: {what}")
