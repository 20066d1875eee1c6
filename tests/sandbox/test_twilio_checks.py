"""What Twilio refuses when a message is created, by code, told at once or afterwards."""

from __future__ import annotations

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from twilio_texts import (
    ACCOUNT_SID,
    NUMBER,
    OTHER_PHONE,
    PHONE,
    SECOND,
    SERVICE,
    VOICE_ONLY,
    Raw,
    client_of,
    refusal,
)

from redcap_jobs.errors import UsageError
from redcap_jobs.messaging.segments import segments
from redcap_jobs.sandbox.server import Sandbox
from redcap_jobs.sandbox.twilio_account import ApiKey, MessagingService, TwilioAccount
from redcap_jobs.sandbox.twilio_errors import REFUSALS, TwilioRefusal
from redcap_jobs.sandbox.twilio_segments import segments_of


@pytest.mark.parametrize(
    ("form", "code"),
    [
        ({"to": ""}, 21604),
        ({"From": ""}, 21603),
        ({"body": ""}, 21602),
        ({"body": "x" * 1601}, 21617),
        ({"From": "none"}, 21212),
        ({"From": "2025550100"}, 21212),
        ({"From": "+12025550199"}, 21659),
        ({"From": VOICE_ONLY}, 21606),
        ({"ValidityPeriod": "0"}, 90007),
        ({"ValidityPeriod": "36001"}, 90007),
        ({"ValidityPeriod": "-1"}, 90007),
        ({"ValidityPeriod": "1.5"}, 90007),
        ({"ValidityPeriod": "9" * 5000}, 90007),
        ({"ValidityPeriod": "\u0661\u0662"}, 90007),
        ({"From": "", "MessagingServiceSid": "MG" + "0" * 32}, 21701),
        ({"From": "", "MessagingServiceSid": "MG" + "e5" * 16}, 21704),
        ({"ScheduleType": "fixed", "SendAt": "2026-11-22T14:00:00Z"}, 35118),
        ({"From": "", "MessagingServiceSid": SERVICE, "ScheduleType": "fixed"}, 35111),
        ({"From": SERVICE, "ScheduleType": "fixed", "SendAt": "tomorrow"}, 35114),
        ({"From": SERVICE, "ScheduleType": "fixed", "SendAt": "2026-11-22T12:40:00Z"}, 35114),
        ({"From": SERVICE, "ScheduleType": "fixed", "SendAt": "2026-12-29T12:30:00Z"}, 35114),
        ({"From": SERVICE, "ScheduleType": "fixed", "SendAt": "0001-01-01T00:00:00+14:00"}, 35114),
        ({"From": SERVICE, "ScheduleType": "soon", "SendAt": "2026-11-22T14:00:00Z"}, 35126),
        ({"SendAt": "2026-11-22T14:00:00Z"}, 35126),
    ],
)
def test_a_form_that_makes_no_sense(raw: Raw, form: dict[str, str], code: int) -> None:
    """400 with the documented code; nothing is accepted, nothing is listed."""
    assert raw.code(**form) == code
    assert raw.sandbox.twilio.accepted() == []
    assert raw.listed() == []


@pytest.mark.parametrize(
    ("to", "code"),
    [
        (NUMBER, 21266),
        ("6175550123", 21211),
        ("+1617555", 21211),
        ("+15555550123", 21211),
        ("nobody", 21211),
        ("+18765550123", 21408),
        ("+15005550001", 21211),
        ("+15005550002", 21612),
        ("+15005550003", 21408),
        ("+15005550004", 21610),
        ("+15005550009", 21614),
    ],
)
def test_a_recipient_that_cannot_be_texted(raw: Raw, to: str, code: int) -> None:
    """Refused at once; a failed message with the same code is in the list, and was not accepted."""
    assert raw.code(to=to) == code
    assert raw.sandbox.twilio.accepted() == []
    (row,) = raw.listed()
    assert (row["status"], row["error_code"], row["date_sent"]) == ("failed", code, None)
    assert row["error_message"] != "Unknown error"


@pytest.mark.parametrize(
    ("fate", "code"),
    [
        ("landline", 21614),
        ("invalid", 21211),
        ("unroutable", 21612),
        ("no-geo-permission", 21408),
        ("opted-out", 21610),
        ("unverified", 21608),
        ("over-daily-limit", 63038),
    ],
)
def test_phones_marked_to_be_refused(raw: Raw, fate: str, code: int) -> None:
    """From a number at once; through a Messaging Service it is accepted and fails with the code."""
    raw.sandbox.twilio.set_fate(PHONE, fate)
    assert raw.code() == code
    assert raw.send(to=OTHER_PHONE).status_code == 201
    made = raw.send(From="", MessagingServiceSid=SERVICE)
    assert made.status_code == 201
    message = made.json()
    assert (message["status"], message["error_code"], message["from"]) == ("accepted", None, None)
    assert (message["num_segments"], message["messaging_service_sid"]) == ("0", SERVICE)
    raw.sandbox.twilio.advance(2)
    after = raw.ask("GET", f"/Messages/{message['sid']}.json").json()
    assert (after["status"], after["error_code"], after["from"]) == ("failed", code, SECOND)
    accepted = raw.sandbox.twilio.accepted()
    assert [one.code for one in accepted] == [None, code]


