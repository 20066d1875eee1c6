"""Discrepancies planted among the partner's members, for those who look for them to find.

Each befalls another participant. Those of owner ``redcap`` are to be told and left alone at the
partner; those of owner ``partner`` are the partner's word, which REDCap takes over or, where it
cannot be read, tells.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from random import Random
from typing import Any

from redcap_jobs.errors import UsageError
from redcap_jobs.sandbox.partner_lives import edited_value
from redcap_jobs.sandbox.partner_members import Members

AMERICAN_DAY = "%m/%d/%Y"
STRANGER = "STRANGER"
REDCAP, PARTNER = "redcap", "partner"

Member = dict[str, Any]


@dataclass(frozen=True)
class Planted:
    """One discrepancy.

    ``study_id`` is the participant's as REDCap has it ('' for a stranger), ``member`` the id of the
    member that is wrong, gone, or one too many. ``owner`` is who owns what differs, ``field`` its
    name at the partner ('' where the whole member is meant).
    """

    kind: str
    study_id: str
    member: str
    owner: str = REDCAP
    field: str = ""

    def as_json(self) -> dict[str, object]:
        """Return it for the control page."""
        return asdict(self)


@dataclass(frozen=True)
class Edit:
    """A kind of discrepancy in one field: what staff at the partner put there.

    ``needs`` says that only members who have a value can be so edited.
    """

    kind: str
    field: str
    value: Callable[[Member], Any]
    owner: str = REDCAP
    needs: bool = False

    def fits(self, member: Member) -> bool:
        """Tell whether a member can be so edited."""
        return not self.needs or member[self.field] is not None

    def plant(self, members: Members, member: Member) -> Planted:
        """Edit a member."""
        study_id = str(member["studyId"])
        members.set(member, {self.field: self.value(member)})
        return Planted(self.kind, study_id, str(member["memberId"]), self.owner, self.field)


@dataclass(frozen=True)
class Deed:
    """A kind of discrepancy in who is a member at all."""

    kind: str
    plant: Callable[[Members, Member], Planted]

    def fits(self, member: Member) -> bool:  # noqa: ARG002 - as an edit is asked
        """Tell that it can befall any member."""
        return True


def duplicate(members: Members, member: Member) -> Planted:
    """Enrol the same participant once more, as the partner's staff may by hand."""
    own = ("memberId", "enrolledAt", "updatedAt")
    second = members.add({name: value for name, value in member.items() if name not in own})
    return Planted("duplicate member", str(member["studyId"]), str(second["memberId"]))


def stranger(members: Members, member: Member) -> Planted:
    """Enrol somebody whose study id is no record of REDCap's."""
    copied = {name: member[name] for name in ("firstName", "lastName", "language", "arm")}
    made = members.add({**copied, "studyId": f"{STRANGER}-{member['studyId']}"})
    return Planted("unknown to REDCap", "", str(made["memberId"]))


def gone(members: Members, member: Member) -> Planted:
    """Delete a member."""
    members.remove(member["memberId"])
    return Planted("missing there", str(member["studyId"]), str(member["memberId"]))


def always(value: object) -> Callable[[Member], Any]:
    """Return what puts the same value there whatever stood before."""
    return lambda _: value


def another(field: str) -> Callable[[Member], Any]:
    """Return what puts another value there of the same kind."""
    return lambda member: edited_value(member, field, int(member["memberId"].rpartition("-")[2]))


def other_of(field: str, *values: object) -> Callable[[Member], Any]:
    """Return what puts the first of some values there that does not stand there yet."""
    return lambda member: next(value for value in values if value != member[field])


def a_day_later(member: Member) -> str:
    """Return the day after a child's date of birth."""
    born = datetime.strptime(member["childDob"], AMERICAN_DAY)  # noqa: DTZ007 - a date has no zone
    return (born + timedelta(days=1)).strftime(AMERICAN_DAY)


