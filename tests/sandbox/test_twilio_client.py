"""Twilio's own client, unmodified, against the sandbox: what it sends and what it makes of answers."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from twilio.base.exceptions import TwilioException, TwilioRestException
from twilio_texts import (
    ACCOUNT_SID,
    KEY,
    MAIN_KEY,
    NOW,
    NUMBER,
    OTHER_PHONE,
    PHONE,
    SECOND,
    SERVICE,
    TOKEN,
    client_of,
    refusal,
)

from redcap_jobs.sandbox.server import Sandbox


def test_a_message_is_created_and_fetched(sandbox: Sandbox) -> None:
    """The initial status is queued; every field has the type that the client expects."""
    client = client_of(sandbox)
    made = client.messages.create(to=PHONE, from_=NUMBER, body="O Slash: Ø, PoP: 💩")
    assert (made.status, made.direction, made.from_, made.to) == (
        "queued",
        "outbound-api",
        NUMBER,
        PHONE,
    )
    assert (made.num_segments, made.num_media, made.price, made.price_unit) == (
        "1",
        "0",
        None,
        "USD",
    )
    assert (made.date_created, made.date_sent, made.error_code) == (NOW, None, None)
    assert (made.api_version, made.account_sid) == ("2010-04-01", ACCOUNT_SID)
    assert made.sid is not None
    assert made.uri == f"/2010-04-01/Accounts/{ACCOUNT_SID}/Messages/{made.sid}.json"
    sandbox.twilio.advance(60)
    again = made.fetch()
    assert (again.status, again.body, again.price) == ("delivered", made.body, "-0.00830")
    assert again.date_sent == NOW + timedelta(seconds=1)
    assert again.date_updated == NOW + timedelta(seconds=11)


def test_lists_are_paged_to_their_end(sandbox: Sandbox) -> None:
    """next_page_uri leads the client from page to page; nothing comes twice, newest first."""
    client = client_of(sandbox)
    sids = []
    for number in range(7):
        sandbox.twilio.advance(5)
        made = client.messages.create(to=PHONE, from_=NUMBER, body=f"Text {number}")
        sids.append(made.sid)
    sandbox.forget_requests()
    assert [one.sid for one in client.messages.list(page_size=3)] == sids[::-1]
    assert [one.action for one in sandbox.twilio_requests] == ["list"] * 3
    first = client.messages.page(page_size=3)
    second = first.next_page()
    assert second is not None
    back = second.previous_page()
    assert back is not None
    assert [one.sid for one in back] == [one.sid for one in client.messages.page(page_size=3)]


def test_a_page_begins_where_the_last_one_ended(sandbox: Sandbox) -> None:
    """Messages that come in between two pages shift nothing."""
    client = client_of(sandbox)
    sids = []
    for number in range(4):
        sandbox.twilio.advance(5)
        sids.append(client.messages.create(to=PHONE, from_=NUMBER, body=f"{number}").sid)
    first = client.messages.page(page_size=2)
    sandbox.twilio.advance(5)
    client.messages.create(to=PHONE, from_=NUMBER, body="late")
    second = first.next_page()
    assert second is not None
    assert [one.sid for one in first] + [one.sid for one in second] == sids[::-1]


def test_filters(sandbox: Sandbox) -> None:
    """To, From and the day of sending in GMT, from and up to a day inclusive."""
    client = client_of(sandbox)
    one = client.messages.create(to=PHONE, from_=NUMBER, body="one")
    sandbox.twilio.advance(86_400)
    two = client.messages.create(to=OTHER_PHONE, from_=SECOND, body="two")
    sandbox.twilio.advance(60)
    today, yesterday = NOW.date() + timedelta(days=1), NOW.date()

    def sids(**filters: object) -> list[str | None]:
        return [found.sid for found in client.messages.list(**filters)]

    assert sids(to=PHONE) == [one.sid]
    assert sids(from_=SECOND) == [two.sid]
    assert sids(to=PHONE, from_=SECOND) == []
    assert sids(date_sent=yesterday.isoformat()) == [one.sid]
    assert sids(date_sent_after=today.isoformat()) == [two.sid]
    assert sids(date_sent_before=yesterday.isoformat()) == [one.sid]
    assert sids(date_sent_after=yesterday.isoformat()) == [two.sid, one.sid]
    assert sids(date_sent_after=datetime(2026, 11, 23, 23, 59, tzinfo=UTC)) == [two.sid]


def test_redacting_canceling_deleting(sandbox: Sandbox) -> None:
    """A blank body redacts; what is not scheduled cannot be canceled; deleting waits for the end."""
    client = client_of(sandbox)
    made = client.messages.create(to=PHONE, from_=NUMBER, body="Hello")
    with pytest.raises(TwilioRestException) as early:
        made.delete()
    assert early.value.code == 20009
    with pytest.raises(TwilioRestException) as late:
        made.update(status="canceled")
    assert late.value.code == 30409
    with pytest.raises(TwilioRestException) as both:
        made.update(status="canceled", body="")
    assert both.value.code == 30400
    assert made.update(body="").body == ""
    sandbox.twilio.advance(60)
    with pytest.raises(TwilioRestException) as over:
        made.update(status="canceled")
    assert over.value.code == 30409
    assert made.delete() is True
    with pytest.raises(TwilioRestException) as gone:
        made.fetch()
    assert (gone.value.status, gone.value.code) == (404, 20404)
    assert client.messages.list() == []


def test_a_scheduled_message_can_be_canceled(sandbox: Sandbox) -> None:
    """With a Messaging Service and 15 minutes' notice; at its time it would have gone out."""
    client = client_of(sandbox)
    later = NOW + timedelta(hours=1)
    kept, dropped = (
        client.messages.create(
            to=PHONE,
            messaging_service_sid=SERVICE,
            body=body,
            schedule_type="fixed",
            send_at=later,
        )
        for body in ("kept", "dropped")
    )
    assert (kept.status, kept.from_) == ("scheduled", None)
    assert dropped.update(status="canceled").status == "canceled"
    sandbox.twilio.advance(3700)
    assert kept.fetch().status == "delivered"
    assert kept.fetch().date_sent == later + timedelta(seconds=2)
    assert dropped.fetch().status == "canceled"


