"""At most so many requests a minute to one host, over all processes of this account.

REDCap counts 600 requests a minute per address and then bans the address until an administrator
lifts it (REDCap's rate limiter); the default here is half of that. The times of the last minute's
requests stand in one small file per host, read and written under a lock.
"""

from __future__ import annotations

import fcntl
import os
import struct
from datetime import timedelta
from pathlib import Path
from urllib.parse import urlsplit

from redcap_jobs.clock import Clock

MINUTE = 60.0
STAMP = struct.Struct("<d")


class RequestBudget:
    """A sliding window of ``per_minute`` requests to the host of ``url``, kept in ``folder``."""

    def __init__(self, folder: Path, url: str, *, per_minute: int, clock: Clock) -> None:
        parts = urlsplit(url)
        host = f"{parts.hostname}-{parts.port or parts.scheme}".replace(":", "_")
        self.path = folder / f"{host}.requests"
        self.per_minute = per_minute
        self.clock = clock

    def take(self) -> None:
        """Wait until a request may go out, and count it."""
        while (pause := self._try()) > 0:
            self.clock.sleep(timedelta(seconds=pause))

    def _try(self) -> float:
        """Count a request now and return 0, or return the seconds until there is room."""
        self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            now = self.clock.now().timestamp()
            stored = os.pread(descriptor, os.fstat(descriptor).st_size // 8 * 8, 0)
            recent = [at for (at,) in STAMP.iter_unpack(stored) if now - MINUTE < at <= now]
            if len(recent) >= self.per_minute:
                return sorted(recent)[-self.per_minute] + MINUTE - now + 0.001
            body = b"".join(STAMP.pack(at) for at in [*recent, now])
            os.pwrite(descriptor, body, 0)
            os.ftruncate(descriptor, len(body))
            return 0.0
        finally:
            os.close(descriptor)
