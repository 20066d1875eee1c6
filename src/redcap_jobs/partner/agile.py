"""The partner's REST interface as the jobs use it: each write once, reads repeated with patience.

The partner offers no idempotency key, so an enrolment whose answer was lost is never repeated
here: what became of it is looked up by the study's id. An update says how things are and may be
said twice; it is still one request per call, and the journal decides.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlsplit

import requests

from redcap_jobs.errors import CredentialsError, RedcapJobsError
from redcap_jobs.plan import Posted
from redcap_jobs.redcap.transport import no_connection

if TYPE_CHECKING:
    from redcap_jobs.clock import Clock
    from redcap_jobs.partner.adapter import Adapter
    from redcap_jobs.redcap.budget import RequestBudget
    from redcap_jobs.study.credentials import Credentials
    from redcap_jobs.study.partner_config import PartnerAccess

log = logging.getLogger(__name__)

TIMEOUTS = (10.0, 60.0)
"""Seconds to connect, and between bytes of an answer."""
ATTEMPTS = 4
FIRST_PAUSE = timedelta(seconds=2)
LONGEST_PAUSE = timedelta(seconds=60)
"""What a ``Retry-After`` may ask for within one run; longer is left to the next."""
LISTINGS = 3
"""So often a list is read whose pages moved under the reader."""
MOST_PAGES = 1000
MEMBER_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
"""What an id may look like that is kept in the state and in REDCap."""
OK, CREATED = 200, 201
UNAUTHORIZED, FORBIDDEN, NOT_FOUND, REQUEST_TIMEOUT = 401, 403, 404, 408
TOO_MANY, SERVER_ERROR = 429, 500


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
        """Read what the study file names. Raises CredentialsError for what is not set."""
        if access.token:
            return cls(access.url, token=credentials.require(access.token))
        user, password = str(access.user), str(access.password)
        return cls(
            access.url, user=credentials.require(user), password=credentials.require(password)
        )

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        """Sign a request; given as its ``auth``, so that ~/.netrc adds nothing of its own."""
        if self.token:
            request.headers["Authorization"] = f"Bearer {self.token}"
            return request
        signed: requests.PreparedRequest = requests.auth.HTTPBasicAuth(self.user, self.password)(
            request
        )
        return signed


@dataclass(frozen=True)
class Reply:
    """One answer: its status, its JSON object (None where it has none), and how long to wait."""

    status: int
    body: Mapping[str, Any] | None = field(repr=False)
    wait: timedelta | None = None


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
        """Look up all members with a study's id: normally one or none."""
        found = self._listed({self.adapter.study_id: study_id})
        return [each for each in found if str(each.get(self.adapter.study_id)) == study_id]

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
            if not isinstance(members, list) or not isinstance(total, int):
                raise self.unreachable("what came is no list of members")
            for each in members:
                found[str(self._whole_member(each)[self.adapter.member_id])] = each
            read += len(members)
            totals.add(total)
            following = body.get(self.adapter.next_page)
            if not following:
                return list(found.values()), totals == {len(found)} and read == len(found)
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
            except requests.RequestException as error:
                if isinstance(error, requests.ConnectTimeout) or (
                    isinstance(error, requests.ConnectionError) and no_connection(error)
                ):
                    return Posted(
                        "rejected", code="no connection", not_sent=True, stops=self._gone()
                    )
                return Posted("unknown", note=f"the answer was lost ({type(error).__name__})")
            if reply.status != TOO_MANY:
                return self._posted(reply)
            if attempt + 1 < ATTEMPTS:
                self._clock.sleep(self._pause(attempt, reply))
        return Posted("rejected", code="429", not_sent=True, stops="the partner asks to wait")

    def _posted(self, reply: Reply) -> Posted:
        """Say what is known after an answer."""
        body = reply.body or {}
        if reply.status in (OK, CREATED):
            member = as_id(body.get(self.adapter.member_id))
            if member:
                said = body.get(self.adapter.status)
                status = str(said) if is_word(said) else ""
                return Posted("sent", reference=member, status=status)
            return Posted("unknown", note="the answer holds no member")
        if reply.status in (UNAUTHORIZED, FORBIDDEN):
            stops = f"the partner refuses the credentials (HTTP {reply.status}); correct them"
            return Posted("rejected", code=str(reply.status), not_sent=True, stops=stops)
        if reply.status >= SERVER_ERROR or reply.status in (OK, REQUEST_TIMEOUT):
            return Posted("unknown", note=f"HTTP {reply.status}")
        if not SERVER_ERROR > reply.status >= 400:
            return Posted("unknown", note=f"HTTP {reply.status}")
        code, named = refusal(body)
        about = f", field {named}" if named else ""
        return Posted(
            "rejected",
            code=code or str(reply.status),
            not_sent=True,
            sentence=f"the partner refused it ({code or reply.status}{about}); correct the data",
        )

    def _read(self, path: str, query: Mapping[str, str]) -> Reply:
        """Ask a question, again where that may help; 404 is an answer."""
        what = "no answer"
        for attempt in range(ATTEMPTS):
            pause = FIRST_PAUSE * 2**attempt
            try:
                reply = self._once("GET", path, query, None)
            except requests.RequestException as error:
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
                if reply.status < SERVER_ERROR and reply.status not in (OK, TOO_MANY):
                    break
            if attempt + 1 < ATTEMPTS:
                self._clock.sleep(pause)
        raise self.unreachable(what)

    def _once(
        self, method: str, path: str, query: Mapping[str, str], payload: Mapping[str, str] | None
    ) -> Reply:
        self._budget.take()
        with self._session.request(
            method,
            self._access.url + path,
            params=dict(query),
            json=None if payload is None else dict(payload),
            timeout=TIMEOUTS,
            allow_redirects=False,
        ) as response:
            return Reply(response.status_code, json_object(response), retry_after(response))

    def _pause(self, attempt: int, reply: Reply) -> timedelta:
        asked = reply.wait if reply.wait is not None else FIRST_PAUSE * 2**attempt
        return min(asked, LONGEST_PAUSE)

    def _path(self, path: str, member: str) -> str:
        return path.format(member=quote(member, safe=""))

    def _gone(self) -> str:
        return f"the partner at {self._access.url} cannot be reached"

    def unreachable(self, what: str) -> PartnerUnreachable:
        """Return the error that says so of this partner."""
        return PartnerUnreachable(f"the partner at {self._access.url}: {what}")


