"""Changed cells on the wire: EAV rows, one line per cell, and how many bytes each takes.

CSV names its columns once, where JSON names them in every row and has each quote sent as three
bytes: some 55 bytes a cell instead of 160. One thing CSV cannot carry safely: PHP reads a
backslash before a quote as an escape, against RFC 4180, so cells with a backslash go as JSON.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal
from urllib.parse import quote_plus

from redcap_jobs.plan import KEYS

if TYPE_CHECKING:
    import pandas as pd

SERVER_NAMES = [
    "record",
    "redcap_event_name",
    "redcap_repeat_instrument",
    "redcap_repeat_instance",
    "field_name",
    "value",
]
EAV_NAMES = dict(zip([*KEYS, "field", "new"], SERVER_NAMES, strict=True))
ALWAYS = frozenset({"record", "field", "new"})
TO_BE_QUOTED = re.compile(r'[",\r\n]|\A\s|\s\Z')
ENCODED_BREAK_BYTES = 3


@dataclass(frozen=True)
class WireForm:
    """How some cells are sent: their columns (keys that nobody has stay out) and format."""

    names: tuple[str, ...]
    format: Literal["csv", "json"]

    @classmethod
    def of(cls, cells: pd.DataFrame) -> WireForm:
        """Return the form for these cells, which does for any part of them."""
        names = tuple(name for name in EAV_NAMES if name in ALWAYS or (cells[name] != "").any())
        escapes = any(cells[name].str.contains("\\", regex=False).any() for name in names)
        return cls(names, "json" if escapes else "csv")

    def lines(self, cells: pd.DataFrame) -> list[str]:
        """Return one line per cell, without what stands between lines."""
        rows = zip(*(cells[name].tolist() for name in self.names), strict=True)
        if self.format == "csv":
            return [",".join(map(quoted, row)) for row in rows]
        titles = [EAV_NAMES[name] for name in self.names]
        objects = (dict(zip(titles, row, strict=True)) for row in rows)
        return [json.dumps(one, ensure_ascii=False, separators=(",", ":")) for one in objects]

    def data(self, cells: pd.DataFrame) -> str:
        """Return the text of the form variable ``data``."""
        lines = self.lines(cells)
        if self.format == "json":
            return "[" + ",".join(lines) + "]"
        return "\n".join([",".join(EAV_NAMES[name] for name in self.names), *lines, ""])

    def sizes(self, cells: pd.DataFrame) -> list[int]:
        """Return the bytes that each cell takes in the body, as a form is encoded."""
        return [len(quote_plus(line)) + ENCODED_BREAK_BYTES for line in self.lines(cells)]


def quoted(text: str) -> str:
    """Return a CSV cell, in quotes only where it needs them (RFC 4180)."""
    return '"' + text.replace('"', '""') + '"' if TO_BE_QUOTED.search(text) else text
