"""Twilio's bad days: what a client sees, and what was accepted all the same."""

from __future__ import annotations

import json
import re
from concurrent.futures import ThreadPoolExecutor

import pytest
import requests
from sandbox_projects import TIMEOUT
from test_sandbox_command import shown, started
from twilio.base.exceptions import TwilioRestException
from twilio.rest import Client
from twilio_texts import (
    NUMBER,
    PHONE,
    Raw,
    client_of,
)

from redcap_jobs.errors import UsageError
from redcap_jobs.sandbox.fault_options import fault_of
from redcap_jobs.sandbox.faults import FaultRule
from redcap_jobs.sandbox.server import Sandbox


def outcome(client: Client) -> str:
    """Send a message and return what the client makes of the answer."""
    try:
        made = client.messages.create(to=PHONE, from_=NUMBER, body="Hello")
    except TwilioRestException as error:
        return f"{error.status} {error.code}"
    except (requests.ConnectionError, json.JSONDecodeError) as error:
        return type(error).__name__
    return str(made.status)


@pytest.mark.parametrize(
    ("name", "seen", "accepted"),
    [
        ("twilio-drop", "ConnectionError", 1),
        ("twilio-5xx-after", "500 20500", 1),
        ("twilio-cut-json", "JSONDecodeError", 1),
        ("twilio-timeout", "queued", 1),
        ("twilio-refuse-drop", "ConnectionError", 0),
        ("twilio-503", "503 20503", 0),
        ("twilio-429", "429 20429", 0),
    ],
)
def test_what_becomes_of_a_text(sandbox: Sandbox, name: str, seen: str, accepted: int) -> None:
    """Once as the fault says, then well; what was accepted says which fault befell its answer."""
    client = client_of(sandbox)
    sandbox.fault(name, times=1, seconds=0.01)
    assert outcome(client) == seen
    entries = sandbox.twilio.accepted()
    assert [(one.to, one.sender, one.fault) for one in entries] == [
        (PHONE, NUMBER, name)
    ] * accepted
    assert len(client.messages.list()) == accepted
    assert outcome(client) == "queued"
    assert [one.fault for one in sandbox.twilio.accepted()] == [name] * accepted + [""]


def test_an_answer_later_than_the_client_waits(sandbox: Sandbox) -> None:
    """The text was accepted when it arrived; the client knows nothing of it."""
    sandbox.fault("twilio-timeout", times=1, seconds=30)
    url = f"{sandbox.twilio_url}/2010-04-01/Accounts/{sandbox.twilio.account.sid}/Messages.json"
    account = sandbox.twilio.account
    with pytest.raises(requests.ReadTimeout):
        requests.post(
            url,
            data={"To": PHONE, "From": NUMBER, "Body": "Hello"},
            auth=(account.sid, account.auth_token),
            timeout=0.3,
        )
    assert len(sandbox.twilio.accepted()) == 1


def test_a_lagging_list(sandbox: Sandbox) -> None:
    """Messages younger than so many seconds are not in it, inbound ones neither."""
    raw = Raw(sandbox)
    raw.send()
    sandbox.twilio.receive(PHONE, NUMBER, "Hello")
    sandbox.fault("twilio-list-lag", rate=1, seconds=600)
    assert raw.listed() == []
    sandbox.twilio.advance(599)
    assert raw.listed() == []
    sandbox.twilio.advance(1)
    assert len(raw.listed()) == 2
    raw.send()
    assert len(raw.listed()) == 2
    sandbox.no_faults()
    assert len(raw.listed()) == 3


def test_a_list_may_lag_for_days(sandbox: Sandbox) -> None:
    """Only what the server waits for is bounded by an hour."""
    sandbox.fault("twilio-list-lag", rate=1, seconds=86_400)
    with pytest.raises(UsageError, match="seconds lie between 0 and 3600"):
        sandbox.fault("twilio-timeout", rate=1, seconds=3601)
    with pytest.raises(UsageError, match="seconds lie between 0 and 604800"):
        sandbox.fault("twilio-list-lag", rate=1, seconds=1e9)


def test_statuses_out_of_order(sandbox: Sandbox) -> None:
    """A list shows some messages one status back; a single fetch and the next list are right."""
    raw = Raw(sandbox)
    for _ in range(20):
        raw.send()
    sandbox.twilio.advance(100)
    sandbox.fault("twilio-out-of-order", times=1)
    first = [row["status"] for row in raw.listed()]
    assert set(first) == {"delivered", "sent"}
    assert {row["status"] for row in raw.listed()} == {"delivered"}


