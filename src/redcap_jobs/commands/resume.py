"""``redcap-jobs resume``: a study texts again."""

from __future__ import annotations

from pathlib import Path

import click

from redcap_jobs.cli import EXIT_CODES
from redcap_jobs.commands.options import ENV_FILE


@click.command("resume", epilog=EXIT_CODES)
@click.argument("study")
@ENV_FILE
def command(study: str, env_file: Path | None) -> None:
    """End the pause of STUDY: the next run texts who is due then.

    Of what fell due in the pause only the latest text of each survey goes out. A pause of the
    study file ([[pauses]]) is ended there.

    \b
    Example:
      redcap-jobs resume study.toml --env-file .env
    """  # noqa: D301 - click reads the backspace
    from zoneinfo import ZoneInfo

    from redcap_jobs.messaging.stopping import resume
    from redcap_jobs.open_study import open_study
    from redcap_jobs.state.runs import unix_user

    with open_study(study, env_file) as opened:
        paused = resume(opened, unix_user())
        today = opened.store.clock.now().astimezone(ZoneInfo(opened.study.study.time_zone)).date()
    in_file = [each for each in opened.study.pauses if each.from_ <= today <= each.until]
    for each in in_file:
        click.echo(
            f"{study} pauses until {each.until} is over ([[pauses]]): shorten that there", err=True
        )
    if in_file:
        click.echo(f"the pause by command {'is ended' if paused else 'was none'}")
    else:
        click.echo(f"{opened.id} texts again" if paused else f"{opened.id} was not paused")
