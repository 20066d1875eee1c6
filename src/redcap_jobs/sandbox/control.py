"""The sandbox's own addresses, ``/sandbox/…``: requests, faults, bans, behaviour, projects, state.

They show no values and no names, and are answered on a loopback address only. Changes need a JSON
body, which no web page can send here without being asked first.
"""

from __future__ import annotations

from dataclasses import asdict, fields, replace
from shlex import quote
from urllib.parse import urlsplit

from flask import Blueprint, Response, current_app, jsonify, request
from werkzeug.exceptions import HTTPException, NotFound

from redcap_jobs.errors import UsageError
from redcap_jobs.sandbox import control_locks, control_users
from redcap_jobs.sandbox.api import Api
from redcap_jobs.sandbox.behaviour import MEANINGS, Behaviour
from redcap_jobs.sandbox.control_json import checked, posted_json
from redcap_jobs.sandbox.control_locks import add_lock_routes
from redcap_jobs.sandbox.control_users import add_user_routes
from redcap_jobs.sandbox.fault_options import refuse_what_hits_nothing
from redcap_jobs.sandbox.faults import FAULTS, FaultRule
from redcap_jobs.sandbox.partner_control import EXAMPLES as PARTNER_EXAMPLES
from redcap_jobs.sandbox.partner_control import add_partner_routes
from redcap_jobs.sandbox.twilio_control import EXAMPLES, add_twilio_routes

FAULT_KEYS = {"name": str, "rate": float, "times": int, "content": str, "action": str}
FAULT_KEYS |= {"after": bool, "seconds": float, "requests": int}
BEHAVIOUR_KEYS = {one.name: bool for one in fields(Behaviour)}

EXAMPLE_OF = {
    "faults": '{"name": "504", "times": 3}',
    "behaviour": '{"strict_arrays": true}',
    "locks": control_locks.EXAMPLE,
    "users": control_users.EXAMPLE,
    **EXAMPLES,
    **PARTNER_EXAMPLES,
}
"""Last part of an address → a body that it takes."""


def control_blueprint(api: Api) -> Blueprint:
    """Return the routes under ``/sandbox``; the first line of each says in the index what it does."""
    control = Blueprint("sandbox", __name__, url_prefix="/sandbox")
    add_request_routes(control, api)
    add_fault_routes(control, api)
    add_lock_routes(control, api)
    add_user_routes(control, api)
    add_twilio_routes(control, api)
    add_partner_routes(control, api)

    @control.get("/")
    def index() -> Response:
        """Return what there is under this address."""
        found = {
            f"{method} {rule.rule}": (
                current_app.view_functions[rule.endpoint].__doc__ or ""
            ).strip()
            for rule in current_app.url_map.iter_rules()
            for method in sorted((rule.methods or set()) & {"GET", "POST", "DELETE"})
            if rule.endpoint.startswith("sandbox.")
        }
        return jsonify({"addresses": found, "bodies of POST": EXAMPLE_OF})

    @control.get("/behaviour")
    def behaviour() -> Response:
        """Return the switches for what recorded servers do differently."""
        return jsonify({"on": asdict(api.behaviour), "known": dict(MEANINGS)})

    @control.post("/behaviour")
    def behave() -> Response:
        """Turn those switches that are named."""
        given = checked(posted_json(), BEHAVIOUR_KEYS, EXAMPLE_OF["behaviour"])
        api.behaviour = replace(api.behaviour, **given)
        return jsonify(asdict(api.behaviour))

    @control.errorhandler(UsageError)
    def mistaken(error: UsageError) -> tuple[Response, int]:
        return jsonify({"error": str(error), "example": example(request.url)}), 400

    @control.errorhandler(NotFound)
    @control.errorhandler(HTTPException)
    def no_such_address(error: HTTPException) -> tuple[Response, int]:
        index = f"{request.host_url}sandbox/"
        code = error.code or 500
        return jsonify({"error": str(error.description), "what there is": index}), code

    @control.route("/<path:rest>", methods=["GET", "POST", "DELETE", "PUT", "PATCH"])
    def elsewhere(rest: str) -> tuple[Response, int]:
        """Say where to look."""
        index = f"{request.host_url}sandbox/"
        return jsonify({"error": f"no {request.method} of {rest}", "what there is": index}), 404

    return control


def add_request_routes(control: Blueprint, api: Api) -> None:
    """Add the log of calls, the projects, and the digest of what is stored."""

    @control.get("/requests")
    def requests_so_far() -> Response:
        """Return the calls so far: what was asked and how it was answered, no values."""
        return jsonify([entry.as_json() for entry in api.log.entries()])

    @control.delete("/requests")
    def forget_requests() -> Response:
        """Forget the calls so far."""
        api.log.clear()
        return jsonify([])

    @control.get("/projects")
    def projects() -> Response:
        """Return the projects, each with the variable of its token."""
        return jsonify(
            [
                {
                    "project_id": project.pid,
                    "title": project.title,
                    "variable": project.env_name,
                    "records": len(project.store.current.records),
                }
                for project in api.projects
            ]
        )

    @control.get("/state")
    def state() -> Response:
        """Return a digest of each project's data: equal data, equal digest."""
        return jsonify({str(project.pid): project.digest() for project in api.projects})


def add_fault_routes(control: Blueprint, api: Api) -> None:
    """Add faults and bans."""

    @control.get("/faults")
    def faults_on() -> Response:
        """Return the faults that are on, and those that there are."""
        return jsonify({"on": [asdict(rule) for rule in api.faults.rules()], "known": FAULTS})

    @control.post("/faults")
    def switch_on() -> Response:
        """Switch a fault on."""
        given = checked(posted_json(), FAULT_KEYS, EXAMPLE_OF["faults"])
        if "name" not in given:
            raise UsageError(f"name is missing; there are {', '.join(FAULTS)}")
        rule = FaultRule(**given)
        refuse_what_hits_nothing(rule)
        api.faults.switch_on(rule)
        return jsonify(asdict(rule))

    @control.delete("/faults")
    def switch_off() -> Response:
        """Switch all faults off; bans stay."""
        api.faults.clear()
        return jsonify([])

    @control.get("/bans")
    def bans() -> Response:
        """Return the addresses that are banned."""
        return jsonify(api.faults.bans.addresses())

    @control.delete("/bans")
    def lift_bans() -> Response:
        """Lift all bans."""
        api.faults.bans.lift()
        return jsonify([])


def example(url: str) -> str:
    """Return a command that does what an address is for."""
    body = EXAMPLE_OF.get(urlsplit(url).path.rstrip("/").rpartition("/")[2], "{}")
    header = "'Content-Type: application/json'"
    return f"curl -X {request.method} {quote(url)} -H {header} -d '{body}'"
