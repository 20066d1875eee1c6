"""A study that texts through a Messaging Service: our client against the sandbox over HTTP."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta

import pytest

from redcap_jobs.errors import GuardRefused
from redcap_jobs.messaging.twilio import Account, TwilioClient
from redcap_jobs.sandbox.server import Sandbox
from redcap_jobs.sandbox.twilio_account import MessagingService, Pace, TwilioAccount

SID, TOKEN = "AC" + "a1" * 16, "0123456789abcdef" * 2
NUMBER, ELSEWHERE = "+12025550100", "+12025550101"
PHONE, OTHER_PHONE = "+16175550123", "+16175550124"
SERVICE = "MG" + "b2" * 16
ACCOUNT = TwilioAccount(
    SID,
    TOKEN,
    (NUMBER, ELSEWHERE),
    services=(MessagingService(SERVICE, (NUMBER,)),),
    pace=Pace(accepting=1, sending=1, receipt=1),
)
FOR_AN_HOUR = timedelta(hours=1)


def keyed(text: str, kind: str) -> str:
    """Hash a text; a test needs no key."""
    return f"{kind}#{sum(map(ord, text))}"


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    with Sandbox([], twilio=ACCOUNT) as sandbox:
        yield sandbox


def client_of(sandbox: Sandbox, service: str = SERVICE) -> TwilioClient:
    return TwilioClient(Account(SID, SID, TOKEN, "", service), sandbox.twilio_url, keyed)


def yesterday(sandbox: Sandbox) -> date:
    return datetime.fromtimestamp(sandbox.twilio.now() - 86_400, UTC).date()


def test_the_service_is_verified(sandbox: Sandbox) -> None:
    """One that the account has not is told before the first text; a closed account, too."""
    client_of(sandbox).verify()
    with pytest.raises(GuardRefused, match=r"no such Messaging Service.*\[sender\]"):
        client_of(sandbox, "MG" + "0" * 32).verify()
    sandbox.twilio.set_status("out-of-funds")
    with pytest.raises(GuardRefused, match="suspended"):
        client_of(sandbox).verify()


def test_a_text_is_followed_from_accepted_to_its_end(sandbox: Sandbox) -> None:
    """Without a sender at first; listed as this service's own, and not what others sent."""
    client = client_of(sandbox)
    posted = client.send(PHONE, "Hello", FOR_AN_HOUR)
    assert (posted.state, posted.status) == ("sent", "accepted")
    assert client.outbound(yesterday(sandbox)) == []
    assert [each.sid for each in client.newest()] == [posted.reference]
    beside = TwilioClient(Account(SID, SID, TOKEN, ELSEWHERE), sandbox.twilio_url, keyed)
    beside.send(PHONE, "Hello", FOR_AN_HOUR)
    sandbox.twilio.advance(60)
    (found,) = client.outbound(yesterday(sandbox))
    assert (found.sid, found.status) == (posted.reference, "delivered")
    assert found.sender_hash == client.sender_hash


@pytest.mark.parametrize("names_service", [True, False])
def test_replies_to_the_services_numbers_are_read(sandbox: Sandbox, *, names_service: bool) -> None:
    """A STOP is heard whether or not Twilio names the service beside it; others' replies are not."""
    for to, phone in ((NUMBER, PHONE), (ELSEWHERE, OTHER_PHONE)):
        sandbox.twilio.receive(phone, to, "please stop")
    if not names_service:
        for message in sandbox.twilio.messages():
            message.service_sid = None
    (read,) = client_of(sandbox).inbound(yesterday(sandbox))
    assert (read.sender, read.body) == (PHONE, "please stop")


def test_a_refusal_comes_afterwards(sandbox: Sandbox) -> None:
    """After a STOP the text is accepted and fails: with the code, and never as sent."""
    client = client_of(sandbox)
    sandbox.twilio.receive(PHONE, NUMBER, "STOP")
    posted = client.send(PHONE, "Hello", FOR_AN_HOUR)
    assert posted.state == "sent"
    sandbox.twilio.advance(60)
    found = client.fetch(posted.reference)
    assert found is not None
    assert (found.status, found.error_code, found.sent_at) == ("failed", "21610", None)
