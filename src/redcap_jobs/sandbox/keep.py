"""``--data DIR``: projects that outlive the process, in one SQLite file.

What is answered was written first: a store tells of its changed records before any reader sees
them, a project of its other values when it takes them on. Each is one transaction, so that a
process that is killed loses nothing it had answered and keeps nothing in halves. (After a power
failure the last moments may be missing, the rest is whole: the journal is not forced to the disk
for each import.) Faults are not kept.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from threading import Lock
from types import TracebackType
from typing import Self

from redcap_jobs.errors import StateError, StateUnusable
from redcap_jobs.sandbox.activity_log import Activity, ActivityLog
from redcap_jobs.sandbox.keep_folder import HeldFolder
from redcap_jobs.sandbox.keep_rows import (
    PARTS,
    SCHEMA,
    activity_of,
    activity_row,
    part_of,
    part_text,
    record_of,
    record_row,
)
from redcap_jobs.sandbox.plain_values import plain, value_of
from redcap_jobs.sandbox.project import SandboxProject
from redcap_jobs.sandbox.store import Snapshot, Store
from redcap_jobs.sandbox.stored_files import FileStore, StoredFile
from redcap_jobs.sandbox.unused_files import drop_unused

APPLICATION = 0x52434A53
"""SQLite's application_id of such a file: it tells it from any other database."""
FORMAT = 1
"""SQLite's user_version: raised when an older program could not read the file rightly."""

PUT_RECORD = (
    "insert into records (pid, name, dag, touched, locks, rows) values (?, ?, ?, ?, ?, ?) "
    "on conflict (pid, name) do update set dag = excluded.dag, touched = excluded.touched, "
    "locks = excluded.locks, rows = excluded.rows"
)
PUT_PART = "insert or replace into parts (pid, name, value) values (?, ?, ?)"
PUT_FILE = "insert or ignore into files (pid, key, name, mime, content) values (?, ?, ?, ?, ?)"
DROP_FILE = "delete from files where pid = ? and key = ?"
PUT_ACTIVITY = (
    "insert into activities (pid, at, username, kind, action, details, record, dag) "
    "values (?, ?, ?, ?, ?, ?, ?, ?)"
)


@dataclass(frozen=True)
class Source:
    """Where a project came from: the bundled study, a file, or a call with the super token.

    ``name`` is the study's copy or the file's path; ``made_of`` is how the study was made, or the
    SHA-256 of the file.
    """

    kind: str
    name: str = ""
    made_of: str = ""


CREATED = Source("created")


