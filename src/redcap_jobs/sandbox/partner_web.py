"""The partner's addresses: enrolment, status look-up, member update, arm assignment."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import urlencode

from flask import Blueprint, Response, request

from redcap_jobs.sandbox.faults import FaultRule
from redcap_jobs.sandbox.partner_account import LONGEST_PAGE
from redcap_jobs.sandbox.partner_calls import Answer, PartnerCalls, Work
from redcap_jobs.sandbox.partner_faults import LATER_PAGE, LIST
from redcap_jobs.sandbox.partner_fields import PartnerRefusal
from redcap_jobs.sandbox.partner_members import Members

PREFIX = "/v1/members"
PAGE_SIZE = 100


METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")


def partner_blueprint(calls: PartnerCalls) -> Blueprint:
    """Return the routes of the partner's interface."""
    pages = Blueprint("partner", __name__)
    add_write_routes(pages, calls)
    add_read_routes(pages, calls)
    add_refusing_routes(pages, calls)
    return pages


def add_write_routes(pages: Blueprint, calls: PartnerCalls) -> None:
    """Add enrolment, member update and arm assignment."""

    @pages.post(PREFIX)
    def enrol() -> Response:
        def do(members: Members, given: Mapping[str, Any], fault: str) -> Answer:
            made = members.enrol(given, fault)
            if fault == "partner-double":
                members.enrol(given, fault)
            return Answer(made, 201)

        return calls.answer("enrol", written_by(do))

    @pages.put(f"{PREFIX}/<member_id>")
    def update(member_id: str) -> Response:
        def do(members: Members, given: Mapping[str, Any], fault: str) -> Answer:
            return Answer(members.update(member_id, given, fault))

        return calls.answer("update", written_by(do))

    @pages.put(f"{PREFIX}/<member_id>/arm")
    def assign(member_id: str) -> Response:
        def do(members: Members, given: Mapping[str, Any], fault: str) -> Answer:
            return Answer(members.assign(member_id, given, fault))

        return calls.answer("arm", written_by(do))


def add_read_routes(pages: Blueprint, calls: PartnerCalls) -> None:
    """Add the status look-up of one and of many."""

    @pages.get(PREFIX)
    def list_members() -> Response:
        query = request.args.to_dict()
        action = LIST if query.get("page", "1") == "1" else LATER_PAGE
        return calls.answer(action, lambda members, fault: listed(members, query, name_of(fault)))

    @pages.get(f"{PREFIX}/<member_id>")
    def fetch(member_id: str) -> Response:
        return calls.answer("fetch", lambda members, _: Answer(dict(members.found(member_id))))


def add_refusing_routes(pages: Blueprint, calls: PartnerCalls) -> None:
    """Add the refusals of other methods (405) and of other addresses (404)."""

    def no_such_method(**_: str) -> Response:
        def work(_: Members, __: FaultRule | None) -> Answer:
            raise PartnerRefusal(405, "method_not_allowed", f"no {request.method} here")

        return calls.answer("other", work)

    def no_such_address(**_: str) -> Response:
        def work(_: Members, __: FaultRule | None) -> Answer:
            raise PartnerRefusal(404, "not_found", "there is no such address")

        return calls.answer("other", work)

    taken = {"": ("GET", "POST"), "/<member_id>": ("GET", "PUT"), "/<member_id>/arm": ("PUT",)}
    for path, known in taken.items():
        others = [method for method in METHODS if method not in known]
        pages.add_url_rule(f"{PREFIX}{path}", view_func=no_such_method, methods=others)
    pages.add_url_rule(f"{PREFIX}/<path:rest>", view_func=no_such_address, methods=[*METHODS])


def written_by(do: Callable[[Members, Mapping[str, Any], str], Answer]) -> Work:
    """Return the work of a request that writes: what was posted is read now, taken later."""
    given, wrong = posted()

    def work(members: Members, fault: FaultRule | None) -> Answer:
        if wrong is not None:
            raise wrong
        return do(members, given, name_of(fault))

    return work


def posted() -> tuple[Mapping[str, Any], PartnerRefusal | None]:
    """Return the JSON object of a request, or why it is none."""
    if not request.is_json:
        return {}, PartnerRefusal(415, "unsupported_media_type", "send application/json")
    body = request.get_json(silent=True)
    if not isinstance(body, dict):
        return {}, PartnerRefusal(400, "bad_json", "send a JSON object")
    return body, None


def name_of(fault: FaultRule | None) -> str:
    """Return a fault's name, '' for none."""
    return fault.name if fault else ""


def listed(members: Members, query: Mapping[str, str], fault: str) -> Answer:
    """Return one page, newest first; by offset, so that pages move where members come."""
    page, size = number(query, "page", 1), min(number(query, "pageSize", PAGE_SIZE), LONGEST_PAGE)
    study_id = query.get("studyId")
    every = [] if fault == "partner-empty-list" else members.all(study_id)
    if fault == "partner-shift":
        every = [*every[:1], *every]  # as if one more stood before those already read
    part = every[(page - 1) * size : page * size]
    following: dict[str, object] = {"page": page + 1, "pageSize": size}
    following |= {} if study_id is None else {"studyId": study_id}
    more = page * size < len(every)
    body = {
        "members": part,
        "page": page,
        "pageSize": size,
        "total": len(every),
        "next": f"{PREFIX}?{urlencode(following)}" if more else None,
    }
    return Answer(body)


def number(query: Mapping[str, str], name: str, otherwise: int) -> int:
    """Return a parameter as a whole number from 1. Raises PartnerRefusal for anything else."""
    text = query.get(name, str(otherwise))
    if not re.fullmatch("[1-9][0-9]{0,8}", text):
        raise PartnerRefusal(400, "bad_parameter", "must be a whole number from 1", name)
    return int(text)
