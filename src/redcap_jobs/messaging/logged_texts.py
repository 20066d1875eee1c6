"""Texts as REDCap's message log tells of them, for a state that has lost them. Pure.

The log has one row for each key; what it says of the last attempt is all that is left. Where it
leaves something open, the answer is the one under which nobody is texted twice.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING, Literal, TypeAlias
from zoneinfo import ZoneInfo

from redcap_jobs.messaging.delivery import SID
from redcap_jobs.messaging.keys import MessageKey
from redcap_jobs.messaging.statuses import DELIVERY_UNKNOWN, RANK, is_open
from redcap_jobs.messaging.text_names import same_project

if TYPE_CHECKING:
    import pandas as pd

    from redcap_jobs.study.texts_config import MessageLog

LoggedState: TypeAlias = Literal["sent", "rejected", "unknown"]

CODE = re.compile(r"(\d{5}): ")


@dataclass(frozen=True)
class LoggedText:
    """One text out of REDCap's log; ``at`` is None where the log does not say when.

    ``renamed``: the row stands under another record than its key names, or the server had another
    address, so that REDCap holds the older key.
    """

    key: MessageKey
    state: LoggedState
    sid: str
    status: str
    code: str
    at: datetime | None
    instance: int
    renamed: bool = False


@dataclass(frozen=True)
class LoggedTexts:
    """Everything the log holds: texts by key, rows of other projects, and rows nobody can read."""

    texts: tuple[LoggedText, ...]
    elsewhere: int
    unreadable: tuple[tuple[str, str], ...]
    """Record and instance of the rows whose key is none."""


def log_fields(log: MessageLog) -> tuple[str, ...]:
    """Name the fields of the log that say what became of a text."""
    write = log.write
    named = (write.message_key, write.sid, write.status, write.error, write.posted_at)
    return tuple(references[0].field for references in named if references)


def logged_texts(rows: pd.DataFrame, log: MessageLog, project: str, zone: str) -> LoggedTexts:
    """Read the rows of the log out of a rows frame; ``zone`` is the one its times are written in.

    ``project`` is the name of the project in the state. Of two rows with one key the first counts.
    """
    texts: dict[str, LoggedText] = {}
    elsewhere = 0
    unreadable = []
    for row in cells_of(rows, log):
        try:
            key = MessageKey.parse(row["key"])
        except ValueError:
            unreadable.append((row["record"], row["instance"]))
            continue
        if not same_project(key.project, project):
            elsewhere += 1
            continue
        text = logged_text(key, row, project, zone)
        texts.setdefault(str(text.key), text)
    return LoggedTexts(tuple(texts.values()), elsewhere, tuple(unreadable))


def cells_of(rows: pd.DataFrame, log: MessageLog) -> Iterator[dict[str, str]]:
    """Yield each row of the log that has a key, by the names used here."""
    write = log.write
    named = {
        "key": write.message_key,
        "sid": write.sid,
        "status": write.status,
        "error": write.error,
        "posted_at": write.posted_at,
    }
    own = rows[rows["repeat_instrument"] == log.form]
    for row in own.to_dict("records"):
        cells = {
            name: str(row[references[0].field]).strip() if references else ""
            for name, references in named.items()
        }
        if cells["key"]:
            place = {"record": str(row["record"]), "instance": str(row["repeat_instance"] or "1")}
            yield cells | place


def logged_text(key: MessageKey, row: Mapping[str, str], project: str, zone: str) -> LoggedText:
    """Say what one row of the log means for the journal."""
    sid = row["sid"] if SID.fullmatch(row["sid"]) else ""
    status = row["status"]
    state: LoggedState = "sent"
    if not sid and status in ("rejected", "unknown"):
        state, status = ("rejected" if status == "rejected" else "unknown"), ""
    elif status not in RANK or (not sid and is_open(status)):
        status = "" if sid else DELIVERY_UNKNOWN
    code = CODE.match(row["error"])
    own = replace(key, record=row["record"], project=project)
    return LoggedText(
        key=own,
        state=state,
        sid=sid,
        status=status,
        code=code[1] if code else "",
        at=instant(row["posted_at"], zone),
        instance=int(row["instance"]),
        renamed=key != own,
    )


def instant(written: str, zone: str) -> datetime | None:
    """Read REDCap's date and time, of a zone, as an aware instant; None for anything else."""
    try:
        return datetime.fromisoformat(written).replace(tzinfo=ZoneInfo(zone))
    except ValueError:
        return None
