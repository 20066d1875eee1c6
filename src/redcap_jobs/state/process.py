"""Which process holds something, and whether it still lives.

A pid alone is not enough, since pids are used again: a process is its host, pid and start, where
``start`` joins the machine's boot id, the pid namespace and the kernel's start tick. Linux only.
"""

from __future__ import annotations

import os
import socket
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sqlalchemy import RowMapping

PROC = Path("/proc")
OUT_OF_SIGHT = timedelta(hours=1)
"""A process on another host cannot be looked at: it counts as alive for this long after its last
sign. Taking over too early is safe, since the journal refuses to let a lost claim be posted."""


@dataclass(frozen=True)
class Holder:
    """One process on one host, told apart from every later one with the same pid."""

    host: str
    pid: int
    start: str

    def __str__(self) -> str:
        return f"pid {self.pid} on {self.host}"

    @property
    def columns(self) -> dict[str, str | int]:
        """The holder as the columns of whatever table it holds a row of."""
        return {"holder_host": self.host, "holder_pid": self.pid, "holder_start": self.start}

    @classmethod
    def of(cls, row: RowMapping) -> Holder:
        """Return who holds a row that has these columns."""
        return cls(row["holder_host"], row["holder_pid"], row["holder_start"])


def this_process() -> Holder:
    """Return the holder that stands for the running process (asked anew after every fork)."""
    pid = os.getpid()
    return Holder(socket.gethostname(), pid, start_of(pid) or "")


def start_of(pid: int) -> str | None:
    """Return ``boot:namespace:tick`` of a process on this machine, None when there is none.

    The tick is field 22 of ``/proc/PID/stat`` (proc(5)); the name in field 2 may hold anything,
    so fields are counted from the last parenthesis. A zombie is not alive.
    """
    try:
        stat = (PROC / str(pid) / "stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return None
    fields = stat.rpartition(")")[2].split()
    if fields[0] in ("Z", "X"):
        return None
    return f"{machine()}:{fields[19]}"


def machine() -> str:
    """Return ``boot id:pid namespace``: pids can be compared only where this is the same."""
    boot = (PROC / "sys/kernel/random/boot_id").read_text().strip()
    namespace = str((PROC / "self/ns/pid").readlink()).strip("pid:[]")
    return f"{boot}:{namespace}"


def is_alive(
    holder: Holder, since_last_sign: timedelta, out_of_sight: timedelta = OUT_OF_SIGHT
) -> bool:
    """Tell whether a holder still lives, as far as this machine can see.

    On this host the process is looked up; after a reboot it is dead. On another host, in another
    container, or where /proc hides it, it counts as alive until ``out_of_sight`` after its last
    sign.
    """
    boot, _, namespace = machine().partition(":")
    seen_boot, _, rest = holder.start.partition(":")
    if holder.host != socket.gethostname() or not holder.start:
        return since_last_sign < out_of_sight
    if seen_boot != boot:
        return False
    if rest.partition(":")[0] != namespace:
        return since_last_sign < out_of_sight
    try:
        return start_of(holder.pid) == holder.start
    except PermissionError:  # hidepid=1: another account's processes cannot be looked at
        return since_last_sign < out_of_sight
