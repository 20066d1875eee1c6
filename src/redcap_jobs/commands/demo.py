"""``redcap-jobs demo``: see it work before anything is set up."""

from __future__ import annotations

from pathlib import Path

import click

from redcap_jobs.cli import EXIT_CODES


@click.command("demo", epilog=EXIT_CODES)
@click.option(
    "--folder",
    type=click.Path(path_type=Path, file_okay=False),
    help="Where study file, .env and state go; by default a new temporary folder.",
)
@click.option(
    "--participants",
    type=click.IntRange(20, 5000),
    default=850,
    show_default=True,
    help="How many.",
)
@click.option("--seed", type=int, default=1, show_default=True, help="Which made-up study.")
def command(folder: Path | None, participants: int, seed: int) -> None:
    """Run everything on a local sandbox, twice, and say what to type next.

    Starts look-alikes of REDCap, Twilio and the texting partner on this machine with a made-up
    study, computes the visit windows of all participants, writes them back, and does it again to
    show that nothing is left to write. Then the surveys that are due are asked for by text, once
    each, and what became of the texts is written back. At last participants are enrolled with the
    partner, and three months of its word come back. Nothing leaves this machine.

    \b
    Example:
      redcap-jobs demo --participants 200
    """  # noqa: D301 - click reads the backspace
    import sys

    from redcap_jobs.demo import run_demo
    from redcap_jobs.render import console_for

    run_demo(
        console_for(terminal=sys.stdout.isatty()),
        folder=folder,
        participants=participants,
        seed=seed,
    )
