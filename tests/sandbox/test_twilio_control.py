"""The sandbox's own addresses about Twilio, what the command keeps, and how fast lists are."""

from __future__ import annotations

import hashlib
import json
import time
from pathlib import Path

import pytest
import requests
from sandbox_projects import TIMEOUT, registry
from twilio_texts import (
    ACCOUNT_SID,
    NUMBER,
    PHONE,
    TOKEN,
    Raw,
    control,
)

from redcap_jobs.errors import StateUnusable
from redcap_jobs.sandbox.env_file import write_env_file
from redcap_jobs.sandbox.server import Sandbox
from redcap_jobs.sandbox.twilio_account import made_up_account
from redcap_jobs.sandbox.twilio_create import create
from redcap_jobs.sandbox.twilio_keep import kept_account

AUTH = (ACCOUNT_SID, TOKEN)


def get(sandbox: Sandbox, path: str, auth: tuple[str, str] | None = AUTH) -> requests.Response:
    return requests.get(f"{sandbox.control_url}twilio{path}", auth=auth, timeout=TIMEOUT)


def test_counts_show_no_values(sandbox: Sandbox) -> None:
    """How many texts by status, and how the account stands; no phone, no text."""
    raw = Raw(sandbox)
    raw.send()
    raw.send()
    control(sandbox, "inbound", {"from": PHONE, "to": NUMBER, "body": "STOP"})
    found = get(sandbox, "", auth=None)
    assert found.json() == {
        "status": "active",
        "campaign_verified": True,
        "now": "2026-11-22T12:30:00+00:00",
        "accepted": 2,
        "messages": 4,
        "by_status": {"delivered": 1, "queued": 1, "received": 1, "sending": 1},
        "opted_out": 1,
    }


def test_what_was_accepted(sandbox: Sandbox) -> None:
    """Arrival, SID, phones, segments and a hash of the text, also when the answer was lost."""
    raw = Raw(sandbox)
    before = time.monotonic()
    sid = raw.send(body="x" * 161).json()["sid"]
    control_answer = requests.post(
        f"{sandbox.control_url}faults", json={"name": "twilio-drop", "times": 1}, timeout=TIMEOUT
    )
    assert control_answer.status_code == 200
    with pytest.raises(requests.ConnectionError):
        raw.send(body="lost")
    first, second = get(sandbox, "/accepted").json()
    assert before <= first.pop("monotonic") <= second["monotonic"] <= time.monotonic()
    assert first == {
        "number": 1,
        "at": "2026-11-22T12:30:00+00:00",
        "sid": sid,
        "to": PHONE,
        "from": NUMBER,
        "segments": 2,
        "body_sha256": hashlib.sha256(b"x" * 161).hexdigest(),
        "code": None,
        "fault": "",
    }
    assert (second["fault"], second["body_sha256"]) == (
        "twilio-drop",
        hashlib.sha256(b"lost").hexdigest(),
    )
    requests.delete(f"{sandbox.control_url}twilio/accepted", timeout=TIMEOUT)
    assert get(sandbox, "/accepted").json() == []
    assert len(raw.listed()) == 2


def test_phones_are_shown_to_who_could_read_the_texts(sandbox: Sandbox) -> None:
    """Without the account's credentials neither what was accepted nor the fates are shown."""
    Raw(sandbox).send()
    control(sandbox, "phones", {"phone": PHONE, "fate": "landline"})
    for path in ("/accepted", "/phones"):
        for auth in (None, (ACCOUNT_SID, "wrong")):
            refused = get(sandbox, path, auth)
            assert refused.status_code == 400
            assert PHONE not in refused.text
            assert "SID and token" in refused.json()["error"]
    assert PHONE not in repr(sandbox.twilio.accepted())
    assert get(sandbox, "/phones").json()["fates"] == {PHONE: "landline"}


def test_phones(sandbox: Sandbox) -> None:
    """A fate by name, or a status with a code; opting out goes by pairs."""
    raw = Raw(sandbox)
    assert control(sandbox, "phones", {"phone": PHONE, "fate": "landline"}).status_code == 200
    assert raw.code() == 21614
    body = {"phone": PHONE, "status": "undelivered", "code": 30022}
    assert control(sandbox, "phones", body).status_code == 200
    sid = raw.send().json()["sid"]
    assert control(sandbox, "clock", {"advance_seconds": 60}).status_code == 200
    assert raw.ask("GET", f"/Messages/{sid}.json").json()["error_code"] == 30022
    control(sandbox, "phones", {"phone": PHONE, "fate": "opted-out"})
    assert raw.code() == 21610
    found = get(sandbox, "/phones").json()
    assert found["fates"] == {PHONE: "own"}
    assert {"from": NUMBER, "phone": PHONE} in found["opted_out"]


def test_the_account(sandbox: Sandbox) -> None:
    """It can be suspended and run out of money, its campaign unregistered, each by itself."""
    raw = Raw(sandbox)
    control(sandbox, "account", {"status": "suspended"})
    assert raw.send().json()["code"] == 20003
    control(sandbox, "account", {"status": "active", "campaign_verified": False})
    sid = raw.send().json()["sid"]
    control(sandbox, "clock", {"advance_seconds": 60})
    assert raw.ask("GET", f"/Messages/{sid}.json").json()["error_code"] == 30034