class Keeper:
    """The projects of one folder; use it as a context manager, around the server.

    Args:
        folder: Where they are kept; it is made if it is lacking.

    Raises:
        StateUnusable: The folder cannot be used, or its file is none of a sandbox or a newer one's.
        AnotherRunActive: Another sandbox holds the folder.

    """

    def __init__(self, folder: Path) -> None:
        self._folder = HeldFolder(folder)
        self.path = self._folder.database
        self._lock = Lock()
        self._written: dict[int, dict[str, object]] = {}
        self.sources: dict[int, Source] = {}
        try:
            self._db = opened(self.path)
            self.projects = self._loaded()
        except BaseException:
            self._folder.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Write no more, and let others have the folder."""
        with self._lock:
            self._db.close()
        self._folder.close()

    def created(self, project: SandboxProject) -> None:
        """Keep a project that was made with the super token."""
        self.add([(project, CREATED)])

    def add(self, projects: Sequence[tuple[SandboxProject, Source]]) -> None:
        """Keep new projects from now on: all of them, or none.

        Raises:
            StateError: They cannot be written.

        """
        with self._transaction() as db:
            for project, source in projects:
                pid = project.pid
                db.execute(
                    "insert into projects (pid, source) values (?, ?)",
                    (pid, json.dumps(plain(source))),
                )
                parts = ((pid, name, part_text(getattr(project, name))) for name in PARTS)
                db.executemany(PUT_PART, parts)
                records = project.store.current.records.items()
                db.executemany(PUT_RECORD, (record_row(pid, name, one) for name, one in records))
                files = project.files.all().values()
                db.executemany(PUT_FILE, (file_row(pid, one) for one in files))
                db.executemany(PUT_ACTIVITY, (activity_row(pid, one) for one in project.log.all()))
        for project, source in projects:
            self.sources[project.pid] = source
            self.projects.append(project)
            self._attach(project)

    def _attach(self, project: SandboxProject) -> None:
        """Be told of every change from now on."""
        self._written[project.pid] = {name: getattr(project, name) for name in PARTS}
        project.changed = self._project_changed
        project.store.published = partial(self._records_changed, project.pid)
        project.files.kept = partial(self._file_added, project.pid)
        project.files.dropped = partial(self._files_dropped, project.pid)
        project.log.added = partial(self._activities_added, project.pid)
        project.log.forgot = partial(self._records_forgotten, project.pid)
        project.log.regrouped = partial(self._log_regrouped, project.pid)

    def _project_changed(self, project: SandboxProject) -> None:
        written = self._written[project.pid]
        new = {
            name: getattr(project, name)
            for name in PARTS
            if getattr(project, name) is not written[name]
        }
        with self._transaction() as db:
            parts = ((project.pid, name, part_text(value)) for name, value in new.items())
            db.executemany(PUT_PART, parts)
        written.update(new)

    def _records_changed(self, pid: int, snapshot: Snapshot, names: frozenset[str]) -> None:
        records = snapshot.records
        kept = names if len(names) < 2 else [name for name in records if name in names]
        rows = [record_row(pid, name, records[name]) for name in kept if name in records]
        gone = [(pid, name) for name in names if name not in records]
        with self._transaction() as db:
            db.executemany("delete from records where pid = ? and name = ?", gone)
            db.executemany(PUT_RECORD, rows)

    def _file_added(self, pid: int, file: StoredFile) -> None:
        with self._transaction() as db:
            db.execute(PUT_FILE, file_row(pid, file))

    def _files_dropped(self, pid: int, keys: frozenset[str]) -> None:
        with self._transaction() as db:
            db.executemany(DROP_FILE, ((pid, key) for key in sorted(keys)))

    def _activities_added(self, pid: int, activities: Sequence[Activity]) -> None:
        with self._transaction() as db:
            db.executemany(PUT_ACTIVITY, (activity_row(pid, one) for one in activities))

    def _records_forgotten(self, pid: int, records: Sequence[str]) -> None:
        with self._transaction() as db:
            text = "delete from activities where pid = ? and record = ?"
            db.executemany(text, ((pid, name) for name in records))

    def _log_regrouped(self, pid: int, moved: Mapping[str, str]) -> None:
        # One statement, so that two groups may change their names with each other.
        cases = " ".join("when ? then ?" for _ in moved)
        names = [name for pair in moved.items() for name in pair]
        places = ", ".join("?" for _ in moved)
        text = (
            f"update activities set dag = case dag {cases} end where pid = ? and dag in ({places})"
        )
        with self._transaction() as db:
            db.execute(text, [*names, pid, *moved])

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        try:
            with self._lock:
                self._db.execute("begin immediate")
                try:
                    yield self._db
                    self._db.execute("commit")
                except BaseException:
                    if self._db.in_transaction:
                        self._db.execute("rollback")
                    raise
        except (sqlite3.Error, UnicodeEncodeError) as error:
            raise StateError(f"{self.path}: cannot be written: {error}") from error

    def _loaded(self) -> list[SandboxProject]:
        try:
            found = self._db.execute("select pid, source from projects order by rowid").fetchall()
            projects = [self._project(pid) for pid, _ in found]
            for pid, source in found:
                self.sources[pid] = value_of(Source, json.loads(source))
        except (sqlite3.Error, KeyError, TypeError, ValueError) as error:
            raise StateUnusable(
                f"{self.path}: cannot be read ({error!r}); take it from a backup, or name a new "
                "folder"
            ) from error
        for project in projects:
            self._attach(project)
            drop_unused(project, project.files.all())
        return projects

    def _project(self, pid: int) -> SandboxProject:
        def rows(columns: str, table: str, order: str) -> Iterator[tuple[str, ...]]:
            text = f"select {columns} from {table} where pid = ? order by {order}"
            return iter(self._db.execute(text, (pid,)))

        parts = {name: part_of(name, value) for name, value in rows("name, value", "parts", "name")}
        records = rows("name, dag, touched, locks, rows", "records", "id")
        files = rows("key, name, mime, content", "files", "key")
        logged = rows("at, username, kind, action, details, record, dag", "activities", "id")
        return SandboxProject(
            pid,
            **parts,
            store=Store(Snapshot({name: record_of(*rest) for name, *rest in records})),
            files=FileStore({key: StoredFile(*rest) for key, *rest in files}),  # type: ignore[arg-type]  # content is bytes
            log=ActivityLog(tuple(activity_of(values) for values in logged)),
        )


def file_row(pid: int, file: StoredFile) -> tuple[int, str, str, str, bytes]:
    """Return a file as it is kept."""
    return pid, file.key, file.name, file.mime, file.content


def opened(path: Path) -> sqlite3.Connection:
    """Return the database of a sandbox, made if the file is empty.

    Raises:
        StateUnusable: It is another program's file, a newer one's, or cannot be used.

    """
    try:
        db = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        application, version = (
            db.execute(f"pragma {name}").fetchone()[0]
            for name in ("application_id", "user_version")
        )
        tables = db.execute("select count(*) from sqlite_master").fetchone()[0]
        check_whose(path, application, version, tables)
        (mode,) = db.execute("pragma journal_mode = wal").fetchone()
        db.execute("pragma synchronous = normal")
        db.execute("pragma foreign_keys = on")
        if not tables:
            db.executescript(
                f"begin; {SCHEMA} pragma application_id = {APPLICATION}; "
                f"pragma user_version = {FORMAT}; commit;"
            )
    except sqlite3.Error as error:
        raise StateUnusable(f"{path}: cannot be used: {error}; name another folder") from error
    if mode != "wal":
        raise StateUnusable(f"{path}: lies on a disk without SQLite's WAL; name a local folder")
    return db


def check_whose(path: Path, application: int, version: int, tables: int) -> None:
    """Refuse a database that is none of a sandbox, or of a newer one."""
    if not tables and not application:
        return
    if application != APPLICATION:
        raise StateUnusable(f"{path}: is no sandbox's file; name another folder")
    if version > FORMAT:
        raise StateUnusable(
            f"{path}: was written by a newer redcap-jobs (format {version}, this one reads "
            f"{FORMAT}); upgrade it, or name another folder"
        )
