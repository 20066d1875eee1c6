"""Options that several commands share, each declared once."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any, TypeVar

import click

Command = TypeVar("Command", bound=Callable[..., Any])

ENV_FILE = click.option(
    "--env-file",
    type=click.Path(path_type=Path, dir_okay=False),
    help="File with the credentials (mode 600); without it the environment is used.",
)
VERBOSE = click.option(
    "--verbose",
    is_flag=True,
    help="Log each step; at a terminal also show every change as old → new.",
)


STEPS = click.option("--verbose", is_flag=True, help="Log each step.")
"""For commands that plan no changes to show."""


class Day(click.ParamType[datetime]):
    """A date, ``2026-11-22``: its midnight, without a zone."""

    name = "date"

    def convert(
        self, value: str | datetime, param: click.Parameter | None, ctx: click.Context | None
    ) -> datetime:
        """Return that midnight; fail with the form expected."""
        if isinstance(value, datetime):
            return value
        try:
            return datetime.strptime(value, "%Y-%m-%d")  # noqa: DTZ007 - the study's zone is not known yet
        except ValueError:
            self.fail(f"{value!r} is no date; write it as 2026-11-22", param, ctx)


class Instant(click.ParamType[datetime]):
    """An ISO 8601 instant with a zone, e.g. ``2026-11-22T13:50:00-05:00`` or ``…Z``."""

    name = "instant"

    def convert(
        self, value: str | datetime, param: click.Parameter | None, ctx: click.Context | None
    ) -> datetime:
        """Return the aware datetime; fail with the form expected."""
        if isinstance(value, datetime):
            return value
        try:
            instant = datetime.fromisoformat(value)
        except ValueError:
            self.fail(f"{value!r} is no instant; write it as 2026-11-22T13:50:00Z", param, ctx)
        if instant.tzinfo is None:
            self.fail(f"{value!r} has no time zone; add Z or an offset such as -05:00", param, ctx)
        return instant


def together(*options: Callable[[Command], Command]) -> Callable[[Command], Command]:
    """Return one decorator that applies several, in reading order."""

    def decorate(function: Command) -> Command:
        for option in reversed(options):
            function = option(function)
        return function

    return decorate


TOKEN = click.option(
    "--token",
    metavar="NAME",
    help="NAME of the token's variable, to say which project; default: the production project.",
)
OF_STUDY = together(click.argument("study"), ENV_FILE, TOKEN)
