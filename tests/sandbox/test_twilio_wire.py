"""Twilio's API byte by byte: headers, forms, paths, and what has no effect."""

from __future__ import annotations

import re
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise

import pytest
import requests
from sandbox_projects import TIMEOUT
from twilio_texts import (
    ACCOUNT_SID,
    NUMBER,
    OTHER_PHONE,
    PHONE,
    SECOND,
    SERVICE,
    Raw,
    client_of,
)

from redcap_jobs.sandbox.server import Sandbox

FORM = {"To": PHONE, "From": NUMBER, "Body": "Hello"}
ENCODED = b"To=%2B16175550123&From=%2B12025550100&Body=d%C3%ADa"
URLENCODED = "application/x-www-form-urlencoded"


@pytest.mark.parametrize("header", ["Idempotency-Key", "I-Twilio-Idempotency-Token"])
def test_nothing_makes_a_post_safe_to_repeat(raw: Raw, header: str) -> None:
    """Twilio has no idempotency key for messages: the same POST twice is two texts."""
    sids = {
        raw.ask("POST", "/Messages.json", data=FORM, headers={header: "one"}).json()["sid"]
        for _ in range(2)
    }
    assert len(sids) == len(raw.sandbox.twilio.accepted()) == 2


def test_what_is_not_known_has_no_effect(raw: Raw) -> None:
    """Unknown parameters, a callback, header of the caller: accepted, and nobody is called."""
    more = {"StatusCallback": "http://127.0.0.1:1/status", "Colour": "red", "SmartEncoded": "true"}
    made = raw.send(**more, ContentRetention="retain", RiskCheck="disable")
    assert (made.status_code, made.json()["status"]) == (201, "queued")
    assert "status_callback" not in made.json()
    assert len(raw.listed(Status="failed", Colour="red")) == 1


def test_headers(raw: Raw) -> None:
    """JSON in UTF-8, an id per request, and how busy the account is (Twilio's page 20429)."""
    for method, path in (("GET", "/Messages.json"), ("GET", "/Nothing.json"), ("HEAD", ".json")):
        headers = raw.ask(method, path).headers
        assert headers["Content-Type"] == "application/json;charset=utf-8"
        assert re.fullmatch("RQ[0-9a-f]{32}", headers["Twilio-Request-Id"])
        assert int(headers["Twilio-Concurrent-Requests"]) >= 1
        assert 0 <= float(headers["Twilio-Request-Duration"]) < TIMEOUT


@pytest.mark.parametrize("content_type", [URLENCODED, f"{URLENCODED}; charset=UTF-8"])
def test_forms_are_utf_8(raw: Raw, content_type: str) -> None:
    """Percent-encoded, with or without the charset said."""
    made = raw.ask(
        "POST", "/Messages.json", data=ENCODED, headers={"Content-Type": content_type}
    ).json()
    assert (made["to"], made["body"]) == (PHONE, "día")


@pytest.mark.parametrize(
    "request_", [{"json": FORM}, {"data": ENCODED}, {"data": ""}, {"params": FORM}], ids=str
)
def test_what_is_no_form_has_no_parameters(raw: Raw, request_: dict[str, object]) -> None:
    """JSON, a form that does not say it is one, and a query send nothing: the first parameter lacks."""
    refused = raw.ask("POST", "/Messages.json", **request_)
    assert (refused.status_code, refused.json()["code"]) == (400, 21604)
    assert raw.sandbox.twilio.accepted() == []


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/Messages"),
        ("GET", "/Messages/SM0.json"),
        ("HEAD", "/Messages/SM0.json"),
        ("POST", "/Messages/SM0.json"),
        ("DELETE", "/Messages/SM0.json"),
        ("GET", "/SMS/Messages.json"),
        ("PUT", "/Messages.json"),
        ("DELETE", "/Messages.json"),
        ("GET", "/IncomingPhoneNumbers/PN0.json"),
    ],
)
def test_what_is_not_there(raw: Raw, method: str, path: str) -> None:
    """404 with 20404 as JSON, once the credentials are right; else 401."""
    missing = raw.ask(method, path)
    assert missing.status_code == 404
    if method != "HEAD":
        assert missing.json()["code"] == 20404
    assert Raw(raw.sandbox, (ACCOUNT_SID, "wrong")).ask(method, path).status_code == 401


