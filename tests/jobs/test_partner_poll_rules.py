"""Whom a run of ``poll-participants`` looks at and what it plans: a few rows in, the plan out."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from small_partner import (
    NOW,
    PROJECT,
    STUDY,
    call,
    cells,
    inputs_of,
    made,
    member,
    polled,
    row,
    told,
    with_partner,
)

from redcap_jobs.jobs import poll_participants
from redcap_jobs.plan import PartnerCall, ReadMembers, ReadRows, Stands, Withhold
from redcap_jobs.redcap.logic import parse
from redcap_jobs.study.values import Condition

CODED = replace(PROJECT, info=replace(PROJECT.info, missing_data_codes={"NI": "No information"}))
BOTH: dict[str, Any] = {"source": CODED, "target": CODED}
LEFT = {"off_study": "1", "off_study_date": "2026-11-01"}


@pytest.mark.parametrize(
    ("values", "why"),
    [
        ({"consent___1": "0"}, "not taking part"),
        ({"consent___3": "0"}, "partner.enrol_when"),
        ({"rand_group": ""}, "not randomised yet"),
        ({"part_mobile_number": ""}, "mobilePhone is blank"),
        ({"part_language": "", "child_name": ""}, "language, childName is blank"),
        (LEFT, "off study"),
        ({**LEFT, "consent___1": "0"}, "off study"),
        ({**LEFT, "consent___3": "0"}, "off study"),
        ({"off_study": "1"}, "off study"),
        ({"part_mobile_number": "NI"}, "mobilePhone is blank"),
        ({"rand_group": "NI"}, "not randomised yet"),
        ({"off_study": "NI"}, "off study"),
        ({"ag_opted_out": "1"}, "opted out of texts"),
        ({"sms_opted_out": "1"}, "opted out of texts"),
        ({"ag_opted_out": "NI"}, "opted out of texts"),
        ({"sms_opted_out": "NI"}, "opted out of texts"),
    ],
)
def test_who_is_not_enrolled_is_counted_with_the_reason(values: dict[str, str], why: str) -> None:
    """Nothing is sent for them, nothing is asked of the partner, and nobody is passed in silence."""
    plan = polled([row("1", **values), row("2")], **BOTH)
    assert {each.record for each in plan.actions} == {"2"}
    assert [why in each.reason for each in plan.skips] == [True]
    assert sum(int(count) for _, count, _ in plan.tables[0].rows) == 2


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("part_mobile_number", "12"),
        ("part_language", "7"),
        ("child_gender", "7"),
        ("child_dob", "soon"),
        ("brush_days", "most"),
        ("rand_group", "7"),
    ],
)
def test_what_has_no_translation_is_told_and_stops_nobody_else(field: str, value: str) -> None:
    """One bad record; the field is named, its value is not."""
    plan = polled([row("1", **{field: value}), row("2")])
    assert {each.record for each in plan.actions} == {"2"}
    assert [each.record for each in plan.problems] == ["1"]
    assert field in plan.problems[0].where
    assert f" {value}" not in str(plan.problems[0])
    is_choice = field in ("part_language", "child_gender", "rand_group")
    assert ("[[partner.fields]]" in plan.problems[0].hint) is is_choice


def test_a_missing_data_code_gives_no_leave() -> None:
    """ "Unknown" may be the very answer that enrol_when refuses."""
    where = "[first-event-name][child_gender] <> '3'"
    wanted = Condition(where, parse(where))
    partner = STUDY.partner.model_copy(update={"enrol_when": wanted})
    study = STUDY.model_copy(update={"partner": partner})
    plan = polled([row("1", child_gender="NI"), row("2")], study=study, **BOTH)
    assert {each.record for each in plan.actions} == {"2"}


def test_a_missing_data_code_is_no_member_id() -> None:
    """Whoever has it is enrolled as anybody else."""
    plan = polled([row("1", ag_member_id="NI")], **BOTH)
    assert [what for _, what, _ in made(plan)] == ["enrol", "arm"]


@pytest.mark.parametrize("consent", ["1", "0"])
def test_who_left_is_withdrawn_whatever_became_of_the_consent(consent: str) -> None:
    """Whoever takes the consent back is often unticked and off study at once; once is enough."""
    here = row("1", ag_member_id="AH-1", consent___1=consent, **LEFT)
    assert made(polled([here], [], with_partner("1"))) == [("1", "withdraw", False)]
    after = polled([here], [], [*with_partner("1"), call("1", "withdraw")])
    assert (made(after), told(after)) == ([], [])
    assert list(after.decisions["decision"]) == ["withdrawn"]


def test_who_is_unticked_only_is_a_persons_matter() -> None:
    """The job cannot know which side is wrong."""
    here = row("1", ag_member_id="AH-1", consent___1="0")
    plan = polled([here], [], with_partner("1"))
    assert (made(plan), told(plan)) == ([], [("1", "enrolment")])


def test_an_arm_switch_waits_for_a_word() -> None:
    """Told; pushed only once just this arm was confirmed."""
    here = [row("1", event="baseline_arm_2", ag_member_id="AH-1", rand_group="2")]
    plan = polled(here, [], with_partner("1"))
    assert (made(plan), told(plan)) == ([], [("1", "arm")])
    plan = polled(here, [], with_partner("1"), confirmed={"1": "CWT"})
    assert (made(plan), told(plan)) == ([("1", "arm", False)], [])


@pytest.mark.parametrize(
    ("decided", "changed", "looked_at"),
    [
        ({"1": "with_partner", "2": "withdrawn", "3": "not_wanted"}, [], []),
        ({"1": "with_partner", "2": "withdrawn", "3": "not_wanted"}, ["2"], ["2"]),
        ({"1": "waits", "2": "problem", "3": "enrol"}, [], ["1", "2", "3"]),
        ({"1": "update", "2": "arm", "3": "adopt"}, [], ["1", "2", "3"]),
        ({"1": "with_partner"}, [], ["2", "3"]),
        ({"1": "with_partner", "2": "with_partner", "3": "with_partner"}, ["9"], []),
        (None, None, ["1", "2", "3"]),
    ],
)
def test_who_is_looked_at(
    decided: dict[str, str] | None, changed: list[str] | None, looked_at: list[str]
) -> None:
    """Who changed, who is not done with, who is new; everybody once a day. Never who is gone."""
    rows = [row("1"), row("2"), row("3")]
    plan = polled(rows, [], with_partner("1", "2", "3"), decided=decided, changed=changed)
    assert sorted(plan.decisions["record"]) == looked_at


def test_who_is_told_again_on_a_persons_word_is_told_once() -> None:
    """Looked at though nothing changed; once that update took effect the word is spent."""
    given: dict[str, Any] = {"decided": {"1": "with_partner"}, "changed": []}
    plan = polled([row("1")], [], with_partner("1"), again={"1": "0"}, **given)
    assert made(plan) == [("1", "update", False)]
    after = polled(
        [row("1")], [], [*with_partner("1"), call("1", "update")], again={"1": "0"}, **given
    )
    assert made(after) == []


def test_a_word_on_who_left_or_is_gone_tells_nothing() -> None:
    """Nobody is updated who is not to be with the partner."""
    plan = polled([row("1", consent___3="0")], [], with_partner("1"), again={"1": "0", "9": "0"})
    assert made(plan) == []


def test_who_contradicts_is_looked_at_again_by_every_run() -> None:
    """What was decided before is forgotten: the problem does not vanish after the first run."""
    rows = [row("1"), row("1", event="baseline_arm_2"), row("2")]
    plan = polled(
        rows, [], with_partner("1", "2"), decided={"1": "with_partner", "2": "with_partner"},
        changed=["1"],
    )  # fmt: skip
    assert told(plan) == [("1", "arm")]
    assert plan.forgotten == ("1",)


def test_only_who_must_be_is_looked_up() -> None:
    """The new ones and those whose id stands in REDCap alone; no request for anybody else."""
    rows = [row("1"), row("2", ag_member_id="AH-2"), row("3"), row("4", consent___3="0")]
    inputs = inputs_of(rows, job=poll_participants, calls=with_partner("1"))
    assert [each for each in inputs.tables if isinstance(each, ReadMembers)] == [
        ReadMembers(("2", "3"))
    ]


def test_who_is_done_costs_no_request_and_no_import() -> None:
    """Not even for an error cell that is blank."""
    inputs = inputs_of(
        [row("1", ag_member_id="AH-1")], [], with_partner("1"), job=poll_participants
    )
    plan = poll_participants.plan(STUDY, inputs, NOW)
    assert not [each for each in inputs.tables if isinstance(each, ReadMembers)]
    assert (plan.actions, len(plan.changes)) == ((), 0)


def test_ids_that_redcap_lacks_and_errors_that_are_over() -> None:
    """The id is written, never over another one; an error goes once it is over."""
    rows = [
        row("1", ag_error="enrol: refused"),
        row("2", ag_member_id="AH-9"),
        row("3", consent___1="0"),
    ]
    plan = polled(rows, [], with_partner("1", "2", "3"))
    assert cells(plan) == {
        ("1", "ag_member_id"): "AH-1",
        ("1", "ag_error"): "",
        ("3", "ag_member_id"): "AH-3",
    }
    assert ("2", "member") in told(plan)


def test_a_call_under_way_is_counted_as_waiting() -> None:
    """Not as a problem that nobody can find."""
    lost = call("1", "arm", state="unknown")
    plan = polled([row("1", ag_member_id="AH-1")], [member("1", arm="")], [call("1"), lost])
    assert plan.tables[0].rows == (("waits", "1", "0"),)
    assert [each.reason for each in plan.skips] == ["nobody knows yet whether the arm took effect"]


def test_an_opt_out_that_was_denied_is_none() -> None:
    """A yes-no field that says no."""
    plan = polled([row("1", ag_opted_out="0", sms_opted_out="0")], [])
    assert ("1", "enrol", False) in made(plan)


def test_what_the_partner_owns_is_never_sent() -> None:
    """Its own word, copied into REDCap, does not go back to it."""
    plan = polled([row("1", ag_program_week="5", ag_completed_on="2026-11-20")], [])
    (enrol,) = (one for one in plan.actions if isinstance(one, PartnerCall) and one.call == "enrol")
    assert set(enrol.payload) == {"childName", "firstName", "language", "mobilePhone"}


def test_of_who_is_gone_nothing_is_read() -> None:
    """REDCap lists the deletion as a change; there is nobody to look at."""
    inputs = inputs_of(
        [row("1")], [], with_partner("1"), job=poll_participants,
        decided={"1": "with_partner"}, changed=["9"],
    )  # fmt: skip
    asked = poll_participants.reads(STUDY, inputs)
    assert [each for each in asked if isinstance(each, ReadRows)] == []


def test_a_problem_is_no_skip_and_a_call_is_none() -> None:
    """Each participant is counted once, under what matters most."""
    twice = polled([row("1")], [member("1"), member("1", 2)])
    assert (len(twice.problems), twice.skips) == (1, ())
    lost = call("1", "arm", state="unknown")
    changed = row("1", part_first_name="Finch", ag_member_id="AH-1")
    both = polled([changed], [member("1", arm="")], [call("1"), lost])
    assert (made(both), both.skips) == ([("1", "update", False)], ())


def test_an_update_of_who_lacks_a_required_field_stands() -> None:
    """The blank is not sent and erases nothing; the new phone is told all the same."""
    here = row("1", ag_member_id="AH-1", child_name="", part_first_name="Finch")
    [update] = polled([here], [], with_partner("1")).actions
    now = inputs_of([here], job=poll_participants, fresh=True)
    assert poll_participants.recheck(STUDY, update, now) == Stands()


def test_who_is_taken_over_stands_whatever_differs() -> None:
    """Nothing is sent by it: the member id alone is noted, and an update follows."""
    found = polled([row("1")], [member("1", firstName="Finch")])
    assert made(found) == [("1", "enrol", True), ("1", "update", False), ("1", "arm", True)]
    now = inputs_of([row("1", part_first_name="Robin")], job=poll_participants, fresh=True)
    stands = [poll_participants.recheck(STUDY, each, now) for each in found.actions]
    assert [isinstance(each, Stands) for each in stands] == [True, False, True]


def test_who_left_with_contradictory_rows_is_withdrawn_and_told() -> None:
    """What contradicts blocks all writing for the record, but not this."""
    rows = [row("1", **LEFT), row("1", event="baseline_arm_2")]
    plan = polled(rows, [], with_partner("1"))
    assert made(plan) == [("1", "withdraw", False)]
    assert told(plan) == [("1", "arm")]
    assert [each.blocks for each in plan.problems] == [False]
    still = polled([row("1"), row("1", event="baseline_arm_2")], [], with_partner("1"))
    assert [each.blocks for each in still.problems] == [True]


def test_what_was_given_back_unsent_is_tried_again_at_once() -> None:
    """A row without a reason of the partner's: a person said that it was never sent."""
    given_back = call("1", state="rejected", code="", member="")
    assert ("1", "enrol", False) in made(polled([row("1")], [], [given_back]))
    refused = call("1", state="rejected", code="422", member="")
    assert made(polled([row("1")], [], [refused])) == []


