"""What can go wrong between this machine and REDCap; every message is safe to mail and to log.

::

    RedcapError                     1  a call failed; names the project and content=
    ├── Unreachable                    no connection, a certificate refused
    │   └── BrokenOff                  the connection broke before the answer was whole
    ├── UnusableAnswer                 an answer came that cannot be what was asked for
    │   ├── NotAsCsv                   cells that CSV cannot carry: asked for as JSON instead
    │   └── RowsMissing                fewer records came back than were asked for
    │       └── RecordsGone            they do not exist
    ├── ServerOverloaded               out of memory, or took too long: ask for less at a time
    ├── ServerFailed                   HTTP 5xx for no reason that is known
    ├── Banned                         the server takes no more requests from this machine
    ├── FileTooLarge                   a file is larger than this client handles
    └── RequestRefused                 HTTP 4xx: the server's own message, scrubbed
        ├── NotSupported               the project has no events, arms or repeating set-up
        ├── NamesRefused            3  a field or event that the project does not have
        ├── TokenRefused            3  HTTP 401 or 403: the token, or its user's rights
        └── ValuesRefused              per record and field; the values themselves are not shown
    UnknownName                     3  a DictionaryError: the project has no such field or event

No message carries a token or a data value. ``transient`` says that the same call may well
succeed a little later.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from dataclasses import field as settings

from redcap_jobs.errors import DictionaryError, ExitCode, Finding, RedcapJobsError


@dataclass(frozen=True)
class RefusedValue:
    """One cell that REDCap did not store: where, and the server's reason.

    ``event`` is '' where the server does not name it. ``value`` is private: it is kept for a
    terminal, and stays out of ``repr``.
    """

    record: str
    field: str
    message: str
    event: str = ""
    value: str = settings(default="", repr=False)


class RedcapError(RedcapJobsError):
    """A call to REDCap that failed.

    ``label`` names the project, ``content`` the call, ``what`` is the message without them.
    """

    def __init__(self, message: str, *, label: str, content: str, transient: bool = False) -> None:
        self.what = message
        self.label = label
        self.content = content
        self.transient = transient
        super().__init__(f"{label}, content={content}: {message}")


class Unreachable(RedcapError):
    """The server could not be reached, or did not answer in a way that can be received."""


class BrokenOff(Unreachable):
    """The connection broke before the request or its answer was whole."""


class UnusableAnswer(RedcapError):
    """An answer of the wrong kind or shape: a web page, cut JSON, rows of unequal length."""


class NotAsCsv(UnusableAnswer):
    """CSV whose cells can be read in two ways; the same export as JSON has but one."""


class RowsMissing(UnusableAnswer):
    """Records that exist did not come back, or records asked for do not exist."""

    def __init__(self, message: str, *, label: str, content: str, missing: Sequence[str]) -> None:
        self.missing = tuple(missing)
        super().__init__(message, label=label, content=content)


class RecordsGone(RowsMissing):
    """Records asked for do not exist, or do not exist any more."""


class ServerOverloaded(RedcapError):
    """The server ran out of memory or of time: the caller asks for less, if it can."""


class Banned(RedcapError):
    """The server banned this machine's address; never repeated: asking on keeps a ban alive."""


class FileTooLarge(RedcapError):
    """A file to be exported or imported is over the limit; nothing was sent, or not all read."""


class ServerFailed(RedcapError):
    """The server failed (HTTP 5xx) and did not say why."""


class RequestRefused(RedcapError):
    """The server refused the call (HTTP 4xx); ``reason`` is its message without private parts."""

    def __init__(self, reason: str, *, label: str, content: str, status: int) -> None:
        self.status = status
        self.reason = reason
        super().__init__(f"HTTP {status}: {reason}", label=label, content=content)


class NotSupported(RequestRefused):
    """The project is of a kind that has no such thing, e.g. events in a classic project."""


class NamesRefused(RequestRefused):
    """The call names a field, form or event that the project does not have."""

    exit_code = ExitCode.SETUP


class TokenRefused(RequestRefused):
    """The token is unknown, or its user lacks a right."""

    exit_code = ExitCode.SETUP


class ValuesRefused(RequestRefused):
    """Some values of an import were refused, and with them the whole import."""

    def __init__(
        self, refused: Sequence[RefusedValue], *, label: str, content: str, status: int
    ) -> None:
        self.refused = tuple(refused)
        where = ", ".join(f"{one.record}/{one.field}" for one in self.refused[:5])
        more = ", …" if len(self.refused) > 5 else ""
        super().__init__(
            f"{len(self.refused)} values refused (record/field: {where}{more})",
            label=label,
            content=content,
            status=status,
        )


class UnknownName(DictionaryError):
    """A field or event that the project does not have, with the nearest that it has."""

    def __init__(self, kind: str, name: str, hint: str) -> None:
        self.name = name
        super().__init__([Finding(f"{kind} {name!r}", "is not in the project", hint)])
