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

from redcap_jobs.redcap.answers import OUT_OF_MEMORY, Answer
from redcap_jobs.redcap.errors import RedcapError, RowsMissing, ServerOverloaded

if TYPE_CHECKING:
    import pandas as pd

log = logging.getLogger(__name__)

RECORDS_PER_BATCH = 500
VARIABLES_PER_REQUEST = 900
"""PHP drops what exceeds 1,000 form variables (max_input_vars) without a word."""
OTHER_VARIABLES = 10
"""Token, content, formats and the like."""
LAST_ROWS = 20


@dataclass(frozen=True)
class Export:
    """What is asked of every row: fields by dictionary name, events, the group."""

    fields: tuple[str, ...]
    record_id_field: str
    events: tuple[str, ...] = ()
    with_dag: bool = False

    def parameters(self, records: Sequence[str] = ()) -> dict[str, str]:
        """Return the form of one request.

        The record ID field always goes along: without it REDCap leaves out all key columns
        (observed in REDCapR and phpcap). Arrays are sent as arrays: comma lists were refused by
        one release and misread by another (redcapAPI issue 59, PyCap pull request 110).
        """
        form = {"format": "csv", "type": "flat", "rawOrLabel": "raw", "rawOrLabelHeaders": "raw"}
        if self.with_dag:
            form["exportDataAccessGroups"] = "true"
        fields = dict.fromkeys([self.record_id_field, *self.fields])
        return (
            form
            | array("fields", fields)
            | array("events", self.events)
            | array("records", records)
        )

    def read(self, answer: Answer) -> pd.DataFrame:
        """Read an answer into a rows frame; raises what an answer of the wrong shape means."""
        from redcap_jobs.redcap.csv_columns import MalformedCsv, read_columns
        from redcap_jobs.redcap.frames import blank_rows, exported_columns, rows_frame

        call = answer.call
        if answer.content_type in {"application/json", "text/xml", "application/xml"}:
            raise call.unusable(f"{answer.content_type} came instead of CSV", transient=False)

        def wanted(names: list[str]) -> list[str]:
            lacking = [name for name in self.expected if not exported_columns(names, [name])]
            if lacking:
                raise call.unusable(
                    f"the answer lacks {len(lacking)} of the columns asked for "
                    f"(first: {', '.join(lacking[:5])})"
                )
            keep = {*exported_columns(names, self.expected)}
            return [name for name in names if name in keep or name.startswith("redcap_")]

        malformed: RedcapError | None = None
        exported = None
        try:
            exported = read_columns(answer.chunks(), wanted)
        except MalformedCsv as error:
            malformed = call.unusable(f"the answer is cut off, or no CSV: {error}")
            if OUT_OF_MEMORY.search(error.tail):
                malformed = call.out_of_memory()
        if malformed:
            raise malformed  # not within the except: the original holds rows
        if exported is None:
            return blank_rows(self.fields, with_dag=self.with_dag)
        # A line of one cell fits any header of one column: then it is taken for a record.
        last = "\n".join(exported[self.record_id_field].tail(LAST_ROWS)).encode()
        if OUT_OF_MEMORY.search(last):
            raise call.out_of_memory()
        return rows_frame(exported, self.record_id_field, self.fields, with_dag=self.with_dag)

    @property
    def expected(self) -> tuple[str, ...]:
        """The fields whose columns must come back."""
        return (self.record_id_field, *self.fields)

    def divisible(self, records: Sequence[str]) -> bool:
        """Tell whether less can be asked for: not of one record, nor of the roster itself."""
        return len(records) > 1 or (not records and self != self.roster)

    def batch(self, most: int) -> int:
        """Return how many records one request can name beside the fields and events: 1 to most."""
        others = len({self.record_id_field, *self.fields}) + len(self.events) + OTHER_VARIABLES
        return max(1, min(most, VARIABLES_PER_REQUEST - others))

    @property
    def roster(self) -> Export:
        """The same rows with nothing but their keys."""
        return replace(self, fields=(), with_dag=False)


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
            rows = self.send(export, ())
        except ServerOverloaded:
            if not export.divisible(()):
                raise
            log.debug("%s: the whole export is too much, going on in batches", self.label)
            return self.some(export, records_of(self.send(export.roster, ())))
        if rows.empty and export != export.roster:
            # An empty body is an empty project, or a server that gave up without a word.
            records = records_of(self.send(export.roster, ()))
            return self.some(export, records) if records else rows
        return rows

    def some(self, export: Export, records: Sequence[str]) -> pd.DataFrame:
        """Export the records named, each of which must come back.

        Raises:
            RowsMissing: Records do not exist, or exist and did not come back even when asked
                for again. A record without a row in the events asked for is neither.

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
                part = self.send(export, some)
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
            raise self._missing(lost, absent, "exist and did not come back")
        elsewhere = [name for name in absent if name not in set(due)]
        if elsewhere and export.events:
            anywhere = self._batches(replace(export.roster, events=()), elsewhere)
            elsewhere = sorted(set(elsewhere) - set(anywhere["record"]))
        if elsewhere:
            raise self._missing(elsewhere, absent, "do not exist")
        return again

    def _missing(self, lost: Iterable[str], asked: Sequence[str], what: str) -> RowsMissing:
        names = sorted(lost)
        listed = ", ".join(names[:5]) + (", …" if len(names) > 5 else "")
        return RowsMissing(
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


def array(name: str, values: Iterable[str]) -> dict[str, str]:
    """Return the form variables of one array parameter (``name[0]``, ``name[1]``, and so on)."""
    return {f"{name}[{number}]": value for number, value in enumerate(values)}
