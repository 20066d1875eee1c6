"""One run per job and project: a lock that names its holder and dies with its process."""

from __future__ import annotations

import os
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Callable

import pytest
from tests.state.children import Child
from tests.state.postgres import Server

from redcap_jobs.errors import AnotherRunActive, ExitCode, StateError
from redcap_jobs.state.lock import job_lock
from redcap_jobs.state.scope import ProjectKey
from redcap_jobs.state.store import Store

JOB = "compute-visit-windows"


def holding(
    store: Store, project: ProjectKey, run_id: str
) -> Callable[[Callable[[str], None]], None]:
    """Return work for a child: take the lock, say so, hold it until let go."""

    def work(say: Callable[[str], None]) -> None:
        with job_lock(store, project, JOB, run_id):
            say("wait")
        say("freed")

    return work


def take_within_seconds(store: Store, project: ProjectKey, seconds: float) -> None:
    """Take and free the lock; the server may need a moment to notice that a client is gone."""
    deadline = time.monotonic() + seconds
    while True:
        try:
            with job_lock(store, project, JOB, "next"):
                return
        except AnotherRunActive:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.01)


def test_a_second_run_is_refused_and_told_who_holds_it(store: Store, project: ProjectKey) -> None:
    """Exit 75; the message names run, user, host, pid and since when, and what to do."""
    with Child(holding(store, project, "20261122T214455-7f3a")) as child:
        assert child.heard() == "wait"
        with pytest.raises(AnotherRunActive) as caught, job_lock(store, project, JOB, "second"):
            pytest.fail("the lock was given twice")
        message = str(caught.value)
        assert caught.value.exit_code == ExitCode.ANOTHER_RUN_ACTIVE
        for part in (
            "compute-visit-windows on production project 3041",
            "run 20261122T214455-7f3a",
            f"on {os.uname().nodename}, pid {child.pid}",
            "since 2026-11-22 21:44:55 UTC",
            "redcap-jobs runs 20261122T214455-7f3a",
        ):
            assert part in message
        child.let_go()
        assert child.heard() == "freed"
    with job_lock(store, project, JOB, "second"):
        pass


def test_the_lock_dies_with_its_process(store: Store, project: ProjectKey) -> None:
    """It is free after a kill -9, so that the next cron run simply goes on."""
    with Child(holding(store, project, "killed")) as child:
        assert child.heard() == "wait"
        child.kill()
    take_within_seconds(store, project, 10)


def test_a_program_started_by_a_killed_run_does_not_keep_its_lock(
    store: Store, project: ProjectKey
) -> None:
    """The lock's file and connection are closed in whatever the run starts."""

    def work(say: Callable[[str], None]) -> None:
        with job_lock(store, project, JOB, "parent"):
            sleeper = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
            say(str(sleeper.pid))
            say("wait")

    with Child(work) as child:
        sleeper = int(child.heard())
        assert child.heard() == "wait"
        child.kill()
        try:
            take_within_seconds(store, project, 10)
        finally:
            os.kill(sleeper, signal.SIGKILL)


def test_the_same_process_cannot_take_it_twice(store: Store, project: ProjectKey) -> None:
    """Also two runs inside one process exclude each other."""
    with (
        job_lock(store, project, JOB, "first"),
        pytest.raises(AnotherRunActive, match="run first"),
        job_lock(store, project, JOB, "second"),
    ):
        pytest.fail("the lock was given twice")


def test_other_jobs_and_projects_are_not_held_up(store: Store, project: ProjectKey) -> None:
    """The lock is per project, mode and job."""
    development = ProjectKey(project.url, 3042, "development")
    with (
        job_lock(store, project, JOB, "a"),
        job_lock(store, project, "send-surveys", "b"),
        job_lock(store, development, JOB, "c"),
    ):
        pass


def test_the_lock_is_free_after_an_error(store: Store, project: ProjectKey) -> None:
    """A run that fails leaves nothing behind."""

    def fail_under_the_lock() -> None:
        with job_lock(store, project, JOB, "failing"):
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail_under_the_lock()
    with job_lock(store, project, JOB, "next"):
        pass


def test_lock_files_are_private(
    project: ProjectKey, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """The folder and files beside the database are closed to others even under umask 0."""
    folder = tmp_path_factory.mktemp("private")
    before = os.umask(0)
    try:
        with (
            Store.create(f"sqlite:///{folder}/state.db") as store,
            job_lock(store, project, JOB, "r"),
        ):
            locks = folder / "state.db.locks"
            assert stat.S_IMODE(locks.stat().st_mode) == 0o700
            assert [stat.S_IMODE(path.stat().st_mode) for path in locks.iterdir()] == [0o600]
    finally:
        os.umask(before)


def test_a_lock_lost_with_its_connection_is_noticed(
    postgresql: Server, project: ProjectKey
) -> None:
    """When PostgreSQL drops the session, the run must not go on as if it held the lock."""
    url = postgresql.new_database()
    with Store.create(url) as store:

        def lose_it() -> None:
            with job_lock(store, project, JOB, "run") as confirm:
                confirm()
                with store.read() as connection:
                    connection.exec_driver_sql(
                        "select pg_terminate_backend(pid) from pg_locks where locktype = 'advisory'"
                    )
                confirm()

        with pytest.raises(StateError, match="was lost with its connection"):
            lose_it()
