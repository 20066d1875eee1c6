"""What members do by themselves as the account's clock goes on."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from datetime import datetime
from typing import Any

import pytest
from member_calls import DAY, NOW, TOKEN, WEEK, Raw, serving, several

from redcap_jobs.errors import UsageError
from redcap_jobs.sandbox.partner_account import PartnerAccount
from redcap_jobs.sandbox.partner_fields import E164
from redcap_jobs.sandbox.partner_lives import PROGRAM, Fate, fate_of
from redcap_jobs.sandbox.partner_members import Members
from redcap_jobs.sandbox.server import Sandbox

LIVING = PartnerAccount(TOKEN, lives=True, seed=5)
PROGRAM_SECONDS = PROGRAM.total_seconds()


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    with serving(LIVING) as sandbox:
        yield sandbox


def with_fate(members: Members, *, opts_out: bool = False, edited: str = "") -> tuple[str, Fate]:
    """Enrol people until one has such a fate; return the member's id and its fate."""
    for _ in range(2000):
        (member_id,) = several(members, 1)
        fate = fate_of(member_id, members.account.seed)
        kind = fate.field if fate.edited is not None else ""
        if (fate.opts_out is not None, kind) == (opts_out, edited):
            return member_id, fate
    raise AssertionError("nobody has such a fate")


def seconds_since(stamp: str) -> float:
    """Return how long after the first instant something happened."""
    return (datetime.fromisoformat(stamp) - NOW).total_seconds()


def test_a_member_begins_goes_on_by_the_week_and_ends(sandbox: Sandbox) -> None:
    """Active a day after its arm was assigned, another week each week, completed in 4 months."""
    raw, members = Raw(sandbox), sandbox.partner
    member_id, _ = with_fate(members)

    def state() -> tuple[str, int | None]:
        found = raw.member(member_id)
        return found["status"], found["programWeek"]

    members.advance(DAY - 1)
    assert state() == ("enrolled", None)
    members.advance(1)
    assert state() == ("active", 1)
    members.advance(WEEK - 1)
    assert state() == ("active", 1)
    members.advance(1)
    assert state() == ("active", 2)
    members.advance(PROGRAM_SECONDS)
    assert state() == ("completed", 18)
    found = raw.member(member_id)
    assert seconds_since(found["activatedAt"]) == DAY
    assert seconds_since(found["completedAt"]) == DAY + PROGRAM_SECONDS
    assert (found["optedOutAt"], found["withdrawnAt"]) == (None, None)


def test_without_an_arm_nothing_begins(sandbox: Sandbox) -> None:
    """Who was only enrolled waits; the day counts from the assignment."""
    raw, members = Raw(sandbox), sandbox.partner
    member_id = raw.enrol()["memberId"]
    members.advance(30 * DAY)
    assert raw.member(member_id)["status"] == "enrolled"
    raw.ask("PUT", f"/{member_id}/arm", json={"arm": "OHT"})
    members.advance(DAY)
    found = raw.member(member_id)
    assert found["status"] == "active"
    assert seconds_since(found["activatedAt"]) == 31 * DAY


def test_who_was_withdrawn_stays_so(sandbox: Sandbox) -> None:
    """Before the programme begins, or in the middle of it."""
    raw, members = Raw(sandbox), sandbox.partner
    (first, _), (second, _) = with_fate(members), with_fate(members)
    raw.ask("PUT", f"/{first}", json={"status": "withdrawn"})
    members.advance(10 * DAY)
    raw.ask("PUT", f"/{second}", json={"status": "withdrawn"})
    members.advance(300 * DAY)
    states = [(one["status"], one["programWeek"]) for one in map(raw.member, (first, second))]
    assert states == [("withdrawn", None), ("withdrawn", 2)]


def test_an_arm_that_is_switched_does_not_begin_the_programme_again(sandbox: Sandbox) -> None:
    """Its weeks are counted on."""
    raw, members = Raw(sandbox), sandbox.partner
    member_id, _ = with_fate(members)
    members.advance(10 * DAY)
    raw.ask("PUT", f"/{member_id}/arm", json={"arm": "CWT"})
    members.advance(6 * DAY)
    found = raw.member(member_id)
    assert (found["programWeek"], seconds_since(found["activatedAt"])) == (3, DAY)


def test_some_opt_out(sandbox: Sandbox) -> None:
    """On the day that is theirs, with the instant, and for good."""
    raw, members = Raw(sandbox), sandbox.partner
    member_id, fate = with_fate(members, opts_out=True)
    assert fate.opts_out is not None
    members.advance(DAY + fate.opts_out.total_seconds() - 1)
    assert raw.member(member_id)["status"] == "active"
    members.advance(1)
    found = raw.member(member_id)
    assert found["status"] == "opted_out"
    assert seconds_since(found["optedOutAt"]) == DAY + fate.opts_out.total_seconds()
    members.advance(300 * DAY)
    assert raw.member(member_id) == found
    assert found["completedAt"] is None


@pytest.mark.parametrize("field", ["firstName", "language", "mobilePhone"])
def test_some_are_edited_by_staff(sandbox: Sandbox, field: str) -> None:
    """One field changes to another value that fits, and no write of a client's is noted."""
    raw, members = Raw(sandbox), sandbox.partner
    member_id, fate = with_fate(members, edited=field)
    assert fate.edited is not None
    before = raw.member(member_id)
    members.forget_accepted()
    members.advance(fate.edited.total_seconds() - 1)
    assert raw.member(member_id)[field] == before[field]
    members.advance(1)
    after = raw.member(member_id)
    differing = {name for name in after if after[name] != before[name]}
    assert differing - {"status", "activatedAt", "programWeek", "updatedAt"} == {field}
    if field == "mobilePhone":
        assert E164.fullmatch(after[field])
        assert after[field][5:10] == "55501"
    assert members.accepted() == []


def summary(seed: int, *, in_steps: bool) -> list[dict[str, Any]]:
    """Return what became of 60 members after five months."""
    members = Members(PartnerAccount(TOKEN, lives=True, seed=seed), lambda: NOW)
    several(members, 60)
    for _ in range(150 if in_steps else 1):
        members.advance(DAY if in_steps else 150 * DAY)
        members.all()
    return members.all()


def test_lives_follow_from_seed_and_id_alone() -> None:
    """The same seed, the same lives, however often somebody looks; another seed, other lives."""
    assert summary(5, in_steps=False) == summary(5, in_steps=True)
    assert summary(5, in_steps=False) != summary(6, in_steps=False)


def test_most_complete_and_some_do_not() -> None:
    """Of 600, about one in twelve opts out and about one in sixteen is edited."""
    fates = [fate_of(f"AH-{number}", 1) for number in range(600)]
    assert 30 < sum(fate.opts_out is not None for fate in fates) < 75
    assert 20 < sum(fate.edited is not None for fate in fates) < 60
    assert set(Counter(fate.field for fate in fates)) == {"firstName", "language", "mobilePhone"}


def test_without_lives_members_stay_as_they_are() -> None:
    """The default: whatever time goes by, only clients and staff change anything."""
    with serving() as sandbox:
        several(sandbox.partner, 30)
        before = sandbox.partner.all()
        sandbox.partner.advance(200 * DAY)
        assert sandbox.partner.all() == before
        assert sandbox.partner.now() > NOW


def test_time_only_goes_forward(sandbox: Sandbox) -> None:
    """A negative step, or none that is a number, is refused."""
    for seconds in (-1.0, float("nan")):
        with pytest.raises(UsageError, match="only goes forward"):
            sandbox.partner.advance(seconds)
