"""``redcap-jobs due``: who will be texted what, and what lapses."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from redcap_jobs.cli import EXIT_CODES
from redcap_jobs.commands.options import ENV_FILE, STEPS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from redcap_jobs.due import Forecast
    from redcap_jobs.plan import Table

COLUMNS = ("day", "record", "message", "what", "segments", "why")


@click.command("due", epilog=EXIT_CODES)
@click.argument("study")
@click.option(
    "--days",
    type=click.IntRange(1, 60),
    default=7,
    show_default=True,
    help="How many days ahead, today counted in.",
)
@click.option(
    "--token",
    metavar="NAME",
    help="NAME of the token's variable, to say which project; default: the production project.",
)
@ENV_FILE
@click.option("--output", type=click.Choice(["table", "csv"]), default="table", show_default=True)
@STEPS
def command(
    study: str,
    days: int,
    token: str | None,
    env_file: Path | None,
    output: str,
    verbose: bool,  # noqa: FBT001 - click passes options by name
) -> None:
    """Say who of STUDY will be texted what in the coming days, what waits, and what will lapse.

    REDCap is read, nothing is written or sent. Each day counts the texts of the days before as
    sent; who completes a survey in between gets less. What a limit keeps back (texts to a phone,
    or of the study, in a day) waits for a later day; more than a run may send is said below.
    Texts of other studies to the same phone are not foreseen. Recipients are shown by record id;
    the days are theirs. Segments are counted with a survey link of usual length.

    \b
    Example:
      redcap-jobs due study.toml --days 7 --env-file .env
    """  # noqa: D301 - click reads the backspace
    from redcap_jobs.due import read_due
    from redcap_jobs.notify.logs import configure_logging
    from redcap_jobs.open_study import open_study
    from redcap_jobs.study.live import open_client

    configure_logging(verbose=verbose)
    with open_study(study, env_file) as opened:
        name = opened.token(token)
        loaded, clock = opened.study, opened.store.clock
        per_minute = loaded.limits.requests_per_minute
        with open_client(loaded.redcap.url, name, opened.credentials, clock, per_minute) as client:
            found = read_due(opened, name, client, days)
    if output == "csv":
        write_csv(found)
    else:
        show(found, days)


def rows_of(found: Forecast) -> list[tuple[str, ...]]:
    """Give COLUMNS for each text, then for each that waits, then for each that lapses."""
    texts = [
        (str(each.day), each.record, each.message, each.occurrence, str(each.segments), "")
        for each in found.texts
    ]
    kept_back = [
        (str(each.day), each.record, each.message, what, "", each.why)
        for what, those in (("waits", found.waits), ("lapses", found.lapses))
        for each in those
    ]
    return [*texts, *kept_back]


def write_csv(found: Forecast) -> None:
    """Write COLUMNS as CSV."""
    import csv

    written = csv.writer(sys.stdout, lineterminator="\n")
    written.writerow(COLUMNS)
    written.writerows(rows_of(found))
    for line in found.limits:
        click.echo(line, err=True)


def show(found: Forecast, days: int) -> None:
    """Draw the texts by day and survey, each text, what lapses, and what is wrong with data."""
    from collections import Counter

    from rich.markup import escape

    from redcap_jobs.plan import Table
    from redcap_jobs.render import console_for, counted, rich_table, show_problems

    console = console_for(terminal=sys.stdout.isatty())
    by_day = Counter((str(each.day), each.message) for each in found.texts)
    counts = tuple((*place, str(number)) for place, number in by_day.items())
    rows = rows_of(found)
    tables = (
        Table("Texts by day", ("day", "message", "texts"), counts),
        Table("Texts to come", COLUMNS[:5], tuple(row[:5] for row in rows if not row[5])),
        kept_back("Waits for a later day: a limit is reached", rows, "waits"),
        kept_back("Lapses: due, hindered, and too late after this day", rows, "lapses"),
    )
    for table in tables:
        if table.rows:
            console.print(rich_table(table))
    show_problems(found.problems, console)
    for line in found.limits:
        console.print(escape(line), soft_wrap=True)
    texts, lapses = counted(len(found.texts), "text"), len(found.lapses)
    console.print(f"{texts} in {counted(days, 'day')}, {lapses} will lapse")


def kept_back(title: str, rows: Sequence[tuple[str, ...]], what: str) -> Table:
    """Give the table of the texts that wait, or that lapse, each with the reason."""
    from redcap_jobs.plan import Table

    those = tuple((*row[:3], row[5]) for row in rows if row[3] == what)
    return Table(title, ("day", "record", "message", "why"), those)
