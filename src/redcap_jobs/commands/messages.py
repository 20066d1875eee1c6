"""``redcap-jobs messages``: what became of the texts, and what a person says about them."""

from __future__ import annotations

import sys
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from redcap_jobs.cli import EXIT_CODES
from redcap_jobs.commands.options import ENV_FILE, together
from redcap_jobs.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from redcap_jobs.messaging.stopping import Said

NOT_DELIVERED_DAYS = 14
YEARS = (2000, 2999)
SHOWN = ("record", "message", "occurrence", "attempt", "posted_at", "state")
"""What of a list fits a screen, besides Twilio's word."""
TOKEN = click.option(
    "--token",
    metavar="NAME",
    help="NAME of the token's variable, to say which project; default: the production project.",
)
OF_STUDY = together(click.argument("study"), ENV_FILE, TOKEN)
REASON = click.option(
    "--reason", required=True, metavar="TEXT", help="Why, in a few words that name nobody."
)
DAY = click.DateTime(["%Y-%m-%d"])


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
        now = opened.store.clock.now()
        sections = overview(
            entries,
            replies_to_read(opened.store, opened.id),
            study=study,
            zone=opened.study.study.time_zone,
            since=now - timedelta(days=days),
            is_dead=lambda entry: not is_alive(entry.holder, now - entry.last_sign),
        )
    console = console_for(terminal=sys.stdout.isatty())
    for section in sections:
        console.print(rich_table(section.table))
        for line in section.told:
            console.print(escape(line), soft_wrap=True)
        console.print()
    if not sections:
        console.print("Nothing waits for anybody.")
    console.print(escape(summary(entries)), soft_wrap=True)


@command.command("list", epilog=EXIT_CODES, short_help="Every attempt, one row each.")
@OF_STUDY
@click.option(
    "--since", type=DAY, metavar="DATE", help="First day, YYYY-MM-DD in the study's time zone."
)
@click.option("--until", type=DAY, metavar="DATE", help="Last day, counted in.")
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


@command.command("settle", epilog=EXIT_CODES, short_help="Say what became of a text.")
@OF_STUDY
@click.argument("text")
@click.option("--sent", "sid", metavar="SID", help="It went out: Twilio has it under this SID.")
@click.option("--not-sent", is_flag=True, help="It did not go out, and may be tried again.")
def settle_command(
    study: str,
    env_file: Path | None,
    token: str | None,
    text: str,
    sid: str | None,
    not_sent: bool,  # noqa: FBT001 - click passes options by name
) -> None:
    """Say what became of TEXT, which nobody knows about or which Twilio refused.

    TEXT is RECORD/KIND/OCCURRENCE as the overview shows it (0 is the invitation), or the whole
    key in quotes. --not-sent lets the next run send it, as long as it is still due: say it only
    when Twilio's console does not show the text, or once the cause of a refusal is gone.

    \b
    Examples:
      redcap-jobs messages settle study.toml 1001/m2-survey/0 --not-sent --env-file .env
      redcap-jobs messages settle study.toml 1001/m2-survey/0 --sent SM0123… --env-file .env
    """  # noqa: D301 - click reads the backspace
    from redcap_jobs.messaging.settling import settle_text
    from redcap_jobs.open_study import open_study

    if (sid is None) == (not not_sent):
        raise UsageError("say --sent SID or --not-sent, one of them")
    with open_study(study, env_file) as opened:
        settle_text(opened, opened.project(token), text, sid, by_whom())
    if sid:
        click.echo(f"{text} counts as sent; the next run asks Twilio what became of it")
    else:
        click.echo(f"{text} counts as not sent; the next run sends it if it is still due")


@command.command("read", epilog=EXIT_CODES, short_help="Say what you read in a reply.")
@click.argument("study")
@click.argument("sid")
@ENV_FILE
@click.option("--stop", is_flag=True, help="It asks for no more texts: the phone is stopped.")
@click.option("--keep", is_flag=True, help="It asks for nothing of the kind: its hold ends.")
def read_command(study: str, sid: str, env_file: Path | None, stop: bool, keep: bool) -> None:  # noqa: FBT001 - click passes options by name
    """Say what you read in the reply SID, so that its phone is no longer held.

    The reply itself stands in Twilio's console and is kept nowhere else. --keep never lifts a
    stop: that is `messages allow`.

    \b
    Example:
      redcap-jobs messages read study.toml SM0123… --keep --env-file .env
    """  # noqa: D301 - click reads the backspace
    from redcap_jobs.open_study import open_study
    from redcap_jobs.state.reply_reading import read_reply

    if stop == keep:
        raise UsageError("say --stop or --keep, one of them")
    with open_study(study, env_file) as opened:
        ends = read_reply(opened.store, opened.id, sid, "stop" if stop else "keep", by_whom())
    told = {
        "stopped": "this phone gets no more texts from the study",
        "allowed": "this phone may be texted again",
        "held": "another reply of this phone still waits to be read",
        "unchanged": "nothing else changed: this phone was not held by it",
    }
    click.echo(f"read; {told[ends]}")


