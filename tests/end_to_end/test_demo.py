"""The demo, and the commands it tells people to type next, word for word."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest


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
    assert int(cells["compute-visit-windows: production, again"][3]) == 0
    printed = re.findall(r"(?m)^  \S*(?:redcap-jobs|__main__\.py) (.+)$", demo.stdout)
    commands = {line.split()[0]: shlex.split(line) for line in printed}
    assert list(commands) == ["runs", "why", "state", "sandbox", "check", "compute-visit-windows"]

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
    finally:
        sandbox.terminate()
        sandbox.communicate(timeout=30)


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
