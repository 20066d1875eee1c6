"""Guards for what is told to the partner at once, and for plans made from its list of members."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from redcap_jobs.errors import GuardRefused
from redcap_jobs.plan import Inputs, PartnerCall, Plan, ReadMembers, ReadPartnerCalls

if TYPE_CHECKING:
    import pandas as pd

    from redcap_jobs.guards import GuardContext


def members_read(inputs: Inputs) -> dict[str, int]:
    """Count the members that the partner listed; {} where the whole list was not asked for."""
    members = inputs.tables.get(ReadMembers())
    return {} if members is None else {"members_read": len(members)}


def few_at_once(plan: Plan, context: GuardContext) -> Plan:
    """Refuse to withdraw or update many at once: a condition mistyped, a column imported wrongly.

    The limits are ``[partner] withdrawals_per_run`` and ``updates_per_run``; a first run enrols
    everybody, so enrolments have no such limit.
    """
    partner = context.study.partner
    if partner is None:
        return plan
    told = Counter(
        action.call
        for action in plan.actions
        if isinstance(action, PartnerCall) and not action.adopts
    )
    for call, name, limit, what in (
        ("withdraw", "withdrawals", partner.withdrawals_per_run, "members would be withdrawn"),
        ("update", "updates", partner.updates_per_run, "members would be updated"),
    ):
        most = int(context.allow.get(name, limit))
        if told[call] > most:
            raise GuardRefused(
                name,
                f"{told[call]} {what}, the limit for a run is {most}; the partner was told nothing. "
                f"If so many are right, to allow it once: --allow {name}={told[call]}",
            )
    return plan


def members_are_whole(plan: Plan, context: GuardContext) -> Plan:
    """Refuse a list of members that is suddenly empty, or far shorter than the last good one.

    A partner with whom nobody was enrolled yet has no last one: that was of the partner before.
    """
    count = members_read(context.inputs).get("members_read")
    if count is None:
        return plan
    calls = context.inputs.tables[ReadPartnerCalls()]
    made = enrolments(calls)
    enrolled = int(made["partner"].eq(context.inputs.partner).sum())
    is_new = enrolled == 0 and not made.empty
    before = 0 if is_new else max(context.before.get("members_read", 0), enrolled)
    if count < before * context.study.limits.shrink_to and (
        str(count) != context.allow.get("members")
    ):
        raise GuardRefused(
            "members",
            f"the partner lists {count} members, before there were {before}; nothing was written. "
            f"If the others were really removed: --allow members={count}",
        )
    return plan


def enrolments(calls: pd.DataFrame) -> pd.DataFrame:
    """Return the rows of a partner-calls frame that made a member."""
    return calls[(calls["call"] == "enrol") & (calls["state"] == "sent")]


def one_partner(plan: Plan, context: GuardContext) -> Plan:
    """Refuse to begin with another partner while members are with the one of before.

    Both would text them: somebody must have ended the former, or the name is mistyped.
    """
    calls = context.inputs.tables.get(ReadPartnerCalls())
    if calls is None or not any(isinstance(each, PartnerCall) for each in plan.actions):
        return plan
    made, now = enrolments(calls), context.inputs.partner
    former = made[made["partner"] != now]
    if former.empty or len(former) < len(made) or context.allow.get("partner") == now:
        return plan
    names = " and ".join(sorted(set(former["partner"])))
    raise GuardRefused(
        "partner",
        f"{former['record'].nunique()} participants are members with {names} and nobody is with {now} "
        f"yet: they would be enrolled anew, and texted by both. Once they are ended with {names}: "
        f'--allow partner={now}; if it is the same partner still: [partner] name = "{names}"',
    )
