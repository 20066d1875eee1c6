"""The Twilio client's contract, on the wire: what is sent, and what each answer means.

The JSON bodies are shaped as in Twilio's API reference (Message resource) and error pages.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
import requests
import responses
from responses.matchers import query_param_matcher, urlencoded_params_matcher

from redcap_jobs.errors import CredentialsError, GuardRefused
from redcap_jobs.messaging.twilio import Account, TwilioClient
from redcap_jobs.messaging.twilio_answers import TwilioUnreachable
from redcap_jobs.messaging.twilio_codes import CODES, reaction

SID, TOKEN = "AC" + "a1" * 16, "0123456789abcdef" * 2
NUMBER, PHONE = "+12025550100", "+16175550123"
HOST = "https://api.twilio.com"
BASE = f"{HOST}/2010-04-01/Accounts/{SID}"
MESSAGES = f"{BASE}/Messages.json"
BODY = "Hi Ana, it is time: https://redcap.example.org/surveys/?s=8KFX"
FOR_AN_HOUR = timedelta(hours=1)
UNREACHABLE = ("undelivered", "30003", 1)


def message(**changed: Any) -> dict[str, Any]:
    """Give a message as Twilio's reference shows one."""
    return {
        "account_sid": SID,
        "api_version": "2010-04-01",
        "body": BODY,
        "date_created": "Tue, 24 Nov 2026 18:00:00 +0000",
        "date_sent": None,
        "date_updated": "Tue, 24 Nov 2026 18:00:00 +0000",
        "direction": "outbound-api",
        "error_code": None,
        "error_message": None,
        "from": NUMBER,
        "messaging_service_sid": None,
        "num_media": "0",
        "num_segments": "1",
        "price": None,
        "price_unit": None,
        "sid": "SM" + "0" * 32,
        "status": "queued",
        "subresource_uris": {"media": f"/2010-04-01/Accounts/{SID}/Messages/SM/Media.json"},
        "to": PHONE,
        "uri": f"/2010-04-01/Accounts/{SID}/Messages/SM.json",
    } | changed


def error(code: int, status: int, text: str = f"The 'To' number {PHONE} is not valid") -> str:
    """Give an error as Twilio words it: it quotes the number."""
    info = f"https://www.twilio.com/docs/errors/{code}"
    return json.dumps({"code": code, "message": text, "more_info": info, "status": status})


def keyed(text: str, kind: str) -> str:
    """Hash a text; a test needs no key."""
    return f"{kind}#{sum(map(ord, text))}"


MANY = json.dumps({"messages": [message(num_segments="many")], "next_page_uri": None})
"""A list whose one message cannot be read."""


@pytest.fixture
def wire() -> Iterator[responses.RequestsMock]:
    with responses.RequestsMock() as mock:
        yield mock


@pytest.fixture
def client() -> TwilioClient:
    return TwilioClient(Account(SID, SID, TOKEN, NUMBER), HOST, keyed)


def test_a_text_is_posted_once_with_everything_that_protects(
    wire: responses.RequestsMock, client: TwilioClient
) -> None:
    """To, From, Body and ValidityPeriod; a time-out above Twilio's own 30 seconds."""
    form = {"To": PHONE, "From": NUMBER, "Body": BODY, "ValidityPeriod": "3600"}
    wire.post(MESSAGES, status=201, json=message(), match=[urlencoded_params_matcher(form)])
    posted = client.send(PHONE, BODY, FOR_AN_HOUR)
    assert (posted.state, posted.reference, posted.status) == ("sent", "SM" + "0" * 32, "queued")
    (call,) = wire.calls
    assert call.request.req_kwargs["timeout"] > 30


def test_a_redirect_is_not_followed(wire: responses.RequestsMock, client: TwilioClient) -> None:
    """It would carry credentials and text elsewhere; nothing more is tried in this run."""
    wire.post(MESSAGES, status=307, headers={"Location": "https://elsewhere.example.org/"})
    posted = client.send(PHONE, BODY, FOR_AN_HOUR)
    assert (posted.state, posted.not_sent, bool(posted.stops)) == ("rejected", False, True)
    assert len(wire.calls) == 1


