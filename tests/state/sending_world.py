"""Machines that share one state and one sending number, on clocks that a test may bend.

True time is that of :class:`World`; each machine reads it off its own wall clock and its own
monotonic clock. Only a pause, or a test, lets time go by.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from redcap_jobs.state.process import Holder
from redcap_jobs.state.store import Store
from redcap_jobs.state.throttle import Slot, Throttle

BEGAN = datetime(2026, 11, 23, 17, 0, tzinfo=UTC)
SENDER = "0123abcd"
"""The keyed hash of a number."""


@dataclass
class Post:
    """A post as the other side saw it: when (true seconds), and how many segments."""

    at: float
    units: int


@dataclass
class World:
    """True time in seconds, what happens at which of them, and every post that was made."""

    seconds: float = 0.0
    posts: list[Post] = field(default_factory=list)
    due: list[tuple[float, Callable[[], None]]] = field(default_factory=list)
    dead: set[int] = field(default_factory=set)

    def pass_by(self, seconds: float) -> None:
        """Let time go by, and whatever is due in it happen."""
        end = self.seconds + max(seconds, 0.0)
        while self.due and min(at for at, _ in self.due) <= end:
            first = min(self.due, key=lambda one: one[0])
            self.due.remove(first)
            self.seconds = max(self.seconds, first[0])
            first[1]()
        self.seconds = max(end, self.seconds)

    def at(self, seconds: float, what: Callable[[], None]) -> None:
        """Let something happen so many seconds from now."""
        self.due.append((self.seconds + seconds, what))

    def gaps(self) -> list[float]:
        """Return the seconds between each post and the one before it, per segment of that one."""
        pairs = zip(self.posts, self.posts[1:], strict=False)
        return [(after.at - before.at) / before.units for before, after in pairs]


@dataclass
class Machine:
    """One host: its clocks, how far they are off, and since which boot it runs."""

    world: World
    host: str = "one"
    boot: str = "boot-1"
    namespace: str = "ns"
    wall_ahead: float = 0.0
    monotonic_ahead: float = 1000.0

    def now(self) -> datetime:
        return BEGAN + timedelta(seconds=self.world.seconds + self.wall_ahead)

    def sleep(self, pause: timedelta) -> None:
        self.world.pass_by(pause.total_seconds())

    def monotonic(self) -> float:
        return self.world.seconds + self.monotonic_ahead

    def sees_alive(self, holder: Holder, since: timedelta, out_of_sight: timedelta) -> bool:
        """Look at a process as :func:`redcap_jobs.state.process.is_alive` does."""
        if holder.host != self.host:
            return since < out_of_sight
        return holder.start.startswith(self.boot) and holder.pid not in self.world.dead

    def throttle(
        self, store: Store, pid: int, seconds_between: float = 1.05, *, loopback: bool = False
    ) -> Throttle:
        """Return the throttle as a process of this machine has it; ``store`` has its clock."""
        return Throttle(
            store,
            SENDER,
            f"run-{pid}",
            seconds_between=seconds_between,
            loopback=loopback,
            holder=Holder(self.host, pid, f"{self.boot}:ns:{pid}"),
            alive=self.sees_alive,
            monotonic=self.monotonic,
            boot=lambda: f"{self.boot}:{self.namespace}",
        )


def post(world: World, throttle: Throttle, units: int = 1, answer_seconds: float = 0.05) -> None:
    """Send one text through the throttle; its answer takes a while."""
    with throttle.slot(units) as slot:
        slot.posting()
        world.posts.append(Post(world.seconds, units))
        world.pass_by(answer_seconds)


def left_in_its_turn(throttle: Throttle, units: int = 1) -> Slot:
    """Take a turn as a process does that never comes to its end."""
    throttle._take()
    throttle._wait()
    return Slot(throttle, units)
