"""The partner's four endpoints: who is let in, what is refused, what an answer holds."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest
import requests
from member_calls import ALICE, DEVELOPMENT, PASSWORD, PHONE, TOKEN, USER, Raw, serving, several
from sandbox_projects import TIMEOUT
from twilio_texts import ACCOUNT as TWILIO

from redcap_jobs.errors import UsageError
from redcap_jobs.sandbox.partner_account import PartnerAccount
from redcap_jobs.sandbox.server import Sandbox


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    with serving() as sandbox:
        yield sandbox


@pytest.fixture
def raw(sandbox: Sandbox) -> Raw:
    return Raw(sandbox)


def test_an_enrolment_makes_a_member(raw: Raw) -> None:
    """201 and the whole member: what was sent, an id, no arm yet, and instants in UTC."""
    made = raw.enrol()
    assert re.fullmatch(r"AH-\d{6}", made["memberId"])
    assert {name: made[name] for name in ALICE} == {**ALICE, "brushDays": 5}
    assert {name: value for name, value in made.items() if name not in ALICE} == {
        "memberId": made["memberId"],
        "arm": None,
        "status": "enrolled",
        "programWeek": None,
        "enrolledAt": "2026-11-22T12:30:00Z",
        "activatedAt": None,
        "optedOutAt": None,
        "completedAt": None,
        "withdrawnAt": None,
        "updatedAt": "2026-11-22T12:30:00Z",
    }
    assert raw.member(made["memberId"]) == made


def test_two_enrolments_are_two_members(raw: Raw) -> None:
    """The partner knows no study: it is the client that must not enrol anyone twice."""
    first, second = raw.enrol(), raw.enrol()
    assert first["memberId"] != second["memberId"]
    found = raw.page(studyId="1001")
    assert [one["memberId"] for one in found["members"]] == [
        second["memberId"],
        first["memberId"],
    ]
    assert (found["total"], found["next"]) == (2, None)


def test_an_update_sets_what_it_names(sandbox: Sandbox, raw: Raw) -> None:
    """All else stays; null erases; the time of the change is kept."""
    made = raw.enrol()
    sandbox.partner.advance(3600)
    answer = raw.ask(
        "PUT", f"/{made['memberId']}", json={"mobilePhone": "+16175550199", "lastName": None}
    )
    assert answer.status_code == 200
    changed = {"mobilePhone": "+16175550199", "lastName": None, "updatedAt": "2026-11-22T13:30:00Z"}
    assert answer.json() == {**made, **changed}
    assert raw.member(made["memberId"]) == answer.json()


def test_a_member_is_withdrawn_by_its_status(sandbox: Sandbox, raw: Raw) -> None:
    """The one status a client may set; when it happened is kept, also if it is said twice."""
    member_id = raw.enrol()["memberId"]
    for _ in range(2):
        found = raw.ask("PUT", f"/{member_id}", json={"status": "withdrawn"}).json()
        assert (found["status"], found["withdrawnAt"]) == ("withdrawn", "2026-11-22T12:30:00Z")
        sandbox.partner.advance(60)
    assert raw.error("PUT", f"/{member_id}", json={"status": "active"}) == (
        422,
        "invalid_field",
        "status",
    )


def test_an_arm_is_assigned(raw: Raw) -> None:
    """At an address of its own; the partner itself does not mind when it is changed."""
    member_id = raw.enrol()["memberId"]
    for arm in ("OHT", "CWT"):
        answer = raw.ask("PUT", f"/{member_id}/arm", json={"arm": arm})
        assert (answer.status_code, answer.json()["arm"]) == (200, arm)
    assert raw.member(member_id)["arm"] == "CWT"


@pytest.mark.parametrize(
    ("given", "code", "about"),
    [
        ({"studyId": None}, "missing_field", "studyId"),
        ({"studyId": ""}, "missing_field", "studyId"),
        ({"firstName": None}, "missing_field", "firstName"),
        ({"mobilePhone": None}, "missing_field", "mobilePhone"),
        ({"language": None}, "missing_field", "language"),
        ({"mobilePhone": "(617) 555-0123"}, "invalid_field", "mobilePhone"),
        ({"mobilePhone": "6175550123"}, "invalid_field", "mobilePhone"),
        ({"mobilePhone": 16175550123}, "invalid_field", "mobilePhone"),
        ({"language": "1"}, "invalid_field", "language"),
        ({"childGender": "Girl"}, "invalid_field", "childGender"),
        ({"childDob": "2024-02-29"}, "invalid_field", "childDob"),
        ({"childDob": "02/30/2024"}, "invalid_field", "childDob"),
        ({"childDob": "2/9/2024"}, "invalid_field", "childDob"),
        ({"brushDays": "8"}, "invalid_field", "brushDays"),
        ({"brushDays": 3.5}, "invalid_field", "brushDays"),
        ({"brushDays": True}, "invalid_field", "brushDays"),
        ({"firstName": "x" * 101}, "invalid_field", "firstName"),
        ({"firstName": ["Alice"]}, "invalid_field", "firstName"),
        ({"arm": "OHT"}, "invalid_field", "arm"),
        ({"status": "active"}, "invalid_field", "status"),
        ({"shoeSize": "38"}, "unknown_field", "shoeSize"),
        ({"memberId": "AH-1"}, "unknown_field", "memberId"),
        ({"programWeek": 3}, "unknown_field", "programWeek"),
    ],
)
def test_what_an_enrolment_refuses(
    sandbox: Sandbox, raw: Raw, given: dict[str, Any], code: str, about: str
) -> None:
    """422, a code and the field's name; nobody is enrolled."""
    assert raw.error("POST", json={**ALICE, **given}) == (422, code, about)
    assert sandbox.partner.all() == []
    assert sandbox.partner.accepted() == []


