"""The journal: everything that leaves the house and cannot be taken back, at most once per attempt.

Order for one action: ``claim`` (committed) → the job's recheck → ``begin_posting`` (committed) →
act once → ``sent``, ``rejected`` or ``unknown``. A row left in ``posting`` by a dead process is
unknown: no provider here offers an idempotency key, so it is never repeated by the program, but
looked up or settled by a person. Every operation is one small transaction of its own; writers
take turns (see :mod:`.engine`), so what an operation reads still holds when it commits.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from sqlalchemy import func, insert, select, update

from redcap_jobs.errors import StateError
from redcap_jobs.state.journal_entry import (
    COUNTED,
    AlreadyDone,
    Cap,
    CapReached,
    ClaimAnswer,
    Claimed,
    ClaimLost,
    Entry,
    HeldBy,
    IllegalTransition,
    Intent,
    JournalState,
    entry_of,
)
from redcap_jobs.state.process import Holder, is_alive, this_process
from redcap_jobs.state.schema import journal, runs

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from redcap_jobs.state.store import Store


class Journal:
    """The journal as one run uses it.

    ``holder`` and ``alive`` are this process and the real look at other ones; tests give others.
    """

    def __init__(
        self,
        store: Store,
        run_id: str,
        *,
        holder: Holder | None = None,
        alive: Callable[[Holder, timedelta], bool] = is_alive,
    ) -> None:
        self.store = store
        self.run_id = run_id
        self.holder = holder or this_process()
        self._alive = alive

    def claim(self, intent: Intent, caps: Sequence[Cap] = ()) -> ClaimAnswer:
        """Claim a key for this run, if it is free and every cap leaves room.

        Free: never tried; released or withheld; claimed by a run that is dead; or its last attempt
        is documented as not sent, which makes a new attempt. Caps are counted in the same
        transaction, so that two runs cannot both take the last place.

        Raises:
            StateError: The key stands in the journal for another project, record or message.

        """
        with self.store.write() as connection:
            last = last_attempt(connection, intent.key)
            if last is not None:
                refuse_another_meaning(last, intent)
                if not self._is_claimable(connection, last):
                    return self._taken(connection, last)
            for cap in caps:
                used = self._used(connection, intent, cap)
                if used >= cap.limit:
                    return CapReached(intent.key, cap, used)
            return self._take(connection, intent, last)

    def begin_posting(self, claim: Claimed) -> None:
        """Commit that the act begins now: from here on, silence means unknown.

        Raises:
            ClaimLost: Another run took the claim over; this one must not act.
            IllegalTransition: It is not claimed any more.

        """
        now = self.store.clock.now()
        self._move(claim, ("claimed",), "posting", posting_at=now, counted_at=now)

    def sent(self, claim: Claimed, reference: str, status: str = "") -> None:
        """Record that the other side accepted it; ``reference`` is its id (the SID)."""
        values = {"reference": reference, "status": status, "posted_at": self.store.clock.now()}
        self._move(claim, ("posting", "unknown"), "sent", **values)

    def rejected(self, claim: Claimed, code: str, *, definite_not_sent: bool) -> None:
        """Record that the other side refused.

        ``definite_not_sent``: it is documented for this code that nothing went out and that trying
        again is right (429, say), so that a new attempt may follow. A refusal that would only be
        repeated (opted out, invalid number) is final.
        """
        now = self.store.clock.now()
        values = {"code": code, "not_sent": definite_not_sent, "posted_at": now}
        self._move(claim, ("posting", "unknown"), "rejected", **values)

    def unknown(self, claim: Claimed, note: str = "") -> None:
        """Record that the act was begun and nobody knows what became of it."""
        self._move(claim, ("posting",), "unknown", note=note)

    def release(self, claim: Claimed, note: str = "") -> None:
        """Give a claim back with nothing done."""
        self._move(claim, ("claimed",), "released", note=note)

    def withhold(self, claim: Claimed, reason: str) -> None:
        """Give a claim back because the recheck said no; ``reason`` is kept."""
        self._move(claim, ("claimed",), "withheld", note=reason)

    def recover(self) -> list[Entry]:
        """Bring what dead runs left behind into order; return what is unknown now.

        ``posting`` becomes unknown, ``claimed`` is released. Called at the start of every run.
        """
        found = []
        with self.store.write() as connection:
            query = select(journal).where(journal.c.state.in_(("posting", "claimed")))
            for row in connection.execute(query).mappings().all():
                left = entry_of(row)
                if not self._is_dead(connection, left):
                    continue
                state: JournalState = "unknown" if left.state == "posting" else "released"
                note = f"run {left.run_id} ended without saying what became of it"
                found.append(change(connection, left, state=state, note=note))
        return [entry for entry in found if entry.state == "unknown"]

    def _is_claimable(self, connection: Connection, last: Entry) -> bool:
        if last.state == "claimed":
            return self._is_dead(connection, last)
        return last.is_free or (last.state == "rejected" and last.not_sent)

    def _is_dead(self, connection: Connection, entry: Entry) -> bool:
        """Tell whether the run behind an entry has ended, or its process is gone."""
        if entry.run_id == self.run_id:
            return False
        ended = select(runs.c.ended_at).where(runs.c.id == entry.run_id)
        if connection.execute(ended).scalar() is not None:
            return True
        return not self._alive(entry.holder, self.store.clock.now() - entry.last_sign)

    def _taken(self, connection: Connection, last: Entry) -> ClaimAnswer:
        if last.state == "posting" and self._is_dead(connection, last):
            last = change(connection, last, state="unknown", note="found by the next run")
        if last.state in ("claimed", "posting"):
            return HeldBy(last.key, last.run_id, last.holder, last.last_sign)
        return AlreadyDone(last.key, last.attempt, last.state)

    def _used(self, connection: Connection, intent: Intent, cap: Cap) -> int:
        query = (
            select(func.count())
            .select_from(journal)
            .where(journal.c.kind == intent.kind, journal.c.key != intent.key)
            .where(journal.c.state.in_(COUNTED))
        )
        for name in cap.per:
            value = self.run_id if name == "run_id" else getattr(intent, name)
            if value is None:
                raise ValueError(f"cap {cap.name}: the intent has no {name}")
            query = query.where(journal.c[name] == (str(value)))
        if cap.since is not None:
            query = query.where(journal.c.counted_at >= cap.since)
        return connection.execute(query).scalar_one()

    def _take(self, connection: Connection, intent: Intent, last: Entry | None) -> Claimed:
        now = self.store.clock.now()
        values: dict[str, Any] = {
            "job": intent.job,
            "occurrence": intent.occurrence,
            "sender": intent.sender,
            "units": intent.units,
            "phone_hash": intent.phone_hash,
            "body_hash": intent.body_hash,
            "state": "claimed",
            "run_id": self.run_id,
            **self.holder.columns,
            "claimed_at": now,
            "counted_at": now,
            "note": "",
        }
        if last is not None and last.state != "rejected":
            change(connection, last, **values)
            return Claimed(intent.key, last.attempt, taken_over=last.state == "claimed")
        attempt = last.attempt + 1 if last else 1
        fixed = {
            "key": intent.key,
            "attempt": attempt,
            "kind": intent.kind,
            "project": str(intent.project),
            "record": intent.record,
            "message": intent.message,
        }
        connection.execute(insert(journal).values(fixed | values))
        return Claimed(intent.key, attempt)

    def _move(
        self, claim: Claimed, allowed: tuple[JournalState, ...], to: JournalState, **values: Any
    ) -> None:
        with self.store.write() as connection:
            entry = one_attempt(connection, claim.key, claim.attempt)
            if entry.run_id != self.run_id:
                raise ClaimLost(f"{claim.key}: run {entry.run_id} took this claim over")
            move(connection, entry, allowed, to, **values)


def move(
    connection: Connection,
    entry: Entry,
    allowed: tuple[JournalState, ...],
    to: JournalState,
    **values: Any,
) -> Entry:
    """Move an entry to another state, if its own leads there; refuse a reference that is taken."""
    if entry.state not in allowed:
        raise IllegalTransition(
            f"{entry.key} (attempt {entry.attempt}) is {entry.state}, which does not lead to {to}; "
            "nothing was changed"
        )
    reference = values.get("reference")
    if reference is not None:
        refuse_owned_reference(connection, entry, reference)
    return change(connection, entry, state=to, **values)


def refuse_owned_reference(connection: Connection, entry: Entry, reference: str) -> None:
    """Refuse a text's SID that another entry has: one accepted text belongs to one key."""
    query = select(journal.c.key, journal.c.attempt).where(
        journal.c.kind == "text", journal.c.reference == reference
    )
    owner = connection.execute(query).first()
    if entry.kind == "text" and owner and tuple(owner) != (entry.key, entry.attempt):
        raise StateError(f"{entry.key}: {reference} belongs to {owner.key} already")


