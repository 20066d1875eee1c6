"""How many segments a text takes: what carriers count, Twilio charges and the spacing goes by.

GSM 03.38: 160 characters of the seven-bit alphabet fit one segment, 153 each where there are
several; those of its extension table take two places. One character outside of both, an accented
"á" or a curly quote, makes the whole text UCS-2: 70 and 67 UTF-16 units.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

DEFAULT = frozenset(
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?"
    "¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà"
)
EXTENSION = frozenset("\f^{}\\[~]|€")
ONE = {"GSM-7": 160, "UCS-2": 70}
EACH_OF_SEVERAL = {"GSM-7": 153, "UCS-2": 67}
LAST_OF_TWO_BYTES = "\uffff"


@dataclass(frozen=True)
class Segments:
    """Number of segments (at least one), the alphabet, and the places taken in all."""

    count: int
    encoding: Literal["GSM-7", "UCS-2"]
    units: int


def segments(body: str) -> Segments:
    """Count the segments of a text; a character of two places is never cut in half."""
    outside = outside_gsm(body)
    encoding: Literal["GSM-7", "UCS-2"] = "UCS-2" if outside else "GSM-7"
    widths = [
        2 if (each > LAST_OF_TWO_BYTES if outside else each in EXTENSION) else 1 for each in body
    ]
    units = sum(widths)
    if units <= ONE[encoding]:
        return Segments(1, encoding, units)
    return Segments(_packed(widths, EACH_OF_SEVERAL[encoding]), encoding, units)


def outside_gsm(body: str) -> str:
    """Return the characters, in order and once each, that make a text UCS-2."""
    return "".join(dict.fromkeys(each for each in body if each not in DEFAULT | EXTENSION))


def _packed(widths: Iterable[int], size: int) -> int:
    """Count the segments of one size that are filled in order."""
    count, used = 1, 0
    for width in widths:
        if used + width > size:
            count, used = count + 1, 0
        used += width
    return count
