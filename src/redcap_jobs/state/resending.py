"""A person asks for a text once more: a row of the journal that the next run may claim.

The request is an attempt under which nothing happened yet, with an occurrence of its own, so that
everything that keeps a text from going out twice keeps this one, too.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from sqlalchemy import insert, select

from redcap_jobs.errors import GuardRefused, UsageError
from redcap_jobs.messaging.keys import MessageKey
from redcap_jobs.messaging.text_names import RESENT, occurrence_words, short_name
from redcap_jobs.state.journal_entry import Entry, entry_of
from redcap_jobs.state.process import this_process
from redcap_jobs.state.schema import journal

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from redcap_jobs.state.scope import ProjectKey
    from redcap_jobs.state.store import Store

MOST_RESENDS = 3
"""So often one survey's text may be asked for again; whoever needs more should ring up."""


def request_resend(
    store: Store,
    project: ProjectKey,
    record: str,
    ids: Sequence[str],
    *,
    job: str,
    run_id: str,
    reason: str,
    by: str,
) -> str:
    """Ask for a text of a survey once more; return its key. One transaction.

    ``ids`` are the survey's id and those it had before. The text goes out with the next run of
    ``job`` in which nothing speaks against it, at most once.

    Raises:
        UsageError: No text of it ever went to the record, or it was asked for already.
        GuardRefused: Nobody knows about one of its texts, one is being sent or was refused, or it
            was asked for often enough.

    """
    now = store.clock.now()
    with store.write() as connection:
        entries = last_attempts_of(connection, project, record, ids)
        refuse_open_ends(entries, record, ids[0])
        sent = [entry for entry in entries if entry.state == "sent"]
        asked = [entry for entry in entries if number_of(entry) > RESENT]
        refuse_second_request(asked, sent, record)
        number = next_number(asked, record, ids[0])
        newest = max(sent, key=lambda entry: entry.last_sign)
        place = MessageKey.parse(newest.key)
        key = str(replace(place, message=ids[0], occurrence=str(number)))
        connection.execute(
            insert(journal).values(
                **this_process().columns,
                key=key,
                attempt=1,
                kind="text",
                project=str(project),
                job=job,
                record=record,
                message=ids[0],
                occurrence=str(number),
                state="released",
                run_id=run_id,
                claimed_at=now,
                counted_at=now,
                settled_by=by,
                note=reason,
            )
        )
    return key


def next_number(asked: Sequence[Entry], record: str, survey: str) -> int:
    """Return the occurrence that follows those a person ``asked`` for; refuse one too many."""
    number = max(map(number_of, asked), default=RESENT) + 1
    if number > RESENT + MOST_RESENDS:
        raise GuardRefused(
            "resend", f"{survey} was resent to record {record} {MOST_RESENDS} times; ring them up"
        )
    return number


def last_attempts_of(
    connection: Connection, project: ProjectKey, record: str, ids: Sequence[str]
) -> list[Entry]:
    """Return the last attempt of every text of one survey to one record."""
    query = (
        select(journal)
        .where(journal.c.kind == "text", journal.c.project == str(project))
        .where(journal.c.record == record, journal.c.message.in_(ids))
        .order_by(journal.c.attempt)
    )
    last = {row["key"]: row for row in connection.execute(query).mappings()}
    return [entry_of(row) for row in last.values()]


def number_of(entry: Entry) -> int:
    """Return an occurrence as a number; 0 for one that is none."""
    return int(entry.occurrence) if entry.occurrence.isdigit() else 0


def refuse_open_ends(entries: Sequence[Entry], record: str, survey: str) -> None:
    """Refuse where a text may still be on its way, or was refused, or none ever went out."""
    for entry in entries:
        name = short_name(entry)
        if entry.state in ("unknown", "posting", "claimed"):
            raise GuardRefused(
                "resend",
                f"nobody knows yet whether {name} went out; settle it first: redcap-jobs messages",
            )
        if entry.state == "rejected" and not entry.not_sent:
            raise GuardRefused(
                "resend",
                f"{name} was refused, so it is not resent but cleared: redcap-jobs messages settle",
            )
    if not any(entry.state == "sent" for entry in entries):
        raise UsageError(
            f"no text of {survey} went to record {record}, so there is none to resend; "
            "redcap-jobs why says when it may get the first"
        )


def refuse_second_request(asked: Sequence[Entry], sent: Sequence[Entry], record: str) -> None:
    """Refuse while an earlier request waits; one that any later text answered does not."""
    for entry in asked:
        answered = any(each.last_sign > entry.last_sign for each in sent)
        if entry.state != "sent" and not answered:
            which = occurrence_words(entry.occurrence)
            raise UsageError(f"{which} of record {record} was asked for already and waits")
