"""How a text moves on with the clock: queue, receipt, expiry, suspension, replies."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from twilio_texts import (
    ACCOUNT,
    ACCOUNT_SID,
    NUMBER,
    OTHER_PHONE,
    PHONE,
    SECOND,
    SERVICE,
    Raw,
    serving,
)

from redcap_jobs.errors import UsageError
from redcap_jobs.sandbox.twilio_fates import FATES, Ending, Fate


def sid_of(raw: Raw, **form: str) -> str:
    response = raw.send(**form)
    assert response.status_code == 201, response.text
    return str(response.json()["sid"])


def state(raw: Raw, sid: str) -> tuple[str, int | None]:
    row = raw.ask("GET", f"/Messages/{sid}.json").json()
    return row["status"], row["error_code"]


def states(raw: Raw, sid: str, *pauses: float) -> list[str]:
    """Return the status now and after each pause."""
    found = [state(raw, sid)[0]]
    for pause in pauses:
        raw.sandbox.twilio.advance(pause)
        found.append(state(raw, sid)[0])
    return found


def test_from_a_number(raw: Raw) -> None:
    """queued is what the answer says; then sending, sent, delivered."""
    made = raw.send()
    assert made.json()["status"] == "queued"
    assert states(raw, made.json()["sid"], 0.5, 1, 9, 1) == [
        "sending",
        "sending",
        "sent",
        "sent",
        "delivered",
    ]


@pytest.mark.parametrize("form", [{"From": "", "MessagingServiceSid": SERVICE}, {"From": SERVICE}])
def test_from_a_messaging_service(raw: Raw, form: dict[str, str]) -> None:
    """accepted until a number is chosen; from, then on, is that number. From may name it, too."""
    sid = sid_of(raw, **form)
    assert states(raw, sid, 1, 1, 10) == ["accepted", "sending", "sent", "delivered"]
    row = raw.ask("GET", f"/Messages/{sid}.json").json()
    assert (row["from"], row["num_segments"]) == (SECOND, "1")


def test_a_number_sends_a_segment_per_second(raw: Raw) -> None:
    """What comes faster waits in the queue of its number, and of no other."""
    sids = [sid_of(raw, body="x" * 161), sid_of(raw), sid_of(raw)]
    beside = sid_of(raw, From=SECOND)
    assert [state(raw, sid)[0] for sid in (*sids, beside)] == [
        "sending",
        "queued",
        "queued",
        "sending",
    ]
    raw.sandbox.twilio.advance(2)
    assert [state(raw, sid)[0] for sid in sids] == ["sent", "sending", "queued"]
    raw.sandbox.twilio.advance(60)
    sent = [raw.ask("GET", f"/Messages/{sid}.json").json()["date_sent"] for sid in sids]
    assert sent == [
        "Sun, 22 Nov 2026 12:30:01 +0000",
        "Sun, 22 Nov 2026 12:30:03 +0000",
        "Sun, 22 Nov 2026 12:30:04 +0000",
    ]


def test_what_waits_too_long_expires(raw: Raw) -> None:
    """Past its validity period a message fails with 30036, is not sent and takes no time."""
    first = sid_of(raw, body="x" * 1600)
    late = sid_of(raw, ValidityPeriod="5")
    last = sid_of(raw, ValidityPeriod="11")
    raw.sandbox.twilio.advance(4)
    assert state(raw, late) == ("queued", None)
    raw.sandbox.twilio.advance(1)
    assert state(raw, late) == ("failed", 30036)
    raw.sandbox.twilio.advance(60)
    assert [state(raw, sid)[0] for sid in (first, last)] == ["delivered", "delivered"]
    assert raw.ask("GET", f"/Messages/{late}.json").json()["date_sent"] is None


def test_a_queue_holds_ten_hours(raw: Raw) -> None:
    """Beyond 36,000 segments a number takes no more: 21611, with a service 30001 afterwards."""
    board = raw.sandbox.twilio
    for number in (NUMBER, SECOND):
        board.queue(number, board.now(), 36_000)
    assert raw.send(body="x" * 1600).status_code == 201
    assert raw.code() == 21611
    through_service = {"From": "", "MessagingServiceSid": SERVICE}
    assert raw.send(**through_service).status_code == 201
    sid = sid_of(raw, **through_service)
    board.advance(1)
    assert state(raw, sid) == ("failed", 30001)
    board.advance(12)
    assert raw.send().status_code == 201


@pytest.mark.parametrize(
    ("fate", "ending"),
    [
        ("unreachable", ("undelivered", 30003)),
        ("blocked", ("undelivered", 30004)),
        ("unknown", ("undelivered", 30005)),
        ("landline-carrier", ("undelivered", 30006)),
        ("filtered", ("undelivered", 30007)),
        ("unknown-error", ("undelivered", 30008)),
        ("carrier-timeout", ("failed", 30410)),
        ("internal-error", ("failed", 30500)),
        ("no-receipt", ("sent", None)),
        ("delivered", ("delivered", None)),
    ],
)
def test_fates(raw: Raw, fate: str, ending: tuple[str, int | None]) -> None:
    """A code is shown with the end only, never on the way; without a receipt it stays sent."""
    raw.sandbox.twilio.set_fate(PHONE, fate)
    sid = sid_of(raw)
    raw.sandbox.twilio.advance(5)
    assert state(raw, sid) == ("sent", None)
    raw.sandbox.twilio.advance(80 * 3600)
    assert state(raw, sid) == ending


def test_a_final_status_can_be_corrected(raw: Raw) -> None:
    """An undelivered text turns out to be delivered an hour later; another receipt comes late."""
    raw.sandbox.twilio.set_fate(PHONE, "corrected")
    raw.sandbox.twilio.set_fate(OTHER_PHONE, "late-receipt")
    corrected, late = sid_of(raw), sid_of(raw, to=OTHER_PHONE)
    raw.sandbox.twilio.advance(60)
    assert [state(raw, corrected), state(raw, late)] == [("undelivered", 30008), ("sent", None)]
    raw.sandbox.twilio.advance(3600)
    assert [state(raw, corrected), state(raw, late)] == [("delivered", None), ("delivered", None)]


def test_any_end_can_be_made(raw: Raw) -> None:
    """A fate in full has the status and code of one's choice."""
    raw.sandbox.twilio.set_fate(PHONE, Fate(endings=(Ending("undelivered", 30022),)))
    sid = sid_of(raw)
    raw.sandbox.twilio.advance(60)
    assert state(raw, sid) == ("undelivered", 30022)
    for phone, fate in (("617", "unreachable"), (PHONE, "eaten")):
        with pytest.raises(UsageError):
            raw.sandbox.twilio.set_fate(phone, fate)
    assert set(FATES) >= {"landline", "unreachable", "unknown", "filtered", "no-receipt"}


