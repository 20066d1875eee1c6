"""What is decided about one participant: enrol, take over, update, withdraw, or leave to a person."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

from redcap_jobs.jobs.participants import NOT_TAKING_PART
from redcap_jobs.jobs.partner_history import (
    ARM,
    ENROL,
    LOOKED_UP,
    UPDATE,
    WITHDRAW,
    Known,
    arm_hash,
    payload_hash,
)
from redcap_jobs.jobs.partner_people import OFF_STUDY, OPTED_OUT, Candidate, partner_of
from redcap_jobs.jobs.partner_rows import unknown_words
from redcap_jobs.partner.translate import same
from redcap_jobs.plan import Inputs, PartnerCall, Problem
from redcap_jobs.study.config import Study

WHOSE_MEMBER = (
    "if the record was renamed: redcap-jobs messages rename-record STUDY OLD NEW; else ask the "
    "partner whose it is, and erase it only where there is no such member, or a second one is made"
)
PASSING = frozenset({"429", "401", "403", "no connection", "not done", LOOKED_UP})
"""Codes that say nothing about the data: what they stopped is tried again."""
NOT_WANTED = frozenset({OFF_STUDY, NOT_TAKING_PART})
"""Why somebody is not to be enrolled until their own data change, or the calendar: not each run."""
AGAIN_AFTER = timedelta(days=1)
"""So long what the partner refused is left alone; then it may have mended its side."""

Member = Mapping[str, str]


@dataclass
class Judgement:
    """What was decided about one participant, with the calls, problems and cells it leads to."""

    decision: str
    reason: str = ""
    calls: list[PartnerCall] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    error: str = ""


def judge(
    study: Study,
    inputs: Inputs,
    one: Candidate,
    known: Known,
    members: Mapping[str, Sequence[Member]],
    confirmed: Mapping[str, str],
    gone: Mapping[str, str],
) -> Judgement:
    """Decide about one participant; ``gone`` are the members that were left behind."""
    if ENROL in known.open:
        what = "nobody knows yet whether the enrolment took effect"
        return Judgement("waits", what, error=unknown_words(ENROL))
    if known.member:
        return judge_member(study, inputs, one, known, members.get(one.record, []), confirmed)
    if one.no and not one.known_as:
        return Judgement("not_wanted" if one.no in NOT_WANTED else "waits", one.no)
    if one.opted_out and not one.known_as:
        return Judgement("waits", OPTED_OUT)
    if one.wrong:
        return Judgement("problem", problems=one.problems)
    if one.lacking and not one.known_as:
        return Judgement("waits", f"incomplete: {', '.join(one.lacking)} is blank")
    there = members.get(one.record, [])
    if len(there) > 1:
        what = f"the partner has {len(there)} members with this study id"
        hint = "have the partner remove all but one; nothing is sent for this participant"
        return problem(one, "member", what, hint)
    if one.known_as and [member["member"] for member in there] != [one.known_as]:
        what = "REDCap holds a member id that the partner does not have under this study id"
        return problem(one, "member", what, WHOSE_MEMBER)
    if there:
        return adopted(study, inputs, one, known, there[0])
    before = gone.get(payload_hash(inputs, one.payload))
    return second_member(one, before) if before else enrolled(inputs, one, known)


def problem(one: Candidate, where: str, what: str, hint: str) -> Judgement:
    """Leave a participant to a person."""
    return Judgement("problem", what, problems=[Problem(one.record, where, what, hint)])


def left_behind(inputs: Inputs, known: Mapping[str, Known]) -> dict[str, str]:
    """Name the members whose records are gone: the hash of what the partner was told → record."""
    return {
        each.told: record
        for record, each in known.items()
        if each.member and each.told and not each.withdrawn and record not in inputs.held
    }


def second_member(one: Candidate, gone: str) -> Judgement:
    """Leave to a person who has all the data of a member whose record is gone.

    It was renamed before its member id stood in REDCap, or deleted and entered anew: under its new
    name the partner knows nobody, and would make a second member.
    """
    what = f"has the same data as record {gone}, which is with the partner and is gone from REDCap"
    hint = (
        f"it keeps that member with: redcap-jobs messages rename-record STUDY {gone} {one.record}"
    )
    return problem(one, "member", what, hint)


def enrolled(inputs: Inputs, one: Candidate, known: Known) -> Judgement:
    """Enrol a new participant, and assign the arm."""
    refused = refusal(inputs, one, known, ENROL, one.payload)
    if refused:
        return refused
    calls = [call_of(inputs, one, known, ENROL, one.payload)]
    if one.arm:
        calls.append(call_of(inputs, one, known, ARM, {ARM: one.arm}))
    return Judgement("enrol", calls=calls)


def adopted(
    study: Study, inputs: Inputs, one: Candidate, known: Known, member: Mapping[str, str]
) -> Judgement:
    """Take over a member that is there already; what differs is updated, but never the arm."""
    partner, region = partner_of(study), study.study.region
    sent = {each.partner: each for each in partner.sent}
    agree = all(
        same(sent[name], value, member.get(name, ""), region) for name, value in one.payload.items()
    )
    take = call_of(inputs, one, known, ENROL, one.payload if agree else {})
    judged = Judgement("adopt", calls=[replace(take, member=member["member"], adopts=True)])
    if not agree and not one.no:
        judged.calls.append(call_of(inputs, one, known, UPDATE, one.payload))
    if one.has_left and member["status"] == partner.withdrawn:
        left = call_of(inputs, one, known, WITHDRAW, {})
        judged.calls.append(replace(left, member=member["member"], adopts=True))
    there = member.get(partner.arm.partner, "") if partner.arm else ""
    if one.arm and there == one.arm:
        arm = call_of(inputs, one, known, ARM, {ARM: one.arm})
        judged.calls.append(replace(arm, member=member["member"], adopts=True))
    elif one.arm and not there and not one.no:
        judged.calls.append(call_of(inputs, one, known, ARM, {ARM: one.arm}))
    elif one.arm and there:
        judged.problems.append(arm_problem(one, "the partner has this participant in another arm"))
    return judged


def judge_member(
    study: Study,
    inputs: Inputs,
    one: Candidate,
    known: Known,
    there: Sequence[Member],
    confirmed: Mapping[str, str],
) -> Judgement:
    """Decide about a participant who is with the partner; ``there`` is what was looked up."""
    if one.has_left:
        if known.withdrawn:
            return Judgement("withdrawn", "withdrawn with the partner, too")
        refused = refusal(inputs, one, known, WITHDRAW, {})
        return refused or Judgement("withdraw", calls=[call_of(inputs, one, known, WITHDRAW, {})])
    if known.withdrawn:
        what = "takes part again, but was withdrawn with the partner"
        return problem(one, "off study", what, "have the partner take the member back")
    if one.no:
        what = f"is with the partner, but is not to be any more ({one.no})"
        return problem(one, "enrolment", what, "record it as off study, or correct the data")
    if one.wrong:
        return Judgement("problem", problems=one.problems)
    judged = Judgement("with_partner")
    if payload_hash(inputs, one.payload) != known.told:
        refused = refusal(inputs, one, known, UPDATE, one.payload)
        if refused:
            return refused
        judged = Judgement("update", calls=[call_of(inputs, one, known, UPDATE, one.payload)])
    if one.known_as not in ("", known.member):
        what = "REDCap holds another member id than the one that was enrolled"
        hint = f"it is member {known.member}; correct it, or erase it and the next run writes it"
        judged.decision = "problem"
        judged.problems.append(Problem(one.record, "member", what, hint))
    add_arm(study, inputs, one, known, there, confirmed, judged)
    return judged


def add_arm(
    study: Study,
    inputs: Inputs,
    one: Candidate,
    known: Known,
    there: Sequence[Member],
    confirmed: Mapping[str, str],
    judged: Judgement,
) -> None:
    """Assign the arm where the partner has none; a switch only once a person has confirmed it.

    Where the journal cannot tell which arm the partner has, what was looked up does.
    """
    wanted, arm = arm_hash(inputs, one.arm), partner_of(study).arm
    if not wanted or arm is None or (wanted == known.arm and known.arm_is_known):
        return
    refused = refusal(inputs, one, known, ARM, {ARM: one.arm})
    if refused:
        judged.decision = "problem" if judged.problems else refused.decision
        judged.reason = refused.reason
        judged.problems += refused.problems
        judged.error = refused.error
        return
    call, why = call_of(inputs, one, known, ARM, {ARM: one.arm}), ""
    if known.arm_is_known:
        why = "the arm in REDCap changed after it was assigned"
    else:
        found = [each for each in there if each["member"] == known.member]
        has = found[0].get(arm.partner, "") if found else ""
        if not found:
            judged.decision = "problem"
            what = f"the partner does not have member {known.member} under this study id"
            judged.problems.append(Problem(one.record, "member", what, WHOSE_MEMBER))
            return
        if has == one.arm:
            call = replace(call, adopts=True)
        elif has:
            why = "the partner has this participant in another arm"
        elif known.arm not in ("", wanted):
            why = "the arm in REDCap changed after it was assigned"
    if why and confirmed.get(one.record) != wanted:
        judged.decision = "problem"
        judged.problems.append(arm_problem(one, why))
        return
    judged.decision = "problem" if judged.problems else "arm"
    judged.calls.append(call)


def arm_problem(one: Candidate, what: str) -> Problem:
    """Tell of an arm that a person must look at: a wrong one is the wrong treatment."""
    hint = (
        "find out which is right; to push REDCap's: redcap-jobs partner confirm-arm STUDY "
        f"{one.record} --arm ARM --reason ..."
    )
    return Problem(one.record, "arm", f"{what}; nothing was pushed", hint)


def refusal(
    inputs: Inputs, one: Candidate, known: Known, call: str, payload: Mapping[str, str]
) -> Judgement | None:
    """Leave alone what the partner refused in the very same words; None to go on."""
    if call in known.open:
        what = f"nobody knows yet whether the {call} took effect"
        return Judgement("waits", what, error=unknown_words(call))
    refused, code, at = known.refused.get(call, ("", "", ""))
    if code in PASSING or refused != payload_hash(inputs, payload) or is_long_ago(inputs, at):
        return None
    what = f"the partner refused it ({code})"
    hint = "correct the data in REDCap, or ask the partner; it is tried again once a day"
    judged = problem(one, call, what, hint)
    judged.error = f"{call}: refused by the partner ({code})"
    return judged


def is_long_ago(inputs: Inputs, at: str) -> bool:
    """Tell whether what was refused at an instant (UTC, as the state writes it) is due again."""
    then = datetime.fromisoformat(at).replace(tzinfo=UTC)
    return inputs.as_of is not None and inputs.as_of - then >= AGAIN_AFTER


def call_of(
    inputs: Inputs, one: Candidate, known: Known, call: str, payload: Mapping[str, str]
) -> PartnerCall:
    """Give one call to the partner."""
    key, occurrence = known.key(inputs, call, one.record)
    return PartnerCall(
        key=key,
        record=one.record,
        kind="partner",
        call=call,
        payload=payload,
        member=known.member,
        occurrence=occurrence,
    )