def test_a_refusal_repeats_no_value(raw: Raw) -> None:
    """What was wrong is named, not quoted."""
    answer = raw.ask("POST", json={**ALICE, "mobilePhone": "617-555-0123"})
    assert "0123" not in answer.text
    assert answer.json()["error"]["message"] == "must be in E.164"


@pytest.mark.parametrize(
    ("path", "given", "code", "about"),
    [
        ("", {"arm": "OHT"}, "invalid_field", "arm"),
        ("", {"mobilePhone": None}, "invalid_field", "mobilePhone"),
        ("", {"status": "asleep"}, "invalid_field", "status"),
        ("", {"status": None}, "invalid_field", "status"),
        ("", {"childDob": "yesterday"}, "invalid_field", "childDob"),
        ("", {"shoeSize": "38"}, "unknown_field", "shoeSize"),
        ("/arm", {"arm": "1"}, "invalid_field", "arm"),
        ("/arm", {"arm": None}, "missing_field", "arm"),
        ("/arm", {}, "missing_field", "arm"),
        ("/arm", {"arm": "OHT", "language": "es"}, "invalid_field", "language"),
    ],
)
def test_what_a_change_refuses(
    sandbox: Sandbox, raw: Raw, path: str, given: dict[str, Any], code: str, about: str
) -> None:
    """422, a code and the field's name; the member stays as it is."""
    made = raw.enrol()
    assert raw.error("PUT", f"/{made['memberId']}{path}", json=given) == (422, code, about)
    assert raw.member(made["memberId"]) == made
    assert [one.call for one in sandbox.partner.accepted()] == ["enrol"]


def test_who_is_let_in(sandbox: Sandbox) -> None:
    """The token as bearer, or user and password; anything else is 401, whatever is asked."""
    raw = Raw(sandbox)
    assert raw.ask("GET").status_code == 200
    assert raw.ask("GET", auth=(USER, PASSWORD)).status_code == 200
    wrong = [
        Raw(sandbox, "wrong").ask("GET"),
        raw.ask("GET", auth=(USER, "wrong")),
        raw.ask("GET", auth=(USER, TOKEN)),
        raw.ask("GET", headers={"Authorization": f"Token {TOKEN}"}),
        raw.ask("GET", headers={"Authorization": "Bearer"}),
        Raw(sandbox, "").ask("DELETE"),
        requests.post(f"{sandbox.partner_url}/v1/members", json=ALICE, timeout=TIMEOUT),
    ]
    for answer in wrong:
        assert (answer.status_code, answer.json()["error"]["code"]) == (401, "unauthorized")
    assert sandbox.partner.all() == []


