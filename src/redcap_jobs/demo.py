"""``redcap-jobs demo``: everything from study file to REDCap and back, on this machine alone.

A folder gets a study file and a ``.env``; a sandbox of REDCap, Twilio and the texting partner is
started; the visit windows are computed twice for the development copy and twice for production;
the surveys that are due are asked for by text, and what became of the texts is polled; participants
are enrolled with the partner, and what has become of them there after three months is written
back. Nothing leaves the machine.
"""

from __future__ import annotations

import os
import re
import secrets
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from redcap_jobs.errors import SetupError, UsageError
from redcap_jobs.plan import CALLS, Table
from redcap_jobs.typed import called

if TYPE_CHECKING:
    from rich.console import Console

    from redcap_jobs.notify.outcome import RunOutcome
    from redcap_jobs.sandbox.server import Sandbox

JOB, SYNC = "compute-visit-windows", "sync-agile"
DEVELOPMENT, PRODUCTION = "REDCAP_API_ISMILE_DEV", "REDCAP_API_ISMILE_PROD"
STANDS = "every value stands in REDCap already"
STEPS = (
    (JOB, "development copy", DEVELOPMENT, STANDS),
    (JOB, "development copy, again", DEVELOPMENT, STANDS),
    (JOB, "production", PRODUCTION, STANDS),
    (JOB, "production, again", PRODUCTION, STANDS),
    (
        "send-surveys",
        "development copy",
        DEVELOPMENT,
        "a development run texts only phones that the study file names, and it names none",
    ),
    ("send-surveys", "production", PRODUCTION, "nobody's day has come"),
    ("send-surveys", "production, again", PRODUCTION, "nobody is texted twice"),
    ("poll-messages", "production", PRODUCTION, "what became of every text stands in REDCap"),
    ("poll-participants", "production", PRODUCTION, "everybody is enrolled"),
    ("poll-participants", "production, again", PRODUCTION, "nobody has changed in REDCap"),
    (SYNC, "production", PRODUCTION, "nobody has changed at the partner"),
    (SYNC, "production, again", PRODUCTION, "the partner's word stands in REDCap"),
)
"""Job, copy, token's name, and why nothing is due where nothing is."""
SHOWN_WHOLE = {STEPS[0], STEPS[5], STEPS[-4], STEPS[-2]}
"""Runs whose plan is shown; of the others a line."""
AT_THE_PARTNER = timedelta(days=90)
"""So much time goes by for its members before they are first looked at."""
SECONDS_BETWEEN, REQUESTS_PER_MINUTE = 0.2, 60_000
"""Of the demo's texts and calls: allowed against a sandbox only, so that nobody waits."""


@dataclass(frozen=True)
class Pass:
    """One run of the demo: what it was, how it ended, what it asked of the servers, seconds.

    ``texts`` is how many texts Twilio took in it, ``members`` how many calls that change something
    the partner took.
    """

    job: str
    copy: str
    outcome: RunOutcome
    requests: Counter[str]
    texts: int
    members: int
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
            f"[bold]1. A sandbox[/bold] of REDCap ({server.url}), Twilio and the texting partner "
            f"({server.twilio_url}) serves the ISMILE study: {participants} made-up participants, "
            "as a development copy and in production."
        )
        study, env_file = write_files(home, server)
        console.print(f"[bold]2. Study file, .env and state[/bold] are in {home}\n")
        passes = [one_pass(console, server, study, env_file, *step) for step in STEPS]
    conclude(console, home, server, passes, participants, seed)
    return passes


@contextmanager
def sandbox(participants: int, seed: int) -> Iterator[Sandbox]:
    """Start the local REDCap on a free port and stop it at the end."""
    try:
        from redcap_jobs.sandbox.ismile import ismile_projects
        from redcap_jobs.sandbox.partner_account import made_up_partner
        from redcap_jobs.sandbox.server import Sandbox
        from redcap_jobs.sandbox.twilio_account import Pace, made_up_account
    except ImportError as error:
        raise SetupError(
            f"the demo needs the sandbox extra ({error.name} is missing); "
            "type: pip install 'redcap-jobs[sandbox]'"
        ) from error
    projects = ismile_projects(participants=participants, seed=seed)
    account = made_up_account(Pace(segments_per_second=10, sending=0.1, receipt=0.5))
    partner = made_up_partner(lives=True, seed=seed)
    with Sandbox(projects=projects, twilio=account, partner=partner) as server:
        yield server


def where_it_is_noon(now: datetime) -> str:
    """Return a time zone in which it is about noon, so that the sending hours are open.

    ``Etc/GMT`` zones count the other way round: ``Etc/GMT+8`` is eight hours behind.
    """
    ahead = 12 - now.astimezone(UTC).hour
    return f"Etc/GMT{-ahead:+d}" if ahead else "Etc/GMT"