def test_an_unregistered_campaign(raw: Raw) -> None:
    """Accepted and then undelivered with 30034, until it is registered."""
    raw.sandbox.twilio.campaign_verified = False
    blocked = sid_of(raw)
    raw.sandbox.twilio.campaign_verified = True
    passed = sid_of(raw)
    raw.sandbox.twilio.advance(60)
    assert [state(raw, blocked), state(raw, passed)] == [
        ("undelivered", 30034),
        ("delivered", None),
    ]


@pytest.mark.parametrize("status", ["suspended", "closed"])
def test_an_account_that_is_shut(raw: Raw, status: str) -> None:
    """401 with 20003 whatever is asked; what was queued fails with 30002, what was sent is not lost."""
    sent = sid_of(raw)
    raw.sandbox.twilio.advance(5)
    queued = [sid_of(raw) for _ in range(3)][-1]
    raw.sandbox.twilio.set_status(status)
    for method, path in (("POST", "/Messages.json"), ("GET", "/Messages.json"), ("GET", ".json")):
        refused = raw.ask(method, path)
        assert (refused.status_code, refused.json()["code"]) == (401, 20003)
    raw.sandbox.twilio.set_status("active")
    raw.sandbox.twilio.advance(60)
    assert [state(raw, sent), state(raw, queued)] == [("delivered", None), ("failed", 30002)]


def test_an_empty_balance(raw: Raw) -> None:
    """Nothing can be sent (20005), but lists can be read, and the account says suspended."""
    sent = sid_of(raw)
    raw.sandbox.twilio.set_status("out-of-funds")
    refused = raw.send()
    assert (refused.status_code, refused.json()["code"]) == (401, 20005)
    assert [row["sid"] for row in raw.listed()] == [sent]
    assert raw.ask("GET", ".json").json()["status"] == "suspended"
    with pytest.raises(UsageError, match="no status"):
        raw.sandbox.twilio.set_status("rich")


@pytest.mark.parametrize("word", ["STOP", "stopall", " Unsubscribe ", "CANCEL", "end", "Quit\n"])
def test_stop_words(raw: Raw, word: str) -> None:
    """A keyword alone opts the phone out of that number: 21610; other numbers and phones go on."""
    raw.sandbox.twilio.receive(PHONE, NUMBER, word)
    assert raw.code() == 21610
    assert raw.send(From=SECOND).status_code == 201
    assert raw.send(to=OTHER_PHONE).status_code == 201


@pytest.mark.parametrize("text", ["please stop", "STOP!", "stop it", "wrong number", "", "ALTO"])
def test_what_is_no_stop_word(raw: Raw, text: str) -> None:
    """Twilio blocks single English keywords only: the rest is for the program to read."""
    raw.sandbox.twilio.receive(PHONE, NUMBER, text)
    assert raw.send().status_code == 201


@pytest.mark.parametrize("word", ["START", "yes", "Unstop"])
def test_start_words(raw: Raw, word: str) -> None:
    """They open the number again."""
    raw.sandbox.twilio.receive(PHONE, NUMBER, "STOP")
    raw.sandbox.twilio.receive(PHONE, NUMBER, word)
    assert raw.send().status_code == 201


