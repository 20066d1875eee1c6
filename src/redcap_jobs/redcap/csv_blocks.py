"""CSV as it arrives: the header, then blocks that each end where a row ends.

Parsing block by block keeps the whole text of an export out of memory, and each block in the
processor's cache. RFC 4180 as PHP's ``fputcsv`` writes it: comma, line feed, doubled quotes.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator

BLOCK_BYTES = 1 << 18
TAIL_BYTES = 4096
BYTE_ORDER_MARK = b"\xef\xbb\xbf"


class MalformedCsv(Exception):
    """What came is no rectangle of UTF-8 text; ``tail`` is its end, which may be private."""

    def __init__(self, what: str, tail: bytes = b"") -> None:
        self.tail = tail
        super().__init__(what)


def header_and_blocks(
    chunks: Iterable[bytes], block_bytes: int = BLOCK_BYTES
) -> tuple[list[str], Iterator[bytes]]:
    """Return the column names, and the rows in blocks of whole rows, each ending in a line feed.

    No column names: the body is blank. Raises MalformedCsv, also while the blocks are taken, if
    the text ends within quotes or the header is no header.
    """
    blocks = whole_rows(chunks, block_bytes)
    first = next(blocks, b"").removeprefix(BYTE_ORDER_MARK)
    if not first.strip():
        return [], iter(())
    end = row_end(first, first.find(b"\n") + 1)
    names = split_rows(first[:end])[0]
    if len(set(names)) != len(names) or "" in names:
        raise MalformedCsv("column names are missing or doubled", first[:end])
    return names, rest(first[end:], blocks)


def rest(first: bytes, blocks: Iterator[bytes]) -> Iterator[bytes]:
    """Yield what is left of the first block, then the others."""
    if first:
        yield first
    yield from blocks


def whole_rows(chunks: Iterable[bytes], block_bytes: int) -> Iterator[bytes]:
    """Yield the body in blocks of about ``block_bytes``, cut where a row ends."""
    pending = bytearray()
    for chunk in chunks:
        pending += chunk
        if len(pending) >= block_bytes and (end := last_row_end(pending)):
            yield bytes(pending[:end])
            del pending[:end]
    if not pending:
        return
    if pending.count(b'"') % 2:
        raise MalformedCsv("the text ends within quotes", bytes(pending[-TAIL_BYTES:]))
    if not pending.endswith(b"\n"):
        pending += b"\n"
    yield bytes(pending)


def last_row_end(text: bytearray) -> int:
    """Return the position behind the last line feed outside quotes; 0 if there is none."""
    end = text.rfind(b"\n") + 1
    quotes = text.count(b'"', 0, end)
    while end and quotes % 2:
        before = text.rfind(b"\n", 0, end - 1) + 1
        quotes -= text.count(b'"', before, end)
        end = before
    return end


def row_end(text: bytes, end: int) -> int:
    """Return the position behind the first line feed outside quotes, at ``end`` or later."""
    while text.count(b'"', 0, end) % 2:
        end = text.find(b"\n", end) + 1
    return end


def split_rows(block: bytes) -> list[list[str]]:
    """Parse a block with Python's csv module: slow, and the measure for the faster ways."""
    try:
        text = block.decode("utf-8")
        return [row for row in csv.reader(io.StringIO(text, newline="")) if row]
    except (UnicodeDecodeError, csv.Error):
        raise MalformedCsv("the text is not UTF-8, or no CSV", block[-TAIL_BYTES:]) from None


def rows_of(block: bytes, width: int) -> int:
    """Return how many rows a block has, of exactly ``width`` cells each.

    Parsers are not all strict: pandas fills up short rows and cuts off long ones, pyarrow passes
    over empty lines.

    Raises MalformedCsv for a row without exactly ``width`` cells, and for a NUL.
    """
    bare = b"".join(block.split(b'"')[::2]) if b'"' in block else block
    rows = bare.split(b"\n")[:-1]
    if {row.count(b",") for row in rows} != {width - 1} or b"\0" in block:
        raise MalformedCsv("a row does not fit the header", block[-TAIL_BYTES:])
    return len(rows)


def not_utf8(body: bytes) -> str:
    """Say in which line behind the header a text is not UTF-8; '' if it is, or is only cut.

    Such bytes came into databases with old imports (recorded in redcapAPI issues 290 and 297):
    they come again each time, until somebody types that cell anew.
    """
    try:
        body.decode("utf-8")
    except UnicodeDecodeError as error:
        if error.end < len(body) or error.reason != "unexpected end of data":
            line = body.count(b"\n", 0, error.start) + 1
            return f"line {line} behind the header is not UTF-8; type that cell anew in REDCap"
    return ""
