"""Handing out the tokens: lines ``NAME=token``, printed or written into a private file."""

from __future__ import annotations

import os
import re
import secrets
from collections.abc import Mapping
from pathlib import Path

from redcap_jobs.errors import UsageError

ASSIGNMENT = re.compile(r"\s*(?:export\s+)?([A-Za-z_][A-Za-z0-9_]*)\s*=")


def write_env_file(path: Path, variables: Mapping[str, str]) -> None:
    """Write variables into a file that only its owner can read.

    Lines that set one of the names are replaced where they stand, all others are kept, missing
    names are added at the end. The file changes in one step, never half-way.

    Raises:
        UsageError: The file cannot be read or written.

    """
    path = Path(os.path.realpath(path))
    try:
        old = path.read_text(encoding="utf-8") if path.exists() else ""
        temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            with os.fdopen(descriptor, "w", encoding="utf-8") as file:
                file.write(with_variables(old, variables))
                file.flush()
                os.fsync(file.fileno())
            temporary.replace(path)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
        raise UsageError(f"{path}: the tokens cannot be written: {reason}") from None


def with_variables(text: str, variables: Mapping[str, str]) -> str:
    """Return the text of a credentials file with these variables set, each once."""
    missing = dict(variables)
    lines = []
    for line in text.splitlines():
        matched = ASSIGNMENT.match(line)
        name = matched[1] if matched else ""
        if name not in variables:
            lines.append(line)
        elif name in missing:
            lines.append(f"{name}={missing.pop(name)}")
    lines += [f"{name}={value}" for name, value in missing.items()]
    return "\n".join(lines) + "\n"
