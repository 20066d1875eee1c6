"""A context over one plain table, its columns named as logic names them, that counts reads."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

import pandas as pd

from redcap_jobs.redcap.logic import Reference, parse


class Columns:
    """Fields by their written form, e.g. ``"[a]"``; ``reads`` counts what was asked for."""

    def __init__(self, table: Mapping[str, Sequence[str]], *now: str) -> None:
        self.table = {name: pd.Series(values, dtype="str") for name, values in table.items()}
        self.index = pd.RangeIndex(len(next(iter(self.table.values()))))
        clock = now if len(now) > 1 else (now or ("2025-06-15 18:00:00",)) * len(self.index)
        self.now = pd.Series(pd.to_datetime(list(clock)), self.index).astype("datetime64[s]")
        self.today = self.now.dt.floor("D")
        self.reads: Counter[str] = Counter()

    def values(self, reference: Reference) -> pd.Series:
        self.reads[str(reference)] += 1
        return self.table[str(reference)]

    def smart(self, name: str, args: tuple[str, ...] = ()) -> pd.Series:
        return self.table[f"[{name}]"]


def value(text: str, **fields: str) -> object:
    """Evaluate over one row; a blank is ''."""
    row = {f"[{name}]": [stored] for name, stored in fields.items()} or {"[x]": [""]}
    result = parse(text).evaluate(Columns(row)).iloc[0]
    return "" if isinstance(result, float) and result != result else result


def true(text: str, **fields: str) -> bool:
    """Evaluate the truth over one row."""
    row = {f"[{name}]": [stored] for name, stored in fields.items()} or {"[x]": [""]}
    return bool(parse(text).truth(Columns(row)).iloc[0])
