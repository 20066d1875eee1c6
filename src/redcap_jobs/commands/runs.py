"""``redcap-jobs runs``: what the runs did."""

from __future__ import annotations

import dataclasses
import json
import sys
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
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
@click.option(
    "--output",
    type=click.Choice(["table", "json"]),
    default="table",
    show_default=True,
    help="For people, or for programs.",
)
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

    with opened(env_file, say_default=True) as store:
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
        show_list(found, console, wanted=bool(study or job))
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


def show_list(runs: Sequence[RunRecord], console: Console, *, wanted: bool) -> None:
    """Draw one line per run, newest first; ``wanted``: only some runs were asked for."""
    from redcap_jobs.plan import Table
    from redcap_jobs.render import rich_table

    if not runs:
        console.print(
            "no such runs; without --study and --job all show" if wanted else "no runs yet"
        )
        return
    columns = (
        "run",
        "started (UTC)",
        "study",
        "job",
        "project",
        "state",
        "exit",
        "problems",
        "what",
    )
    rows = tuple(
        (
            run.id,
            f"{run.started_at:%Y-%m-%d %H:%M}",
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
    console.print(rich_table(Table("Runs, newest first", columns, rows)))


def show_one(run: RunRecord, console: Console) -> None:
    """Draw everything that is kept about one run: facts, counts, skips, problems."""
    from rich.markup import escape

    from redcap_jobs.grouped import grouped
    from redcap_jobs.render import show_told

    for label, value in facts_of(run):
        if value:
            console.print(f"[bold]{label}[/bold]: {escape(value)}", soft_wrap=True)
    for title, numbers in (
        ("Asked for", run.options),
        ("Counts", run.counts),
        ("Skipped, by reason", run.skip_reasons),
    ):
        if numbers:
            console.print(f"[bold]{title}[/bold]:")
        for name, number in numbers.items():
            words = f"{name.replace('_', ' ')}: {number}"
            console.print(f"  {escape(words)}", soft_wrap=True)
    if run.problems:
        console.print("[bold]Problems in the data[/bold]:")
    show_told(grouped(run.problems), console, most=None)
    left_out = run.problem_count - len(run.problems)
    if left_out:
        console.print(f"  … and {left_out} more, which are not kept")


def facts_of(run: RunRecord) -> Iterator[tuple[str, str]]:
    """Yield what is known of a run: a label for people and its value; '' where there is none."""
    exit_code = "" if run.exit_code is None else str(run.exit_code)
    yield "Run", run.id
    yield "Study", run.study
    yield "Job", run.job
    yield "Project", f"{run.project.project_id} ({run.project.mode}) at {run.project.url}"
    yield "Read with", run.export_token
    yield "Written with", run.import_token
    yield "Result", run.state + (f", exit code {exit_code}" if exit_code else "")
    yield "What happened", run.message
    if run.state in ("failed", "refused"):
        yield "Kind of error", " ".join(filter(None, (run.error_class, run.error_code)))
    yield "Planned for", instant(run.as_of)
    yield "Started", instant(run.started_at)
    yield "Ended", instant(run.ended_at) if run.ended_at else "not recorded"
    yield "By", f"{run.unix_user} on {run.holder.host}, process {run.holder.pid}"
    yield "Release", f"redcap-jobs {run.version}"
    yield "REDCap version", run.redcap_version
    yield "Study file (SHA-256)", run.study_file_hash


def instant(moment: datetime) -> str:
    """Write an aware instant for people: ``2026-11-22 21:44:55 UTC``."""
    return f"{moment.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"
