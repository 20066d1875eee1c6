"""The demo, and the commands it tells people to type next, word for word."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from collections import Counter
from io import StringIO
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, cast

import pytest
from rich.console import Console

from redcap_jobs.demo import Pass, conclude
from redcap_jobs.errors import ExitCode
from redcap_jobs.notify.outcome import RunOutcome

if TYPE_CHECKING:
    from redcap_jobs.sandbox.server import Sandbox


def environment(home: Path) -> dict[str, str]:
    return {"PATH": os.environ["PATH"], "HOME": str(home), "COLUMNS": "160"}


def test_the_demo_and_everything_it_tells_to_type_next(tmp_path: Path) -> None:
    """Exit 0; second runs write and text nothing; each printed command does what it is for."""
    folder = tmp_path / "demo"
    program = [sys.executable, "-m", "redcap_jobs"]
    demo = subprocess.run(
        [*program, "demo", "--participants", "40", "--folder", str(folder)],
        env=environment(tmp_path),
        capture_output=True,
        text=True,
        check=False,
        timeout=180,
    )
    assert demo.returncode == 0, demo.stderr
    told = re.findall(r"compute-visit-windows: \w+: (.+?) written|(nothing to write)", demo.stderr)
    assert len(told) >= 2, demo.stderr
    rows = re.findall(r"│ ([a-z-]+: [a-z ,]+?) +│([^\n]+)", demo.stdout)
    cells = {name: [cell.strip() for cell in row.split("│")] for name, row in rows}
    texts = {name: int(row[2]) for name, row in cells.items()}
    assert texts["send-surveys: development copy"] == texts["send-surveys: production, again"] == 0
    assert texts["send-surveys: production"] > 0
    assert int(cells["compute-visit-windows: production, again"][4]) == 0
    quiet = re.findall(
        r"─ ([a-z-]+: [^─]+?) ─+\nNothing is due: .+ \(\d+ requests, .+ s\)", demo.stdout
    )
    assert quiet == [
        "compute-visit-windows: development copy, again",
        "compute-visit-windows: production, again",
        "send-surveys: development copy",
        "send-surveys: production, again",
        "poll-messages: production",
        "poll-participants: production, again",
        "sync-agile: production, again",
    ]
    enrolled = re.search(r"(\d+) enrolled, (\d+) assigned to an arm, (\d+) cells", demo.stdout)
    assert enrolled, demo.stdout
    assert enrolled[1] == enrolled[2]
    assert cells["poll-participants: production"][3] == str(2 * int(enrolled[1]))
    assert cells["poll-participants: production, again"][3] == "0"
    assert re.search(rf"compared in all +│ +{enrolled[1]} ", demo.stdout)
    by_itself = re.escape(shlex.join(program))
    printed = re.findall(rf"(?m)^  {by_itself} (.+)$", demo.stdout)
    commands = {line.split()[0]: shlex.split(line) for line in printed}
    assert list(commands) == [
        "runs", "why", "messages", "partner", "state", "sandbox", "check", "compute-visit-windows",
        "send-surveys", "poll-participants",
    ]  # fmt: skip

    def call(name: str, *more: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*program, *commands[name], *more],
            env=environment(tmp_path),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )

    assert call("runs").returncode == 0
    assert call("why").returncode == 0
    assert f"{texts['send-surveys: production']} text" in call("messages").stdout
    assert f"{enrolled[1]} members" in call("partner").stdout
    assert call("state").returncode == 0
    sandbox = subprocess.Popen(
        [*program, *commands["sandbox"]],
        env=environment(tmp_path),
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert sandbox.stdout is not None
        for line in sandbox.stdout:
            if "REDCap API:" in line:
                break
        assert call("check").returncode == 0
        job = call("compute-visit-windows", "--yes")
        assert job.returncode == 1, job.stderr
        assert "cells of" in job.stderr
        asked = call("send-surveys", "--yes")
        assert f"{texts['send-surveys: production']} sent" in asked.stderr
        told = call("poll-participants", "--yes")
        assert (told.returncode, told.stderr) == (0, ""), (
            "cron hears nothing of a run that went well"
        )
        commands["partner"][3] = commands["check"][3]
        trial = call("partner", "--token", "REDCAP_API_ISMILE_DEV")
        assert f"{enrolled[1]} members" in trial.stdout, trial
    finally:
        sandbox.terminate()
        sandbox.communicate(timeout=30)


def test_the_demos_last_table_is_read_on_a_terminal_of_80_columns() -> None:
    """Every heading and number stands there: no column is squeezed to nothing."""
    outcome = RunOutcome(
        "20261123T100000-abcd", "compute-visit-windows", "ismile", "partial",
        ExitCode.PARTLY_FAILED, counts={"cells_written": 23206, "problems": 11},
    )  # fmt: skip
    done = Pass(
        "compute-visit-windows", "development copy, again", outcome, Counter({"record import": 3}),
        25, 7, 1.2,
    )  # fmt: skip
    out = StringIO()
    server = cast("Sandbox", SimpleNamespace(url="http://127.0.0.1:8123/api/"))
    conclude(Console(file=out, width=80), Path("/folder"), server, [done], 850, 1)
    heading, *lines = (line for line in out.getvalue().splitlines() if line[:1] in "┃│")
    assert heading.replace("┃", " ").split() == [
        "what", "state", "exit", "texts", "partner", "cells", "imports", "problems",
    ]  # fmt: skip
    assert lines[0].replace("│", " ").split()[1:] == ["partial", "1", "25", "7", "23206", "3", "11"]


@pytest.mark.parametrize("existing", [".env", "notes.txt"])
def test_the_demo_overwrites_nothing(tmp_path: Path, existing: str) -> None:
    """A folder with something in it is refused before anything is written."""
    (tmp_path / existing).write_text("mine\n", encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-m", "redcap_jobs", "demo", "--folder", str(tmp_path)],
        env=environment(tmp_path),
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 2
    assert "not empty" in done.stderr
    assert [path.name for path in tmp_path.iterdir()] == [existing]
    assert (tmp_path / existing).read_text(encoding="utf-8") == "mine\n"
