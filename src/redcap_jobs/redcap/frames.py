"""From the bytes of a CSV export to a rows frame: strings exactly as stored, quickly.

A rows frame has the columns KEYS first, then ``dag`` where it was asked for, then the fields as
exported; every column is ``str``, a blank is ''. "01" stays "01" and "NA" stays "NA".
"""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from redcap_jobs.plan import KEYS

if TYPE_CHECKING:
    from types import ModuleType

KEY_OF_COLUMN = {
    "redcap_event_name": "event",
    "redcap_repeat_instrument": "repeat_instrument",
    "redcap_repeat_instance": "repeat_instance",
    "redcap_data_access_group": "dag",
}
"""REDCap's key columns (flat export) → the names used here."""


def read_csv(body: io.BytesIO) -> pd.DataFrame:
    """Parse a CSV body (UTF-8, header line) into a frame of ``str`` columns.

    An empty body is an export without rows. Raises ``ValueError`` for what is no rectangle.
    """
    if not body.getbuffer().nbytes:
        return pd.DataFrame()
    body.seek(0)
    arrow = arrow_csv()
    return read_with_arrow(body, arrow) if arrow else read_plain(body)


def arrow_csv() -> ModuleType | None:
    """Return pyarrow's CSV reader if the ``arrow`` extra is installed."""
    try:
        import pyarrow.csv
    except ImportError:
        return None
    module: ModuleType = pyarrow.csv
    return module


def read_plain(body: io.BytesIO) -> pd.DataFrame:
    """Parse with pandas alone.

    Study data repeat themselves: each column is read as codes into its distinct values, so that a
    value is made into a Python string once, not once per cell; cells then share it.
    """
    coded = pd.read_csv(body, dtype="category", na_filter=False, encoding="utf-8", low_memory=False)
    columns: dict[str, Any] = {}
    for name in coded.columns:
        column = coded[name].array
        values = np.asarray(column.categories, dtype=object)
        columns[name] = pd.array(values.take(column.codes), dtype="str")
    return pd.DataFrame(columns, copy=False)


def read_with_arrow(body: io.BytesIO, arrow: ModuleType) -> pd.DataFrame:
    """Parse with pyarrow: string columns without a Python object per cell."""
    import pyarrow as pa

    header = next(
        iter(pd.read_csv(body, nrows=0, encoding="utf-8").columns.to_list() and [0]), None
    )
    body.seek(0)
    names = pd.read_csv(body, nrows=0, encoding="utf-8").columns if header is not None else []
    body.seek(0)
    table = arrow.read_csv(
        pa.py_buffer(body.getbuffer()),
        parse_options=arrow.ParseOptions(newlines_in_values=True),
        convert_options=arrow.ConvertOptions(
            column_types=dict.fromkeys(names, pa.large_string()), strings_can_be_null=False
        ),
    )
    return table.to_pandas(types_mapper={pa.large_string(): pd.StringDtype(na_value=np.nan)}.get)


def rows_frame(exported: pd.DataFrame, record_id_field: str, *, with_dag: bool) -> pd.DataFrame:
    """Give an export its key columns, whatever kind of project it came from."""
    rows = exported.rename(columns=KEY_OF_COLUMN | {record_id_field: "record"})
    wanted = [*KEYS, "dag"] if with_dag else KEYS
    for name in wanted:
        if name not in rows.columns:
            rows[name] = pd.Series("", index=rows.index, dtype="str")
    return rows[[*wanted, *(name for name in rows.columns if name not in {*wanted, "dag"})]]


def empty_rows(fields: list[str], *, with_dag: bool) -> pd.DataFrame:
    """Return a rows frame without rows."""
    columns = [*KEYS, *(["dag"] if with_dag else []), *fields]
    return pd.DataFrame({name: pd.Series([], dtype="str") for name in columns})