def test_errors_carry_code_and_status(sandbox: Sandbox) -> None:
    """The client's exception has both, and the sentence."""
    error = refusal(client_of(sandbox), to="+1202555", from_=NUMBER, body="Hello")
    assert (error.status, error.code) == (400, 21211)
    assert error.msg == "Unable to create record: Invalid 'To' Phone Number: +120XXXX"


@pytest.mark.parametrize(
    ("username", "password", "reads_account"),
    [
        (ACCOUNT_SID, TOKEN, True),
        (MAIN_KEY.sid, MAIN_KEY.secret, True),
        (KEY.sid, KEY.secret, False),
    ],
)
def test_credentials(
    sandbox: Sandbox, username: str, password: str, *, reads_account: bool
) -> None:
    """The token and any API key open messages; a standard key does not open the account itself."""
    client = client_of(sandbox, username, password)
    assert client.messages.list() == []
    assert [
        one.phone_number for one in client.incoming_phone_numbers.list(phone_number=NUMBER)
    ] == [NUMBER]
    if reads_account:
        account = client.api.accounts(ACCOUNT_SID).fetch()
        assert (account.status, account.sid) == ("active", ACCOUNT_SID)
    else:
        with pytest.raises(TwilioRestException) as refused:
            client.api.accounts(ACCOUNT_SID).fetch()
        assert (refused.value.status, refused.value.code) == (401, 20003)


@pytest.mark.parametrize(
    ("username", "password"),
    [(ACCOUNT_SID, "wrong"), (ACCOUNT_SID, "é"), ("AC" + "0" * 32, TOKEN), (KEY.sid, TOKEN)],
)
def test_wrong_credentials(sandbox: Sandbox, username: str, password: str) -> None:
    """401 with code 20003, whatever is asked; nothing is accepted."""
    client = client_of(sandbox, username, password)
    error = refusal(client, to=PHONE, from_=NUMBER, body="Hello")
    assert (error.status, error.code) == (401, 20003)
    with pytest.raises(TwilioException) as listing:
        client.messages.list()
    assert listing.value.args[1].status_code == 401
    assert sandbox.twilio.accepted() == []


def test_another_account(sandbox: Sandbox) -> None:
    """An account that these credentials do not see is not found."""
    client = client_of(sandbox)
    with pytest.raises(TwilioRestException) as unknown:
        client.api.accounts("AC" + "0" * 32).fetch()
    assert (unknown.value.status, unknown.value.code) == (404, 20404)


def test_numbers_are_found_by_part(sandbox: Sandbox) -> None:
    """PhoneNumber filters by a part of the number, with * for a digit; capabilities are shown."""
    client = client_of(sandbox)
    numbers = client.incoming_phone_numbers.list()
    assert [one.capabilities["sms"] for one in numbers] == [True, True, False]
    assert len(client.incoming_phone_numbers.list(phone_number="+120255501**")) == 3
    assert client.incoming_phone_numbers(numbers[1].sid).fetch().phone_number == SECOND
    assert client.incoming_phone_numbers.list(phone_number="+16175550199") == []


def test_a_messaging_service(sandbox: Sandbox) -> None:
    """It can be fetched with its numbers; one that is not there is not found."""
    client = client_of(sandbox)
    service = client.messaging.v1.services(SERVICE).fetch()
    assert (service.sid, service.account_sid, service.validity_period) == (
        SERVICE,
        ACCOUNT_SID,
        36_000,
    )
    assert next(one.sid for one in client.messaging.v1.services.list()) == SERVICE
    numbers = client.messaging.v1.services(SERVICE).phone_numbers.list()
    assert [one.phone_number for one in numbers] == [SECOND]
    with pytest.raises(TwilioRestException) as unknown:
        client.messaging.v1.services("MG" + "0" * 32).fetch()
    assert unknown.value.code == 20404
