"""CSV blocks to ``str`` columns without pyarrow: each distinct value becomes one Python string.

Study data repeat themselves: codes, blanks, dates. So cells become numbers first, with numpy, a
block at a time: a cell of up to two bytes is its own number; a longer one (up to 24 bytes) is
looked up by its bytes in a hash table that is kept from block to block; what is not found there is
made into a string and learned. Columns are then picked from the list of strings by number.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
import pandas as pd

from redcap_jobs.redcap.csv_blocks import TAIL_BYTES, MalformedCsv, split_rows
from redcap_jobs.redcap.csv_words import WORD_BYTES, WordTable, short_texts

Numbers: TypeAlias = npt.NDArray[np.int64]
Marks: TypeAlias = npt.NDArray[np.bool_]

COMMA, LINE_FEED, QUOTE = (ord(sign) for sign in ',\n"')
UNUSUAL = (b"\r", b"\0")
"""Carriage returns (a server that ends lines in two signs) and NULs go the slow way."""
PADDING = bytes(4 * WORD_BYTES)
"""Behind each block, so that the words of its last cells can be read."""
TWO_BYTES = np.array([0, 0xFF, 0xFFFF])
WORDS = 3


def parse(names: list[str], wanted: list[str], blocks: Iterator[bytes]) -> pd.DataFrame:
    """Return the wanted columns of blocks whose columns are ``names``.

    Raises:
        MalformedCsv: Not UTF-8, or a row with another number of cells.

    """
    places = [names.index(name) for name in wanted]
    reader = CellReader(len(names))
    parts = [reader.numbers(block)[places] for block in blocks]
    texts = pd.array(np.array(reader.texts, dtype=object), dtype="str")
    empty = np.zeros(0, dtype=np.int64)
    columns = {
        name: texts.take(np.concatenate([empty, *(part[place] for part in parts)]))
        for place, name in enumerate(wanted)
    }
    return pd.DataFrame(columns, copy=False)


class CellReader:
    """Turns blocks of ``width`` columns into numbers of ``texts``, the strings met so far."""

    def __init__(self, width: int) -> None:
        self.width = width
        self.texts, self.known = short_texts()
        self.tables = [WordTable(words, self.texts) for words in range(1, WORDS + 1)]

    def numbers(self, block: bytes) -> npt.NDArray[np.int32]:
        """Return the numbers of a block's cells, one row per column.

        Raises MalformedCsv, see :func:`parse`.
        """
        try:
            if any(sign in block for sign in UNUSUAL):
                return self._slowly(block)
            cells = Cells(block, self.width)
            if cells.unusual:
                return self._slowly(block)
            numbers = self._short(cells)
            self._long(cells, numbers)
        except UnicodeDecodeError:
            raise MalformedCsv("the text is not UTF-8", block[-TAIL_BYTES:]) from None
        return numbers.reshape(-1, self.width).T.astype(np.int32, order="C")

    def _short(self, cells: Cells) -> Numbers:
        """Give all cells numbers as if they had at most two bytes: these are their own number."""
        numbers = cells.octets.take(cells.starts + 1).astype(np.int64)
        numbers <<= 8
        numbers |= cells.octets.take(cells.starts)
        numbers &= TWO_BYTES.take(cells.lengths, mode="clip")
        if not self.known.take(numbers[cells.lengths <= 2]).all():
            raise MalformedCsv("the text is not UTF-8", cells.block[-TAIL_BYTES:])
        return numbers

    def _long(self, cells: Cells, numbers: Numbers) -> None:
        """Give the cells of more than two bytes their numbers, in place."""
        longer = np.flatnonzero(cells.lengths > 2)
        starts, lengths = cells.starts.take(longer), cells.lengths.take(longer)
        for table in self.tables:
            most = table.words * WORD_BYTES
            fits = np.flatnonzero((lengths > max(2, most - WORD_BYTES)) & (lengths <= most))
            if len(fits):
                numbers[longer.take(fits)] = table.numbers(
                    cells.block, starts.take(fits), lengths.take(fits)
                )
        free = np.flatnonzero(lengths > WORDS * WORD_BYTES)
        for place, start, length in zip(
            longer[free].tolist(), starts[free].tolist(), lengths[free].tolist(), strict=True
        ):
            numbers[place] = len(self.texts)
            self.texts.append(cells.block[start : start + length].decode("utf-8"))
        for place in cells.doubled.tolist():
            start, length = int(cells.starts[place]), int(cells.lengths[place])
            text = cells.block[start : start + length].decode("utf-8")
            numbers[place] = len(self.texts)
            self.texts.append(text.replace('""', '"'))

    def _slowly(self, block: bytes) -> npt.NDArray[np.int32]:
        rows = split_rows(block)
        if any(len(row) != self.width for row in rows):
            raise MalformedCsv("a row does not fit the header", block[-TAIL_BYTES:])
        first = len(self.texts)
        self.texts.extend(cell for row in rows for cell in row)
        numbers = np.arange(first, len(self.texts), dtype=np.int32)
        return np.ascontiguousarray(numbers.reshape(-1, self.width).T)


class Cells:
    """Where a block's cells start and how many bytes each has, quotes around them left out.

    ``doubled`` lists the cells that hold doubled quotes; ``unusual`` says that quotes stand where
    a plain reading of RFC 4180 has none. Raises MalformedCsv for rows of unequal length.
    """

    def __init__(self, block: bytes, width: int) -> None:
        self.block = block + PADDING
        self.octets = np.frombuffer(self.block, dtype=np.uint8)
        body = self.octets[: len(block)]
        ends_cell = (body == COMMA) | (body == LINE_FEED)
        quotes = body == QUOTE
        quoted = bool(quotes.any())
        if quoted:
            ends_cell &= ~odd_before(quotes)
        ends = np.flatnonzero(ends_cell)
        row_ends = body.take(ends) == LINE_FEED
        if (
            len(ends) % width
            or not row_ends[width - 1 :: width].all()
            or (np.count_nonzero(row_ends) * width != len(ends))
        ):
            raise MalformedCsv("a row does not fit the header", block[-TAIL_BYTES:])
        self.starts = np.empty_like(ends)
        self.starts[0] = 0
        np.add(ends[:-1], 1, out=self.starts[1:])
        self.lengths = ends - self.starts
        self.doubled = np.zeros(0, dtype=np.int64)
        self.unusual = False
        if quoted:
            self._unquote(quotes, ends)

    def _unquote(self, quotes: Marks, ends: Numbers) -> None:
        """Leave out the quotes around cells; find the cells with more than those two."""
        around = quotes.take(self.starts) & (self.lengths > 0)
        closed = quotes.take(ends - 1)
        many = np.count_nonzero(quotes)
        self.unusual = bool((around & (~closed | (self.lengths < 2))).any())
        if many != 2 * np.count_nonzero(around):
            of_cell = np.searchsorted(ends, np.flatnonzero(quotes))
            counts = np.bincount(of_cell, minlength=len(ends)) - 2 * around
            self.doubled = np.flatnonzero(counts)
            self.unusual |= bool((~around).take(self.doubled).any())
        self.starts += around
        self.lengths -= around
        self.lengths -= around


def odd_before(marks: Marks) -> Marks:
    """Tell for each place whether the number of marks up to and with it is odd.

    The running "exclusive or" over the bits, 64 at a time.
    """
    bits = np.packbits(marks, bitorder="little")
    words = np.concatenate([bits, np.zeros(-len(bits) % WORD_BYTES, np.uint8)]).view(np.uint64)
    for step in (1, 2, 4, 8, 16, 32):
        words ^= words << np.uint64(step)
    carried = np.logical_xor.accumulate((words >> np.uint64(63)).astype(bool))
    words[1:][carried[:-1]] ^= np.uint64(0xFFFF_FFFF_FFFF_FFFF)
    return np.unpackbits(words.view(np.uint8), count=len(marks), bitorder="little").view(np.bool_)
