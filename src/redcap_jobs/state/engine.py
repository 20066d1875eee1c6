"""How each database is spoken to: one writer at a time, everything on disk before it counts."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

from sqlalchemy import URL, Connection, Engine, create_engine, event
from sqlalchemy.exc import DBAPIError

from redcap_jobs.errors import StateError, StateUnusable
from redcap_jobs.state.address import shown

if TYPE_CHECKING:
    from sqlalchemy.engine.interfaces import DBAPIConnection
    from sqlalchemy.pool import ConnectionPoolEntry

BUSY_SECONDS = 30
"""How long a writer waits for the one before it; every transaction is far shorter."""

SQLITE_SETTINGS = (
    "PRAGMA journal_mode=WAL",
    "PRAGMA synchronous=FULL",
    "PRAGMA foreign_keys=ON",
    f"PRAGMA busy_timeout={BUSY_SECONDS * 1000}",
)
POSTGRESQL_SETTINGS = {
    "synchronous_commit": "on",
    "lock_timeout": f"{BUSY_SECONDS}s",
    "idle_in_transaction_session_timeout": "120s",
    "idle_session_timeout": "0",
    "tcp_keepalives_idle": "30",
    "tcp_keepalives_interval": "10",
    "tcp_keepalives_count": "3",
}
"""Keepalives let the server notice a host that vanished, so that its lock dies with it."""


def advisory_number(name: str) -> int:
    """Return the 64-bit number under which PostgreSQL keeps an advisory lock of this name."""
    digest = hashlib.blake2b(f"redcap-jobs {name}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big", signed=True)


def make_engine(url: URL) -> Engine:
    """Return an engine whose ``begin`` takes the writer's place when ``writes`` is asked for.

    An engine's execution option ``writes=True`` makes SQLite BEGIN IMMEDIATE and PostgreSQL wait
    for one advisory lock, so that both run writing transactions strictly one after another and
    what is read inside one still holds when it commits. Statement parameters never show in errors.
    """
    if url.get_backend_name() == "sqlite":
        engine = create_engine(url, hide_parameters=True, connect_args={"timeout": BUSY_SECONDS})
        event.listen(engine, "connect", prepare_sqlite)
        event.listen(engine, "begin", begin_sqlite)
    else:
        require_driver(url)
        engine = create_engine(
            url,
            hide_parameters=True,
            isolation_level="READ COMMITTED",
            pool_pre_ping=True,
            pool_size=2,
            connect_args={"connect_timeout": 10, "application_name": "redcap-jobs"},
        )
        event.listen(engine, "connect", prepare_postgresql)
        event.listen(engine, "begin", begin_postgresql)
    return engine


def require_driver(url: URL) -> None:
    """Say what to install where PostgreSQL's driver is missing."""
    from importlib.util import find_spec

    if url.get_driver_name() == "psycopg" and find_spec("psycopg") is None:
        raise StateUnusable(
            "a state on PostgreSQL needs the postgres extra; type: "
            "pip install 'redcap-jobs[postgres]'"
        )


def prepare_sqlite(connection: Any, _entry: ConnectionPoolEntry) -> None:
    """Set a fresh SQLite connection up; transactions are begun by :func:`begin_sqlite`."""
    connection.isolation_level = None
    cursor = connection.cursor()
    try:
        for setting in SQLITE_SETTINGS:
            cursor.execute(setting)
    finally:
        cursor.close()


def begin_sqlite(connection: Connection) -> None:
    """Begin as a writer or as a reader; a reader sees one moment of the state throughout."""
    writes = connection.get_execution_options().get("writes", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


def prepare_postgresql(connection: DBAPIConnection, _entry: ConnectionPoolEntry) -> None:
    """Set a fresh PostgreSQL session up; a setting that an old server lacks is left out."""
    cursor = connection.cursor()
    try:
        for name, value in POSTGRESQL_SETTINGS.items():
            cursor.execute(
                "select set_config(name, %s, false) from pg_settings where name = %s", (value, name)
            )
    finally:
        cursor.close()
    connection.commit()


def begin_postgresql(connection: Connection) -> None:
    """Let one writer in at a time; the lock goes with the transaction."""
    if connection.get_execution_options().get("writes", False):
        number = advisory_number("one writer")
        connection.exec_driver_sql(f"select pg_advisory_xact_lock({number})")


def explained(error: DBAPIError, url: URL) -> StateError:
    """Turn a database's error into one line for a person.

    Only the first line of the driver's words is kept: PostgreSQL's DETAIL lines quote values.
    """
    words = (str(error.orig).strip().splitlines() or [type(error.orig).__name__])[0]
    for kind, hints in ((StateError, HINTS), (StateUnusable, SETUP_HINTS)):
        for part, hint in hints.items():
            if part in words.lower():
                return kind(f"the state {shown(url)}: {words}; {hint}")
    return StateError(f"the state {shown(url)}: {words}")


HINTS = {
    "database is locked": f"another program held it for {BUSY_SECONDS} s; see what runs there",
    "lock timeout": f"another program held it for {BUSY_SECONDS} s; see what runs there",
    "disk is full": "make room, then start the same command again",
    "disk i/o error": "look at the disk (dmesg, df); do not restore before a copy is made",
    "connection refused": "is PostgreSQL running, and are host and port right?",
}
"""Of faults that may be gone at the next try."""

RESTORE = (
    "stop the jobs, move the file away together with its -wal and -shm, then: "
    "redcap-jobs state restore BACKUP --env-file .env"
)
SETUP_HINTS = {
    "not a database": f"correct REDCAP_JOBS_STATE_URL. If that was the state, {RESTORE}",
    "malformed": f"it is damaged: {RESTORE}",
    "readonly": "it belongs to another account; run as the account that cron uses",
    "unable to open": "it belongs to another account, or its folder cannot be written",
    "password authentication": "correct user and password in REDCAP_JOBS_STATE_URL",
    "does not exist": "create the database first (createdb), then: redcap-jobs state init",
}
"""Of what stays wrong until somebody mends it."""
