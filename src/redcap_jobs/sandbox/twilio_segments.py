"""How many segments a text is, counted apart from the program that sends it (3GPP TS 23.038)."""

from __future__ import annotations

GSM_7 = frozenset(
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?"
    "¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà"
)
EXTENSION = frozenset("^{}\\[~]|€\f")
"""Characters of the GSM 7-bit alphabet that take two places."""
ONE_GSM_7, PART_GSM_7 = 160, 153
ONE_UCS_2, PART_UCS_2 = 70, 67


def segments_of(body: str) -> int:
    """Return the number of segments, at least 1.

    A character that takes two places is never torn apart: it begins the next segment.
    """
    gsm_7 = all(sign in GSM_7 or sign in EXTENSION for sign in body)
    if gsm_7:
        places = [2 if sign in EXTENSION else 1 for sign in body]
        return parts(places, ONE_GSM_7, PART_GSM_7)
    places = [2 if ord(sign) > 0xFFFF else 1 for sign in body]
    return parts(places, ONE_UCS_2, PART_UCS_2)


def parts(places: list[int], one: int, part: int) -> int:
    """Return into how many segments characters of these sizes go."""
    if sum(places) <= one:
        return 1
    count, room = 1, part
    for size in places:
        if size > room:
            count, room = count + 1, part
        room -= size
    return count
