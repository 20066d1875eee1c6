"""``/sandbox/partner/…``: the partner's staff at work, its clock, what was accepted.

``?copy=development`` at the end of an address means the members that the development token opens.
What shows members' data needs the account's credentials: others on this machine reach the port as
well.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from flask import Blueprint, Response, jsonify, request
from werkzeug.exceptions import NotFound

from redcap_jobs.errors import UsageError
from redcap_jobs.sandbox.api import Api
from redcap_jobs.sandbox.control_json import checked, posted_json
from redcap_jobs.sandbox.partner_calls import PartnerCalls
from redcap_jobs.sandbox.partner_members import Members
from redcap_jobs.sandbox.partner_planted import plant_discrepancies

EXAMPLES: Mapping[str, str] = {
    "members": '{"member": "AH-100001", "change": {"language": "es"}}',
    "remove": '{"member": "AH-100001"}',
    "plant": '{"seed": 1}',
}
"""Last part of an address → a body that it takes; that of ``clock`` is as for the texts."""
KEYS: Mapping[str, Mapping[str, type]] = {
    "members": {"member": str, "change": dict},
    "remove": {"member": str},
    "plant": {"seed": int},
    "clock": {"advance_seconds": float},
}
CLOCK = '{"advance_seconds": 3600}'


def add_partner_routes(control: Blueprint, api: Api) -> None:
    """Add ``/partner``; each address says 404 where no partner is served."""
    add_staff_routes(control, api)
    add_record_routes(control, api)


def add_staff_routes(control: Blueprint, api: Api) -> None:
    """Add what changes members, and how many there are."""

    @control.get("/partner")
    def partner_counts() -> Response:
        """Return how many members the partner has by status."""
        return jsonify(members_of(api).counts())

    @control.get("/partner/members")
    def partner_members() -> Response:
        """Return every member as it is (needs the credentials)."""
        return jsonify(private(api).all())

    @control.post("/partner/members")
    def edit_member() -> Response:
        """Change a member as the partner's own staff may, without any check of the values."""
        members, given = members_of(api), body_of("members")
        member = member_of(members, given)
        members.set(member, plain(given.get("change", {})))
        return jsonify(members.counts())

    @control.post("/partner/remove")
    def remove_member() -> Response:
        """Delete a member."""
        members, given = members_of(api), body_of("remove")
        members.remove(member_of(members, given)["memberId"])
        return jsonify(members.counts())

    @control.post("/partner/plant")
    def plant() -> Response:
        """Spoil some members, each in a way of its own, and return what was done."""
        found = plant_discrepancies(members_of(api), body_of("plant").get("seed", 1))
        return jsonify([one.as_json() for one in found])

    @control.post("/partner/clock")
    def advance_partner() -> Response:
        """Let time go by for the members at once, in both copies."""
        calls, given = calls_of(api), body_of("clock")
        for members in filter(None, (calls.members, calls.development)):
            members.advance(given.get("advance_seconds", 0.0))
        return jsonify(members_of(api).counts())


def add_record_routes(control: Blueprint, api: Api) -> None:
    """Add what was accepted and what was asked."""

    @control.get("/partner/accepted")
    def accepted_writes() -> Response:
        """Return every write that took effect, answered or not: ids, no values."""
        return jsonify([one.as_json() for one in members_of(api).accepted()])

    @control.delete("/partner/accepted")
    def forget_accepted_writes() -> Response:
        """Empty that list; the members stay."""
        members_of(api).forget_accepted()
        return jsonify([])

    @control.get("/partner/requests")
    def partner_requests() -> Response:
        """Return the requests to the partner so far, no values."""
        return jsonify([one.as_json() for one in calls_of(api).entries()])

    @control.delete("/partner/requests")
    def forget_partner_requests() -> Response:
        """Forget them."""
        calls_of(api).clear()
        return jsonify([])


def calls_of(api: Api) -> PartnerCalls:
    """Return the partner part; NotFound if there is none."""
    if api.partner is None:
        raise NotFound("this sandbox serves no partner")
    return api.partner


def members_of(api: Api) -> Members:
    """Return the members that an address means.

    Raises:
        NotFound: No partner is served, or no development copy of it.
        UsageError: There is no such copy.

    """
    calls, copy = calls_of(api), request.args.get("copy", "production")
    if copy not in ("production", "development"):
        raise UsageError(f"no copy {copy!r}; there are production and development")
    if copy == "production":
        return calls.members
    if calls.development is None:
        raise NotFound("this sandbox's partner has no development copy")
    return calls.development


def private(api: Api) -> Members:
    """Return the members to whoever could read them anyhow.

    Raises:
        UsageError: The token that opens them was not sent along.

    """
    members = members_of(api)
    if calls_of(api).let_in(request.authorization) is not members:
        raise UsageError("this shows names and phones: send the partner's token along")
    return members


def body_of(name: str) -> dict[str, Any]:
    """Return the body of a POST; UsageError if it is none that fits."""
    return checked(posted_json(), KEYS[name], EXAMPLES.get(name, CLOCK))


def member_of(members: Members, given: Mapping[str, Any]) -> dict[str, Any]:
    """Return the member that a body names; UsageError if there is none."""
    member = members.known(given.get("member", ""))
    if member is None:
        raise UsageError("there is no such member; GET /sandbox/partner/members lists them")
    return member


def plain(change: Mapping[str, Any]) -> Mapping[str, Any]:
    """Let pass what a field can hold: a text, a whole number, null.

    Raises:
        UsageError: A value is something else.

    """
    for name, value in change.items():
        if isinstance(value, bool) or not isinstance(value, str | int | None):
            raise UsageError(f"{name} must be a text, a whole number or null")
    return change
