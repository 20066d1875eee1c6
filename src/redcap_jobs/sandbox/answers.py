"""What a call is answered with, written as csv, json or xml."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Protocol
from xml.sax.saxutils import escape

from redcap_jobs.sandbox.stored_files import StoredFile

XML_HEAD = '<?xml version="1.0" encoding="UTF-8" ?>'

CONTENT_TYPES = {
    "json": "application/json; charset=utf-8",
    "csv": "text/csv; charset=utf-8",
    "xml": "text/xml; charset=utf-8",
    "text": "text/html; charset=utf-8",
}
"""json as recorded in 2018, csv as in redcapAPI issue 297; xml and plain text are our own."""

ROWS_AT_ONCE = 100
"""How many rows of a table are written at a time: what a large export costs in memory."""
CELLS_AT_ONCE = 1_500
"""So many cells are written at a time even if that takes more rows."""
SPECIAL = ' \t\r\n"\\'
"""Besides the delimiter, what cells of csv are quoted for."""


class Answer(Protocol):
    """Anything that can be written in one of the three formats."""

    def body(self, format_: str) -> tuple[str | bytes, str]:
        """Return the text, or a file's bytes, and its content type."""
        ...


class InPieces(Protocol):
    """An answer that may be large and is written piece by piece, see :class:`Table`."""

    def chunks(self, format_: str) -> Iterator[str]:
        """Yield the text in pieces."""
        ...

    def content_type(self, format_: str) -> str:
        """Return the content type of the text."""
        ...


@dataclass(frozen=True)
class Table:
    """Rows under column names. Empty, it is ``[]`` in json and an empty body in csv.

    ``rows`` is read once, some hundred rows at a time, and may be a generator: what must be refused
    is refused before its first row. ``root`` is the outer xml element. In csv only: ``headers``
    replaces the column names, ``header_alone`` shows them even without a row, ``ends_line`` says
    whether the last line ends, ``quoted`` names columns whose cells always have quotes; recorded
    servers differ in these from call to call.
    """

    columns: Sequence[str]
    rows: Iterable[Sequence[str | int]]
    root: str = "items"
    headers: Sequence[str] | None = None
    delimiter: str = ","
    header_alone: bool = False
    ends_line: bool = True
    quoted: tuple[str, ...] = ()

    def body(self, format_: str) -> tuple[str, str]:
        """Return the table's text and content type."""
        return "".join(self.chunks(format_)), self.content_type(format_)

    def content_type(self, format_: str) -> str:
        """Return the content type of the table's text."""
        return CONTENT_TYPES[format_]

    def chunks(self, format_: str) -> Iterator[str]:
        """Yield the table's text in pieces, see :func:`rows_at_once`."""
        writers = {"csv": self._csv, "json": self._json, "xml": self._xml}
        return writers[format_]()

    def _csv(self) -> Iterator[str]:
        """Cells are quoted as recorded: with a blank, a tab, the delimiter, a quote or a line's end."""
        always = [self.columns.index(name) for name in self.quoted]
        head, before = csv_lines([self.headers or self.columns], self.delimiter), ""
        for rows in batches(self.rows):
            lines = csv_lines(rows, self.delimiter, always)
            yield before + "\n".join([*head, *lines])
            head, before = [], "\n"
        if head and self.header_alone:
            yield head.pop()
        if not head and self.ends_line:
            yield "\n"

    def _json(self) -> Iterator[str]:
        columns, before = self.columns, "["
        for rows in batches(self.rows):
            objects = [dict(zip(columns, row, strict=True)) for row in rows]
            yield before + php_json(objects)[1:-1]
            before = ","
        yield "]" if before == "," else "[]"

    def _xml(self) -> Iterator[str]:
        yield f"{XML_HEAD}\n<{self.root}>\n"
        for rows in batches(self.rows):
            yield "".join(
                f"<item>{''.join(map(xml_cell, self.columns, row))}</item>\n" for row in rows
            )
        yield f"</{self.root}>"


def csv_lines(
    rows: Sequence[Sequence[str | int]], delimiter: str, always: Sequence[int] = ()
) -> list[str]:
    """Return lines of csv without their ends; cells at ``always`` are quoted whatever they hold."""
    others = re.compile(f"[{re.escape(SPECIAL.replace(delimiter, ''))}]").search
    search = re.compile(f"[{re.escape(SPECIAL + delimiter)}]").search
    lines: list[str] = []
    for row in rows:
        cells = list(map(str, row))
        line = delimiter.join(cells)
        # Many lines have nothing to quote, which one look at the whole line tells.
        if always or others(line) or line.count(delimiter) >= len(row):
            cells = [quoted(cell) if search(cell) else cell for cell in cells]
            for place in always:
                cells[place] = quoted(str(row[place]))
            line = delimiter.join(cells)
        lines.append(line)
    return lines


