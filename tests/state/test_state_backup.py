"""A backup is one private file that goes back into either database, and destroys nothing."""

from __future__ import annotations

import sqlite3
import stat
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import select
from tests.state.conftest import StillClock
from tests.state.postgres import Server

from redcap_jobs.errors import StateError, StateMissing, UsageError
from redcap_jobs.state import schema
from redcap_jobs.state.backup import backup, restore
from redcap_jobs.state.journal import Journal
from redcap_jobs.state.journal_entry import Claimed, Intent
from redcap_jobs.state.ownership import claim_fields
from redcap_jobs.state.runs import RunEnd, RunStart, finish_run, start_run
from redcap_jobs.state.scope import ProjectKey
from redcap_jobs.state.store import Store


@pytest.fixture
def filled(store: Store, project: ProjectKey, clock: StillClock) -> Store:
    """Fill a state with a run, owned fields and a journal in several states."""
    start = RunStart("ismile", "send-surveys", project, "A", "A", clock.now(), "hash", {"x": [1]})
    run_id = start_run(store, start)
    run = Journal(store, run_id)
    for number in range(3):
        claim = run.claim(Intent(f"k{number}", "text", project, "send-surveys", "1001", "m2"))
        assert isinstance(claim, Claimed)
        if number:
            run.begin_posting(claim)
            run.sent(claim, f"SM{number}")
    claim_fields(store, project, ["vt_state", "vt_target"], run_id)
    finish_run(store, run_id, RunEnd("done", 0, "zwei Texte verschickt: größer", {"sent": 2}))
    return store


def everything(store: Store) -> dict[str, list[tuple[str, ...]]]:
    """Return every row of every table, but the mark of a restore."""
    with store.read() as connection:
        rows = {
            table.name: sorted(tuple(map(repr, row)) for row in connection.execute(select(table)))
            for table in schema.metadata.sorted_tables
        }
    rows["meta"] = [row for row in rows["meta"] if row[0] != "'restored'"]
    return rows


@pytest.fixture(params=["sqlite", "postgresql"])
def elsewhere(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Name an empty place on each database, whatever the state under test lives in."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/restored/state.db"
    server: Server = request.getfixturevalue("postgresql")
    return server.new_database()


def test_a_backup_restored_elsewhere_is_the_same_state(
    filled: Store, elsewhere: str, tmp_path: Path
) -> None:
    """From either database into either: every row comes back, and the restore is remembered."""
    backup(filled, tmp_path / "saved.db")
    with restore(tmp_path / "saved.db", elsewhere, clock=filled.clock) as restored:
        assert everything(restored) == everything(filled)
        with restored.read() as connection:
            query = select(schema.meta.c.value).where(schema.meta.c.name == "restored")
            stamp = connection.execute(query).scalar()
    assert stamp == "2026-11-22T21:44:55.000000Z from saved.db"


def test_a_backup_is_one_private_file_that_opens(filled: Store, tmp_path: Path) -> None:
    """Mode 0600, nothing beside it, a state of its own."""
    folder = tmp_path / "backups"
    folder.mkdir()
    backup(filled, folder / "saved.db")
    assert [path.name for path in folder.iterdir()] == ["saved.db"]
    assert stat.S_IMODE((folder / "saved.db").stat().st_mode) == 0o600
    with Store.open(f"sqlite:///{folder}/saved.db") as opened:
        assert everything(opened) == everything(filled)


def test_an_earlier_backup_of_that_name_is_replaced(
    filled: Store, project: ProjectKey, tmp_path: Path
) -> None:
    """The nightly line of the crontab may run twice a day."""
    backup(filled, tmp_path / "saved.db")
    claim_fields(filled, project, ["vt_opens"], "later")
    backup(filled, tmp_path / "saved.db")
    with Store.open(f"sqlite:///{tmp_path}/saved.db") as opened:
        assert everything(opened) == everything(filled)


def test_a_backup_never_replaces_anything_else(filled: Store, tmp_path: Path) -> None:
    """Not the state itself, not a study file, not a folder that is lacking."""
    study = tmp_path / "study.toml"
    study.write_text("format = 1\n")
    with pytest.raises(UsageError, match="is no backup of a state"):
        backup(filled, study)
    with pytest.raises(UsageError, match="make it first: mkdir"):
        backup(filled, tmp_path / "lacking" / "saved.db")
    if filled.path is not None:
        with pytest.raises(UsageError, match="is the state itself"):
            backup(filled, filled.path)
    assert study.read_text() == "format = 1\n"


@pytest.mark.parametrize("new_url", ["postgresql"], indirect=True)
def test_a_backup_is_of_one_moment(
    filled: Store, project: ProjectKey, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is written while a PostgreSQL state is being copied is in it whole or not at all."""
    real = Store.snapshot

    def and_a_write_comes_between(store: Store) -> Iterator[object]:
        with real(store) as connection:
            connection.execute(select(schema.runs)).all()
            claim_fields(store, project, ["between"], "r")
            yield connection

    monkeypatch.setattr(Store, "snapshot", contextmanager(and_a_write_comes_between))
    backup(filled, tmp_path / "saved.db")
    with closing(sqlite3.connect(tmp_path / "saved.db")) as opened:
        fields = {row[0] for row in opened.execute("select field from ownership")}
    assert fields == {"vt_state", "vt_target"}


def test_a_state_that_is_not_empty_is_not_overwritten_unasked(
    filled: Store, new_url: Callable[[], str], tmp_path: Path, clock: StillClock
) -> None:
    """Losing a journal means texting twice: it takes --overwrite, and says what to do before."""
    empty_url, full_url = new_url(), new_url()
    backup(filled, tmp_path / "saved.db")
    with Store.create(empty_url, clock=clock) as empty:
        backup(empty, tmp_path / "empty.db")
    restore(tmp_path / "saved.db", full_url, clock=clock).close()
    with pytest.raises(UsageError, match=r"is not empty.*backup FILE.*--overwrite"):
        restore(tmp_path / "empty.db", full_url)
    with Store.open(full_url) as kept:
        assert everything(kept) == everything(filled)
    clock.sleep(timedelta(days=1))
    with restore(tmp_path / "empty.db", full_url, overwrite=True, clock=clock) as replaced:
        assert replaced.is_empty()


@pytest.mark.parametrize("damage", ["cut", "text", "other"])
def test_what_is_no_sound_backup_is_refused_before_anything_happens(
    filled: Store, new_url: Callable[[], str], tmp_path: Path, damage: str
) -> None:
    """Half a file, no database, another database: nothing is created or changed."""
    file = tmp_path / "saved.db"
    backup(filled, file)
    if damage == "cut":
        file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])
    elif damage == "text":
        file.write_text("not a database " * 100)
    else:
        file.unlink()
        with closing(sqlite3.connect(file)) as other:
            other.execute("create table theirs (x)")
    url = new_url()
    with pytest.raises(StateError, match="no sound backup"):
        restore(file, url)
    with pytest.raises(StateMissing):
        Store.open(url)
