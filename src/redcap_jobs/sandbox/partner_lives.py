"""What members do by themselves: begin, go on by the week, end, opt out, are edited by staff.

A member becomes active a day after its arm was assigned and completes the programme four months
later. One in twelve opts out on the way, one in sixteen is edited by the partner's staff. Whom it
befalls, and when, follows from the account's seed and the member's id alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from random import Random
from typing import TYPE_CHECKING, Any

from redcap_jobs.sandbox.people import ENGLISH_PARENTS, SPANISH_PARENTS, fictitious_phone

if TYPE_CHECKING:
    from redcap_jobs.sandbox.partner_members import Members

UNTIL_ACTIVE = timedelta(days=1)
WEEK = timedelta(days=7)
PROGRAM = timedelta(days=122)
"""Four months: the length of ISMILE's text programme (its public description)."""
SHARE_OPTING_OUT, SHARE_EDITED = 1 / 12, 1 / 16
EDITABLE = ("firstName", "language", "mobilePhone")


@dataclass(frozen=True)
class Fate:
    """What is to become of one member.

    ``opts_out`` counts from the day it became active, ``edited`` from its enrolment; None is never.
    ``field`` is what staff will change, ``number`` decides to what.
    """

    opts_out: timedelta | None
    edited: timedelta | None
    field: str
    number: int


def fate_of(member_id: str, seed: int) -> Fate:
    """Return what is to become of a member."""
    random = Random(f"{seed} {member_id}")  # noqa: S311 - repeatable lives, no secret
    leaves, changed = random.random() < SHARE_OPTING_OUT, random.random() < SHARE_EDITED
    opts_out = timedelta(hours=random.randrange(24, PROGRAM.days * 24))
    edited = timedelta(hours=random.randrange(24, 60 * 24))
    return Fate(
        opts_out=opts_out if leaves else None,
        edited=edited if changed else None,
        field=random.choice(EDITABLE),
        number=random.randrange(10_000),
    )


def resumed(members: Members, member: Mapping[str, Any]) -> None:
    """Lay out what is still to happen to a member that was kept, from when it should have.

    When the arm was assigned is not known any more: the member's last change stands for it.
    """
    member_id, now = member["memberId"], members.now()
    fate = fate_of(member_id, members.account.seed)
    changed = moment(member["updatedAt"])
    if fate.edited is not None and changed < (at := moment(member["enrolledAt"]) + fate.edited):
        members.later(at - now, partial(edit, members, member_id, fate))
    if member["status"] == "enrolled" and member["arm"]:
        members.later(changed + UNTIL_ACTIVE - now, partial(begin, members, member_id))
    if member["status"] == "active" and member["activatedAt"]:
        began = moment(member["activatedAt"]) - now
        follow(members, member_id, began, int(member["programWeek"] or 1))


def moment(text: str) -> datetime:
    """Return an instant that the partner wrote."""
    return datetime.fromisoformat(text)


def enrolled(members: Members, member_id: str) -> None:
    """Lay out what happens after an enrolment."""
    fate = fate_of(member_id, members.account.seed)
    if fate.edited is not None:
        members.later(fate.edited, partial(edit, members, member_id, fate))


def assigned(members: Members, member_id: str) -> None:
    """Lay out what happens once a member has its arm."""
    members.later(UNTIL_ACTIVE, partial(begin, members, member_id))


def begin(members: Members, member_id: str) -> None:
    """Let the programme begin, if the member is still waiting for it."""
    if not turn(members, member_id, "enrolled", status="active", programWeek=1):
        return
    follow(members, member_id, timedelta(0), 1)


def follow(members: Members, member_id: str, began: timedelta, week: int) -> None:
    """Lay out the programme of a member that began so long from now and is in some week of it."""
    members.later(began + week * WEEK, partial(go_on, members, member_id, week + 1))
    members.later(began + PROGRAM, partial(turn, members, member_id, "active", status="completed"))
    fate = fate_of(member_id, members.account.seed)
    if fate.opts_out is not None:
        out = partial(turn, members, member_id, "active", status="opted_out")
        members.later(began + fate.opts_out, out)


def go_on(members: Members, member_id: str, week: int) -> None:
    """Begin another week of the programme, as long as it lasts."""
    if turn(members, member_id, "active", programWeek=week):
        members.later(WEEK, partial(go_on, members, member_id, week + 1))


def turn(members: Members, member_id: str, only_if: str, **changed: Any) -> bool:
    """Change a member that is still there and has a certain status; tell whether it was."""
    member = members.known(member_id)
    if member is None or member["status"] != only_if:
        return False
    members.set(member, changed)
    return True


def edit(members: Members, member_id: str, fate: Fate) -> None:
    """Let the partner's staff change what the study holds otherwise."""
    member = members.known(member_id)
    if member is not None:
        members.set(member, {fate.field: edited_value(member, fate.field, fate.number)})


def edited_value(member: dict[str, Any], field: str, number: int) -> str:
    """Return another value for a field of a member."""
    if field == "language":
        return "en" if member["language"] == "es" else "es"
    if field == "mobilePhone":
        return other(member[field], [e164(number), e164(number + 1)])
    names = SPANISH_PARENTS if member["language"] == "es" else ENGLISH_PARENTS
    return other(member[field], [names[(number + step) % len(names)] for step in (0, 1)])


def other(present: object, choices: list[str]) -> str:
    """Return the first of the choices that is not the present value."""
    return next(one for one in choices if one != present)


def e164(number: int) -> str:
    """Return fictitious phone ``number`` as the partner writes phones."""
    return "+1" + "".join(sign for sign in fictitious_phone(number) if sign.isdecimal())