@pytest.mark.parametrize("header", ["", "Bearer x", "Basic !!!", "Basic QUI=", "Digest a=b"])
def test_credentials_that_cannot_be_read(sandbox: Sandbox, header: str) -> None:
    """None, another scheme, broken base64, no colon: 401 with 20003."""
    url = f"{sandbox.twilio_url}/2010-04-01/Accounts/{ACCOUNT_SID}/Messages.json"
    headers = {"Authorization": header} if header else {}
    refused = requests.get(url, headers=headers, timeout=TIMEOUT)
    assert (refused.status_code, refused.json()["code"]) == (401, 20003)


def test_the_order_of_the_checks(raw: Raw) -> None:
    """Form, sender, recipient: of several faults the first is told."""
    told = [
        raw.code(**form)
        for form in (
            {"to": "", "From": "", "body": ""},
            {"to": "nobody", "From": "", "body": ""},
            {"to": "nobody", "From": "none", "body": ""},
            {"to": "nobody", "From": "none", "body": "x" * 1601},
            {"to": "nobody", "From": "none", "ValidityPeriod": "0"},
            {"to": "nobody", "From": "none"},
            {"to": "nobody"},
        )
    ]
    assert told == [21604, 21603, 21602, 21617, 90007, 21212, 21211]


@pytest.mark.parametrize("seconds", ["1", "36000"])
def test_the_ends_of_a_validity_period(raw: Raw, seconds: str) -> None:
    """1 to 36,000 seconds are taken (Twilio's page 90007)."""
    assert raw.send(ValidityPeriod=seconds).status_code == 201


def test_a_body_of_1600_characters_is_the_longest(raw: Raw) -> None:
    """Counted in characters, whatever they take on the way; one more is 21617."""
    made = raw.send(body="💩" * 1600).json()
    assert (len(made["body"]), made["num_segments"]) == (1600, "49")
    assert raw.code(body="💩" * 1601) == 21617


def test_the_price_is_told_in_the_end(raw: Raw) -> None:
    """null until the message is over; what never went out has none."""
    sent, refused = raw.send().json(), raw.code(to="nobody")
    assert (sent["price"], refused) == (None, 21211)
    raw.sandbox.twilio.advance(5)
    assert {row["status"]: row["price"] for row in raw.listed()} == {"sent": None, "failed": None}
    raw.sandbox.twilio.advance(60)
    assert {row["status"]: row["price"] for row in raw.listed()} == {
        "delivered": "-0.00830",
        "failed": None,
    }


def test_filters_go_together(raw: Raw) -> None:
    """To, From, first and last day at once; the addresses of the pages repeat them all."""
    for phone, sender in ((PHONE, NUMBER), (PHONE, SECOND), (OTHER_PHONE, NUMBER)):
        raw.send(to=phone, From=sender)
    raw.sandbox.twilio.advance(86_400)
    raw.send()
    raw.sandbox.twilio.advance(60)
    query = {"To": PHONE, "From": NUMBER, "DateSent>": "2026-11-22", "DateSent<": "2026-11-22"}
    page = raw.ask("GET", "/Messages.json", params=query).json()
    assert [(row["to"], row["from"], row["date_sent"][:16]) for row in page["messages"]] == [
        (PHONE, NUMBER, "Sun, 22 Nov 2026")
    ]
    for name in ("To=", "From=", "DateSent%3E=", "DateSent%3C="):
        assert name in page["first_page_uri"]
    assert raw.listed(**query | {"DateSent": "2026-11-23"}) == []


