"""One POST to one REDCap server: how it goes out, and what counts as an answer.

REDCap uses POST for everything, so the caller says whether a call may be repeated. HTTP 200 is not
success: a login page, "unknown error" in HTML and out-of-memory texts all come with 200 (observed
by REDCapR, id3c and PyCap), so content type and shape are looked at before anything is believed.
"""

from __future__ import annotations

import io
import ipaddress
import json
import logging
import re
from collections.abc import Mapping
from datetime import timedelta
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import requests

from redcap_jobs.errors import UsageError
from redcap_jobs.redcap.errors import (
    Overloaded,
    RedcapError,
    RequestRefused,
    TokenRefused,
    Unreachable,
    UnusableAnswer,
)

if TYPE_CHECKING:
    from redcap_jobs.clock import Clock
    from redcap_jobs.redcap.budget import RequestBudget

log = logging.getLogger(__name__)

CONNECT_SECONDS = 20.0
READ_SECONDS = 300.0
"""Above the 120 s after which servers were seen to give up, as most other clients have it."""
PAUSES = (2.0, 4.0, 8.0, 16.0)
"""Seconds before each repetition of a call that may be repeated."""
OUT_OF_MEMORY = re.compile(rb"(?i)ran out of (server )?memory|allowed memory size")
WEB_PAGE = re.compile(rb"(?i)\A\s*(<!doctype html|<html|<head|<body|<br|<b>|<form|<div|<p>|<script)")
"""How a page starts. The content type alone proves nothing: plain texts such as the version come
as text/html from some servers."""
CHUNK = 1 << 16


class Answer:
    """The body of one believable answer, and its content type."""

    def __init__(self, body: io.BytesIO, content_type: str) -> None:
        self.body = body
        self.content_type = content_type

    @property
    def text(self) -> str:
        """The body as text."""
        return self.body.getvalue().decode("utf-8", errors="replace").strip()


class Transport:
    """The one way to a server; ``label`` names the project in messages (a variable's name)."""

    def __init__(
        self, url: str, token: str, label: str, *, budget: RequestBudget, clock: Clock
    ) -> None:
        require_tls(url)
        self.url = url
        self.label = label
        self._token = token
        self._budget = budget
        self._clock = clock
        self._session = requests.Session()
        self._session.headers.update({"Accept-Encoding": "gzip", "Accept": "*/*"})
        # A ~/.netrc entry for the host would add an Authorization header of its own.
        self._session.auth = no_auth

    def __repr__(self) -> str:
        return f"Transport({self.url}, {self.label})"

    def close(self) -> None:
        """Close the connection."""
        self._session.close()

    def post(self, content: str, parameters: Mapping[str, Any], *, repeatable: bool) -> Answer:
        """Send one call, again after growing pauses if it may be repeated, and return its answer.

        ``Overloaded`` is not repeated here: the caller asks for less.
        """
        pauses = PAUSES if repeatable else ()
        for pause in (*pauses, None):
            try:
                return self._once(content, parameters)
            except (Unreachable, UnusableAnswer) as error:
                if pause is None:
                    raise
                log.debug("%s; again in %.0f s", error, pause)
                self._clock.sleep(timedelta(seconds=pause))
        raise AssertionError("unreachable: the last round returns or raises")

    def _once(self, content: str, parameters: Mapping[str, Any]) -> Answer:
        where = f"{self.label}: content={content}"
        form = {"token": self._token, "content": content, "returnFormat": "json", **parameters}
        self._budget.take()
        try:
            with self._session.post(
                self.url,
                data=form,
                timeout=(CONNECT_SECONDS, READ_SECONDS),
                allow_redirects=False,
                stream=True,
            ) as response:
                body = io.BytesIO()
                for chunk in response.iter_content(CHUNK):
                    body.write(chunk)
        except requests.ReadTimeout as error:
            raise Overloaded(f"{where}: no answer within {READ_SECONDS:.0f} s") from error.__cause__
        except requests.RequestException as error:
            if "Read timed out" in str(error):
                raise Overloaded(f"{where}: the answer stopped coming") from None
            raise Unreachable(
                f"{where}: {self.host} cannot be reached or broke off ({type(error).__name__})"
            ) from None
        kind = response.headers.get("Content-Type", "").lower()
        refuse_bad_answer(where, response.status_code, body)
        return Answer(body, kind)

    @property
    def host(self) -> str:
        """The server's name, for messages."""
        return urlsplit(self.url).netloc.rpartition("@")[2]


