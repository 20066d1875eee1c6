"""The folder of ``--data``: made private, and held by one sandbox at a time."""

from __future__ import annotations

import fcntl
import json
import os
import stat
from datetime import UTC, datetime
from pathlib import Path

from redcap_jobs.errors import AnotherRunActive, StateUnusable

DATABASE = "sandbox.sqlite3"
LOCK = "sandbox.lock"


class HeldFolder:
    """A folder that only its owner can look into, locked until it is closed or the process ends.

    Args:
        path: It is made if it is lacking; one that exists is either empty or a sandbox's.

    Raises:
        StateUnusable: It cannot be used, others can look into it, or it holds other things.
        AnotherRunActive: Another sandbox holds it; the message names it.

    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.database = path / DATABASE
        try:
            prepare(path)
            self._lock = os.open(path / LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise StateUnusable(f"{path}: cannot be used to keep data: {error.strerror}") from None
        try:
            self._take()
            os.close(os.open(self.database, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600))
        except OSError as error:
            os.close(self._lock)
            raise StateUnusable(f"{self.database}: cannot be used: {error.strerror}") from None
        except AnotherRunActive:
            os.close(self._lock)
            raise

    def _take(self) -> None:
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise AnotherRunActive(
                f"{self.path}: another sandbox keeps its data there{holder(self._lock)}; stop it, "
                "or name another folder"
            ) from None
        words = {"pid": os.getpid(), "since": datetime.now(UTC).isoformat(timespec="seconds")}
        os.ftruncate(self._lock, 0)
        os.pwrite(self._lock, json.dumps(words).encode(), 0)

    def close(self) -> None:
        """Let others have the folder. The lock's file stays: removing it would let two hold it."""
        os.ftruncate(self._lock, 0)
        os.close(self._lock)


def prepare(path: Path) -> None:
    """Make the folder if it is lacking, and look at what is there.

    Raises:
        StateUnusable: Others can look into it, or it holds other things.
        OSError: It cannot be made or read.

    """
    path.mkdir(mode=0o700, parents=True, exist_ok=True)
    names = {one.name for one in path.iterdir()}
    if DATABASE not in names:
        if names - {LOCK}:
            raise StateUnusable(
                f"{path}: holds other things and no sandbox; name a new or an empty folder"
            )
        path.chmod(0o700)
    for one in (path, path / DATABASE):
        if one.exists() and stat.S_IMODE(one.stat().st_mode) & 0o077:
            mode = "700" if one is path else "600"
            raise StateUnusable(f"{one} is open to other users; type: chmod {mode} {one}")


def holder(lock: int) -> str:
    """Return who holds the lock, as far as its file says."""
    try:
        words = json.loads(os.pread(lock, 4096, 0))
        return f" (process {words['pid']}, since {words['since']})"
    except (ValueError, KeyError, TypeError):
        return ""
