"""CSV blocks to ``str`` columns with pyarrow: no Python object per cell."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pandas as pd
import pyarrow as pa
from pyarrow import csv

from redcap_jobs.redcap.csv_blocks import TAIL_BYTES, MalformedCsv

STR = pd.StringDtype("pyarrow", na_value=np.nan)


def parse(names: list[str], wanted: list[str], blocks: Iterator[bytes]) -> pd.DataFrame:
    """Return the wanted columns of blocks whose columns are ``names``.

    Raises:
        MalformedCsv: Not UTF-8, or a row with another number of cells.

    """
    text = pa.large_string()
    converting = csv.ConvertOptions(
        column_types=dict.fromkeys(names, text),
        strings_can_be_null=False,
        include_columns=wanted,
    )
    parsing = csv.ParseOptions(newlines_in_values=True, ignore_empty_lines=len(names) > 1)
    tables = [pa.table({name: pa.array([], text) for name in wanted})]
    for block in blocks:
        # One block of whole rows at a time: pyarrow need not look for where rows end.
        reading = csv.ReadOptions(column_names=names, use_threads=False, block_size=len(block) + 1)
        try:
            table = csv.read_csv(
                pa.BufferReader(block),
                read_options=reading,
                parse_options=parsing,
                convert_options=converting,
            )
        except pa.ArrowInvalid:  # its message quotes the row
            raise MalformedCsv("a row does not fit the header", block[-TAIL_BYTES:]) from None
        tables.append(table)
    whole = pa.concat_tables(tables)
    columns = {name: pd.array(whole.column(name), dtype=STR) for name in wanted}
    return pd.DataFrame(columns, copy=False)
