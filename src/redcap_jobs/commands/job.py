"""The one factory of all job commands: the same options, the same help, the same exit codes."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import click

from redcap_jobs.cli import EXIT_CODES
from redcap_jobs.commands.options import ENV_FILE, VERBOSE, Instant, together

JOB_OPTIONS = together(
    click.option(
        "--study",
        required=True,
        metavar="FILE",
        help="The study file (TOML), or the name of a bundled study (ismile).",
    ),
    click.option(
        "--export-token",
        required=True,
        metavar="NAME",
        help="NAME of the variable that holds the token to read with; never the token itself.",
    ),
    click.option(
        "--import-token",
        required=True,
        metavar="NAME",
        help="NAME of the variable that holds the token to write with; often the same.",
    ),
    ENV_FILE,
    click.option(
        "--as-of",
        type=Instant(),
        help="Plan for this instant instead of now; then only a dry run, except on a sandbox.",
    ),
    click.option("--record", "records", multiple=True, metavar="ID", help="Only this record."),
    click.option("--dry-run", is_flag=True, help="Show the plan and do nothing; not with --yes."),
    click.option("--yes", is_flag=True, help="Do not ask. Needed where there is no terminal."),
    click.option(
        "--allow",
        multiple=True,
        metavar="NAME=VALUE",
        help="Let a guard's limit be passed once: rows=N, share=0.N, records=N, adopt=FIELDS; "
        "texts=N; members=N, withdrawals=N, updates=N, partner=NAME.",
    ),
    VERBOSE,
)


def job_command(name: str) -> click.Command:
    """Return the click command of one job; its ``--help`` is the job's own docstring."""
    from redcap_jobs.jobs import load_job

    job = load_job(name)

    def run(
        study: str,
        export_token: str,
        import_token: str,
        env_file: Path | None,
        as_of: datetime | None,
        records: tuple[str, ...],
        dry_run: bool,  # noqa: FBT001 - click passes options by name
        yes: bool,  # noqa: FBT001 - click passes options by name
        allow: tuple[str, ...],
        verbose: bool,  # noqa: FBT001 - click passes options by name
        **options: bool,
    ) -> None:
        from redcap_jobs.guards import parse_allowances
        from redcap_jobs.notify.logs import configure_logging
        from redcap_jobs.request import RunRequest, Terminal
        from redcap_jobs.run import run_job

        configure_logging(verbose=verbose)
        request = RunRequest(
            job=name,
            study=study,
            export_token=export_token,
            import_token=import_token,
            env_file=env_file,
            as_of=as_of,
            records=records,
            dry_run=dry_run,
            yes=yes,
            allow=parse_allowances(allow),
            verbose=verbose,
            options=options,
        )
        outcome = run_job(request, Terminal.attached())
        raise click.exceptions.Exit(int(outcome.exit_code))

    command = JOB_OPTIONS(run)
    for option, text in job.flags.items():
        command = click.option(f"--{option}", is_flag=True, help=text)(command)
    return click.command(name, help=job.help, epilog=EXIT_CODES)(command)
