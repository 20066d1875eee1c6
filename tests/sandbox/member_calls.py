"""A small account with the partner, and a caller that knows no client."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import requests
from sandbox_projects import TIMEOUT, registry

from redcap_jobs.sandbox.partner_account import PartnerAccount
from redcap_jobs.sandbox.partner_members import Members
from redcap_jobs.sandbox.server import Sandbox

TOKEN = "0123456789abcdef" * 2
USER, PASSWORD = "study", "a-password"
DEVELOPMENT = "fedcba9876543210" * 2
ACCOUNT = PartnerAccount(TOKEN, USER, PASSWORD, DEVELOPMENT)
NOW = datetime(2026, 11, 22, 12, 30, 0, tzinfo=UTC)
PHONE = "+16175550123"
DAY, WEEK = 86_400, 7 * 86_400

ALICE = {
    "studyId": "1001",
    "firstName": "Alice",
    "lastName": "Brown",
    "mobilePhone": PHONE,
    "language": "en",
    "childName": "Zoe",
    "childGender": "F",
    "childDob": "02/29/2024",
    "brushDays": "5",
}


@contextmanager
def serving(account: PartnerAccount | None = ACCOUNT, **more: Any) -> Iterator[Sandbox]:
    """Serve the account; its clock stands at :data:`NOW` until it is advanced."""
    with Sandbox([registry()], now=NOW, partner=account, **more) as sandbox:
        yield sandbox


@dataclass
class Raw:
    """Asks the partner as a shell script would."""

    sandbox: Sandbox
    token: str = TOKEN

    def ask(
        self, method: str, path: str = "", *, timeout: float = TIMEOUT, **more: Any
    ) -> requests.Response:
        """Send a request to a path under ``/v1/members``."""
        url = f"{self.sandbox.partner_url}/v1/members{path}"
        if "auth" not in more:
            more["headers"] = {"Authorization": f"Bearer {self.token}", **more.get("headers", {})}
        return requests.request(method, url, timeout=timeout, **more)

    def enrol(self, **fields: Any) -> dict[str, Any]:
        """Enrol Alice, or who else is said."""
        response = self.ask("POST", json={**ALICE, **fields})
        assert response.status_code == 201, response.text
        made: dict[str, Any] = response.json()
        return made

    def member(self, member_id: str) -> dict[str, Any]:
        """Look one member up."""
        response = self.ask("GET", f"/{member_id}")
        assert response.status_code == 200, response.text
        found: dict[str, Any] = response.json()
        return found

    def page(self, **query: object) -> dict[str, Any]:
        """List one page."""
        response = self.ask("GET", params=query)
        assert response.status_code == 200, response.text
        found: dict[str, Any] = response.json()
        return found

    def error(self, method: str, path: str = "", **more: Any) -> tuple[int, str, str | None]:
        """Send what must be refused; return status, code and the field it is about."""
        response = self.ask(method, path, **more)
        error = response.json()["error"]
        return response.status_code, error["code"], error.get("field")


def control(sandbox: Sandbox, path: str, body: object) -> requests.Response:
    """Post to one of the sandbox's own addresses."""
    return requests.post(f"{sandbox.control_url}partner/{path}", json=body, timeout=TIMEOUT)


def several(members: Members, count: int) -> list[str]:
    """Enrol so many participants, assign their arms, and return the members' ids."""
    ids = []
    for number in range(count):
        given = {**ALICE, "studyId": str(1001 + number)}
        given["mobilePhone"] = f"+1617555{100 + number % 100:04d}"
        ids.append(str(members.enrol(given)["memberId"]))
        members.assign(ids[-1], {"arm": ("OHT", "CWT")[number % 2]})
    return ids
