"""Where data stand in a project, and rows turned into columns, one entry per record."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

from redcap_jobs.plan import KEYS

__all__ = ["KEYS", "EventPlace", "Place", "RepeatPlace"]


@dataclass(frozen=True)
class EventPlace:
    """One event, or one event per arm (the record's own arm decides): unique event names."""

    events: tuple[str, ...]


@dataclass(frozen=True)
class RepeatPlace:
    """One instance of a repeating instrument in a classic project."""

    form: str
    instance: int


Place: TypeAlias = EventPlace | RepeatPlace
