"""Importing changed cells: nothing is erased by accident, nothing refused goes unseen.

REDCap takes an import whole or not at all: one bad value refuses the request (observed by the ABCD
study's client). So a refusal is read into its values, those records are taken out, and the rest is
sent again. Cells go as EAV rows, in which a blank cannot erase; erasing is a request of its own.
"""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from redcap_jobs.redcap.errors import Overloaded, RefusedValue, RequestRefused, UnusableAnswer
from redcap_jobs.redcap.transport import RefusedWithBody

if TYPE_CHECKING:
    import pandas as pd

    from redcap_jobs.redcap.client import RedcapClient

RECORD_WITH_EVENT = re.compile(r"(.+) \(([a-z0-9_]+)\)\Z")
NOT_SAVED = "was accepted, but is not there when read again"


@dataclass(frozen=True)
class ImportResult:
    """How many cells were stored, for which records, and what was refused and why."""

    cells: int
    records: frozenset[str]
    refused: tuple[RefusedValue, ...] = ()


def import_cells(
    client: RedcapClient,
    changes: pd.DataFrame,
    record_id_field: str,
    *,
    overwrite: bool,
    most: int,
) -> ImportResult:
    """Import the cells of a changes frame (KEYS, ``field``, ``new``) in parts of whole records.

    With ``overwrite`` every ``new`` is '' and the cells named are erased; without it none is.
    Safe to repeat: the same cells again store the same values.

    Raises:
        ValueError: A blank in a normal import, or a value in an erasing one.
        RedcapError: Refused as a whole, or the server failed; parts sent before are stored.

    """
    if ((changes["new"] == "") != overwrite).any():
        raise ValueError("erasing is an import of its own: blanks with overwrite, values without")
    stored: set[str] = set()
    refused: list[RefusedValue] = []
    cells = 0
    for part in parts_of_whole_records(changes, most):
        for result in send(client, part, record_id_field, overwrite=overwrite):
            stored |= result.records
            refused += result.refused
            cells += result.cells
    return ImportResult(cells, frozenset(stored), tuple(refused))


def parts_of_whole_records(changes: pd.DataFrame, most: int) -> Iterator[pd.DataFrame]:
    """Cut changes into parts of about ``most`` cells without cutting through a record."""
    ordered = changes.sort_values("record", kind="stable")
    sizes = ordered.groupby("record", sort=True).size()
    part_of_record = (sizes.cumsum() - 1) // most
    for _, part in ordered.groupby(ordered["record"].map(part_of_record), sort=True):
        yield part


def send(
    client: RedcapClient, part: pd.DataFrame, record_id_field: str, *, overwrite: bool
) -> Iterator[ImportResult]:
    """Send one part; without refused records, or in halves, until it is stored or given up."""
    try:
        yield send_once(client, part, record_id_field, overwrite=overwrite)
        return
    except RefusedWithBody as error:
        refusals = parse_refusals(error.raw)
        bad = {refusal.record for refusal in refusals} & set(part["record"])
        if not bad:
            raise RequestRefused(str(error), error.status) from None
        yield ImportResult(0, frozenset(), tuple(refusals))
        rest = [part[~part["record"].isin(bad)]]
    except Overloaded:
        records = part["record"].unique()
        if len(records) == 1:
            raise
        first = set(records[: len(records) // 2])
        rest = [part[part["record"].isin(first)], part[~part["record"].isin(first)]]
    for less in rest:
        if len(less):
            yield from send(client, less, record_id_field, overwrite=overwrite)


def send_once(
    client: RedcapClient, part: pd.DataFrame, record_id_field: str, *, overwrite: bool
) -> ImportResult:
    """Send one import and check its count: records, not cells (observed in PyCap's tests)."""
    parameters: dict[str, Any] = {
        "action": "import",
        "format": "csv",
        "type": "eav",
        "overwriteBehavior": "overwrite" if overwrite else "normal",
        "forceAutoNumber": "false",
        "returnContent": "count",
        "data": eav_csv(part),
    }
    answer = client.transport.post("record", parameters, repeatable=True)
    sent = frozenset(part["record"])
    if count_in(client, answer.text) == len(sent):
        return ImportResult(len(part), sent)
    return read_back(client, part, record_id_field)


def eav_csv(part: pd.DataFrame) -> str:
    """Write cells as EAV; key columns that are blank throughout do not exist in the project."""
    names = {
        "record": "record",
        "event": "redcap_event_name",
        "repeat_instrument": "redcap_repeat_instrument",
        "repeat_instance": "redcap_repeat_instance",
        "field": "field_name",
        "new": "value",
    }
    optional = ("event", "repeat_instrument", "repeat_instance")
    kept = [name for name in names if name not in optional or (part[name] != "").any()]
    text: str = part[kept].rename(columns=names).to_csv(index=False, quoting=csv.QUOTE_ALL)
    return text


def count_in(client: RedcapClient, text: str) -> int:
    """Return the count of an import's answer: a bare number, or ``{"count": n}``."""
    found = re.fullmatch(r'(\d+)|\{"count":\s*"?(\d+)"?\}|"(\d+)"', text)
    if not found:
        raise UnusableAnswer(f"{client.label}: content=record: the import's answer is no count")
    return int(next(group for group in found.groups() if group is not None))


def read_back(client: RedcapClient, part: pd.DataFrame, record_id_field: str) -> ImportResult:
    """Read cells again whose count did not fit, and say which are not as they were sent."""
    from redcap_jobs.redcap.records import changed_cells

    names = sorted({field.partition("___")[0] for field in part["field"]})
    rows = client.export_rows(
        names,
        record_id_field=record_id_field,
        events=sorted(set(part["event"]) - {""}),
        records=sorted(set(part["record"])),
    )
    lacking = changed_cells(part.drop(columns=["old"], errors="ignore"), rows)
    refused = tuple(
        RefusedValue(record, field, NOT_SAVED)
        for record, field in zip(lacking["record"], lacking["field"], strict=True)
    )
    missing = set(lacking["record"])
    return ImportResult(len(part) - len(lacking), frozenset(part["record"]) - missing, refused)


def parse_refusals(raw: str) -> list[RefusedValue]:
    """Read REDCap's per-value refusals: CSV lines ``"record","field","value","message"``.

    The first cell is the record, or ``record (unique_event)`` (both were observed). The form
    before REDCap 6 is JSON with ``records``. The value is dropped here and never travels on.
    """
    try:
        old_form = json.loads(raw)
    except ValueError:
        old_form = None
    if isinstance(old_form, dict) and "records" in old_form:
        return [
            RefusedValue(str(row["record"]), str(row["field_name"]), str(row["message"]))
            for row in old_form["records"]
        ]
    refusals = []
    for line in csv.reader(io.StringIO(raw)):
        if len(line) == 4:
            record, field, value, message = line
            with_event = RECORD_WITH_EVENT.fullmatch(record)
            reason = message.replace(value, "…") if len(value) > 1 else message
            refusals.append(RefusedValue(with_event[1] if with_event else record, field, reason))
    return refusals
