"""Rows as frames: strings exactly as REDCap stores them, under the same key columns everywhere.

A **rows frame** has only ``str`` columns and no missing values, blanks are ''. First come the
four keys :data:`KEYS` ('' where one does not apply: a classic project has no event), then ``dag``
(the unique group name) if it was asked for, then the fields under their export names
(``field___code`` for a checkbox), in the order the server sends them.
"""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from redcap_jobs.plan import KEYS

__all__ = ["DAG", "KEYS", "blank_rows", "exported_columns", "rows_frame"]

DAG = "dag"
SERVER_KEYS = ("redcap_event_name", "redcap_repeat_instrument", "redcap_repeat_instance")
SERVER_DAG = "redcap_data_access_group"


def blank_rows(fields: Sequence[str] = (), *, with_dag: bool = False) -> pd.DataFrame:
    """Return a rows frame without rows."""
    names = [*KEYS, *([DAG] if with_dag else []), *fields]
    return pd.DataFrame({name: pd.Series([], dtype="str") for name in names})


def rows_frame(
    exported: pd.DataFrame, record_id_field: str, fields: Sequence[str], *, with_dag: bool = False
) -> pd.DataFrame:
    """Turn a flat export into a rows frame; columns that nobody asked for are left out.

    ``exported`` has ``str`` columns under REDCap's own names, the record ID field among them. A
    group column that was asked for and did not come (the token's user is in a group) is blank.
    """
    blank = pd.Series("", index=exported.index, dtype="str")
    server_names = dict(zip(KEYS, (record_id_field, *SERVER_KEYS), strict=True))
    if with_dag:
        server_names[DAG] = SERVER_DAG
    columns = {key: exported.get(name, blank) for key, name in server_names.items()}
    for name in exported_columns(list(exported.columns), fields):
        columns[name] = exported[name]
    return pd.DataFrame(columns, index=exported.index, copy=False)


def exported_columns(columns: Sequence[str], fields: Sequence[str]) -> list[str]:
    """Return which columns of an export belong to fields asked for, checkboxes included."""
    wanted = set(fields)
    return [name for name in columns if name in wanted or name.partition("___")[0] in wanted]
