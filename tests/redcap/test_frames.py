"""CSV to frames: the fast ways against Python's csv module, cell by cell; and the rows frame."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Sequence
from typing import Any

import pandas as pd
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from redcap_jobs.plan import KEYS as PLAN_KEYS
from redcap_jobs.redcap import csv_blocks, csv_columns
from redcap_jobs.redcap.csv_columns import MalformedCsv, read_columns
from redcap_jobs.redcap.frames import KEYS, blank_rows, exported_columns, rows_frame

STR = pd.StringDtype(na_value=float("nan"))


@pytest.fixture(params=["plain", "arrow"])
def reader(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Both ways of reading, whatever is installed."""
    way: str = request.param
    monkeypatch.setattr(csv_columns, "find_spec", lambda _: way == "arrow")
    return way


def written(rows: Sequence[Sequence[str]], quoting: int = csv.QUOTE_MINIMAL) -> bytes:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n", quoting=quoting).writerows(rows)  # type: ignore[arg-type]
    return text.getvalue().encode()


def in_chunks(body: bytes, size: int) -> Iterator[bytes]:
    return (body[start : start + size] for start in range(0, len(body), size))


def read(body: bytes, size: int = 1 << 17, choose: Any = None) -> pd.DataFrame:
    found = read_columns(in_chunks(body, size), choose)
    assert found is not None
    return found


CELL = st.one_of(
    st.sampled_from(["", "0", "1", "01", "NA", "null", "-99", "2020-01-31", "месяц 2", "é", "ß1"]),
    st.text(
        alphabet=st.characters(exclude_categories=["Cs"], exclude_characters="\r\0"), max_size=30
    ),
    st.text(alphabet='ab",\n', max_size=12),
    st.integers(0, 10**24).map(str),
)


@st.composite
def tables(draw: st.DrawFn) -> list[list[str]]:
    width = draw(st.integers(2, 5))
    rows = draw(st.lists(st.lists(CELL, min_size=width, max_size=width), max_size=30))
    repeated = draw(st.integers(1, 4))
    return [[f"column_{number}" for number in range(width)], *(rows * repeated)]