def quoted(cell: str) -> str:
    """Return a csv cell in quotes."""
    doubled = cell.replace('"', '""')
    return f'"{doubled}"'


def php_json(value: object) -> str:
    """Return JSON as PHP writes it: no blanks, slashes and other than ASCII letters escaped."""
    return json.dumps(value, separators=(",", ":")).replace("/", "\\/")


def batches(rows: Iterable[Sequence[str | int]]) -> Iterator[list[Sequence[str | int]]]:
    """Yield the rows, as many at a time as :func:`rows_at_once` says."""
    rest = iter(rows)
    for first in rest:
        batch = [first, *islice(rest, rows_at_once(len(first)) - 1)]
        yield batch


def rows_at_once(width: int) -> int:
    """Return how many rows of so many cells are written at once: more of short ones, as in EAV."""
    return max(ROWS_AT_ONCE, CELLS_AT_ONCE // max(width, 1))


def xml_cell(name: str, value: str | int) -> str:
    """Return one element, its text in CDATA as REDCap sends it."""
    text = str(value).replace("]]>", "]]]]><![CDATA[>")
    return f"<{name}><![CDATA[{text}]]></{name}>"


@dataclass(frozen=True)
class OneRow:
    """A single row, written in json as an object instead of a list (``content=project``)."""

    columns: Sequence[str]
    row: Sequence[str | int]

    def body(self, format_: str) -> tuple[str, str]:
        """Return the row's text and content type."""
        if format_ == "json":
            row = dict(zip(self.columns, self.row, strict=True))
            return php_json(row), CONTENT_TYPES["json"]
        if format_ == "xml":
            cells = "".join(map(xml_cell, self.columns, self.row))
            return f"{XML_HEAD}\n<items>{cells}</items>", CONTENT_TYPES["xml"]
        return Table(self.columns, [self.row]).body(format_)


@dataclass(frozen=True)
class Plain:
    """A bare text, the same in every format: a version, a record name, a count of deletions."""

    text: str

    def body(self, format_: str) -> tuple[str, str]:  # noqa: ARG002 - the protocol's signature
        """Return the text as it is."""
        return self.text, CONTENT_TYPES["text"]


@dataclass(frozen=True)
class FileAnswer:
    """A file: its bytes, and its name in the content type, as recorded from file exports."""

    file: StoredFile

    def body(self, format_: str) -> tuple[bytes, str]:  # noqa: ARG002 - the protocol's signature
        """Return the bytes and their content type."""
        name = self.file.name.replace('"', "")
        return self.file.content, f'{self.file.mime}; name="{name}";charset=UTF-8'


@dataclass(frozen=True)
class Count:
    """How many records an import took in: ``{"count":3}``, ``3``, ``<count>3</count>``."""

    count: int

    def body(self, format_: str) -> tuple[str, str]:
        """Return the count's text and content type."""
        texts = {
            "json": f'{{"count":{self.count}}}',
            "csv": str(self.count),
            "xml": f"{XML_HEAD}<count>{self.count}</count>",
        }
        return texts[format_], CONTENT_TYPES[format_]


@dataclass(frozen=True)
class Ids:
    """The names of the records an import took in: ``["4","5"]``, or csv under ``id``."""

    ids: Sequence[str]

    def body(self, format_: str) -> tuple[str, str]:
        """Return the list's text and content type."""
        if format_ == "json":
            return php_json(list(self.ids)), CONTENT_TYPES["json"]
        if format_ == "csv":
            return "\n".join(["id", *self.ids]), CONTENT_TYPES["csv"]
        items = "".join(f"<id>{escape(one)}</id>" for one in self.ids)
        return f"{XML_HEAD}<ids>{items}</ids>", CONTENT_TYPES["xml"]


@dataclass(frozen=True)
class Success:
    """``{"success":true}``: a background import was taken on."""

    def body(self, format_: str) -> tuple[str, str]:
        """Return the text and content type."""
        texts = {
            "json": '{"success":true}',
            "csv": "true",
            "xml": f"{XML_HEAD}<success>true</success>",
        }
        return texts[format_], CONTENT_TYPES[format_]


def error_body(message: str, format_: str) -> tuple[str, str]:
    """Return the error envelope: ``ERROR: …``, ``{"error":…}`` or ``<hash><error>…``."""
    texts = {
        "json": lambda: json.dumps({"error": message}, separators=(",", ":")),
        "csv": lambda: f"ERROR: {message}",
        "xml": lambda: f"{XML_HEAD}<hash><error>{escape(message)}</error></hash>",
    }
    return texts[format_](), CONTENT_TYPES[format_]