def test_stop_to_a_number_of_a_service(raw: Raw) -> None:
    """Opts out of the Messaging Service with all its numbers."""
    raw.sandbox.twilio.receive(PHONE, SECOND, "STOP")
    assert raw.code(From=SECOND) == 21610
    sid = sid_of(raw, From="", MessagingServiceSid=SERVICE)
    raw.sandbox.twilio.advance(2)
    assert state(raw, sid) == ("failed", 21610)
    (reply,) = raw.listed(To=SECOND)
    assert (reply["direction"], reply["messaging_service_sid"]) == ("inbound", SERVICE)


def test_replies_are_listed(raw: Raw) -> None:
    """Inbound and received, from the phone to our number; to a keyword Twilio replies by itself."""
    raw.sandbox.twilio.receive(PHONE, NUMBER, "Can I come on Monday?")
    (row,) = raw.listed(To=NUMBER, **{"DateSent>": "2026-11-22"})
    assert (row["direction"], row["status"], row["from"], row["body"]) == (
        "inbound",
        "received",
        PHONE,
        "Can I come on Monday?",
    )
    assert row["date_sent"] == row["date_created"] == "Sun, 22 Nov 2026 12:30:00 +0000"
    raw.sandbox.twilio.receive(PHONE, NUMBER, "STOP")
    assert [one["direction"] for one in raw.listed(To=PHONE)] == ["outbound-reply"]
    assert raw.sandbox.twilio.accepted() == []
    for sender, to in ((PHONE, PHONE), ("617", NUMBER)):
        with pytest.raises(UsageError):
            raw.sandbox.twilio.receive(sender, to, "Hello")


def test_filters_by_day_find_what_was_sent(raw: Raw) -> None:
    """What still waits has no date of sending: it is in the plain list only."""
    sids = [sid_of(raw), sid_of(raw)]
    raw.sandbox.twilio.advance(1)
    assert [row["sid"] for row in raw.listed(**{"DateSent>": "2026-11-22"})] == sids[:1]
    assert {row["sid"] for row in raw.listed()} == set(sids)
    assert raw.listed(DateSent="2026-11-21") == []
    assert raw.listed(**{"DateSent<": "2026-11-21"}) == []


def test_the_shape_of_a_message(raw: Raw) -> None:
    """The keys and types of the example in Twilio's reference of the Message resource."""
    sid = sid_of(raw)
    raw.sandbox.twilio.advance(60)
    uri = f"/2010-04-01/Accounts/{ACCOUNT_SID}/Messages/{sid}"
    assert raw.ask("GET", f"/Messages/{sid}.json").json() == {
        "account_sid": ACCOUNT_SID,
        "api_version": "2010-04-01",
        "body": "Hello",
        "date_created": "Sun, 22 Nov 2026 12:30:00 +0000",
        "date_sent": "Sun, 22 Nov 2026 12:30:01 +0000",
        "date_updated": "Sun, 22 Nov 2026 12:30:11 +0000",
        "direction": "outbound-api",
        "error_code": None,
        "error_message": None,
        "from": NUMBER,
        "messaging_service_sid": None,
        "num_media": "0",
        "num_segments": "1",
        "price": "-0.00830",
        "price_unit": "USD",
        "sid": sid,
        "status": "delivered",
        "subresource_uris": {"media": f"{uri}/Media.json"},
        "to": PHONE,
        "uri": f"{uri}.json",
    }


def test_the_shape_of_a_page(raw: Raw) -> None:
    """Addresses are relative, repeat the filters, and are null at the ends."""
    for _ in range(3):
        raw.send()
    first = raw.ask("GET", "/Messages.json", params={"To": PHONE, "PageSize": 2}).json()
    base = f"/2010-04-01/Accounts/{ACCOUNT_SID}/Messages.json?To=%2B16175550123&PageSize=2"
    last = first["messages"][-1]["sid"]
    assert {key: value for key, value in first.items() if key != "messages"} == {
        "end": 1,
        "first_page_uri": f"{base}&Page=0",
        "next_page_uri": f"{base}&Page=1&PageToken=PA{last}",
        "page": 0,
        "page_size": 2,
        "previous_page_uri": None,
        "start": 0,
        "uri": f"{base}&Page=0",
    }
    assert raw.ask("GET", "/Messages.json").json()["page_size"] == 50


def test_without_a_frozen_clock_it_is_the_machines() -> None:
    """Texts move on by themselves."""
    with serving(ACCOUNT, now=None) as sandbox:
        row = Raw(sandbox).send().json()
        created = datetime.strptime(row["date_created"], "%a, %d %b %Y %H:%M:%S %z")
        assert abs((datetime.now(UTC) - created).total_seconds()) < 60
        before = sandbox.twilio.now()
        sandbox.twilio.advance(100)
        assert sandbox.twilio.now() >= before + 100
        with pytest.raises(UsageError, match="only goes forward"):
            sandbox.twilio.advance(-1)
