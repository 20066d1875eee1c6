"""Whether an answer can be believed, and what its refusal means.

HTTP 200 is not success: login pages, "unknown error" pages and out-of-memory texts all come with
it (observed by REDCapR, id3c and PyCap), so status, content type and the first bytes are looked
at before anything is read. Nothing private gets into an error: a refusal's words are scrubbed.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import requests

from redcap_jobs.notify.logs import REDACT
from redcap_jobs.redcap.errors import (
    NamesRefused,
    NotSupported,
    RedcapError,
    RequestRefused,
    ServerFailed,
    ServerOverloaded,
    TokenRefused,
    UnusableAnswer,
    ValuesRefused,
)
from redcap_jobs.redcap.refusals import looks_like_values, parse_refused_values

CHUNK_BYTES = 1 << 17
ERROR_BYTES = 1 << 18
"""As much of an error's body is read as a refusal of some thousand values needs."""
LONGEST_REASON = 300

OUT_OF_MEMORY = re.compile(
    rb"ran out of (?:server )?memory|Allowed memory size of \d+ bytes|Maximum execution time of",
    re.IGNORECASE,
)
WEB_PAGE = re.compile(
    rb"\s*<(?:!doctype|html|head|body|script|style|form|div|table|br|b|p|h\d|center|meta)\b",
    re.IGNORECASE,
)
"""How a page starts. A content type alone proves nothing: plain text such as the version comes
as text/html."""
LOGIN = re.compile(rb"type=[\"']?password|SAMLRequest|shibboleth|log ?in|sign ?in", re.IGNORECASE)
ENVELOPE = re.compile(rb"\s*(?:\{\s*\"error\"\s*:|ERROR:|<\?xml[^>]*>\s*<hash>\s*<error>|<hash>)")
NOT_SUPPORTED = re.compile(r"You cannot export .*(?:classic projects|does not contain any)")
UNKNOWN_NAMES = re.compile(
    r'The following values in the parameter "\w+" are not valid'
    r"|were not found in the project as real data fields"
    r"|The following values of redcap_event_name are invalid"
    r"|redcap_repeat_instrument must be the unique form name"
)


@dataclass(frozen=True)
class Call:
    """One call, for messages: the project's label, ``content=``, and what must not be quoted.

    ``private`` holds the token and the values that were sent.
    """

    label: str
    content: str
    private: tuple[str, ...] = ()

    def __repr__(self) -> str:
        return f"Call({self.label}, {self.content})"

    def unusable(self, what: str, *, transient: bool = True) -> UnusableAnswer:
        """Return the error for an answer that is not what was asked for."""
        return UnusableAnswer(what, label=self.label, content=self.content, transient=transient)

    def overloaded(self, what: str, *, memory: bool = False) -> ServerOverloaded:
        """Return the error for a server that could not carry the call."""
        return ServerOverloaded(what, label=self.label, content=self.content, memory=memory)

    def out_of_memory(self) -> ServerOverloaded:
        """Return the error for a server that ran out of memory or of its own time limit."""
        return self.overloaded("the server ran out of memory or time", memory=True)

    def scrub(self, text: str) -> str:
        """Return a server's words on one line, without token, sent values, phones or mail."""
        for secret in sorted(self.private, key=len, reverse=True):
            if len(secret) > 2:
                text = text.replace(secret, "[value]")
            elif secret:
                text = re.sub(rf"(['\"]){re.escape(secret)}\1", r"\1[value]\1", text)
        text = " ".join(REDACT(text).split())
        return text if len(text) <= LONGEST_REASON else text[:LONGEST_REASON] + "…"


class Answer:
    """A believable answer that is still being received.

    ``content_type`` is the bare type in small letters, '' if the server named none.
    """

    def __init__(self, call: Call, response: requests.Response) -> None:
        self.call = call
        self.content_type = content_type(response)
        self._chunks = iter(response.iter_content(CHUNK_BYTES))
        self._first = b""
        for chunk in self._chunks:
            self._first += chunk
            if len(self._first.lstrip()) >= 64:
                break

    @property
    def start(self) -> bytes:
        """The first bytes, at least 64 where there are so many."""
        return self._first

    def chunks(self) -> Iterator[bytes]:
        """Yield the body, once."""
        yield self._first
        yield from self._chunks

    def body(self, most: int | None = None) -> bytes:
        """Return the body; with ``most`` no more than about so many bytes."""
        parts, size = [], 0
        for chunk in self.chunks():
            parts.append(chunk)
            size += len(chunk)
            if most is not None and size >= most:
                break
        return b"".join(parts)