def test_who_was_enrolled_anew_can_leave_again() -> None:
    """The withdrawal before was that of another member."""
    journal = [*with_partner("1"), call("1", "withdraw"), call("1", member="AH-2")]
    plan = polled([row("1", **LEFT)], [], journal)
    assert [(one.call, one.member) for one in plan.actions if isinstance(one, PartnerCall)] == [
        ("withdraw", "AH-2")
    ]


def test_a_lost_state_takes_over_who_lacks_a_field_by_now() -> None:
    """The member is there, and REDCap knows its id."""
    here = row("1", ag_member_id="AH-1", child_name="")
    plan = polled([here], [member("1")])
    assert list(plan.decisions["decision"]) == ["adopt"]


def test_who_opts_out_once_a_member_stays_one() -> None:
    """The partner holds the opt-out; a changed phone is told still, and a lost state takes over."""
    values = {"ag_opted_out": "1", "part_first_name": "Finch"}
    plan = polled([row("1", **values)], [], with_partner("1"))
    assert list(plan.decisions["decision"]) == ["update"]
    lost = polled([row("1", **values, ag_member_id="AH-1")], [member("1", status="opted_out")])
    assert list(lost.decisions["decision"]) == ["adopt"]


def test_who_left_the_texts_alone_is_not_enrolled_and_not_withdrawn() -> None:
    """``scope = "texts"``: on study, so a member stays one; nobody is newly texted."""
    (off,) = STUDY.participants.off_study
    people = STUDY.participants.model_copy(
        update={"off_study": (off.model_copy(update={"scope": "texts"}),)}
    )
    study = STUDY.model_copy(update={"participants": people})
    rows = [row("1", **LEFT), row("2", **LEFT)]
    plan = polled(rows, [], with_partner("2"), study=study)
    assert made(plan) == []
    assert [(one.record, one.reason) for one in plan.skips] == [("1", "opted out of texts")]


