"""``redcap-jobs pause``: no texts of a study until a day is over."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import click

from redcap_jobs.cli import EXIT_CODES
from redcap_jobs.commands.options import ENV_FILE, Day


@click.command("pause", epilog=EXIT_CODES)
@click.argument("study")
@click.option(
    "--until",
    required=True,
    type=Day(),
    metavar="DATE",
    help="The last day without texts, YYYY-MM-DD in the study's time zone.",
)
@click.option("--reason", required=True, metavar="TEXT", help="Why, in a few words.")
@ENV_FILE
def command(study: str, until: datetime, reason: str, env_file: Path | None) -> None:
    """Send no texts of STUDY until the day DATE is over.

    Holds from this moment, also for a run under way, and for every project of the study. What is
    due waits, and lapses where it becomes too late. Replies and results are still read. A pause
    that is known beforehand belongs into the study file ([[pauses]]).

    \b
    Example:
      redcap-jobs pause study.toml --until 2026-12-01 --reason "survey is wrong" --env-file .env
    """  # noqa: D301 - click reads the backspace
    from redcap_jobs.messaging.stopping import pause
    from redcap_jobs.open_study import open_study
    from redcap_jobs.state.runs import unix_user

    with open_study(study, env_file) as opened:
        before = pause(opened, until.date(), reason, unix_user())
    click.echo(
        f"no texts of {opened.id} until {until:%Y-%m-%d} is over; redcap-jobs resume ends it"
    )
    if before is not None and before != until.date():
        click.echo(f"it was paused until {before} is over: that does not count any more", err=True)
