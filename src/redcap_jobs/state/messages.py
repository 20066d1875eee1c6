"""Texts as the journal knows them: for a job to decide by, for looking up, and for people."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

import pandas as pd
from sqlalchemy import and_, or_, select

from redcap_jobs.messaging.statuses import DELIVERY_UNKNOWN, FINAL
from redcap_jobs.plan import MESSAGE_COLUMNS
from redcap_jobs.state.journal_entry import Entry, entry_of
from redcap_jobs.state.schema import INSTANT_FORMAT, journal

if TYPE_CHECKING:
    from redcap_jobs.state.scope import ProjectKey
    from redcap_jobs.state.store import Store


def message_history(store: Store, project: ProjectKey) -> pd.DataFrame:
    """Return every text of a project as a messages frame (MESSAGE_COLUMNS)."""
    query = (
        select(journal)
        .where(journal.c.kind == "text", journal.c.project == str(project))
        .order_by(journal.c.claimed_at, journal.c.key, journal.c.attempt)
    )
    with store.read() as connection:
        rows = connection.execute(query).mappings().all()
    table = [
        {
            **{name: str(row[name] or "") for name in MESSAGE_COLUMNS if name in row},
            "not_sent": "true" if row["not_sent"] else "false",
            "at": (row["posting_at"] or row["claimed_at"]).strftime(INSTANT_FORMAT),
        }
        for row in rows
    ]
    return pd.DataFrame(table, columns=MESSAGE_COLUMNS, dtype="str")


def is_unsettled(entry: Entry) -> bool:
    """Tell whether a text is worth asking for: unknown, or accepted and not at its end."""
    at_its_end = entry.status in (*FINAL, DELIVERY_UNKNOWN)
    return entry.state == "unknown" or (entry.state == "sent" and not at_its_end)


def to_look_up(
    store: Store, project: ProjectKey, sender: str | None, ended_since: datetime
) -> list[Entry]:
    """Return a project's texts that Twilio may tell something about, oldest first.

    Those of one sender, or (None) of every one the study ever had. The unsettled ones (:func:`is_unsettled`); those that ended since an instant, whose last word
    may still be corrected; and the refused ones since then, which Twilio may list as failed.
    """
    settled = journal.c.status.in_((*FINAL, DELIVERY_UNKNOWN))
    unsettled = or_(
        journal.c.state == "unknown",
        and_(journal.c.state == "sent", ~settled),
        and_(journal.c.state.in_(("sent", "rejected")), journal.c.posting_at >= ended_since),
    )
    query = (
        select(journal)
        .where(journal.c.kind == "text", journal.c.project == str(project))
        .where(journal.c.sender.is_not(None), unsettled)
        .order_by(journal.c.posting_at, journal.c.key)
    )
    if sender is not None:
        query = query.where(journal.c.sender == sender)
    with store.read() as connection:
        return [entry_of(row) for row in connection.execute(query).mappings()]


def former_senders(
    store: Store, project: ProjectKey, sender: str, since: datetime
) -> frozenset[str]:
    """Return the other senders from which texts of a project went out since an instant."""
    query = (
        select(journal.c.sender)
        .where(journal.c.kind == "text", journal.c.project == str(project))
        .where(journal.c.sender != sender, journal.c.posting_at >= since)
        .distinct()
    )
    with store.read() as connection:
        return frozenset(connection.execute(query).scalars())


def owned_references(store: Store) -> frozenset[str]:
    """Return the SIDs that stand in the journal, whichever study's and sender's texts they are."""
    query = select(journal.c.reference).where(
        journal.c.kind == "text", journal.c.reference.is_not(None)
    )
    with store.read() as connection:
        return frozenset(connection.execute(query).scalars())


def records_of_phone(store: Store, project: ProjectKey, phone_hash: str) -> tuple[str, ...]:
    """Return the records of a project to whose phone, by its keyed hash, texts went."""
    query = (
        select(journal.c.record)
        .where(journal.c.project == str(project), journal.c.phone_hash == phone_hash)
        .distinct()
    )
    with store.read() as connection:
        return tuple(sorted(connection.execute(query).scalars()))
