"""``redcap-jobs check``: every mistake of a study file, alone or against the live project."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

import click

from redcap_jobs.cli import EXIT_CODES
from redcap_jobs.commands.options import ENV_FILE, STEPS
from redcap_jobs.errors import (
    CredentialsError,
    ExitCode,
    Finding,
    StateError,
    StateMissing,
    StudyFileError,
    UsageError,
)

if TYPE_CHECKING:
    from redcap_jobs.study.check import CheckFinding
    from redcap_jobs.study.config import Study
    from redcap_jobs.study.credentials import Credentials
    from redcap_jobs.study.live import Checked

    Show: TypeAlias = Callable[[str, Checked], None]


@click.command("check", epilog=EXIT_CODES)
@click.argument("study")
@click.option(
    "--token",
    metavar="NAME",
    help="NAME of the variable that holds a token; with it the live project is compared.",
)
@ENV_FILE
@click.option(
    "--output",
    type=click.Choice(["table", "json"]),
    default="table",
    show_default=True,
    help="For people, or for programs.",
)
@STEPS
def command(
    study: str,
    token: str | None,
    env_file: Path | None,
    output: str,
    verbose: bool,  # noqa: FBT001 - click passes options by name
) -> None:
    """Check STUDY: a study file, or the name of a bundled one (ismile).

    Alone, the file's own mistakes are told, all at once. With --token the project is asked as
    well: is it the one declared, do all fields, events, arms and choices exist and fit; and for
    every condition how many records are true, false and blank; whether Twilio and the partner know
    the credentials and the sender; and, where REDCAP_JOBS_STATE_URL names a state, whether an id
    vanished that texts went out under. Nothing is ever written, sent or enrolled.

    \b
    Examples:
      redcap-jobs check study.toml
      redcap-jobs check study.toml --token REDCAP_API_ISMILE_DEV --env-file .env
    """  # noqa: D301 - click reads the backspace
    from redcap_jobs.notify.logs import configure_logging
    from redcap_jobs.study.credentials import GIVEN_LITERALLY, token_name_is_literal

    configure_logging(verbose=verbose)
    if token is not None and token_name_is_literal(token):
        raise UsageError(f"--token: {GIVEN_LITERALLY}")
    show = show_json if output == "json" else show_text
    raise click.exceptions.Exit(check(study, token, env_file, show))


def check(name_or_path: str, token: str | None, env_file: Path | None, show: Show) -> ExitCode:
    """Check the file, then with a token the project; show the result and return the exit code."""
    from redcap_jobs.study.check import check_doubts, check_to_do
    from redcap_jobs.study.live import Checked
    from redcap_jobs.study.loading import load_bundled_or_file

    try:
        study = load_bundled_or_file(name_or_path)
    except StudyFileError as error:
        show(name_or_path, Checked(None, error.findings, not_asked=token or ""))
        return ExitCode.SETUP
    checked = Checked(study) if token is None else ask(study, token, env_file)
    of_the_file = (*check_to_do(study), *check_doubts(study))
    checked = replace(checked, findings=(*of_the_file, *checked.findings))
    show(name_or_path, checked)
    return ExitCode.SETUP if checked.errors else ExitCode.DONE


def ask(study: Study, token: str, env_file: Path | None) -> Checked:
    """Compare a study file with the project behind a token's name."""
    from redcap_jobs.clock import SystemClock
    from redcap_jobs.study.credentials import load_credentials
    from redcap_jobs.study.live import check_live, open_client
    from redcap_jobs.study.live_services import check_services
    from redcap_jobs.study.nearest import did_you_mean

    declared = study.redcap.projects
    if token not in declared:
        hint = did_you_mean(token, declared)
        raise CredentialsError(
            f"{study.path}: no [redcap.projects.{token}], so nothing says which project it opens"
            + (f"; {hint}" if hint else "")
        )
    clock = SystemClock()
    credentials = load_credentials(env_file)
    per_minute = study.limits.requests_per_minute
    with open_client(study.redcap.url, token, credentials, clock, per_minute) as client:
        checked = check_live(study, token, client, clock.now())
    told = check_journal(study, token, credentials)
    services = check_services(study, token, credentials, clock)
    return replace(checked, findings=(*told, *checked.findings, *services))


