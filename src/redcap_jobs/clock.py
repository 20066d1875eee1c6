"""The real clock, apart from the as-of instant a plan is made for.

A plan is made for an instant that is passed in; sending hours, caps, leases and validity always
ask this clock. Tests pass a clock of their own, so nothing sleeps in place of time.
"""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from typing import Protocol


class Clock(Protocol):
    """Where the present comes from."""

    def now(self) -> datetime:
        """Return the present as an aware UTC instant."""
        ...

    def sleep(self, pause: timedelta) -> None:
        """Let ``pause`` go by; a pause that is not positive returns at once."""
        ...


class SystemClock:
    """The machine's clock."""

    def now(self) -> datetime:
        """Return the machine's time in UTC."""
        return datetime.now(UTC)

    def sleep(self, pause: timedelta) -> None:
        """Sleep for ``pause``."""
        seconds = pause.total_seconds()
        if seconds > 0:
            time.sleep(seconds)
