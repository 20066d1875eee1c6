"""Guards for plans made from the partner's list of members."""

from __future__ import annotations

from typing import TYPE_CHECKING

from redcap_jobs.errors import GuardRefused
from redcap_jobs.plan import Inputs, Plan, ReadMembers, ReadPartnerCalls

if TYPE_CHECKING:
    from redcap_jobs.guards import GuardContext


def members_read(inputs: Inputs) -> dict[str, int]:
    """Count the members that the partner listed; {} where the whole list was not asked for."""
    members = inputs.tables.get(ReadMembers())
    return {} if members is None else {"members_read": len(members)}


def members_are_whole(plan: Plan, context: GuardContext) -> Plan:
    """Refuse a list of members that is suddenly empty, or far shorter than the last good one."""
    count = members_read(context.inputs).get("members_read")
    if count is None:
        return plan
    calls = context.inputs.tables[ReadPartnerCalls()]
    enrolled = int(((calls["call"] == "enrol") & (calls["state"] == "sent")).sum())
    before = max(context.before.get("members_read", 0), enrolled)
    if count < before * context.study.limits.shrink_to and (
        str(count) != context.allow.get("members")
    ):
        raise GuardRefused(
            "members",
            f"the partner lists {count} members, before there were {before}; nothing was written. "
            f"If the others were really removed: --allow members={count}",
        )
    return plan