def test_a_proxys_refusal_ends_the_run(wire: responses.RequestsMock, client: TwilioClient) -> None:
    """An answer without a code of Twilio's would meet every other text as well."""
    wire.post(MESSAGES, status=403, body="<html>Forbidden by policy</html>")
    posted = client.send(PHONE, BODY, FOR_AN_HOUR)
    assert (posted.state, posted.code, bool(posted.stops)) == ("rejected", "403", True)


def test_a_validity_longer_than_twilio_takes_is_cut(
    wire: responses.RequestsMock, client: TwilioClient
) -> None:
    """36,000 seconds are the most (Twilio's error page 90007)."""
    wire.post(MESSAGES, status=201, json=message())
    client.send(PHONE, BODY, timedelta(hours=13))
    assert "ValidityPeriod=36000" in str(wire.calls[0].request.body)


@pytest.mark.parametrize("code", sorted(CODES))
def test_every_refusal_is_what_its_code_says(
    wire: responses.RequestsMock, client: TwilioClient, code: str
) -> None:
    """A 4xx is a refusal of the table's kind; only what is documented as not sent is not sent."""
    wire.post(MESSAGES, status=400, body=error(int(code), 400))
    posted = client.send(PHONE, BODY, FOR_AN_HOUR)
    known = reaction(code)
    assert (posted.state, posted.code) == ("rejected", code)
    assert posted.not_sent is (known.kind == "not_sent")
    assert bool(posted.stops) is known.stops_run
    assert posted.sentence


def test_too_many_requests_were_never_processed(
    wire: responses.RequestsMock, client: TwilioClient
) -> None:
    """429 is documented as safe to repeat (Twilio's error page 20429), whatever its body."""
    wire.post(MESSAGES, status=429, body="<html>busy</html>")
    posted = client.send(PHONE, BODY, FOR_AN_HOUR)
    assert (posted.state, posted.not_sent) == ("rejected", True)


@pytest.mark.parametrize(
    ("code", "stops"), [(20429, False), (21611, True), (63038, True), (14107, True), (99999, False)]
)
def test_429_with_a_code_of_its_own_does_what_the_code_says(
    wire: responses.RequestsMock, client: TwilioClient, code: int, *, stops: bool
) -> None:
    """A full queue and the daily limit come as 429: nothing went out, and no other text is tried."""
    wire.post(MESSAGES, status=429, body=error(code, 429, "Account exceeded the 500 limit"))
    posted = client.send(PHONE, BODY, FOR_AN_HOUR)
    assert (posted.state, posted.code, posted.not_sent) == ("rejected", str(code), True)
    assert bool(posted.stops) is stops
    assert posted.sentence == reaction(str(code) if stops else "20429").sentence


def problem(code: object, status: object) -> str:
    """Give an error in the form of RFC 9457, which Twilio's library knows as well."""
    words = {"type": "https://www.twilio.com/docs/errors/1", "title": "Bad", "detail": PHONE}
    return json.dumps({**words, "code": code, "status": status})


@pytest.mark.parametrize(("code", "status"), [(21211, 400), (20003, 401), (20429, 429)])
def test_a_refusal_in_the_new_form_is_a_refusal(
    wire: responses.RequestsMock, client: TwilioClient, code: int, status: int
) -> None:
    """RFC 9457: the library has another exception for it; what it says is the same."""
    wire.post(MESSAGES, status=status, body=problem(code, status))
    in_new_form = client.send(PHONE, BODY, FOR_AN_HOUR)
    wire.replace("POST", MESSAGES, status=status, body=error(code, status))
    assert in_new_form == client.send(PHONE, BODY, FOR_AN_HOUR)
    assert (in_new_form.state, in_new_form.code) == ("rejected", str(code))


@pytest.mark.parametrize(
    "code", [PHONE, int(PHONE), {"to": PHONE}, None, 0, -1, "21211 " + PHONE, "9" * 5000]
)
def test_a_code_that_is_none_is_neither_believed_nor_kept(
    wire: responses.RequestsMock, client: TwilioClient, code: object
) -> None:
    """Something on the way may send any JSON: the status stands in, and the run ends."""
    wire.post(MESSAGES, status=400, json={"code": code, "message": PHONE})
    posted = client.send(PHONE, BODY, FOR_AN_HOUR)
    assert (posted.state, posted.code, posted.not_sent) == ("rejected", "400", False)
    assert posted.stops
    assert PHONE[1:] not in str(posted)