def no_auth(request: requests.PreparedRequest) -> requests.PreparedRequest:
    """Add nothing to a request."""
    return request


def require_tls(url: str) -> None:
    """Refuse plain http to anything but this machine: it would carry the token in the clear."""
    parts = urlsplit(url)
    if parts.scheme == "https":
        return
    host = parts.hostname or ""
    try:
        loopback = host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        loopback = False
    if parts.scheme != "http" or not loopback:
        raise UsageError(f"{parts.scheme}://{host}: REDCap is reached by https only")


def refuse_bad_answer(where: str, status: int, body: io.BytesIO) -> None:
    """Raise what an answer that cannot be believed means."""
    start = bytes(body.getbuffer()[:4096])
    if OUT_OF_MEMORY.search(start) or OUT_OF_MEMORY.search(bytes(body.getbuffer()[-4096:])):
        raise Overloaded(f"{where}: the server ran out of memory")
    if status in {502, 504} or (status >= 500 and not start.strip()):
        raise Overloaded(f"{where}: HTTP {status}, the server gave up")
    if 300 <= status < 400:
        raise RequestRefused(
            f"{where}: HTTP {status}, a redirect, is not followed (it would carry the token "
            "elsewhere); correct the address in the study file",
            status,
        )
    if WEB_PAGE.search(start):
        page = "a login page" if re.search(rb"(?i)log ?in|password", start) else "a web page"
        raise UnusableAnswer(f"{where}: HTTP {status} with {page} instead of data")
    if status == 403:
        raise TokenRefused(
            f"{where}: HTTP 403: {refusal_text(body)}; check the token's rights", 403
        )
    if status >= 500:
        raise UnusableAnswer(f"{where}: HTTP {status}")
    if status >= 400:
        raise RefusedWithBody(
            f"{where}: HTTP {status}: {public_part(refusal_text(body))}", status, refusal_text(body)
        )


class RefusedWithBody(RequestRefused):
    """A 400 with REDCap's words; ``raw`` may quote values and never leaves this package."""

    def __init__(self, message: str, status: int, raw: str) -> None:
        self.raw = raw
        super().__init__(message, status)


def refusal_text(body: io.BytesIO) -> str:
    """Return REDCap's words from its envelope: json, csv (``ERROR: …``) or xml."""
    text = body.getvalue().decode("utf-8", errors="replace").strip()
    try:
        parsed = json.loads(text)
        if isinstance(parsed, dict) and "records" in parsed:
            return text
        if isinstance(parsed, dict) and "error" in parsed:
            return str(parsed["error"])
    except ValueError:
        pass
    found = re.search(r"<error>(.*?)</error>", text, re.DOTALL)
    return found[1] if found else text.removeprefix("ERROR:").strip()


def public_part(text: str) -> str:
    """Return a refusal's words without what may be a value: per-value lines are left out."""
    if text.lstrip().startswith('"'):
        return "single values were refused"
    return " ".join(text.split())[:300]


def parse_json(answer: Answer, where: str) -> Any:
    """Parse a JSON answer; a cut or foreign body is no answer."""
    try:
        return json.loads(answer.body.getvalue())
    except ValueError as error:
        raise UnusableAnswer(f"{where}: the answer is cut off or no JSON") from error.__cause__


__all__ = ["Answer", "RedcapError", "RefusedWithBody", "Transport", "parse_json"]
