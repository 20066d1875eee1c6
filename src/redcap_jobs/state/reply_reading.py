"""A person has read an unclear reply: its phone is stopped, or its hold ends. One transaction."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, TypeAlias

from sqlalchemy import func, insert, select, update

from redcap_jobs.errors import UsageError
from redcap_jobs.state.schema import inbound, stops

if TYPE_CHECKING:
    from redcap_jobs.state.store import Store

Read: TypeAlias = Literal["stop", "keep"]
"""What the reply asks for: no more texts, or nothing of the kind."""
Ends: TypeAlias = Literal["stopped", "allowed", "held", "unchanged"]

REASON: dict[Read, str] = {
    "stop": "a person read a reply that asks for no more texts",
    "keep": "a person read an unclear reply",
}


def read_reply(store: Store, study: str, sid: str, read: Read, by: str) -> Ends:
    """Note what a person read in a reply, and what follows for its phone; return how that stands.

    ``stop`` stops the phone. ``keep`` ends the hold, unless another reply of the same phone still
    waits (held); it never lifts a stop (unchanged).

    Raises:
        UsageError: No reply of that SID waits to be read.

    """
    now = store.clock.now()
    with store.write() as connection:
        waiting = (inbound.c.study == study, inbound.c.settled_at.is_(None))
        query = select(inbound.c.phone_hash).where(*waiting, inbound.c.sid == sid)
        phone = connection.execute(query).scalar()
        if phone is None:
            raise UsageError(f"{sid} is no reply that waits to be read; see redcap-jobs messages")
        connection.execute(
            update(inbound)
            .where(inbound.c.study == study, inbound.c.sid == sid)
            .values(settled_by=by, settled_at=now)
        )
        place = (
            stops.c.study == study,
            stops.c.scope == "phone",
            stops.c.subject == phone,
        )
        last = connection.execute(select(stops.c.state, stops.c.at).where(*place)).first()
        if read == "keep" and (last is None or last.state != "held"):
            return "unchanged"
        others = select(func.count()).select_from(inbound)
        others = others.where(*waiting, inbound.c.phone_hash == phone)
        if read == "keep" and connection.execute(others).scalar_one():
            return "held"
        ends: Ends = "stopped" if read == "stop" else "allowed"
        word = {
            "state": ends,
            "source": "person",
            "reason": REASON[read],
            "settled_by": by,
            "at": now if last is None else max(now, last.at),  # Twilio's clock may be ahead of ours
            "until": None,
        }
        if last is None:
            fixed = {"study": study, "scope": "phone", "subject": phone}
            connection.execute(insert(stops).values(fixed | word))
        else:
            connection.execute(update(stops).where(*place).values(word))
        return ends
