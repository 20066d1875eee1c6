"""What a person says about texts: the commands of ``redcap-jobs messages`` that change something."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from redcap_jobs.cli import EXIT_CODES
from redcap_jobs.commands.options import ENV_FILE, OF_STUDY
from redcap_jobs.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from redcap_jobs.messaging.stopping import Said

REASON = click.option(
    "--reason", required=True, metavar="TEXT", help="Why, in a few words that name nobody."
)


@click.command("settle", epilog=EXIT_CODES, short_help="Say what became of a text.")
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


@click.command("read", epilog=EXIT_CODES, short_help="Say what you read in a reply.")
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


@click.command("stop", epilog=EXIT_CODES, short_help="No more texts for a record.")
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


@click.command("allow", epilog=EXIT_CODES, short_help="Texts for a record again.")
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


@click.command("resend", epilog=EXIT_CODES, short_help="Send a survey's text once more.")
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


@click.command("rename-record", epilog=EXIT_CODES, short_help="Follow a record renamed in REDCap.")
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


THINGS_TO_SAY: tuple[click.Command, ...] = (
    settle_command,
    read_command,
    stop_command,
    allow_command,
    resend_command,
    rename_command,
)
