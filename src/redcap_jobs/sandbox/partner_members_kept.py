"""The partner's members of ``--data DIR``: a line for each change, the last about a member counts.

What is answered was written first, so that a process that is killed loses nothing it had answered;
a line that it did not finish is dropped. The file is written anew, without what no longer counts,
each time it is opened.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from threading import Lock
from typing import Any, TextIO

from redcap_jobs.errors import StateUnusable

FILE = "partner-members.jsonl"
Member = dict[str, Any]


@dataclass
class KeptCopy:
    """One copy's members as they were left, and where their changes go.

    ``advanced`` is how far its clock was put forward, ``number`` the next member's.
    """

    name: str
    file: MembersFile
    members: dict[str, Member] = field(default_factory=dict)
    advanced: timedelta = timedelta(0)
    number: int = 0

    def keep(self, member_id: str, member: Member | None, number: int) -> None:
        """Keep a member as it is now; None: it was removed. ``number`` is the next one's."""
        self.file.write({"copy": self.name, "id": member_id, "member": member, "number": number})

    def keep_clock(self, advanced: timedelta) -> None:
        """Keep how far the clock was put forward."""
        self.file.write({"copy": self.name, "advanced": advanced.total_seconds()})

    def lines(self) -> Iterator[dict[str, object]]:
        """Yield what says the same in as few lines as can be."""
        yield {"copy": self.name, "advanced": self.advanced.total_seconds(), "number": self.number}
        for member_id, member in self.members.items():
            yield {"copy": self.name, "id": member_id, "member": member, "number": self.number}


class MembersFile:
    """The members of both copies in a folder that this process holds.

    Raises:
        StateUnusable: The file cannot be read or written, or is none of a sandbox's.

    """

    def __init__(self, folder: Path) -> None:
        self._path = folder / FILE
        self._lock = Lock()
        copies = [KeptCopy(name, self) for name in ("production", "development")]
        self.production, self.development = copies
        by_name = {each.name: each for each in copies}
        try:
            if self._path.exists():
                for line in whole_lines(self._path.read_text(encoding="utf-8")):
                    take(by_name[line["copy"]], line)
            temporary = self._path.with_suffix(".new")
            with private(temporary, os.O_TRUNC) as file:
                for copy in copies:
                    file.writelines(json.dumps(line) + "\n" for line in copy.lines())
            temporary.replace(self._path)
        except OSError as error:
            raise StateUnusable(f"{self._path}: cannot be used: {error.strerror}") from None
        except (ValueError, KeyError, TypeError, AttributeError):
            raise StateUnusable(
                f"{self._path}: holds no members of a partner; remove it to begin without any"
            ) from None

    def write(self, line: dict[str, object]) -> None:
        """Add a line; it is the system's when this returns."""
        with self._lock, private(self._path, os.O_APPEND) as file:
            file.write(json.dumps(line) + "\n")


def private(path: Path, how: int) -> TextIO:
    """Open a file for writing that only its owner can read."""
    return os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | how, 0o600), "w", encoding="utf-8")


def whole_lines(text: str) -> Iterator[Any]:
    """Yield each line's value, but not of a last one that was never finished."""
    *whole, unfinished = text.split("\n")
    del unfinished
    return map(json.loads, whole)


def take(copy: KeptCopy, line: dict[str, Any]) -> None:
    """Take one line on."""
    copy.number = max(copy.number, int(line.get("number", 0)))
    if "advanced" in line:
        copy.advanced = timedelta(seconds=float(line["advanced"]))
    if "id" in line:
        member_id, member = str(line["id"]), line["member"]
        if member is None:
            copy.members.pop(member_id, None)
        else:
            copy.members[member_id] = dict(member)
