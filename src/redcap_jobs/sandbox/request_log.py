"""What was asked of the server: never a value, a token or a name of a person."""

from __future__ import annotations

from collections import deque
from dataclasses import asdict, dataclass
from datetime import datetime
from threading import Lock

ENTRIES = 100_000


@dataclass(frozen=True)
class RequestEntry:
    """One call.

    ``action`` is ``export``, ``import``, ``delete``, …; ``fields``, ``events`` and ``records`` are
    how many were asked for (0: all); ``rows`` and ``cells`` how many were sent either way.
    """

    number: int
    at: datetime
    content: str
    action: str
    pid: int
    user: str
    status: int
    format: str = ""
    fields: int = 0
    forms: int = 0
    events: int = 0
    records: int = 0
    rows: int = 0
    cells: int = 0
    overwrite: bool = False
    fault: str = ""

    @property
    def call(self) -> str:
        """Return what was called, e.g. ``record import``."""
        return f"{self.content} {self.action}".strip()

    def as_json(self) -> dict[str, object]:
        """Return the entry for the control endpoint."""
        return {**asdict(self), "at": self.at.isoformat(), "call": self.call}


class RequestLog:
    """The calls since the start, or since the last reset, in the order in which they were answered.

    The oldest give way: a server that runs for weeks keeps the last :data:`ENTRIES`.
    """

    def __init__(self) -> None:
        self._lock = Lock()
        self._entries: deque[RequestEntry] = deque(maxlen=ENTRIES)
        self._number = 0

    def next_number(self) -> int:
        """Return the number of the call that begins now."""
        with self._lock:
            self._number += 1
            return self._number

    def add(self, entry: RequestEntry) -> None:
        """Note a call that was answered."""
        with self._lock:
            self._entries.append(entry)

    def entries(self) -> list[RequestEntry]:
        """Return all calls so far."""
        with self._lock:
            return list(self._entries)

    def clear(self) -> None:
        """Forget all calls; numbering goes on."""
        with self._lock:
            self._entries.clear()
