"""What each answer to a write says: taken, surely not taken, or nobody knows."""

from __future__ import annotations

from datetime import timedelta
from email.utils import format_datetime
from typing import Any

import pytest
import requests
import responses
from partner_doubles import (
    MEMBERS,
    PAYLOAD,
    PRIVATE,
    URL,
    HandClock,
    made,
    member,
    new_client,
)
from urllib3.connection import HTTPConnection
from urllib3.exceptions import ConnectTimeoutError, MaxRetryError, NewConnectionError

from redcap_jobs.plan import Posted

JSON = "application/json"


def answered(clock: HandClock | None = None, **answer: Any) -> Posted:
    """Enrol where the partner answers so."""
    responses.post(MEMBERS, **answer)
    return new_client(clock).enrol(PAYLOAD)


def refused(code: object = "invalid_field", **more: object) -> dict[str, object]:
    """Give the body of a refusal; its free text quotes a value, as such texts do."""
    return {"error": {"code": code, "message": "2025550123 of Josefina is bad", **more}}


@pytest.mark.parametrize(
    "answer",
    [
        {"body": "<html>saved</html>", "content_type": "text/html", "status": 201},
        {"body": '{"memberId": "AH-0000', "content_type": JSON, "status": 201},
        {"body": "", "content_type": JSON, "status": 201},
        {"body": "", "status": 204},
        {"body": "[" * 200_000, "content_type": JSON, "status": 201},
        {"body": b'{"memberId": "\xff"}', "content_type": JSON, "status": 201},
        {"body": '{"memberId": "AH-000001"}', "content_type": "text/html", "status": 201},
        {"json": [member(1)], "status": 201},
        {"json": {"members": [member(1)]}, "status": 201},
        {"json": member(1, memberId=None), "status": 201},
        {"json": member(1, memberId=True), "status": 201},
        {"json": member(1, memberId=["AH-1"]), "status": 201},
        {"json": member(1, memberId=1.5), "status": 201},
        {"json": member(1, memberId=""), "status": 201},
        {"json": member(1, memberId="AH 1\n"), "status": 201},
        {"json": member(1, memberId="9" * 65), "status": 201},
        {"json": member(1, study_id="1002"), "status": 201},
        {"json": member(1), "status": 202},
        {"body": "", "status": 408},
        {"json": refused("internal"), "status": 500},
        {"body": "<h1>Bad gateway</h1>", "content_type": "text/html", "status": 502},
        {"json": refused("unavailable"), "status": 503, "headers": {"Retry-After": "5"}},
        {"body": "", "status": 504},
        {"body": requests.ReadTimeout("2025550123")},
        {"body": requests.ConnectionError("Connection aborted. Josefina")},
        {"body": requests.exceptions.ChunkedEncodingError("IncompleteRead")},
        {"body": requests.exceptions.ContentDecodingError("gzip")},
        {"body": requests.exceptions.SSLError("EOF")},
    ],
    ids=lambda answer: " ".join(str(each)[:30] for each in answer.values()),
)
@responses.activate
def test_what_does_not_say_whether_it_took_effect_is_unknown(answer: dict[str, Any]) -> None:
    """It is asked once, never again by itself, and nothing counts as not done."""
    posted = answered(**answer)
    assert (posted.state, posted.not_sent, posted.reference) == ("unknown", False, "")
    assert len(made()) == 1
    assert not [each for each in PRIVATE if each in repr(posted)]


@pytest.mark.parametrize(
    ("given", "kept"), [(123, "123"), ("0042", "0042"), ("a-B.c_9", "a-B.c_9")]
)
@responses.activate
def test_an_id_may_be_a_number(given: object, kept: str) -> None:
    """An id is kept as the partner wrote it, leading zeros too."""
    posted = answered(json=member(1, memberId=given), status=201)
    assert (posted.state, posted.reference) == ("sent", kept)


