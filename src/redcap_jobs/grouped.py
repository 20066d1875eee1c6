"""What a run tells of many records in the same words is shown once, with the records behind it."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable
from dataclasses import dataclass

PREFIX = "record "
ANY = "RECORD"
"""Stands for each of the records in the command that several are told to be mended with."""
COMMAND = "redcap-jobs "
IDS_SHOWN = 50


@dataclass(frozen=True)
class Told:
    """One sentence, and the records it is told of; the only one's id stands in its command."""

    records: tuple[str, ...]
    what: str

    def whom(self, most: int | None = IDS_SHOWN) -> str:
        """Return the records as one text, the first fifty or, with None, all of them."""
        shown = self.records[:most]
        more = len(self.records) - len(shown)
        return ", ".join(shown) + (f", … and {more} more" if more else "")


def grouped(problems: Iterable[str]) -> list[Told]:
    """Put problems (``record 1: where: what; hint``) together that differ by their record only.

    They come in the order of the first of each group.
    """
    found: dict[str, list[tuple[str, str]]] = {}
    for each in problems:
        record, _, what = each.removeprefix(PREFIX).partition(": ")
        found.setdefault(of_any(record, what), []).append((record, what))
    return [
        Told(tuple(record for record, _ in own), own[0][1] if len(own) == 1 else what)
        for what, own in found.items()
    ]


def of_any(record: str, what: str) -> str:
    """Put :data:`ANY` for the record in the command of a sentence."""
    said, command, arguments = what.partition(COMMAND)
    own = rf"(?<!\S)(?:{re.escape(record)}|{re.escape(shlex.quote(record))})(?!\S)"
    return said + command + re.sub(own, ANY, arguments)
