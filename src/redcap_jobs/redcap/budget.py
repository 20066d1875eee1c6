"""At most so many requests a minute to one host, over all processes of this account.

REDCap counts 600 requests a minute per address and then bans the address until an administrator
lifts it (REDCap's rate limiter); the default here is half of that. The times of the last minute's
requests stand in one small file per host, read and written under a lock. A second file says since
when the host has banned this machine: for a while no program of this account asks it anything.
"""

from __future__ import annotations

import fcntl
import os
import struct
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import urlsplit

from redcap_jobs.clock import Clock
from redcap_jobs.errors import StateUnusable

WINDOW_SECONDS = 60.0
PER_MINUTE = 300
A_LITTLE_SECONDS = 0.001
SILENCE = timedelta(minutes=15)
"""After a ban: short enough that all goes on by itself soon after an administrator lifted it."""
STAMP = struct.Struct("<d")


class RequestBudget:
    """A sliding minute of at most ``per_minute`` requests to the host of ``url``.

    The file (mode 0600) lies in ``folder``, which is made if it is missing. Should the machine's
    clock go back, requests of what is now the future count as just made. ``service`` tells apart
    what shares a host and is counted for itself; '' is REDCap.
    """

    def __init__(
        self,
        folder: Path,
        url: str,
        *,
        per_minute: int = PER_MINUTE,
        clock: Clock,
        service: str = "",
    ) -> None:
        if per_minute < 1:
            raise ValueError("a budget of no requests lets nothing through")
        parts = urlsplit(url)
        host = f"{parts.hostname}-{parts.port or parts.scheme}".replace(":", "_")
        name = f"{service}-{host}" if service else host
        self.path = folder / f"{name}.requests"
        self._banned = self.path.with_suffix(".banned")
        self.per_minute = per_minute
        self.clock = clock

    def keep_silent(self) -> None:
        """Note that the host has banned this machine just now."""
        at = STAMP.pack(self.clock.now().timestamp())
        self._banned.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC | os.O_NOFOLLOW
        descriptor = os.open(self._banned, flags, 0o600)
        try:
            os.write(descriptor, at)
        finally:
            os.close(descriptor)

    def silent_until(self) -> datetime | None:
        """Return until when the host is asked nothing after a ban; None if it may be asked."""
        try:
            (at,) = STAMP.unpack(self._banned.read_bytes())
            banned = datetime.fromtimestamp(at, UTC)
        except (OSError, OverflowError, ValueError, struct.error):
            return None
        return banned + SILENCE if banned <= self.clock.now() < banned + SILENCE else None

    def take(self) -> None:
        """Wait until a request may go out, and count it.

        Raises StateUnusable if the file cannot be written: without it nothing keeps the ban away.
        """
        try:
            while (pause := self._try()) > 0:
                self.clock.sleep(timedelta(seconds=pause))
        except OSError as error:
            raise StateUnusable(
                f"the request count cannot be kept in {self.path}: {error.strerror}; "
                "make the folder writable for this account"
            ) from error

    def _try(self) -> float:
        """Count a request now and return 0, or return the seconds until there is room."""
        self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
        descriptor = os.open(self.path, flags, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            now = self.clock.now().timestamp()
            stored = os.pread(descriptor, os.fstat(descriptor).st_size, 0)
            whole = stored[: len(stored) // STAMP.size * STAMP.size]
            times = (min(at, now) for (at,) in STAMP.iter_unpack(whole))
            recent: list[float] = sorted(at for at in times if now - WINDOW_SECONDS <= at)
            pause = 0.0
            if len(recent) < self.per_minute:
                recent.append(now)
            else:
                pause = recent[-self.per_minute] + WINDOW_SECONDS - now + A_LITTLE_SECONDS
            body = b"".join(STAMP.pack(at) for at in recent)
            os.pwrite(descriptor, body, 0)
            os.ftruncate(descriptor, len(body))
            return pause
        finally:
            os.close(descriptor)
