"""What the machine's own settings for the network may not do to a text, nor to its credentials."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest
import responses

from redcap_jobs.messaging.twilio import Account, TwilioClient
from redcap_jobs.messaging.twilio_answers import TwilioUnreachable
from redcap_jobs.notify.logs import REDACT
from redcap_jobs.study.credentials import Credentials
from redcap_jobs.study.texts_config import Sender

SID, SECRET = "AC" + "a1" * 16, "correct-horse-battery"
NUMBER, PHONE = "+12025550100", "+12025550123"
TWILIO, SANDBOX = "https://api.twilio.com", "http://127.0.0.1:8123"
HOUR = timedelta(hours=1)


@pytest.fixture
def wire() -> Iterator[responses.RequestsMock]:
    with responses.RequestsMock() as mock:
        yield mock


def client(url: str) -> TwilioClient:
    return TwilioClient(Account(SID, SID, SECRET, NUMBER), url, lambda text, kind: kind)


def messages(url: str) -> str:
    return f"{url}/2010-04-01/Accounts/{SID}/Messages.json"


def sent(wire: responses.RequestsMock, url: str) -> Any:
    """Send a text; return the request as it left."""
    made = {"sid": "SM" + "0" * 32, "status": "queued"}
    wire.post(messages(url), json=made, status=201)
    assert client(url).send(PHONE, "Hello", HOUR).status == "queued"
    (call,) = wire.calls
    return call.request


@pytest.mark.parametrize("variable", ["HTTP_PROXY", "http_proxy", "ALL_PROXY"])
@pytest.mark.parametrize("url", [SANDBOX, "http://localhost:8123", "http://[::1]:8123"])
def test_a_sandbox_on_this_machine_is_reached_without_a_proxy(
    wire: responses.RequestsMock, monkeypatch: pytest.MonkeyPatch, url: str, variable: str
) -> None:
    """Plain http through an institution's proxy would show it credentials, phone and text."""
    monkeypatch.setenv(variable, "http://proxy.example.org:3128")
    proxies = sent(wire, url).req_kwargs["proxies"]
    assert not {"http", "https", "all"} & set(proxies), proxies


def test_twilio_itself_is_reached_through_the_machines_proxy(
    wire: responses.RequestsMock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A closed network lets nothing out otherwise; what passes the proxy is encrypted."""
    monkeypatch.setenv("HTTPS_PROXY", "http://proxy.example.org:3128")
    proxies = sent(wire, TWILIO).req_kwargs["proxies"]
    assert proxies["https"] == "http://proxy.example.org:3128"


@pytest.mark.parametrize("bundle", ["", "0", "false"])
def test_no_variable_switches_the_certificates_check_off(
    wire: responses.RequestsMock, monkeypatch: pytest.MonkeyPatch, bundle: str
) -> None:
    """REQUESTS_CA_BUNDLE names other certificates to trust; there is no word for none."""
    for name in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"):
        monkeypatch.setenv(name, bundle)
    assert sent(wire, TWILIO).req_kwargs["verify"] in (True, bundle or True)


def test_a_netrc_file_does_not_replace_the_credentials(
    wire: responses.RequestsMock, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Another account's login for the host, left by some other program, is not used."""
    netrc = tmp_path / "netrc"
    netrc.write_text("machine api.twilio.com login somebody password else\n", encoding="utf-8")
    monkeypatch.setenv("NETRC", str(netrc))
    own = b64encode(f"{SID}:{SECRET}".encode()).decode()
    assert sent(wire, TWILIO).headers["Authorization"] == f"Basic {own}"


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirection_is_not_followed(wire: responses.RequestsMock, status: int) -> None:
    """It would carry the text, the phone and perhaps the credentials elsewhere."""
    elsewhere = {"Location": "https://elsewhere.example.org/"}
    wire.post(messages(TWILIO), status=status, headers=elsewhere)
    assert client(TWILIO).send(PHONE, "Hello", HOUR).state != "sent"
    wire.get(messages(TWILIO), status=status, headers=elsewhere)
    with pytest.raises(TwilioUnreachable):
        client(TWILIO).outbound(date(2026, 11, 24))
    assert {call.request.url.split("?")[0] for call in wire.calls} == {messages(TWILIO)}


def test_a_secret_is_kept_out_of_messages_whatever_its_variable_is_called() -> None:
    """[sender] names its variables freely: TEXTS_PASS looks like no secret, its value is one."""
    sender = Sender(account_sid="ACCOUNT", auth_token="TEXTS_PASS", number="TEXTS_FROM")
    values = {"ACCOUNT": SID, "TEXTS_PASS": "horse-of-thirty-two-letters", "TEXTS_FROM": NUMBER}
    Account.of(sender, Credentials(in_environment=values))
    assert REDACT("said horse-of-thirty-two-letters twice") == "said [secret] twice"
