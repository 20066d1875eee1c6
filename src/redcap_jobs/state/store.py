"""Opening and creating the state, and the two kinds of transaction everything else is made of."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Self

from sqlalchemy import URL, Connection, Engine, inspect, select
from sqlalchemy.exc import DBAPIError

from redcap_jobs.clock import Clock, SystemClock
from redcap_jobs.errors import StateUnusable
from redcap_jobs.state import migrate, schema
from redcap_jobs.state.address import (
    URL_VARIABLE,
    default_url,
    missing,
    parse_url,
    shown,
)
from redcap_jobs.state.engine import explained, make_engine
from redcap_jobs.state.state_file import check_state_file, create_private_file


class Store:
    """An open state: ``with store.read()`` and ``with store.write()`` give a connection.

    ``url`` is safe to show (no password); ``path`` is the file of an SQLite state, else None.
    Made by :meth:`open` or :meth:`create`; a context manager that closes it.
    """

    def __init__(self, url: URL, clock: Clock | None = None) -> None:
        self.address = url
        self.url = shown(url)
        self.clock: Clock = clock or SystemClock()
        self.path = Path(url.database or "") if url.get_backend_name() == "sqlite" else None
        self._engine = make_engine(url)
        self._pid = os.getpid()
        self._left_behind: list[Engine] = []

    @classmethod
    def open(cls, url: str, *, clock: Clock | None = None) -> Self:
        """Open a state that exists, and bring its tables up to this release.

        Raises:
            StateMissing: There is none at this address.
            StateUnusable: It cannot be used: network disk, too new, damaged, readable by others.

        """
        store = cls(parse_url(url), clock)
        try:
            store._check_file()
            store._bring_up_to_date(create=False)
        except BaseException:
            store.close()
            raise
        return store

    @classmethod
    def create(cls, url: str, *, clock: Clock | None = None) -> Self:
        """Open a state, making it first if there is none; an SQLite file gets mode 0600.

        Raises:
            StateUnusable: It cannot be made or used there.

        """
        store = cls(parse_url(url), clock)
        try:
            if store.path is not None:
                create_private_file(store.path)
                store._check_file()
            store._bring_up_to_date(create=True)
        except BaseException:
            store.close()
            raise
        return store

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """Give a connection for reading."""
        with self._transaction(writes=False) as connection:
            yield connection

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """Give a connection for writing, alone; committed at the end, rolled back on an error."""
        with self._transaction(writes=True) as connection:
            yield connection

    @contextmanager
    def snapshot(self) -> Iterator[Connection]:
        """Give a connection whose every query sees the same moment."""
        with self._transaction(writes=False, snapshot=True) as connection:
            yield connection

    @contextmanager
    def _transaction(self, *, writes: bool, snapshot: bool = False) -> Iterator[Connection]:
        try:
            with self.engine.connect() as connection:
                connection = connection.execution_options(writes=writes)
                if snapshot and self.path is None:
                    connection = connection.execution_options(isolation_level="REPEATABLE READ")
                with connection.begin():
                    yield connection
        except DBAPIError as error:
            raise explained(error, self.address) from error

    @property
    def engine(self) -> Engine:
        """The engine; after a fork a new one, since no connection survives being shared."""
        if self._pid != os.getpid():
            self._left_behind.append(self._engine)
            self._engine = make_engine(self.address)
            self._pid = os.getpid()
        return self._engine

    def is_empty(self) -> bool:
        """Tell whether nothing was ever recorded here."""
        with self.read() as connection:
            return not any(
                connection.execute(select(table).limit(1)).first()
                for table in (
                    schema.runs,
                    schema.journal,
                    schema.decisions,
                    schema.ownership,
                    schema.stops,
                    schema.inbound,
                )
            )

    def close(self) -> None:
        """Let go of every connection."""
        if self._pid == os.getpid():
            self._engine.dispose()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def _check_file(self) -> None:
        if self.path is not None:
            check_state_file(self.path)

    def _bring_up_to_date(self, *, create: bool) -> None:
        with self.read() as connection:
            revision = migrate.revision_of(connection)
            tables = [] if revision else inspect(connection).get_table_names()
            if revision:
                migrate.check_release(connection)
        if revision == schema.REVISION or (revision and not migrate.is_known(revision)):
            return
        if not revision and self.path is not None and tables:
            raise StateUnusable(
                f"{self.path} is another program's database; correct {URL_VARIABLE}"
            )
        if not revision and not create:
            raise missing(f"the state {self.url} was never initialised")
        with migration_lock(self.path), self.write() as connection:
            migrate.upgrade(connection)


@contextmanager
def migration_lock(path: Path | None) -> Iterator[None]:
    """Let one process at a time change the tables of an SQLite state.

    On PostgreSQL the writer's place is enough: its transactions take the tables with them.
    """
    if path is None:
        yield
        return
    lock = Path(f"{path}.migrating")
    try:
        descriptor = os.open(lock, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise StateUnusable(
            f"{lock}: {error.strerror}; make it writable for this account"
        ) from error
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def open_state(url: str | None, *, production: bool, clock: Clock | None = None) -> Store:
    """Open the state a run must use.

    ``url`` is what ``REDCAP_JOBS_STATE_URL`` holds. A development run without one gets a state of
    its own under ``$XDG_STATE_HOME``, made on the fly; a named state is never made here.

    Raises:
        StateMissing: None is named for a production project, or the named one does not exist.
        StateUnusable: It cannot be used.

    """
    if url:
        return Store.open(url, clock=clock)
    if production:
        raise missing(f"{URL_VARIABLE} is not set")
    return Store.create(default_url(), clock=clock)