@command.command("stop", epilog=EXIT_CODES, short_help="No more texts for a record.")
@OF_STUDY
@click.argument("record")
@REASON
def stop_command(
    study: str, env_file: Path | None, token: str | None, record: str, reason: str
) -> None:
    """Send RECORD no more texts, nor its phone for any other record.

    Holds from this moment, also for a run under way. The next run ticks it in REDCap as well, where
    the study file names a field for it ([participants.write] opted_out): a lost state forgets no
    stop then.

    \b
    Example:
      redcap-jobs messages stop study.toml 1001 --reason "asked by telephone" --env-file .env
    """  # noqa: D301 - click reads the backspace
    from redcap_jobs.messaging.stopping import say_of_record
    from redcap_jobs.open_study import open_study

    with open_study(study, env_file) as opened:
        project = opened.project(token)
        said = say_of_record(opened, project, record, "stopped", reason, by_whom())
        fields = opened.study.participants.write.opted_out
    click.echo(f"record {record} gets no more texts{phone_words(said)}")
    if fields and said.record:
        named = " and ".join(map(str, fields))
        click.echo(f"the next run of poll-messages or send-surveys ticks {named} in REDCap")
    warn_unless_known(said, record)
    warn_of_state_alone(study, fields)


@command.command("allow", epilog=EXIT_CODES, short_help="Texts for a record again.")
@OF_STUDY
@click.argument("record")
@REASON
def allow_command(
    study: str, env_file: Path | None, token: str | None, record: str, reason: str
) -> None:
    """Let RECORD, and the phone that its last text went to, be texted again.

    After a STOP to Twilio only a START from that phone opens it there again (error 21610), and an
    opt-out in REDCap has to be taken back in REDCap.

    \b
    Example:
      redcap-jobs messages allow study.toml 1001 --reason "asked by telephone" --env-file .env
    """  # noqa: D301 - click reads the backspace
    from redcap_jobs.messaging.stopping import say_of_record
    from redcap_jobs.open_study import open_study

    with open_study(study, env_file) as opened:
        project = opened.project(token)
        said = say_of_record(opened, project, record, "allowed", reason, by_whom())
        fields = opened.study.participants.write.opted_out
    click.echo(f"record {record} may be texted again{phone_words(said)}")
    if fields:
        named = " and ".join(map(str, fields))
        click.echo(
            f"an opt-out that stands in REDCap stays until it is taken back there: {named}, for "
            "each record of the phone"
        )
    warn_unless_known(said, record)


@command.command("resend", epilog=EXIT_CODES, short_help="Send a survey's text once more.")
@OF_STUDY
@click.argument("record")
@click.option("--kind", required=True, metavar="ID", help="The survey's id in the study file.")
@REASON
def resend_command(
    study: str, env_file: Path | None, token: str | None, record: str, kind: str, reason: str
) -> None:
    """Ask for the text of survey ID to RECORD once more, with the next run of send-surveys.

    Everything that keeps a text back keeps this one back, too: completion, opt-out, hours, pauses,
    one text a day for each phone, the survey's latest day. Reminders come as if it had not been.
    Refused (exit 4) while nobody knows about an earlier text, and after three times. In lists and
    in REDCap's log its occurrence is 101, 102, 103.

    \b
    Example:
      redcap-jobs messages resend study.toml 1001 --kind m2-survey \\
          --reason "phone was off for weeks" --env-file .env
    """  # noqa: D301 - click reads the backspace
    from redcap_jobs.messaging.resending import resend
    from redcap_jobs.open_study import open_study

    with open_study(study, env_file) as opened:
        resend(opened, opened.token(token), record, kind, reason, by_whom())
    click.echo(
        f"record {record} gets {kind} once more with the next run, if nothing speaks against it; "
        f"redcap-jobs why {study} {record} says so"
    )


@command.command(
    "rename-record", epilog=EXIT_CODES, short_help="Follow a record renamed in REDCap."
)
@OF_STUDY
@click.argument("old")
@click.argument("new")
def rename_command(
    study: str, env_file: Path | None, token: str | None, old: str, new: str
) -> None:
    """Give what the state knows of record OLD to NEW, after it was renamed in REDCap.

    Its texts keep counting as sent, its stops keep holding, and the next run writes the new keys
    into REDCap's message log.

    \b
    Example:
      redcap-jobs messages rename-record study.toml 1001 2001 --env-file .env
    """  # noqa: D301 - click reads the backspace
    from redcap_jobs.open_study import open_study
    from redcap_jobs.state.journal import Journal
    from redcap_jobs.state.renaming import rename_record

    with open_study(study, env_file) as opened:
        Journal(opened.store, "rename-record").recover()
        project = opened.project(token)
        moved = rename_record(opened.store, opened.id, project, old, new)
    click.echo(f"record {old} is {new} now: {moved} texts")


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


def by_whom() -> str:
    """Name who types: the Unix account."""
    from redcap_jobs.state.runs import unix_user

    return unix_user()


def phone_words(said: Said) -> str:
    """Say whether the phone was known, and is meant, too."""
    return ", and so for its phone" if said.phone else "; no text has gone to it yet"


def warn_unless_known(said: Said, record: str) -> None:
    """Say on stderr that the state knows nothing of a record: it may be a slip of the pen."""
    if not said.record:
        click.echo(
            f"the state knows nothing of record {record} yet: check the id; nobody else is meant",
            err=True,
        )


def warn_of_state_alone(study: str, fields: Sequence[object]) -> None:
    """Say on stderr that REDCap will not know of a stop, where no field is named for it."""
    if not fields:
        click.echo(
            f"{study} names no [participants.write] opted_out, so this stands in the state alone "
            "and is lost with it: enter it in REDCap, too, and name a field there for opt-outs",
            err=True,
        )
