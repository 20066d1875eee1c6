"""What is decided about one participant and the partner: a rule each, without any server."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, cast

import pandas as pd
import pytest

from redcap_jobs.jobs.partner_history import ARM, ENROL, UPDATE, WITHDRAW, Known, history
from redcap_jobs.jobs.partner_judged import Judgement, judge
from redcap_jobs.jobs.partner_people import NOT_RANDOMISED, OFF_STUDY, Candidate
from redcap_jobs.partner.translate import Untranslatable
from redcap_jobs.plan import PARTNER_CALL_COLUMNS, Inputs
from redcap_jobs.study.loading import load_bundled_or_file

STUDY = load_bundled_or_file("ismile")
NOW = datetime(2026, 11, 24, 18, 0, tzinfo=UTC)
PAYLOAD = {"firstName": "Wren", "mobilePhone": "+14155550101", "language": "en"}
MEMBER = "AH-100001"


def keyed(text: str, kind: str) -> str:
    """Stand in for the keyed hash: the text itself."""
    return f"{kind} {text}"


INPUTS = Inputs(
    source=cast("Any", None),
    target=cast("Any", None),
    roster=pd.DataFrame(),
    tables={},
    fingerprint=cast("Any", None),
    keyed=keyed,
    project="p",
    as_of=NOW,
)


def person(**more: Any) -> Candidate:
    """Give a participant who is to be with the partner, with what is said otherwise."""
    given = {"no": "", "has_left": False, "arm": "OHT", "payload": PAYLOAD, **more}
    return Candidate(record="1001", **given)


def calls(*rows: Mapping[str, Any]) -> Known:
    """Read a history: each row a call with its payload, state and what else is said of it."""
    table = []
    for number, row in enumerate(rows):
        payload = row.get("payload", PAYLOAD if row["call"] != ARM else {ARM: "OHT"})
        text = "{" + ", ".join(f'"{key}": "{payload[key]}"' for key in sorted(payload)) + "}"
        at = (NOW - timedelta(minutes=60 - number)).strftime("%Y-%m-%d %H:%M:%S")
        table.append(
            {
                **dict.fromkeys(PARTNER_CALL_COLUMNS, ""),
                "record": "1001",
                "state": "sent",
                "member": MEMBER,
                "payload_hash": keyed(text, "partner"),
                "at": at,
                **{key: value for key, value in row.items() if key != "payload"},
            }
        )
    calls = pd.DataFrame(table, columns=PARTNER_CALL_COLUMNS, dtype="str")
    return history(calls, "").get("1001", Known())


ENROLLED, ASSIGNED = {"call": ENROL}, {"call": ARM}


def member(**more: str) -> dict[str, str]:
    """Give what the partner lists of the participant."""
    return {
        "member": MEMBER,
        "study_id": "1001",
        "status": "enrolled",
        "arm": "",
        **PAYLOAD,
        **more,
    }


def judged(
    one: Candidate,
    known: Known | None = None,
    there: Sequence[Mapping[str, str]] = (),
    confirmed: str = "",
    gone: Mapping[str, str] | None = None,
) -> Judgement:
    """Decide; ``confirmed`` is the arm that a person confirmed, ``gone`` who was left behind."""
    words = {"1001": keyed(f'{{"arm": "{confirmed}"}}', "partner")} if confirmed else {}
    members = {"1001": list(there)} if there else {}
    return judge(STUDY, INPUTS, one, known or Known(), cast("Any", members), words, gone or {})


def made(one: Judgement) -> list[tuple[str, bool]]:
    """Give each call, and whether it only takes over what stands there."""
    return [(call.call, call.adopts) for call in one.calls]


def test_a_new_participant_is_enrolled_and_then_assigned() -> None:
    """In that order; the payload is the participant's, the arm has a call of its own."""
    found = judged(person())
    assert (found.decision, made(found)) == ("enrol", [(ENROL, False), (ARM, False)])
    assert [dict(call.payload) for call in found.calls] == [PAYLOAD, {ARM: "OHT"}]
    assert len({call.key for call in found.calls}) == 2


@pytest.mark.parametrize(
    ("more", "decision", "reason"),
    [
        ({"no": "partner.enrol_when is not true"}, "waits", "partner.enrol_when is not true"),
        ({"no": NOT_RANDOMISED, "arm": ""}, "waits", NOT_RANDOMISED),
        ({"no": OFF_STUDY, "has_left": True}, "not_wanted", OFF_STUDY),
        ({"lacking": ("mobilePhone",)}, "waits", "incomplete: mobilePhone is blank"),
        ({"wrong": (("language", Untranslatable("holds a choice")),)}, "problem", ""),
    ],
)
def test_who_is_not_enrolled(more: dict[str, Any], decision: str, reason: str) -> None:
    """Each with the reason; nothing is sent."""
    found = judged(person(**more))
    assert (found.decision, found.reason, found.calls) == (decision, reason, [])
    assert bool(found.problems) == (decision == "problem")


