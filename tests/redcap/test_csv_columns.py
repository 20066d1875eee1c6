"""Both CSV readers at the edges: odd values, rows that do not fit, bodies cut anywhere."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from redcap_jobs.redcap import csv_arrow, csv_plain
from redcap_jobs.redcap.csv_blocks import MalformedCsv, header_and_blocks

Parse = Callable[[list[str], list[str], Iterator[bytes]], pd.DataFrame]
READERS = pytest.mark.parametrize(
    "parse", [csv_plain.parse, csv_arrow.parse], ids=["plain", "arrow"]
)


def read(parse: Parse, body: bytes, size: int = 1 << 16, block: int = 1 << 16) -> pd.DataFrame:
    """Parse a body that arrives in chunks of ``size`` bytes."""
    chunks = (body[start : start + size] for start in range(0, len(body), size))
    names, blocks = header_and_blocks(chunks, block)
    return parse(names, names, blocks)


def written(table: list[list[str]], *, everything: bool = False) -> bytes:
    """Write as PHP does: quotes around a cell that needs them, quotes in it doubled."""

    def cell(text: str) -> str:
        needed = everything or any(sign in text for sign in ',"\n\r')
        return '"' + text.replace('"', '""') + '"' if needed else text

    return "".join(",".join(map(cell, row)) + "\n" for row in table).encode()


VALUES = [
    "01", "1.0", "1e5", "NA", "null", "NaN", "None", "True", "-0", " padded ", "2020-02-30",
    "Тест", "¿Cuántos días?", "日本", "a,b", 'say "hi"', "two\nlines", "two\r\nlines", '"', '""',
    ",", "\n", "x" * 70_000, "#no comment", "'", "=1+1", "\\", "a\\\"b",
]  # fmt: skip


@READERS
@pytest.mark.parametrize("value", VALUES, ids=range(len(VALUES)))
def test_a_cell_is_what_was_sent(parse: Parse, value: str) -> None:
    """Nothing is guessed, trimmed or turned into a missing value, wherever the cell stands."""
    body = written([["a", "b", "c"], [value, "", "1"], ["2", value, ""], ["", "3", value]])
    rows = read(parse, body)
    assert rows.to_numpy().tolist() == [[value, "", "1"], ["2", value, ""], ["", "3", value]]
    assert [str(kind) for kind in rows.dtypes] == ["str"] * 3


@READERS
def test_bytes_that_are_no_utf8_are_told_as_such(parse: Parse) -> None:
    """They come again each time: whoever reads it must know that a cell is to be typed anew."""
    body = written([["a", "b"], ["1", "x"], ["2", "y"]]) + b"3,M\xfcller\n4,z\n"
    with pytest.raises(MalformedCsv, match="not UTF-8; type that cell anew") as failed:
        read(parse, body)
    assert "ller" not in str(failed.value)
    if parse is csv_arrow.parse:
        assert "line 3 behind the header" in str(failed.value)


@READERS
def test_quotes_around_everything_change_nothing(parse: Parse) -> None:
    """A server that quotes every cell, blanks included, sends the same values."""
    table = [["a", "b"], ["01", ""], ["", "x,y"]]
    plainly, quoted = read(parse, written(table)), read(parse, written(table, everything=True))
    pd.testing.assert_frame_equal(plainly, quoted)


@READERS
def test_one_column_keeps_its_blank_rows(parse: Parse) -> None:
    """With a single column an empty line is a blank cell."""
    assert read(parse, b'a\n1\n""\n\n2\n')["a"].tolist() == ["1", "", "", "2"]


@READERS
@pytest.mark.parametrize(
    "body",
    [
        b"a,b,c\n1,2,3\n4,5\n",
        b"a,b,c\n1,2,3\n4,5",
        b"a,b,c\n1,2,3\n4,",
        b"a,b,c\n1,2\n4,5,6\n",
        b"a,b,c\n1,2,3,4\n",
        b"a,b,c\n1,2\n1,2,3,4\n",
        b"a,b,c\n1,2,3,4\n1,2\n",
        b"a,b,c\n1,2,3\n\n4,5,6\n",
        b'a,b,c\n1,2,"three\n4,5,6\n',
        b'a,b,c\n1,"x,y",3\n4,"x,y"\n',
        b"a,b,c\n1,\xff\xfe,3\n",
        b"a,b,c\n1,2\n3,4\n",
    ],
    ids=range(12),
)
def test_what_is_no_rectangle_is_refused(parse: Parse, body: bytes) -> None:
    """Rows too short or too long, open quotes and bytes that are no UTF-8 are never patched up."""
    with pytest.raises(MalformedCsv):
        read(parse, body)


@READERS
def test_the_error_quotes_no_cell(parse: Parse) -> None:
    """The parsers' own messages quote rows: they go no further, not even as context."""
    with pytest.raises(MalformedCsv) as failed:
        read(parse, b"a,b\n1,2125550143\n3,Ms Example,4\n")
    assert "Example" not in str(failed.value)
    assert failed.value.__cause__ is None
    assert failed.value.__suppress_context__ or failed.value.__context__ is None


cells = st.text(
    st.one_of(
        st.sampled_from(',"\n\r ;'),
        st.characters(exclude_categories=["Cs"], exclude_characters="\0", max_codepoint=0x3000),
    ),
    max_size=12,
)


@given(
    table=st.lists(st.lists(cells, min_size=3, max_size=3), min_size=1, max_size=6), data=st.data()
)
def test_a_cut_is_noticed_or_harmless(table: list[list[str]], data: st.DataObject) -> None:
    """A body cut anywhere is refused, or holds whole rows and a last one that has all its cells."""
    body = written([["c0", "c1", "c2"], *table])
    cut = body[: data.draw(st.integers(len(b"c0,c1,c2\n"), len(body) - 1))]
    found: list[list[list[str]] | None] = []
    for parse in (csv_plain.parse, csv_arrow.parse):
        try:
            found.append(read(parse, cut).to_numpy().tolist())
        except MalformedCsv:
            found.append(None)
    assert found[0] == found[1]
    if found[0]:
        whole = len(found[0]) - 1
        assert found[0][:whole] == table[:whole]