def test_an_opt_out_moments_before_stops_the_enrolment() -> None:
    """Whether ticked by a person, or by a STOP to the study's own texts."""
    for name in ("ag_opted_out", "sms_opted_out"):
        (enrol, *_) = polled([row("1")], []).actions
        now = inputs_of([row("1", **{name: "1"})], job=poll_participants, fresh=True)
        assert poll_participants.recheck(STUDY, enrol, now) == Withhold("opted out of texts")


def test_who_takes_no_part_is_not_looked_at_by_each_run() -> None:
    """Their own data decide, and a change of these is seen; who has no arm yet is waited for."""
    rows = [row("1", consent___1="0"), row("2", rand_group="")]
    plan = polled(rows, [])
    assert list(plan.decisions["decision"]) == ["not_wanted", "waits"]
    again = polled(rows, [], decided={"1": "not_wanted", "2": "waits"}, changed=[])
    assert list(again.decisions["record"]) == ["2"]


def test_a_lost_state_withdraws_nobody_anew() -> None:
    """Who is withdrawn there already is taken over so: no call, and no cap is met."""
    plan = polled([row("1", ag_member_id="AH-1", **LEFT)], [member("1", status="withdrawn")])
    assert made(plan) == [("1", "enrol", True), ("1", "withdraw", True), ("1", "arm", True)]
    active = polled([row("1", ag_member_id="AH-1", **LEFT)], [member("1", arm="")])
    assert made(active) == [("1", "enrol", True)]