@pytest.mark.parametrize("state", ["claimed", "posting", "unknown"])
def test_while_nobody_knows_nothing_is_enrolled(state: str) -> None:
    """An enrolment under way, or whose answer was lost: never a second one."""
    found = judged(person(), calls({"call": ENROL, "state": state, "member": ""}), [member()])
    assert (found.decision, found.calls) == ("waits", [])


def test_who_is_there_already_is_taken_over() -> None:
    """Without any enrolment; the arm is assigned where the partner has none."""
    found = judged(person(), there=[member()])
    assert (found.decision, made(found)) == ("adopt", [(ENROL, True), (ARM, False)])
    assert found.calls[0].member == MEMBER


def test_what_differs_of_who_is_taken_over_is_updated() -> None:
    """REDCap owns it; the arm that stands is taken over with it."""
    found = judged(person(), there=[member(firstName="Robin", arm="OHT")])
    assert made(found) == [(ENROL, True), (UPDATE, False), (ARM, True)]


def test_another_arm_there_is_told_and_never_pushed() -> None:
    """A wrong arm is the wrong treatment: a person looks."""
    found = judged(person(), there=[member(arm="CWT")])
    assert made(found) == [(ENROL, True)]
    assert [each.where for each in found.problems] == ["arm"]


def test_several_members_there_are_told_and_nothing_is_sent() -> None:
    """Which of them is texted nobody here knows."""
    found = judged(person(), there=[member(), member(member="AH-100002")])
    assert (found.decision, found.calls) == ("problem", [])
    assert "2 members" in found.problems[0].what


@pytest.mark.parametrize("there", [[], [{"member": "AH-100009"}]])
def test_a_member_id_in_redcap_must_be_found(there: list[dict[str, str]]) -> None:
    """It may be a renamed record's: nothing is enrolled, and the hint leads to no second member."""
    found = judged(person(known_as=MEMBER), there=[member(**each) for each in there])
    assert (found.decision, found.calls) == ("problem", [])
    assert "rename-record" in found.problems[0].hint


def test_a_lost_state_takes_over_even_who_left() -> None:
    """The id in REDCap is taken over, so that the next run can withdraw."""
    found = judged(person(no=OFF_STUDY, has_left=True, known_as=MEMBER), there=[member(arm="OHT")])
    assert made(found) == [(ENROL, True), (ARM, True)]


def test_who_was_told_everything_is_left_alone() -> None:
    """The same payload and arm as confirmed: no call."""
    found = judged(person(), calls(ENROLLED, ASSIGNED))
    assert (found.decision, found.calls, found.problems) == ("with_partner", [], [])


def test_a_change_is_one_update() -> None:
    """With everything that REDCap owns."""
    changed = {**PAYLOAD, "mobilePhone": "+14155550177"}
    found = judged(person(payload=changed), calls(ENROLLED, ASSIGNED))
    assert (found.decision, made(found)) == ("update", [(UPDATE, False)])
    assert dict(found.calls[0].payload) == changed


def test_a_change_taken_back_is_an_update_again() -> None:
    """A to B to A: each is told, under a key of its own."""
    there = {**PAYLOAD, "firstName": "Robin"}
    known = calls(ENROLLED, ASSIGNED, {"call": UPDATE, "payload": there})
    found = judged(person(), known)
    assert made(found) == [(UPDATE, False)]
    first = judged(person(payload=there), calls(ENROLLED, ASSIGNED))
    assert found.calls[0].key != first.calls[0].key


def test_who_went_off_study_is_withdrawn_once() -> None:
    """Whatever else changed; then nothing more is told."""
    one = person(
        no=OFF_STUDY, has_left=True, payload={}, wrong=(("language", Untranslatable("x")),)
    )
    found = judged(one, calls(ENROLLED, ASSIGNED))
    assert (found.decision, made(found)) == ("withdraw", [(WITHDRAW, False)])
    after = calls(ENROLLED, ASSIGNED, {"call": WITHDRAW, "payload": {}})
    again = judged(one, after)
    assert (again.decision, again.calls) == ("withdrawn", [])


@pytest.mark.parametrize(
    ("one", "history_of"),
    [
        (person(), (ENROLLED, ASSIGNED, {"call": WITHDRAW, "payload": {}})),
        (person(no="partner.enrol_when is not true"), (ENROLLED, ASSIGNED)),
        (person(no=NOT_RANDOMISED, arm=""), (ENROLLED, ASSIGNED)),
    ],
)
def test_a_member_who_no_longer_fits_is_a_persons_matter(
    one: Candidate, history_of: tuple[Mapping[str, Any], ...]
) -> None:
    """Nobody is enrolled again, and nobody withdrawn, by a condition that changed its mind."""
    found = judged(one, calls(*history_of))
    assert (found.decision, found.calls) == ("problem", [])
    assert len(found.problems) == 1


