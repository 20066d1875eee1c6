"""A fresh state on each of the two databases, and a clock that stands still."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from tests.debian import lacking
from tests.state.postgres import Server, binaries, running_server

from redcap_jobs.cli import main
from redcap_jobs.state.journal import Journal
from redcap_jobs.state.scope import ProjectKey
from redcap_jobs.state.store import Store

Command = Callable[..., tuple[int, str, str]]


class StillClock:
    """A clock that moves only when told to."""

    def __init__(self) -> None:
        self.time = datetime(2026, 11, 22, 21, 44, 55, tzinfo=UTC)

    def now(self) -> datetime:
        return self.time

    def sleep(self, pause: timedelta) -> None:
        self.time += pause


@pytest.fixture
def clock() -> StillClock:
    return StillClock()


@pytest.fixture
def project() -> ProjectKey:
    return ProjectKey("https://redcap.example.edu/api/", 3041, "production")


@pytest.fixture(scope="session")
def postgresql_server() -> Iterator[Server]:
    try:
        binaries()
    except FileNotFoundError as error:
        lacking(str(error))
    with running_server() as server:
        yield server


@pytest.fixture
def postgresql(postgresql_server: Server) -> Iterator[Server]:
    """Lend the server to one test; its databases are emptied before the next one gets them."""
    yield postgresql_server
    postgresql_server.recycle()


@pytest.fixture(params=["sqlite", "postgresql"])
def new_url(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[], str]:
    """Return a function that names an empty place for a state, on each database in turn."""
    if request.param == "postgresql":
        server: Server = request.getfixturevalue("postgresql")
        return server.new_database
    numbers = iter(range(100))
    return lambda: f"sqlite:///{tmp_path}/states/{next(numbers)}.db"


@pytest.fixture
def url(new_url: Callable[[], str]) -> str:
    return new_url()


@pytest.fixture
def store(url: str, clock: StillClock) -> Iterator[Store]:
    """Give a state that was just created."""
    with Store.create(url, clock=clock) as created:
        yield created


@pytest.fixture
def journal(store: Store) -> Journal:
    """Give the journal as this process's run sees it."""
    return Journal(store, "run-1")


@pytest.fixture
def redcap_jobs(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> Command:
    """Return a function that runs the program: arguments → exit code, stdout, stderr."""
    for name in ("REDCAP_JOBS_STATE_URL", "REDCAP_JOBS_HASH_KEY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "xdg"))

    def run(*arguments: object) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["redcap-jobs", *map(str, arguments)])
        with pytest.raises(SystemExit) as stopped:
            main()
        said = capsys.readouterr()
        assert isinstance(stopped.value.code, int)
        return stopped.value.code, said.out, said.err

    return run
