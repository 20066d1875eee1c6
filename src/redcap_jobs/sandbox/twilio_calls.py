"""A request to Twilio from its arrival to its answer: who asks, which fault strikes, the headers."""

from __future__ import annotations

import json
import secrets
import socket
from collections import deque
from collections.abc import Callable
from dataclasses import asdict, dataclass
from threading import Event

from flask import Response, request

from redcap_jobs.sandbox.faults import FaultBoard, FaultRule
from redcap_jobs.sandbox.twilio_errors import TwilioRefusal
from redcap_jobs.sandbox.twilio_faults import BEFORE, CODES, DROPS
from redcap_jobs.sandbox.twilio_switchboard import Switchboard, arrival, refuse_unusable

ENTRIES = 100_000


@dataclass(frozen=True)
class TwilioRequest:
    """One request: what was called and how it was answered (status 0: not at all), no values."""

    number: int
    at: float
    action: str
    status: int
    code: int = 0
    fault: str = ""

    def as_json(self) -> dict[str, object]:
        """Return the entry for the control page."""
        return asdict(self)


@dataclass(frozen=True)
class Answer:
    """A body and its status; ``status`` 0: the connection is dropped."""

    body: object
    status: int = 200
    code: int = 0


@dataclass(frozen=True)
class Call:
    """A request that was let in: its fault, when it arrived."""

    fault: FaultRule | None
    arrived: float

    @property
    def fault_name(self) -> str:
        """Return its fault's name, '' if none strikes."""
        return self.fault.name if self.fault else ""


class TwilioCalls:
    """Answers requests, strikes them with faults, and keeps count of them."""

    def __init__(self, board: Switchboard, faults: FaultBoard, stopping: Event) -> None:
        self.board = board
        self._faults = faults
        self._stopping = stopping
        self._entries: deque[TwilioRequest] = deque(maxlen=ENTRIES)
        self._number = 0

    def entries(self) -> list[TwilioRequest]:
        """Return the requests so far, in the order in which they were answered."""
        with self.board.lock:
            return list(self._entries)

    def clear(self) -> None:
        """Forget the requests so far; numbering goes on."""
        with self.board.lock:
            self._entries.clear()

    def answer(self, action: str, work: Callable[[Call], Answer]) -> Response:
        """Answer the present request: who asks, what befalls it, what it asks for."""
        arrived = arrival()
        fault = self._faults.draw_twilio(action)
        call = Call(fault, arrived)
        try:
            self._let_in(action)
            kept_away = fault if fault and fault.name in BEFORE else None
            answer = befallen(kept_away) if kept_away else self._worked(call, work)
        except TwilioRefusal as refusal:
            answer = refused(refusal)
        with self.board.lock:
            self._number += 1
            self._entries.append(
                TwilioRequest(
                    self._number, arrived, action, answer.status, answer.code, call.fault_name
                )
            )
        return written(answer, fault, arrived)

    def _worked(self, call: Call, work: Callable[[Call], Answer]) -> Answer:
        fault = call.fault
        try:
            answer = work(call)
        except TwilioRefusal as refusal:
            answer = refused(refusal)
        if fault and fault.name == "twilio-timeout":
            self._stopping.wait(fault.seconds)
        if fault and (fault.name in CODES or fault.name in DROPS):
            return befallen(fault)
        return answer

    def _let_in(self, action: str) -> None:
        account, given = self.board.account, request.authorization
        username = (given.username if given else None) or ""
        password = (given.password if given else None) or ""
        if not account.opens(username, password):
            raise TwilioRefusal(20003)
        refuse_unusable(self.board)
        if action == "account" and account.is_standard_key(username):
            raise TwilioRefusal(20003)
        asked = (request.view_args or {}).get("account_sid", account.sid)
        if asked != account.sid:
            raise not_found()


def not_found() -> TwilioRefusal:
    """Return the refusal of an address that leads to nothing."""
    return TwilioRefusal(20404, path=request.path)


def refused(refusal: TwilioRefusal) -> Answer:
    """Return the answer to a request that is refused."""
    return Answer(refusal.as_json(), refusal.status, refusal.code)


def befallen(fault: FaultRule) -> Answer:
    """Return what a fault sends in place of the right answer."""
    if fault.name in DROPS:
        return Answer(None, 0)
    return refused(TwilioRefusal(CODES[fault.name]))


def written(answer: Answer, fault: FaultRule | None, arrived: float) -> Response:
    """Return the response with Twilio's headers, or none at all."""
    if answer.status == 0:
        drop_connection()
        return Response(b"", 503)
    body = b"" if answer.body is None else json.dumps(answer.body).encode()
    if fault and fault.name == "twilio-cut-json":
        body = body[: len(body) // 2]
    response = Response(body, answer.status, content_type="application/json;charset=utf-8")
    response.headers["Twilio-Concurrent-Requests"] = "1"
    response.headers["Twilio-Request-Duration"] = f"{arrival() - arrived:.3f}"
    response.headers["Twilio-Request-Id"] = "RQ" + secrets.token_hex(16)
    if answer.status == 401:
        response.headers["WWW-Authenticate"] = 'Basic realm="Twilio API"'
    return response


def drop_connection() -> None:
    """Hang up: whatever is written to this connection from now on reaches nobody."""
    connection: socket.socket = request.environ["werkzeug.socket"]
    connection.shutdown(socket.SHUT_RDWR)
