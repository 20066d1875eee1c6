"""The state is created and opened safely, and refuses places where it could not be trusted."""

from __future__ import annotations

import os
import sqlite3
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import insert, text, update

from redcap_jobs.errors import ExitCode, StateError, StateMissing
from redcap_jobs.state import migrate, schema
from redcap_jobs.state.store import Store, open_state


def test_migrations_build_exactly_the_tables_of_the_schema(store: Store) -> None:
    """What the revisions create and what the code declares are the same, on both databases."""
    with store.read() as connection:
        context = MigrationContext.configure(
            connection, opts={"version_table": migrate.VERSION_TABLE, "compare_type": True}
        )
        assert compare_metadata(context, schema.metadata) == []
        assert migrate.revision_of(connection) == schema.REVISION


def test_newest_revision_is_the_one_the_code_names() -> None:
    """Opening compares with REVISION and skips Alembic, so it must be Alembic's head."""
    scripts = ScriptDirectory.from_config(migrate.configuration())
    assert scripts.get_current_head() == schema.REVISION


def test_creating_twice_keeps_what_is_there(url: str) -> None:
    """`state init` on an existing state changes nothing."""
    with Store.create(url) as first, first.write() as connection:
        connection.execute(insert(schema.meta).values(name="kept", value="yes"))
    with Store.create(url) as second, second.read() as connection:
        assert connection.execute(text("select value from meta where name = 'kept'")).scalar() == (
            "yes"
        )


def test_a_state_that_was_never_initialised_is_missing(url: str) -> None:
    """Opening never creates: only `state init` does (exit 4, names the command)."""
    with pytest.raises(StateMissing, match="redcap-jobs state init") as caught:
        Store.open(url)
    assert caught.value.exit_code == ExitCode.REFUSED


def test_production_without_a_state_is_refused_by_name() -> None:
    """A production run without REDCAP_JOBS_STATE_URL does not invent a state."""
    with pytest.raises(StateMissing, match="REDCAP_JOBS_STATE_URL is not set"):
        open_state(None, production=True)


@pytest.mark.parametrize("production", [True, False])
def test_a_named_state_is_never_made_on_the_fly(tmp_path: Path, production: bool) -> None:
    """A typing mistake in the URL must not give an empty journal, in either mode."""
    with pytest.raises(StateMissing):
        open_state(f"sqlite:///{tmp_path}/typo.db", production=production)
    assert list(tmp_path.iterdir()) == []


def test_development_without_a_state_gets_one_under_xdg_state_home(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A development run works at once; its state lies where the XDG specification says."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "xdg"))
    with open_state(None, production=False) as store:
        assert store.path == tmp_path / "xdg/redcap-jobs/state.db"
        assert store.is_empty()


def test_files_are_private_whatever_the_umask(tmp_path: Path) -> None:
    """State file, write-ahead log and new folder are closed to others even under umask 0."""
    folder = tmp_path / "new"
    before = os.umask(0)
    try:
        with Store.create(f"sqlite:///{folder}/state.db") as store, store.write() as connection:
            connection.execute(insert(schema.meta).values(name="a", value="b"))
            modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()}
    finally:
        os.umask(before)
    assert set(modes.values()) == {0o600}
    assert {"state.db", "state.db-wal"} <= set(modes)
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700


def test_a_state_open_to_others_is_refused_with_the_chmod(tmp_path: Path) -> None:
    """Like a readable .env: the message is the command to type."""
    url = f"sqlite:///{tmp_path}/state.db"
    Store.create(url).close()
    (tmp_path / "state.db").chmod(0o640)
    with pytest.raises(StateError, match=f"chmod 600 {tmp_path}/state.db"):
        Store.open(url)


def test_sqlite_commits_reach_the_disk(tmp_path: Path) -> None:
    """WAL with synchronous=FULL (2): a committed claim survives a power failure."""
    with Store.create(f"sqlite:///{tmp_path}/state.db") as store, store.read() as connection:
        found = {
            name: connection.exec_driver_sql(f"PRAGMA {name}").scalar()
            for name in ("journal_mode", "synchronous", "foreign_keys", "busy_timeout")
        }
    assert found == {
        "journal_mode": "wal", "synchronous": 2, "foreign_keys": 1, "busy_timeout": 30000,
    }  # fmt: skip


def test_postgresql_commits_reach_the_disk(postgresql: object) -> None:
    """synchronous_commit is on for our sessions, whatever the server's default."""
    url = postgresql.new_database()  # type: ignore[attr-defined]  # the Server of conftest
    with Store.create(url) as store, store.read() as connection:
        assert connection.exec_driver_sql("show synchronous_commit").scalar() == "on"


