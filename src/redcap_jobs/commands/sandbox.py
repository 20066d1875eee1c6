"""``redcap-jobs sandbox``: a REDCap of one's own, on this machine."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import click

from redcap_jobs.cli import EXIT_CODES
from redcap_jobs.commands.options import Instant


@click.command("sandbox", epilog=EXIT_CODES)
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    default=8021,
    show_default=True,
    help="Port on 127.0.0.1; 0 takes a free one.",
)
@click.option(
    "--study",
    type=click.Choice(["ismile", "none"]),
    default="ismile",
    show_default=True,
    help="The bundled study to serve, in a production and a development copy.",
)
@click.option(
    "--participants",
    type=click.IntRange(1, 100_000),
    default=850,
    show_default=True,
    help="How many made-up participants the bundled study has.",
)
@click.option("--seed", type=int, default=1, show_default=True, help="Which made-up participants.")
@click.option(
    "--project",
    "files",
    multiple=True,
    metavar="FILE.xml",
    type=click.Path(path_type=Path),
    help="A project exported from REDCap as XML (CDISC ODM); may be given several times.",
)
@click.option(
    "--super-token-env",
    metavar="NAME",
    help="NAME of the variable with a super token (64 characters), which may create projects.",
)
@click.option(
    "--public-url",
    metavar="URL",
    help="Address under which people reach this server; kept for survey links, unused so far.",
)
@click.option(
    "--now",
    type=Instant(),
    help="Stop the server's clock at this instant, e.g. 2026-11-22T12:00:00-05:00.",
)
@click.option(
    "--write-env",
    "env_file",
    metavar="FILE",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Write the tokens into this file (mode 600) instead of printing them.",
)
def command(
    port: int,
    study: str,
    participants: int,
    seed: int,
    files: tuple[Path, ...],
    super_token_env: str | None,
    public_url: str | None,
    now: datetime | None,
    env_file: Path | None,
) -> None:
    """Serve a local REDCap filled with made-up participants.

    Answers like REDCap 14.9 on http://127.0.0.1:PORT/api/, to this machine only. Data live in
    memory and are gone when it stops. Faults can be switched on while it runs.

    \b
    Examples:
      redcap-jobs sandbox --write-env .env
      redcap-jobs sandbox --study none --project MyProject.REDCap.xml
      curl -X POST http://127.0.0.1:8021/sandbox/faults \
           -H 'Content-Type: application/json' -d '{"name": "504", "times": 3}'
    """  # noqa: D301 - click reads the backspace
    import sys

    from redcap_jobs.errors import SetupError
    from redcap_jobs.render import console_for

    try:
        from redcap_jobs.sandbox.env_file import write_env_file
        from redcap_jobs.sandbox.serve import (
            collect_rarely,
            projects_to_serve,
            show_sandbox,
            super_token,
            until_told_to_stop,
        )
        from redcap_jobs.sandbox.server import Sandbox
    except ModuleNotFoundError as error:
        raise SetupError(
            f"the sandbox needs its extra ({error.name} is missing); "
            "type: pip install 'redcap-jobs[sandbox]'"
        ) from error

    projects = projects_to_serve(
        ismile=study == "ismile", participants=participants, seed=seed, files=files, now=now
    )
    token = super_token(super_token_env)
    if not projects and not token:
        raise click.UsageError("nothing to serve; name a --project, or leave out --study none")
    collect_rarely()
    sandbox = Sandbox(projects, port=port, now=now, super_token=token, public_url=public_url or "")
    with until_told_to_stop() as told, sandbox:
        if env_file is not None:
            write_env_file(env_file, sandbox.tokens)
        show_sandbox(sandbox, console_for(terminal=sys.stdout.isatty()), env_file=env_file)
        told.wait()