@pytest.mark.parametrize("study_id", ["1001", 1001, 1001.0, None])
@responses.activate
def test_the_answer_is_about_the_one_who_was_enrolled(study_id: object) -> None:
    """The study's id may come back as a number, or not at all: only another one's is no answer."""
    assert answered(json=member(1, study_id), status=201).state == "sent"


@responses.activate
def test_the_answer_to_a_change_is_about_that_member() -> None:
    """Where another member is answered nobody knows whose arm was assigned."""
    responses.put(f"{MEMBERS}/AH-000007/arm", json=member(8, arm="OHT"))
    assert new_client().assign_arm("AH-000007", "OHT").state == "unknown"
    responses.put(f"{MEMBERS}/AH-000007", json=member(8))
    assert new_client().update("AH-000007", {"language": "es"}).state == "unknown"


def no_connection() -> requests.ConnectionError:
    """Give what is raised where nobody listens."""
    connection = HTTPConnection("api.agilehealth.example")
    return requests.ConnectionError(
        MaxRetryError(None, "/", NewConnectionError(connection, "refused"))  # type: ignore[arg-type]
    )


@pytest.mark.parametrize("error", [no_connection(), requests.ConnectTimeout(ConnectTimeoutError())])
@responses.activate
def test_without_a_connection_nothing_was_done(error: Exception) -> None:
    """Where nobody listens no request went out: it may be tried again, and the run goes no further."""
    posted = answered(body=error)
    assert (posted.state, posted.code, posted.not_sent) == ("rejected", "no connection", True)
    assert URL in posted.stops


@pytest.mark.parametrize(
    ("status", "body"), [(401, refused("unauthorized")), (403, refused("forbidden"))]
)
@responses.activate
def test_refused_credentials_stop_the_run(status: int, body: dict[str, object]) -> None:
    """Every further call would be refused as well; nothing was done."""
    posted = answered(status=status, json=body)
    assert (posted.state, posted.code, posted.not_sent) == ("rejected", str(status), True)
    assert "credentials" in posted.stops
    assert len(made()) == 1


@pytest.mark.parametrize("status", [400, 404, 409, 413, 422])
@responses.activate
def test_the_partners_refusal_is_told_with_its_code_and_field(status: int) -> None:
    """Nothing was done, the others go on; the partner's free text, which may quote, is not told."""
    posted = answered(status=status, json=refused(field="mobilePhone"))
    assert (posted.state, posted.code, posted.not_sent) == ("rejected", "invalid_field", True)
    assert posted.stops == ""
    assert "mobilePhone" in posted.sentence
    assert not [each for each in PRIVATE if each in repr(posted)]
    assert len(made()) == 1


@pytest.mark.parametrize(
    "error",
    [
        refused("2025550123"),
        refused("12025550123", field="mobilePhone"),
        refused("invalid_field", field="Josefina"),
        refused("invalid_field", field="2025550123"),
        refused("José María"),
        refused({"code": "Josefina"}),
        {"error": "2025550123"},
        {"error": ["Josefina"]},
    ],
    ids=str,
)
@responses.activate
def test_a_value_in_the_place_of_a_code_is_not_told(error: dict[str, object]) -> None:
    """Only what looks like a code, and the names of fields that were sent, are repeated."""
    posted = answered(status=422, json=error)
    assert posted.state == "rejected"
    shown = repr(posted)
    assert not [each for each in (*PRIVATE, "José") if each in shown]


@pytest.mark.parametrize("status", [403, 404, 405, 413, 415])
@pytest.mark.parametrize("kind", ["text/html", JSON])
@responses.activate
def test_a_refusal_that_gives_no_reason_says_nothing_about_the_data(status: int, kind: str) -> None:
    """A gateway's page in maintenance is tried again; it is no refusal of this participant's data.

    Nor does it keep back the others: a filter may dislike one name.
    """
    posted = answered(status=status, body="<h1>No</h1>", content_type=kind)
    assert (posted.state, posted.code, posted.not_sent) == ("rejected", "not done", True)
    assert posted.stops == ""
    assert str(status) in posted.sentence


