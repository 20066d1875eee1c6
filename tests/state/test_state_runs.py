"""Run records hold what a data manager needs to know afterwards, and nothing private."""

from __future__ import annotations

import dataclasses
import os
import socket
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from tests.state.children import Child
from tests.state.conftest import StillClock

from redcap_jobs import __version__
from redcap_jobs.errors import StateError
from redcap_jobs.state import process
from redcap_jobs.state.process import Holder, is_alive, machine, this_process
from redcap_jobs.state.runs import (
    RunEnd,
    RunStart,
    finish_run,
    get_run,
    last_good_run,
    list_runs,
    start_run,
)
from redcap_jobs.state.scope import JobScope, ProjectKey
from redcap_jobs.state.store import Store

JOB = "compute-visit-windows"


def a_start(of_project: ProjectKey, **other: object) -> RunStart:
    start = RunStart(
        study="ismile",
        job=JOB,
        project=of_project,
        export_token="REDCAP_API_ISMILE_PROD",
        import_token="REDCAP_API_ISMILE_PROD",
        as_of=datetime(2026, 11, 22, 9, tzinfo=UTC),
        study_file_hash="ab" * 32,
    )
    return dataclasses.replace(start, **other)  # type: ignore[arg-type]  # fields by name


def test_a_finished_run_says_everything_about_itself(
    store: Store, project: ProjectKey, clock: StillClock
) -> None:
    """Who, what, where, with which versions, how it ended: all of it comes back as it went in."""
    run_id = start_run(store, a_start(project, options={"allow": {"rows": "900"}}))
    clock.sleep(timedelta(seconds=7))
    end = RunEnd(
        "partial", 1, "848 of 850 records", {"records_read": 850}, {"off study": 31},
        ["record 1007: visits[m2]: the date lies in the future"], "", "", "15.5.33",
    )  # fmt: skip
    finish_run(store, run_id, end)
    record = get_run(store, run_id)
    assert record is not None
    assert dataclasses.asdict(record) == {
        "id": run_id,
        "study": "ismile",
        "job": JOB,
        "project": dataclasses.asdict(project),
        "export_token": "REDCAP_API_ISMILE_PROD",
        "import_token": "REDCAP_API_ISMILE_PROD",
        "as_of": datetime(2026, 11, 22, 9, tzinfo=UTC),
        "started_at": datetime(2026, 11, 22, 21, 44, 55, tzinfo=UTC),
        "ended_at": datetime(2026, 11, 22, 21, 45, 2, tzinfo=UTC),
        "holder": dataclasses.asdict(this_process()),
        "unix_user": record.unix_user,
        "version": __version__,
        "redcap_version": "15.5.33",
        "study_file_hash": "ab" * 32,
        "options": {"allow": {"rows": "900"}},
        "state": "partial",
        "counts": {"records_read": 850},
        "skip_reasons": {"off study": 31},
        "problems": ("record 1007: visits[m2]: the date lies in the future",),
        "problem_count": 1,
        "error_class": "",
        "error_code": "",
        "exit_code": 1,
        "message": "848 of 850 records",
    }
    assert record.unix_user


def test_run_ids_are_readable_and_differ(store: Store, project: ProjectKey) -> None:
    """An id is its start in UTC and four digits; many within one second are still distinct."""
    ids = {start_run(store, a_start(project)) for _ in range(40)}
    assert len(ids) == 40
    assert {run_id[:16] for run_id in ids} == {"20261122T214455-"}


def test_a_run_is_found_by_the_beginning_of_its_id(
    store: Store, project: ProjectKey, clock: StillClock
) -> None:
    """What a person types from a mail may be shortened, but never ambiguous; % is no wildcard."""
    first = start_run(store, a_start(project))
    clock.sleep(timedelta(days=1))
    start_run(store, a_start(project))
    by_day = get_run(store, "20261122")
    assert by_day is not None
    assert by_day.id == first
    assert get_run(store, "2026112") is None
    assert get_run(store, "%22T") is None


def test_private_things_do_not_enter_a_run_record(store: Store, project: ProjectKey) -> None:
    """Message and problems pass the redactor and stay on one line."""
    run_id = start_run(store, a_start(project))
    token, phone = "0123456789ABCDEF" * 2, "+12025550123"
    end = RunEnd("failed", 1, f"refused\n token {token} for {phone}", problems=[f"call {phone}"])
    finish_run(store, run_id, end)
    record = get_run(store, run_id)
    assert record is not None
    assert record.message == "refused token [token] for [phone]"
    assert record.problems == ("call [phone]",)


def test_a_run_ends_once(store: Store, project: ProjectKey) -> None:
    """A second end, or the end of a run that never was, is an error and changes nothing."""
    run_id = start_run(store, a_start(project))
    finish_run(store, run_id, RunEnd("done", 0))
    for lost in (run_id, "20261122T000000-0000"):
        with pytest.raises(StateError, match="is not running"):
            finish_run(store, lost, RunEnd("failed", 1))
    record = get_run(store, run_id)
    assert record is not None
    assert record.state == "done"