DISCREPANCIES: tuple[Edit | Deed, ...] = (
    Edit("programme week blank", "programWeek", always(None), PARTNER, needs=True),
    Edit("child birth date differs", "childDob", a_day_later, needs=True),
    Edit("child birth date unreadable", "childDob", always("31/12/2024")),
    Edit("arm differs", "arm", other_of("arm", "OHT", "CWT")),
    Edit("arm differs", "arm", other_of("arm", "OHT", "CWT")),
    Edit("arm blank there", "arm", always(None)),
    Edit("arm unknown word", "arm", always("CTL")),
    Edit("language differs", "language", another("language")),
    Edit("language differs", "language", another("language")),
    Edit("language unknown word", "language", always("fr")),
    Edit("phone differs", "mobilePhone", another("mobilePhone")),
    Edit("phone differs", "mobilePhone", another("mobilePhone")),
    Edit("phone blank there", "mobilePhone", always(None)),
    Edit("first name differs", "firstName", another("firstName")),
    Edit("last name differs", "lastName", other_of("lastName", "Placeholder", "Example")),
    Edit("child name differs", "childName", other_of("childName", "Robin", "Alex")),
    Edit("child gender differs", "childGender", other_of("childGender", "F", "M")),
    Edit("survey answer differs", "brushDays", other_of("brushDays", 0, 7)),
    Edit("study id changed", "studyId", lambda member: f"{member['studyId']}-2"),
    Edit("withdrawn there only", "status", always("withdrawn")),
    Edit("opted out there only", "status", always("opted_out"), PARTNER),
    Edit("opted out there only", "status", always("opted_out"), PARTNER),
    Edit("completed there only", "status", always("completed"), PARTNER),
    Edit("status unknown word", "status", always("paused"), PARTNER),
    Edit("completion date unreadable", "completedAt", always("last Friday"), PARTNER),
    Edit("programme week unreadable", "programWeek", always("twelve"), PARTNER),
    Deed("duplicate member", duplicate),
    Deed("duplicate member", duplicate),
    Deed("unknown to REDCap", stranger),
    Deed("missing there", gone),
    Deed("missing there", gone),
)
"""The choosiest first; each is planted once."""
OPTIONAL = frozenset({"programme week blank"})
"""Planted only where some member's programme has begun."""


def plant_discrepancies(members: Members, seed: int = 1) -> list[Planted]:
    """Spoil some members, each in one way, and return what was done.

    Touched are only members that are enrolled or active, have an arm and are the only one of their
    study id. The same members and seed give the same discrepancies: 30 or more, of more than 20
    kinds.

    Raises:
        UsageError: There are not enough such members; nothing is done.

    """
    with members.up_to_date():
        chosen = choose(sound_members(members), Random(seed))  # noqa: S311 - repeatable faults, no secret
        return [one.plant(members, member) for one, member in chosen]


def choose(pool: list[Member], random: Random) -> list[tuple[Edit | Deed, Member]]:
    """Give each discrepancy a member of its own. Raises UsageError if there are not enough."""
    random.shuffle(pool)
    chosen: list[tuple[Edit | Deed, Member]] = []
    for one in DISCREPANCIES:
        place = next((place for place, member in enumerate(pool) if one.fits(member)), None)
        if place is not None:
            chosen.append((one, pool.pop(place)))
        elif one.kind not in OPTIONAL:
            raise UsageError(
                f"{len(DISCREPANCIES)} discrepancies need as many members who are enrolled or "
                "active, have an arm and a child's date of birth; enrol more"
            )
    return chosen


def sound_members(members: Members) -> list[Member]:
    """Return the members, oldest first, that nothing is wrong with."""
    every = [members.found(one["memberId"]) for one in reversed(members.all())]
    several = Counter(one["studyId"] for one in every)
    return [
        one
        for one in every
        if one["status"] in ("enrolled", "active") and one["arm"] and several[one["studyId"]] == 1
    ]
