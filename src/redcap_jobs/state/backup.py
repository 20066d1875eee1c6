"""Saving the state to one file, and putting it back into either database.

A backup is always an SQLite state file of its own, whatever the state lives in: it can be looked
into, opened, and restored to SQLite or PostgreSQL.
"""

from __future__ import annotations

import os
import sqlite3
import tempfile
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, delete, insert, select

from redcap_jobs.errors import StateError, StateUnusable, UsageError
from redcap_jobs.state import migrate, schema
from redcap_jobs.state.state_file import create_private_file, may, no_access
from redcap_jobs.state.store import Store

if TYPE_CHECKING:
    from redcap_jobs.clock import Clock

ROWS_AT_ONCE = 1000


def backup(store: Store, target: Path) -> None:
    """Save a state as it is at one moment to ``target``, mode 0600; runs may go on meanwhile.

    An earlier backup at ``target`` is replaced, whole or not at all; nothing else is.

    Raises:
        UsageError: ``target`` is the state itself, or a file that is no backup.
        StateError: The copy could not be made or is not sound.

    """
    check_target(store, target)
    partial = empty_file_beside(target)
    try:
        if store.path is not None:
            copy_file(store.path, partial)
        else:
            copy_tables_to_file(store, partial)
        check_sound(partial)
        partial.replace(target)
    except OSError as error:
        raise StateError(f"{target} could not be written: {error.strerror}") from error
    finally:
        partial.unlink(missing_ok=True)


def empty_file_beside(target: Path) -> Path:
    """Make an empty private file in the folder of ``target``, to take its place when complete."""
    try:
        descriptor, name = tempfile.mkstemp(prefix=f".{target.name}.", dir=target.parent)
    except PermissionError:
        raise UsageError(
            f"{no_access(target.parent, 'make a file in')}, or name another folder"
        ) from None
    except OSError as error:
        raise StateError(f"no backup can be made in {target.parent}: {error.strerror}") from error
    os.close(descriptor)
    return Path(name)


def check_target(store: Store, target: Path) -> None:
    """Refuse a target that is the state itself, lies nowhere, or is some other file.

    Raises:
        UsageError: It is one of these; the message says what to name instead.

    """
    if not os.path.isdir(target.parent):  # noqa: PTH112 - Path.is_dir raises without permission
        raise UsageError(
            f"{target.parent} is no folder; make it first: mkdir -m 700 {target.parent}"
        )
    if not os.path.lexists(target):
        return
    if not target.is_file():
        raise UsageError(f"{target} exists and is no file; name another file for the backup")
    if not may(target, os.R_OK):
        raise UsageError(f"{no_access(target, 'read')}, or name another file for the backup")
    if store.path is not None and target.samefile(store.path):
        raise UsageError(f"{target} is the state itself; name another file for the backup")
    if target.stat().st_size and not is_state_file(target):
        raise UsageError(f"{target} exists and is no backup of a state; name another file")


def is_state_file(path: Path) -> bool:
    """Tell whether a file is an SQLite database that holds a state."""
    try:
        with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)) as opened:
            query = "select 1 from sqlite_master where name = ?"
            return opened.execute(query, (migrate.VERSION_TABLE,)).fetchone() is not None
    except sqlite3.Error:
        return False


def copy_file(source: Path, target: Path) -> None:
    """Copy an SQLite database in use with SQLite's online backup."""
    try:
        with (
            closing(sqlite3.connect(f"{source.as_uri()}?mode=ro", uri=True)) as origin,
            closing(sqlite3.connect(target)) as copy,
        ):
            origin.backup(copy)
            copy.execute("pragma journal_mode=delete")
    except sqlite3.Error as error:
        raise StateError(f"{source} could not be saved to {target.parent}: {error}") from error