@pytest.mark.parametrize(
    ("path", "body", "message"),
    [
        ("phones", {"phone": PHONE, "fate": "eaten"}, "no fate 'eaten'; there are delivered"),
        ("phones", {"phone": "617", "fate": "landline"}, "E.164"),
        ("phones", {"phone": PHONE}, "send a fate, or a status"),
        ("phones", {"phone": PHONE, "status": "lost"}, "send a fate, or a status"),
        ("inbound", {"from": PHONE, "to": PHONE, "body": "x"}, "one of the account's own"),
        ("account", {"status": "rich"}, "no status 'rich'"),
        ("clock", {"advance_seconds": -1}, "only goes forward"),
        ("clock", {"seconds": 1}, "no key 'seconds'"),
    ],
)
def test_mistakes_are_explained(
    sandbox: Sandbox, path: str, body: dict[str, object], message: str
) -> None:
    """400, what is wrong, and a command that works."""
    refused = control(sandbox, path, body)
    assert refused.status_code == 400
    assert message in refused.json()["error"]
    example = refused.json()["example"]
    assert f"/sandbox/twilio/{path}" in example
    json.loads(example.partition("-d '")[2].rstrip("'"))


def test_requests_are_counted(sandbox: Sandbox) -> None:
    """What was called and how it was answered, without values; a lost answer has status 0."""
    raw = Raw(sandbox)
    raw.listed()
    sandbox.fault("twilio-drop", times=1)
    with pytest.raises(requests.ConnectionError):
        raw.send()
    raw.code(to="nobody")
    text = get(sandbox, "/requests", auth=None).text
    assert PHONE not in text
    rows = [
        (row["number"], row["action"], row["status"], row["code"], row["fault"])
        for row in json.loads(text)
    ]
    assert rows == [
        (1, "list", 200, 0, ""),
        (2, "create", 0, 0, "twilio-drop"),
        (3, "create", 400, 21211, ""),
    ]
    requests.delete(f"{sandbox.control_url}twilio/requests", timeout=TIMEOUT)
    assert sandbox.twilio_requests == []


def test_without_an_account_there_is_no_twilio() -> None:
    """Its addresses lead nowhere, the control pages say so, and .env has no such names."""
    with Sandbox([registry()]) as sandbox:
        assert get(sandbox, "").status_code == 404
        assert "no Twilio account" in get(sandbox, "").json()["error"]
        assert (
            requests.get(f"{sandbox.twilio_url}/v1/Services/MG", timeout=TIMEOUT).status_code == 404
        )
        assert sandbox.variables == sandbox.tokens
        with pytest.raises(LookupError):
            _ = sandbox.twilio


def test_the_index_lists_them(sandbox: Sandbox) -> None:
    """Every address with what it does, and a body for each that takes one."""
    index = requests.get(sandbox.control_url, timeout=TIMEOUT).json()
    for address in (
        "GET /sandbox/twilio",
        "POST /sandbox/twilio/phones",
        "POST /sandbox/twilio/clock",
    ):
        assert index["addresses"][address]
    assert {"phones", "inbound", "account", "clock"} <= set(index["bodies of POST"])


def test_credentials_go_into_the_env_file(tmp_path: Path) -> None:
    """Four names beside the tokens."""
    account = made_up_account()
    with Sandbox([registry()], twilio=account) as sandbox:
        write_env_file(tmp_path / ".env", sandbox.variables)
        lines = (tmp_path / ".env").read_text(encoding="utf-8").splitlines()
        assert f"TWILIO_ACCOUNT_SID={account.sid}" in lines
        assert f"TWILIO_AUTH_TOKEN={account.auth_token}" in lines
        assert f"TWILIO_NUMBER={account.numbers[0]}" in lines
        assert f"TWILIO_API_URL=http://127.0.0.1:{sandbox.port}" in lines


def test_a_folder_keeps_the_credentials(tmp_path: Path) -> None:
    """The same account each time, for its owner's eyes only; what is none is said."""
    first = kept_account(tmp_path)
    path = tmp_path / "twilio.json"
    assert path.stat().st_mode & 0o777 == 0o600
    assert kept_account(tmp_path) == first
    assert [one.name for one in tmp_path.iterdir()] == ["twilio.json"]
    for text in ("{}", "no", '{"sid": "AC1", "auth_token": "x", "numbers": [], "services": []}'):
        path.write_text(text, encoding="utf-8")
        with pytest.raises(StateUnusable, match=r"twilio\.json: holds no Twilio account"):
            kept_account(tmp_path)
    with pytest.raises(StateUnusable, match="cannot be used"):
        kept_account(tmp_path / "missing")


def test_a_page_of_many_comes_at_once(sandbox: Sandbox) -> None:
    """1,000 of 20,000 messages, filtered by sender and day, in a fifth of a second of the processor.

    The best of three counts, of server and client together: what else this machine does is no
    fault of the list's.
    """
    board = sandbox.twilio
    for number in range(20_000):
        form = {"To": f"+1617555{100 + number % 100:04d}", "From": NUMBER, "Body": "Hello"}
        create(board, form, arrived=0.0)
        if number % 100 == 0:
            board.advance(100)
    board.advance(3600)
    raw = Raw(sandbox)
    query = {"From": NUMBER, "DateSent>": "2026-11-22", "PageSize": "1000"}
    took = []
    for _ in range(3):
        begun = time.process_time()
        rows = raw.listed(**query)
        took.append(time.process_time() - begun)
        assert len(rows) == 1000
    assert min(took) < 0.2
