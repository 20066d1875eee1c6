"""Importing changed cells: nothing is erased by accident, nothing refused goes unseen.

REDCap takes an import whole or not at all: one bad value refuses the request (observed in the
ABCD study). So a refusal is read into its values, those records are taken out, and the rest is
sent again. Cells go as EAV rows, in which there is no rectangle whose blanks could erase; erasing
is a request of its own. REDCap counts records, not rows or cells (observed in PyCap); where the
count is not that of the records sent, the cells are read back.
"""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from redcap_jobs.plan import KEYS
from redcap_jobs.redcap.answers import Answer, read_json
from redcap_jobs.redcap.errors import (
    NamesRefused,
    NotSupported,
    RefusedValue,
    RequestRefused,
    ServerOverloaded,
    TokenRefused,
    ValuesRefused,
)
from redcap_jobs.redcap.refusals import attributed

if TYPE_CHECKING:
    import pandas as pd

    from redcap_jobs.redcap.exports import Export

log = logging.getLogger(__name__)

CELLS_PER_IMPORT = 10_000
"""REDCap stores each cell in statements of its own, within its 120 s."""
CELL = [*KEYS, "field"]
EAV_NAMES = {
    "record": "record",
    "event": "redcap_event_name",
    "repeat_instrument": "redcap_repeat_instrument",
    "repeat_instance": "redcap_repeat_instance",
    "field": "field_name",
    "new": "value",
}
CHECKBOX_COLUMN = re.compile(r"___[a-z0-9_]+\Z")
NOT_STORED = "was accepted, but is not there when read back"


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
            changed, or blanks and values are mixed (a blank is an erasure, sent with
            ``overwrite`` and alone).

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
    if changes.duplicated(CELL).any():
        raise ValueError("the same cell is changed twice")
    if ((changes["new"] == "") != overwrite).any():
        raise ValueError("erasing is an import of its own: blanks with overwrite, values without")


WHOLE_RECORD = "(record)"
REFUSED_AS_A_WHOLE = 5
"""A refusal that names no value (a record locked as a whole) is narrowed down to the record by
halving; more records than these are no matter of single records, and the import fails."""


@dataclass
class Importer:
    """Imports cells through ``send``, reads them back through ``export``.

    ``send(form, private=…, divisible=…)`` posts one import and returns REDCap's count;
    ``export(export, records)`` reads rows.
    """

    send: Callable[..., int]
    export: Callable[[Export, list[str]], pd.DataFrame]
    record_id_field: str
    overwrite: bool
    most: int = CELLS_PER_IMPORT
    narrowing: bool = False
    given_up: int = 0

    def run(self, changes: pd.DataFrame) -> ImportResult:
        """Import the cells in parts of whole records; safe to repeat.

        Raises what the client raises; parts sent before are stored then, and the next run's plan
        no longer holds them.
        """
        result = ImportResult()
        for part in parts_of_whole_records(changes, self.most):
            result += self.part(part)
        return result

    def part(self, cells: pd.DataFrame) -> ImportResult:
        """Import one part; halve it where that is too much, take out what is refused."""
        records = cells["record"].drop_duplicates().tolist()
        if not records:
            return ImportResult()
        try:
            count = self.send(
                self.form(cells), private=values_of(cells), divisible=len(records) > 1
            )
        except ServerOverloaded:
            if len(records) == 1:
                raise
            log.debug("import of %d cells is too much at once", len(cells))
            return self.halves(cells, records)
        except ValuesRefused as error:
            found = [attributed(refused, set(records)) for refused in error.refused]
            refused = tuple(one for one in found if one is not None)
            if not refused:
                raise
            taken_out = cells["record"].isin({one.record for one in refused})
            return ImportResult(refused=refused) + self.part(cells[~taken_out])
        except (TokenRefused, NamesRefused, NotSupported):
            raise
        except RequestRefused as error:
            return self.narrowed(cells, records, error)
        if count != len(records):
            return self.read_back(cells)
        return ImportResult(len(cells), frozenset(records))

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
        """Return the form of one import: EAV rows as JSON (no CSV escaping to get wrong)."""
        used = [
            name for name in EAV_NAMES if name in {"record", "field", "new"} or any(cells[name])
        ]
        rows = cells[used].rename(columns=EAV_NAMES).to_dict("records")
        return {
            "format": "json",
            "type": "eav",
            "overwriteBehavior": "overwrite" if self.overwrite else "normal",
            "forceAutoNumber": "false",
            "returnContent": "count",
            "data": json.dumps(rows, ensure_ascii=False, separators=(",", ":")),
        }

    def read_back(self, cells: pd.DataFrame) -> ImportResult:
        """Compare the cells with what is stored now; what differs was not taken."""
        from redcap_jobs.redcap.exports import Export

        fields = dict.fromkeys(CHECKBOX_COLUMN.sub("", field) for field in cells["field"])
        events = tuple(event for event in cells["event"].unique() if event)
        export = Export(tuple(fields), self.record_id_field, events)
        rows = self.export(export, cells["record"].drop_duplicates().tolist())
        columns = [name for name in rows.columns if name not in KEYS]
        stored = rows.melt(KEYS, columns, "field", "stored")
        beside = cells[[*CELL, "new"]].merge(stored, how="left", on=CELL)
        kept = (beside["stored"].fillna("") == beside["new"]).to_numpy()
        lost = beside[~kept]
        refused = tuple(
            RefusedValue(record, field, NOT_STORED, event, value)
            for record, field, event, value in lost[["record", "field", "event", "new"]].itertuples(
                index=False, name=None
            )
        )
        stands = frozenset(beside["record"][kept]) - frozenset(lost["record"])
        return ImportResult(int(kept.sum()), stands, refused)


def parts_of_whole_records(changes: pd.DataFrame, most: int) -> Iterator[pd.DataFrame]:
    """Yield the cells in parts of at most ``most``, never dividing a record's cells."""
    sizes = changes.groupby("record", sort=False).size()
    part: list[str] = []
    cells = 0
    for record, size in sizes.items():
        if part and cells + size > most:
            yield changes[changes["record"].isin(part)]
            part, cells = [], 0
        part.append(str(record))
        cells += size
    if part:
        yield changes[changes["record"].isin(part)]


def read_count(answer: Answer) -> int:
    """Read ``{"count": 3}``: how many records REDCap says it took in."""
    parsed = read_json(answer)
    count = parsed.get("count") if isinstance(parsed, dict) else parsed
    try:
        return int(str(count))
    except ValueError:
        raise answer.call.unusable("the answer to an import has no count") from None


def values_of(cells: pd.DataFrame) -> tuple[str, ...]:
    """Return the distinct values that are sent and must not be quoted."""
    return tuple(value for value in cells["new"].unique() if value)