def believable(call: Call, response: requests.Response) -> Answer:
    """Return the answer to a call if it can be one.

    Raises:
        RequestRefused: HTTP 3xx or 4xx, or an error in REDCap's envelope with HTTP 200.
        UnusableAnswer: A web page.
        ServerOverloaded: Memory or time ran out, the request is too long (HTTP 413), HTTP 502 or
            504, or HTTP 500 without a word.
        ServerFailed: Another HTTP 5xx.

    """
    status = response.status_code
    if 300 <= status < 400:
        raise RequestRefused(
            "the server redirects the call, which is not followed: the token would go along; "
            "correct the address in the study file",
            label=call.label,
            content=call.content,
            status=status,
        )
    answer = Answer(call, response)
    page = WEB_PAGE.match(answer.start) is not None
    if status == 200 and not page and not ENVELOPE.match(answer.start):
        if OUT_OF_MEMORY.match(answer.start.lstrip().removeprefix(b"REDCap ")):
            raise call.out_of_memory()
        return answer
    body = answer.body(ERROR_BYTES)
    start = len(body) if status == 200 or status >= 500 else 80
    if OUT_OF_MEMORY.search(body[:start]):
        raise call.out_of_memory()
    if status == 413:
        raise call.overloaded("HTTP 413, the request is too long for the server", memory=True)
    if status >= 500:
        raise server_error(call, status, body)
    if page and status == 200:
        raise call.unusable(f"HTTP 200 with a {page_kind(body)} instead of data")
    raise refusal(call, status, "" if page else error_text(body), body if page else b"")


def server_error(call: Call, status: int, body: bytes) -> RedcapError:
    """Return the error for an HTTP 5xx."""
    if status in {502, 504} or not body.strip():
        return call.overloaded(f"HTTP {status}, the server did not finish")
    return ServerFailed(
        f"HTTP {status}, the server failed", label=call.label, content=call.content, transient=True
    )


def refusal(call: Call, status: int, reason: str, page: bytes = b"") -> RequestRefused:
    """Return the error for a refusal in the server's words, or with a web ``page``."""
    place = {"label": call.label, "content": call.content}
    refused = parse_refused_values(reason)
    if refused:
        return ValuesRefused(refused, status=status, **place)
    if page or not reason.strip():
        said = f"refused with a {page_kind(page)}" if page else "refused without a word"
        words = f"{said}; is the address right, and does a firewall stand between?"
    elif looks_like_values(reason):
        words = "values were refused, in a form that cannot be read"
    else:
        words = call.scrub(reason)
    if status in {401, 403}:
        return TokenRefused(
            f"{words}; check the token and its user's rights", status=status, **place
        )
    for kind, pattern in ((NotSupported, NOT_SUPPORTED), (NamesRefused, UNKNOWN_NAMES)):
        if pattern.search(reason):
            return kind(words, status=status, **place)
    return RequestRefused(words, status=status, **place)


def error_text(body: bytes) -> str:
    """Return REDCap's words out of its envelope: json, csv (``ERROR: …``) or xml.

    An old release's list of refused values (JSON with ``records``) is returned as it is.
    """
    text = body.decode("utf-8", errors="replace").strip()
    try:
        parsed = json.loads(text)
    except ValueError:
        found = re.search(r"<error>(.*?)</error>", text, re.DOTALL)
        return found[1] if found else text.removeprefix("ERROR:").strip()
    if isinstance(parsed, dict) and "error" in parsed:
        return text if "records" in parsed else str(parsed["error"])
    return text


def page_kind(page: bytes) -> str:
    """Say what a web page is, as far as that can be told without quoting it."""
    return "login page" if LOGIN.search(page) else "web page"


def content_type(response: requests.Response) -> str:
    """Return the bare content type."""
    return response.headers.get("Content-Type", "").partition(";")[0].strip().lower()


def read_json(answer: Answer) -> Any:
    """Read a JSON answer; a cut or foreign one is no answer."""
    if answer.content_type in {"text/csv", "text/xml", "application/xml"}:
        raise answer.call.unusable(f"{answer.content_type} came instead of JSON", transient=False)
    body = answer.body()
    if not body.strip():
        raise answer.call.overloaded("an empty answer came where data must be")
    try:
        return json.loads(body)
    except ValueError:
        pass  # raised outside: the original holds the body
    raise answer.call.unusable("the answer is cut off, or no JSON")


def read_text(answer: Answer) -> str:
    """Read a short plain text: a version, a record name."""
    return answer.body(ERROR_BYTES).decode("utf-8", errors="replace").strip()
