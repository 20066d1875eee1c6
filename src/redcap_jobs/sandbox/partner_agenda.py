"""What is going to happen to the partner's members, by when it is due."""

from __future__ import annotations

import heapq
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from itertools import count

Deed = Callable[[], object]


@dataclass
class Agenda:
    """Deeds in the order of their instants; those of one instant in the order they were added."""

    _due: list[tuple[datetime, int, Deed]] = field(default_factory=list)
    _numbers: count[int] = field(default_factory=count)

    def add(self, at: datetime, deed: Deed) -> None:
        """Note what is to be done at an instant."""
        heapq.heappush(self._due, (at, next(self._numbers), deed))

    def take(self, now: datetime) -> tuple[datetime, Deed] | None:
        """Take out the first that is due by now; None if nothing is."""
        if not self._due or self._due[0][0] > now:
            return None
        at, _, deed = heapq.heappop(self._due)
        return at, deed
