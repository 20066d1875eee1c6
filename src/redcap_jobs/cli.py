"""The command line: a table of commands, each imported only when it is asked for.

Every command file in :mod:`redcap_jobs.commands` is a thin skin: parse, one library call, render.
An error of :mod:`redcap_jobs.errors` ends the command with its exit code and its message; the
traceback is shown with ``--verbose`` only.
"""

from __future__ import annotations

import importlib
import os
import sys
from pathlib import Path
from typing import NoReturn

import click

from redcap_jobs import __version__
from redcap_jobs.jobs import JOBS

COMMANDS = {
    "check": "Check a study file, alone or against the live project.",
    "demo": "Try everything on a local sandbox, start to end.",
    "due": "Say who will be texted what in the coming days.",
    "init": "Write a first study file, .env and the dictionary rows still lacking.",
    "messages": "Show what became of the texts; settle, stop and allow.",
    "partner": "Show what became of the exchange with the partner; settle, confirm.",
    "pause": "Send no texts of a study until a day is over.",
    "resume": "End a pause.",
    "runs": "Show what the runs did.",
    "sandbox": "Serve a local REDCap, Twilio and partner filled with made-up participants.",
    "state": "Create, back up and restore the state.",
    "why": "Say what was decided about one record, and why.",
}
"""Command → short help; the module of the same name in ``commands`` holds ``command``."""

EXIT_CODES = """\b
Exit codes: 0 done or nothing due, 1 partly or wholly failed, 2 usage,
3 study file, credentials, dictionary or an unusable state, 4 a guard
refused or no state is named, 75 another run is active."""


class LazyGroup(click.Group):
    """A group that knows its commands' names and imports only the one that is called."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        """Name every command."""
        return sorted([*JOBS, *COMMANDS])

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002 - click's signature
        """Import and return one command, or None for a name that does not exist."""
        if cmd_name in JOBS:
            from redcap_jobs.commands.job import job_command

            return job_command(cmd_name)
        if cmd_name in COMMANDS:
            module = importlib.import_module(f"redcap_jobs.commands.{cmd_name}")
            command: click.Command = module.command
            return command
        return None

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002 - click's signature
        """List jobs and tools with their short help, without importing them."""
        jobs = {name: summary for name, (_, summary) in JOBS.items()}
        for title, table in (("Jobs", jobs), ("Tools", COMMANDS)):
            with formatter.section(title):
                formatter.write_dl(sorted(table.items()))

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command; for an unknown name say the nearest one."""
        try:
            return super().resolve_command(ctx, args)
        except click.UsageError as error:
            import difflib

            near = difflib.get_close_matches(args[0], self.list_commands(ctx), n=1)
            if near:
                raise click.UsageError(
                    f"no such command {args[0]!r}; did you mean {near[0]!r}?", ctx
                ) from error
            raise


@click.group(cls=LazyGroup, epilog=EXIT_CODES)
@click.version_option(__version__, prog_name="redcap-jobs")
def cli() -> None:
    """Jobs for research data-coordinating centres: REDCap in, decisions, REDCap out.

    Start with `redcap-jobs demo`: it runs everything against a local sandbox.
    """


def main() -> NoReturn:
    """Run the command line and end the process with its exit code."""
    from redcap_jobs.errors import ExitCode, RedcapJobsError

    give_streams()
    try:
        code = cli.main(standalone_mode=False)
        sys.stdout.flush()
    except click.exceptions.Exit as stop:
        code = stop.exit_code
    except click.Abort:
        click.echo("stopped; nothing more was done", err=True)
        code = ExitCode.PARTLY_FAILED
    except click.ClickException as error:
        show_redacted(error)
        code = ExitCode.USAGE
    except RedcapJobsError as error:
        code = report(error)
    except BrokenPipeError:  # whoever read the output, such as head, has enough of it
        code = ExitCode.PARTLY_FAILED
    except Exception as error:  # noqa: BLE001 - a bug's traceback may quote data: redact it, say so
        why = f" ({error.strerror})" if isinstance(error, OSError) and error.strerror else ""
        click.echo(f"unexpected {type(error).__name__}{why}; --verbose shows where", err=True)
        code = report(error) if verbose_asked() else ExitCode.PARTLY_FAILED
    let_go_of_output()
    sys.exit(int(code) if isinstance(code, int) else 0)


def give_streams() -> None:
    """Put the null device where a stream is closed (``>&-``): a job runs without them, too."""
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, Path(os.devnull).open(mode))  # noqa: SIM115 - open to the end


def let_go_of_output() -> None:
    """Forget what cannot be written, which would fail again, with code 120, as Python ends."""
    try:
        sys.stdout.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def show_redacted(error: click.ClickException) -> None:
    """Print a usage error; it quotes what was typed, which may be a token in the wrong place."""
    from io import StringIO

    from redcap_jobs.notify.logs import REDACT

    text = StringIO()
    error.show(text)
    click.echo(REDACT(text.getvalue()), err=True, nl=False)


def verbose_asked() -> bool:
    """Tell whether the command line asked for tracebacks."""
    return "--verbose" in sys.argv


def report(error: Exception) -> int:
    """Print an expected error for a person and return its exit code."""
    from redcap_jobs.errors import ExitCode, RedcapJobsError
    from redcap_jobs.notify.logs import REDACT

    text = str(error)
    if verbose_asked():
        import traceback

        text = "".join(traceback.format_exception(error))
    click.echo(REDACT(text), err=True)
    return error.exit_code if isinstance(error, RedcapJobsError) else ExitCode.PARTLY_FAILED
