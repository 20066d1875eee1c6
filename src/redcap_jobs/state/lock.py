"""One run per job and project: a lock that dies with its process and says who holds it.

SQLite: ``flock(2)`` on a 0600 file beside the database, so every account and process that shares
the file shares the lock, and the kernel lets go when the process ends, however it ends.
PostgreSQL: a session's advisory lock on a connection of its own, so the server lets go when the
connection ends, also on another host; the ``locks`` table only names the holder.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import delete, insert, select, text
from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from redcap_jobs.errors import AnotherRunActive, StateError
from redcap_jobs.state.engine import advisory_number, explained
from redcap_jobs.state.process import this_process
from redcap_jobs.state.runs import unix_user
from redcap_jobs.state.schema import INSTANT_FORMAT, locks
from redcap_jobs.state.scope import JobScope, ProjectKey

if TYPE_CHECKING:
    from redcap_jobs.clock import Clock
    from redcap_jobs.state.store import Store

Confirm = Callable[[], None]
"""Raises StateError if the lock was lost (the PostgreSQL server was restarted, say)."""


@contextmanager
def job_lock(
    store: Store, project: ProjectKey, job: str, run_id: str, clock: Clock | None = None
) -> Iterator[Confirm]:
    """Hold the lock of one job on one project; yields a function that confirms it is still held.

    Ask it before anything that cannot be repeated. The lock is freed at the end of the block, or
    when this process dies.

    Raises:
        AnotherRunActive: Another process holds it; the message names run, user, host, pid, since.

    """
    now = (clock or store.clock).now()
    scope = JobScope(project, job)
    take = file_lock if store.path is not None else session_lock
    with take(store, scope, run_id, now) as confirm:
        yield confirm


def holder_words(run_id: str, now: datetime) -> dict[str, str]:
    """Return what the next one in line is told about this process."""
    holder = this_process()
    return {
        "run_id": run_id,
        "host": holder.host,
        "pid": str(holder.pid),
        "process_start": holder.start,
        "unix_user": unix_user(),
        "since": now.strftime(INSTANT_FORMAT),
    }


def refusal(scope: JobScope, words: dict[str, str]) -> AnotherRunActive:
    """Say who holds the lock, and what to do."""
    what = f"another run of {scope.job} on {scope.project.words} is active"
    if not words:
        return AnotherRunActive(f"{what}; wait until it has ended")
    since = words["since"].partition(".")[0].replace("T", " ")
    return AnotherRunActive(
        f"{what}: run {words['run_id']} by {words['unix_user']} on "
        f"{words['host']}, pid {words['pid']}, since {since} UTC; wait until it has ended, or "
        f"look at it: redcap-jobs runs {words['run_id']}"
    )


@contextmanager
def file_lock(store: Store, scope: JobScope, run_id: str, now: datetime) -> Iterator[Confirm]:
    """Hold an exclusive ``flock`` on the file of one job and project.

    The file is never removed: a process that has it open would lock a file nobody else sees.
    """
    folder = Path(f"{store.path}.locks")
    name = hashlib.blake2b(str(scope).encode(), digest_size=8).hexdigest()
    try:
        folder.mkdir(mode=0o700, exist_ok=True)
        path = folder / f"{scope.job}-{name}"
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise StateError(f"{folder}: the lock cannot be taken: {error.strerror}") from error
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise refusal(scope, words_in(descriptor)) from None
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, json.dumps(holder_words(run_id, now)).encode(), 0)
        yield lambda: None
        os.ftruncate(descriptor, 0)
    finally:
        os.close(descriptor)


def words_in(descriptor: int) -> dict[str, str]:
    """Read the holder's words; empty in the instant between its lock and its writing."""
    try:
        words: dict[str, str] = json.loads(os.pread(descriptor, 4096, 0))
    except ValueError:
        return {}
    return words


@contextmanager
def session_lock(store: Store, scope: JobScope, run_id: str, now: datetime) -> Iterator[Confirm]:
    """Hold a session's advisory lock on a connection that is used for nothing else."""
    number = advisory_number(f"job {scope}")
    engine = store.engine.execution_options(isolation_level="AUTOCOMMIT")
    try:
        connection = engine.connect()
    except DBAPIError as error:
        raise explained(error, store.address) from error
    connection.detach()
    try:
        if not connection.scalar(text("select pg_try_advisory_lock(:number)"), {"number": number}):
            raise refusal(scope, named_holder(store, scope))
        name_holder(store, scope, run_id, now)

        def confirm() -> None:
            try:
                connection.scalar(text("select 1"))
            except DBAPIError as error:
                raise StateError(
                    f"the lock of {scope} was lost with its connection to {store.url}; nothing "
                    "more is done, the next run goes on from here"
                ) from error

        try:
            yield confirm
            name_holder(store, scope, None, now)
        finally:
            # closing alone frees it a moment later, when the server notices
            with suppress(SQLAlchemyError):
                connection.scalar(text("select pg_advisory_unlock(:number)"), {"number": number})
    finally:
        connection.close()


def name_holder(store: Store, scope: JobScope, run_id: str | None, now: datetime) -> None:
    """Write who holds a lock, or that nobody does; the advisory lock alone decides."""
    with store.write() as connection:
        connection.execute(delete(locks).where(locks.c.name == str(scope)))
        if run_id is not None:
            words = holder_words(run_id, now)
            values = words | {"name": str(scope), "pid": int(words["pid"]), "since": now}
            connection.execute(insert(locks).values(values))


def named_holder(store: Store, scope: JobScope) -> dict[str, str]:
    """Return the words of the one that took a lock last."""
    with store.read() as connection:
        row = connection.execute(select(locks).where(locks.c.name == str(scope))).mappings().first()
    if row is None:
        return {}
    words = {name: str(value) for name, value in row.items()}
    return words | {"since": row["since"].strftime(INSTANT_FORMAT)}