@pytest.mark.parametrize(
    ("sender", "code"),
    [("+15005550001", 21212), ("+15005550007", 21606), ("+15005550008", 21611)],
)
def test_magic_senders(raw: Raw, sender: str, code: int) -> None:
    """Twilio's numbers for tests are refused as a sender (21611 as 429); +15005550006 passes."""
    assert raw.code(From=sender) == code
    assert raw.send(From="+15005550006").status_code == 201


def test_a_refusal_has_four_keys(raw: Raw) -> None:
    """code, message, more_info, status: as in Twilio's published answers."""
    assert raw.send(body="").json() == {
        "code": 21602,
        "message": "Message body is required.",
        "more_info": "https://www.twilio.com/docs/errors/21602",
        "status": 400,
    }
    wrong = Raw(raw.sandbox, (ACCOUNT_SID, "wrong")).send()
    assert wrong.headers["WWW-Authenticate"] == 'Basic realm="Twilio API"'
    assert wrong.json()["message"] == "Authenticate"
    gone = raw.ask("GET", "/Messages/SM0.json")
    assert gone.json()["message"] == (
        f"The requested resource /2010-04-01/Accounts/{ACCOUNT_SID}/Messages/SM0.json was not found"
    )
    assert raw.ask("GET", "/Calls.json").json()["code"] == 20404
    assert raw.ask("PUT", "/Messages.json").json()["code"] == 20404


def test_an_exception_does_not_quote_the_phone(sandbox: Sandbox) -> None:
    """The answer may quote it, as Twilio's does; what the sandbox raises inside does not."""
    words = {"to": PHONE, "from": NUMBER, "masked": PHONE, "parameter": "To", "path": "/"}
    for code in REFUSALS:
        assert PHONE[1:] not in str(TwilioRefusal(code, **words))
    error = refusal(client_of(sandbox), to="+18765550123", from_=NUMBER, body="Hello")
    assert "+18765550123" in error.msg


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ({"PageSize": "1001"}, 20007),
        ({"PageSize": "many"}, 20001),
        ({"PageSize": "9" * 5000}, 20001),
        ({"Page": "9" * 5000}, 20001),
        ({"Page": "1"}, 20006),
        ({"Page": "1", "PageToken": "PASM0"}, 20006),
        ({"DateSent": "yesterday"}, 20001),
    ],
)
def test_lists_that_cannot_be(raw: Raw, query: dict[str, str], code: int) -> None:
    """At most 1000 a page; a page is reached by its token, not by its number."""
    response = raw.ask("GET", "/Messages.json", params=query)
    assert (response.status_code, response.json()["code"]) == (400, code)


@pytest.mark.parametrize(
    ("body", "count"),
    [
        ("x" * 160, 1),
        ("x" * 161, 2),
        ("x" * 306, 2),
        ("x" * 307, 3),
        ("{" * 80, 1),
        ("{" * 81, 2),
        ("x" * 152 + "{" + "x" * 152, 3),
        ("ñ" * 160, 1),
        ("é" * 160, 1),
        ("ó" * 70, 1),
        ("ó" * 71, 2),
        ("ó" * 134, 2),
        ("ó" * 135, 3),
        ("💩" * 35, 1),
        ("💩" * 36, 2),
        ("💩" * 67, 3),
        ("\u2019" + "x" * 70, 2),
    ],
)
def test_segments(raw: Raw, body: str, count: int) -> None:
    """160/153 of the GSM alphabet (extension characters count twice), else 70/67 UTF-16 units."""
    assert segments_of(body) == count
    assert raw.send(body=body).json()["num_segments"] == str(count)


@settings(deadline=None)
@given(st.text(st.one_of(st.sampled_from("ab{€^\n\f"), st.sampled_from("áç💩`"), st.characters())))
@example("{" * 153 + "x")
@example("x" * 152 + "{" + "x" * 152 + "{")
@example("é" * 66 + "💩" * 40)
def test_two_counts_of_segments_agree(body: str) -> None:
    """What the program spaces its texts by is what this Twilio, which counts apart, sends them by."""
    assert segments(body).count == segments_of(body)


@pytest.mark.parametrize(
    "account",
    [
        {"sid": "AC1"},
        {"sid": ACCOUNT_SID, "numbers": ("2025550100",)},
        {"sid": ACCOUNT_SID, "api_keys": (ApiKey("SK1", "x"),)},
        {"sid": ACCOUNT_SID, "services": (MessagingService("MG" + "0" * 32, (NUMBER,)),)},
        {"sid": ACCOUNT_SID, "voice_only": (NUMBER,)},
    ],
)
def test_accounts_that_cannot_be(account: dict[str, object]) -> None:
    """SIDs and numbers have their forms; services use the account's own numbers."""
    with pytest.raises(UsageError):
        TwilioAccount(auth_token="x", **account)  # type: ignore[arg-type] # wrong on purpose


def test_credentials_stay_out_of_reprs() -> None:
    """Neither the token nor a key's secret."""
    account = TwilioAccount(
        ACCOUNT_SID, "secret-1", api_keys=(ApiKey("SK" + "0" * 32, "secret-2"),)
    )
    assert "secret" not in repr(account).replace("secret=", "")
