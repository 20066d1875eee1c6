"""What ``redcap-jobs sandbox`` serves, and how it says so."""

from __future__ import annotations

import gc
import os
import re
import signal
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from threading import Event
from types import FrameType

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from redcap_jobs.errors import UsageError
from redcap_jobs.sandbox.server import Sandbox


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


def show_sandbox(
    sandbox: Sandbox,
    console: Console,
    *,
    env_file: Path | None,
    folder: Path | None = None,
    notices: Sequence[str] = (),
) -> None:
    """Say where the sandbox listens, what it serves and under which variables.

    ``folder`` is where everything is kept, None for nowhere; ``notices`` is what there is to say
    about projects that were asked for and are served as they were kept.
    """
    for notice in notices:
        console.print(f"[yellow]{escape(notice)}[/yellow]")
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
    if sandbox.api.twilio is not None:
        console.print(
            f"Twilio API: [bold]{sandbox.twilio_url}[/bold]   texts: {sandbox.control_url}twilio"
        )
    if sandbox.api.partner is not None:
        console.print(
            f"Partner API: [bold]{sandbox.partner_url}[/bold]   members: "
            f"{sandbox.control_url}partner"
        )
    if env_file is not None:
        console.print(f"The tokens are in {env_file}.")
    else:
        for name, value in sandbox.variables.items():
            console.print(f"{name}={value}")
    for rule in sandbox.api.faults.rules():
        struck = (
            f"{rule.requests} requests a minute" if rule.requests else f"{rule.rate:.0%} of calls"
        )
        scope = " ".join(filter(None, (rule.content, rule.action)))
        console.print(f"Fault on: {rule.name}, {struck}{f' ({scope})' if scope else ''}")
    kept = "nothing is kept"
    if folder is not None:
        kept = f"all of it but texts is kept in {escape(str(folder))}"
    console.print(f"Everything in it is made up or yours; {kept}. Stop it with Ctrl-C.")


def collect_rarely() -> None:
    """Let Python look for garbage less often: what is served is millions of small objects that stay.

    Measured on 10,000 records of 200 fields: exports and imports take half the time.
    """
    gc.set_threshold(100_000, 50, 100)


def loaded() -> None:
    """Take what was loaded out of the search for garbage."""
    gc.collect()
    gc.freeze()


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