def test_a_killed_run_shows_as_died(store: Store, project: ProjectKey) -> None:
    """A run without an end is running only while its process lives."""

    def work(say: Callable[[str], None]) -> None:
        say(start_run(store, a_start(project)))
        say("wait")

    with Child(work) as child:
        run_id = child.heard()
        assert child.heard() == "wait"
        alive = get_run(store, run_id)
        child.kill()
        dead = get_run(store, run_id)
    assert alive is not None
    assert dead is not None
    assert (alive.state, dead.state) == ("running", "died")


def test_runs_are_listed_newest_first_and_filtered(
    store: Store, project: ProjectKey, clock: StillClock
) -> None:
    """`runs --study --job --limit`."""
    ids = []
    for job, study in ((JOB, "ismile"), ("send-surveys", "ismile"), (JOB, "other")):
        ids.append(start_run(store, a_start(project, job=job, study=study)))
        clock.sleep(timedelta(minutes=1))
    assert [run.id for run in list_runs(store)] == ids[::-1]
    assert [run.id for run in list_runs(store, limit=1)] == [ids[2]]
    assert [run.id for run in list_runs(store, study="ismile", job=JOB)] == [ids[0]]


def test_only_a_whole_run_that_acted_is_a_yardstick(
    store: Store, project: ProjectKey, clock: StillClock
) -> None:
    """The shrink guard compares with the newest run that ended done or partial, on all records."""

    def run(state: str, count: int, **other: object) -> None:
        run_id = start_run(store, a_start(project, **other))
        finish_run(store, run_id, RunEnd(state, 0, counts={"records_read": count}))  # type: ignore[arg-type]  # a state by name
        clock.sleep(timedelta(minutes=1))

    assert last_good_run(store, project, JOB) is None
    run("done", 840)
    run("partial", 850)
    run("dry", 1)
    run("refused", 2)
    run("failed", 3)
    run("done", 4, options={"records": ["1001"]})
    run("done", 5, job="send-surveys")
    run("done", 6, project=ProjectKey(project.url, project.project_id, "development"))
    good = last_good_run(store, project, JOB)
    assert good is not None
    assert good.counts["records_read"] == 850


def test_a_process_is_more_than_its_pid() -> None:
    """Another start or boot with the same pid is dead; another host counts as alive for a while."""
    me = this_process()
    boot, namespace, tick = me.start.split(":")
    soon, late = timedelta(minutes=1), timedelta(hours=2)
    assert is_alive(me, late)
    assert not is_alive(dataclasses.replace(me, start=f"{boot}:{namespace}:{int(tick) - 1}"), soon)
    assert not is_alive(dataclasses.replace(me, start=f"another-boot:{namespace}:{tick}"), soon)
    assert not is_alive(Holder(me.host, 2**22 + 1, me.start), soon)
    container = dataclasses.replace(me, start=f"{boot}:1:{tick}")
    for elsewhere in (Holder("another-host", me.pid, me.start), container):
        assert is_alive(elsewhere, soon)
        assert not is_alive(elsewhere, late)


def test_a_process_of_another_account_may_be_hidden(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where /proc is mounted with hidepid=1 it cannot be looked at: it counts as one out of sight."""
    boot_and_namespace = machine()

    def refused(path: Path, *_: object, **__: object) -> str:
        raise PermissionError(1, "Operation not permitted", str(path))

    monkeypatch.setattr(process, "machine", lambda: boot_and_namespace)
    monkeypatch.setattr(Path, "read_text", refused)
    theirs = Holder(socket.gethostname(), 4711, f"{boot_and_namespace}:1")
    assert is_alive(theirs, timedelta(minutes=59))
    assert not is_alive(theirs, timedelta(minutes=61))


def test_a_zombie_is_not_alive() -> None:
    """A killed run that its parent did not yet collect holds nothing."""
    child = os.fork()
    if child == 0:
        os._exit(0)
    os.waitid(os.P_PID, child, os.WEXITED | os.WNOWAIT)
    boot_and_namespace = this_process().start.rpartition(":")[0]
    stat = Path(f"/proc/{child}/stat").read_text()
    tick = stat.rpartition(")")[2].split()[19]
    assert not is_alive(
        Holder(this_process().host, child, f"{boot_and_namespace}:{tick}"), timedelta(0)
    )
    os.waitpid(child, 0)


@pytest.mark.parametrize(
    "url",
    [
        "https://redcap.example.edu/api/",
        "https://REDCAP.example.edu/api",
        " https://redcap.example.edu:443/api/?x=1",
        "HTTPS://user@redcap.example.edu/api/",
    ],
)
def test_one_project_has_one_key(url: str) -> None:
    """The same server written in several ways is one journal; the text form reads back."""
    key = ProjectKey(url, 3041, "production")
    assert str(key) == "production:3041@https://redcap.example.edu/api"
    assert ProjectKey.parse(str(key)) == key
    assert str(JobScope(key, JOB)) == f"{JOB} on {key}"


@pytest.mark.parametrize("text", ["", "3041", "test:3041@https://x/api", "production:x@https://y"])
def test_what_is_no_project_key_is_refused(text: str) -> None:
    """Only what str() wrote is read."""
    with pytest.raises(ValueError, match="is no project key"):
        ProjectKey.parse(text)
