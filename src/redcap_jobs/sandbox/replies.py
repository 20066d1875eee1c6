"""What goes over the wire for an answer: whole where it is short, piece by piece where it is long."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from random import Random
from typing import cast

from redcap_jobs.sandbox.answers import CONTENT_TYPES, Answer, InPieces, Table, batches, error_body
from redcap_jobs.sandbox.context import Counts
from redcap_jobs.sandbox.faults import FaultRule

WHOLE_UP_TO_CHARACTERS = 100_000
"""An answer up to this length is written before its status goes out, and has a Content-Length."""

GZIP_LEVEL = 3
GZIP_WINDOW = 31
"""zlib's number for a gzip header and the largest window."""

SHARE_LOST = 0.1
Row = Sequence[str | int]


@dataclass(frozen=True)
class Reply:
    """What goes over the wire: ``body``, and ``rest`` if there is more than was written at once.

    ``cut`` sends only half of the body and closes the connection. ``ended`` is told when all was
    sent that has a rest.
    """

    status: int
    body: bytes
    content_type: str
    cut: bool = False
    rest: Iterator[bytes] | None = None
    ended: Callable[[], None] | None = None


def written(answer: Answer, format_: str, counts: Counts, fault: FaultRule | None) -> Reply:
    """Write an answer as far as :data:`WHOLE_UP_TO_CHARACTERS`; ``counts`` grow with a table's rows.

    Raises:
        Refusal: Making the first rows shows that there is something to refuse.

    """
    if isinstance(answer, Table):
        rows = answer.rows
        if fault and strikes(fault, "missing-rows"):
            rows = without_a_tenth(rows, Random(fault.chance))  # noqa: S311 - bad luck, no secret
        answer = replace(answer, rows=counted(rows, len(answer.columns), counts))
    if not hasattr(answer, "chunks"):
        body, content_type = answer.body(format_)
        return Reply(200, encoded(body) if isinstance(body, str) else body, content_type)
    pieces = cast("InPieces", answer)
    chunks, length = pieces.chunks(format_), 0
    begun = []
    for chunk in chunks:
        begun.append(chunk)
        length += len(chunk)
        if length > WHOLE_UP_TO_CHARACTERS and not strikes(fault, "cut-json", "cut-connection"):
            rest = map(encoded, chunks)
            return Reply(200, encoded("".join(begun)), pieces.content_type(format_), rest=rest)
    return Reply(200, encoded("".join(begun)), pieces.content_type(format_))


def altered(reply: Reply, fault: FaultRule | None) -> Reply:
    """Return the reply as a fault that strikes after the call leaves it."""
    if fault is None:
        return reply
    if fault.replacement:
        return replaced(fault)
    if fault.name == "cut-json":
        return replace(reply, body=reply.body[: len(reply.body) // 2])
    if fault.name == "cut-connection":
        return replace(reply, cut=True)
    return reply


def strikes(fault: FaultRule | None, *names: str) -> bool:
    """Tell whether the fault is one of these."""
    return fault is not None and fault.name in names


def replaced(fault: FaultRule) -> Reply:
    """Return the answer that a fault sends instead."""
    replacement = fault.replacement
    if replacement is None:
        raise ValueError(f"{fault.name} replaces no answer")
    return Reply(replacement.status, replacement.body.encode(), replacement.content_type)


def refused(status: int, message: str, format_: str) -> Reply:
    """Return the error envelope."""
    body, content_type = error_body(message, format_)
    return Reply(status, encoded(body), content_type)


def encoded(text: str) -> bytes:
    """Return the text as UTF-8; half a letter, which no server could keep, as a question mark."""
    return text.encode(errors="replace")


def counted(rows: Iterable[Row], columns: int, counts: Counts) -> Iterator[Row]:
    """Pass rows on and count them and their cells, as many as are written at once."""
    for batch in batches(rows):
        counts.rows += len(batch)
        counts.cells += columns * len(batch)
        yield from batch


def without_a_tenth(rows: Iterable[Row], random: Random) -> Iterator[Row]:
    """Leave out each row with a probability of a tenth, and in any case one of the first ten."""
    rest = iter(rows)
    first = list(islice(rest, 10))
    lost = random.randrange(len(first) or 1)
    yield from (row for place, row in enumerate(first) if place != lost)
    yield from (row for row in rest if random.random() >= SHARE_LOST)


def gzipped(parts: Iterable[bytes]) -> Iterator[bytes]:
    """Compress parts as they pass."""
    packer = zlib.compressobj(GZIP_LEVEL, zlib.DEFLATED, GZIP_WINDOW)
    for part in parts:
        packed = packer.compress(part)
        if packed:
            yield packed
    yield packer.flush()


def whole(reply: Reply) -> Generator[bytes, None, None]:
    """Yield all of a reply's body; ``ended`` is told when it is over or the client goes away."""
    try:
        yield reply.body
        yield from reply.rest or ()
    finally:
        if reply.ended is not None:
            reply.ended()


def not_implemented() -> Reply:
    """Return what a request other than a POST gets (recorded with status 501)."""
    return refused(501, "The requested method is not implemented.", "xml")


def not_found() -> Reply:
    """Return what any other address gets."""
    return Reply(404, b"Not Found", CONTENT_TYPES["text"])
