"""REDCap's refusal of single values, read into record, field, value and reason.

Releases since about 6 answer with one CSV line per value: ``"record","field","value","message"``,
where the first cell is the record or ``record (unique_event)`` (observed in ABCD, PyCap issue 142,
redi and NCANDA). Older ones answer with JSON (observed in redi). Values and messages may hold
quotes and line breaks.
"""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Collection
from dataclasses import replace

from redcap_jobs.redcap.errors import RefusedValue

FIELD = re.compile(r"[a-z][a-z0-9_]*")
WITH_EVENT = re.compile(r"(?P<record>.*) \((?P<event>[^()]+)\)", re.DOTALL)


def parse_refused_values(reason: str) -> tuple[RefusedValue, ...]:
    """Return the values a refusal names; none if it is of another kind."""
    old = _old_form(reason)
    if old:
        return old
    if not looks_like_values(reason):
        return ()
    lines = csv.reader(io.StringIO(reason, newline=""), skipinitialspace=True)
    return tuple(
        _refused(cells[0], cells[1], ",".join(cells[2:-1]), cells[-1])
        for cells in lines
        if len(cells) >= 4 and FIELD.fullmatch(cells[1])
    )


def looks_like_values(reason: str) -> bool:
    """Tell whether a refusal starts like a list of refused values, which must not be shown."""
    return reason.lstrip().startswith('"')


def attributed(refused: RefusedValue, records: Collection[str]) -> RefusedValue | None:
    """Return a refusal under the record that was sent, with the event split off; None if foreign.

    A record's own name may look like ``12 (a)``: what was sent decides.
    """
    if refused.record in records:
        return refused
    split = WITH_EVENT.fullmatch(refused.record)
    if split and split["record"] in records:
        return replace(refused, record=split["record"], event=split["event"])
    return None


def _old_form(reason: str) -> tuple[RefusedValue, ...]:
    if not reason.lstrip().startswith("{"):
        return ()
    try:
        rows = json.loads(reason)["records"]
        return tuple(
            _refused(
                str(row["record"]),
                str(row["field_name"]),
                str(row.get("value", "")),
                str(row.get("message", "")),
            )
            for row in rows
        )
    except (ValueError, KeyError, TypeError, AttributeError):
        return ()


def _refused(record: str, field: str, value: str, message: str) -> RefusedValue:
    """Keep the value apart, and out of the message wherever REDCap quotes it."""
    return RefusedValue(record, field, without(value, message), value=value)


def without(value: str, message: str) -> str:
    """Return a message that does not quote the value.

    A short value (one or two characters) is taken out only between quotes: it would be found in
    ordinary words.
    """
    message = " ".join(message.split())
    flat = " ".join(value.split())
    if len(flat) > 2:
        return message.replace(flat, "[value]")
    if flat:
        return re.sub(rf"(['\"(]){re.escape(flat)}(['\")])", r"\1[value]\2", message)
    return message