def check_journal(study: Study, token: str, credentials: Credentials) -> list[CheckFinding]:
    """Look up in the state that is named, if any, whether an id vanished that texts went out under."""
    from redcap_jobs.state.address import URL_VARIABLE
    from redcap_jobs.study.check import CheckFinding
    from redcap_jobs.study.survey_ids import check_ids, texted_ids

    url = credentials.get(URL_VARIABLE)
    if not url:
        return []
    try:
        return check_ids(study, texted_ids(study, token, url))
    except (StateError, StateMissing) as error:
        what = f"the ids of texts that went out were not looked up: {error}"
        return [CheckFinding(URL_VARIABLE, what, severity="warning")]


def show_text(name: str, checked: Checked) -> None:
    """Print findings one per line, the counts of every condition, and a closing line."""
    for finding in checked.findings:
        click.echo(str(finding))
    if checked.counts:
        show_counts(checked)
    click.echo(closing_line(name, checked))


def show_counts(checked: Checked) -> None:
    """Draw the counts at a terminal; elsewhere write them as plain, aligned lines."""
    from dataclasses import astuple

    title = f"Conditions, over {checked.records} records"
    columns = ("where", "condition", "true", "false", "with a blank", "true with a blank")
    rows = tuple(tuple(str(cell) for cell in astuple(each)) for each in checked.counts)
    if sys.stdout.isatty():
        from redcap_jobs.plan import Table
        from redcap_jobs.render import console_for, rich_table

        console_for(terminal=True).print(rich_table(Table(title, columns, rows)))
        click.echo(LEGEND)
        return
    widths = [max(map(len, column)) for column in zip(columns, *rows, strict=True)]
    click.echo(f"{title}:")
    for row in (columns, *rows):
        texts = [cell.ljust(width) for cell, width in zip(row[:2], widths[:2], strict=True)]
        numbers = [cell.rjust(width) for cell, width in zip(row[2:], widths[2:], strict=True)]
        click.echo("  ".join(["", *texts, *numbers]))
    click.echo(LEGEND)


LEGEND = (
    "Every record is either true or false. With a blank: records in which a field of the condition "
    "is blank;\nthey are counted as true or false as well, and the last column says how many as true."
)


def closing_line(name: str, checked: Checked) -> str:
    """Say in one line how the check ended and what it covered."""
    found = [
        f"{count} {word}{'' if count == 1 else 's'}"
        for count, word in ((checked.errors, "problem"), (checked.warnings, "warning"))
        if count
    ]
    if checked.info is not None:
        covered = f"project {checked.info.project_id}, REDCap {checked.version}"
    elif checked.not_asked:
        covered = (
            f"the file alone: correct it first, then the project behind {checked.not_asked} is "
            "compared; it was not asked"
        )
    else:
        covered = "the file alone; --token NAME compares it with the project"
    return f"{name}: {', '.join(found) or 'no problems'} ({covered})"


def show_json(name: str, checked: Checked) -> None:
    """Print the same as one JSON object."""
    import json
    from dataclasses import asdict

    def severity(finding: Finding) -> str:
        return getattr(finding, "severity", "error")

    project = None
    if checked.info is not None:
        project = {
            "project_id": checked.info.project_id,
            "in_production": checked.info.in_production,
            "redcap_version": checked.version,
            "records": checked.records,
        }
    result = {
        "study": name,
        "sha256": checked.study.sha256 if checked.study else None,
        "problems": checked.errors,
        "warnings": checked.warnings,
        "findings": [
            {"severity": severity(each), "where": each.where, "what": each.what, "hint": each.hint}
            for each in checked.findings
        ],
        "project": project,
        "not_asked": checked.not_asked or None,
        "conditions": [asdict(each) for each in checked.counts],
    }
    click.echo(json.dumps(result, indent=2, ensure_ascii=False))
