"""Jobs are pure: read off the source of every module in ``jobs/``, not trusted."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

import redcap_jobs.jobs

FORBIDDEN_MODULES = {
    "click",
    "dotenv",
    "http",
    "io",
    "os",
    "pathlib",
    "random",
    "requests",
    "secrets",
    "shutil",
    "smtplib",
    "socket",
    "sqlalchemy",
    "sqlite3",
    "subprocess",
    "tempfile",
    "time",
    "twilio",
    "urllib",
    "redcap_jobs.clock",
    "redcap_jobs.redcap.client",
    "redcap_jobs.redcap.transport",
    "redcap_jobs.state",
    "redcap_jobs.messaging.twilio",
}
FORBIDDEN_CALLS = {"now", "today", "utcnow", "open", "read_csv", "to_csv", "print"}

JOBS = Path(redcap_jobs.jobs.__file__).parent
SOURCES = sorted(JOBS.rglob("*.py"))


def offences(source: str) -> list[str]:
    """Give what a pure module may not do, with the line."""
    found = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            names = [node.module or "", *(f"{node.module}.{alias.name}" for alias in node.names)]
        elif isinstance(node, ast.Call):
            called = getattr(node.func, "attr", getattr(node.func, "id", ""))
            if called in FORBIDDEN_CALLS:
                found.append(f"line {node.lineno}: calls {called}()")
            continue
        else:
            continue
        found += [
            f"line {node.lineno}: imports {name}"
            for name in names
            if any(name == bad or name.startswith(f"{bad}.") for bad in FORBIDDEN_MODULES)
        ]
    return found


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.stem)
def test_a_job_reads_no_network_disk_clock_or_environment(path: Path) -> None:
    """No module of ``jobs/`` imports what reaches the world, nor asks what time it is."""
    assert offences(path.read_text(encoding="utf-8")) == []


@pytest.mark.parametrize(
    "source",
    [
        "import requests",
        "import os.path",
        "from sqlalchemy.orm import Session",
        "from redcap_jobs.redcap import client",
        "def due():\n    import time",
        "from datetime import datetime\nnow = datetime.now()",
        "import pandas as pd\npd.Timestamp.now()",
        "from datetime import date\ndate.today()",
        "open('people.csv')",
    ],
)
def test_the_reader_of_imports_finds_each_offence(source: str) -> None:
    """A check that finds nothing proves nothing: each kind of offence is found."""
    assert offences(source)


def test_all_modules_are_read() -> None:
    """The list of files is not empty by a wrong path."""
    assert "visit_windows" in {path.stem for path in SOURCES}