@pytest.mark.parametrize("way", ["plain", "arrow"])
@given(
    table=tables(),
    size=st.integers(1, 400),
    block=st.integers(1, 400),
    quoting=st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL]),
)
@example(table=[["a", "b"], ["\ufeff", ""]], size=1, block=1, quoting=csv.QUOTE_MINIMAL)
@example(table=[["a", "b"], ['"', '""'], ['","', '\n"']], size=1, block=1, quoting=csv.QUOTE_ALL)
@settings(max_examples=150, deadline=None)
def test_every_cell_comes_as_it_was_written(
    way: str, table: list[list[str]], size: int, block: int, quoting: int
) -> None:
    """Any text, cut into chunks and blocks anywhere, quoted or not: the same cells come out."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(csv_columns, "find_spec", lambda _: way == "arrow")
        whole = csv_blocks.header_and_blocks
        patch.setattr(csv_columns, "header_and_blocks", lambda chunks: whole(chunks, block))
        found = read(written(table, quoting), size)
    assert list(found.columns) == table[0]
    assert all(dtype == STR for dtype in found.dtypes)
    assert found.to_numpy().tolist() == table[1:]
    assert not found.isna().any(axis=None)


@pytest.mark.parametrize("text", ["NA", "", "nan", "01", "1e5", "True", "1,5", " x ", "x\ty", '"'])
def test_nothing_is_guessed(reader: str, text: str) -> None:
    """No missing values, numbers or truths are made of text that looks like them."""
    assert read(written([["a", "b"], [text, "x"]]))["a"].tolist() == [text]


def test_a_column_with_many_different_values(reader: str) -> None:
    """More distinct values than the plain way keeps, several times over: all come back."""
    values = [f"value {number % 30_000}" for number in range(70_000)]
    rows = [["record_id", "name"], *([str(number), value] for number, value in enumerate(values))]
    found = read(written(rows))
    assert found["name"].tolist() == values
    assert found["record_id"].tolist() == [str(number) for number in range(70_000)]


def test_lines_may_end_in_two_signs_and_the_last_in_none(reader: str) -> None:
    """Carriage returns before line feeds, a byte order mark, no line end at the end of the body."""
    assert read(b"\xef\xbb\xbfa,b\r\n1,2\r\n3,4").to_numpy().tolist() == [["1", "2"], ["3", "4"]]


def test_one_column_alone_keeps_its_rows(reader: str) -> None:
    """A roster of one column: quoted blanks are rows, too."""
    assert read(b'a\n1\n""\n2\n')["a"].tolist() == ["1", "", "2"]


@pytest.mark.parametrize("body", [b"", b"\n", b"  \n", b"\xef\xbb\xbf"])
def test_a_blank_body_is_no_rows(reader: str, body: bytes) -> None:
    """REDCap sends nothing at all for an export without rows."""
    assert read_columns(iter([body])) is None


def test_a_header_alone_is_columns_without_rows(reader: str) -> None:
    """Some calls send the header only: the columns are there, and typed as text."""
    found = read(b"a,b\n")
    assert list(found.columns) == ["a", "b"]
    assert len(found) == 0
    assert all(dtype == STR for dtype in found.dtypes)


@pytest.mark.parametrize(
    "body",
    [
        b"a,b\n1\n",
        b"a,b\n1,2,3\n",
        b"a,b\n1,2\n3",
        b'a,b\n1,"2',
        b'a,b\n1,"2\n3,4\n',
        b"a,a\n1,2\n",
        b"a,\n1,2\n",
        b"a,b\n1,2\n<br />\n<b>Fatal error</b>\n",
        b"a,b\n1,\xff\n",
        b"a,b\n1,\xc3\n",
        b"a,b\n1,\xe2\x82\n",
        b"a,b\n1,a longer text that ends in \xff\n",
        b"a,b\n1,2\n3,4,5\n6\n",
    ],
)
@pytest.mark.parametrize("size", [3, 1000])
def test_what_is_no_rectangle_of_text_is_refused(reader: str, body: bytes, size: int) -> None:
    """Short rows, long rows, open quotes, doubled or blank names, no UTF-8: never a frame."""
    with pytest.raises(MalformedCsv) as failed:
        read(body, size)
    assert "a longer text" not in str(failed.value)


def test_only_the_wanted_columns_are_kept(reader: str) -> None:
    """Columns are chosen by name, in any order."""
    found = read(b"a,b,c\n1,2,3\n", choose=lambda _: ["c", "a"])
    assert found.to_dict("list") == {"c": ["3"], "a": ["1"]}


def test_the_keys_are_the_plans() -> None:
    """One definition of the key columns, under both names."""
    assert KEYS == PLAN_KEYS == ["record", "event", "repeat_instrument", "repeat_instance"]


def exported(**columns: list[str]) -> pd.DataFrame:
    return pd.DataFrame({name: pd.Series(cells, dtype="str") for name, cells in columns.items()})


@pytest.mark.parametrize("with_dag", [False, True])
def test_keys_come_first_and_blank_where_they_do_not_apply(*, with_dag: bool) -> None:
    """A classic project's export gets all key columns; the group only if it was asked for."""
    rows = rows_frame(
        exported(record_id=["1"], name=["x"]), "record_id", ["name"], with_dag=with_dag
    )
    assert list(rows.columns) == [*KEYS, *(["dag"] if with_dag else []), "name"]
    assert rows.iloc[0].tolist() == ["1", "", "", "", *([""] if with_dag else []), "x"]
    assert all(dtype == STR for dtype in rows.dtypes)


def test_the_servers_names_become_ours() -> None:
    """The record ID field, whatever its name, is `record`; redcap_* become the keys and `dag`."""
    rows = rows_frame(
        exported(
            study_id=["7"],
            redcap_event_name=["a_arm_1"],
            redcap_repeat_instrument=["log"],
            redcap_repeat_instance=["3"],
            redcap_data_access_group=["north"],
            box___1=["1"],
        ),
        "study_id",
        ["box"],
        with_dag=True,
    )
    assert rows.to_dict("records") == [
        {
            "record": "7",
            "event": "a_arm_1",
            "repeat_instrument": "log",
            "repeat_instance": "3",
            "dag": "north",
            "box___1": "1",
        }
    ]


def test_a_frame_without_rows_has_its_columns() -> None:
    """Nothing exported is still a frame of text columns."""
    rows = blank_rows(["name"], with_dag=True)
    assert list(rows.columns) == [*KEYS, "dag", "name"]
    assert all(dtype == STR for dtype in rows.dtypes)


@pytest.mark.parametrize(
    ("fields", "columns"),
    [
        (["box"], ["box___1", "box____4"]),
        (["box___1"], ["box___1"]),
        (["bo"], []),
        (["name", "box_complete"], ["name", "box_complete"]),
    ],
)
def test_a_checkbox_brings_all_its_columns(fields: list[str], columns: list[str]) -> None:
    """Asked for by its name a checkbox comes as all its columns; other names match whole."""
    there = ["record_id", "name", "box___1", "box____4", "box_complete"]
    assert exported_columns(there, fields) == columns


def test_reading_takes_chunks_only_as_they_come() -> None:
    """The body is never held whole: a block is parsed before the next chunks are asked for."""
    asked: list[int] = []

    def chunks() -> Iterator[bytes]:
        yield b"a,b\n"
        for number in range(200):
            asked.append(number)
            yield b"x,y\n" * 1000

    names, blocks = csv_blocks.header_and_blocks(chunks(), 1 << 14)
    assert names == ["a", "b"]
    next(blocks)
    assert len(asked) < 10
