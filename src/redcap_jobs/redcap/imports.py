"""Importing changed cells: nothing is erased by accident, nothing refused goes unseen.

REDCap takes an import whole or not at all: one bad value refuses the request (observed in the
ABCD study). So a refusal is read into its values, those records are taken out, and the rest is
sent again. Cells go as EAV rows, in which there is no rectangle whose blanks could erase; erasing
is a request of its own. REDCap counts records, not rows or cells (observed in PyCap); where the
count is not that of the records sent, the cells are read back. So are erased cells, always: what
REDCap makes of blank EAV rows is not documented, and its count says nothing of it.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from redcap_jobs.plan import KEYS
from redcap_jobs.redcap.answers import Answer
from redcap_jobs.redcap.eav_cells import WireForm
from redcap_jobs.redcap.errors import (
    NamesRefused,
    NotSupported,
    RefusedValue,
    RequestRefused,
    ServerOverloaded,
    TokenRefused,
    ValuesRefused,
)
from redcap_jobs.redcap.plain_text import read_text
from redcap_jobs.redcap.refusals import attributed

if TYPE_CHECKING:
    import pandas as pd

    from redcap_jobs.redcap.exports import Export

log = logging.getLogger(__name__)

CELLS_PER_IMPORT = 10_000
"""REDCap stores each cell in statements of its own, within its 120 s."""
BYTES_PER_IMPORT = 700_000
"""Of the encoded form: web servers take 1 MB (nginx) and more unless told otherwise."""
CELL = [*KEYS, "field"]
CHECKBOX_COLUMN = re.compile(r"___[a-z0-9_]+\Z")
NEVER_BLANK = re.compile(r"___[a-z0-9_]+\Z|_complete\Z")
"""An unticked checkbox and the status of an untouched form are exported as 0."""
COUNT = re.compile(r'"?(\d+)"?|\{\s*"count"\s*:\s*"?(\d+)"?\s*\}')
NOT_STORED = "was accepted, but is not there when read back"
NOT_ERASED = "was not erased: it still holds a value when read back"


@dataclass(frozen=True)
class ImportResult:
    """What an import came to: cells and records stored, and the values that were not."""

    sent_cells: int = 0
    records_accepted: frozenset[str] = frozenset()
    refused: tuple[RefusedValue, ...] = ()

    def __add__(self, other: ImportResult) -> ImportResult:
        return ImportResult(
            self.sent_cells + other.sent_cells,
            self.records_accepted | other.records_accepted,
            self.refused + other.refused,
        )


def check_cells(changes: pd.DataFrame, record_id_field: str, *, overwrite: bool) -> None:
    """Refuse cells that no plan should hold: all of it is a mistake in the program.

    Raises:
        ValueError: A column or key is missing, a cell stands twice, the record ID is to be
            changed, blanks and values are mixed (a blank is an erasure, sent with
            ``overwrite`` and alone), or an instance is no number: with ``new`` every repetition
            of a lost answer would make another.

    """
    missing = {*CELL, "new"} - set(changes.columns)
    if missing:
        raise ValueError(f"changes lack the columns {sorted(missing)}")
    if changes[[*CELL, "new"]].isna().any(axis=None):
        raise ValueError("changes have missing values; a blank is ''")
    if (changes["record"] == "").any() or (changes["field"] == "").any():
        raise ValueError("a change names no record or no field")
    if (changes["field"] == record_id_field).any():
        raise ValueError("the record ID is no cell to be changed: it would make another record")
    if not changes["repeat_instance"].str.fullmatch(r"(?:[1-9][0-9]*)?").all():
        raise ValueError("a repeating instance is a number: 'new' would make one per repetition")
    if changes.duplicated(CELL).any():
        raise ValueError("the same cell is changed twice")
    if ((changes["new"] == "") != overwrite).any():
        raise ValueError("erasing is an import of its own: blanks with overwrite, values without")


WHOLE_RECORD = "(record)"
REFUSED_AS_A_WHOLE = 5
"""A refusal that names no value (a record locked as a whole) is narrowed down to the record by
halving; more records than these are no matter of single records, and the import fails."""
REFUSAL_ROUNDS = 50
"""REDCap names all refused values at once; a server that does not is asked so often per part."""


@dataclass
class Importer:
    """Imports cells through ``send``, reads them back through ``export``.

    ``send(form, private=…, divisible=…)`` posts one import and returns REDCap's count;
    ``export(export, records)`` reads rows; ``stored`` is told of cells as soon as they are.
    """

    send: Callable[..., int]
    export: Callable[[Export, list[str]], pd.DataFrame]
    record_id_field: str
    overwrite: bool
    stored: Callable[[int], None]
    most: int = CELLS_PER_IMPORT
    most_bytes: int = BYTES_PER_IMPORT
    narrowing: bool = False
    given_up: int = 0
    rounds: int = 0

    def run(self, changes: pd.DataFrame) -> ImportResult:
        """Import the cells in parts of whole records; safe to repeat.

        Raises what the client raises; parts sent before are stored then, and the next run's plan
        no longer holds them.
        """
        result = ImportResult()
        for part in parts_of_whole_records(changes, self.most, self.most_bytes):
            self.rounds = 0
            result += self.part(part)
        return result

    def part(self, cells: pd.DataFrame) -> ImportResult:
        """Import one part; take out what is refused, until the rest is stored."""
        refused: tuple[RefusedValue, ...] = ()
        while len(cells):
            records = cells["record"].drop_duplicates().tolist()
            try:
                return ImportResult(refused=refused) + self.whole(cells, records)
            except ValuesRefused as error:
                refused += self.round(error, records, refused)
                cells = cells[~cells["record"].isin({one.record for one in refused})]
        return ImportResult(refused=refused)

    def round(
        self, error: ValuesRefused, records: list[str], before: tuple[RefusedValue, ...]
    ) -> tuple[RefusedValue, ...]:
        """Return the values of one refusal that were sent; raise where that leads nowhere."""
        found = [attributed(refused, set(records)) for refused in error.refused]
        refused = tuple(one for one in found if one is not None)
        if not refused:
            raise error
        self.rounds += 1
        if self.rounds > REFUSAL_ROUNDS:
            named = sorted({one.record for one in (*before, *refused)})
            raise RequestRefused(
                f"after {REFUSAL_ROUNDS} repetitions without the refused records, further values "
                f"are refused; the rest of this import is not stored. Look at these records "
                f"first: {', '.join(named[:5])}, …",
                label=error.label,
                content=error.content,
                status=error.status,
            )
        return refused

    def whole(self, cells: pd.DataFrame, records: list[str]) -> ImportResult:
        """Import cells at once; halve them where that is too much. Raises ValuesRefused."""
        try:
            count = self.send(
                self.form(cells), private=values_of(cells), divisible=len(records) > 1
            )
        except ServerOverloaded:
            if len(records) == 1:
                raise
            log.debug("import of %d cells is too much at once", len(cells))
            return self.halves(cells, records)
        except (ValuesRefused, TokenRefused, NamesRefused, NotSupported):
            raise
        except RequestRefused as error:
            return self.narrowed(cells, records, error)
        if self.overwrite or count != len(records):
            result = self.read_back(cells)
        else:
            result = ImportResult(len(cells), frozenset(records))
        self.stored(result.sent_cells)
        return result

    def narrowed(
        self, cells: pd.DataFrame, records: list[str], error: RequestRefused
    ) -> ImportResult:
        """Find by halving which records a refusal that names no value is about."""
        if len(records) > 1:
            self.narrowing = True
            return self.halves(cells, records)
        self.given_up += 1
        if not self.narrowing or self.given_up > REFUSED_AS_A_WHOLE:
            raise error
        return ImportResult(refused=(RefusedValue(records[0], WHOLE_RECORD, error.reason),))

    def halves(self, cells: pd.DataFrame, records: list[str]) -> ImportResult:
        """Import one half of the records, then the other."""
        first = cells["record"].isin(records[: len(records) // 2])
        return self.part(cells[first]) + self.part(cells[~first])

    def form(self, cells: pd.DataFrame) -> dict[str, str]:
        """Return the form of one import."""
        wire = WireForm.of(cells)
        return {
            "format": wire.format,
            "type": "eav",
            "overwriteBehavior": "overwrite" if self.overwrite else "normal",
            "forceAutoNumber": "false",
            "returnContent": "count",
            "data": wire.data(cells),
        }

    def read_back(self, cells: pd.DataFrame) -> ImportResult:
        """Compare the cells with what is stored now; what differs was not taken.

        Erased cells are read with all events: a row that lost its last value no longer comes,
        and its record would seem to be missing.
        """
        from redcap_jobs.redcap.exports import Export

        fields = dict.fromkeys(CHECKBOX_COLUMN.sub("", field) for field in cells["field"])
        events = () if self.overwrite else tuple(filter(None, cells["event"].unique()))
        export = Export(tuple(fields), self.record_id_field, events)
        rows = self.export(export, cells["record"].drop_duplicates().tolist())
        columns = [name for name in rows.columns if name not in KEYS]
        stored = rows.melt(KEYS, columns, "field", "stored")
        beside = cells[[*CELL, "new"]].merge(stored, how="left", on=CELL)
        there = beside["stored"].fillna("")
        if self.overwrite:
            never_blank = beside["field"].str.contains(NEVER_BLANK)
            there = there.mask(never_blank & (there == "0"), "")
        kept = (there == beside["new"]).to_numpy()
        lost = beside[~kept]
        message = NOT_ERASED if self.overwrite else NOT_STORED
        refused = tuple(
            RefusedValue(record, field, message, event, value)
            for record, field, event, value in lost[["record", "field", "event", "new"]].itertuples(
                index=False, name=None
            )
        )
        stands = frozenset(beside["record"][kept]) - frozenset(lost["record"])
        return ImportResult(int(kept.sum()), stands, refused)


def parts_of_whole_records(
    changes: pd.DataFrame, most: int, most_bytes: int = BYTES_PER_IMPORT
) -> Iterator[pd.DataFrame]:
    """Yield the cells in parts, never dividing a record's cells.

    A part has at most ``most`` cells and ``most_bytes`` bytes of encoded form, unless a single
    record has more.
    """
    if changes.empty:
        return
    sizes = changes[["record"]].assign(cells=1, bytes=WireForm.of(changes).sizes(changes))
    part: list[str] = []
    cells = length = 0
    for record, more, longer in sizes.groupby("record", sort=False).sum().itertuples(name=None):
        if part and (cells + more > most or length + longer > most_bytes):
            yield changes[changes["record"].isin(part)]
            part, cells, length = [], 0, 0
        part.append(record)
        cells += more
        length += longer
    if part:
        yield changes[changes["record"].isin(part)]


def read_count(answer: Answer) -> int:
    """Read how many records REDCap says it took in: ``{"count": 3}``, or bare as CSV."""
    text = read_text(answer)
    if not text:
        raise answer.call.overloaded("an empty answer came where a count must be")
    found = COUNT.fullmatch(text)
    if not found:
        raise answer.call.unusable("the answer to an import has no count")
    return int(found[1] or found[2])


def values_of(cells: pd.DataFrame) -> tuple[str, ...]:
    """Return the distinct values that are sent and must not be quoted."""
    return tuple(value for value in cells["new"].unique() if value)
