"""Texts that Twilio accepted: what their listed messages tell, and when nothing more is expected."""

from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.messaging.journal_entries import NOW, POSTED, message, sent_entry, sid

from redcap_jobs.messaging.delivery import (
    DeliveryUnknown,
    Evidence,
    Missing,
    NotSentAfterAll,
    StatusIs,
    TwilioMessage,
    reconcile,
)
from redcap_jobs.messaging.statuses import RANK
from redcap_jobs.messaging.twilio_codes import CODES, NEVER_AGAIN
from redcap_jobs.state.journal_entry import Entry

LATE = POSTED + timedelta(hours=72)


def look(text: Entry, *listed: TwilioMessage) -> list[Evidence]:
    """Reconcile one text with a list, at NOW."""
    return reconcile([text], listed, {text.reference or ""}, NOW)


def test_a_later_word_is_taken() -> None:
    """Twilio's word goes on: the journal follows."""
    text = sent_entry(1, "queued")
    assert look(text, message(1, text, "delivered")) == [StatusIs(text.key, 1, "delivered", "")]


@pytest.mark.parametrize("word", ["queued", "sending", "accepted"])
def test_an_earlier_word_or_the_same_changes_nothing(word: str) -> None:
    """Updates arrive out of order: what was further on stays."""
    text = sent_entry(1, "sending")
    assert look(text, message(1, text, word)) == []


def test_a_message_is_known_by_its_sid_alone() -> None:
    """Redaction may empty a body and hide a phone: the SID stays."""
    text = sent_entry(1, "queued")
    redacted = message(1, text, "sent", body_hash="hash of ''", to_hash="hash of XXXX")
    assert look(text, redacted) == [StatusIs(text.key, 1, "sent", "")]


def test_a_failure_brings_its_code() -> None:
    """Failed and undelivered messages carry the code that says why."""
    text = sent_entry(1, "sent")
    listed = message(1, text, "undelivered", error_code="30003")
    assert look(text, listed) == [StatusIs(text.key, 1, "undelivered", "30003")]


def test_a_code_that_comes_after_its_status_is_taken() -> None:
    """The word may come first and the code with a later look."""
    text = sent_entry(1, "failed")
    listed = message(1, text, "failed", error_code="30007")
    assert look(text, listed) == [StatusIs(text.key, 1, "failed", "30007")]


def test_a_code_that_twilio_forgets_stays() -> None:
    """The same word without a code takes nothing away from what the journal knows."""
    text = sent_entry(1, "undelivered", code="30003")
    assert look(text, message(1, text, "undelivered")) == []


def test_one_final_word_for_another_is_a_correction() -> None:
    """Final words may flip; that is taken and named, so that it is logged."""
    text = sent_entry(1, "undelivered", code="30003")
    assert look(text, message(1, text)) == [StatusIs(text.key, 1, "delivered", "", correction=True)]


@pytest.mark.parametrize("before", ["", "accepted", "scheduled", "queued", "sending"])
@pytest.mark.parametrize("code", ["21611", "30001", "30036", "30047"])
def test_failed_before_it_left_with_a_documented_code_was_not_sent(before: str, code: str) -> None:
    """The message never left Twilio, says the code's page: a new attempt may be made."""
    text = sent_entry(1, before)
    listed = message(1, text, "failed", error_code=code)
    assert look(text, listed) == [NotSentAfterAll(text.key, 1, "failed", code)]


@pytest.mark.parametrize("before", ["sent", "partially_delivered", "delivered", "undelivered"])
@pytest.mark.parametrize("code", ["21611", "30001", "30036", "30047"])
def test_what_a_carrier_had_is_never_unsent(before: str, code: str) -> None:
    """Once it was handed on, a failure is a failure: no code makes it safe to try again."""
    text = sent_entry(1, before)
    evidence = look(text, message(1, text, "failed", error_code=code))
    assert evidence == [
        StatusIs(text.key, 1, "failed", code, correction=before in ("delivered", "undelivered"))
    ]


@given(
    before=st.sampled_from(sorted(RANK)),
    after=st.sampled_from(sorted(RANK)),
    code=st.sampled_from(["", "99999", *sorted(CODES)]),
)
def test_never_again_after_it_left_or_without_a_documented_code(
    before: str, after: str, code: str
) -> None:
    """Unsent means: failed, documented so, and never before seen at a carrier. Nothing else."""
    text = sent_entry(1, before)
    evidence = look(text, message(1, text, after, error_code=code))
    if any(isinstance(each, NotSentAfterAll) for each in evidence):
        assert after == "failed"
        assert before in ("", "accepted", "scheduled", "queued", "sending")
        assert code in ("20429", "21611", "30001", "30036", "30047")
        assert code not in NEVER_AGAIN


def test_what_the_list_lacks_is_fetched() -> None:
    """An open text that is not listed is asked for by its SID; nothing is concluded."""
    text = sent_entry(1, "queued")
    assert look(text, message(2, text)) == [Missing(text.key, 1, sid(1))]


def test_what_is_final_is_not_fetched() -> None:
    """A text with a final word is looked at for corrections only, where it is listed anyway."""
    assert look(sent_entry(1, "delivered")) == []


def test_without_a_receipt_after_three_days_delivery_is_unknown() -> None:
    """Some carriers send no receipts: after 72 hours the text is closed, and not before."""
    text = sent_entry(1, "sent")
    listed = [message(1, text, "sent")]
    assert reconcile([text], listed, (), LATE - timedelta(seconds=1)) == []
    assert reconcile([text], listed, (), LATE) == [DeliveryUnknown(text.key, 1)]


def test_a_late_receipt_is_taken_even_after_three_days() -> None:
    """What the list says goes before what the calendar says."""
    text = sent_entry(1, "sent")
    evidence = reconcile([text], [message(1, text)], (), LATE)
    assert evidence == [StatusIs(text.key, 1, "delivered", "")]


def test_a_closed_text_whose_receipt_comes_is_corrected_silently() -> None:
    """Closed as unknown is our own word: any final one of Twilio's replaces it."""
    text = sent_entry(1, "delivery_unknown")
    assert look(text, message(1, text)) == [StatusIs(text.key, 1, "delivered", "")]


def test_what_twilio_deleted_is_closed_after_three_days() -> None:
    """A message that Twilio no longer has is not asked for again, and closed in time."""
    text = sent_entry(1, "sent")
    assert reconcile([text], [], (), NOW, gone={sid(1)}) == []
    assert reconcile([text], [], (), LATE, gone={sid(1)}) == [DeliveryUnknown(text.key, 1)]


def test_an_unlisted_text_is_fetched_before_it_is_closed() -> None:
    """Nothing is closed on a list that lacks it: first it is asked for."""
    text = sent_entry(1, "sent")
    assert reconcile([text], [], (), LATE) == [Missing(text.key, 1, sid(1))]


@given(words=st.lists(st.sampled_from([*sorted(RANK), "brand_new"]), max_size=8))
def test_following_every_evidence_never_goes_back(words: list[str]) -> None:
    """Whatever order the words come in, the rank of what the journal holds never falls."""
    status = "queued"
    for word in words:
        text = sent_entry(1, status)
        for each in look(text, message(1, text, word)):
            assert isinstance(each, StatusIs)
            assert RANK[each.status] >= RANK[status]
            status = each.status
