"""Writing what a state needs into the credentials file, without touching what stands there."""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import Mapping
from pathlib import Path

from redcap_jobs.errors import CredentialsError


def add_lacking(env_file: Path, values: Mapping[str, str]) -> None:
    """Give variables of a ``NAME=value`` file a value; the file is made with mode 0600.

    A line ``NAME=`` without a value is filled in where it stands, a name that is lacking is added
    at the end. Whoever calls makes sure that none of them has a value. The file is replaced whole.

    Raises:
        CredentialsError: It cannot be written.

    """
    target = env_file.resolve()
    text = target.read_text(encoding="utf-8") if target.exists() else ""
    for name, value in values.items():
        line = f"{name}={value}"
        blank = re.search(rf"^(export\s+)?{re.escape(name)}[ \t]*=[ \t]*$", text, re.MULTILINE)
        if blank:
            text = text[: blank.start()] + line + text[blank.end() :]
        else:
            text += ("" if not text or text.endswith("\n") else "\n") + line + "\n"
    try:
        descriptor, name = tempfile.mkstemp(prefix=".env.", dir=target.parent)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        Path(name).replace(target)
    except OSError as error:
        raise CredentialsError(f"{env_file} cannot be written: {error.strerror}") from error
