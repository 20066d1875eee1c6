"""Exporting rows: in one request where that works, else in batches of records that halve.

Why batches at all: PHP takes 1,000 form variables unless told otherwise (each record is one),
servers end a request after 120 s, and a memory limit ends it earlier (observed by REDCapR, PyCap
and id3c). A whole project is asked for without naming records; batches begin where the server
says that this was too much, or where the caller names more records than fit in one.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from redcap_jobs.redcap.errors import NotAsCsv, RecordsGone, RowsMissing, ServerOverloaded
from redcap_jobs.redcap.export_form import Export

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["RECORDS_PER_BATCH", "Export", "Exporter"]

log = logging.getLogger(__name__)

RECORDS_PER_BATCH = 500
Send = Callable[[Export, Sequence[str]], "pd.DataFrame"]
"""Sends one export of some records (all, if none are named)."""


@dataclass
class Exporter:
    """Exports through ``send``; ``label`` names the project in messages."""

    send: Send
    label: str
    batch: int = RECORDS_PER_BATCH

    def whole(self, export: Export) -> pd.DataFrame:
        """Export every record: at once, else in batches of what the roster names."""
        try:
            return self.asked(export, ())
        except ServerOverloaded:
            if not export.divisible(()):
                raise
        log.debug("%s: the whole export is too much, going on in batches", self.label)
        return self.some(export, records_of(self.asked(export.roster, ())))

    def asked(self, export: Export, records: Sequence[str]) -> pd.DataFrame:
        """Send one export; that there is nothing is only believed when it is said in JSON, too.

        So is what stands in cells that CSV cannot carry.
        """
        try:
            rows = self.send(export, records)
        except NotAsCsv:
            log.debug("%s: cells that CSV cannot carry, asking for JSON", self.label)
            return self.send(replace(export, format="json"), records)
        if len(rows):
            return rows
        there = self.send(replace(export.roster, format="json"), records)
        if not len(only(there, records) if records else there):
            return rows
        return self.send(replace(export, rows_exist=True), records)

    def some(self, export: Export, records: Sequence[str]) -> pd.DataFrame:
        """Export the records named, each of which must come back.

        Raises:
            RecordsGone: Records do not exist.
            RowsMissing: They exist and did not come back even when asked for again. A record
                without a row in the events asked for is neither.

        """
        import pandas as pd

        records = list(dict.fromkeys(records))
        rows = self._batches(export, records)
        absent = set(records) - set(rows["record"])
        if absent:
            found = self._lost(export, [name for name in records if name in absent])
            rows = pd.concat([rows, found], ignore_index=True) if len(found) else rows
        return rows

    def _batches(self, export: Export, records: Sequence[str]) -> pd.DataFrame:
        """Export in batches; once one had to be halved, those after it are smaller, too."""
        import pandas as pd

        size, start, parts = export.batch(self.batch), 0, []
        while start < len(records):
            some = records[start : start + size]
            try:
                part = self.asked(export, some)
            except ServerOverloaded:
                if len(some) == 1:
                    raise
                size = (len(some) + 1) // 2
                log.debug("%s: too much at once, going on with %d records", self.label, size)
                continue
            parts.append(only(part, some))
            start += len(some)
        whole = [part for part in parts if len(part)] or parts[:1]
        return whole[0] if len(whole) == 1 else pd.concat(whole, ignore_index=True)

    def _lost(self, export: Export, absent: Sequence[str]) -> pd.DataFrame:
        """Ask again for records that did not come; return their rows, or say what is wrong."""
        exist = self._batches(export.roster, absent)
        due = records_of(exist)
        again = self._batches(export, due) if due else exist.iloc[:0]
        lost = set(due) - set(again["record"])
        if lost:
            raise self._missing(RowsMissing, lost, absent, "exist and did not come back")
        elsewhere = [name for name in absent if name not in set(due)]
        if elsewhere and export.events:
            anywhere = self._batches(replace(export.roster, events=()), elsewhere)
            elsewhere = sorted(set(elsewhere) - set(anywhere["record"]))
        if elsewhere:
            raise self._missing(RecordsGone, elsewhere, absent, "do not exist")
        return again

    def _missing(
        self, error: type[RowsMissing], lost: Iterable[str], asked: Sequence[str], what: str
    ) -> RowsMissing:
        names = sorted(lost)
        listed = ", ".join(names[:5]) + (", …" if len(names) > 5 else "")
        return error(
            f"{len(names)} of {len(asked)} records {what} ({listed})",
            label=self.label,
            content="record",
            missing=names,
        )


def only(rows: pd.DataFrame, records: Sequence[str]) -> pd.DataFrame:
    """Return the rows of the records asked for: a server that ignores a list sends them all."""
    asked = rows["record"].isin(records)
    return rows if asked.all() else rows[asked].reset_index(drop=True)


def records_of(rows: pd.DataFrame) -> list[str]:
    """Return the distinct records of a rows frame, in order."""
    return [str(record) for record in rows["record"].unique()]
