"""The partner's members: what is kept of each, and what was accepted.

The partner knows no study: two enrolments with one study id are two members, each of whom it
texts. That is what a client must prevent.

Nothing runs in the background: what is due by the account's clock is done when somebody looks.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from threading import RLock
from typing import Any

from redcap_jobs.errors import UsageError
from redcap_jobs.sandbox import partner_lives
from redcap_jobs.sandbox.partner_account import PartnerAccount
from redcap_jobs.sandbox.partner_agenda import Agenda, Deed
from redcap_jobs.sandbox.partner_fields import (
    FIELDS,
    STAMP_OF,
    PartnerRefusal,
    blank_member,
    for_assignment,
    for_enrolment,
    for_update,
    stamp,
)
from redcap_jobs.sandbox.partner_members_kept import KeptCopy

__all__ = ["AcceptedCall", "Members", "PartnerRefusal"]

FIRST_NUMBER = 100_001


@dataclass(frozen=True)
class AcceptedCall:
    """One write that took effect, whether its answer arrived or not.

    ``number`` counts in the order in which they took effect, ``at`` is the account's clock,
    ``call`` is enrol, update, withdraw or arm, ``fault`` what befell it.
    """

    number: int
    at: datetime
    call: str
    member: str
    study_id: str
    fault: str = ""

    def as_json(self) -> dict[str, object]:
        """Return the entry for the control page."""
        return {
            "number": self.number,
            "at": self.at.isoformat(),
            "call": self.call,
            "member": self.member,
            "study_id": self.study_id,
            "fault": self.fault,
        }


def present() -> datetime:
    """Return the machine's clock."""
    return datetime.now(UTC)