def test_a_404_of_something_else_is_not_twilios_word(
    wire: responses.RequestsMock, client: TwilioClient
) -> None:
    """Only with code 20404 has Twilio no such message; a proxy's page says nothing about it."""
    address = f"{BASE}/Messages/SM{'0' * 32}.json"
    wire.get(address, status=404, body="<html>no such page</html>")
    with pytest.raises(TwilioUnreachable, match="HTTP 404"):
        client.fetch("SM" + "0" * 32)
    wire.replace("GET", address, status=404, body=error(20404, 404))
    assert client.fetch("SM" + "0" * 32) is None


@pytest.mark.parametrize(
    "answer",
    [
        {"status": 500, "body": error(20500, 500)},
        {"status": 503, "body": problem(20503, 503)},
        {"status": 400, "body": problem(21211, "four hundred")},
        {"status": 503, "body": "<html>503 Service Unavailable</html>"},
        {"status": 408, "body": "<html>408 Request Time-out</html>"},
        {"status": 201, "body": '{"sid": "SM00'},
        {"status": 201, "json": message(sid=None)},
        {"status": 201, "json": message(sid="nonsense")},
        {"status": 200, "body": ""},
        {"body": requests.exceptions.ReadTimeout("slow")},
        {"body": requests.exceptions.ConnectionError("reset by peer")},
        {"body": requests.exceptions.ChunkedEncodingError("cut")},
    ],
    ids=str,
)
def test_an_answer_that_proves_nothing_is_unknown(
    wire: responses.RequestsMock, client: TwilioClient, answer: dict[str, Any]
) -> None:
    """Server errors, time-outs, cut answers: the text may have gone out, so it is never repeated."""
    wire.post(MESSAGES, **answer)
    posted = client.send(PHONE, BODY, FOR_AN_HOUR)
    assert (posted.state, posted.not_sent) == ("unknown", False)
    assert len(wire.calls) == 1
    assert PHONE not in repr(posted)


def test_a_word_that_ends_it_at_once_is_asked_for_again(
    wire: responses.RequestsMock, client: TwilioClient
) -> None:
    """Accepted and failed in one answer: its code is learnt like any other's, by looking it up."""
    wire.post(MESSAGES, status=201, json=message(status="failed", error_code=21610))
    posted = client.send(PHONE, BODY, FOR_AN_HOUR)
    assert (posted.state, posted.reference, posted.status) == ("sent", "SM" + "0" * 32, "")


@pytest.mark.parametrize(
    "answer",
    ["[]", "null", '"x"', '{"messages": null}', '{"messages": [null]}', '{"error": "x"}', MANY],
)
def test_an_answer_of_another_shape_is_no_answer(
    wire: responses.RequestsMock, client: TwilioClient, answer: str
) -> None:
    """Something on the way answers in JSON: told as Twilio's fault, not as one of this program."""
    wire.get(MESSAGES, body=answer)
    with pytest.raises(TwilioUnreachable, match="no usable answer"):
        client.newest()
    with pytest.raises(TwilioUnreachable, match="no usable answer"):
        client.outbound(date(2026, 11, 23))
    if answer != MANY:  # what went out is no reply, and its segments are not read
        with pytest.raises(TwilioUnreachable, match="no usable answer"):
            client.inbound(date(2026, 11, 23))


def test_no_connection_sent_nothing() -> None:
    """Nobody listens: it is known that nothing went out, and nothing more is tried in this run."""
    client = TwilioClient(Account(SID, SID, TOKEN, NUMBER), "http://127.0.0.1:1", keyed)
    posted = client.send(PHONE, BODY, FOR_AN_HOUR)
    assert (posted.state, posted.not_sent, bool(posted.stops)) == ("rejected", True, True)


def test_a_message_is_read_without_keeping_its_phone_or_body(
    wire: responses.RequestsMock, client: TwilioClient
) -> None:
    """Hashes in place of phone and body, aware instants, the error code as text."""
    row = message(
        status="undelivered", error_code=30006, date_sent="Tue, 24 Nov 2026 18:00:05 +0000"
    )
    wire.get(MESSAGES, json={"messages": [row, message(direction="inbound")]})
    (read,) = client.outbound(date(2026, 11, 23))
    assert (read.status, read.error_code) == ("undelivered", "30006")
    assert read.sent_at == datetime(2026, 11, 24, 18, 0, 5, tzinfo=UTC)
    assert (read.to_hash, read.body_hash) == (keyed(PHONE, "phone"), keyed(BODY, "body"))
    assert PHONE not in repr(read)
    assert BODY not in repr(read)