@pytest.mark.parametrize("status", [400, 409, 422])
@responses.activate
def test_a_refusal_in_other_words_is_about_the_data_all_the_same(status: int) -> None:
    """The partner's JSON with a status that is about the content needs no code to count."""
    posted = answered(status=status, json={"detail": "2025550123 is bad"})
    assert (posted.state, posted.code, posted.not_sent) == ("rejected", str(status), True)
    assert "correct the data" in posted.sentence
    assert not [each for each in PRIVATE if each in repr(posted)]


@pytest.mark.parametrize("status", [400, 409, 422])
@responses.activate
def test_a_page_is_no_word_of_the_partners(status: int) -> None:
    """A gateway's "Bad Request" says nothing about the data."""
    posted = answered(status=status, body="<h1>Bad</h1>", content_type="text/html")
    assert (posted.state, posted.code, posted.not_sent) == ("rejected", "not done", True)


@pytest.mark.parametrize("said", ["2025550123", "Josefina left", 7, None, ["active"], {"a": 1}])
@responses.activate
def test_a_status_that_is_no_word_is_not_kept(said: object) -> None:
    """The state holds the partner's word for how a member stands, never a text."""
    posted = answered(json=member(1, status=said), status=201)
    assert (posted.state, posted.status) == ("sent", "")


@responses.activate
def test_too_many_requests_wait_as_long_as_was_asked() -> None:
    """429 is documented as not done: the same call follows after the pause."""
    clock = HandClock()
    responses.post(MEMBERS, status=429, headers={"Retry-After": "7"})
    responses.post(MEMBERS, status=429, headers={"Retry-After": "60"})
    assert answered(clock, json=member(1), status=201).state == "sent"
    assert clock.pauses == [7.0, 60.0]


@pytest.mark.parametrize("zone", ["GMT", "-0000", "+0000"])
@responses.activate
def test_a_pause_may_be_given_as_an_instant(zone: str) -> None:
    """``Retry-After`` is a number of seconds or an HTTP date (RFC 9110)."""
    clock = HandClock()
    at = format_datetime(clock.instant + timedelta(seconds=31), usegmt=True)
    at = at.replace("GMT", zone)
    responses.post(MEMBERS, status=429, headers={"Retry-After": at})
    assert answered(clock, json=member(1), status=201).state == "sent"
    assert clock.pauses == [31.0]


@pytest.mark.parametrize(
    "asked", ["", "soon", "-5", "1.5", "Tue, 99 Foo", "Sat, 01 Jan 2000 00:00:00 GMT"]
)
@responses.activate
def test_a_pause_that_cannot_be_read_is_a_short_one(asked: str) -> None:
    """Nor does a past instant make the partner be asked without a pause."""
    clock = HandClock()
    responses.post(MEMBERS, status=429, headers={"Retry-After": asked})
    assert answered(clock, json=member(1), status=201).state == "sent"
    (pause,) = clock.pauses
    assert 1 <= pause <= 4


@pytest.mark.parametrize(
    "asked", ["61", "3600", "9" * 30, "9" * 5000, "Fri, 31 Dec 9999 23:59:59 GMT"]
)
@responses.activate
def test_a_pause_too_long_for_a_run_ends_it(asked: str) -> None:
    """The partner is not asked again sooner than it said: the next run goes on."""
    clock = HandClock()
    posted = answered(clock, status=429, headers={"Retry-After": asked})
    assert (posted.state, posted.code, posted.not_sent) == ("rejected", "429", True)
    assert "wait" in posted.stops
    assert clock.pauses == []
    assert len(made()) == 1


@responses.activate
def test_who_asks_to_wait_again_and_again_is_left_alone() -> None:
    """After some pauses the run goes no further; nothing was done."""
    clock = HandClock()
    posted = answered(clock, status=429, headers={"Retry-After": "1"})
    assert (posted.code, posted.not_sent, bool(posted.stops)) == ("429", True, True)
    assert clock.pauses == [1.0] * (len(made()) - 1)
    assert len(made()) < 6
