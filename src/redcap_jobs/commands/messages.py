"""``redcap-jobs messages``: what became of the texts; what a person says stands beside."""

from __future__ import annotations

import sys
from datetime import datetime
from pathlib import Path

import click

from redcap_jobs.cli import EXIT_CODES
from redcap_jobs.commands.messages_said import THINGS_TO_SAY
from redcap_jobs.commands.options import OF_STUDY, Day
from redcap_jobs.errors import UsageError

NOT_DELIVERED_DAYS = 14
YEARS = (2000, 2999)
SHOWN = ("record", "message", "occurrence", "attempt", "posted_at", "state")
"""What of a list fits a screen, besides Twilio's word."""


class MessagesGroup(click.Group):
    """A group in which a study that stands where a command could shows the overview."""

    default_command = "overview"

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Read ``messages STUDY`` as ``messages overview STUDY``."""
        words = [each for each in args[:2] if not each.startswith("-")]
        mistyped = len(words) == 2 and not Path(words[0]).suffix  # "stopp study.toml"
        if args and args[0] not in (*self.commands, "--help") and not mistyped:
            args = [self.default_command, *args]
        return super().parse_args(ctx, args)


@click.group("messages", cls=MessagesGroup, epilog=EXIT_CODES)
def command() -> None:
    """Show what became of the texts of a study, and settle what nobody else can.

    Without a command it shows, for the STUDY file named, what waits for somebody: texts nobody
    knows about, replies to read, refusals, texts that were not delivered. Phones, names and
    bodies are never shown: they stand in REDCap and in Twilio's console.

    \b
    Example:
      redcap-jobs messages study.toml --env-file .env
    """  # noqa: D301 - click reads the backspace


@command.command("overview", epilog=EXIT_CODES, short_help="What waits for somebody (the default).")
@OF_STUDY
@click.option(
    "--days",
    type=click.IntRange(1, 3650),
    default=NOT_DELIVERED_DAYS,
    show_default=True,
    help="How far back texts that were not delivered are listed.",
)
def overview_command(study: str, env_file: Path | None, token: str | None, days: int) -> None:
    """Show what waits for somebody: unknown texts, replies, refusals, not delivered.

    Reads the state only. The same as `redcap-jobs messages STUDY`.

    \b
    Example:
      redcap-jobs messages overview study.toml --env-file .env --days 30
    """  # noqa: D301 - click reads the backspace
    from datetime import timedelta

    from rich.markup import escape

    from redcap_jobs.messaging.lists import overview, summary
    from redcap_jobs.open_study import open_study
    from redcap_jobs.render import console_for, rich_table
    from redcap_jobs.state.inbound import replies_to_read
    from redcap_jobs.state.process import is_alive
    from redcap_jobs.state.text_lists import last_attempts

    with open_study(study, env_file) as opened:
        entries = last_attempts(opened.store, opened.project(token))
        now, typed = opened.store.clock.now(), opened.typed(token)
        sections = overview(
            entries,
            replies_to_read(opened.store, opened.id),
            zone=opened.study.study.time_zone,
            since=now - timedelta(days=days),
            is_dead=lambda entry: not is_alive(entry.holder, now - entry.last_sign),
        )
    console = console_for(terminal=sys.stdout.isatty())
    for section in sections:
        console.print(rich_table(section.table))
        for line in section.told:
            console.print(escape(typed.complete(line)), soft_wrap=True)
        console.print()
    if not sections:
        console.print("Nothing waits for anybody.")
    console.print(escape(summary(entries)), soft_wrap=True)


@command.command("list", epilog=EXIT_CODES, short_help="Every attempt, one row each.")
@OF_STUDY
@click.option(
    "--since", type=Day(), metavar="DATE", help="First day, YYYY-MM-DD in the study's time zone."
)
@click.option("--until", type=Day(), metavar="DATE", help="Last day, counted in.")
@click.option("--output", type=click.Choice(["table", "csv"]), default="table", show_default=True)
def list_command(
    study: str,
    env_file: Path | None,
    token: str | None,
    since: datetime | None,
    until: datetime | None,
    output: str,
) -> None:
    """List every attempt that was handed to Twilio, with what became of it: one row each.

    What an ethics board asks for: record ids, kinds, times and results; no phone, name or body.
    An attempt nobody knows about is listed, too.

    \b
    Example:
      redcap-jobs messages list study.toml --env-file .env \\
          --since 2026-11-01 --until 2026-11-30 --output csv > november.csv
    """  # noqa: D301 - click reads the backspace
    from redcap_jobs.messaging.lists import LIST_COLUMNS, attempt_rows, twilio_words
    from redcap_jobs.open_study import open_study
    from redcap_jobs.plan import Table
    from redcap_jobs.render import console_for, counted, rich_table
    from redcap_jobs.state.text_lists import posted_between

    if since and until and until < since:
        raise UsageError(f"--until {until:%Y-%m-%d} lies before --since {since:%Y-%m-%d}")
    with open_study(study, env_file) as opened:
        zone = opened.study.study.time_zone
        bounds = (start_of(since, zone), start_of(until, zone, days=1))
        entries = posted_between(opened.store, opened.project(token), *bounds)
    rows = tuple(attempt_rows(entries, zone))
    if output == "csv":
        import csv

        written = csv.writer(sys.stdout, lineterminator="\n")
        written.writerow(LIST_COLUMNS)
        written.writerows(rows)
        return
    columns = [LIST_COLUMNS.index(name) for name in SHOWN]
    words = [twilio_words(entry) for entry in entries]
    lines = tuple(
        (*(row[column] for column in columns), word) for row, word in zip(rows, words, strict=True)
    )
    console = console_for(terminal=sys.stdout.isatty())
    console.print(rich_table(Table("Texts, oldest first", (*SHOWN, "Twilio"), lines)))
    console.print(f"{counted(len(rows), 'text')}; --output csv has SIDs, meanings and runs, too")


def start_of(day: datetime | None, zone: str, days: int = 0) -> datetime | None:
    """Return the aware instant at which a day, or one some days later, begins in a zone.

    One before or after all texts counts as that of :data:`YEARS`, within what instants can be.
    """
    from datetime import timedelta
    from zoneinfo import ZoneInfo

    if day is None:
        return None
    day = min(max(day, datetime(YEARS[0], 1, 1)), datetime(YEARS[1], 1, 1))  # noqa: DTZ001 - a date
    return (day + timedelta(days=days)).replace(tzinfo=ZoneInfo(zone))


for each in THINGS_TO_SAY:
    command.add_command(each)
