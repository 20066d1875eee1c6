"""A request to the partner from its arrival to its answer: who asks, which fault strikes."""

from __future__ import annotations

import json
import math
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, dataclass
from datetime import timedelta
from functools import partial
from threading import Event, Lock

from flask import Response, request
from werkzeug.datastructures import Authorization

from redcap_jobs.sandbox.faults import FaultBoard, FaultRule
from redcap_jobs.sandbox.partner_faults import BEFORE, DROPS, LATER_PAGE, LIST, STATUS
from redcap_jobs.sandbox.partner_fields import PartnerRefusal
from redcap_jobs.sandbox.partner_members import Members
from redcap_jobs.sandbox.twilio_calls import drop_connection

ENTRIES = 100_000
WEB_PAGE = "<!DOCTYPE html>\n<html><head><title>Bad gateway</title></head><body></body></html>"
JSON, HTML = "application/json", "text/html; charset=utf-8"


@dataclass(frozen=True)
class PartnerRequest:
    """One request: what was called and how it was answered (status 0: not at all), no values."""

    number: int
    action: str
    status: int
    fault: str = ""

    def as_json(self) -> dict[str, object]:
        """Return the entry for the control page."""
        return asdict(self)


@dataclass(frozen=True)
class Answer:
    """A body and its status; ``status`` 0: the connection is dropped.

    ``retry_after`` is in seconds, 0 for no such header.
    """

    body: object
    status: int = 200
    kind: str = JSON
    retry_after: int = 0


Work = Callable[[Members, FaultRule | None], Answer]
"""What is asked for, of those members that the request's credentials open."""


class PartnerCalls:
    """Answers requests, strikes them with faults, and keeps count of them.

    ``development`` are the members that the development token opens, None for none.
    """

    def __init__(
        self,
        members: Members,
        faults: FaultBoard,
        stopping: Event,
        development: Members | None = None,
    ) -> None:
        self.members = members
        self.development = development
        self._lock = Lock()
        self._faults = faults
        self._stopping = stopping
        self._entries: deque[PartnerRequest] = deque(maxlen=ENTRIES)
        self._number = 0

    def entries(self) -> list[PartnerRequest]:
        """Return the requests so far, in the order in which they were answered."""
        with self._lock:
            return list(self._entries)

    def clear(self) -> None:
        """Forget the requests so far; numbering goes on."""
        with self._lock:
            self._entries.clear()

    def answer(self, action: str, work: Work) -> Response:
        """Answer the present request: who asks, what befalls it, what it asks for."""
        fault: FaultRule | None = None
        try:
            members = self._asked()
            fault = self._faults.draw_partner(action)
            answer = self._answered(members, fault, work)
        except PartnerRefusal as refusal:
            answer = Answer(refusal.as_json(), refusal.status)
        with self._lock:
            self._number += 1
            called, name = (LIST if action == LATER_PAGE else action), fault.name if fault else ""
            self._entries.append(PartnerRequest(self._number, called, answer.status, name))
        return written(answer)

    def let_in(self, given: Authorization | None) -> Members | None:
        """Return the members that a request's credentials open; None for none."""
        if given is None:
            return None
        account, token = self.members.account, given.token or ""
        if account.opens(given.type, token, given.username or "", given.password or ""):
            return self.members
        return self.development if account.opens_development(given.type, token) else None

    def _asked(self) -> Members:
        members = self.let_in(request.authorization)
        if members is None:
            raise PartnerRefusal(401, "unauthorized", "the credentials open nothing")
        return members

    def _answered(self, members: Members, fault: FaultRule | None, work: Work) -> Answer:
        if fault is None:
            return work(members, None)
        if fault.name in BEFORE:
            return befallen(fault)
        if fault.name == "partner-late":
            late = partial(quietly, work, members, fault)
            members.later(timedelta(seconds=fault.seconds), late)
            return befallen(fault)
        answer = work(members, fault)
        if fault.name == "partner-timeout":
            self._stopping.wait(fault.seconds)
        if fault.name in DROPS or fault.name in STATUS:
            return befallen(fault)
        if fault.name == "partner-html":
            return Answer(WEB_PAGE, 200, HTML)
        if fault.name == "partner-cut-json":
            text = json.dumps(answer.body)
            return Answer(text[: len(text) // 2], answer.status)
        return answer


def quietly(work: Work, members: Members, fault: FaultRule) -> None:
    """Do what was asked though nobody waits for the answer any more."""
    with suppress(PartnerRefusal):
        work(members, fault)


def befallen(fault: FaultRule) -> Answer:
    """Return what a fault sends in place of the right answer."""
    if fault.name in DROPS:
        return Answer(None, 0)
    codes = {500: "internal", 503: "unavailable", 429: "too_many_requests"}
    status = STATUS[fault.name]
    body = {"error": {"code": codes[status], "message": "try again later"}}
    wait = max(1, math.ceil(fault.seconds)) if status == 429 else 0
    return Answer(body, status, retry_after=wait)


def written(answer: Answer) -> Response:
    """Return the response, or none at all."""
    if answer.status == 0:
        drop_connection()
        return Response(b"", 503)
    text = answer.body if isinstance(answer.body, str) else json.dumps(answer.body)
    response = Response(text.encode(), answer.status, content_type=answer.kind)
    if answer.status == 401:
        response.headers["WWW-Authenticate"] = "Bearer"
    if answer.retry_after:
        response.headers["Retry-After"] = str(answer.retry_after)
    return response
