"""A CSV export as ``str`` columns: every cell exactly as it was sent, fast and in little memory.

With the ``arrow`` extra pyarrow parses straight into string columns. Without it, see
:mod:`redcap_jobs.redcap.csv_plain`. Neither guesses types: "01" stays "01", "NA" stays "NA".
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from importlib.util import find_spec

import pandas as pd

from redcap_jobs.redcap.csv_blocks import MalformedCsv, header_and_blocks

__all__ = ["MalformedCsv", "read_columns"]

Choose = Callable[[list[str]], list[str]]


def read_columns(chunks: Iterable[bytes], choose: Choose | None = None) -> pd.DataFrame | None:
    """Parse a CSV body that arrives in ``chunks`` of bytes; None if it is blank.

    ``choose`` is given the column names and returns those wanted, in the order wanted; without it
    all are. Every column of the frame is ``str``, a blank cell is ''.

    Raises:
        MalformedCsv: Not UTF-8, a row with more or fewer cells than the header, or cut off.

    """
    names, blocks = header_and_blocks(chunks)
    if not names:
        return None
    wanted = choose(names) if choose else names
    parse = _with_arrow if find_spec("pyarrow") else _plain
    return parse(names, wanted, blocks)


def _with_arrow(names: list[str], wanted: list[str], blocks: Iterator[bytes]) -> pd.DataFrame:
    from redcap_jobs.redcap.csv_arrow import parse

    return parse(names, wanted, blocks)


def _plain(names: list[str], wanted: list[str], blocks: Iterator[bytes]) -> pd.DataFrame:
    from redcap_jobs.redcap.csv_plain import parse

    return parse(names, wanted, blocks)
