"""A state that cannot be used ends with one line: what, where, what to do; exit 3, set-up."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from tests.state.conftest import Command

from redcap_jobs.state.backup import backup
from redcap_jobs.state.store import Store

NOBODY = 65534


@pytest.fixture
def folder() -> Iterator[Path]:
    """Give a folder that other accounts can look into, unlike ``tmp_path``."""
    made = Path(tempfile.mkdtemp(prefix="redcap-jobs-state-"))
    made.chmod(0o755)
    yield made
    shutil.rmtree(made)


@contextmanager
def without_roots_rights() -> Iterator[None]:
    """Let file modes count: root, whom they do not bind, becomes nobody meanwhile."""
    me = os.geteuid()
    if me == 0:
        os.seteuid(NOBODY)
    try:
        yield
    finally:
        if me == 0:
            os.seteuid(me)


def made(path: Path) -> Path:
    """Make a state."""
    Store.create(f"sqlite:///{path}").close()
    return path


def a_folder(folder: Path) -> Path:
    return folder


def a_text_file(folder: Path) -> Path:
    path = folder / "notes.txt"
    path.touch(0o600)
    path.write_text("nothing of a database " * 20)
    return path


def below_a_file(folder: Path) -> Path:
    return a_text_file(folder) / "state.db"


def damaged(folder: Path) -> Path:
    path = made(folder / "state.db")
    pages = path.read_bytes()
    path.write_bytes(pages[:4096] + b"Z" * (len(pages) - 4096))
    return path


@pytest.mark.parametrize(
    ("mistake", "words"),
    [
        (a_folder, "is a folder; a state is one file, such as {0}/state.db"),
        (a_text_file, "is not a database; correct REDCAP_JOBS_STATE_URL"),
        (below_a_file, "notes.txt is a file and no folder; correct REDCAP_JOBS_STATE_URL"),
        (damaged, "it is damaged: stop the jobs, move the file away"),
    ],
    ids=lambda value: getattr(value, "__name__", None),
)
@pytest.mark.parametrize("command", ["runs", "state info", "state init", "state backup b.db"])
def test_what_is_no_state_is_told_in_one_line(
    redcap_jobs: Command,
    monkeypatch: pytest.MonkeyPatch,
    folder: Path,
    mistake: Callable[[Path], Path],
    words: str,
    command: str,
) -> None:
    """The path, what is wrong with it and what to do; nothing is made beside it."""
    path = mistake(folder)
    before = sorted(folder.iterdir())
    monkeypatch.setenv("REDCAP_JOBS_STATE_URL", f"sqlite:///{path}")
    code, out, err = redcap_jobs(*command.split())
    assert (code, out) == (3, "")
    assert words.format(folder) in err
    assert str(folder) in err
    assert err.count("\n") == 1
    assert sorted(folder.iterdir()) == before


@pytest.mark.parametrize(
    ("mode_of_file", "mode_of_folder", "words"),
    [
        (0o000, 0o755, "may not read and write"),
        (0o600, 0o000, "may not look into"),
    ],
)
def test_a_state_of_another_account_names_the_way_out(
    redcap_jobs: Command,
    monkeypatch: pytest.MonkeyPatch,
    folder: Path,
    mode_of_file: int,
    mode_of_folder: int,
    words: str,
) -> None:
    """Who may not do what, and the chmod to type or the account to be."""
    path = made(folder / "inner" / "state.db")
    monkeypatch.setenv("REDCAP_JOBS_STATE_URL", f"sqlite:///{path}")
    path.chmod(mode_of_file)
    path.parent.chmod(mode_of_folder)
    with without_roots_rights():
        code, _, err = redcap_jobs("runs")
    path.parent.chmod(0o700)
    assert code == 3
    assert words in err
    assert "chmod" in err or "the account that cron uses" in err


def test_a_state_cannot_be_made_where_nothing_may_be_written(
    redcap_jobs: Command, monkeypatch: pytest.MonkeyPatch, folder: Path
) -> None:
    """`state init` says so for a folder that exists and for one below it."""
    folder.chmod(0o555)
    for path in (folder / "state.db", folder / "deeper" / "state.db"):
        monkeypatch.setenv("REDCAP_JOBS_STATE_URL", f"sqlite:///{path}")
        with without_roots_rights():
            code, _, err = redcap_jobs("state", "init")
        assert code == 3
        assert "may not make a file in" in err
        assert str(folder) in err


def test_a_backup_that_cannot_be_made_is_a_mistake_of_the_command_line(
    redcap_jobs: Command, monkeypatch: pytest.MonkeyPatch, folder: Path
) -> None:
    """No folder, a folder that may not be written to, a file that is something else: exit 2."""
    path = made(folder / "state.db")
    monkeypatch.setenv("REDCAP_JOBS_STATE_URL", f"sqlite:///{path}")
    closed = folder / "closed"
    closed.mkdir(mode=0o555)
    if os.geteuid() == 0:
        for each in folder.iterdir():
            os.chown(each, NOBODY, NOBODY)
        os.chown(folder, NOBODY, NOBODY)
    targets = {
        folder / "none" / "b.db": "make it first: mkdir",
        closed / "b.db": "may not make a file in",
        a_text_file(folder): "is no backup of a state; name another file",
        path: "is the state itself; name another file",
    }
    for target, words in targets.items():
        with without_roots_rights():
            code, _, err = redcap_jobs("state", "backup", target)
        assert code == 2, err
        assert str(target.parent) in err
        assert words in err or "may not read" in err


def test_restoring_names_the_file_and_what_it_is(
    redcap_jobs: Command, monkeypatch: pytest.MonkeyPatch, folder: Path
) -> None:
    """Not there or not readable: usage; there but no backup: set-up. The state stays as it is."""
    path = made(folder / "state.db")
    with Store.open(f"sqlite:///{path}") as store:
        backup(store, folder / "hidden.db")
    (folder / "hidden.db").chmod(0)
    monkeypatch.setenv("REDCAP_JOBS_STATE_URL", f"sqlite:///{path}")
    before = path.read_bytes()
    for file, expected, words in (
        (folder / "gone.db", 2, "does not exist"),
        (folder / "hidden.db", 2, "may not read"),
        (a_text_file(folder), 3, "is no sound backup"),
    ):
        if file.name == "hidden.db":
            with without_roots_rights():
                code, _, err = redcap_jobs("state", "restore", file)
        else:
            code, _, err = redcap_jobs("state", "restore", file)
        assert (code, words in err) == (expected, True), err
        assert str(file) in err
    assert path.read_bytes() == before