def test_stream_and_limit_read_no_more_than_is_asked(sandbox: Sandbox) -> None:
    """The client's limit is the size of a page; a stream asks page by page."""
    client, raw = client_of(sandbox), Raw(sandbox)
    sids = [raw.send().json()["sid"] for _ in range(5)]
    sandbox.twilio.advance(60)
    sandbox.forget_requests()
    assert [one.sid for one in client.messages.list(limit=2)] == sids[:2:-1]
    assert len(sandbox.twilio_requests) == 1
    stream = client.messages.stream(page_size=2)
    assert next(stream).sid == sids[-1]
    assert len(sandbox.twilio_requests) == 2
    assert len(list(stream)) == 4
    assert len(sandbox.twilio_requests) == 4


def test_messages_can_be_deleted_while_they_are_listed(sandbox: Sandbox) -> None:
    """The page after one whose messages are all gone begins where that one ended, either way."""
    raw, client = Raw(sandbox), client_of(sandbox)
    for _ in range(7):
        raw.send()
    sandbox.twilio.advance(60)
    first = client.messages.page(page_size=3)
    second = first.next_page()
    assert second is not None
    back = second.previous_page_url
    assert [message.delete() for message in client.messages.stream(page_size=3)] == [True] * 7
    assert raw.listed() == []
    assert requests.get(back, auth=raw.auth, timeout=TIMEOUT).json()["messages"] == []
    unknown = raw.ask("GET", "/Messages.json", params={"Page": 1, "PageToken": f"PASM{'0' * 32}"})
    assert (unknown.status_code, unknown.json()["code"]) == (400, 20006)


def test_redaction_keeps_all_but_the_body(raw: Raw) -> None:
    """Body='' empties it; statuses go on, and other words in place of the body are refused."""
    sid = raw.send().json()["sid"]
    path = f"/Messages/{sid}.json"
    assert raw.ask("POST", path, data={"Body": ""}).json()["body"] == ""
    for form in ({"Body": "other"}, {"Status": "sent"}):
        refused = raw.ask("POST", path, data=form)
        assert (refused.status_code, refused.json()["code"]) == (400, 20001)
    raw.sandbox.twilio.advance(60)
    row = raw.ask("GET", path).json()
    assert (row["body"], row["status"], row["to"]) == ("", "delivered", PHONE)


def test_a_service_sends_from_one_of_its_numbers(raw: Raw) -> None:
    """A From beside it is taken; else the service chooses, the same number for the same phone."""
    made = raw.send(From=SECOND, MessagingServiceSid=SERVICE).json()
    assert (made["messaging_service_sid"], made["status"]) == (SERVICE, "accepted")
    raw.sandbox.twilio.advance(60)
    (row,) = raw.listed()
    assert (row["from"], row["messaging_service_sid"]) == (SECOND, SERVICE)


def test_eight_clients_at_once(sandbox: Sandbox) -> None:
    """Sending, listing, replying and suspending together: nothing is lost, nothing breaks."""
    raw = Raw(sandbox)

    def work(number: int) -> set[int]:
        seen = {raw.send(to=f"+1617555{100 + number:04d}").status_code for _ in range(10)}
        seen |= {raw.ask("GET", "/Messages.json", params={"PageSize": 7}).status_code}
        sandbox.twilio.receive(f"+1617555{100 + number:04d}", SECOND, "STOP")
        sandbox.twilio.advance(1)
        return seen | {raw.ask("GET", ".json").status_code}

    with ThreadPoolExecutor(8) as pool:
        seen = set().union(*pool.map(work, range(8)))
    assert seen == {200, 201}
    assert len({one.sid for one in sandbox.twilio.accepted()}) == 80
    sandbox.twilio.advance(600)
    rows = client_of(sandbox).messages.list(page_size=1000)
    outbound = [row for row in rows if row.direction == "outbound-api"]
    assert {row.status for row in outbound} == {"delivered"}
    assert len(outbound) == 80
    sent = sorted(row.date_sent for row in outbound)
    assert all((b - a).total_seconds() >= 1 for a, b in pairwise(sent))
