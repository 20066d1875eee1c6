"""Posted forms are read as any web server reads them, large ones in an array."""

from __future__ import annotations

from io import BytesIO
from urllib.parse import parse_qsl, quote_plus, unquote_to_bytes

import pytest
from flask import Request
from hypothesis import given
from hypothesis import strategies as st
from werkzeug.test import EnvironBuilder

from redcap_jobs.sandbox.posted_forms import LARGE_BYTES, posted_pairs, text_of, unescaped

ESCAPED = st.text("%25aF0gé+&= ", max_size=12).map(lambda text: text.encode())


def posted(body: bytes, content_type: str = "application/x-www-form-urlencoded") -> Request:
    builder = EnvironBuilder(method="POST", input_stream=BytesIO(body), content_type=content_type)
    return Request(builder.get_environ() | {"CONTENT_LENGTH": str(len(body))})


@given(ESCAPED)
def test_the_array_undoes_what_the_library_undoes(text: bytes) -> None:
    """Half escapes, escaped percent signs and signs that are no digits stay as they are."""
    assert unescaped(text) == unquote_to_bytes(text)


@given(st.lists(st.tuples(st.text(max_size=5), st.text(max_size=9)), max_size=4))
def test_a_form_as_it_was_sent(pairs: list[tuple[str, str]]) -> None:
    """Names and values of any letters, in order, blank ones too, names more than once."""
    body = "&".join(
        f"{quote_plus(name, errors='replace')}={quote_plus(value, errors='replace')}"
        for name, value in pairs
    )
    expected = [
        (name.encode(errors="replace").decode(), value.encode(errors="replace").decode())
        for name, value in pairs
    ]
    assert list(posted_pairs(posted(body.encode()))) == expected
    assert list(posted_pairs(posted(body.encode()))) == parse_qsl(body, keep_blank_values=True)


@pytest.mark.parametrize("length", [LARGE_BYTES // 3 - 9, LARGE_BYTES // 3 + 9])
def test_short_and_long_values_are_read_alike(length: int) -> None:
    """On either side of the length from which an array is used."""
    text = ('"ö+ %' * length)[:length]
    assert text_of(quote_plus(text).encode()) == text


def test_bad_letters_do_not_break_a_form() -> None:
    """What is no UTF-8 becomes the sign for it."""
    assert list(posted_pairs(posted(b"a=%ff&b"))) == [("a", "\ufffd"), ("b", "")]


def test_forms_in_parts() -> None:
    """R's clients send multipart forms."""
    body = (
        b'--x\r\nContent-Disposition: form-data; name="token"\r\n\r\nabc%20\r\n'
        b'--x\r\nContent-Disposition: form-data; name="f[0]"\r\n\r\n1\r\n--x--\r\n'
    )
    request = posted(body, "multipart/form-data; boundary=x")
    assert list(posted_pairs(request)) == [("token", "abc%20"), ("f[0]", "1")]