def test_an_arm_switch_is_told_and_pushed_once_confirmed() -> None:
    """Just the arm that was confirmed, no other."""
    known = calls(ENROLLED, ASSIGNED)
    told = judged(person(arm="CWT"), known)
    assert (told.decision, told.calls) == ("problem", [])
    assert "confirm-arm" in told.problems[0].hint
    pushed = judged(person(arm="CWT"), known, confirmed="CWT")
    assert (pushed.decision, made(pushed)) == ("arm", [(ARM, False)])
    other = judged(person(arm="CWT"), known, confirmed="OHT")
    assert other.calls == []


def test_an_arm_whose_answer_was_lost_is_looked_up_first() -> None:
    """What stands there decides: the same is taken over, another told, none assigned."""
    lost = calls(ENROLLED, {"call": ARM, "state": "rejected", "code": "look-up"})
    assert made(judged(person(), lost, [member(arm="OHT")])) == [(ARM, True)]
    assert made(judged(person(), lost, [member()])) == [(ARM, False)]
    told = judged(person(), lost, [member(arm="CWT")])
    assert (told.calls, [each.where for each in told.problems]) == ([], ["arm"])


def test_what_was_refused_is_left_alone_until_it_changes_or_a_day_passed() -> None:
    """The same words are not sent again every quarter of an hour; others are, at once."""
    refused = {"call": ENROL, "state": "rejected", "code": "422 invalid_field", "member": ""}
    found = judged(person(), calls(refused))
    assert (found.decision, found.calls) == ("problem", [])
    assert found.error == "enrol: refused by the partner (422 invalid_field)"
    changed = judged(person(payload={**PAYLOAD, "firstName": "Robin"}), calls(refused))
    assert changed.decision == "enrol"
    old = (NOW - timedelta(days=1)).strftime("%Y-%m-%d %H:%M:%S")
    assert judged(person(), calls({**refused, "at": old})).decision == "enrol"


@pytest.mark.parametrize("code", ["429", "401", "no connection", "not done"])
def test_what_says_nothing_of_the_data_is_tried_again(code: str) -> None:
    """Too many requests, a wrong token, nobody there: the next run tries."""
    known = calls({"call": ENROL, "state": "rejected", "code": code, "member": ""})
    assert judged(person(), known).decision == "enrol"


def test_another_member_id_in_redcap_is_told() -> None:
    """The journal's is the one that was enrolled; updates go on."""
    found = judged(
        person(known_as="AH-100009", payload={**PAYLOAD, "firstName": "Robin"}),
        calls(ENROLLED, ASSIGNED),
    )
    assert made(found) == [(UPDATE, False)]
    assert MEMBER in found.problems[0].hint


def test_keys_count_what_took_effect() -> None:
    """A call that was refused keeps its key, one that took effect leaves it behind."""
    known = calls(ENROLLED, ASSIGNED, {"call": UPDATE, "payload": {"firstName": "A"}})
    assert known.done == Counter({ENROL: 1, ARM: 1, UPDATE: 1})
    assert known.key(INPUTS, UPDATE, "1001")[1] == "1"
    assert known.key(INPUTS, WITHDRAW, "1001")[1] == "0"


def test_an_arm_that_may_have_been_switched_unheard_is_looked_up() -> None:
    """A confirmed switch whose answer was lost, and REDCap is back to the first arm."""
    lost = {"call": ARM, "payload": {ARM: "CWT"}, "state": "rejected", "code": "look-up"}
    known = calls(ENROLLED, ASSIGNED, lost)
    assert not known.arm_is_known
    told = judged(person(), known, [member(arm="CWT")])
    assert (told.calls, [each.where for each in told.problems]) == ([], ["arm"])
    assert made(judged(person(), known, [member(arm="OHT")])) == [(ARM, True)]
    gone = judged(person(), known)
    assert (gone.calls, [each.where for each in gone.problems]) == ([], ["member"])


@pytest.mark.parametrize("state", ["posting", "unknown", "rejected"])
def test_an_update_that_may_have_taken_effect_unheard_is_told_again(state: str) -> None:
    """REDCap is back to the old value; the partner may have the other one."""
    code = "look-up" if state == "rejected" else ""
    lost = {"call": UPDATE, "payload": {"firstName": "Robin"}, "state": state, "code": code}
    known = calls(ENROLLED, ASSIGNED, lost)
    found = judged(person(), known)
    expected = [(UPDATE, False)] if state == "rejected" else []
    assert made(found) == expected
    assert found.decision == ("update" if expected else "waits")
    assert known.arm_is_known