def refuse_another_meaning(last: Entry, intent: Intent) -> None:
    """Refuse a key that stands for something else in the journal."""
    known = (last.kind, last.project, last.record, last.message)
    if known != (intent.kind, intent.project, intent.record, intent.message):
        raise StateError(
            f"{intent.key}: the journal knows this key as {last.kind} {last.message} of record "
            f"{last.record}; a key must not change its meaning"
        )


def change(connection: Connection, entry: Entry, **values: Any) -> Entry:
    """Write new values into one attempt, raise its version, and return it as it is now."""
    where = (journal.c.key == entry.key, journal.c.attempt == entry.attempt)
    connection.execute(update(journal).where(*where).values(version=entry.version + 1, **values))
    return one_attempt(connection, entry.key, entry.attempt)


def one_attempt(connection: Connection, key: str, attempt: int) -> Entry:
    """Return one attempt of one key; StateError if there is none."""
    query = select(journal).where(journal.c.key == key, journal.c.attempt == attempt)
    row = connection.execute(query).mappings().first()
    if row is None:
        raise StateError(f"{key} (attempt {attempt}) is not in the journal")
    return entry_of(row)


def last_attempt(connection: Connection, key: str) -> Entry | None:
    """Return the newest attempt of a key, or None."""
    query = select(journal).where(journal.c.key == key).order_by(journal.c.attempt.desc()).limit(1)
    row = connection.execute(query).mappings().first()
    return entry_of(row) if row else None
