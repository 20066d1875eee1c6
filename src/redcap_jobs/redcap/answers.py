"""Whether an answer can be believed, and what its refusal means.

HTTP 200 is not success: login pages, "unknown error" pages and out-of-memory texts all come with
it (observed by REDCapR, id3c and PyCap), so status, content type and the first bytes are looked
at before anything is read. Nothing private gets into an error: a refusal's words are scrubbed.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import requests

from redcap_jobs.notify.logs import redact_foreign
from redcap_jobs.redcap.errors import (
    Banned,
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
from redcap_jobs.redcap.pages import (
    is_banned_line,
    is_page,
    leads_to_login,
    page_kind,
    says_banned,
)
from redcap_jobs.redcap.refusals import looks_like_values, parse_refused_values
from redcap_jobs.wire import received

ERROR_BYTES = 1 << 18
"""As much of an error's body is read as a refusal of some thousand values needs."""
LONGEST_REASON = 300

BAN = (
    "the server has banned this machine's address, as REDCap does after too many requests in a "
    "minute. Nothing is sent for the next 15 minutes, since asking on keeps a ban alive. Ask the "
    "REDCap administrators to lift the ban of this machine's address and to exempt it from the "
    "limit; if other programs here use REDCap too, lower requests_per_minute in [limits]"
)
PAST_LOGIN = "if it stays so, the single sign-on must let the API's address pass"

OUT_OF_MEMORY = re.compile(
    rb"ran out of (?:server )?memory|Allowed memory size of \d+ bytes|Maximum execution time of",
    re.IGNORECASE,
)
ENVELOPE = re.compile(rb"\s*(?:\{\s*\"error\"\s*:|ERROR:|<\?xml[^>]*>\s*<hash>\s*<error>|<hash>)")
MARKS = re.compile(rb"(?:\s|\xef\xbb\xbf)+")
"""Blanks and byte order marks, which a file of PHP saved with one puts before every answer."""
FILE_NAME = re.compile(r";\s*name=(?:\"(?P<quoted>.*?)\"|(?P<bare>[^\";]*))\s*(?:;|$)")
SURVEY_ADDRESS = re.compile(r"https?://[^\s<>\"']*\?[^\s<>\"']*\bsq?=[^\s<>\"']+")
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

    def overloaded(self, what: str, *, transient: bool = True) -> ServerOverloaded:
        """Return the error for a server that could not carry the call."""
        return ServerOverloaded(what, label=self.label, content=self.content, transient=transient)

    def out_of_memory(self) -> ServerOverloaded:
        """Return the error for a server that ran out of memory or of its own time limit."""
        return self.overloaded("the server ran out of memory or time")

    def banned(self, what: str) -> Banned:
        """Return the error for a server that takes no more requests from this machine."""
        return Banned(what, label=self.label, content=self.content)

    def scrub(self, text: str) -> str:
        """Return a server's words on one line, without token, sent values, links, phones, mail."""
        for secret in sorted(self.private, key=len, reverse=True):
            if len(secret) > 2:
                text = text.replace(secret, "[value]")
            elif secret:
                text = re.sub(rf"(['\"]){re.escape(secret)}\1", r"\1[value]\1", text)
        text = " ".join(redact_foreign(SURVEY_ADDRESS.sub("[link]", text)).split())
        return text if len(text) <= LONGEST_REASON else text[:LONGEST_REASON] + "…"


class Answer:
    """A believable answer that is still being received.

    ``content_type`` is the bare type in small letters, '' if the server named none; ``file_name``
    is None unless the answer is a file.
    """

    def __init__(
        self, call: Call, response: requests.Response, in_time: Callable[[], bool]
    ) -> None:
        self.call = call
        self.content_type = content_type(response)
        self.file_name = file_name(response)
        self._chunks = received(
            response, in_time, lambda: call.overloaded("the answer comes too slowly")
        )
        self._first = b""
        for chunk in self._chunks:
            self._first += chunk
            if len(self.start) >= 64:
                break

    @property
    def start(self) -> bytes:
        """The first bytes behind blanks and marks, at least 64 where there are so many."""
        return unmarked(self._first)

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