@pytest.mark.parametrize(
    "status",
    [
        *("queued", "sending", "sent", "failed", "delivered", "undelivered", "receiving"),
        *("received", "accepted", "scheduled", "read", "partially_delivered", "canceled", "new"),
    ],
)
def test_every_status_is_read(
    wire: responses.RequestsMock, client: TwilioClient, status: str
) -> None:
    """Those of the API reference, and one that it does not know yet."""
    wire.get(f"{BASE}/Messages/SM{'0' * 32}.json", json=message(status=status))
    found = client.fetch("SM" + "0" * 32)
    assert found is not None
    assert found.status == status


@pytest.mark.parametrize(
    ("changed", "status", "code", "segments"),
    [
        ({"status": "accepted", "from": None, "num_segments": "0"}, "accepted", "", 0),
        ({"status": "scheduled", "from": None, "messaging_service_sid": "MG1"}, "scheduled", "", 1),
        ({"sid": "MM" + "0" * 32, "num_media": "2", "num_segments": "3"}, "queued", "", 3),
        ({"status": "delivered", "price": "-0.00750", "price_unit": "USD"}, "delivered", "", 1),
        ({"status": "sent", "error_code": 30005}, "sent", "30005", 1),
        ({"status": "undelivered", "error_code": 30003, "error_message": "x"}, *UNREACHABLE),
        ({"status": "undelivered", "error_code": "30003"}, *UNREACHABLE),
        (dict.fromkeys(message()), "", "", 1),
    ],
)
def test_published_examples_are_read(
    wire: responses.RequestsMock,
    client: TwilioClient,
    changed: dict[str, Any],
    status: str,
    code: str,
    segments: int,
) -> None:
    """As the API reference shows messages, and with every field null, as its schema allows."""
    wire.get(f"{BASE}/Messages/SM{'0' * 32}.json", json=message(**changed))
    found = client.fetch("SM" + "0" * 32)
    assert found is not None
    assert (found.status, found.error_code, found.segments) == (status, code, segments)
    assert found.code == (code if status in ("failed", "undelivered") else "")


def test_a_list_is_asked_for_by_number_and_day_in_pages_of_a_thousand(
    wire: responses.RequestsMock, client: TwilioClient
) -> None:
    """From, DateSent>= a UTC day, PageSize 1000; the server's next page is followed."""
    first = {"From": NUMBER, "DateSent>": "2026-11-23", "PageSize": "1000"}
    next_page = f"/2010-04-01/Accounts/{SID}/Messages.json?Page=1&PageToken=PT"
    wire.get(
        MESSAGES,
        json={"messages": [message()], "next_page_uri": next_page},
        match=[query_param_matcher(first)],
    )
    wire.get(
        MESSAGES,
        json={"messages": [message(sid="SM" + "1" * 32)], "next_page_uri": None},
        match=[query_param_matcher({"Page": "1", "PageToken": "PT"})],
    )
    assert [row.sid for row in client.outbound(date(2026, 11, 23))] == [
        "SM" + "0" * 32,
        "SM" + "1" * 32,
    ]


def test_replies_are_those_that_came_in(wire: responses.RequestsMock, client: TwilioClient) -> None:
    """Asked for by our own number; their body and sender are shown to nobody."""
    reply = message(direction="inbound", to=NUMBER, status="received", body="STOP")
    reply["from"] = PHONE
    wire.get(MESSAGES, json={"messages": [reply, message()]})
    (read,) = client.inbound(date(2026, 11, 23))
    assert (read.sender, read.body) == (PHONE, "STOP")
    assert PHONE not in repr(read)
    assert "STOP" not in repr(read)


def test_replies_to_a_number_before_are_read_too(
    wire: responses.RequestsMock, client: TwilioClient
) -> None:
    """Asked for without a number; what came to others of the account is not this study's."""
    ways = {"SM1": NUMBER, "SM2": "+12025550101", "SM3": "+12025550102", "SM4": None}
    replies = [message(direction="inbound", sid=sid, to=to) for sid, to in ways.items()]
    former = keyed("+12025550101", "sender")
    day = query_param_matcher({"DateSent>": "2026-11-23", "PageSize": "1000"})
    wire.get(MESSAGES, json={"messages": [*replies, message()]}, match=[day])
    found = client.inbound(date(2026, 11, 23), {former})
    assert [each.sid for each in found] == ["SM1", "SM2"]


