"""What leaves the house and cannot be taken back, what was answered, what became of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from shlex import quote
from typing import Literal

SETTLE_TEXT = (
    "it is looked up again; to settle it: "
    "redcap-jobs messages settle STUDY {} --sent SID, or --not-sent"
)
SETTLE_ENROLMENT = (
    "a later run looks it up; to settle it: "
    "redcap-jobs partner settle STUDY {} --member ID, or --not-enrolled"
)


@dataclass(frozen=True)
class Action:
    """Something that leaves the house and cannot be taken back; ``key`` is its journal key.

    The key names what is done, never when: project, message, record, event, instance, occurrence.
    """

    key: str
    record: str
    kind: str

    @property
    def wanted(self) -> str:
        """Say what it is, as a plan counts it."""
        return self.kind

    @property
    def done(self) -> str:
        """Say what has become of it once it was taken, as a run counts it."""
        return "sent"

    @property
    def unheard(self) -> tuple[str, str]:
        """Say what it means that its answer was lost, and what comes of that."""
        return f"nobody knows whether this {self.kind} went out", "it is never repeated by itself"


@dataclass(frozen=True)
class Text(Action):
    """One text to one phone; ``body`` and ``to`` are private and never logged.

    ``message`` is the id in the study file, ``occurrence`` '0' for the invitation and n for the
    n-th reminder; ``zone`` the recipient's time zone; after ``latest`` it is not sent any more.
    ``kin`` are the other records of the phone: who opts out under one of them stops it, too.
    """

    to: str = field(default="", repr=False)
    body: str = field(default="", repr=False)
    segments: int = 1
    message: str = ""
    occurrence: str = ""
    zone: str = "UTC"
    latest: datetime | None = None
    kin: tuple[str, ...] = ()

    @property
    def unheard(self) -> tuple[str, str]:
        """Say what it means that its answer was lost: it may have arrived."""
        name = quote(f"{self.record}/{self.message}/{self.occurrence}")
        what = "nobody knows whether it went out; it is never repeated by itself"
        return what, SETTLE_TEXT.format(name)


CALLS: Mapping[str, str] = {
    "enrol": "enrolled",
    "arm": "assigned to an arm",
    "update": "updated",
    "withdraw": "withdrawn",
}
"""Each call that changes something at the partner, and how it is told once it was taken."""


@dataclass(frozen=True)
class PartnerCall(Action):
    """One call that changes something at the texting partner; ``payload`` is private.

    ``call`` is enrol, arm, update or withdraw; ``occurrence`` counts a record's calls of one kind.
    ``member`` is the partner's id of the participant, '' where only the journal will know it. An
    enrolment that ``adopts`` a member the partner has already asks nothing of the partner.
    """

    call: str = ""
    payload: Mapping[str, str] = field(default_factory=dict, repr=False)
    member: str = ""
    occurrence: str = ""
    adopts: bool = False

    @property
    def wanted(self) -> str:
        """Say what it is: one of CALLS, or that a member is taken over."""
        if not self.adopts:
            return self.call
        return "member to take over" if self.call == "enrol" else f"{self.call} found there"

    @property
    def done(self) -> str:
        """Say what has become of it once the partner took it."""
        if not self.adopts:
            return CALLS.get(self.call, "sent")
        return "taken over" if self.call == "enrol" else "found as it should be"

    @property
    def unheard(self) -> tuple[str, str]:
        """Say what it means that its answer was lost: only an enrolment does harm if repeated."""
        if self.call != "enrol":
            return f"nobody knows whether the {self.call} took effect", "a later run makes it again"
        what = "nobody knows whether the enrolment took effect; it is never repeated by itself"
        return what, SETTLE_ENROLMENT.format(quote(self.record))


@dataclass(frozen=True)
class Mail(Action):
    """One mail: counts and record ids only."""

    to: tuple[str, ...] = ()
    subject: str = ""
    body: str = ""


@dataclass(frozen=True)
class Posted:
    """What the other side said to one action, or that nobody knows.

    ``reference`` is its id there (a SID), ``code`` its error code. ``not_sent`` says that the code
    is documented to mean that nothing went out and that a new attempt is right. ``status`` is the
    other side's own word. ``stops`` says, where it is not blank, why nothing more can be done by
    this courier in this run; ``sentence`` tells a person what became of it and what to do.
    """

    state: Literal["sent", "rejected", "unknown"]
    reference: str = ""
    code: str = ""
    not_sent: bool = False
    note: str = ""
    status: str = ""
    stops: str = ""
    sentence: str = ""


@dataclass(frozen=True)
class Outcome:
    """What became of one attempt, as the journal knows it, for a job to write into REDCap.

    ``message`` is the id in the study file; ``status`` the other side's own word; ``at`` the aware
    UTC instant of the post, ``updated_at`` that of the last status. ``event`` and ``instance`` say
    which row of REDCap's message log is its own ('' without one). It says the same whether asked
    right after acting or at the next start.
    """

    key: str
    attempt: int
    kind: str
    record: str
    message: str
    occurrence: str
    state: str
    reference: str
    code: str
    status: str
    at: datetime
    updated_at: datetime | None = None
    event: str = ""
    instance: str = ""


@dataclass(frozen=True)
class Stands:
    """A recheck's yes."""


@dataclass(frozen=True)
class Withhold:
    """A recheck's no, with the reason that the journal keeps."""

    reason: str
