"""Who must not be texted: phones and records that were stopped, and studies that pause.

A phone stands as a keyed hash. What was said last counts: a STOP after a person's leave stops
again, a person's leave after a STOP lets texts go out again; not where the STOP had come and nobody
had heard of it yet.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Literal, TypeAlias

import pandas as pd
from sqlalchemy import delete, insert, or_, select

from redcap_jobs.plan import HINDERS, STOP_COLUMNS
from redcap_jobs.state.schema import INSTANT_FORMAT, runs, stops

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sqlalchemy import Row, RowMapping

    from redcap_jobs.state.scope import ProjectKey
    from redcap_jobs.state.store import Store

Scope: TypeAlias = Literal["phone", "record", "study"]
StopState: TypeAlias = Literal["stopped", "held", "allowed", "paused"]
WHOLE_STUDY = ""


@dataclass(frozen=True)
class Stop:
    """One word on a phone (keyed hash), a record or the whole study.

    ``source`` is where it came from (reply, twilio, person), ``settled_by`` who said it; ``until``
    is None where it holds until somebody ends it.
    """

    scope: Scope
    subject: str
    state: StopState
    source: str
    reason: str = ""
    settled_by: str = ""
    until: datetime | None = None


def say(
    store: Store, study: str, stop: Stop, at: datetime | None = None, *, unheard: bool = False
) -> bool:
    """Keep a word; an older one than the last about the same subject changes nothing.

    Nor does an unclear reply soften a stop, nor a reply lift what a person said or what a person
    has yet to read. Returns whether anything changed. ``at`` is when it was said (default: now).

    ``unheard``: it came before, but is heard only now. A person's leave was given without knowing
    of it, so the leave does not outweigh it.
    """
    said = at or store.clock.now()
    place = (
        stops.c.study == study,
        stops.c.scope == stop.scope,
        stops.c.subject == stop.subject,
    )
    values: dict[str, object] = {
        "study": study,
        "scope": stop.scope,
        "subject": stop.subject,
        "state": stop.state,
        "source": stop.source,
        "reason": stop.reason,
        "settled_by": stop.settled_by,
        "at": said,
        "until": stop.until,
    }
    with store.write() as connection:
        words = (stops.c.at, stops.c.state, stops.c.source)
        last = connection.execute(select(*words).where(*place)).first()
        if last is not None and at is None:
            values["at"] = said = max(said, last.at)
        elif last is not None and unheard and (last.state, last.source) == ("allowed", "person"):
            values["at"] = max(said, last.at)
        elif last is not None and is_outweighed(stop, said, last):
            return False
        if last is not None and is_softer(stop, last.state, last.source):
            return False
        connection.execute(delete(stops).where(*place))
        connection.execute(insert(stops).values(**values))
    return True


def is_outweighed(stop: Stop, said: datetime, last: Row[datetime, str, str]) -> bool:
    """Tell whether the word that stands (its time, state and source) was said later.

    Of two at one instant a person's counts as later: it was moved there, to follow a word of
    Twilio's, whose clock may be ahead of ours. Else leave does not: Twilio dates replies to the
    second, so which of a STOP and a START of one second came first is not known.
    """
    at, state, source = last
    if at == said:
        return source == "person" or stop.state in (state, "allowed")
    return at > said


def is_softer(stop: Stop, state: str, source: str) -> bool:
    """Tell whether a word would soften the one that stands; a person's own never does.

    A person's stop stays a person's whatever else is heard: a STOP in its place would let a START
    lift it.
    """
    if stop.source == "person":
        return False
    if (state, source) == ("stopped", "person"):
        return True
    return stop.source == "reply" and (state, stop.state) in {
        ("held", "allowed"),
        ("stopped", "held"),
    }


def stops_of(store: Store, study: str, project: ProjectKey | None = None) -> pd.DataFrame:
    """Return every word that holds now as a stops frame (STOP_COLUMNS).

    With the production project that is written, also what keeps texts from its participants by a
    study of another id, as of a second study file: they asked to get no more, whatever its name.
    """
    now = store.clock.now()
    with store.read() as connection:
        ids = {study}
        if project is not None and project.mode == "production":
            others = select(runs.c.study).where(runs.c.project == str(project)).distinct()
            ids |= set(connection.execute(others).scalars())
        query = (
            select(stops)
            .where(stops.c.study.in_(ids), or_(stops.c.until.is_(None), stops.c.until > now))
            .order_by(stops.c.at)
        )
        found = connection.execute(query).mappings().all()
    leave = {
        (row["scope"], row["subject"]): row["at"]
        for row in found
        if row["study"] == study and (row["state"], row["source"]) == ("allowed", "person")
    }
    rows = [row for row in found if row["study"] == study or holds_elsewhere(row, leave)]
    table = [
        [
            *(row[name] for name in ("scope", "subject", "state", "source", "reason")),
            *(row[name].strftime(INSTANT_FORMAT) if row[name] else "" for name in ("at", "until")),
        ]
        for row in rows
    ]
    return pd.DataFrame(table, columns=STOP_COLUMNS, dtype="str")


def holds_elsewhere(row: RowMapping, leave: Mapping[tuple[str, str], datetime]) -> bool:
    """Tell whether a word of another study id keeps texts back: no person gave leave since."""
    since = leave.get((row["scope"], row["subject"]))
    hinders = row["scope"] != "study" and row["state"] in HINDERS
    return hinders and (since is None or since <= row["at"])


def hindrance(store: Store, study: str, phone_hash: str, record: str) -> str:
    """Say what stands against a text at this moment, '' for nothing; one query."""
    now = store.clock.now()
    about = or_(
        (stops.c.scope == "phone") & (stops.c.subject == phone_hash),
        (stops.c.scope == "record") & (stops.c.subject == record),
        (stops.c.scope == "study") & (stops.c.subject == WHOLE_STUDY),
    )
    query = select(stops).where(
        stops.c.study == study,
        about,
        stops.c.state.in_(HINDERS),
        or_(stops.c.until.is_(None), stops.c.until > now),
    )
    with store.read() as connection:
        row = connection.execute(query).mappings().first()
    return f"{row['scope']} {row['state']}: {row['reason'] or row['source']}" if row else ""
