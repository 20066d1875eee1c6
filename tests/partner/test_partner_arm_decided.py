"""When an arm is assigned, found, or left to a person; and what else waits for one."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from partner_doubles import PRIVATE
from partner_journal import AGILE, PROJECT, keyed, new_partner

from redcap_jobs.jobs.partner_history import Known, arm_text, payload_text
from redcap_jobs.jobs.partner_judged import Judgement, judge
from redcap_jobs.jobs.partner_people import Candidate
from redcap_jobs.jobs.poll_participants import is_open
from redcap_jobs.partner.translate import Untranslatable

NOW = datetime(2026, 11, 24, 18, tzinfo=UTC)
PAYLOAD = {"firstName": "Josefina", "mobilePhone": "+12025550123"}
TOLD = keyed(payload_text(PAYLOAD), "partner")
ONE = Candidate("1001", "", has_left=False, arm="OHT", payload=PAYLOAD)
STUDY: Any = SimpleNamespace(partner=new_partner(), study=SimpleNamespace(region="US"))
INPUTS: Any = SimpleNamespace(keyed=keyed, project=str(PROJECT), partner=AGILE, as_of=NOW)


def hashed(arm: str) -> str:
    return keyed(arm_text(arm), "partner") if arm else ""


def known(arm: str = "", *, doubt: bool = False, **more: Any) -> Known:
    return Known(member="AH-1", told=TOLD, arm=hashed(arm), arm_in_doubt=doubt, **more)


def there(arm: str = "", member: str = "AH-1", **more: str) -> dict[str, str]:
    return {"member": member, "study_id": "1001", "status": "active", "arm": arm} | more


def judged(
    of: Known, *members: dict[str, str], confirmed: str = "", one: Candidate = ONE
) -> Judgement:
    words = {"1001": hashed(confirmed)} if confirmed else {}
    return judge(STUDY, INPUTS, one, of, {"1001": list(members)}, words, {})


def what(said: Judgement) -> list[str]:
    """Return the calls (``found`` where nothing is sent), and where a person must look."""
    calls = [f"{call.call}{' found' if call.adopts else ''}" for call in said.calls]
    return calls + [f"? {problem.where}" for problem in said.problems]


@pytest.mark.parametrize(
    ("of", "at_partner", "confirmed", "expected"),
    [
        (known("OHT"), None, "", []),
        (known("CWT"), None, "", ["? arm"]),
        (known("CWT"), None, "CWT", ["? arm"]),
        (known("CWT"), None, "OHT", ["arm"]),
        (known(), "", "", ["arm"]),
        (known(), "OHT", "", ["arm found"]),
        (known(), "CWT", "", ["? arm"]),
        (known(), "CWT", "CWT", ["? arm"]),
        (known(), "CWT", "OHT", ["arm"]),
        (known(), None, "", ["? member"]),
        (known(), None, "OHT", ["? member"]),
        (known(doubt=True), "", "", ["arm"]),
        (known(doubt=True), "CWT", "", ["? arm"]),
        (known("OHT", doubt=True), "OHT", "", ["arm found"]),
        (known("OHT", doubt=True), "CWT", "", ["? arm"]),
        (known("OHT", doubt=True), "CWT", "OHT", ["arm"]),
        (known("OHT", doubt=True), "", "", ["arm"]),
        (known("CWT", doubt=True), "CWT", "", ["? arm"]),
        (known("CWT", doubt=True), "CWT", "OHT", ["arm"]),
        (known("CWT", doubt=True), "OHT", "", ["arm found"]),
        (known("CWT", doubt=True), "", "", ["? arm"]),
        (known("CWT", doubt=True), "", "OHT", ["arm"]),
        (known("CWT", doubt=True), None, "OHT", ["? member"]),
        (known(open={"arm"}), "CWT", "OHT", []),
    ],
)
def test_an_arm_is_assigned_once(
    of: Known, at_partner: str | None, confirmed: str, expected: list[str]
) -> None:
    """REDCap says OHT. Over another arm, confirmed or standing there, only after a person's word."""
    members = [] if at_partner is None else [there(at_partner)]
    assert what(judged(of, *members, confirmed=confirmed)) == expected


def test_another_members_arm_is_not_this_ones() -> None:
    """Looked up is the study id; the member is the one that was enrolled."""
    assert what(judged(known(), there("OHT", member="AH-2"))) == ["? member"]


@pytest.mark.parametrize(
    ("of", "one", "is_asked"),
    [
        (known("OHT"), ONE, False),
        (known(), ONE, True),
        (known("OHT", doubt=True), ONE, True),
        (known(open={"enrol"}), ONE, False),
        (known(), replace(ONE, arm=""), False),
        (known(), replace(ONE, no="off study", has_left=True), False),
        (known(), replace(ONE, wrong=(("firstName", Untranslatable("x")),)), False),
        (Known(), ONE, True),
        (Known(open={"enrol"}), ONE, False),
        (Known(), replace(ONE, no="not randomised yet"), False),
        (Known(), replace(ONE, lacking=("mobilePhone",)), False),
        (Known(), replace(ONE, no="not randomised yet", known_as="AH-1"), True),
    ],
)
def test_the_partner_is_asked_where_only_it_knows(
    of: Known, one: Candidate, *, is_asked: bool
) -> None:
    """Nobody else costs a request."""
    assert is_open(one, of) == is_asked


