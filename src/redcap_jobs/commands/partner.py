"""``redcap-jobs partner``: what became of the exchange, and what a person says about it."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from redcap_jobs.cli import EXIT_CODES
from redcap_jobs.commands.messages import MessagesGroup
from redcap_jobs.commands.messages_said import REASON, by_whom
from redcap_jobs.commands.options import OF_STUDY
from redcap_jobs.errors import UsageError


@click.group("partner", cls=MessagesGroup, epilog=EXIT_CODES)
def command() -> None:
    """Show what became of the exchange with the texting partner, and settle what nobody else can.

    Without a command it shows, for the STUDY file named, what waits for somebody: what the last runs
    of both jobs told, calls nobody knows about, and what the partner refused. Names and phones are
    never shown.

    \b
    Example:
      redcap-jobs partner study.toml --env-file .env
    """  # noqa: D301 - click reads the backspace


@command.command("overview", epilog=EXIT_CODES, short_help="What waits for somebody (the default).")
@OF_STUDY
def overview_command(study: str, env_file: Path | None, token: str | None) -> None:
    """Show what the last runs told, calls nobody knows about and refusals; count the members.

    Reads the state only. The same as `redcap-jobs partner STUDY`.

    \b
    Example:
      redcap-jobs partner overview study.toml --env-file .env
    """  # noqa: D301 - click reads the backspace
    from rich.markup import escape

    from redcap_jobs.open_study import open_study
    from redcap_jobs.partner.lists import overview
    from redcap_jobs.render import console_for, rich_table

    with open_study(study, env_file) as opened:
        tables, told = overview(opened, opened.project(token))
        told = opened.typed(token).complete(told)
    console = console_for(terminal=sys.stdout.isatty())
    for table in tables:
        console.print(rich_table(table))
        console.print()
    if not tables:
        console.print("Nothing waits for anybody.")
    console.print(escape(told), soft_wrap=True)


@command.command("settle", epilog=EXIT_CODES, short_help="Say whether somebody was enrolled.")
@OF_STUDY
@click.argument("record")
@click.option("--member", metavar="ID", help="The partner has the participant under this id.")
@click.option("--not-enrolled", is_flag=True, help="The partner does not have the participant.")
def settle_command(
    study: str,
    env_file: Path | None,
    token: str | None,
    record: str,
    member: str | None,
    not_enrolled: bool,  # noqa: FBT001 - click passes options by name
) -> None:
    """Say whether RECORD was enrolled, where an answer was lost and looking it up does not help.

    The partner is asked whether --member is this participant. --not-enrolled lets the next run
    enrol the participant: say it only when the partner has looked and has no such member, or a
    second one is texted as well.

    \b
    Examples:
      redcap-jobs partner settle study.toml 1001 --member AH-100123 --env-file .env
      redcap-jobs partner settle study.toml 1001 --not-enrolled --env-file .env
    """  # noqa: D301 - click reads the backspace
    from redcap_jobs.open_study import open_study
    from redcap_jobs.partner.lists import refuse_stranger, settle_enrolment

    if (member is None) == (not not_enrolled):
        raise UsageError("say --member ID or --not-enrolled, one of them")
    with open_study(study, env_file) as opened:
        project = opened.project(token)
        if member:
            refuse_stranger(opened, project, record, member)
        settle_enrolment(opened, project, record, member, by_whom())
    of = f"record {record} of {project.words}"
    if member:
        click.echo(f"{of} counts as member {member}; the next run writes it to REDCap")
    else:
        click.echo(f"{of} counts as not enrolled; the next run enrols the participant")


@command.command("confirm-arm", epilog=EXIT_CODES, short_help="Let a changed arm be pushed.")
@OF_STUDY
@click.argument("record")
@click.option("--arm", required=True, metavar="ARM", help="The right arm, in the partner's word.")
@REASON
def confirm_arm_command(
    study: str, env_file: Path | None, token: str | None, record: str, arm: str, reason: str
) -> None:
    """Say that RECORD is rightly in ARM now, so that the next run assigns it with the partner.

    A participant's arm is assigned once; a later change in REDCap is told and pushed only after
    this. It holds for just this arm, and for a week: should REDCap say another, that is told again.

    \b
    Example:
      redcap-jobs partner confirm-arm study.toml 1001 --arm CWT --reason "entry corrected" --env-file .env
    """  # noqa: D301 - click reads the backspace
    from redcap_jobs.open_study import open_study
    from redcap_jobs.partner.lists import confirm_arm

    with open_study(study, env_file) as opened:
        project = opened.project(token)
        confirm_arm(opened, project, record, arm, reason, by_whom())
    click.echo(
        f"record {record} of {project.words}: the next poll-participants assigns {arm}, if REDCap says so, too"
    )


@command.command("tell-again", epilog=EXIT_CODES, short_help="Send REDCap's values once more.")
@OF_STUDY
@click.argument("record")
@REASON
def tell_again_command(
    study: str, env_file: Path | None, token: str | None, record: str, reason: str
) -> None:
    """Say that REDCap is right about RECORD, where the partner has something else.

    What REDCap owns is sent when it changes in REDCap; what the partner's staff changed is told by
    sync-agile and left alone. After this the next poll-participants sends it once more: all fields
    but the arm, which confirm-arm is for.

    \b
    Example:
      redcap-jobs partner tell-again study.toml 1001 --reason "asked her" --env-file .env
    """  # noqa: D301 - click reads the backspace
    from redcap_jobs.open_study import open_study
    from redcap_jobs.partner.lists import tell_again

    with open_study(study, env_file) as opened:
        project = opened.project(token)
        tell_again(opened, project, record, reason, by_whom())
    click.echo(
        f"record {record} of {project.words}: the next poll-participants tells the partner again"
    )
