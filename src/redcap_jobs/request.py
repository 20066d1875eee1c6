"""What a run is asked to do, and how it can talk to the person who asked."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from redcap_jobs.typed import Typed

if TYPE_CHECKING:
    from rich.console import Console

    from redcap_jobs.study.config import Study


@dataclass(frozen=True)
class RunRequest:
    """What the command line asked for; tokens by the names of their variables only.

    ``study`` is a study file, or the name of a bundled study where no such file exists.
    """

    job: str
    study: Path | str
    export_token: str
    import_token: str
    env_file: Path | None = None
    as_of: datetime | None = None
    records: tuple[str, ...] = ()
    dry_run: bool = False
    yes: bool = False
    allow: Mapping[str, str] = field(default_factory=dict)
    verbose: bool = False
    options: Mapping[str, bool] = field(default_factory=dict)

    def typed(self, study: Study) -> Typed:
        """Return how a command about the project that is written is typed."""
        return Typed.of(study, str(self.study), self.import_token, self.env_file)


@dataclass(frozen=True)
class Terminal:
    """How to talk to the person, if there is one.

    ``interactive``: stdin is a terminal, so a question can be asked. ``watched``: stdout is one,
    so the plan is drawn, and old → new values may be shown when asked for.
    """

    interactive: bool
    watched: bool
    console: Console
    confirm: Callable[[str], bool]

    @classmethod
    def attached(cls) -> Terminal:
        """Describe what this process's stdin and stdout are."""
        import sys

        import click

        from redcap_jobs.render import console_for

        def confirm(question: str) -> bool:
            try:
                return click.confirm(question, default=False)
            except click.Abort:
                return False

        watched = sys.stdout.isatty()
        return cls(
            interactive=sys.stdin.isatty(),
            watched=watched,
            console=console_for(terminal=watched),
            confirm=confirm,
        )
