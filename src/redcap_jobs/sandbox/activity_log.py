"""A project's own log, as ``content=log`` shows it: who did what to which record, and when."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from threading import Lock
from typing import Literal, TypeAlias

Kind: TypeAlias = Literal[
    "export",
    "manage",
    "user",
    "record_add",
    "record_edit",
    "record_delete",
    "lock_record",
    "page_view",
]


@dataclass(frozen=True)
class Activity:
    """One row of the log; ``at`` is server time without a zone, ``dag`` the record's group."""

    at: datetime
    username: str
    kind: Kind
    action: str
    details: str
    record: str = ""
    dag: str = ""


class ActivityLog:
    """What happened in a project, oldest first; threads may add at once.

    ``added`` is told of new rows before they can be read, ``forgot`` of records before their rows
    cannot be read any more, ``regrouped`` of groups before their rows have other names.
    """

    def __init__(self, activities: tuple[Activity, ...] = ()) -> None:
        self._lock = Lock()
        self._activities = list(activities)
        self.added: Callable[[Sequence[Activity]], None] | None = None
        self.forgot: Callable[[Sequence[str]], None] | None = None
        self.regrouped: Callable[[Mapping[str, str]], None] | None = None

    def add(self, *activities: Activity) -> None:
        """Note what happened, all of it at once."""
        with self._lock:
            if self.added is not None and activities:
                self.added(activities)
            self._activities.extend(activities)

    def forget(self, records: Sequence[str]) -> None:
        """Take away all rows about these records."""
        gone = frozenset(records) - {""}
        with self._lock:
            if self.forgot is not None and gone:
                self.forgot(sorted(gone))
            self._activities = [one for one in self._activities if one.record not in gone]

    def regroup(self, moved: Mapping[str, str]) -> None:
        """Put the rows of groups under new unique names, '' where a group is gone."""
        with self._lock:
            if self.regrouped is not None and moved:
                self.regrouped(moved)
            self._activities = [
                replace(one, dag=moved[one.dag]) if one.dag in moved else one
                for one in self._activities
            ]

    def all(self) -> list[Activity]:
        """Return everything so far."""
        with self._lock:
            return list(self._activities)