def test_an_account_without_a_user_takes_no_basic_authentication() -> None:
    """An empty user name and password open nothing."""
    with serving(PartnerAccount(TOKEN)) as sandbox:
        assert Raw(sandbox).ask("GET", auth=("", "")).status_code == 401
        assert Raw(sandbox).ask("GET").status_code == 200


def test_each_token_opens_members_of_its_own(sandbox: Sandbox) -> None:
    """What is enrolled for development is not seen in production, nor the other way round."""
    earnest, trial = Raw(sandbox), Raw(sandbox, DEVELOPMENT)
    made = earnest.enrol()
    assert trial.ask("GET").json()["total"] == 0
    assert trial.ask("GET", f"?studyId={ALICE['studyId']}").json()["members"] == []
    trial.enrol(studyId="2001")
    trial.ask("PUT", f"/{made['memberId']}", json={"firstName": "Trial"})
    assert [one["studyId"] for one in sandbox.partner.all()] == ["1001"]
    assert sandbox.partner.found(made["memberId"])["firstName"] == ALICE["firstName"]
    assert [one["studyId"] for one in sandbox.partner_development.all()] == ["2001"]


def test_no_development_token_opens_nothing() -> None:
    """An account without one has no second set of members, and an empty token opens none."""
    with serving(PartnerAccount(TOKEN)) as sandbox:
        assert Raw(sandbox, DEVELOPMENT).ask("GET").status_code == 401
        assert Raw(sandbox, "").ask("GET").status_code == 401
        assert "AGILE_DEV_TOKEN" not in sandbox.variables
        with pytest.raises(LookupError, match="development"):
            _ = sandbox.partner_development


def test_an_account_needs_what_opens_it() -> None:
    """A token, and a password for its user; neither shows in its repr."""
    for wrong in (("",), (TOKEN, USER), (TOKEN, "", PASSWORD), (TOKEN, "", "", TOKEN)):
        with pytest.raises(UsageError):
            PartnerAccount(*wrong)
    assert TOKEN not in repr(PartnerAccount(TOKEN, USER, PASSWORD))
    assert PASSWORD not in repr(PartnerAccount(TOKEN, USER, PASSWORD))


def test_bodies_are_json_objects(raw: Raw) -> None:
    """415 for another content type, 400 for what is no object."""
    assert raw.error("POST", data=ALICE) == (415, "unsupported_media_type", None)
    as_json = {"Content-Type": "application/json"}
    for body in ("{", "", "[]", '"x"', "null"):
        assert raw.error("POST", data=body, headers=as_json) == (400, "bad_json", None), body


@pytest.mark.parametrize("beside", [None, TWILIO])
def test_what_there_is_not(beside: Any) -> None:
    """404 for an unknown member or address, 405 for a method, with or without Twilio beside it."""
    with serving(twilio=beside) as sandbox:
        raw = Raw(sandbox)
        assert raw.error("GET", "/AH-999999") == (404, "not_found", None)
        assert raw.error("PUT", "/AH-999999", json={}) == (404, "not_found", None)
        assert raw.error("PUT", "/AH-999999/arm", json={"arm": "OHT"}) == (404, "not_found", None)
        assert raw.error("GET", "/AH-999999/texts/1") == (404, "not_found", None)
        for method, path in (("DELETE", ""), ("PATCH", "/AH-1"), ("GET", "/AH-1/arm")):
            assert raw.error(method, path) == (405, "method_not_allowed", None), method


