"""Never above one text segment a second for a sending number, over all processes together.

One row of ``senders`` per sending number holds a lease and the next free slot. Whoever has the
lease waits until the slot is free, commits the slot after it, posts once, and lets go; so two
posts of one number are never under way at once, and a process that dies has paid for its slot
before it posted. A long code carries one segment a second (Twilio's error pages 21611 and 30001).
A Messaging Service may choose any of its numbers: its texts take the turn of each, so that another
study which sends from one of them directly is not overtaken.

The gap is counted from the start of a post, and a little longer where the post may have arrived
late. It is counted on the machine's monotonic clock, where the last slot was taken on this boot: a
wall clock that jumps can then neither shorten nor stall it. Clocks of two hosts, or of one before
and after a restart, are not compared: whoever follows another host waits a whole gap. No wait is
ever longer than the gap itself.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from copy import copy
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from sqlalchemy import insert, select, update

from redcap_jobs.errors import StateError
from redcap_jobs.state.process import Holder, is_alive, machine, this_process
from redcap_jobs.state.schema import senders

if TYPE_CHECKING:
    from sqlalchemy import Connection, RowMapping

    from redcap_jobs.state.store import Store

SEGMENT = timedelta(seconds=1)
"""What a number carries (Twilio's error page 21611: one segment a second)."""
FLOOR = timedelta(seconds=1.05)
"""Per segment; only against a loopback address may it be less."""
ON_ITS_WAY = timedelta(milliseconds=100)
"""A post may have travelled so long before it arrived, where its answer says no sooner: what the
floor does not allow for is added to the gap, so that arrivals keep a second's distance, too."""
LOOK_EVERY = timedelta(milliseconds=50)
PATIENCE = timedelta(minutes=15)
"""So long, and a gap (ours, or the one under way if that is longer), another run's lease is waited
for: its post and many before this one."""
OUT_OF_SIGHT = timedelta(minutes=3)
"""A lease held on another host counts as dead so long after its slot was free, or after its post
began: far longer than any post takes."""


@dataclass
class Slot:
    """A turn to post; ``posting`` is called once, right before the request goes out.

    ``shared`` are the turns of the numbers that the text may leave from.
    """

    throttle: Throttle
    units: int
    shared: tuple[Slot, ...] = ()
    began: float | None = None
    """The monotonic second at which the post began, once the slot was on disk."""

    def posting(self) -> None:
        """Commit when the next text may follow, counted from now.

        Raises:
            StateError: The lease was taken over meanwhile; nothing may be posted.

        """
        for each in self.shared:
            each.posting()
        self.began = self.throttle.begin(self.units)
        for each in self.shared:
            each.began = self.began


class Throttle:
    """One sending number's pace, as one process keeps it.

    ``sender`` is a keyed hash. ``loopback`` lifts the floor: for a sandbox on this machine.
    ``monotonic`` and ``alive`` are the real ones; tests give others.
    """

    def __init__(
        self,
        store: Store,
        sender: str,
        run_id: str,
        *,
        seconds_between: float = 0.0,
        loopback: bool = False,
        holder: Holder | None = None,
        alive: Callable[[Holder, timedelta, timedelta], bool] = is_alive,
        monotonic: Callable[[], float] = time.monotonic,
        boot: Callable[[], str] = machine,
    ) -> None:
        self.store = store
        self.sender = sender
        self.run_id = run_id
        asked = timedelta(seconds=seconds_between)
        self.gap = asked if loopback and asked > timedelta(0) else max(FLOOR, asked)
        self.holder = holder or this_process()
        self._alive = alive
        self._monotonic = monotonic
        self._boot = boot().partition(":")[0]
        self.numbers: tuple[Throttle, ...] = ()

    def share(self, names: Iterable[str]) -> None:
        """Take the turns of these senders, too: the keyed hashes of a service's numbers.

        Always in the same order, so that no two processes wait for each other.
        """
        numbers = []
        for name in sorted(set(names) - {self.sender}):
            number = copy(self)
            number.sender, number.numbers = name, ()
            numbers.append(number)
        self.numbers = tuple(numbers)

    @contextmanager
    def slot(self, units: int = 1) -> Iterator[Slot]:
        """Take the sender's lease, wait until its slot is free, and lend it; let go at the end.

        Raises:
            StateError: Other runs hold the lease for longer than a quarter of an hour and a gap.

        """
        with ExitStack() as held:
            shared = tuple(held.enter_context(each.slot(units)) for each in self.numbers)
            self._take()
            slot = Slot(self, units, shared)
            try:
                self._wait()
                yield slot
            finally:
                self._release(slot)

    def begin(self, units: int) -> float:
        """Commit the slot that follows a post of so many segments; return when it may begin.

        That is the monotonic second after the commit: a slow disk must not eat up the gap.
        """
        with self.store.write() as connection:
            row = self._own_row(connection)
            if row is None:
                raise StateError(
                    "the sender's lease was taken over by another run; nothing was posted"
                )
            free = self._free_after(self.gap * units, self._monotonic())
            self._write(connection, taken_at=self.store.clock.now(), **free)
        return self._monotonic()

    def _free_after(self, gap: timedelta, began: float) -> dict[str, Any]:
        """Return the columns of the slot that follows a post begun at a monotonic second."""
        seconds = gap.total_seconds()
        left = timedelta(seconds=began + seconds - self._monotonic())
        return {
            "free_at": self.store.clock.now() + left,
            "free_monotonic": began + seconds,
            "gap_seconds": seconds,
            "boot": self._boot,
        }

    def _take(self) -> None:
        waited = timedelta(0)
        while True:
            held_by = self._try_to_take()
            if held_by is None:
                return
            if waited >= PATIENCE + self.gap and waited >= PATIENCE + self._last_gap():
                raise StateError(
                    f"run {held_by} holds the sending number and does not let go of it; nothing "
                    "was sent. See redcap-jobs runs"
                )
            self.store.clock.sleep(LOOK_EVERY)
            waited += LOOK_EVERY

    def _try_to_take(self) -> str | None:
        """Take the lease if it is free or its holder is dead; else return whose it is."""
        with self.store.write() as connection:
            row = self._row(connection)
            now = self.store.clock.now()
            mine = {
                **self.holder.columns,
                "run_id": self.run_id,
                "taken_at": now,
            }
            if row is None:
                first = {"free_at": now, "gap_seconds": 0.0, "boot": self._boot}
                first |= {"free_monotonic": self._monotonic()}
                connection.execute(insert(senders).values(name=self.sender, **first, **mine))
                return None
            if row["taken_at"] is not None:
                waits = timedelta(seconds=row["gap_seconds"])
                if self._alive(Holder.of(row), now - row["taken_at"] - waits, OUT_OF_SIGHT):
                    return str(row["run_id"])
                mine |= self._whole_gap(row)
            self._write(connection, **mine)
            return None

    def _whole_gap(self, row: RowMapping) -> dict[str, Any]:
        """Count the gap anew: a post of the one that died may be under way still."""
        gap = max(timedelta(seconds=row["gap_seconds"]), self.gap)
        return self._free_after(gap, self._monotonic())

    def _wait(self) -> None:
        with self.store.read() as connection:
            row = self._row(connection)
        if row is None:
            return
        left = gap = float(row["gap_seconds"])
        if row["boot"] == self._boot:
            left = float(row["free_monotonic"]) - self._monotonic()
        self.store.clock.sleep(timedelta(seconds=min(left, gap)))

    def _last_gap(self) -> timedelta:
        """Return the gap after the last post, whichever study's: a lease is held while it lasts."""
        with self.store.read() as connection:
            row = self._row(connection)
        return timedelta(seconds=row["gap_seconds"] if row else 0.0)

    def _release(self, slot: Slot) -> None:
        """Let go of the lease, and count the gap from when the post really began."""
        free: dict[str, Any] = {}
        if slot.began is not None:
            gap = self.gap * slot.units + self._travelled(slot.units, slot.began)
            free = self._free_after(gap, slot.began)
        with self.store.write() as connection:
            if self._own_row(connection) is not None:
                self._write(connection, taken_at=None, **free)

    def _travelled(self, units: int, began: float) -> timedelta:
        """Return how much longer than the gap allows for a post may have been on its way."""
        if self.gap < FLOOR:
            return timedelta(0)
        answered = timedelta(seconds=self._monotonic() - began)
        allowed = (self.gap - SEGMENT) * units
        return max(timedelta(0), min(answered, ON_ITS_WAY) - allowed)

    def _row(self, connection: Connection) -> RowMapping | None:
        query = select(senders).where(senders.c.name == self.sender)
        return connection.execute(query).mappings().first()

    def _own_row(self, connection: Connection) -> RowMapping | None:
        """Return the row while this process has the lease."""
        row = self._row(connection)
        mine = row is not None and row["taken_at"] is not None and row["run_id"] == self.run_id
        return row if mine and row["holder_start"] == self.holder.start else None  # type: ignore[index]  # mine: there is one

    def _write(self, connection: Connection, **values: Any) -> None:
        connection.execute(update(senders).where(senders.c.name == self.sender).values(**values))
