"""Texts of which nobody knows what became: what a list of messages proves about them."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.messaging.journal_entries import NOW, POSTED, entry, message, sent_entry, sid

from redcap_jobs.messaging.delivery import (
    Evidence,
    Found,
    NotSentAfterAll,
    StillUnknown,
    TwilioMessage,
    reconcile,
)
from redcap_jobs.messaging.twilio_codes import CODES
from redcap_jobs.state.journal_entry import Entry


def look(*entries: Entry, listed: tuple[TwilioMessage, ...] = ()) -> list[Evidence]:
    """Reconcile at NOW where the journal owns no further SID."""
    return reconcile(entries, listed, (), NOW)


def unknown_still(of: Entry, *, several: bool = False) -> StillUnknown:
    """Give the evidence that nothing was learnt, within the first day."""
    return StillUnknown(of.key, of.attempt, POSTED, ask_person=several, several=several)


def test_the_only_message_that_fits_is_the_text() -> None:
    """Same phone, body and sender, created around the post, owned by nobody: it was accepted."""
    text = entry()
    assert look(text, listed=(message(7, text, "sent"),)) == [
        Found(text.key, 1, sid(7), "sent", "")
    ]


def test_absence_proves_nothing() -> None:
    """A list without the text leaves it unknown, however long ago it was posted."""
    text = entry()
    for days in (0, 1, 30):
        now = NOW + timedelta(days=days)
        assert [type(each) for each in reconcile([text], [], (), now)] == [StillUnknown]


@pytest.mark.parametrize(
    "other",
    [
        {"to_hash": "hash of another phone"},
        {"body_hash": "hash of another text"},
        {"body_hash": "hash of ''"},
        {"sender_hash": "hash of another sender"},
        {"direction": "inbound"},
        {"direction": "outbound-reply"},
        {"created_at": None},
        {"created_at": POSTED - timedelta(seconds=61)},
        {"created_at": POSTED + timedelta(minutes=10, seconds=1)},
    ],
    ids=lambda other: str(*other),
)
def test_a_message_that_differs_anywhere_is_not_the_text(other: dict[str, object]) -> None:
    """One difference is enough: what is not surely the text says nothing about it."""
    text = entry()
    listed = replace(message(7, text), **other)
    assert look(text, listed=(listed,)) == [unknown_still(text)]


@pytest.mark.parametrize("seconds", [-60, 0, 600])
def test_clocks_may_differ_a_minute_and_answers_take_ten(seconds: int) -> None:
    """Created from 60 seconds before the post's start to 10 minutes after it counts as fitting."""
    text = entry()
    listed = message(7, text, created_at=POSTED + timedelta(seconds=seconds))
    assert [type(each) for each in look(text, listed=(listed,))] == [Found]


def test_an_owned_message_is_nobody_elses() -> None:
    """A SID that the journal knows, among these entries or elsewhere, proves nothing for another."""
    text = entry("1007")
    listed = message(7, text)
    assert reconcile([text], [listed], {sid(7)}, NOW) == [unknown_still(text)]
    owner = sent_entry(7, "delivered")
    assert look(owner, text, listed=(listed,)) == [unknown_still(text)]


def test_several_messages_that_fit_are_for_a_person() -> None:
    """Two messages fit: the program does not choose, and somebody is asked at once."""
    text = entry()
    listed = (message(7, text), message(8, text, "queued"))
    assert look(text, listed=listed) == [unknown_still(text, several=True)]


def test_one_message_for_two_texts_is_for_a_person() -> None:
    """Two unknown texts of one body to one phone, one message so far: it may be either's."""
    first = entry()
    second = replace(first, key=first.key[:-1] + "1")
    found = look(first, second, listed=(message(7, first),))
    assert found == [unknown_still(first, several=True), unknown_still(second, several=True)]


def test_a_person_is_asked_after_a_day() -> None:
    """Lists lag by hours at most: after 24 hours the text is one that a person must settle."""
    text = entry()
    for hours, asked in ((23.99, False), (24, True)):
        (still,) = reconcile([text], [], (), POSTED + timedelta(hours=hours))
        assert isinstance(still, StillUnknown)
        assert still.ask_person is asked


@pytest.mark.parametrize("code", ["21611", "30001", "30036", "30047"])
def test_found_as_failed_with_a_documented_code_was_not_sent(code: str) -> None:
    """The code's page says that nothing went out: the text is found, and may be tried again."""
    text = entry()
    listed = message(7, text, "failed", error_code=code)
    assert look(text, listed=(listed,)) == [
        Found(text.key, 1, sid(7), "failed", code),
        NotSentAfterAll(text.key, 1, "failed", code),
    ]


def test_found_as_failed_with_another_code_is_only_found() -> None:
    """A failure whose code does not say so is no proof that nothing went out."""
    text = entry()
    for code in [*sorted(CODES), "", "99999"]:
        if CODES.get(code) is None or CODES[code].kind != "not_sent":
            listed = message(7, text, "failed", error_code=code)
            assert look(text, listed=(listed,)) == [Found(text.key, 1, sid(7), "failed", code)]


