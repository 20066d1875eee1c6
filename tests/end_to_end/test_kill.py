"""kill -9 at every step of a run: the next plain run ends with the data of an undisturbed one."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import pytest
from study_home import NOW, WRAPPED, Home, new_home

from redcap_jobs.sandbox.ismile import ismile_projects
from redcap_jobs.sandbox.server import Sandbox

AS_OF = ("--as-of", NOW.isoformat())
STEPS = ("claimed", "import", "import done", "erase", "erase done", "decided")
DAYS_LATER = ("--as-of", "2026-12-20T17:00:00+00:00", "--allow", "share=1")


def fresh(folder: Path) -> tuple[Sandbox, Home]:
    folder.mkdir()
    projects = ismile_projects(participants=60, seed=3, as_of=date(2026, 11, 22))
    sandbox = Sandbox(projects=projects, now=NOW)
    return sandbox, new_home(folder, sandbox)


def change_data(home: Home) -> None:
    """Take away three anchors (their windows must be erased) and correct four others."""
    records = home.sandbox.project(3042).store.current.records
    anchored = [
        (name, place.event)
        for name in home.sandbox.project(3042).store.current.ordered
        for place, values in records[name].rows.items()
        if place.event.startswith("baseline") and values.get("vt_target")
    ]
    for number, (name, event) in enumerate(anchored[:7]):
        row = {"record_id": name, "redcap_event_name": event}
        home.enter(
            3042, row | {"anchor_date": "" if number < 3 else "2026-05-31"}, erase=number < 3
        )


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, str]]:
    """Return what the data come to after a first run, and after changes and a second one."""
    sandbox, home = fresh(tmp_path_factory.mktemp("undisturbed") / "home")
    with sandbox:
        assert home.job(*AS_OF).code == 1
        first = sandbox.project(3042).digest()
        change_data(home)
        assert home.job(*DAYS_LATER).code == 1
        second = sandbox.project(3042).digest()
        assert home.calls()["record import"] >= 9, "seven entries, one import, one erasure"
        yield first, second


@pytest.mark.parametrize("step", STEPS)
def test_kill_at_a_named_step_then_a_plain_run(
    step: str, tmp_path: Path, undisturbed: tuple[str, str]
) -> None:
    """Killed at a step of a run that fills, overwrites and erases; the next run mends it all."""
    sandbox, home = fresh(tmp_path / "home")
    with sandbox:
        assert home.job(*AS_OF).code == 1
        assert sandbox.project(3042).digest() == undisturbed[0]
        change_data(home)
        killed = home.job(*DAYS_LATER, "--verbose", kill_at=f"step {step}")
        assert killed.code == -signal.SIGKILL
        after = home.job(*DAYS_LATER)
        assert after.code == 1, after.err
        assert sandbox.project(3042).digest() == undisturbed[1]


@pytest.mark.parametrize("step", ["claimed", "import done"])
def test_kill_in_a_very_first_run(step: str, tmp_path: Path, undisturbed: tuple[str, str]) -> None:
    """A first run that died does not make the next one refuse the values it wrote itself."""
    sandbox, home = fresh(tmp_path / "home")
    with sandbox:
        killed = home.job(*AS_OF, "--verbose", kill_at=f"step {step}")
        assert killed.code == -signal.SIGKILL
        assert home.job(*AS_OF).code == 1
        assert sandbox.project(3042).digest() == undisturbed[0]
        listed = home.call("runs", "--env-file", home.env_file)
        assert "died" in listed.out


def test_kill_while_an_import_is_stored_but_not_answered(
    tmp_path: Path, undisturbed: tuple[str, str]
) -> None:
    """The server stored it, the client never heard: nothing is lost and nothing doubled."""
    sandbox, home = fresh(tmp_path / "home")
    with sandbox:
        sandbox.fault("slow", times=1, content="record", action="import", after=True, seconds=60)
        before = sandbox.project(3042).digest()
        arguments = ["compute-visit-windows", "--study", str(home.study), *AS_OF, "--yes"]
        token = "REDCAP_API_ISMILE_DEV"
        arguments += ["--env-file", str(home.env_file)]
        arguments += ["--export-token", token, "--import-token", token]
        process = subprocess.Popen(
            [sys.executable, str(WRAPPED), "", *arguments], env=home.environment()
        )
        try:
            look_again = threading.Event()
            while sandbox.project(3042).digest() == before:
                assert process.poll() is None, "the run ended before its import was stored"
                look_again.wait(0.05)
        finally:
            os.kill(process.pid, signal.SIGKILL)
            process.wait()
        assert home.job(*AS_OF).code == 1
        assert sandbox.project(3042).digest() == undisturbed[0]


@pytest.mark.parametrize(
    "fault",
    ["html-200", "empty-500", "504", "memory-200", "memory-500", "cut-json", "cut-connection"],
)
def test_a_server_that_fails_once_changes_nothing_in_the_end(
    fault: str, tmp_path: Path, undisturbed: tuple[str, str]
) -> None:
    """Each kind of bad answer, once to an export and once to an import: the same data after it."""
    sandbox, home = fresh(tmp_path / "home")
    with sandbox:
        sandbox.fault(fault, times=1, content="record", action="export")
        sandbox.fault(fault, times=1, content="record", action="import", after=True)
        home.job(*AS_OF)
        sandbox.no_faults()
        assert home.job(*AS_OF).code == 1
        assert sandbox.project(3042).digest() == undisturbed[0]
