"""Cells on the wire: lossless whatever they hold, and lean enough for a web server's limit."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Sequence
from urllib.parse import urlencode

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from redcap_jobs.redcap.eav_cells import WireForm
from redcap_jobs.redcap.imports import parts_of_whole_records

COLUMNS = ["record", "event", "repeat_instrument", "repeat_instance", "field", "new"]
HARD = ['a "quoted" b', "one, two", "first\nsecond", "a\r\nb\rc", "Иван Ёлкин", " padded ", '"', ""]
VISIT = {
    "vt_target": "2026-03-01",
    "vt_opens": "2026-02-15",
    "vt_closes": "2026-03-29",
    "vt_state": "due",
    "vt_days_from_target": "-12",
    "vt_last_timestamp": "2026-03-01 12:00:00",
}
EVENTS = ["baseline_arm_1", "month_2_arm_1", "month_4_arm_1", "month_12_arm_1", "month_24_arm_1"]


def cells(rows: Sequence[Sequence[str]]) -> pd.DataFrame:
    return pd.DataFrame([list(row) for row in rows], columns=COLUMNS, dtype="str")


def parsed(changes: pd.DataFrame) -> list[dict[str, str]]:
    """Read the wire form as another reader of CSV or JSON would."""
    wire = WireForm.of(changes)
    text = wire.data(changes)
    if wire.format == "json":
        rows: list[dict[str, str]] = json.loads(text)
        return rows
    return list(csv.DictReader(io.StringIO(text, newline=""), strict=True))


@pytest.mark.parametrize("value", HARD)
def test_a_hard_value_goes_as_csv_and_comes_out_the_same(value: str) -> None:
    """Quotes, commas, line breaks of all kinds, blanks at the ends, Cyrillic: CSV carries them."""
    changes = cells([["1", "", "", "", "note", value], [value or "2", "", "", "", "name", "x"]])
    assert WireForm.of(changes).format == "csv"
    assert [(row["record"], row["value"]) for row in parsed(changes)] == [
        ("1", value),
        (value or "2", "x"),
    ]


@pytest.mark.parametrize("value", ["C:\\", '\\"', 'a\\", b'])
def test_a_backslash_goes_as_json(value: str) -> None:
    """PHP's CSV reader takes a backslash before a quote as an escape: JSON has no such doubt."""
    changes = cells([["1", "", "", "", "note", value]])
    assert WireForm.of(changes).format == "json"
    assert parsed(changes) == [{"record": "1", "field_name": "note", "value": value}]


TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=8)


@given(rows=st.lists(st.tuples(TEXT, TEXT, TEXT, TEXT, TEXT, TEXT), min_size=1, max_size=5))
@settings(max_examples=150, deadline=None)
def test_any_cells_come_out_as_they_went_in(rows: list[tuple[str, ...]]) -> None:
    """Whatever stands in keys and values; only columns that are blank throughout stay out."""
    changes = cells(rows)
    names = ["record", "redcap_event_name", "redcap_repeat_instrument", "redcap_repeat_instance"]
    found = [
        tuple(row.get(name, "") for name in [*names, "field_name", "value"])
        for row in parsed(changes)
    ]
    assert found == rows


def first_run() -> pd.DataFrame:
    """Return what a first run writes: 850 participants, 5 visits, 5 to 6 fields each."""
    return cells(
        [
            [str(1001 + number), event, "", "", field, value]
            for number in range(850)
            for event in EVENTS
            for field, value in list(VISIT.items())[: 6 if number % 2 else 5]
        ]
    )


def test_a_first_run_takes_at_most_four_imports_of_lean_cells() -> None:
    """23,300 cells: at most 60 bytes each as encoded, at most 4 imports, none above 1 MB.

    A first run has 12 requests at most, 8 of them reads; nginx takes 1 MB unless told otherwise.
    """
    changes = first_run()
    assert 23_300 <= len(changes) <= 23_400
    parts = list(parts_of_whole_records(changes, 10_000))
    bodies = [len(urlencode({"data": WireForm.of(part).data(part)})) for part in parts]
    assert sum(bodies) / len(changes) <= 60
    assert len(parts) <= 4
    assert max(bodies) <= 701_000


@given(
    st.lists(st.tuples(TEXT.filter(bool), TEXT), min_size=1, max_size=12, unique_by=lambda x: x[0])
)
@settings(max_examples=60, deadline=None)
def test_no_part_is_longer_than_the_limit_unless_it_is_one_record(
    values: list[tuple[str, str]],
) -> None:
    """Parts are cut by the bytes that are really sent, at records' ends."""
    changes = cells([[record, "", "", "", "note", value] for record, value in values])
    parts = list(parts_of_whole_records(changes, 10_000, most_bytes=150))
    assert pd.concat(parts).equals(changes)
    header = len(urlencode({"": "record,field_name,value\n"}))
    for part in parts:
        body = len(urlencode({"": WireForm.of(part).data(part)}))
        assert len(part) == 1 or body <= 150 + header
