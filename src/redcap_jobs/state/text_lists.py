"""The journal's texts for people: the last attempt of each, every attempt, one found by its name."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from sqlalchemy import func, select

from redcap_jobs.errors import UsageError
from redcap_jobs.messaging.text_names import short_name
from redcap_jobs.state.journal_entry import WRITTEN_BACK, Entry, entry_of
from redcap_jobs.state.schema import journal

if TYPE_CHECKING:
    from redcap_jobs.state.scope import ProjectKey
    from redcap_jobs.state.store import Store


def last_attempts(store: Store, project: ProjectKey) -> list[Entry]:
    """Return the last attempt of every text of a project, oldest first."""
    query = (
        select(journal)
        .where(journal.c.kind == "text", journal.c.project == str(project))
        .order_by(journal.c.attempt)
    )
    with store.read() as connection:
        last = {row["key"]: row for row in connection.execute(query).mappings()}
    return sorted(map(entry_of, last.values()), key=lambda each: (each.last_sign, each.key))


def posted_between(
    store: Store, project: ProjectKey, since: datetime | None, until: datetime | None
) -> list[Entry]:
    """Return every attempt that was handed to Twilio, or may have been, oldest first.

    ``since`` counts in, ``until`` does not; None leaves that end open.
    """
    query = (
        select(journal)
        .where(journal.c.kind == "text", journal.c.project == str(project))
        .where(journal.c.state.in_((*WRITTEN_BACK, "posting")), journal.c.posting_at.is_not(None))
        .order_by(journal.c.posting_at, journal.c.key, journal.c.attempt)
    )
    if since is not None:
        query = query.where(journal.c.posting_at >= since)
    if until is not None:
        query = query.where(journal.c.posting_at < until)
    with store.read() as connection:
        return [entry_of(row) for row in connection.execute(query).mappings()]


def phone_of_record(store: Store, project: ProjectKey, record: str) -> str:
    """Return the keyed hash of the phone that a record's last text went to; '' if none is known."""
    query = (
        select(journal.c.phone_hash)
        .where(journal.c.project == str(project), journal.c.record == record)
        .where(journal.c.kind == "text", journal.c.phone_hash.is_not(None))
        .where(journal.c.posting_at.is_not(None))
        .order_by(journal.c.posting_at.desc())
        .limit(1)
    )
    with store.read() as connection:
        return connection.execute(query).scalar() or ""


def first_posted(store: Store, sender: str) -> datetime | None:
    """Return when a sender's first text went out that the journal knows; None: there is none."""
    query = select(func.min(journal.c.posting_at)).where(
        journal.c.kind == "text", journal.c.sender == sender
    )
    with store.read() as connection:
        return connection.execute(query).scalar()


def text_with_sid(store: Store, sid: str) -> Entry | None:
    """Return the text that stands in the journal under a SID, whatever its project."""
    query = select(journal).where(journal.c.kind == "text", journal.c.reference == sid)
    with store.read() as connection:
        row = connection.execute(query).mappings().first()
    return entry_of(row) if row else None


def entry_called(store: Store, project: ProjectKey, name: str) -> Entry:
    """Return the last attempt of the text that a person calls by its short name or its key.

    Raises:
        UsageError: The journal knows none, or more than one, of that name.

    """
    found = [each for each in last_attempts(store, project) if name in (each.key, short_name(each))]
    if not found:
        raise UsageError(
            f"the journal knows no text {name!r} of {project.words}; a text is called "
            "RECORD/KIND/OCCURRENCE, 1001/m2-survey/0 for an invitation; see redcap-jobs messages"
        )
    if len(found) > 1:
        keys = " or ".join(f"'{each.key}'" for each in found)
        raise UsageError(f"{name} is the name of {len(found)} texts; give the whole key: {keys}")
    return found[0]