def test_faults_strike_what_is_sent_unless_told_otherwise(sandbox: Sandbox) -> None:
    """Without an action only creations are struck; an action names another call; all is all."""
    raw = Raw(sandbox)
    sandbox.fault("twilio-503", rate=1)
    assert raw.send().status_code == 503
    assert raw.ask("GET", "/Messages.json").status_code == 200
    assert raw.ask("GET", ".json").status_code == 200
    sandbox.no_faults()
    sandbox.fault("twilio-429", rate=1, action="list")
    assert raw.send().status_code == 201
    assert raw.ask("GET", "/Messages.json").status_code == 429
    sandbox.no_faults()
    sandbox.fault("twilio-429", rate=1, action="all")
    assert {raw.ask("GET", path).status_code for path in (".json", "/Messages.json")} == {429}
    assert raw.send().status_code == 429


def test_a_rate_strikes_its_share(sandbox: Sandbox) -> None:
    """Of many texts about that share is dropped, and each of them was accepted."""
    client = client_of(sandbox)
    sandbox.fault("twilio-drop", rate=0.3)
    seen = [outcome(client) for _ in range(60)]
    assert 5 < seen.count("ConnectionError") < 35
    assert len(sandbox.twilio.accepted()) == 60


def test_faults_of_one_side_spare_the_other(sandbox: Sandbox) -> None:
    """REDCap's faults strike no text, Twilio's no export."""
    sandbox.fault("504", times=1)
    sandbox.fault("twilio-503", times=1)
    version = {"token": next(iter(sandbox.tokens.values())), "content": "version"}
    assert requests.post(sandbox.url, data=version, timeout=TIMEOUT).status_code == 504
    assert requests.post(sandbox.url, data=version, timeout=TIMEOUT).status_code == 200
    assert Raw(sandbox).send().status_code == 503
    assert Raw(sandbox).send().status_code == 201


def test_a_ban_of_redcap_spares_twilio(sandbox: Sandbox) -> None:
    """They are two servers: who is banned by one may still ask the other."""
    sandbox.fault("ban", requests=1)
    raw = Raw(sandbox)
    for _ in range(3):
        requests.post(sandbox.url, data={"content": "version"}, timeout=TIMEOUT)
    assert "banned" in requests.post(sandbox.url, data={}, timeout=TIMEOUT).text
    assert raw.send().status_code == 201


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ("twilio-drop=5%", FaultRule("twilio-drop", 0.05)),
        ("twilio-timeout=1,seconds=40", FaultRule("twilio-timeout", 1, seconds=40)),
        ("twilio-503=0.5,action=list", FaultRule("twilio-503", 0.5, action="list")),
    ],
)
def test_as_they_are_written(text: str, rule: FaultRule) -> None:
    """The grammar of --fault."""
    assert fault_of(text) == rule


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("twilio-lost=1", "no fault 'twilio-lost'"),
        ("twilio-503=1,content=record", "go with REDCap's faults"),
        ("twilio-503=1,after", "go with REDCap's faults"),
        ("twilio-503=1,action=import", "no action 'import'; there are create, list"),
        ("twilio-list-lag=1,action=fetch", "no action 'fetch'; there are list"),
    ],
)
def test_what_makes_no_sense(text: str, message: str) -> None:
    """A usage error that says what would be right."""
    with pytest.raises(UsageError, match=message):
        fault_of(text)


def test_every_text_is_accepted_once_whatever_comes_together(sandbox: Sandbox) -> None:
    """Eight threads at once, with drops: one entry per POST, numbered, each with its own SID."""
    sandbox.fault("twilio-drop", rate=0.2)

    def send(number: int) -> str:
        try:
            return str(Raw(sandbox).send(body=f"Text {number}").status_code)
        except requests.ConnectionError:
            return "dropped"

    with ThreadPoolExecutor(8) as pool:
        seen = list(pool.map(send, range(80)))
    entries = sandbox.twilio.accepted()
    assert set(seen) == {"201", "dropped"}
    assert [one.number for one in entries] == list(range(1, 81))
    assert len({one.sid for one in entries}) == len({one.body_sha256 for one in entries}) == 80
    assert sum(one.fault == "twilio-drop" for one in entries) == seen.count("dropped")
    assert sorted(one.number for one in sandbox.twilio.messages()) == list(range(1, 81))


def test_the_command_serves_an_account() -> None:
    """Its credentials are printed under the names that a .env has, and open it; faults are on."""
    with started("--fault", "twilio-503=100%") as process:
        text = shown(process)
        variables = dict(re.findall(r"(?m)^(TWILIO_\w+)=(\S+)$", text))
        assert set(variables) == {
            "TWILIO_ACCOUNT_SID",
            "TWILIO_AUTH_TOKEN",
            "TWILIO_NUMBER",
            "TWILIO_API_URL",
        }
        assert re.fullmatch(r"\+120255501\d\d", variables["TWILIO_NUMBER"])
        assert "Fault on: twilio-503, 100% of calls" in text
        url, sid = variables["TWILIO_API_URL"], variables["TWILIO_ACCOUNT_SID"]
        found = requests.post(
            f"{url}/2010-04-01/Accounts/{sid}/Messages.json",
            auth=(sid, variables["TWILIO_AUTH_TOKEN"]),
            timeout=TIMEOUT,
        )
        assert (found.status_code, found.json()["code"]) == (503, 20503)