def json_object(response: requests.Response) -> Mapping[str, Any] | None:
    """Return an answer's JSON object; None where it is of another kind, or cut off."""
    kind = response.headers.get("Content-Type", "").partition(";")[0].strip().lower()
    if kind != "application/json":
        return None
    try:
        body = response.json()
    except ValueError:
        return None
    return body if isinstance(body, Mapping) else None


def retry_after(response: requests.Response) -> timedelta | None:
    """Return how long an answer asks to wait; None where it does not say so in seconds."""
    asked = response.headers.get("Retry-After", "")
    return timedelta(seconds=int(asked)) if asked.isdecimal() else None


def refusal(body: Mapping[str, Any]) -> tuple[str, str]:
    """Return the code of a refusal and the field it is about; free text may quote a value."""
    error = body.get("error")
    said: Sequence[object] = ()
    if isinstance(error, Mapping):
        said = (error.get("code"), error.get("field"))
    code, named = (str(each) if is_word(each) else "" for each in (*said, None, None)[:2])
    return code, named


def is_word(value: object) -> bool:
    """Tell whether a value is a name, such as ``invalid_field``, and no text."""
    return isinstance(value, str) and value.replace("_", "").isalnum() and len(value) <= 40


def as_id(value: object) -> str:
    """Return an id as text; '' for what cannot be one."""
    if isinstance(value, bool) or not isinstance(value, str | int):
        return ""
    return str(value) if MEMBER_ID.fullmatch(str(value)) else ""
