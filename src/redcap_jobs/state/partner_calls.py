"""Calls to the partner as the journal knows them, and what a person confirmed about them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import pandas as pd
from sqlalchemy import ColumnElement, delete, insert, select

from redcap_jobs.plan import PARTNER_CALL_COLUMNS
from redcap_jobs.state.journal_entry import Entry, entry_of
from redcap_jobs.state.schema import INSTANT_FORMAT, confirmations, journal

if TYPE_CHECKING:
    from redcap_jobs.state.scope import ProjectKey
    from redcap_jobs.state.store import Store

ARM, FIELDS = "arm", "fields"
CONFIRMED_FOR = timedelta(days=7)
"""So long a person's word on an arm may be acted upon; a run takes it up within the hour."""
KIND = "partner"


@dataclass(frozen=True)
class Confirmation:
    """A person's word that an arm switch is right; ``value_hash`` is that of the new arm.

    Or, of the subject FIELDS, that the partner is to be told once more what REDCap says of
    somebody: then ``value_hash`` is the occurrence of the update that is meant.
    """

    record: str
    value_hash: str
    reason: str
    by: str
    subject: str = ARM


def made_to(project: ProjectKey, partner: str) -> tuple[ColumnElement[bool], ...]:
    """Return the conditions that find a project's calls to one partner."""
    return (
        journal.c.kind == KIND,
        journal.c.project == str(project),
        journal.c.sender == partner,
    )


def partner_calls(store: Store, project: ProjectKey) -> pd.DataFrame:
    """Return a project's calls as a partner-calls frame (PARTNER_CALL_COLUMNS), oldest first.

    Those to partners of before are among them.
    """
    query = (
        select(journal)
        .where(journal.c.kind == KIND, journal.c.project == str(project))
        .order_by(journal.c.claimed_at, journal.c.key, journal.c.attempt)
    )
    with store.read() as connection:
        rows = connection.execute(query).mappings().all()
    table = [
        {
            **{name: str(row[name] or "") for name in PARTNER_CALL_COLUMNS if name in row},
            "call": row["message"],
            "partner": row["sender"] or "",
            "member": row["reference"] or "",
            "payload_hash": row["body_hash"] or "",
            "not_sent": "true" if row["not_sent"] else "false",
            "at": (row["posting_at"] or row["claimed_at"]).strftime(INSTANT_FORMAT),
        }
        for row in rows
    ]
    return pd.DataFrame(table, columns=PARTNER_CALL_COLUMNS, dtype="str")


def unknown_calls(store: Store, project: ProjectKey, partner: str) -> list[Entry]:
    """Return the calls to a partner of which nobody knows whether they took effect, oldest first."""
    query = (
        select(journal)
        .where(*made_to(project, partner))
        .where(journal.c.state == "unknown")
        .order_by(journal.c.posting_at, journal.c.key)
    )
    with store.read() as connection:
        return [entry_of(row) for row in connection.execute(query).mappings()]


def entries_of_calls(store: Store, project: ProjectKey, partner: str) -> list[Entry]:
    """Return every call to a partner as journal entries, oldest first."""
    query = (
        select(journal)
        .where(*made_to(project, partner))
        .order_by(journal.c.claimed_at, journal.c.key, journal.c.attempt)
    )
    with store.read() as connection:
        return [entry_of(row) for row in connection.execute(query).mappings()]


def confirmed_records(store: Store, project: ProjectKey) -> list[str]:
    """Return the records whose arm a person confirmed lately."""
    return sorted(confirmed_arms(store, project)["record"])


def member_of(store: Store, project: ProjectKey, partner: str, record: str) -> str:
    """Return the partner's id of a participant; '' where the journal knows no enrolment."""
    query = (
        select(journal.c.reference)
        .where(*made_to(project, partner))
        .where(journal.c.record == record, journal.c.message == "enrol")
        .where(journal.c.state == "sent")
        .order_by(journal.c.claimed_at.desc(), journal.c.key.desc(), journal.c.attempt.desc())
    )
    with store.read() as connection:
        return str(connection.execute(query).scalars().first() or "")


def record_of(store: Store, project: ProjectKey, partner: str, member: str) -> str:
    """Return whose enrolment made a member; '' where the journal knows none."""
    query = (
        select(journal.c.record)
        .where(*made_to(project, partner))
        .where(journal.c.reference == member, journal.c.message == "enrol")
        .where(journal.c.state == "sent")
    )
    with store.read() as connection:
        return str(connection.execute(query).scalars().first() or "")


def has_members(store: Store, project: ProjectKey, partner: str) -> bool:
    """Tell whether anybody of a project was ever enrolled with a partner."""
    query = (
        select(journal.c.key)
        .where(*made_to(project, partner))
        .where(journal.c.message == "enrol", journal.c.state == "sent")
        .limit(1)
    )
    with store.read() as connection:
        return connection.execute(query).first() is not None


def confirmed_arms(store: Store, project: ProjectKey) -> pd.DataFrame:
    """Return which arm switches were confirmed lately; columns record, value_hash.

    A word that led to nothing within CONFIRMED_FOR lapses: should REDCap slip back to that arm
    months later, that is told again.
    """
    return words_of(store, project, ARM)


def told_again(store: Store, project: ProjectKey) -> pd.DataFrame:
    """Return of whom the partner is to be told once more; columns record, occurrence."""
    return words_of(store, project, FIELDS).rename(columns={"value_hash": "occurrence"})


def words_of(store: Store, project: ProjectKey, subject: str) -> pd.DataFrame:
    """Return what persons said of one subject within CONFIRMED_FOR; columns record, value_hash."""
    since = store.clock.now() - CONFIRMED_FOR
    query = select(confirmations.c.record, confirmations.c.value_hash).where(
        confirmations.c.project == str(project),
        confirmations.c.subject == subject,
        confirmations.c.at >= since,
    )
    with store.read() as connection:
        rows = [tuple(row) for row in connection.execute(query)]
    return pd.DataFrame(rows, columns=["record", "value_hash"], dtype="str")


def confirm(store: Store, project: ProjectKey, words: Sequence[Confirmation]) -> None:
    """Keep what a person confirmed, in place of what they said before."""
    now: datetime = store.clock.now()
    with store.write() as connection:
        for one in words:
            where = (
                confirmations.c.project == str(project),
                confirmations.c.record == one.record,
                confirmations.c.subject == one.subject,
            )
            connection.execute(delete(confirmations).where(*where))
            values = {
                "project": str(project),
                "record": one.record,
                "subject": one.subject,
                "value_hash": one.value_hash,
                "reason": one.reason,
                "settled_by": one.by,
                "at": now,
            }
            connection.execute(insert(confirmations).values(values))
