"""One action becomes one request, for the member of just that participant, or none at all."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import responses
from partner_doubles import MEMBERS, PRIVATE, HandClock, body_of, made, member, new_client
from partner_journal import PROJECT, Called, keyed, new_partner

from redcap_jobs.jobs.partner_history import payload_text
from redcap_jobs.partner.courier import NOT_ENROLLED, PartnerCourier
from redcap_jobs.plan import Mail, PartnerCall, Stands, Withhold

PAYLOAD = {"firstName": "Josefina", "mobilePhone": "+12025550123"}


@pytest.fixture
def called(tmp_path: Any) -> Iterator[Called]:
    with Called.at(tmp_path) as made:
        yield made


def courier(called: Called, *, reaches: bool = True, **more: Any) -> PartnerCourier:
    client = new_client(HandClock()) if reaches else None
    return PartnerCourier(
        new_partner(**more), PROJECT, "poll-participants", "run-2", called.store, client, keyed
    )


def call(kind: str = "enrol", **more: Any) -> PartnerCall:
    given = {"payload": PAYLOAD, "call": kind, "occurrence": "0"} | more
    return PartnerCall(key=f"key of {kind}", record="1001", kind="partner", **given)


def verdict(called: Called, action: PartnerCall, *, reaches: bool = True) -> Stands | Withhold:
    with courier(called, reaches=reaches).turn(action) as said:
        return said


def answered(number: int = 7, **more: Any) -> None:
    responses.post(MEMBERS, json=member(number, **more), status=201)
    responses.put(f"{MEMBERS}/AH-{number:06d}", json=member(number, **more))
    responses.put(f"{MEMBERS}/AH-{number:06d}/arm", json=member(number, **more))


@responses.activate
def test_an_enrolment_names_the_record(called: Called) -> None:
    """The study's id is the record: what a member is looked up by ever after."""
    answered()
    assert courier(called).post(call()).reference == "AH-000007"
    assert body_of(responses.calls[0].request) == {"studyId": "1001", **PAYLOAD}


@responses.activate
def test_no_field_takes_the_place_of_the_studys_id(called: Called) -> None:
    """Enrolled under another id, nobody would be found by the record, and enrolled once more."""
    answered()
    courier(called).post(call(payload={**PAYLOAD, "studyId": "Ü-7"}))
    assert body_of(responses.calls[0].request)["studyId"] == "1001"


@responses.activate
def test_each_change_goes_to_the_member_of_the_participant(called: Called) -> None:
    """Of an update its fields, of an arm the arm, of a withdrawal the status that says so."""
    called.enrol("1002", "AH-000008")
    called.enrol("1001", "AH-000007")
    answered()
    made_by = courier(called, withdrawn="left")
    assert made_by.post(call("update")).state == "sent"
    assert made_by.post(call("arm", payload={"arm": "OHT"})).state == "sent"
    assert made_by.post(call("withdraw", payload={})).state == "sent"
    assert [body_of(each.request) for each in responses.calls] == [
        PAYLOAD,
        {"arm": "OHT"},
        {"status": "left"},
    ]
    own = f"{MEMBERS}/AH-000007"
    assert made() == [("PUT", own), ("PUT", f"{own}/arm"), ("PUT", own)]


@responses.activate
def test_a_member_that_the_plan_names_is_changed(called: Called) -> None:
    """As one that is taken over in the same run."""
    answered()
    change = call("update", member="AH-000007")
    assert verdict(called, change) == Stands()
    assert courier(called).post(change).state == "sent"


@pytest.mark.parametrize("kind", ["arm", "update", "withdraw"])
def test_without_a_member_nothing_is_changed(called: Called, kind: str) -> None:
    """As where the enrolment before it was refused or lost: the change waits."""
    called.enrol("1002", "AH-000008")
    called.lose("1001")
    assert verdict(called, call(kind)) == Withhold(NOT_ENROLLED)


@pytest.mark.parametrize("kind", ["arm", "update", "withdraw"])
def test_a_member_that_was_just_enrolled_is_changed(called: Called, kind: str) -> None:
    """The arm follows the enrolment in one and the same run."""
    called.enrol("1001", "AH-000007")
    assert verdict(called, call(kind)) == Stands()


def test_who_is_not_known_may_be_enrolled(called: Called) -> None:
    """An enrolment needs no member."""
    assert verdict(called, call()) == Stands()


@pytest.mark.parametrize("adopts", [True, False])
def test_without_an_address_nobody_is_told_anything(called: Called, *, adopts: bool) -> None:
    """A development run that names none reaches nobody."""
    said = verdict(called, call(adopts=adopts, member="AH-1"), reaches=False)
    assert isinstance(said, Withhold)
    assert "development" in said.reason


@responses.activate
def test_what_is_taken_over_asks_nothing(called: Called) -> None:
    """The member stands there already: it is noted, and that is all."""
    posted = courier(called).post(call(adopts=True, member="AH-000009"))
    assert (posted.state, posted.reference, posted.status) == ("sent", "AH-000009", "adopted")
    assert made() == []


def test_the_journal_keeps_a_hash_and_no_value(called: Called) -> None:
    """Under the cap of calls per run."""
    intent, (cap,) = courier(called, per_run=7).intent(call(occurrence="3"))
    assert (intent.key, intent.occurrence) == ("key of enrol", "3")
    assert intent.body_hash == keyed(payload_text(PAYLOAD), "partner")
    assert (intent.record, intent.message, intent.kind) == ("1001", "enrol", "partner")
    assert (cap.limit, cap.per) == (7, ("run_id",))
    assert not [each for each in PRIVATE if each in repr(intent) + repr(call())]


def test_a_text_is_no_call() -> None:
    """Each courier carries its own kind."""
    with pytest.raises(TypeError, match="mail"):
        courier_of_nothing().intent(Mail("k", "1001", "mail"))


def courier_of_nothing() -> PartnerCourier:
    store: Any = None
    return PartnerCourier(new_partner(), PROJECT, "job", "run", store, None, keyed)