@pytest.mark.parametrize(
    ("status", "body", "raised"),
    [
        (401, error(20003, 401, "Authenticate"), CredentialsError),
        (403, error(20008, 403, "test credentials"), CredentialsError),
        (429, error(20429, 429, "Too many requests"), TwilioUnreachable),
        (503, "<html>503</html>", TwilioUnreachable),
        (200, "<html>a proxy's page</html>", TwilioUnreachable),
    ],
)
def test_a_question_without_an_answer_says_so(
    wire: responses.RequestsMock, client: TwilioClient, status: int, body: str, raised: type
) -> None:
    """Lists, too, whose errors have no status of their own; no number stands in the message."""
    wire.get(MESSAGES, status=status, body=body)
    with pytest.raises(raised) as told:
        client.inbound(date(2026, 11, 23))
    assert NUMBER not in str(told.value)
    assert TOKEN not in str(told.value)
    code = str(json.loads(body)["code"]) if body.startswith("{") else "none"
    assert status == 200 or f"code {code}" in str(told.value)


def test_a_number_of_somebody_else_is_refused(
    wire: responses.RequestsMock, client: TwilioClient
) -> None:
    """The sender is verified before the first text of a run."""
    wire.get(f"{BASE}.json", json={"sid": SID, "status": "active"})
    wire.get(f"{BASE}/IncomingPhoneNumbers.json", json={"incoming_phone_numbers": []})
    with pytest.raises(GuardRefused, match="does not belong"):
        client.verify()


@pytest.mark.parametrize("status", ["suspended", "closed"])
def test_an_account_that_is_not_active_is_refused(
    wire: responses.RequestsMock, client: TwilioClient, status: str
) -> None:
    """A suspended account is told before anybody waits for its texts."""
    wire.get(f"{BASE}.json", json={"sid": SID, "status": status})
    with pytest.raises(GuardRefused, match=status):
        client.verify()


def test_a_standard_api_key_is_verified_by_the_number(wire: responses.RequestsMock) -> None:
    """Such a key may not ask for the account itself; that the number is its own is enough."""
    client = TwilioClient(Account(SID, "SK" + "c3" * 16, "secret-of-key", NUMBER), HOST, keyed)
    wire.get(f"{BASE}.json", status=401, body=error(20003, 401, "Authenticate"))
    numbers = {"incoming_phone_numbers": [{"sid": "PN1", "phone_number": NUMBER}]}
    wire.get(f"{BASE}/IncomingPhoneNumbers.json", json=numbers)
    client.verify()
    assert len(wire.calls) == 2


@pytest.mark.parametrize("user", [SID, "SK" + "c3" * 16])
def test_test_credentials_are_told_before_the_first_text(
    wire: responses.RequestsMock, user: str
) -> None:
    """They could post to nobody, and may read nothing: 403 with 20008 for account and numbers."""
    client = TwilioClient(Account(SID, user, "a-test-token", NUMBER), HOST, keyed)
    refusal = error(20008, 403, "Resource not accessible with Test Account Credentials")
    wire.get(f"{BASE}.json", status=403, body=refusal)
    if user != SID:
        wire.get(f"{BASE}/IncomingPhoneNumbers.json", status=403, body=refusal)
    with pytest.raises(CredentialsError, match="HTTP 403"):
        client.verify()


def test_nothing_private_is_logged(
    wire: responses.RequestsMock, client: TwilioClient, caplog: pytest.LogCaptureFixture
) -> None:
    """Twilio's library prints addresses and phones at INFO: it is kept from it."""
    caplog.set_level(logging.DEBUG)
    wire.get(MESSAGES, json={"messages": []})
    client.inbound(date(2026, 11, 23))
    assert "twilio.http_client" not in {record.name for record in caplog.records}


def test_the_environment_does_not_move_the_host(
    wire: responses.RequestsMock, client: TwilioClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """TWILIO_REGION and TWILIO_EDGE of the process would send texts through another host."""
    monkeypatch.setenv("TWILIO_REGION", "ie1")
    monkeypatch.setenv("TWILIO_EDGE", "dublin")
    wire.post(MESSAGES, status=201, json=message())
    assert client.send(PHONE, BODY, FOR_AN_HOUR).state == "sent"
