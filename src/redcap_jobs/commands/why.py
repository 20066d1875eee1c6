"""``redcap-jobs why``: what was decided about one record, when, and for which reasons."""

from __future__ import annotations

from pathlib import Path

import click

from redcap_jobs.cli import EXIT_CODES
from redcap_jobs.commands.options import ENV_FILE


@click.command("why", epilog=EXIT_CODES)
@click.argument("study")
@click.argument("record")
@ENV_FILE
def command(study: str, record: str, env_file: Path | None) -> None:
    """Say what the jobs last decided about RECORD of STUDY, since when, and why.

    Reads the state only: REDCap is not asked. Visits stand in schedule order, and what their
    states and flags mean is said below. A decision is listed with the run that made it;
    it stays until a later run decides otherwise. What the last run said about the record's data
    follows, then what left the house for it with Twilio's or the partner's answer, what stops it,
    and for each survey its next chance, on the study's clock.

    \b
    Example:
      redcap-jobs why study.toml 1001 --env-file .env
    """  # noqa: D301 - click reads the backspace
    import sys

    from redcap_jobs.render import console_for
    from redcap_jobs.state.store import open_state
    from redcap_jobs.study.credentials import load_credentials
    from redcap_jobs.study.loading import load_bundled_or_file
    from redcap_jobs.why import show_why

    loaded = load_bundled_or_file(study)
    url = load_credentials(env_file).get("REDCAP_JOBS_STATE_URL")
    roles = {identity.role for identity in loaded.redcap.projects.values()}
    with open_state(url, production="production" in roles) as store:
        show_why(store, loaded, record, console_for(terminal=sys.stdout.isatty()))
