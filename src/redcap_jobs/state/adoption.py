"""Texts that another memory holds, taken into the journal: those it lacks, and no others."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import TYPE_CHECKING

from sqlalchemy import insert, select

from redcap_jobs.state.process import this_process
from redcap_jobs.state.schema import journal

if TYPE_CHECKING:
    from redcap_jobs.messaging.delivery import TwilioMessage
    from redcap_jobs.messaging.logged_texts import LoggedText
    from redcap_jobs.state.scope import ProjectKey
    from redcap_jobs.state.store import Store

NOTE = "taken over from REDCap's message log"


def lacking(store: Store, project: ProjectKey, texts: Iterable[LoggedText]) -> list[LoggedText]:
    """Return the texts whose key the journal does not know."""
    query = select(journal.c.key).where(journal.c.project == str(project))
    with store.read() as connection:
        known = set(connection.execute(query).scalars())
    return [text for text in texts if str(text.key) not in known]


def adopt_texts(
    store: Store,
    project: ProjectKey,
    texts: Iterable[LoggedText],
    listed: Mapping[str, TwilioMessage],
    *,
    sender: str,
    job: str,
    run_id: str,
) -> list[LoggedText]:
    """Enter the texts whose key the journal does not know; return them. One transaction.

    ``listed`` are the sender's messages by SID: their hashes of phones are what caps per phone and
    replies are recognised by.

    A text without a time counts as posted now, so that no reminder follows at once. What has no
    SID, or one that stands in the journal already, has no sender either: nothing looks it up.
    """
    now = store.clock.now()
    adopted = []
    with store.write() as connection:
        known = set(connection.execute(select(journal.c.key)).scalars())
        references = select(journal.c.reference).where(journal.c.reference.is_not(None))
        owned = set(connection.execute(references).scalars())
        for text in texts:
            if str(text.key) in known:
                continue
            sid = text.sid if text.sid not in owned else ""
            owned.add(sid)
            values = columns_of(text, sid, text.at or now, listed.get(text.sid))
            connection.execute(
                insert(journal).values(
                    **values,
                    **this_process().columns,
                    project=str(project),
                    job=job,
                    run_id=run_id,
                    sender=sender if sid or text.state == "unknown" else None,
                )
            )
            adopted.append(text)
    return adopted


def columns_of(
    text: LoggedText, sid: str, at: datetime, message: TwilioMessage | None
) -> dict[str, object]:
    """Give what a text itself says of its attempt, as columns of the journal; ``at``: its post."""
    return {
        "key": str(text.key),
        "attempt": 1,
        "kind": "text",
        "record": text.key.record,
        "message": text.key.message,
        "occurrence": text.key.occurrence,
        "state": text.state,
        "claimed_at": at,
        "posting_at": at,
        "counted_at": at,
        "reference": sid or None,
        "phone_hash": message.to_hash if message else None,
        "body_hash": message.body_hash if message else None,
        "units": message.segments if message else 1,
        "code": text.code,
        "status": text.status,
        "note": NOTE,
        "version": 2 if text.renamed else 1,
        "written_back_version": 1,
        "log_instance": text.instance,
    }