def test_an_error_rolls_the_transaction_back(store: Store) -> None:
    """Half a transaction is never kept."""

    def fail_half_way() -> None:
        with store.write() as connection:
            connection.execute(insert(schema.meta).values(name="half", value="done"))
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail_half_way()
    with store.read() as connection:
        query = text("select count(*) from meta where name = 'half'")
        assert connection.execute(query).scalar() == 0


def test_a_newer_state_is_refused_by_name_of_the_release(url: str) -> None:
    """A rolled-back program must not write a state it does not understand."""
    with Store.create(url) as store, store.write() as connection:
        oldest = schema.meta.c.name == "oldest_release"
        connection.execute(update(schema.meta).where(oldest).values(value="99.1.0"))
    with pytest.raises(StateError, match=r"needs redcap-jobs 99\.1\.0 or newer"):
        Store.open(url)


def test_a_newer_state_that_allows_this_release_works(url: str) -> None:
    """Additive revisions unknown to this release do not stop a roll-back of the program."""
    with Store.create(url) as store, store.write() as connection:
        connection.execute(text(f"update {migrate.VERSION_TABLE} set version_num = '7777'"))
        connection.execute(text("alter table runs add column from_the_future text"))
    with Store.open(url) as store:
        assert store.is_empty()


@pytest.mark.parametrize(
    ("older", "newer"), [("0.9.9", "0.10.0"), ("1.0", "1.0.1"), ("1.2.0rc1", "1.3")]
)
def test_releases_compare_as_numbers(older: str, newer: str) -> None:
    """0.10 is newer than 0.9."""
    assert migrate.release_number(older) < migrate.release_number(newer)


def test_another_programs_database_is_not_touched(tmp_path: Path) -> None:
    """An SQLite file with foreign tables is refused, not filled with ours."""
    path = tmp_path / "other.db"
    other = sqlite3.connect(path)
    other.execute("create table theirs (x)")
    other.close()
    path.chmod(0o600)
    with pytest.raises(StateError, match="another program's database"):
        Store.create(f"sqlite:///{path}")


def test_a_file_that_is_no_database_is_one_clear_line(tmp_path: Path) -> None:
    """A damaged or wrong file ends with a sentence, not with the driver's traceback."""
    path = tmp_path / "state.db"
    path.write_text("not a database at all, " * 100)
    path.chmod(0o600)
    with pytest.raises(StateError, match="correct REDCAP_JOBS_STATE_URL"):
        Store.open(f"sqlite:///{path}")


def test_a_full_disk_is_one_clear_line_and_changes_nothing(tmp_path: Path) -> None:
    """SQLITE_FULL, here by a limit on pages: says to make room; the transaction is gone whole."""

    def fill() -> None:
        with store.write() as connection:
            connection.exec_driver_sql("PRAGMA max_page_count=1")
            rows = [{"name": str(number), "value": "x" * 4000} for number in range(100)]
            connection.execute(insert(schema.meta), rows)

    with Store.create(f"sqlite:///{tmp_path}/state.db") as store:
        with pytest.raises(StateError, match="disk is full; make room"):
            fill()
        with store.read() as connection:
            assert connection.execute(text("select count(*) from meta")).scalar() == 1


def test_the_heavy_libraries_are_not_imported_for_help() -> None:
    """SQLAlchemy, Alembic and pandas are paid for only when a state is opened."""
    modules = "redcap_jobs.commands.state, redcap_jobs.commands.runs, redcap_jobs.state.scope"
    light = f"import sys, {modules}, redcap_jobs.state.address, redcap_jobs.state.process"
    check = "print(*{'sqlalchemy', 'alembic', 'pandas', 'psycopg'} & set(sys.modules))"
    done = subprocess.run(
        [sys.executable, "-c", f"{light}; {check}"], capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == []


def test_a_fork_does_not_share_connections(store: Store) -> None:
    """A child forked from a process with an open state works on connections of its own."""
    store.is_empty()
    child = os.fork()
    if child == 0:
        try:
            with store.write() as connection:
                connection.execute(insert(schema.meta).values(name="child", value="wrote"))
            os._exit(0)
        finally:
            os._exit(1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    with store.read() as connection:
        query = text("select value from meta where name = 'child'")
        assert connection.execute(query).scalar() == "wrote"


def test_two_processes_may_create_at_once(new_url: Callable[[], str]) -> None:
    """Whoever comes second finds a finished state, not half a migration."""
    url = new_url()
    children = []
    for _ in range(3):
        child = os.fork()
        if child == 0:
            code = 1
            try:
                Store.create(url).close()
                code = 0
            finally:
                os._exit(code)
        children.append(child)
    codes = [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children]
    assert codes == [0, 0, 0]
    with Store.open(url) as store:
        assert store.is_empty()