@pytest.mark.parametrize(
    ("call_made", "now", "stands"),
    [
        ("enrol", {}, True),
        ("enrol", {"part_first_name": "Finch"}, False),
        ("enrol", {"consent___1": "0"}, False),
        ("enrol", LEFT, False),
        ("enrol", {"part_mobile_number": ""}, False),
        ("arm", {}, True),
        ("arm", {"rand_group": ""}, False),
        ("arm", {"part_first_name": "Finch"}, True),
    ],
)
def test_moments_before_a_call_it_is_decided_again(
    call_made: str, now: dict[str, str], *, stands: bool
) -> None:
    """On fresh data: only just what was planned goes out."""
    action = next(
        each
        for each in polled([row("1")]).actions
        if isinstance(each, PartnerCall) and each.call == call_made
    )
    fresh = inputs_of([row("1", **now)], job=poll_participants, fresh=True)
    found = poll_participants.recheck(STUDY, action, fresh)
    assert isinstance(found, Stands if stands else Withhold)


def test_who_came_back_moments_before_is_not_withdrawn() -> None:
    """The tick was taken back."""
    here = row("1", ag_member_id="AH-1", **LEFT)
    [action] = polled([here], [], with_partner("1")).actions
    back = inputs_of([row("1", ag_member_id="AH-1")], job=poll_participants, fresh=True)
    assert isinstance(poll_participants.recheck(STUDY, action, back), Withhold)
    still = inputs_of([here], job=poll_participants, fresh=True)
    assert isinstance(poll_participants.recheck(STUDY, action, still), Stands)