def believable(
    call: Call, response: requests.Response, in_time: Callable[[], bool] = lambda: True
) -> Answer:
    """Return the answer to a call if it can be one, and comes ``in_time``.

    Raises:
        RequestRefused: HTTP 3xx or 4xx, or an error in REDCap's envelope with HTTP 200.
        UnusableAnswer: A web page, or a redirection to a login page.
        Banned: The page or text that a banned address gets, or HTTP 429.
        ServerOverloaded: Memory or time ran out, the request is too long (HTTP 413), HTTP 408, 502
            or 504, or HTTP 500 without a word.
        ServerFailed: Another HTTP 5xx.

    """
    status = response.status_code
    if 300 <= status < 400:
        raise redirected(call, status, response.headers.get("Location", ""))
    answer = Answer(call, response, in_time)
    if status == 200 and answer.file_name is not None:
        return answer  # a file may hold anything, pages and error texts among it
    page = is_page(answer.start)
    if status == 200 and not page and not ENVELOPE.match(answer.start):
        if OUT_OF_MEMORY.match(answer.start.removeprefix(b"REDCap ")):
            raise call.out_of_memory()
        if is_banned_line(answer.start):
            raise call.banned(BAN)
        return answer
    raise trouble(call, status, answer.body(ERROR_BYTES), page=page)


def trouble(call: Call, status: int, body: bytes, *, page: bool) -> RedcapError:
    """Return the error for an answer that is a web ``page``, an error text or an HTTP error."""
    start = len(body) if status == 200 or status >= 500 else 80
    if OUT_OF_MEMORY.search(body[:start]):
        return call.out_of_memory()
    if status == 429 or (says_banned(body) and not looks_like_values(error_text(body))):
        return call.banned(BAN if status != 429 else f"HTTP 429, too many requests; {BAN}")
    if status == 413:
        return call.overloaded("HTTP 413, the request is too long for the server", transient=False)
    if status == 408 or status >= 500:
        return server_error(call, status, body)
    kind = page_kind(body) if page else ""
    if kind == "login page" and status in {200, 401, 403}:  # a refused token comes as no page
        return call.unusable(f"HTTP {status} with a login page instead of data; {PAST_LOGIN}")
    if page and status == 200:
        return call.unusable(f"HTTP 200 with a {kind} instead of data")
    return refusal(call, status, "" if page else error_text(body), body if page else b"")


def redirected(call: Call, status: int, location: str) -> RedcapError:
    """Return the error for an HTTP 3xx, which is never followed: the token would go along."""
    if leads_to_login(location):
        return call.unusable(
            f"HTTP {status}, a redirection to a login page instead of data; {PAST_LOGIN}"
        )
    return RequestRefused(
        "the server redirects the call, which is not followed: the token would go along; "
        "correct the address in the study file",
        label=call.label,
        content=call.content,
        status=status,
    )


def server_error(call: Call, status: int, body: bytes) -> RedcapError:
    """Return the error for an HTTP 408, which says that time ran out, or 5xx."""
    if status in {408, 502, 504} or not body.strip():
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
        said = "refused with a web page" if page else "refused without a word"
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
    text = unmarked(body).decode("utf-8", errors="replace").strip()
    try:
        parsed = json.loads(text)
    except ValueError:
        found = re.search(r"<error>(.*?)</error>", text, re.DOTALL)
        return found[1] if found else text.removeprefix("ERROR:").strip()
    if isinstance(parsed, dict) and "error" in parsed:
        return text if "records" in parsed else str(parsed["error"])
    return text


def unmarked(body: bytes) -> bytes:
    """Return a body without the blanks and byte order marks before it."""
    found = MARKS.match(body)
    return body[found.end() :] if found else body


def content_type(response: requests.Response) -> str:
    """Return the bare content type."""
    return response.headers.get("Content-Type", "").partition(";")[0].strip().lower()


def file_name(response: requests.Response) -> str | None:
    """Return the name that an exported file comes with: ``image/jpeg; name="x.jpg";charset=…``."""
    found = FILE_NAME.search(response.headers.get("Content-Type", ""))
    if not found:
        return None
    name = found["quoted"] or found["bare"] or ""
    with suppress(UnicodeError):  # header bytes are read as Latin-1, names are UTF-8
        name = name.encode("latin-1").decode("utf-8")
    return name


def read_json(answer: Answer) -> Any:
    """Read a JSON answer; a cut or foreign one is no answer."""
    if answer.content_type in {"text/csv", "text/xml", "application/xml"}:
        raise answer.call.unusable(f"{answer.content_type} came instead of JSON", transient=False)
    body = answer.body()
    if not body.strip():
        raise answer.call.overloaded("an empty answer came where data must be")
    try:
        return json.loads(unmarked(body))
    except (ValueError, RecursionError):
        pass  # raised outside: the original holds the body
    raise answer.call.unusable("the answer is cut off, or no JSON")
