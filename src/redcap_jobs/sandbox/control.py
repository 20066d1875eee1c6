"""The sandbox's own addresses, ``/sandbox/…``: requests, faults, projects, a digest of the data.

They show no values, names or tokens, and are answered on a loopback address only. Changes need a
JSON body, which no web page can send here without being asked first.
"""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from flask import Blueprint, Response, jsonify, request

from redcap_jobs.errors import UsageError
from redcap_jobs.sandbox.api import Api
from redcap_jobs.sandbox.faults import FAULTS, FaultRule

FAULT_KEYS = {"name": str, "rate": float, "times": int, "content": str, "action": str}
FAULT_KEYS |= {"after": bool, "seconds": float}


def control_blueprint(api: Api) -> Blueprint:
    """Return the routes under ``/sandbox``."""
    control = Blueprint("sandbox", __name__, url_prefix="/sandbox")

    @control.get("/requests")
    def requests_so_far() -> Response:
        return jsonify([entry.as_json() for entry in api.log.entries()])

    @control.delete("/requests")
    def forget_requests() -> Response:
        api.log.clear()
        return jsonify([])

    @control.get("/faults")
    def faults_on() -> Response:
        return jsonify({"on": [asdict(rule) for rule in api.faults.rules()], "known": FAULTS})

    @control.post("/faults")
    def switch_on() -> tuple[Response, int]:
        try:
            rule = fault_rule(posted_json())
        except UsageError as error:
            return jsonify({"error": str(error), "example": example(request.url)}), 400
        api.faults.switch_on(rule)
        return jsonify(asdict(rule)), 200

    @control.delete("/faults")
    def switch_off() -> Response:
        api.faults.clear()
        return jsonify([])

    @control.get("/projects")
    def projects() -> Response:
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
        return jsonify({str(project.pid): project.digest() for project in api.projects})

    return control


def posted_json() -> Any:
    """Return the JSON value that was posted; None where it cannot be read.

    Raises:
        UsageError: It is not said to be JSON.

    """
    if not request.is_json:
        raise UsageError("the body must be sent as JSON (Content-Type: application/json)")
    return request.get_json(silent=True)


def example(url: str) -> str:
    """Return a command that switches a fault on."""
    body = '{"name": "504", "times": 3}'
    return f"curl -X POST {url} -H 'Content-Type: application/json' -d '{body}'"


def fault_rule(body: Any) -> FaultRule:
    """Return the fault that a posted JSON object describes.

    Raises:
        UsageError: It is no object, has unknown keys or values of the wrong type.

    """
    if not isinstance(body, dict) or not isinstance(body.get("name"), str):
        raise UsageError('send a JSON object such as {"name": "504", "times": 3}')
    for key, value in body.items():
        kind = FAULT_KEYS.get(key)
        if kind is None:
            raise UsageError(f"no key {key!r}; there are {', '.join(FAULT_KEYS)}")
        if not isinstance(value, (int, float) if kind is float else kind):
            raise UsageError(f"{key} must be a {kind.__name__}")
    return FaultRule(**body)
