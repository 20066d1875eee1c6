"""Replies that came in: their SID, whose they are and what they mean; never what they say."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from sqlalchemy import delete, func, insert, select, update

from redcap_jobs.state.schema import inbound, inbound_reads

if TYPE_CHECKING:
    from redcap_jobs.state.store import Store

TO_READ = ("unclear",)
"""What waits for a person; everything else is settled by what the words mean."""


@dataclass(frozen=True)
class Reply:
    """One reply; ``records`` are those whose texts went to this phone, '' is never kept of it."""

    sid: str
    phone_hash: str
    received_at: datetime
    meaning: str
    records: tuple[str, ...] = ()


def unheard(store: Store, study: str, replies: Sequence[Reply]) -> frozenset[str]:
    """Return the SIDs of those replies that were not noted yet."""
    sids = [reply.sid for reply in replies]
    query = select(inbound.c.sid).where(inbound.c.study == study, inbound.c.sid.in_(sids))
    with store.read() as connection:
        return frozenset(sids) - frozenset(connection.execute(query).scalars())


def note_replies(store: Store, study: str, sender: str, replies: Sequence[Reply]) -> list[Reply]:
    """Keep the replies that are new, and that all were read now; return the new ones.

    A run of another project of the study (a development copy) may have noted a reply first, and
    knew no record of its phone: whoever knows them adds them.
    """
    now = store.clock.now()
    with store.write() as connection:
        noted = select(inbound.c.sid, inbound.c.records).where(
            inbound.c.study == study, inbound.c.sid.in_([reply.sid for reply in replies])
        )
        known = {row.sid: frozenset(row.records) for row in connection.execute(noted)}
        for reply in replies:
            if frozenset(reply.records) - known.get(reply.sid, frozenset(reply.records)):
                place = (inbound.c.study == study, inbound.c.sid == reply.sid)
                both = sorted(known[reply.sid] | frozenset(reply.records))
                connection.execute(update(inbound).where(*place).values(records=both))
        new = [reply for reply in replies if reply.sid not in known]
        for reply in new:
            waits = reply.meaning in TO_READ
            connection.execute(
                insert(inbound).values(
                    sid=reply.sid,
                    study=study,
                    sender=sender,
                    phone_hash=reply.phone_hash,
                    received_at=reply.received_at,
                    meaning=reply.meaning,
                    records=list(reply.records),
                    settled_at=None if waits else now,
                )
            )
        place = (inbound_reads.c.study == study, inbound_reads.c.sender == sender)
        connection.execute(delete(inbound_reads).where(*place))
        connection.execute(insert(inbound_reads).values(study=study, sender=sender, read_at=now))
    return new


def last_read(store: Store, study: str, sender: str) -> datetime | None:
    """Return when the replies to a sender were last read; None: never."""
    query = select(inbound_reads.c.read_at).where(
        inbound_reads.c.study == study, inbound_reads.c.sender == sender
    )
    with store.read() as connection:
        return connection.execute(query).scalar()


def newest_reply(store: Store, study: str, sender: str) -> datetime | None:
    """Return when the newest known reply to a sender came, by Twilio's clock; None: there is none."""
    query = select(func.max(inbound.c.received_at)).where(
        inbound.c.study == study, inbound.c.sender == sender
    )
    with store.read() as connection:
        return connection.execute(query).scalar()


def replies_to_read(store: Store, study: str) -> list[Reply]:
    """Return the replies that wait for a person, oldest first."""
    query = (
        select(inbound)
        .where(inbound.c.study == study, inbound.c.settled_at.is_(None))
        .order_by(inbound.c.received_at)
    )
    with store.read() as connection:
        return [
            Reply(
                row["sid"],
                row["phone_hash"],
                row["received_at"],
                row["meaning"],
                tuple(row["records"]),
            )
            for row in connection.execute(query).mappings()
        ]
