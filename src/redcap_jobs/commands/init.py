"""``redcap-jobs init``: the first files of a study, from a template or from the live project."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING

import click

from redcap_jobs.cli import EXIT_CODES
from redcap_jobs.commands.options import ENV_FILE
from redcap_jobs.errors import UsageError

if TYPE_CHECKING:
    from redcap_jobs.study.config import Study
    from redcap_jobs.study.starter import Source


@click.command("init", epilog=EXIT_CODES)
@click.argument("directory", type=click.Path(path_type=Path, file_okay=False), default=".")
@click.option("--from", "bundled", metavar="STUDY", help="Start from a bundled study: ismile.")
@click.option(
    "--token", metavar="NAME", help="NAME of the variable that holds a token: ask that project."
)
@click.option("--url", help="Address of REDCap's API, with --token.")
@ENV_FILE
@click.option("--force", is_flag=True, help="Replace files; the old are kept as NAME.old.")
def command(
    directory: Path,
    bundled: str | None,
    token: str | None,
    url: str | None,
    env_file: Path | None,
    force: bool,  # noqa: FBT001 - click passes options by name
) -> None:
    """Write study.toml, .env and the fields still lacking into DIRECTORY (default: here).

    Without options study.toml is a commented template. With --token and --url the project is
    asked for its events, arms and date fields, and what can only be guessed is marked TO-DO;
    `redcap-jobs check` lists the marks until they are gone. The fields that jobs write and the
    project lacks come as CSV rows and as instrument ZIPs: what is computed for visits, and for
    texts the ticks about a phone and the message log. Nothing is written to REDCap.

    \b
    Examples:
      redcap-jobs init my-study
      redcap-jobs init my-study --from ismile
      redcap-jobs init my-study --token REDCAP_API_MY_STUDY_DEV --env-file .env
        --url https://redcap.example.edu/api/
    """  # noqa: D301 - click reads the backspace
    from redcap_jobs.study.loading import bundled_study_text, draft_study
    from redcap_jobs.study.starter import (
        ENV_FILE,
        STUDY_FILE,
        Source,
        starter_files,
        study_text,
        write_files,
    )

    source = Source()
    if token is not None or url is not None:
        if bundled is not None:
            raise UsageError("--from and --token exclude each other: choose one to start from")
        source = ask_project(token, url, env_file)
    text = bundled_study_text(bundled) if bundled else study_text(source)
    study = draft_study(text, directory / STUDY_FILE)
    files = starter_files(text, study, source.project)
    if env_file is not None:
        del files[ENV_FILE]
    written = write_files(directory, files, force=force)
    for path in written:
        click.echo(f"wrote {path}")
    say_what_to_do_next(directory, {path.name for path in written}, study, env_file)


def ask_project(token: str | None, url: str | None, env_file: Path | None) -> Source:
    """Read the structure of the project behind a token's name."""
    from redcap_jobs.clock import SystemClock
    from redcap_jobs.study.addresses import api_address
    from redcap_jobs.study.credentials import (
        GIVEN_LITERALLY,
        load_credentials,
        token_name_is_literal,
    )
    from redcap_jobs.study.live import open_client
    from redcap_jobs.study.starter import Source

    if token is None or url is None:
        raise UsageError("--token and --url belong together: which project, on which server")
    if token_name_is_literal(token):
        raise UsageError(f"--token: {GIVEN_LITERALLY}")
    try:
        api_address(url)
    except ValueError as error:
        raise UsageError(f"--url: {error}") from error
    credentials = load_credentials(env_file)
    with open_client(url, token, credentials, SystemClock()) as client:
        return Source(url, token, client.read_project(client.project_info()))


def say_what_to_do_next(
    directory: Path, names: set[str], study: Study, env_file: Path | None
) -> None:
    """Print the steps from here to a first look at what a job would write, each to be pasted."""
    from redcap_jobs.study.starter import ENV_FILE, FIELDS_FILE, STUDY_FILE

    credentials = env_file or directory / ENV_FILE
    path, token = directory / STUDY_FILE, token_to_try(study)
    quoted_path, quoted_env = shlex.quote(str(path)), shlex.quote(str(credentials))
    steps = []
    if ENV_FILE in names:
        steps.append(f"fill in {' and '.join(study.redcap.projects)} in {credentials}")
    if zips := sorted(name for name in names if name.endswith(".zip")):
        listed = ", ".join(str(directory / name) for name in zips)
        steps.append(
            f"add the fields that jobs write: in the Online Designer, upload {listed} as instrument "
            f"ZIP files, each by itself, and designate them: {'; '.join(map(designation, zips))}. "
            f"(Or append the rows of {directory / FIELDS_FILE} to the data dictionary you "
            "downloaded. Never upload those rows alone: REDCap would delete every other field.)"
        )
    if study.to_do:
        steps.append(f"work through the {len(study.to_do)} TO-DO marks in {path}")
    commands = {
        "create the state, which cron and runs by hand share (one that exists is kept)": (
            f"state init --env-file {quoted_env}"
        ),
        "check the study file against the project, until nothing is found": (
            f"check {quoted_path} --token {token} --env-file {quoted_env}"
        ),
        "look at what a job would write; nothing is written": (
            f"compute-visit-windows --study {quoted_path} --env-file {quoted_env} "
            f"--export-token {token} --import-token {token} --dry-run"
        ),
    }
    steps += [f"{what}:\n     redcap-jobs {typed}" for what, typed in commands.items()]
    click.echo("\nNext:")
    for number, step in enumerate(steps, start=1):
        click.echo(f"  {number}. {step}")


def designation(name: str) -> str:
    """Say for which events an instrument is designated, and which a study without texts leaves out."""
    match name.removesuffix(".zip"):
        case "visit_tracking":
            return "visit_tracking for the visits' events"
        case "texting":
            return "texting, if you text, for the first event"
        case "partner":
            return "partner, if you have a texting partner, for the first event"
        case form:
            return (
                f"{form}, if you text, for the event of [message_log], where it is a repeating "
                'instrument (Project Setup, "Repeating instruments and events")'
            )


def token_to_try(study: Study) -> str:
    """Name the token to try first: a development project's, else the first."""
    projects = study.redcap.projects
    return next(
        (name for name, each in projects.items() if each.role == "development"),
        next(iter(projects)),
    )