def write_files(home: Path, server: Sandbox) -> tuple[Path, Path]:
    """Write the bundled study file for this server, a ``.env`` of mode 600, and create the state.

    Its time zone is one in which it is noon: a demo at night would send nothing.
    """
    from redcap_jobs.clock import SystemClock
    from redcap_jobs.state.store import Store
    from redcap_jobs.study.loading import bundled_study_text

    study = home / "ismile.toml"
    text = re.sub(
        r'(?m)^url = ".*"$', f'url = "{server.url}"', bundled_study_text("ismile"), count=1
    )
    zone = where_it_is_noon(datetime.now(UTC))
    for old, new in (
        ('time_zone = "America/Los_Angeles"', f'time_zone = "{zone}"'),
        ("seconds_between = 1.05", f"seconds_between = {SECONDS_BETWEEN}"),
        ("[sender]\n", f'[sender]\nurl = "{server.twilio_url}"\n'),
        ("https://api.agilehealth.example", server.partner_url),
        ("https://sandbox.agilehealth.example", server.partner_url),
        ("requests_per_minute = 120", f"requests_per_minute = {REQUESTS_PER_MINUTE}"),
    ):
        text = text.replace(old, new)
    study.write_text(text, encoding="utf-8")
    env_file = home / ".env"
    lines = [f"{name}={value}" for name, value in sorted(server.variables.items())]
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
    job: str,
    copy: str,
    token: str,
    quiet: str,
) -> Pass:
    """Run a job once against one copy; two of the runs show their plan, the others a line.

    ``quiet`` is why nothing is due, where nothing was.
    """
    from redcap_jobs.request import RunRequest, Terminal
    from redcap_jobs.run import run_job

    console.rule(f"{job}: {copy}")
    if (job, copy) == (SYNC, "production"):
        server.partner.advance(AT_THE_PARTNER.total_seconds())
        console.print(f"For the partner's members {AT_THE_PARTNER.days} days go by.")
    before, texts = len(server.requests), len(server.twilio.accepted())
    members, started = len(server.partner.accepted()), time.perf_counter()
    request = RunRequest(job, study, token, token, env_file=env_file, yes=True)
    shown = (job, copy, token, quiet) in SHOWN_WHOLE
    terminal = Terminal(shown, shown, console=console, confirm=lambda _: True)
    outcome = run_job(request, terminal)
    seconds = time.perf_counter() - started
    asked = Counter(entry.call for entry in server.requests[before:])
    texts = len(server.twilio.accepted()) - texts
    members = len(server.partner.accepted()) - members
    ended = Pass(job, copy, outcome, asked, texts, members, seconds)
    console.print(in_a_line(ended, quiet), markup=False)
    return ended


def in_a_line(each: Pass, quiet: str) -> str:
    """Say what a run did, or why it had nothing to do, and what it cost."""
    from redcap_jobs.render import counted

    cells = each.outcome.counts.get("cells_written", 0)
    done = [f"{counted(each.texts, 'text')} sent"] if each.texts else []
    counts = each.outcome.counts
    done += [
        f"{counts[how]} {word}" for word in CALLS.values() if (how := f"actions {word}") in counts
    ]
    done += [f"{counted(cells, 'cell')} written"] if cells else []
    said = ", ".join(done) or f"Nothing is due: {quiet}"
    return f"{said} ({sum(each.requests.values())} requests, {each.seconds:.1f} s)"


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
            f"{each.job}: {each.copy}",
            each.outcome.state,
            str(int(each.outcome.exit_code)),
            str(each.texts),
            str(each.members),
            str(each.outcome.counts.get("cells_written", 0)),
            str(each.requests.get("record import", 0)),
            str(each.outcome.counts.get("problems", 0)),
        )
        for each in passes
    )
    columns = ("what", "state", "exit", "texts", "partner", "cells", "imports", "problems")
    console.rule("What happened")
    console.print(rich_table(Table("The runs", columns, rows)))
    console.print(
        "The second run of each writes nothing and texts nobody: only changed cells are imported, "
        "a text goes out at most once, and the partner gets one member for each participant. The "
        "development copy texts nobody at all.\n"
        "Exit 1 means [italic]partial[/italic]: some participants carry planted mistakes (an "
        "anchor that is no date, rows in two arms), and some differ at the partner; everyone else "
        "was done, and each is listed.\n"
    )
    console.print(f"[bold]The files stay in[/bold] {home}")
    program = called()
    tokens = "--export-token REDCAP_API_ISMILE_DEV --import-token REDCAP_API_ISMILE_DEV"
    port = server.url.split(":")[2].split("/")[0]
    for title, commands in (
        (
            "Look at what was done",
            (
                f"{program} runs --env-file {home}/.env",
                f"{program} why {home}/ismile.toml 1003 --env-file {home}/.env",
                f"{program} messages list {home}/ismile.toml --env-file {home}/.env",
                f"{program} partner {home}/ismile.toml --env-file {home}/.env",
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
                (
                    f"{program} send-surveys --study {home}/ismile.toml "
                    f"--env-file {home}/again.env {tokens.replace(DEVELOPMENT, PRODUCTION)}"
                ),
                (
                    f"{program} poll-participants --study {home}/ismile.toml "
                    f"--env-file {home}/again.env {tokens}"
                ),
            ),
        ),
    ):
        console.print(f"[bold]{title}:[/bold]")
        for command in commands:
            console.print(f"  {command}", soft_wrap=True)
