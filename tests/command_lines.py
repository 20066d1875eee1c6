"""Reads command lines that documents show, as the real command line would, without running them."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import click

from redcap_jobs.cli import cli


@dataclass(frozen=True)
class Parsed:
    """The command that was meant, e.g. ``state init``, and the values given for its options."""

    command: str
    values: Mapping[str, object]


def parsed(words: Sequence[str]) -> Parsed:
    """Read the words after ``redcap-jobs``.

    Raises click.UsageError for a command or option that does not exist, an option without its
    value, too many arguments, or one that is required and missing.
    """
    command: click.Command = cli
    context = click.Context(cli, info_name="redcap-jobs")
    values, rest, _ = cli.make_parser(context).parse_args(args=list(words))
    path: list[str] = []
    while isinstance(command, click.Group) and rest:
        default = getattr(command, "default_command", "")
        known = rest[0] in command.list_commands(context) or not default
        name = rest.pop(0) if known else default
        found = command.get_command(context, name)
        if found is None:
            raise click.UsageError(f"no such command {name!r}", context)
        command, path = found, [*path, name]
        context = click.Context(command, info_name=name, parent=context)
        values, rest, _ = command.make_parser(context).parse_args(args=rest)
    if rest:
        raise click.UsageError(f"unexpected {rest}", context)
    given = {name for name, value in values.items() if isinstance(value, str | tuple | list | bool)}
    missing = {str(param.name) for param in command.params if param.required} - given
    if missing and "help" not in given:
        raise click.UsageError(f"{' '.join(path)}: {sorted(missing)} missing", context)
    return Parsed(" ".join(path), {name: values[name] for name in given})


def shown(text: str) -> Iterator[list[str]]:
    """Yield the words after ``redcap-jobs`` of each command line that a text shows.

    A command line stands at the start of a line (after ``#`` or a shell's ``&&``, too), or in backquotes.
    """
    joined = re.sub(r"\\\n\s*", " ", text)
    lines = re.findall(r"(?m)^(?:.*&& *|[# ]*)(?:\S*/)?redcap-jobs (.*)$", joined)
    lines += re.findall(r"`(?:\S*/)?redcap-jobs ([^`]*)`", joined)
    for line in lines:
        words = shlex.split(line.split(" > ")[0], comments=True)
        yield words[: words.index("&&")] if "&&" in words else words


def commands() -> Iterator[tuple[str, click.Command]]:
    """Yield every command and subcommand with its name, the groups themselves included."""
    waiting: list[tuple[str, click.Command]] = [("", cli)]
    while waiting:
        path, command = waiting.pop()
        yield path, command
        if isinstance(command, click.Group):
            context = click.Context(command)
            for name in command.list_commands(context):
                found = command.get_command(context, name)
                assert found is not None
                waiting.append((f"{path} {name}".strip(), found))
