"""Imported rows in XML, read by expat itself: a tree of millions of cells takes twice as long."""

from __future__ import annotations

from typing import NoReturn
from xml.parsers.expat import ExpatError, ParserCreate


class NotRows(Exception):
    """The text is no XML, or declares entities, which no import needs and which can be bombs."""


class ItemReader:
    """Gathers the cells of every ``item``; what is not in one is passed over."""

    def __init__(self) -> None:
        self.rows: list[dict[str, str]] = []
        self._row: dict[str, str] | None = None
        self._cell = ""
        self._inner = 0
        self._text: list[str] = []

    def start(self, tag: str, _: dict[str, str]) -> None:
        """Take an element's beginning."""
        if self._cell:
            self._inner += 1
        elif self._row is not None:
            self._cell, self._text = tag, []
        elif tag == "item":
            self._row = {}
            self.rows.append(self._row)

    def data(self, text: str) -> None:
        """Take text; a cell's own counts, not that of elements in it."""
        if self._cell and not self._inner:
            self._text.append(text)

    def end(self, _: str) -> None:
        """Take an element's end."""
        if self._inner:
            self._inner -= 1
        elif self._cell:
            if self._row is not None:
                self._row[self._cell] = "".join(self._text)
            self._cell = ""
        else:
            self._row = None


def read_items(data: str) -> list[dict[str, str]]:
    """Read ``<records><item><field>value</field>…</item>…</records>``.

    Raises:
        NotRows: It cannot be read.

    """

    def refuse(*_: object) -> NoReturn:
        raise NotRows

    reader, parser = ItemReader(), ParserCreate()
    parser.buffer_text = True
    parser.StartElementHandler = reader.start
    parser.CharacterDataHandler = reader.data
    parser.EndElementHandler = reader.end
    parser.EntityDeclHandler = refuse
    parser.ExternalEntityRefHandler = refuse
    try:
        parser.Parse(data, True)  # noqa: FBT003 - expat takes it by position only
    except (ExpatError, UnicodeEncodeError):
        raise NotRows from None
    return reader.rows
