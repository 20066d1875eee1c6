"""What ``redcap-jobs sandbox`` serves, and how it says so."""

from __future__ import annotations

import gc
import os
import re
import signal
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from threading import Event
from types import FrameType

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from redcap_jobs.errors import UsageError
from redcap_jobs.sandbox.ismile import ismile_projects
from redcap_jobs.sandbox.odm import read_project_xml
from redcap_jobs.sandbox.project import SandboxProject
from redcap_jobs.sandbox.server import Sandbox

FIRST_OWN_PID = 3101
"""Projects loaded from files are numbered from here."""


def projects_to_serve(
    *, ismile: bool, participants: int, seed: int, files: Sequence[Path], now: datetime | None
) -> list[SandboxProject]:
    """Return ISMILE's two copies, and one project per file.

    Raises:
        UsageError: A file cannot be read.
        SetupError: A file is no REDCap project.

    """
    server_time = (now or datetime.now().astimezone()).replace(tzinfo=None)
    projects = ismile_projects(participants, seed, server_time.date()) if ismile else []
    for place, path in enumerate(files):
        projects.append(read_project_xml(path, FIRST_OWN_PID + place, server_time))
    name_apart(projects)
    return projects


def name_apart(projects: Sequence[SandboxProject]) -> None:
    """Give projects of one title different variables: the second gets ``_2`` at its end."""
    taken: set[str] = set()
    for project in projects:
        base, number = project.env_name, 1
        while project.env_name in taken:
            number += 1
            project.env_name = f"{base}_{number}"
        taken.add(project.env_name)


def super_token(name: str | None) -> str:
    """Return the super token held by the variable of that name; '' if none is named.

    Raises:
        UsageError: The variable does not hold 64 hexadecimal characters.

    """
    if name is None:
        return ""
    token = os.environ.get(name, "")
    if not re.fullmatch(r"[0-9A-Fa-f]{64}", token):
        raise UsageError(
            f"{name} does not hold a super token (64 characters 0-9, A-F); make one with: "
            f"export {name}=$(openssl rand -hex 32)"
        )
    return token


def show_sandbox(sandbox: Sandbox, console: Console, *, env_file: Path | None) -> None:
    """Say where the sandbox listens, what it serves and under which variables."""
    table = Table(title="Projects", title_justify="left", header_style="bold")
    table.add_column("project_id", justify="right")
    table.add_column("title")
    table.add_column("status")
    table.add_column("records", justify="right")
    table.add_column("variable of its token")
    for project in sandbox.api.projects:
        status = "production" if project.settings.in_production else "development"
        records = str(len(project.store.current.records))
        table.add_row(str(project.pid), escape(project.title), status, records, project.env_name)
    console.print(table)
    console.print(
        f"REDCap API: [bold]{sandbox.url}[/bold]   requests and faults: {sandbox.control_url}"
    )
    if env_file is not None:
        console.print(f"The tokens are in {env_file}.")
    else:
        for name, token in sandbox.tokens.items():
            console.print(f"{name}={token}")
    console.print("Everything in it is made up or yours; nothing is kept. Stop it with Ctrl-C.")


def collect_rarely() -> None:
    """Let Python look for garbage less often: what is served is millions of small objects that stay.

    Measured on 10,000 records of 200 fields: exports and imports take half the time.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(100_000, 50, 100)


@contextmanager
def until_told_to_stop() -> Iterator[Event]:
    """Give an event that SIGINT and SIGTERM set; the old handlers come back at the end."""
    told = Event()

    def stop(signal_number: int, frame: FrameType | None) -> None:  # noqa: ARG001 - signal's signature
        told.set()

    old = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield told
    finally:
        for number, handler in old.items():
            signal.signal(number, handler)
