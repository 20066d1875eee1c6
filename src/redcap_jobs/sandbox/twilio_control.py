"""``/sandbox/twilio/…``: fates of phones, replies, the account's standing, what was accepted.

What shows phone numbers needs the account's credentials: others on this machine reach the port as
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
from redcap_jobs.sandbox.twilio_calls import TwilioCalls
from redcap_jobs.sandbox.twilio_fates import Ending, Fate

EXAMPLES: Mapping[str, str] = {
    "phones": '{"phone": "+12025550123", "fate": "unreachable"}',
    "inbound": '{"from": "+12025550123", "to": "<your number>", "body": "STOP"}',
    "account": '{"status": "suspended"}',
    "clock": '{"advance_seconds": 3600}',
}
"""Last part of an address → a body that it takes."""
KEYS: Mapping[str, Mapping[str, type]] = {
    "phones": {"phone": str, "fate": str, "status": str, "code": int},
    "inbound": {"from": str, "to": str, "body": str},
    "account": {"status": str, "campaign_verified": bool},
    "clock": {"advance_seconds": float},
}


def add_twilio_routes(control: Blueprint, api: Api) -> None:
    """Add ``/twilio``; each address says 404 where no Twilio is served."""
    add_state_routes(control, api)
    add_record_routes(control, api)


def add_state_routes(control: Blueprint, api: Api) -> None:
    """Add what changes the account, and how it stands."""

    @control.get("/twilio")
    def twilio_counts() -> Response:
        """Return how many texts there are by status, and how the Twilio account stands."""
        return jsonify(calls_of(api).board.counts())

    @control.get("/twilio/phones")
    def twilio_phones() -> Response:
        """Return what becomes of texts to phones, and who opted out (needs the credentials)."""
        return jsonify(private(api).board.phones())

    @control.post("/twilio/phones")
    def put_phone() -> Response:
        """Say what becomes of texts to a phone: a fate by name, or a status and a code."""
        board = calls_of(api).board
        given = body_of("phones")
        board.set_fate(given.get("phone", ""), fate_of(given))
        return jsonify(board.counts())

    @control.post("/twilio/inbound")
    def reply() -> Response:
        """Let a phone reply to one of the account's numbers."""
        board, given = calls_of(api).board, body_of("inbound")
        came = board.receive(given.get("from", ""), given.get("to", ""), given.get("body", ""))
        return jsonify({"sid": came.sid})

    @control.post("/twilio/account")
    def stand() -> Response:
        """Suspend or close the account, empty its balance, unregister its campaign, or the reverse."""
        board, given = calls_of(api).board, body_of("account")
        if "status" in given:
            board.set_status(given["status"])
        board.campaign_verified = given.get("campaign_verified", board.campaign_verified)
        return jsonify(board.counts())

    @control.post("/twilio/clock")
    def advance() -> Response:
        """Let time go by for the texts at once."""
        board = calls_of(api).board
        board.advance(body_of("clock").get("advance_seconds", 0.0))
        return jsonify(board.counts())


def add_record_routes(control: Blueprint, api: Api) -> None:
    """Add what was accepted and what was asked."""

    @control.get("/twilio/accepted")
    def accepted() -> Response:
        """Return every text that was accepted, answered or not (needs the credentials)."""
        return jsonify([one.as_json() for one in private(api).board.accepted()])

    @control.delete("/twilio/accepted")
    def forget_accepted() -> Response:
        """Empty that list; the texts stay."""
        calls_of(api).board.forget_accepted()
        return jsonify([])

    @control.get("/twilio/requests")
    def twilio_requests() -> Response:
        """Return the requests to Twilio so far, no values."""
        return jsonify([one.as_json() for one in calls_of(api).entries()])

    @control.delete("/twilio/requests")
    def forget_twilio_requests() -> Response:
        """Forget them."""
        calls_of(api).clear()
        return jsonify([])


def calls_of(api: Api) -> TwilioCalls:
    """Return the Twilio part; NotFound if there is none."""
    if api.twilio is None:
        raise NotFound("this sandbox serves no Twilio account")
    return api.twilio


def private(api: Api) -> TwilioCalls:
    """Return the Twilio part to whoever could read the texts anyhow.

    Raises:
        UsageError: The account's SID and token (or an API key) were not sent along.

    """
    calls, given = calls_of(api), request.authorization
    username = (given.username if given else None) or ""
    if not calls.board.account.opens(username, (given.password if given else None) or ""):
        raise UsageError("this shows phone numbers: send the Twilio account's SID and token along")
    return calls


def body_of(name: str) -> dict[str, Any]:
    """Return the body of a POST; UsageError if it is none that fits."""
    return checked(posted_json(), KEYS[name], EXAMPLES[name])


def fate_of(given: Mapping[str, Any]) -> str | Fate:
    """Return the fate that a body describes; UsageError if it describes none."""
    if "fate" in given:
        return str(given["fate"])
    status = given.get("status")
    if status not in ("delivered", "undelivered", "failed"):
        raise UsageError("send a fate, or a status: delivered, undelivered or failed, with a code")
    return Fate(endings=(Ending(status, given.get("code")),))
