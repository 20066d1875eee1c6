"""CSV blocks to ``str`` columns with pyarrow: no Python object per cell."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pandas as pd
import pyarrow as pa
from pyarrow import csv

from redcap_jobs.redcap.csv_blocks import (
    BYTE_ORDER_MARK,
    TAIL_BYTES,
    MalformedCsv,
    not_utf8,
    rows_of,
)

STR = pd.StringDtype("pyarrow", na_value=np.nan)
BLOCK_BYTES = 1 << 19
"""What pyarrow parses at a time: what the processor's cache holds. One thread, since several
cost more processor time than they save."""


def parse(names: list[str], wanted: list[str], blocks: Iterator[bytes]) -> pd.DataFrame:
    """Return the wanted columns of blocks whose columns are ``names``.

    Raises:
        MalformedCsv: Not UTF-8, or a row with another number of cells.

    """
    parts = list(blocks)
    longest = max((len(part) for part in parts), default=0)
    body = b"".join([BYTE_ORDER_MARK, *parts])  # pyarrow takes one away; a cell may start so
    parts.clear()
    columns = dict.fromkeys(names, pa.large_string())
    if not longest:
        return pd.DataFrame({name: pd.Series([], dtype="str") for name in wanted})
    if len(names) > 1 and (b"\n\n" in body or b"\n\r\n" in body):
        rows_of(body.removeprefix(BYTE_ORDER_MARK), len(names))
    try:
        table = csv.read_csv(
            pa.py_buffer(body),
            read_options=csv.ReadOptions(
                column_names=names,
                use_threads=False,
                block_size=max(BLOCK_BYTES, longest + len(BYTE_ORDER_MARK) + 1),  # no row is longer
            ),
            parse_options=csv.ParseOptions(
                newlines_in_values=True, ignore_empty_lines=len(names) > 1
            ),
            convert_options=csv.ConvertOptions(
                column_types=columns, strings_can_be_null=False, include_columns=wanted
            ),
        )
    except pa.ArrowInvalid:  # its message quotes the row
        why = not_utf8(body) or "a row does not fit the header"
        raise MalformedCsv(why, body[-TAIL_BYTES:]) from None
    return pd.DataFrame(
        {name: pd.array(table.column(name), dtype=STR) for name in wanted}, copy=False
    )
