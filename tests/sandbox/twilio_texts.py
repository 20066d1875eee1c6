"""A small Twilio account, and clients for it: Twilio's own, and one that knows no client."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import requests
from sandbox_projects import TIMEOUT, registry
from twilio.base.exceptions import TwilioRestException
from twilio.http.http_client import TwilioHttpClient
from twilio.rest import Client

from redcap_jobs.sandbox.server import Sandbox
from redcap_jobs.sandbox.twilio_account import ApiKey, MessagingService, Pace, TwilioAccount

ACCOUNT_SID = "AC" + "a1" * 16
TOKEN = "0123456789abcdef" * 2
NUMBER, SECOND, VOICE_ONLY = "+12025550100", "+12025550101", "+12025550102"
PHONE, OTHER_PHONE = "+16175550123", "+16175550124"
SERVICE = "MG" + "b2" * 16
KEY, MAIN_KEY = ApiKey("SK" + "c3" * 16, "standard"), ApiKey("SK" + "d4" * 16, "main", main=True)
NOW = datetime(2026, 11, 22, 12, 30, 0, tzinfo=UTC)
PACE = Pace(segments_per_second=1, accepting=1, sending=1, receipt=10)

ACCOUNT = TwilioAccount(
    ACCOUNT_SID,
    TOKEN,
    (NUMBER, SECOND, VOICE_ONLY),
    (KEY, MAIN_KEY),
    (MessagingService(SERVICE, (SECOND,)), MessagingService("MG" + "e5" * 16)),
    voice_only=(VOICE_ONLY,),
    pace=PACE,
)


@contextmanager
def serving(account: TwilioAccount = ACCOUNT, now: datetime | None = NOW) -> Iterator[Sandbox]:
    """Serve the account; its clock stands at :data:`NOW` until it is advanced."""
    with Sandbox([registry()], now=now, twilio=account) as sandbox:
        yield sandbox


def client_of(sandbox: Sandbox, username: str = ACCOUNT_SID, password: str = TOKEN) -> Client:
    """Return Twilio's own client, unmodified but for its two base addresses."""
    client = Client(username, password, ACCOUNT_SID, http_client=TwilioHttpClient(timeout=TIMEOUT))
    client.api.base_url = sandbox.twilio_url
    client.messaging.base_url = sandbox.twilio_url
    return client


@dataclass
class Raw:
    """Asks the API as a shell script would."""

    sandbox: Sandbox
    auth: tuple[str, str] = (ACCOUNT_SID, TOKEN)

    def ask(self, method: str, path: str, **more: Any) -> requests.Response:
        """Send a request to a path under the account."""
        url = f"{self.sandbox.twilio_url}/2010-04-01/Accounts/{ACCOUNT_SID}{path}"
        return requests.request(method, url, auth=self.auth, timeout=TIMEOUT, **more)

    def send(self, to: str = PHONE, body: str = "Hello", **more: str) -> requests.Response:
        """Post a message from the first number; ``From=''`` leaves the sender out."""
        form = {"To": to, "From": NUMBER, "Body": body} | more
        return self.ask("POST", "/Messages.json", data={k: v for k, v in form.items() if v})

    def listed(self, **query: str) -> list[dict[str, Any]]:
        """Return one page of messages."""
        response = self.ask("GET", "/Messages.json", params=query)
        assert response.status_code == 200, response.text
        found: list[dict[str, Any]] = response.json()["messages"]
        return found

    def code(self, **form: str) -> int:
        """Post a message that must be refused, and return the code."""
        response = self.send(**form)
        code = int(response.json()["code"])
        assert response.status_code == (429 if code in (21611, 63038) else 400), response.text
        return code


def control(sandbox: Sandbox, path: str, body: object) -> requests.Response:
    """Post to one of the sandbox's own addresses."""
    url = f"{sandbox.control_url}twilio/{path}"
    return requests.post(url, json=body, timeout=TIMEOUT)


def refusal(client: Client, **message: str) -> TwilioRestException:
    """Send what must be refused through Twilio's client, and return its exception."""
    try:
        client.messages.create(**message)
    except TwilioRestException as error:
        return error
    raise AssertionError("it was accepted")
