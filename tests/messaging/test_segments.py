"""Segments as carriers count them: seven-bit or UCS-2, whole or in parts."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from redcap_jobs.messaging.segments import DEFAULT, EXTENSION, Segments, outside_gsm, segments


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ("", Segments(1, "GSM-7", 0)),
        ("a" * 160, Segments(1, "GSM-7", 160)),
        ("a" * 161, Segments(2, "GSM-7", 161)),
        ("a" * 306, Segments(2, "GSM-7", 306)),
        ("a" * 307, Segments(3, "GSM-7", 307)),
        ("€" * 80, Segments(1, "GSM-7", 160)),
        ("a" * 159 + "[", Segments(2, "GSM-7", 161)),
        ("á" * 70, Segments(1, "UCS-2", 70)),
        ("á" * 71, Segments(2, "UCS-2", 71)),
        ("á" * 134, Segments(2, "UCS-2", 134)),
        ("á" * 135, Segments(3, "UCS-2", 135)),
        ("😀" * 35, Segments(1, "UCS-2", 70)),
        ("a" * 70 + "\u2019", Segments(2, "UCS-2", 71)),
        ("\uff21" * 70, Segments(1, "UCS-2", 70)),
        ("\U00010000" * 35, Segments(1, "UCS-2", 70)),
    ],
    ids=lambda case: case[-4:] if isinstance(case, str) else "",
)
def test_the_limits_of_both_alphabets(body: str, expected: Segments) -> None:
    """160 or 70 places in one segment, 153 or 67 in each of several (GSM 03.38 and 03.40)."""
    assert segments(body) == expected


def test_a_character_of_two_places_is_not_cut() -> None:
    """Where one place is left, an extension character or an emoji begins the next segment."""
    assert segments("a" * 152 + "[" + "a" * 152).count == 3
    assert math.ceil((152 + 2 + 152) / 153) == 2
    assert segments("😀" * 66).count == 2
    assert segments("😀" * 67).count == 3


def test_the_alphabet_is_that_of_gsm_03_38() -> None:
    """128 places of which one is the escape; ten characters of the extension table."""
    assert len(DEFAULT) == 127
    assert len(EXTENSION) == 10
    assert not DEFAULT & EXTENSION
    assert set("ñÑ¿¡éüÜ\n\r@$_") <= DEFAULT
    assert not set("áíóúÁÍÓÚ`\t\x1b\u2019“”\u2013…") & (DEFAULT | EXTENSION)


def test_what_makes_a_text_long_is_named() -> None:
    """Whoever writes a text can be told which characters more than double its segments."""
    assert outside_gsm("Su cuestionario: ¿cómo está? “aquí”") == "óá“í”"
    assert outside_gsm("plain [text] €") == ""


@given(body=st.text(max_size=400))
def test_laws_of_segments(body: str) -> None:
    """Places are those of the alphabet; segments are as many as hold them, and few more."""
    counted = segments(body)
    plain = set(body) <= DEFAULT | EXTENSION
    assert counted.encoding == ("GSM-7" if plain else "UCS-2")
    if plain:
        assert counted.units == len(body) + sum(each in EXTENSION for each in body)
    else:
        assert counted.units == len(body.encode("utf-16-le", "surrogatepass")) // 2
    one, several = (160, 153) if plain else (70, 67)
    assert (counted.count == 1) == (counted.units <= one)
    if counted.count > 1:
        assert math.ceil(counted.units / several) <= counted.count
        assert counted.count <= math.ceil(counted.units / (several - 1))
