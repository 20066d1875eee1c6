"""Tokens and other secrets: from an explicit file, else from the environment, never echoed.

The file named with ``--env-file`` wins; for a name that it lacks or leaves blank, the environment
is asked. No ``.env`` is looked for in the current folder: which file is used is always visible on
the command line. Values are taken literally, ``$`` included.
"""

from __future__ import annotations

import io
import os
import re
import stat
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from redcap_jobs.errors import CredentialsError
from redcap_jobs.notify.logs import REDACT, TOKEN

OTHERS_MAY_READ_OR_WRITE = stat.S_IRGRP | stat.S_IWGRP | stat.S_IROTH | stat.S_IWOTH
TOKEN_SHAPE = re.compile(r"[0-9A-Fa-f]{32}|[0-9A-Fa-f]{64}")
ALIKE = 0.75
"""How alike a name must be to be offered for one mistyped: all those of a sender are a little."""
SECRET_NAME = re.compile(r"^REDCAP_API_|(TOKEN|KEY|SECRET|PASSWORD)$")


@dataclass(frozen=True, repr=False)
class Credentials:
    """The variables of one file and of the environment; only their names are ever shown."""

    path: Path | None = None
    in_file: Mapping[str, str] = field(default_factory=dict)
    in_environment: Mapping[str, str] = field(default_factory=dict)

    def __repr__(self) -> str:
        return f"Credentials({self.looked_in})"

    @property
    def looked_in(self) -> str:
        """Say in words where a name is looked for, in that order."""
        return f"{self.path}, then the environment" if self.path else "the environment"

    def get(self, name: str) -> str | None:
        """Return the value of a variable, or None where it is missing or blank in both places."""
        value = self.in_file.get(name) or self.in_environment.get(name) or None
        if value and SECRET_NAME.search(name):
            REDACT.learn([value])
        return value

    def require(self, name: str) -> str:
        """Return the value of a variable that must be there.

        Raises:
            CredentialsError: It is missing or blank. The message names the variable, where it
                was looked for and the nearest name that exists.

        """
        if token_name_is_literal(name):
            raise CredentialsError(GIVEN_LITERALLY)
        value = self.get(name)
        if value is None:
            if name in self.in_file or name in self.in_environment:
                raise CredentialsError(f"{name} is blank (looked in {self.looked_in})")
            message = f"{name} is not set (looked in {self.looked_in})"
            raise CredentialsError(message + self._nearest(name))
        return value

    def token(self, name: str) -> str:
        """Return a REDCap API token: 32 hexadecimal characters, or 64 for a super token.

        Raises:
            CredentialsError: The variable is missing, or holds something else, which is not shown.

        """
        value = self.require(name)
        if not TOKEN_SHAPE.fullmatch(value):
            raise CredentialsError(
                f"{name} does not hold a REDCap API token: 32 characters of 0-9 and A-F are "
                f"expected (64 for a super token), it holds {len(value)} characters "
                f"(looked in {self.looked_in})"
            )
        return value

    def _nearest(self, name: str) -> str:
        import difflib

        known = {known for known in self.in_environment if known.startswith("REDCAP_")}
        known |= set(self.in_file)
        near = difflib.get_close_matches(name, sorted(known - {name}), n=1, cutoff=ALIKE)
        return f"; did you mean {near[0]}?" if near else ""


GIVEN_LITERALLY = (
    "a token was given where the name of its variable belongs; give the name "
    "(REDCAP_API_...), since a token on the command line shows in the list of processes. "
    "Treat that token as seen by others: have it regenerated (in REDCap, or with the partner)"
)


def token_name_is_literal(text: str) -> bool:
    """Tell whether a text given as the NAME of a variable is, or holds, a token itself."""
    return TOKEN.search(text) is not None


def load_credentials(env_file: Path | None) -> Credentials:
    """Read the credentials file, if one is named, and stand the environment behind it.

    Raises:
        CredentialsError: The file is missing, no regular file, open to other users (the message
            holds the ``chmod`` to type), or has a line that is not ``NAME=value``.

    """
    environment = dict(os.environ)
    if env_file is None:
        return Credentials(in_environment=environment)
    from dotenv import dotenv_values

    text = read_private_file(env_file)
    broken = list(lines_not_understood(text))
    if broken:
        raise CredentialsError(f"{env_file}: line {broken[0]} is not NAME=value")
    values = dotenv_values(stream=io.StringIO(text), interpolate=False)
    in_file = {name: value or "" for name, value in values.items()}
    return Credentials(path=env_file, in_file=in_file, in_environment=environment)


def read_private_file(path: Path) -> str:
    """Return the text of a file that nobody but its owner can read or write.

    Raises:
        CredentialsError: It is missing, no regular file, open to others, or no UTF-8 text.

    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    except OSError as error:
        raise CredentialsError(f"{path}: cannot be read: {error.strerror}") from error
    status = os.fstat(descriptor)
    if not stat.S_ISREG(status.st_mode):
        os.close(descriptor)
        raise CredentialsError(f"{path} is not a regular file")
    with os.fdopen(descriptor, "rb") as file:
        if status.st_mode & OTHERS_MAY_READ_OR_WRITE:
            raise CredentialsError(
                f"{path} can be read or written by other users "
                f"(mode {stat.S_IMODE(status.st_mode):o}); type: chmod 600 {path}"
            )
        try:
            return file.read().decode("utf-8-sig")
        except UnicodeDecodeError as error:
            raise CredentialsError(f"{path} is not UTF-8 text") from error


def lines_not_understood(text: str) -> Iterator[int]:
    """Yield the numbers of the lines that are neither blank, a comment nor ``NAME=value``."""
    from dotenv.parser import parse_stream

    for binding in parse_stream(io.StringIO(text)):
        if binding.error or (binding.key is not None and binding.value is None):
            leading = len(binding.original.string) - len(binding.original.string.lstrip("\n"))
            yield binding.original.line + leading