def test_a_run_that_reaches_nobody_plans_nothing() -> None:
    """A development run without an address: a skip says why."""
    inputs = inputs_of([row("1")], job=poll_participants, partner_in_reach=False)
    plan = poll_participants.plan(STUDY, inputs, NOW)
    assert (plan.actions, len(plan.changes), len(plan.skips)) == ((), 0, 1)


@pytest.mark.parametrize(
    ("journal", "values", "held", "enrolled"),
    [
        (with_partner("9"), {}, ("1",), False),
        (with_partner("9"), {"part_first_name": "Finch"}, ("1",), True),
        (with_partner("9"), {}, ("1", "9"), True),
        ([*with_partner("9"), call("9", "withdraw")], {}, ("1",), True),
        ([call("9", partner="former")], {}, ("1",), True),
    ],
    ids=("gone", "other data", "not exported here", "withdrawn", "with a partner of before"),
)
def test_who_has_the_data_of_a_member_that_is_gone_becomes_no_second_one(
    journal: list[dict[str, str]], values: dict[str, str], held: tuple[str, ...], enrolled: bool
) -> None:
    """Renamed before its id stood in REDCap, or entered anew: a person says whose member it is."""
    plan = polled([row("1", **values)], [], journal, held=frozenset(held))
    assert bool(made(plan)) is enrolled
    assert told(plan) == ([] if enrolled else [("1", "member")])
    if not enrolled:
        (said,) = plan.problems
        assert "record 9" in said.what
        assert said.hint.endswith("rename-record STUDY 9 1")
