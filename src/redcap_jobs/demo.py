"""``redcap-jobs demo``: everything from study file to REDCap and back, on this machine alone.

A folder gets a study file and a ``.env``; a sandbox REDCap is started; the job runs twice against
the development copy and twice against production. Nothing leaves the machine.
"""

from __future__ import annotations

import os
import re
import secrets
import shutil
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from redcap_jobs.errors import SetupError, UsageError
from redcap_jobs.plan import Table

if TYPE_CHECKING:
    from rich.console import Console

    from redcap_jobs.notify.outcome import RunOutcome
    from redcap_jobs.sandbox.server import Sandbox

JOB = "compute-visit-windows"
COPIES = (("development copy", "REDCAP_API_ISMILE_DEV"), ("production", "REDCAP_API_ISMILE_PROD"))


@dataclass(frozen=True)
class Pass:
    """One run of the demo: what it was, how it ended, what it asked of the server, seconds."""

    copy: str
    number: int
    outcome: RunOutcome
    requests: Counter[str]
    seconds: float


def run_demo(
    console: Console, *, folder: Path | None = None, participants: int = 850, seed: int = 1
) -> list[Pass]:
    """Run the demo and return its passes; the folder stays, so that people can look and go on.

    Raises:
        SetupError: The ``sandbox`` extra is not installed.
        UsageError: The folder exists and is not empty.

    """
    home = (folder or Path(tempfile.mkdtemp(prefix="redcap-jobs-demo-"))).resolve()
    if home.exists() and any(home.iterdir()):
        raise UsageError(f"{home} is not empty; the demo overwrites nothing: name a new folder")
    home.mkdir(parents=True, exist_ok=True, mode=0o700)
    with sandbox(participants, seed) as server:
        console.print(
            f"[bold]1. A sandbox REDCap[/bold] answers at {server.url} with the ISMILE study: "
            f"{participants} made-up participants, as a development copy and in production."
        )
        study, env_file = write_files(home, server)
        console.print(f"[bold]2. Study file, .env and state[/bold] are in {home}\n")
        passes = [
            one_pass(console, server, study, env_file, copy, token, number)
            for copy, token in COPIES
            for number in (1, 2)
        ]
    conclude(console, home, server, passes, participants, seed)
    return passes


@contextmanager
def sandbox(participants: int, seed: int) -> Iterator[Sandbox]:
    """Start the local REDCap on a free port and stop it at the end."""
    try:
        from redcap_jobs.sandbox.ismile import ismile_projects
        from redcap_jobs.sandbox.server import Sandbox
    except ImportError as error:
        raise SetupError(
            f"the demo needs the sandbox extra ({error.name} is missing); "
            "type: pip install 'redcap-jobs[sandbox]'"
        ) from error
    with Sandbox(projects=ismile_projects(participants=participants, seed=seed)) as server:
        yield server


def write_files(home: Path, server: Sandbox) -> tuple[Path, Path]:
    """Write the bundled study file for this server, a ``.env`` of mode 600, and create the state."""
    from redcap_jobs.clock import SystemClock
    from redcap_jobs.state.store import Store
    from redcap_jobs.study.loading import bundled_study_text

    study = home / "ismile.toml"
    text = re.sub(r'(?m)^url = ".*"$', f'url = "{server.url}"', bundled_study_text("ismile"))
    study.write_text(text, encoding="utf-8")
    env_file = home / ".env"
    lines = [f"{name}={token}" for name, token in sorted(server.tokens.items())]
    state_url = f"sqlite:///{home / 'state.db'}"
    lines += [f"REDCAP_JOBS_STATE_URL={state_url}", f"REDCAP_JOBS_HASH_KEY={secrets.token_hex(24)}"]
    descriptor = os.open(env_file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write("\n".join(lines) + "\n")
    Store.create(state_url, clock=SystemClock()).close()
    return study, env_file


def one_pass(
    console: Console,
    server: Sandbox,
    study: Path,
    env_file: Path,
    copy: str,
    token: str,
    number: int,
) -> Pass:
    """Run the job once against one copy; the very first run shows its plan, the others a line."""
    from redcap_jobs.request import RunRequest, Terminal
    from redcap_jobs.run import run_job

    before = len(server.requests)
    started = time.perf_counter()
    console.rule(f"{copy}, run {number}")
    request = RunRequest(JOB, study, token, token, env_file=env_file, yes=True)
    shown = number == 1 and (copy, token) == COPIES[0]
    terminal = Terminal(shown, shown, console=console, confirm=lambda _: True)
    outcome = run_job(request, terminal)
    seconds = time.perf_counter() - started
    asked = Counter(entry.call for entry in server.requests[before:])
    return Pass(copy, number, outcome, asked, seconds)


def conclude(
    console: Console,
    home: Path,
    server: Sandbox,
    passes: list[Pass],
    participants: int,
    seed: int,
) -> None:
    """Show what the runs came to and what to type next."""
    from redcap_jobs.render import rich_table

    rows = tuple(
        (
            f"{each.copy}, run {each.number}",
            each.outcome.state,
            str(int(each.outcome.exit_code)),
            str(each.outcome.counts.get("cells_written", 0)),
            str(sum(each.requests.values())),
            str(each.requests.get("record import", 0)),
            str(each.outcome.counts.get("problems", 0)),
            f"{each.seconds:.1f}",
        )
        for each in passes
    )
    columns = (
        "run",
        "state",
        "exit",
        "cells written",
        "requests",
        "imports",
        "problems",
        "seconds",
    )
    console.rule("What happened")
    console.print(rich_table(Table("Four runs", columns, rows)))
    port = server.url.split(":")[2].split("/")[0]
    console.print(
        "The second run of each writes nothing: only changed cells are ever imported.\n"
        "Exit 1 means [italic]partial[/italic]: some participants carry planted mistakes (an "
        "anchor that is no date, rows in two arms); everyone else was done, and each is listed.\n"
    )
    console.print(f"[bold]The files stay in[/bold] {home}")
    program = "redcap-jobs" if shutil.which("redcap-jobs") else sys.argv[0]
    tokens = "--export-token REDCAP_API_ISMILE_DEV --import-token REDCAP_API_ISMILE_DEV"
    port = server.url.split(":")[2].split("/")[0]
    for title, commands in (
        (
            "Look at what was done",
            (
                f"{program} runs --env-file {home}/.env",
                f"{program} why {home}/ismile.toml 1003 --env-file {home}/.env",
            ),
        ),
        (
            "Go on by hand. Terminal 1, a fresh sandbox and state (leave it running)",
            (
                f"{program} state init --env-file {home}/again.env --url sqlite:///{home}/again.db",
                (
                    f"{program} sandbox --port {port} --participants {participants} --seed {seed} "
                    f"--write-env {home}/again.env"
                ),
            ),
        ),
        (
            "Terminal 2",
            (
                (
                    f"{program} check {home}/ismile.toml --env-file {home}/again.env "
                    "--token REDCAP_API_ISMILE_DEV"
                ),
                f"{program} {JOB} --study {home}/ismile.toml --env-file {home}/again.env {tokens}",
            ),
        ),
    ):
        console.print(f"[bold]{title}:[/bold]")
        for command in commands:
            console.print(f"  {command}", soft_wrap=True)
