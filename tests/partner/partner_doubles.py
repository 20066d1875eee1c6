"""A partner that answers what a test says: a clock that does not wait, a budget that counts."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import requests
import responses

from redcap_jobs.partner.adapter import AGILE
from redcap_jobs.partner.agile import Access, PartnerClient

URL = "https://api.agilehealth.example"
TOKEN, USER, PASSWORD = "correct-horse-battery", "clinic", "staple+Ünlock:1"
MEMBERS = f"{URL}/v1/members"
PAYLOAD = {"studyId": "1001", "firstName": "Josefina", "mobilePhone": "+12025550123"}
PRIVATE = (TOKEN, PASSWORD, "Josefina", "2025550123")


class HandClock:
    """A clock moved by sleeping; remembers each pause in seconds."""

    def __init__(self) -> None:
        self.instant = datetime(2026, 11, 24, 18, 0, tzinfo=UTC)
        self.pauses: list[float] = []

    def now(self) -> datetime:
        return self.instant

    def sleep(self, pause: timedelta) -> None:
        self.pauses.append(pause.total_seconds())
        self.instant += max(pause, timedelta(0))


class FreeBudget:
    """A budget without bounds that counts what was taken."""

    def __init__(self) -> None:
        self.taken = 0

    def take(self) -> None:
        self.taken += 1


def new_client(clock: HandClock | None = None, access: Access | None = None) -> PartnerClient:
    """Make a client with a bearer token, or another access."""
    budget: Any = FreeBudget()
    given = access or Access(URL, token=TOKEN)
    return PartnerClient(given, AGILE, clock=clock or HandClock(), budget=budget)


def member(number: int = 1, study_id: object = "1001", **more: Any) -> dict[str, Any]:
    """Give a member as the partner shows it."""
    return {
        "memberId": f"AH-{number:06d}",
        "studyId": study_id,
        "status": "enrolled",
        "arm": None,
        **more,
    }


def page(members: list[Any], total: object = None, after: object = None) -> dict[str, Any]:
    """Give one page of a list; ``after`` is the address of the next."""
    count = len(members) if total is None else total
    return {"members": members, "page": 1, "pageSize": 200, "total": count, "next": after}


def body_of(request: requests.PreparedRequest) -> Any:
    """Return what a request carried."""
    return json.loads(request.body or "null")


def made() -> list[tuple[str, str]]:
    """Return method and address of every request so far."""
    return [(str(call.request.method), str(call.request.url)) for call in responses.calls]
