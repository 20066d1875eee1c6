"""What goes into the journal and what it answers, as plain values."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Literal, TypeAlias

from redcap_jobs.errors import StateError
from redcap_jobs.state.process import Holder
from redcap_jobs.state.scope import ProjectKey

if TYPE_CHECKING:
    from sqlalchemy import RowMapping

Kind: TypeAlias = Literal["text", "partner", "mail"]
JournalState: TypeAlias = Literal[
    "claimed", "posting", "sent", "rejected", "unknown", "released", "withheld"
]
"""::

    claimed ──► posting ──► sent ◄───── found at the other side, or settled by a person
      │  ▲         │         │
      │  │         ├──► unknown ──────► rejected (settled as not sent)
      │  │         └──► rejected ◄───── sent, but documented later as not sent
      ▼  │
    released, withheld                  nothing happened: the attempt may be claimed again
"""

COUNTED: tuple[JournalState, ...] = ("claimed", "posting", "sent", "unknown")
"""What counts for a cap: whatever went out, may have gone out, or is about to."""
WRITTEN_BACK: tuple[JournalState, ...] = ("sent", "rejected", "unknown")


class IllegalTransition(StateError):
    """An entry was asked to go where its state does not lead; nothing was changed."""


class ClaimLost(IllegalTransition):
    """The claim was taken over by another run: this run must not act on it."""


@dataclass(frozen=True)
class Intent:
    """Something to be done at most once per key and attempt.

    ``message`` is the message's or call's id in the study file, ``units`` its segments.
    ``phone_hash`` and ``body_hash`` are keyed fingerprints, never the things themselves.
    """

    key: str
    kind: Kind
    project: ProjectKey
    job: str
    record: str
    message: str
    occurrence: str = ""
    sender: str | None = None
    units: int = 1
    phone_hash: str | None = None
    body_hash: str | None = None


@dataclass(frozen=True)
class Cap:
    """At most ``limit`` entries of the intent's kind that agree with it in ``per``.

    ``since`` is the start of the day the cap is for, in whoever's zone the caller decides (None:
    ever). ``per`` names columns: ``("phone_hash",)`` per phone whatever the record,
    ``("project",)`` per study, ``("run_id",)`` per run.
    """

    name: str
    limit: int
    per: tuple[str, ...]
    since: datetime | None = None


@dataclass(frozen=True)
class Claimed:
    """The caller holds this attempt and may go on; ``taken_over`` from a dead run's claim."""

    key: str
    attempt: int
    taken_over: bool = False


@dataclass(frozen=True)
class AlreadyDone:
    """Nothing to do: the key was sent, or nobody knows (unknown), or it was refused for good."""

    key: str
    attempt: int
    state: JournalState


@dataclass(frozen=True)
class HeldBy:
    """A run that still lives holds the key."""

    key: str
    run_id: str
    holder: Holder
    since: datetime


@dataclass(frozen=True)
class CapReached:
    """A cap leaves no room: ``used`` of ``cap.limit`` are taken. Nothing was claimed."""

    key: str
    cap: Cap
    used: int


ClaimAnswer: TypeAlias = Claimed | AlreadyDone | HeldBy | CapReached


@dataclass(frozen=True)
class Entry:
    """One attempt of one key as it stands; instants are aware UTC.

    ``not_sent`` says that it is documented that nothing went out, so that a new attempt may be
    made. ``status`` is the other side's own word (Twilio's delivery status), ``code`` its error
    code. ``version`` grows with every change.
    """

    key: str
    attempt: int
    kind: Kind
    project: ProjectKey
    job: str
    record: str
    message: str
    occurrence: str
    sender: str | None
    units: int
    state: JournalState
    run_id: str
    holder: Holder
    claimed_at: datetime
    posting_at: datetime | None
    posted_at: datetime | None
    reference: str | None
    code: str
    status: str
    status_at: datetime | None
    not_sent: bool
    phone_hash: str | None
    body_hash: str | None
    settled_by: str
    note: str
    version: int
    written_back_version: int
    written_back_at: datetime | None
    log_instance: int | None = None

    @property
    def last_sign(self) -> datetime:
        """When the holder was last heard of: its claim, or the start of its post."""
        return self.posting_at or self.claimed_at

    @property
    def is_free(self) -> bool:
        """Tell whether nothing happened, so that this same attempt may be claimed again."""
        return self.state in ("released", "withheld")


def entry_of(row: RowMapping) -> Entry:
    """Build the entry of one row of the journal."""
    same = {name: row[name] for name in Entry.__dataclass_fields__ if name in row}
    return Entry(**same | {"project": ProjectKey.parse(row["project"]), "holder": Holder.of(row)})