def test_a_code_beside_another_status_is_not_the_messages() -> None:
    """Twilio may leave an old code on a message: it counts beside failed and undelivered only."""
    text = entry()
    listed = message(7, text, "queued", error_code="30036")
    assert look(text, listed=(listed,)) == [Found(text.key, 1, sid(7), "queued", "")]


@pytest.mark.parametrize("code", ["21611", "21610"])
def test_the_record_of_a_refused_request_is_not_the_next_attempts(code: str) -> None:
    """Twilio lists what it refused as failed: that must not free the next attempt for a third.

    The second attempt may have been accepted and not be listed yet.
    """
    first = entry(state="rejected", code=code, not_sent=True)
    second = replace(entry(), attempt=2, posting_at=POSTED + timedelta(seconds=30))
    listed = message(7, first, "failed", error_code=code)
    assert look(first, second, listed=(listed,)) == [
        StillUnknown(second.key, 2, POSTED + timedelta(seconds=30), ask_person=True, several=True)
    ]


@pytest.mark.parametrize(
    ("refused_with", "status", "error_code", "code"),
    [
        ("20429", "sent", "", ""),
        ("21611", "undelivered", "21611", "21611"),
        ("21611", "failed", "30007", "30007"),
        ("", "delivered", "", ""),
    ],
)
def test_a_refused_request_owns_no_other_message(
    refused_with: str, status: str, error_code: str, code: str
) -> None:
    """What was refused is listed as failed with the code it was refused with, or not at all."""
    first = entry(state="rejected", code=refused_with, not_sent=True)
    second = replace(entry(), attempt=2, posting_at=POSTED + timedelta(seconds=30))
    listed = message(7, second, status, error_code=error_code)
    assert look(first, second, listed=(listed,)) == [Found(second.key, 2, sid(7), status, code)]


def test_an_attempt_with_a_message_of_its_own_owns_no_other() -> None:
    """A first attempt that lapsed at Twilio has its SID: the second one's message is its own."""
    first = entry(state="rejected", code="30036", not_sent=True, reference=sid(6))
    second = replace(entry(), attempt=2, posting_at=POSTED + timedelta(seconds=30))
    listed = (
        message(6, first, "failed", error_code="30036"),
        message(7, second, "failed", error_code="30036"),
    )
    assert look(first, second, listed=listed) == [
        Found(second.key, 2, sid(7), "failed", "30036"),
        NotSentAfterAll(second.key, 2, "failed", "30036"),
    ]


RECORDS = st.sampled_from(["1001", "1002", "1003"])
MESSAGES = st.builds(
    lambda number, record, seconds, status, code: message(
        number,
        entry(record),
        status,
        error_code=code,
        created_at=POSTED + timedelta(seconds=seconds),
    ),
    st.integers(1, 6),
    RECORDS,
    st.integers(-120, 700),
    st.sampled_from(["queued", "sent", "delivered", "failed", "undelivered", "canceled"]),
    st.sampled_from(["", "21610", "21611", "30003", "30036"]),
)
ENTRIES = st.lists(
    st.builds(
        lambda record, occurrence, state, seconds, code: replace(
            entry(record),
            key=f"{record} {occurrence}",
            state=state,
            code=code,
            posting_at=POSTED + timedelta(seconds=seconds),
        ),
        RECORDS,
        st.integers(0, 2),
        st.sampled_from(["unknown", "rejected"]),
        st.integers(0, 300),
        st.sampled_from(["21610", "21611"]),
    ),
    max_size=5,
    unique_by=lambda each: each.key,
)


@given(entries=ENTRIES, listed=st.lists(MESSAGES, max_size=6), owned=st.sets(st.integers(1, 6)))
def test_laws_of_looking_up(
    entries: list[Entry], listed: list[TwilioMessage], owned: set[int]
) -> None:
    """For any list: each unknown text is found once or stays unknown, no message is given twice,
    none that is owned, and nothing is called unsent that is not found as failed for it."""
    evidence = reconcile(entries, listed, {sid(number) for number in owned}, NOW)
    found = [each for each in evidence if isinstance(each, Found)]
    still = [each for each in evidence if isinstance(each, StillUnknown)]
    unknown = [each.key for each in entries if each.state == "unknown"]
    assert sorted(each.key for each in found + still) == sorted(unknown)
    assert len({each.sid for each in found}) == len(found)
    assert not {each.sid for each in found} & {sid(number) for number in owned}
    for each in evidence:
        if isinstance(each, NotSentAfterAll):
            (match,) = (one for one in found if one.key == each.key)
            assert (match.status, match.code) == ("failed", each.code)
            assert CODES[each.code].kind == "not_sent"


@given(entries=ENTRIES, listed=st.lists(MESSAGES, max_size=6, unique_by=lambda each: each.sid))
def test_the_order_of_the_list_does_not_matter(
    entries: list[Entry], listed: list[TwilioMessage]
) -> None:
    """Twilio sorts as it likes: the same messages in another order prove the same."""
    assert reconcile(entries, listed, (), NOW) == reconcile(entries, listed[::-1], (), NOW)
