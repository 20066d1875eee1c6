"""The ban of an address that asks too often: for good, until somebody lifts it.

REDCap's default is 600 requests a minute from one address, after which every page is refused until
an administrator takes the address off the list. What that page says is recorded nowhere but for
the words that an IP address was banned due to suspected abuse (PyCap issue 69).
"""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Callable
from threading import Lock
from time import monotonic

MINUTE_SECONDS = 60.0


class Bans:
    """Counts requests by address; ``limit`` is how many a minute may have, 0 for any number.

    ``seconds`` is the clock: it runs on while the server's own stands still.
    """

    def __init__(self, seconds: Callable[[], float] = monotonic) -> None:
        self._lock = Lock()
        self._seconds = seconds
        self._recent: defaultdict[str, deque[float]] = defaultdict(deque)
        self._banned: dict[str, None] = {}
        self.limit = 0

    def strikes(self, address: str) -> bool:
        """Count one request and tell whether its address is banned, perhaps by this very one."""
        with self._lock:
            if address in self._banned:
                return True
            if not self.limit:
                return False
            now, recent = self._seconds(), self._recent[address]
            recent.append(now)
            while recent[0] <= now - MINUTE_SECONDS:
                recent.popleft()
            if len(recent) <= self.limit:
                return False
            self._banned[address] = None
            del self._recent[address]
            return True

    def addresses(self) -> list[str]:
        """Return who is banned."""
        with self._lock:
            return list(self._banned)

    def lift(self) -> None:
        """Take all addresses off the list and count anew."""
        with self._lock:
            self._banned.clear()
            self._recent.clear()
