"""CSV blocks to ``str`` columns with pandas alone, as they arrive."""

from __future__ import annotations

from collections.abc import Iterator

import pandas as pd

from redcap_jobs.redcap.csv_blocks import BYTE_ORDER_MARK, MalformedCsv, rows_of


class Blocks:
    """A file of blocks for pandas' parser, which takes bytes and does not mind how many."""

    mode = "r"

    def __init__(self, blocks: Iterator[bytes]) -> None:
        self._blocks = blocks

    def read(self, size: int = -1) -> bytes:  # noqa: ARG002 - a file's signature
        """Return the next block, whatever its size."""
        return next(self._blocks, b"")

    def __iter__(self) -> Iterator[bytes]:
        return self._blocks


def parse(names: list[str], wanted: list[str], blocks: Iterator[bytes]) -> pd.DataFrame:
    """Return the wanted columns of blocks whose columns are ``names``.

    Raises:
        MalformedCsv: Not UTF-8, or a row with another number of cells.

    """
    rows = 0

    def counted() -> Iterator[bytes]:
        nonlocal rows
        first = BYTE_ORDER_MARK  # pandas takes one away from the front, and a cell may start so
        for block in blocks:
            rows += rows_of(block, len(names))
            yield first + block
            first = b""

    try:
        frame: pd.DataFrame = pd.read_csv(
            Blocks(counted()),  # type: ignore[call-overload] # pandas asks for read() only
            header=None,
            names=names,
            usecols=wanted,
            index_col=False,
            dtype="str",
            na_filter=False,
            skip_blank_lines=False,
        )
    except pd.errors.EmptyDataError:
        frame = pd.DataFrame(columns=wanted, dtype="str")
    except UnicodeDecodeError:  # these messages quote the row
        raise MalformedCsv("a line is not UTF-8; type that cell anew in REDCap") from None
    except pd.errors.ParserError:
        raise MalformedCsv("a row does not fit the header") from None
    if len(frame) != rows:
        raise MalformedCsv("a line ends where no row does")
    chosen: pd.DataFrame = frame[wanted]
    return chosen