@pytest.mark.parametrize(
    ("members", "known_as", "expected"),
    [
        ([], "", ["enrol", "arm"]),
        ([there("OHT", firstName="Josefina", mobilePhone="+12025550123")], "",
         ["enrol found", "arm found"]),
        ([there("", firstName="Josefina", mobilePhone="+12025550123")], "", ["enrol found", "arm"]),
        ([there("CWT", firstName="Josefina", mobilePhone="+12025550123")], "",
         ["enrol found", "? arm"]),
        ([there("OHT", firstName="Ana", mobilePhone="+12025550123")], "",
         ["enrol found", "update", "arm found"]),
        ([there("OHT"), there("OHT", member="AH-2")], "", ["? member"]),
        ([there("OHT"), there("OHT", member="AH-2")], "AH-1", ["? member"]),
        ([], "AH-1", ["? member"]),
        ([there("OHT", member="AH-2")], "AH-1", ["? member"]),
    ],
)  # fmt: skip
def test_who_is_not_known_is_enrolled_once(
    members: list[dict[str, str]], known_as: str, expected: list[str]
) -> None:
    """None there: enrolled; one: taken over; several, or another than REDCap holds: for a person."""
    assert what(judged(Known(), *members, one=replace(ONE, known_as=known_as))) == expected


def test_what_is_taken_over_counts_as_told_only_where_it_agrees() -> None:
    """A run that dies before the update leaves what the next one sends."""
    agrees = there("OHT", firstName="Josefina", mobilePhone="+1 (202) 555-0123")
    assert dict(judged(Known(), agrees).calls[0].payload) == PAYLOAD
    differs = there("OHT", firstName="Ana", mobilePhone="+12025550123")
    assert dict(judged(Known(), differs).calls[0].payload) == {}


def test_who_takes_no_part_is_taken_over_and_told_nothing() -> None:
    """REDCap holds the id: it is noted, so that whoever left can be withdrawn."""
    left = replace(ONE, no="off study", has_left=True, known_as="AH-1", arm="")
    assert what(judged(Known(), there("OHT", firstName="Ana"), one=left)) == ["enrol found"]


def test_while_nobody_knows_nothing_is_done() -> None:
    """Whatever was looked up meanwhile."""
    assert what(judged(Known(open={"enrol"}), there("OHT"))) == []
    assert what(judged(known("OHT", open={"update"}), one=replace(ONE, payload={}))) == []


@pytest.mark.parametrize(
    ("code", "ago", "expected"),
    [
        ("invalid_field", timedelta(0), ["? update"]),
        ("invalid_field", timedelta(hours=23, minutes=59), ["? update"]),
        ("invalid_field", timedelta(days=1), ["update"]),
        ("429", timedelta(0), ["update"]),
        ("not done", timedelta(0), ["update"]),
        ("no connection", timedelta(0), ["update"]),
        ("look-up", timedelta(0), ["update"]),
    ],
)
def test_what_was_refused_waits_for_other_data_or_a_day(
    code: str, ago: timedelta, expected: list[str]
) -> None:
    """What says nothing about the data is tried again by the next run."""
    at = f"{NOW - ago:%Y-%m-%dT%H:%M:%S.%fZ}"
    of = known("OHT")
    of.told, of.refused = "", {"update": (TOLD, code, at)}
    assert what(judged(of)) == expected
    of.refused = {"update": ("hash of other data", code, at)}
    assert what(judged(of)) == ["update"]


def test_an_id_that_was_typed_over_is_told_beside_the_rest() -> None:
    """The member that was enrolled stays the key, and goes on being told."""
    of = known("OHT")
    of.told = ""
    said = judged(of, one=replace(ONE, known_as="AH-2"))
    assert what(said) == ["update", "? member"]
    assert said.decision == "problem"
    assert what(judged(known("OHT"), one=replace(ONE, known_as="AH-1"))) == []


def test_no_value_shows_itself() -> None:
    """Neither in a call, nor in a problem, nor in a candidate."""
    shown = repr([ONE, judged(Known()), judged(known(), there("CWT")), judged(known())])
    assert not [each for each in PRIVATE if each in shown]


@pytest.mark.parametrize("call", ["enrol", "arm", "update", "withdraw"])
def test_what_nobody_knows_stays_written_in_redcap(call: str) -> None:
    """Until it is known: the next run erased it, though the doubt went on for days."""
    one = replace(ONE, no="off study", has_left=True) if call == "withdraw" else ONE
    of = Known(open={call}) if call == "enrol" else known(open={call})
    if call == "update":
        of.told = ""
    said = judged(of, there(), one=one)
    assert what(said) == []
    assert said.error == f"{call}: nobody knows yet whether it took effect"


def test_a_refused_arm_stays_written_in_redcap() -> None:
    """As a refused update does."""
    of = known(refused={"arm": (hashed("OHT"), "invalid_field", f"{NOW:%Y-%m-%dT%H:%M:%S.%fZ}")})
    said = judged(of, there())
    assert what(said) == ["? arm"]
    assert said.error == "arm: refused by the partner (invalid_field)"
