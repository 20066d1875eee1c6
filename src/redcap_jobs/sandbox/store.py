"""The stored values: whole imports or none, and readers that never see half of one.

Rows are dictionaries of non-blank values by export column name; an unticked checkbox is simply not
stored, as in REDCap. A snapshot is never changed once it is published: a write copies the records
it touches and publishes a new snapshot under the lock.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from threading import RLock
from typing import NamedTuple


class RowKey(NamedTuple):
    """Where a row stands in its record: instance 0 where nothing repeats."""

    event: str = ""
    instrument: str = ""
    instance: int = 0


@dataclass(frozen=True)
class Record:
    """One record: its rows, its data access group, and when it was created and changed.

    Beside the dictionary's columns a row may hold ``<form>_timestamp`` and
    ``redcap_survey_identifier`` of a survey response, and a file field holds its file's key.
    ``locks`` names locked forms, each with its row; form '' is the whole record.
    """

    rows: Mapping[RowKey, Mapping[str, str]] = field(default_factory=dict)
    dag: str = ""
    touched: tuple[datetime, ...] = ()
    locks: frozenset[tuple[RowKey, str]] = frozenset()


def natural_order(record: str) -> list[tuple[int, int, str]]:
    """Return a sort key: numbers by value before letters, ``2`` before ``10``, ``A2`` before ``A10``."""
    return [
        (0, int(part), "") if part.isdecimal() else (1, 0, part.lower())
        for part in re.split(r"([0-9]+)", record)
        if part
    ]


@dataclass(frozen=True)
class Snapshot:
    """All records at one moment."""

    records: Mapping[str, Record] = field(default_factory=dict)

    @cached_property
    def ordered(self) -> tuple[str, ...]:
        """Return the record names in REDCap's order."""
        return tuple(sorted(self.records, key=natural_order))

    def digest(self) -> str:
        """Return the SHA-256 of every stored value and group: equal data, equal digest."""
        total = hashlib.sha256()
        for name in sorted(self.records):
            record = self.records[name]
            rows = [[*key, sorted(values.items())] for key, values in sorted(record.rows.items())]
            total.update(json.dumps([name, record.dag, rows], ensure_ascii=True).encode())
        return total.hexdigest()

    def value_count(self) -> int:
        """Return how many values are stored."""
        return sum(len(row) for record in self.records.values() for row in record.rows.values())


class Draft:
    """A write in the making: reads see the draft, the world sees nothing until it is published."""

    def __init__(self, base: Snapshot, now: datetime | None) -> None:
        self._base = base
        self._stamps = () if now is None else (now,)
        self._rows: dict[str, dict[RowKey, dict[str, str]]] = {}
        self._dags: dict[str, str] = {}
        self._locks: dict[str, frozenset[tuple[RowKey, str]]] = {}
        self._moments: dict[str, tuple[datetime, ...]] = {}
        self._deleted: set[str] = set()

    def exists(self, record: str) -> bool:
        """Tell whether the record exists in this draft."""
        if record in self._rows:
            return True
        return record in self._base.records and record not in self._deleted

    def names(self) -> list[str]:
        """Return the names of all records in this draft."""
        kept = [name for name in self._base.records if name not in self._deleted]
        return list(dict.fromkeys([*kept, *self._rows]))

    def rows(self, record: str) -> Mapping[RowKey, Mapping[str, str]]:
        """Return a record's rows as the draft has them."""
        if record in self._rows:
            return self._rows[record]
        if record in self._deleted or record not in self._base.records:
            return {}
        return self._base.records[record].rows

    def dag(self, record: str) -> str:
        """Return a record's data access group ('' for none)."""
        if record in self._dags:
            return self._dags[record]
        if record in self._deleted or record not in self._base.records:
            return ""
        return self._base.records[record].dag

    def row(self, record: str, key: RowKey) -> dict[str, str]:
        """Return a row that may be changed; record and row are created where they are missing."""
        rows = self._own(record)
        if key not in rows:
            rows[key] = {}
        elif record in self._base.records and rows[key] is self._base.records[record].rows.get(key):
            rows[key] = dict(rows[key])
        return rows[key]

    def drop_row(self, record: str, key: RowKey) -> None:
        """Take a row away."""
        self._own(record).pop(key, None)

    def set_dag(self, record: str, dag: str) -> None:
        """Move a record to a data access group."""
        self._own(record)
        self._dags[record] = dag

    def locks(self, record: str) -> frozenset[tuple[RowKey, str]]:
        """Return a record's locked forms, see :class:`Record`."""
        if record in self._locks:
            return self._locks[record]
        if record in self._deleted or record not in self._base.records:
            return frozenset()
        return self._base.records[record].locks

    def set_locks(self, record: str, locks: frozenset[tuple[RowKey, str]]) -> None:
        """Lock these forms of a record and no others."""
        self._own(record)
        self._locks[record] = locks

    def take_moments(self, record: str, other: str) -> None:
        """Let a new record count as created and changed when another one was."""
        before = self._base.records.get(other)
        self._moments[record] = () if before is None else before.touched

    def delete(self, record: str) -> None:
        """Take a record away."""
        self._rows.pop(record, None)
        self._dags.pop(record, None)
        self._locks.pop(record, None)
        self._moments.pop(record, None)
        self._deleted.add(record)

    def _own(self, record: str) -> dict[RowKey, dict[str, str]]:
        if record not in self._rows:
            # The inner rows are still the published ones; row() copies the one that changes.
            self._rows[record] = dict(self.rows(record))  # type: ignore[arg-type]  # see above
        return self._rows[record]

    def publish(self) -> Snapshot:
        """Return the snapshot that the draft makes of its base."""
        if not self._rows and not self._deleted:
            return self._base
        records = {
            name: record for name, record in self._base.records.items() if name not in self._deleted
        }
        for name, rows in self._rows.items():
            before = records.get(name, Record())
            records[name] = Record(
                rows,
                self._dags.get(name, before.dag),
                (*self._moments.get(name, before.touched), *self._stamps),
                self._locks.get(name, before.locks),
            )
        return Snapshot(records)

    @property
    def touched(self) -> frozenset[str]:
        """Return the names of the records that were written or deleted."""
        return frozenset(self._rows) | self._deleted


class Store:
    """The current snapshot, and the lock under which the next one is made.

    ``published`` is told of each new snapshot and the names of the records that changed, before
    any reader sees it; if it raises, the write did not happen.
    """

    def __init__(self, current: Snapshot | None = None) -> None:
        self._lock = RLock()
        self.current = current or Snapshot()
        self.published: Callable[[Snapshot, frozenset[str]], None] | None = None

    @contextmanager
    def writing(self, now: datetime | None) -> Iterator[Draft]:
        """Give a draft and publish it at the end; an exception publishes nothing.

        ``now`` is when the records it touches count as changed; None: they are only put elsewhere.
        """
        with self._lock:
            draft = Draft(self.current, now)
            yield draft
            snapshot = draft.publish()
            if snapshot is not self.current:
                if self.published is not None:
                    self.published(snapshot, draft.touched)
                self.current = snapshot
