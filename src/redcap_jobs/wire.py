"""What every client does alike with an answer that is still coming."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import requests

CHUNK_BYTES = 1 << 17


def received(
    response: requests.Response, in_time: Callable[[], bool], too_slow: Callable[[], Exception]
) -> Iterator[bytes]:
    """Yield a body in large pieces, as long as it comes ``in_time``; raise ``too_slow`` if not.

    Whatever has come is taken at once: a read of a fixed size would wait for ever on a server
    that sends a byte now and then, which no time-out between bytes ends. Raises urllib3's errors
    for an answer that breaks off.
    """
    parts, size = [], 0
    while part := response.raw.read1(CHUNK_BYTES, decode_content=True):
        if not in_time():
            raise too_slow()
        parts.append(part)
        size += len(part)
        if size >= CHUNK_BYTES:
            yield b"".join(parts)
            parts, size = [], 0
    if parts:
        yield b"".join(parts)


def too_slow() -> requests.ReadTimeout:
    """Return the error for an answer that does not come to its end."""
    return requests.ReadTimeout("the answer comes too slowly")
