"""What can go wrong between this client and a REDCap server.

::

    RedcapError                  1  names content= and the project, never a token or a value
    ├── Unreachable                 no connection, or it broke off
    ├── Overloaded                  out of memory, 502/504, time-out, empty 500: ask for less
    ├── UnusableAnswer              a web page, a login form, cut JSON: not an answer of the API
    └── RequestRefused              REDCap said no, with its own words where they hold no value
        ├── TokenRefused         3  403
        └── ValuesRefused           single values of an import (see ``refusals``)
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from redcap_jobs.errors import ExitCode, RedcapJobsError


class RedcapError(RedcapJobsError):
    """The root of what this client raises."""


class Unreachable(RedcapError):
    """The server did not take the connection, or let it go."""


class Overloaded(RedcapError):
    """The server could not carry this much at once; the same in smaller parts may pass."""


class UnusableAnswer(RedcapError):
    """What came back is no answer of the API, whatever its status says."""


class RequestRefused(RedcapError):
    """REDCap understood and said no."""

    def __init__(self, message: str, status: int = 400) -> None:
        self.status = status
        super().__init__(message)


class TokenRefused(RequestRefused):
    """The token is wrong, or its user lacks a right (403)."""

    exit_code = ExitCode.SETUP


@dataclass(frozen=True)
class RefusedValue:
    """One value that REDCap refused in an import: where it was to go, and REDCap's reason."""

    record: str
    field: str
    message: str


class ValuesRefused(RequestRefused):
    """An import was refused as a whole because of these values."""

    def __init__(self, message: str, refusals: Sequence[RefusedValue]) -> None:
        self.refusals = tuple(refusals)
        super().__init__(message)
