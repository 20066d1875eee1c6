"""What is learnt after the act, by whom it may be: found, delivered, not sent after all, settled.

These do not need the run that acted: a lookup, a status or a person speaks. Each is one
transaction and follows the states of :data:`.journal_entry.JournalState`.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Literal, TypeAlias

from sqlalchemy import select, update

from redcap_jobs.errors import UsageError
from redcap_jobs.messaging.statuses import advance, rank
from redcap_jobs.state.journal import Journal, last_attempt, move, one_attempt
from redcap_jobs.state.journal_entry import WRITTEN_BACK, Entry, IllegalTransition, entry_of
from redcap_jobs.state.schema import journal
from redcap_jobs.state.scope import ProjectKey

if TYPE_CHECKING:
    from redcap_jobs.state.store import Store

Verdict: TypeAlias = Literal["sent", "not_sent"]


def found(store: Store, key: str, attempt: int, reference: str, status: str = "") -> Entry:
    """Record that an unknown attempt was found at the other side under ``reference``."""
    values = {"reference": reference, "status": status, "posted_at": store.clock.now()}
    with store.write() as connection:
        entry = one_attempt(connection, key, attempt)
        return move(connection, entry, ("unknown",), "sent", **values)


def set_status(store: Store, key: str, attempt: int, status: str, code: str = "") -> Entry:
    """Record the other side's word on an accepted attempt.

    The same word again changes nothing, nor does one from before the last: two runs may ask at
    once, and the first to ask be the last to note it. Where one final word replaces another the
    note says so.
    """
    with store.write() as connection:
        entry = one_attempt(connection, key, attempt)
        if (entry.status, entry.code) == (status, code) or rank(status) < rank(entry.status):
            return entry
        values = {"status": status, "code": code, "status_at": store.clock.now()}
        if advance(entry.status, status) == "correct":
            values["note"] = f"{entry.status} was corrected to {status}"
        return move(connection, entry, ("sent",), "sent", **values)


def not_sent_after_all(store: Store, key: str, attempt: int, status: str, code: str) -> Entry:
    """Record that an accepted attempt is documented as never sent (Twilio's 30036, say).

    The caller vouches that ``code`` is one of those; a new attempt may follow.
    """
    values = {"status": status, "code": code, "status_at": store.clock.now(), "not_sent": True}
    with store.write() as connection:
        entry = one_attempt(connection, key, attempt)
        return move(connection, entry, ("sent",), "rejected", **values)


def not_done(store: Store, key: str, attempt: int, code: str, note: str) -> Entry:
    """Record that an unknown attempt turned out not to have taken effect, or may be repeated."""
    values = {"code": code, "note": note, "not_sent": True, "posted_at": store.clock.now()}
    with store.write() as connection:
        entry = one_attempt(connection, key, attempt)
        return move(connection, entry, ("unknown",), "rejected", **values)


def settle(
    journal_of_run: Journal, key: str, verdict: Verdict, by: str, reference: str = ""
) -> Entry:
    """Record a person's word on the last attempt of a key.

    ``sent`` (with the other side's id) ends an unknown one. ``not_sent`` ends an unknown one, or
    clears a refusal, so that a new attempt may follow. What was left in ``posting`` by a run that
    is dead counts as unknown.

    Raises:
        UsageError: There is no such key, or ``sent`` without a reference.
        IllegalTransition: Its state leaves nothing to settle.

    """
    if verdict == "sent" and not reference:
        raise UsageError(f"{key}: to settle it as sent, give the id it has at the other side")
    store = journal_of_run.store
    journal_of_run.recover()
    with store.write() as connection:
        entry = last_attempt(connection, key)
        if entry is None:
            raise UsageError(f"{key} is not in the journal; see the list of unknown messages")
        if verdict == "sent":
            now = store.clock.now()
            named = {"reference": reference, "posted_at": now, "settled_by": by}
            return move(connection, entry, ("unknown",), "sent", **named)
        if entry.state == "rejected" and entry.not_sent:
            raise IllegalTransition(f"{key} is known as not sent already; nothing was changed")
        cleared = {"not_sent": True, "settled_by": by}
        return move(connection, entry, ("unknown", "rejected"), "rejected", **cleared)


def entries_of_record(store: Store, project: ProjectKey, record: str) -> list[Entry]:
    """Return everything the journal holds about one record, oldest first."""
    query = (
        select(journal)
        .where(journal.c.project == str(project), journal.c.record == record)
        .order_by(journal.c.claimed_at, journal.c.key, journal.c.attempt)
    )
    with store.read() as connection:
        return [entry_of(row) for row in connection.execute(query).mappings()]


def not_written_back(store: Store, project: ProjectKey) -> list[Entry]:
    """Return the outcomes on a project that REDCap does not hold in their newest version."""
    query = (
        select(journal)
        .where(journal.c.project == str(project), journal.c.state.in_(WRITTEN_BACK))
        .where(journal.c.written_back_version < journal.c.version)
        .order_by(journal.c.claimed_at, journal.c.key, journal.c.attempt)
    )
    with store.read() as connection:
        return [entry_of(row) for row in connection.execute(query).mappings()]


def mark_written_back(store: Store, entries: Iterable[Entry]) -> None:
    """Record that REDCap holds these entries as they were when read.

    One that changed in between stays listed: only the version that was written is marked.
    """
    now = store.clock.now()
    with store.write() as connection:
        for entry in entries:
            connection.execute(
                update(journal)
                .where(journal.c.key == entry.key, journal.c.attempt == entry.attempt)
                .where(journal.c.written_back_version < entry.version)
                .values(written_back_version=entry.version, written_back_at=now)
            )
