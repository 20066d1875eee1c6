"""``redcap-jobs state``: create, save, put back and look at what the jobs remember."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from redcap_jobs.cli import EXIT_CODES
from redcap_jobs.commands.options import ENV_FILE
from redcap_jobs.errors import StateUnusable, UsageError

if TYPE_CHECKING:
    from redcap_jobs.state.store import Store
    from redcap_jobs.study.credentials import Credentials


@click.group("state", epilog=EXIT_CODES)
def command() -> None:
    """Create, back up, restore and look at the state.

    The state is what all jobs of a server share: lock, run records, last decisions, and the
    journal of everything that was sent. It is a file (SQLite) or a PostgreSQL database, named by
    REDCAP_JOBS_STATE_URL, which cron and a run by hand must share.
    """


@command.command("init", epilog=EXIT_CODES)
@ENV_FILE
@click.option(
    "--url",
    help="Where the state shall live, if REDCAP_JOBS_STATE_URL does not say: sqlite:////PATH or "
    "postgresql+psycopg://USER@HOST/DATABASE. A URL with a password belongs in the file.",
)
def init(env_file: Path | None, url: str | None) -> None:
    """Create the state, and write its address and a fingerprint key into the credentials file.

    The file is made with mode 600 if there is none; what stands in it is kept. Without --url and
    REDCAP_JOBS_STATE_URL the state is the file state/state.db beside the credentials file.
    A state that exists is left as it is.

    \b
    Example:
      redcap-jobs state init --env-file /srv/redcap-jobs/.env
    """  # noqa: D301 - click reads the backspace
    from redcap_jobs.state.address import URL_VARIABLE, default_url, parse_url, shown
    from redcap_jobs.state.env_file import add_lacking
    from redcap_jobs.state.fingerprint import KEY_VARIABLE, Fingerprinter, check_key, key_is_known
    from redcap_jobs.state.store import Store

    credentials = credentials_of(env_file, may_be_new=True)
    named = credentials.get(URL_VARIABLE)
    if url and parse_url(url).password:
        raise UsageError(
            f"a password on the command line shows in the list of processes: write {URL_VARIABLE}="
            "URL into the credentials file instead"
        )
    if url and named and parse_url(url) != parse_url(named):
        raise UsageError(
            f"{URL_VARIABLE} names {shown(parse_url(named))} already; one state is enough, since "
            "two would not know of each other's texts. Leave --url out, or change the variable"
        )
    beside = env_file.resolve().parent / "state" / "state.db" if env_file else None
    address = named or url or (f"sqlite:///{beside}" if beside else default_url())
    key = credentials.get(KEY_VARIABLE)
    with Store.create(address) as store:
        if key is None and key_is_known(store):
            raise StateUnusable(
                f"the state {store.url} was made with a {KEY_VARIABLE} that is not set here; take "
                "it from the credentials file that cron uses, or from its backup"
            )
        lacking = {} if named else {URL_VARIABLE: address}
        if key is None and env_file:
            key = lacking[KEY_VARIABLE] = new_key()
        if env_file and lacking:
            add_lacking(env_file, lacking)
        if key:
            check_key(store, Fingerprinter(key))
        click.echo(f"state: {store.url}")
    if env_file and lacking:
        click.echo(f"written to {env_file}: {', '.join(lacking)}")
    if not env_file and (lacking or not key):
        still = ", ".join([*lacking, *([] if key else [KEY_VARIABLE])])
        click.echo(f"still to be set: {still}; with --env-file FILE they are written there")


@command.command("backup", epilog=EXIT_CODES)
@click.argument("target", type=click.Path(path_type=Path, dir_okay=False))
@ENV_FILE
def backup_state(target: Path, env_file: Path | None) -> None:
    """Save the state to the file TARGET while jobs may be running.

    TARGET is an SQLite file of mode 600, whatever the state lives in. An earlier backup of that
    name is replaced. Prints nothing when it is not run at a terminal and all went well.

    \b
    Example:
      redcap-jobs state backup --env-file .env backups/state-2026-11-22.db
    """  # noqa: D301 - click reads the backspace
    from redcap_jobs.state.backup import backup

    with opened(env_file) as store:
        backup(store, target)
        if sys.stdout.isatty():
            click.echo(f"{store.url} saved to {target}")


@command.command("restore", epilog=EXIT_CODES)
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@ENV_FILE
@click.option("--overwrite", is_flag=True, help="Replace a state that is not empty.")
def restore_state(file: Path, env_file: Path | None, overwrite: bool) -> None:  # noqa: FBT001 - click passes options by name
    """Put the backup FILE into the state named by REDCAP_JOBS_STATE_URL.

    Stop cron first. The state is made if there is none; one that is not empty is replaced only
    with --overwrite. Works from either kind of state into either.

    \b
    Example:
      redcap-jobs state restore --env-file .env backups/state-2026-11-22.db
    """  # noqa: D301 - click reads the backspace
    from redcap_jobs.state.address import URL_VARIABLE
    from redcap_jobs.state.backup import restore

    url = credentials_of(env_file).require(URL_VARIABLE)
    with restore(file, url, overwrite=overwrite) as store:
        click.echo(f"{file} restored to {store.url}")


@command.command("info", epilog=EXIT_CODES)
@ENV_FILE
@click.option(
    "--output",
    type=click.Choice(["table", "json"]),
    default="table",
    show_default=True,
    help="For people, or for programs.",
)
def info(env_file: Path | None, output: str) -> None:
    """Say where the state is and how much it holds.

    \b
    Example:
      redcap-jobs state info --env-file .env --output json
    """  # noqa: D301 - click reads the backspace
    from redcap_jobs.state.contents import contents

    with opened(env_file) as store:
        found = contents(store)
    if output == "json":
        click.echo(json.dumps(found, indent=2))
        return
    width = max(map(len, found))
    for name, value in found.items():
        click.echo(f"{name:<{width}}  {value}")


@command.command("adopt", epilog=EXIT_CODES)
@click.argument("study")
@click.option(
    "--token",
    required=True,
    metavar="NAME",
    help="NAME of the variable that holds the token of the project whose log is read.",
)
@ENV_FILE
@click.option("--dry-run", is_flag=True, help="Say what would be taken over and change nothing.")
def adopt_texts(study: str, token: str, env_file: Path | None, dry_run: bool) -> None:  # noqa: FBT001 - click passes options by name
    """Make the journal of STUDY anew from REDCap's message log, after the state was lost.

    Every text that the log holds and the journal does not is entered as sent, so that it is never
    sent again; what the journal knows stays as it is. REDCap is only read. A backup that can be
    restored is better: what the log did not hold yet is not found here. Replies are read again by
    the next run.

    \b
    Example:
      redcap-jobs state adopt study.toml --token REDCAP_API_ISMILE_PROD --env-file .env --dry-run
    """  # noqa: D301 - click reads the backspace
    from redcap_jobs.adopt import adopt
    from redcap_jobs.errors import ExitCode
    from redcap_jobs.open_study import open_study
    from redcap_jobs.study.live import open_client

    with open_study(study, env_file) as opened:
        opened.project(token)
        typed = opened.typed(token)
        store, loaded = opened.store, opened.study
        with open_client(loaded.redcap.url, token, opened.credentials, store.clock) as client:
            found = adopt(opened, token, client, dry=dry_run)
    would = "would be " if dry_run else ""
    click.echo(f"{len(found.texts)} texts {would}taken over, {found.known} were known")
    if found.unknown:
        told = f"{found.unknown} of them nobody knows about: redcap-jobs messages STUDY"
        click.echo(typed.complete(told))
    if found.elsewhere:
        click.echo(f"{found.elsewhere} rows hold keys of another project and were left out")
    for record, instance in found.unreadable:
        click.echo(f"record {record}, instance {instance}: its key is none; correct it", err=True)
    if found.unreadable:
        raise click.exceptions.Exit(int(ExitCode.PARTLY_FAILED))


def credentials_of(env_file: Path | None, *, may_be_new: bool = False) -> Credentials:
    """Return the credentials; a file that does not exist yet counts as empty if it may be new."""
    from redcap_jobs.study.credentials import load_credentials

    if may_be_new and env_file is not None and not env_file.exists():
        return load_credentials(None)
    return load_credentials(env_file)


def opened(env_file: Path | None, *, say_default: bool = False) -> Store:
    """Open the state that the credentials name, else this account's own.

    With ``say_default`` a line on stderr tells when it is the latter.
    """
    from redcap_jobs.state.address import URL_VARIABLE, default_url
    from redcap_jobs.state.store import Store

    named = credentials_of(env_file).get(URL_VARIABLE)
    store = Store.open(named or default_url())
    if say_default and not named:
        say_default_state(env_file)
    return store


def say_default_state(env_file: Path | None) -> None:
    """Say on stderr which state is read when none is named, and how to name another."""
    from redcap_jobs.state.address import URL_VARIABLE, default_url

    where = f"in {env_file}" if env_file else "here; with --env-file FILE it is read from there"
    told = f"this account's own state, {default_url()} ({URL_VARIABLE} is not set {where})"
    click.echo(told, err=True)


def new_key() -> str:
    """Return a fresh random fingerprint key: 64 hexadecimal digits."""
    import secrets

    return secrets.token_hex(32)
