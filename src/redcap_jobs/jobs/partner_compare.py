"""The two-way comparison: only here, only there, differing, twice there; nothing is overwritten.

What differs in a field that REDCap owns is told, most urgent first: a wrong arm is the wrong
treatment, a wrong language a text that nobody reads, a missed opt-out a text to who wants none.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass

import pandas as pd

from redcap_jobs.jobs.partner_history import Known
from redcap_jobs.jobs.partner_people import NOT_RANDOMISED, Candidate
from redcap_jobs.partner.translate import same
from redcap_jobs.plan import Problem
from redcap_jobs.study.partner_config import Partner

Member = Mapping[str, str]
AGAIN_HINT = (
    "find out which is right; to send REDCap's again: redcap-jobs partner tell-again STUDY {} "
    "--reason ..."
)
BLANK_HINT = "find out which is right: enter it in REDCap, or have the partner erase it"
RENAMED = "if it was renamed: redcap-jobs messages rename-record STUDY OLD NEW"
ARM_HINT = (
    "find out which is right before the next text, and correct it there: nothing here pushes an arm "
    "that was assigned"
)

ARM_DIFFERS, OPT_OUT_DIFFERS, URGENT, WHO, OTHER = range(5)
"""How urgent a finding is; the lowest stands first."""


@dataclass(frozen=True)
class Found:
    """One discrepancy: how urgent, of which kind, and what to say of it."""

    urgency: int
    kind: str
    problem: Problem


def found(urgency: int, kind: str, record: str, where: str, what: str, hint: str) -> Found:
    """Put one discrepancy together."""
    return Found(urgency, kind, Problem(record, where, what, hint))


def pairs(people: Mapping[str, Candidate], known: Mapping[str, Known]) -> dict[str, str]:
    """Give the member id of each record that has one: the journal's, else REDCap's."""
    ids = {
        record: known.get(record, Known()).member or one.known_as for record, one in people.items()
    }
    return {record: member for record, member in ids.items() if member}


def only_here(ids: Mapping[str, str], members: Mapping[str, Member]) -> Iterator[Found]:
    """Tell of members that the partner does not list."""
    for record, member in ids.items():
        if member not in members:
            what = f"member {member} is not known to the partner any more"
            hint = "ask the partner what became of it"
            yield found(WHO, "only here", record, "member", what, hint)


def only_there(
    ids: Mapping[str, str],
    members: Mapping[str, Member],
    known: Mapping[str, Known],
    roster: Collection[str],
) -> Iterator[Found]:
    """Tell of members that belong to nobody here, but not of second ones of somebody.

    ``roster`` has every record, those among them that nothing can be said of (rows in two arms).
    """
    owned = set(ids.values())
    owned |= {one.member for record, one in known.items() if record in roster}
    gone = {one.member: record for record, one in known.items() if record not in roster}
    for member, one in members.items():
        study_id = one["study_id"]
        own = ids.get(study_id, "")
        if member in owned or members.get(own, {}).get("study_id") == study_id:
            continue
        if own:
            what = f"counts as member {own} here, and is member {member} with the partner"
            hint = "ask the partner which is right, and have it correct the study id or remove one"
            yield found(WHO, "only there", study_id, "member", what, hint)
        elif member in gone:
            what = f"was enrolled as member {member} and is no record any more"
            hint = f"{RENAMED}; else have the partner stop its texts"
            yield found(WHO, "only there", gone[member], "member", what, hint)
        elif study_id in roster:
            what = f"is member {member} with the partner, and nobody here enrolled it"
            hint = "poll-participants takes it over where the participant is to be enrolled"
            yield found(WHO, "only there", study_id, "member", what, hint)
        else:
            what = f"member {member} has a study id that is no record here"
            yield found(WHO, "only there", "-", "member", what, "have the partner correct it")


def twice_there(members: Mapping[str, Member], ids: Mapping[str, str]) -> Iterator[Found]:
    """Tell of participants with several members: each may be texted for itself."""
    by_study_id: dict[str, list[str]] = {}
    for member, one in members.items():
        by_study_id.setdefault(one["study_id"], []).append(member)
    for study_id, several in by_study_id.items():
        if study_id and len(several) > 1:
            own = ids.get(study_id, "")
            what = f"has {len(several)} members with the partner: {', '.join(sorted(several))}"
            hint = f"have the partner remove all but {own}" if own else "have it keep one"
            yield found(WHO, "twice there", study_id, "member", what, hint)


def arm_differs(one: Candidate, member: Member, partner: Partner) -> Iterator[Found]:
    """Tell of another arm at the partner, or of none."""
    there = member[partner.arm.partner] if partner.arm else ""
    is_known = one.arm != "" or one.no == NOT_RANDOMISED
    if partner.arm is None or not is_known or there == one.arm:
        return
    what = "differs at the partner"
    if not there or not one.arm:
        what = "the partner has no arm for this participant" if not there else "REDCap has none"
    yield found(ARM_DIFFERS, "arm", one.record, "arm", what, ARM_HINT)


def study_id_differs(one: Candidate, member: Member) -> Iterator[Found]:
    """Tell of a member that stands under another study id."""
    if member["study_id"] != one.record:
        what = f"member {member['member']} has another study id with the partner"
        hint = f"have the partner correct it; {RENAMED}"
        yield found(WHO, "study id", one.record, "member", what, hint)


def fields_differ(one: Candidate, member: Member, partner: Partner, region: str) -> Iterator[Found]:
    """Tell where one participant and their member differ in what REDCap owns."""
    untranslated = {where.partition(" ")[0] for where, _ in one.wrong}
    for each in partner.sent:
        here, there = one.payload.get(each.partner, ""), member[each.partner]
        if each.partner in untranslated:
            continue
        if not same(each, here, there, region):
            what = "differs at the partner"
            if not here or not there:
                what = f"is blank {'in REDCap' if not here else 'at the partner'} only"
            urgency = URGENT if each.urgent else OTHER
            hint = AGAIN_HINT.format(one.record) if here else BLANK_HINT
            yield found(urgency, each.partner, one.record, each.partner, what, hint)


def only_in_redcap(record: str, member: Member, copies: Mapping[str, pd.Series]) -> Iterator[Found]:
    """Tell where the partner has lost what it owns; its blank erases nothing here."""
    for name, held in copies.items():
        if held[record] and not member[name]:
            what = "is blank at the partner, which owns it, and not in REDCap"
            yield found(OTHER, name, record, name, what, "ask the partner what became of it")


def status_differs(
    one: Candidate, member: Member, known: Known, partner: Partner, ticked: str
) -> Iterator[Found]:
    """Tell where one side counts somebody out and the other does not."""
    status = member["status"]
    out = status in partner.opted_out
    if ticked == "1" and not out and status != partner.withdrawn:
        what = "opted out in REDCap, but not with the partner"
        hint = "have the partner stop its texts"
        yield found(OPT_OUT_DIFFERS, "opt-out", one.record, "opt-out", what, hint)
    if known.withdrawn and status != partner.withdrawn and not out:
        what = "was withdrawn, but the partner has another status"
        hint = "have the partner stop its texts"
        yield found(OPT_OUT_DIFFERS, "withdrawn", one.record, "status", what, hint)
    if status == partner.withdrawn and not one.has_left and not known.withdrawn:
        what = "was withdrawn by the partner, and is on study here"
        hint = "record it as off study, or have the partner take the member back"
        yield found(URGENT, "withdrawn", one.record, "status", what, hint)
    if status and partner.statuses and status not in partner.statuses:
        what = "the partner has a status that partner.statuses does not name"
        yield found(OTHER, "status", one.record, "status", what, "add it to the study file")


def unseen_opt_outs(
    unsure: Mapping[str, str],
    members: Mapping[str, Member],
    partner: Partner,
    ticked: Collection[str],
) -> Iterator[Found]:
    """Tell of opt-outs that cannot be written while a record's arm contradicts itself.

    ``unsure`` has the member ids of such records; ``ticked`` those that hold the opt-out anyhow.
    """
    for record, member in unsure.items():
        status = members.get(member, {}).get("status", "")
        if status in partner.opted_out and record not in ticked:
            what = (
                "opted out with the partner; not written while the record's arm contradicts itself"
            )
            hint = "tick the opt-out in REDCap, and correct the arm"
            yield found(OPT_OUT_DIFFERS, "opt-out", record, "opt-out", what, hint)


def in_order(several: Sequence[Found]) -> list[Problem]:
    """Give the problems, the most urgent first, by record within the same urgency."""
    return [each.problem for each in sorted(several, key=lambda f: (f.urgency, f.problem.record))]