def copy_tables_to_file(store: Store, target: Path) -> None:
    """Copy a PostgreSQL state, as it is at one moment, into a fresh SQLite file."""
    with (
        Store.create(f"sqlite:///{target.absolute()}", clock=store.clock) as copy,
        store.snapshot() as origin,
        copy.write() as connection,
    ):
        require_own_revision(origin, store.url)
        copy_tables(origin, connection)
    with closing(sqlite3.connect(target)) as opened:
        opened.execute("pragma journal_mode=delete")
    Path(f"{target}.migrating").unlink(missing_ok=True)


def require_own_revision(connection: Connection, where: str) -> None:
    """Refuse to copy tables this release knows only in part."""
    revision = migrate.revision_of(connection)
    if revision != schema.REVISION:
        raise StateUnusable(
            f"{where} is at revision {revision}, this release knows {schema.REVISION}; save it "
            "with the release that made it, or with pg_dump"
        )


def copy_tables(origin: Connection, target: Connection) -> None:
    """Replace every table's rows by those of another state of the same revision."""
    for table in schema.metadata.sorted_tables:
        target.execute(delete(table))
        for batch in origin.execute(select(table)).mappings().partitions(ROWS_AT_ONCE):
            target.execute(insert(table), [dict(row) for row in batch])


def check_sound(path: Path) -> None:
    """Raise StateUnusable unless SQLite finds the file whole and it holds a state."""
    try:
        with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)) as opened:
            verdict: Any = opened.execute("pragma integrity_check").fetchone()[0]
    except sqlite3.Error as error:
        verdict = str(error)
    if verdict == "ok" and not is_state_file(path):
        verdict = "another program's database"
    if verdict != "ok":
        words = verdict.splitlines()[0]
        raise StateUnusable(
            f"{path} is no sound backup of a state ({words}); nothing was changed. Name a file "
            "that redcap-jobs state backup made"
        )


def restore(
    source: Path, url: str, *, overwrite: bool = False, clock: Clock | None = None
) -> Store:
    """Put a backup into the state at ``url``, which is made if there is none; return it open.

    A backup of an older release is brought up to this one on the way; the file itself is not
    changed. The state remembers when and from what it was restored: what was sent since then
    stands only in REDCap's own message log.

    Raises:
        StateUnusable: The file is no sound backup, or needs a newer release.
        UsageError: The state there is not empty, and ``overwrite`` was not said; or the file is
            not there, or may not be read.

    """
    if not os.path.isfile(source):  # noqa: PTH113 - Path.is_file raises without permission
        raise UsageError(
            f"{source} does not exist, or not for this account; name a file that redcap-jobs "
            "state backup made"
        )
    if not may(source, os.R_OK):
        raise UsageError(no_access(source, "read"))
    check_sound(source)
    with tempfile.TemporaryDirectory(prefix="redcap-jobs-restore-") as folder:
        working = Path(folder) / "state.db"
        create_private_file(working)
        copy_file(source.absolute(), working)
        with Store.open(f"sqlite:///{working}", clock=clock) as saved:
            store = Store.create(url, clock=clock)
            try:
                put_back(saved, store, source, overwrite=overwrite)
            except BaseException:
                store.close()
                raise
    return store


def put_back(saved: Store, store: Store, source: Path, *, overwrite: bool) -> None:
    """Replace what ``store`` holds by what ``saved`` holds, in one transaction."""
    if not overwrite and not store.is_empty():
        raise UsageError(
            f"the state {store.url} is not empty: what it knows of texts already sent would be "
            "lost. Save it first (redcap-jobs state backup FILE), then say --overwrite"
        )
    with saved.read() as origin, store.write() as connection:
        require_own_revision(origin, str(source))
        require_own_revision(connection, store.url)
        copy_tables(origin, connection)
        stamp = f"{store.clock.now():{schema.INSTANT_FORMAT}} from {source.name}"
        connection.execute(delete(schema.meta).where(schema.meta.c.name == "restored"))
        connection.execute(insert(schema.meta).values(name="restored", value=stamp))
