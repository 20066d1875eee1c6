"""Read the text of the sandbox's PDFs: each font says which sign each of its glyphs stands for."""

from __future__ import annotations

import re
import zlib

OBJECT = re.compile(rb"(\d+) 0 obj\n(.*?)endobj", re.DOTALL)
STREAM = re.compile(rb"stream\n(.*)\nendstream", re.DOTALL)
SHOWN = re.compile(rb"/F(\d+) [\d.]+ Tf|\(((?:[^\\()]|\\.)*)\) ?Tj", re.DOTALL)
ESCAPES = {b"n": b"\n", b"r": b"\r", b"t": b"\t", b"b": b"\b", b"f": b"\f"}


def text_of(content: bytes) -> str:
    """Return what stands on the pages, a line per piece of text."""
    objects = {int(number): body for number, body in OBJECT.findall(content)}
    streams = {number: unpacked(body) for number, body in objects.items()}
    signs = {
        int(font): sign_table(streams[int(re.search(rb"/ToUnicode (\d+)", objects[int(at)])[1])])  # type: ignore[index] # fails loudly
        for font, at in re.findall(rb"/F(\d+) (\d+) 0 R", content)
    }
    shown = []
    for number in sorted(streams):
        table: dict[int, str] = {}
        for font, text in SHOWN.findall(streams[number]):
            if font:
                table = signs[int(font)]
                continue
            raw = re.sub(rb"\\(.)", lambda one: ESCAPES.get(one[1], one[1]), text, flags=re.DOTALL)
            glyphs = [int.from_bytes(raw[at : at + 2]) for at in range(0, len(raw), 2)]
            shown.append("".join(table[glyph] for glyph in glyphs))
    return "\n".join(shown)


def unpacked(body: bytes) -> bytes:
    """Return an object's stream, b'' where it has none that matters here."""
    found = STREAM.search(body)
    if not found or b"/Length1" in body:
        return b""
    return zlib.decompress(found[1]) if b"/FlateDecode" in body else found[1]


def sign_table(cmap: bytes) -> dict[int, str]:
    """Return glyph → sign of a ``ToUnicode`` table."""
    return {
        int(glyph, 16): bytes.fromhex(sign.decode()).decode("utf-16-be")
        for glyph, sign in re.findall(rb"<([0-9A-F]{4})> <([0-9A-F]+)>\n", cmap)
    }
