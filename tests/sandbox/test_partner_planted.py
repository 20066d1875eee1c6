"""The generator of discrepancies: many kinds, each at somebody else, nothing else touched."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest
from member_calls import ALICE, DAY, NOW, TOKEN, Raw, control, serving, several

from redcap_jobs.errors import UsageError
from redcap_jobs.sandbox.partner_account import PartnerAccount
from redcap_jobs.sandbox.partner_members import Members
from redcap_jobs.sandbox.partner_planted import Planted, plant_discrepancies
from redcap_jobs.sandbox.server import Sandbox

KINDS = {
    "arm differs",
    "arm blank there",
    "arm unknown word",
    "language differs",
    "language unknown word",
    "phone differs",
    "phone blank there",
    "first name differs",
    "last name differs",
    "child name differs",
    "child birth date differs",
    "child birth date unreadable",
    "child gender differs",
    "survey answer differs",
    "study id changed",
    "withdrawn there only",
    "opted out there only",
    "completed there only",
    "status unknown word",
    "completion date unreadable",
    "programme week unreadable",
    "duplicate member",
    "unknown to REDCap",
    "missing there",
}


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    with serving() as sandbox:
        several(sandbox.partner, 60)
        yield sandbox


def by_id(members: Members) -> dict[str, dict[str, Any]]:
    return {one["memberId"]: one for one in members.all()}


def test_there_are_many_of_many_kinds(sandbox: Sandbox) -> None:
    """30 of 24 kinds, each at another participant."""
    planted = plant_discrepancies(sandbox.partner, 1)
    assert {one.kind for one in planted} == KINDS
    assert len(planted) == 30
    known = [one.study_id for one in planted if one.kind != "unknown to REDCap"]
    assert len(set(known)) == len(known)
    assert set(known) <= {str(number) for number in range(1001, 1061)}
    assert len({one.member for one in planted}) == 30


def test_each_is_what_it_says_and_nothing_else_changed(sandbox: Sandbox) -> None:
    """A member differs in the named field alone (a status with its instant), is gone, or is new."""
    members = sandbox.partner
    before = by_id(members)
    planted = {one.member: one for one in plant_discrepancies(members, 1)}
    after = by_id(members)
    for member_id in before.keys() | after.keys():
        one = planted.get(member_id, Planted("untouched", "", member_id))
        old, new = before.get(member_id), after.get(member_id)
        if old is None or new is None:
            kinds = ("unknown to REDCap", "duplicate member") if old is None else ("missing there",)
            assert one.kind in kinds
            continue
        changed = {name for name in new if new[name] != old[name]} - {"updatedAt"}
        stamps = {"withdrawnAt", "optedOutAt"}
        if "completed" in one.kind:
            stamps.add("completedAt")
        assert changed - stamps == ({one.field} - stamps if one.field else set()), one
        assert one.field == "" or new[one.field] != old[one.field]


def test_duplicates_strangers_and_the_missing(sandbox: Sandbox) -> None:
    """A second member of the same participant; one of no participant; one that is gone."""
    members = sandbox.partner
    planted = plant_discrepancies(members, 1)
    after = by_id(members)
    twice = {one.study_id for one in planted if one.kind == "duplicate member"}
    counts = Counter(one["studyId"] for one in after.values())
    assert {study_id for study_id, count in counts.items() if count > 1} == twice
    assert len(twice) == 2
    (stranger,) = [one for one in planted if one.kind == "unknown to REDCap"]
    assert stranger.study_id == ""
    assert after[stranger.member]["studyId"].startswith("STRANGER-")
    for one in planted:
        if one.kind == "missing there":
            assert one.member not in after
            assert counts[one.study_id] == 0


def test_who_owns_what_differs(sandbox: Sandbox) -> None:
    """What the partner owns is its status, dates and week; all else is the study's."""
    planted = plant_discrepancies(sandbox.partner, 1)
    theirs = {one.field for one in planted if one.owner == "partner"}
    assert theirs == {"status", "completedAt", "programWeek"}
    assert {one.owner for one in planted} == {"redcap", "partner"}


def test_phones_stay_fictitious(sandbox: Sandbox) -> None:
    """Whatever number is put in another's place is one of those kept free for fiction."""
    before = by_id(sandbox.partner)
    for one in plant_discrepancies(sandbox.partner, 1):
        if one.kind == "phone differs":
            phone = sandbox.partner.found(one.member)["mobilePhone"]
            assert phone != before[one.member]["mobilePhone"]
            assert phone[5:10] == "55501"
            assert len(phone) == 12


def test_a_seed_gives_the_same_discrepancies() -> None:
    """Another seed, other participants, but as many of each kind."""
    found = []
    for seed in (1, 1, 2):
        members = Members(PartnerAccount(TOKEN), lambda: NOW)
        several(members, 60)
        found.append((plant_discrepancies(members, seed), members.all()))
    assert found[0] == found[1]
    assert found[0][0] != found[2][0]
    kinds = [Counter(one.kind for one in planted) for planted, _ in found]
    assert kinds[0] == kinds[2]


def test_a_week_is_blanked_where_a_programme_has_begun() -> None:
    """One more discrepancy, at a member that has a week of the programme."""
    members = Members(PartnerAccount(TOKEN, lives=True), lambda: NOW)
    several(members, 60)
    members.advance(3 * DAY)
    planted = plant_discrepancies(members, 1)
    assert len(planted) == 31
    (blank,) = [one for one in planted if one.kind == "programme week blank"]
    assert members.found(blank.member)["programWeek"] is None


def test_without_enough_members_nothing_is_done() -> None:
    """Members without an arm, of one study id, or out of the programme are left alone."""
    members = Members(PartnerAccount(TOKEN), lambda: NOW)
    ids = several(members, 35)
    for member_id in ids[:3]:
        members.set(members.found(member_id), {"arm": None})
    members.set(members.found(ids[3]), {"status": "completed"})
    members.set(members.found(ids[4]), {"studyId": "1007"})
    before = members.all()
    with pytest.raises(UsageError, match="enrol more"):
        plant_discrepancies(members, 1)
    assert members.all() == before


def test_they_are_planted_while_the_sandbox_runs(sandbox: Sandbox) -> None:
    """On a page of the sandbox's own, which says what was done without any value."""
    answer = control(sandbox, "plant", {"seed": 1})
    assert answer.status_code == 200
    assert {one["kind"] for one in answer.json()} == KINDS
    assert set(answer.json()[0]) == {"kind", "study_id", "member", "owner", "field"}
    assert ALICE["mobilePhone"][:9] not in answer.text
    changed = [one for one in answer.json() if one["kind"] == "language differs"]
    assert {Raw(sandbox).member(one["member"])["language"] for one in changed} == {"es"}