def test_a_list_comes_by_pages_newest_first(sandbox: Sandbox, raw: Raw) -> None:
    """Each says how many there are and where it goes on; the last one says nowhere."""
    ids = several(sandbox.partner, 5)
    first = raw.page(page=1, pageSize=2)
    assert [one["memberId"] for one in first["members"]] == [ids[4], ids[3]]
    assert (first["page"], first["pageSize"], first["total"]) == (1, 2, 5)
    assert first["next"] == "/v1/members?page=2&pageSize=2"
    last = raw.page(page=3, pageSize=2)
    assert [one["memberId"] for one in last["members"]] == [ids[0]]
    assert last["next"] is None
    assert raw.page(page=4, pageSize=2)["members"] == []


def test_a_page_has_100_members_and_200_at_most(sandbox: Sandbox, raw: Raw) -> None:
    """Unless another size is asked for."""
    several(sandbox.partner, 210)
    assert len(raw.page()["members"]) == 100
    asked = raw.page(pageSize=1000)
    assert (len(asked["members"]), asked["pageSize"]) == (200, 200)


def test_a_member_that_comes_meanwhile_shifts_the_pages(sandbox: Sandbox, raw: Raw) -> None:
    """The last of one page is the first of the next, and the total has grown."""
    several(sandbox.partner, 4)
    first = raw.page(page=1, pageSize=2)
    raw.enrol(studyId="2001")
    second = raw.page(page=2, pageSize=2)
    assert first["members"][-1] == second["members"][0]
    assert (first["total"], second["total"]) == (4, 5)


@pytest.mark.parametrize("text", ["0", "-1", "two", "", "1" * 5000, "٣"])
def test_a_page_is_a_whole_number_from_1(raw: Raw, text: str) -> None:
    """400 and the parameter's name."""
    for name in ("page", "pageSize"):
        assert raw.error("GET", params={name: text}) == (400, "bad_parameter", name)


def test_requests_and_accepted_writes_are_counted(sandbox: Sandbox, raw: Raw) -> None:
    """What was called, how it was answered, and which writes took effect, in order; no values."""
    member_id = raw.enrol()["memberId"]
    raw.ask("PUT", f"/{member_id}/arm", json={"arm": "OHT"})
    raw.ask("PUT", f"/{member_id}", json={"firstName": "Ana"})
    raw.ask("PUT", f"/{member_id}", json={"status": "withdrawn"})
    raw.ask("PUT", f"/{member_id}", json={"status": "lost"})
    raw.member(member_id)
    raw.page(page=2)
    raw.ask("DELETE")
    assert [(one.number, one.action, one.status) for one in sandbox.partner_requests] == [
        (1, "enrol", 201),
        (2, "arm", 200),
        (3, "update", 200),
        (4, "update", 200),
        (5, "update", 422),
        (6, "fetch", 200),
        (7, "list", 200),
        (8, "other", 405),
    ]
    accepted = sandbox.partner.accepted()
    assert [(one.number, one.call) for one in accepted] == [
        (1, "enrol"),
        (2, "arm"),
        (3, "update"),
        (4, "withdraw"),
    ]
    assert {(one.member, one.study_id, one.fault) for one in accepted} == {(member_id, "1001", "")}
    assert PHONE not in repr((accepted, sandbox.partner_requests))
    sandbox.partner.forget_accepted()
    sandbox.forget_requests()
    assert (sandbox.partner.accepted(), sandbox.partner_requests) == ([], [])
    assert len(sandbox.partner.all()) == 1


def test_without_an_account_there_is_no_partner() -> None:
    """Its addresses lead nowhere, and .env has no such names."""
    with serving(None) as sandbox:
        assert Raw(sandbox).ask("GET").status_code == 404
        assert sandbox.variables == sandbox.tokens
        with pytest.raises(LookupError):
            _ = sandbox.partner
        with pytest.raises(LookupError):
            _ = sandbox.partner_requests


def test_credentials_are_among_the_variables(sandbox: Sandbox) -> None:
    """Each copy of the study has its own token, at one address."""
    found = {name: value for name, value in sandbox.variables.items() if name.startswith("AGILE")}
    assert found == {
        "AGILE_TOKEN": TOKEN,
        "AGILE_DEV_TOKEN": DEVELOPMENT,
        "AGILE_API_URL": f"http://127.0.0.1:{sandbox.port}",
    }
