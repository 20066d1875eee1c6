"""``redcap-jobs runs``: what the runs did."""

from __future__ import annotations

import dataclasses
import json
import sys
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from redcap_jobs.cli import EXIT_CODES
from redcap_jobs.commands.options import ENV_FILE
from redcap_jobs.errors import UsageError

if TYPE_CHECKING:
    from rich.console import Console

    from redcap_jobs.state.runs import RunRecord


@click.command("runs", epilog=EXIT_CODES)
@click.argument("run_id", required=False)
@ENV_FILE
@click.option("--study", metavar="ID", help="Only runs of this study (its id, not its file).")
@click.option("--job", metavar="NAME", help="Only runs of this job.")
@click.option(
    "--limit",
    type=click.IntRange(min=1),
    default=20,
    show_default=True,
    help="How many runs at most.",
)
@click.option("--output", type=click.Choice(["table", "json"]), default="table")
def command(
    run_id: str | None,
    env_file: Path | None,
    study: str | None,
    job: str | None,
    limit: int,
    output: str,
) -> None:
    """Show the newest runs, or everything about the one called RUN_ID.

    The beginning of an id is enough if only one run has it. A run that was killed shows as died.

    \b
    Examples:
      redcap-jobs runs --env-file .env --job compute-visit-windows
      redcap-jobs runs --env-file .env 20261122T214455-7f3a --output json
    """  # noqa: D301 - click reads the backspace
    from redcap_jobs.commands.state import opened
    from redcap_jobs.render import console_for
    from redcap_jobs.state.runs import get_run, list_runs

    with opened(env_file) as store:
        if run_id is None:
            found = list_runs(store, study=study, job=job, limit=limit)
        else:
            one = get_run(store, run_id)
            if one is None:
                raise UsageError(
                    f"no run, or more than one, is called {run_id}; list them: redcap-jobs runs"
                )
            found = [one]
    if output == "json":
        rows = [as_json(run) for run in found]
        click.echo(json.dumps(rows if run_id is None else rows[0], indent=2))
        return
    console = console_for(terminal=sys.stdout.isatty())
    if run_id is None:
        show_list(found, console)
    else:
        show_one(found[0], console)


def as_json(run: RunRecord) -> dict[str, Any]:
    """Return a run as JSON values: instants in ISO 8601 (UTC), the project as its key."""
    values = dataclasses.asdict(run) | {"project": str(run.project)}
    holder = values.pop("holder")
    values |= {"host": holder["host"], "pid": holder["pid"]}
    return {
        name: value.isoformat() if isinstance(value, datetime) else value
        for name, value in values.items()
    }


def show_list(runs: Sequence[RunRecord], console: Console) -> None:
    """Draw one line per run, newest first."""
    from redcap_jobs.plan import Table
    from redcap_jobs.render import rich_table

    if not runs:
        console.print("no runs yet")
        return
    columns = ("run", "study", "job", "project", "state", "exit", "problems", "what")
    rows = tuple(
        (
            run.id,
            run.study,
            run.job,
            f"{run.project.project_id} {run.project.mode}",
            run.state,
            "" if run.exit_code is None else str(run.exit_code),
            str(run.problem_count),
            run.message,
        )
        for run in runs
    )
    console.print(rich_table(Table("Runs, newest first; times in UTC", columns, rows)))


def show_one(run: RunRecord, console: Console) -> None:
    """Draw everything that is kept about one run."""
    from rich.markup import escape

    named = as_json(run)
    lists = {name: named.pop(name) for name in ("counts", "skip_reasons", "problems", "options")}
    named.pop("process_start", None)
    for name, value in named.items():
        if value not in (None, ""):
            console.print(f"[bold]{name.replace('_', ' ')}[/bold]: {escape(str(value))}")
    for name in ("options", "counts", "skip_reasons"):
        for what, number in lists[name].items():
            console.print(f"[bold]{name.replace('_', ' ')}[/bold]: {escape(f'{what}: {number}')}")
    for problem in lists["problems"]:
        console.print(f"[bold]problem[/bold]: {escape(problem)}")
    left_out = run.problem_count - len(run.problems)
    if left_out:
        console.print(f"… and {left_out} more")