@dataclass
class Members:
    """The members at work; every method may be called from any thread.

    ``clock`` says the present (aware); the machine's clock by default. ``kept`` is where they were
    left and are kept, None for nowhere.
    """

    account: PartnerAccount
    clock: Callable[[], datetime] = present
    kept: KeptCopy | None = None
    lock: RLock = field(default_factory=RLock)
    _advanced: timedelta = timedelta(0)
    _members: dict[str, dict[str, Any]] = field(default_factory=dict)
    _accepted: list[AcceptedCall] = field(default_factory=list)
    _agenda: Agenda = field(default_factory=Agenda)
    _doing: datetime | None = None
    _number: int = FIRST_NUMBER

    def __post_init__(self) -> None:
        if self.kept is None:
            return
        self._advanced = self.kept.advanced
        self._number = max(FIRST_NUMBER, self.kept.number)
        self._members = {name: dict(member) for name, member in self.kept.members.items()}
        if self.account.lives:
            for member in self._members.values():
                partner_lives.resumed(self, member)

    def _keep(self, member_id: str) -> None:
        if self.kept is not None:
            self.kept.keep(member_id, self._members.get(member_id), self._number)

    def now(self) -> datetime:
        """Return the account's present; of a deed that was due, when it was."""
        with self.lock:
            return self._doing or self.clock().astimezone(UTC) + self._advanced

    def advance(self, seconds: float) -> None:
        """Let time go by at once. Raises UsageError for less than nothing."""
        if not seconds >= 0:
            raise UsageError("time only goes forward; seconds is 0 or more")
        with self.lock:
            self._advanced += timedelta(seconds=seconds)
            if self.kept is not None:
                self.kept.keep_clock(self._advanced)

    def later(self, after: timedelta, deed: Deed) -> None:
        """Have something done so long from now, by the account's clock."""
        with self.lock:
            self._agenda.add(self.now() + after, deed)

    @contextmanager
    def up_to_date(self) -> Iterator[None]:
        """Hold the lock, with everything done that is due by now."""
        with self.lock:
            if self._doing is None:
                self._catch_up(self.now())
            yield

    def _catch_up(self, now: datetime) -> None:
        try:
            while due := self._agenda.take(now):
                self._doing, deed = due
                deed()
        finally:
            self._doing = None

    def enrol(self, given: Mapping[str, Any], fault: str = "") -> dict[str, Any]:
        """Make a member. Raises PartnerRefusal for what is missing or malformed."""
        fields = for_enrolment(given)
        with self.up_to_date():
            member = self.add(fields)
            self._note("enrol", member, fault)
            return dict(member)

    def update(self, member_id: str, given: Mapping[str, Any], fault: str = "") -> dict[str, Any]:
        """Set fields of a member; null erases one. Raises PartnerRefusal."""
        fields = for_update(given)
        with self.up_to_date():
            member = self.found(member_id)
            self.set(member, fields)
            self._note("withdraw" if "status" in fields else "update", member, fault)
            return dict(member)

    def assign(self, member_id: str, given: Mapping[str, Any], fault: str = "") -> dict[str, Any]:
        """Assign a member's arm. Raises PartnerRefusal."""
        fields = for_assignment(given)
        with self.up_to_date():
            member = self.found(member_id)
            self.set(member, fields)
            if self.account.lives:
                partner_lives.assigned(self, member_id)
            self._note("arm", member, fault)
            return dict(member)

    def add(self, fields: Mapping[str, Any]) -> dict[str, Any]:
        """Make a member whatever is known of it, as the partner's own staff may; nothing is noted."""
        with self.up_to_date():
            member_id = f"AH-{self._number:06d}"
            self._number += 1
            member = blank_member(member_id, stamp(self.now())) | dict(fields)
            self._members[member_id] = member
            self._keep(member_id)
            if self.account.lives:
                partner_lives.enrolled(self, member_id)
            return member

    def set(self, member: dict[str, Any], given: Mapping[str, Any]) -> None:
        """Change a member as the partner's own staff may, too; '' is None.

        Raises:
            UsageError: There is no such field, or it is the member's id.

        """
        for name in given:
            if name not in FIELDS or name == "memberId":
                raise UsageError(f"no field {name!r}; there are {', '.join(FIELDS[1:])}")
        with self.up_to_date():
            now = stamp(self.now())
            status = given.get("status", member["status"])
            if status != member["status"] and status in STAMP_OF:
                member[STAMP_OF[status]] = now
            member["updatedAt"] = now
            member |= {name: value if value != "" else None for name, value in given.items()}
            self._keep(member["memberId"])

    def known(self, member_id: str) -> dict[str, Any] | None:
        """Return a member as it is kept; None if there is none."""
        with self.up_to_date():
            return self._members.get(member_id)

    def found(self, member_id: str) -> dict[str, Any]:
        """Return a member as it is kept. Raises PartnerRefusal if there is none."""
        member = self.known(member_id)
        if member is None:
            raise PartnerRefusal(404, "not_found", "there is no such member")
        return member

    def all(self, study_id: str | None = None) -> list[dict[str, Any]]:
        """Return copies of all members, or of those with a study id; newest first."""
        with self.up_to_date():
            every = reversed(self._members.values())
            return [dict(one) for one in every if study_id in (None, one["studyId"])]

    def remove(self, member_id: str) -> None:
        """Remove a member, as the partner's staff may. Raises PartnerRefusal."""
        with self.up_to_date():
            self.found(member_id)
            del self._members[member_id]
            self._keep(member_id)

    def accepted(self) -> list[AcceptedCall]:
        """Return every write that took effect, in order."""
        with self.up_to_date():
            return list(self._accepted)

    def forget_accepted(self) -> None:
        """Empty the list of what was accepted; the members stay."""
        with self.up_to_date():
            self._accepted.clear()

    def counts(self) -> dict[str, object]:
        """Return how the account stands, without anybody's data."""
        with self.up_to_date():
            several = Counter(one["studyId"] for one in self._members.values())
            return {
                "now": self.now().isoformat(timespec="seconds"),
                "lives": self.account.lives,
                "accepted": len(self._accepted),
                "members": len(self._members),
                "by_status": dict(
                    sorted(Counter(str(one["status"]) for one in self._members.values()).items())
                ),
                "study_ids_with_several": sum(count > 1 for count in several.values()),
            }

    def _note(self, call: str, member: Mapping[str, Any], fault: str) -> None:
        entry = AcceptedCall(
            number=len(self._accepted) + 1,
            at=self.now(),
            call=call,
            member=str(member["memberId"]),
            study_id=str(member["studyId"]),
            fault=fault,
        )
        self._accepted.append(entry)
