"""The partner's bad days: what a client sees, and what took effect all the same."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
import requests
from member_calls import ALICE, Raw, serving, several
from sandbox_projects import TIMEOUT
from twilio_texts import ACCOUNT as TWILIO
from twilio_texts import Raw as Twilio

from redcap_jobs.errors import UsageError
from redcap_jobs.sandbox.fault_options import fault_of
from redcap_jobs.sandbox.faults import FaultRule
from redcap_jobs.sandbox.partner_faults import PARTNER_FAULTS
from redcap_jobs.sandbox.server import Sandbox


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    with serving(twilio=TWILIO) as sandbox:
        yield sandbox


@pytest.fixture
def raw(sandbox: Sandbox) -> Raw:
    return Raw(sandbox)


def outcome(raw: Raw) -> str:
    """Enrol somebody and return what a client makes of the answer."""
    try:
        answer = raw.ask("POST", json=ALICE)
    except requests.ConnectionError:
        return "dropped"
    try:
        body = answer.json()
    except json.JSONDecodeError:
        return f"{answer.status_code} {answer.headers['Content-Type']}"
    return f"{answer.status_code} {body.get('status') or body['error']['code']}"


@pytest.mark.parametrize(
    ("name", "seen", "made"),
    [
        ("partner-drop", "dropped", 1),
        ("partner-5xx-after", "500 internal", 1),
        ("partner-cut-json", "201 application/json", 1),
        ("partner-html", "200 text/html; charset=utf-8", 1),
        ("partner-timeout", "201 enrolled", 1),
        ("partner-double", "201 enrolled", 2),
        ("partner-late", "dropped", 0),
        ("partner-refuse-drop", "dropped", 0),
        ("partner-503", "503 unavailable", 0),
        ("partner-429", "429 too_many_requests", 0),
    ],
)
def test_what_becomes_of_an_enrolment(
    sandbox: Sandbox, raw: Raw, name: str, seen: str, made: int
) -> None:
    """Once as the fault says, then well; what was accepted says which fault befell it."""
    sandbox.fault(name, times=1, seconds=0.01)
    assert outcome(raw) == seen
    assert [(one.call, one.fault) for one in sandbox.partner.accepted()] == [("enrol", name)] * made
    assert raw.page()["total"] == made
    assert outcome(raw) == "201 enrolled"
    assert [one.fault for one in sandbox.partner.accepted()] == [name] * made + [""]


@pytest.mark.parametrize("name", ["partner-drop", "partner-html", "partner-5xx-after"])
@pytest.mark.parametrize("action", ["update", "arm"])
def test_a_change_takes_effect_though_its_answer_is_lost(
    sandbox: Sandbox, raw: Raw, name: str, action: str
) -> None:
    """As an enrolment does, where a fault is told to strike it."""
    member_id = raw.enrol()["memberId"]
    sandbox.fault(name, times=1, action=action)
    body = {"arm": "CWT"} if action == "arm" else {"firstName": "Ana"}
    path = f"/{member_id}/arm" if action == "arm" else f"/{member_id}"
    try:
        assert b"memberId" not in raw.ask("PUT", path, json=body).content
    except requests.ConnectionError:
        assert name == "partner-drop"
    changed = raw.member(member_id)
    assert {key: changed[key] for key in body} == body
    last = sandbox.partner.accepted()[-1]
    assert (last.call, last.fault) == (action, name)


def test_a_late_write_takes_effect_when_nobody_waits_for_it(sandbox: Sandbox, raw: Raw) -> None:
    """The client is cut off at once; S seconds later by the account's clock the member is there."""
    sandbox.fault("partner-late", times=1, seconds=300)
    assert outcome(raw) == "dropped"
    sandbox.partner.advance(299)
    assert raw.page(studyId="1001")["members"] == []
    sandbox.partner.advance(1)
    (member,) = raw.page(studyId="1001")["members"]
    assert member["enrolledAt"] == "2026-11-22T12:35:00Z"
    (entry,) = sandbox.partner.accepted()
    assert (entry.fault, entry.at.isoformat()) == ("partner-late", "2026-11-22T12:35:00+00:00")


def test_late_writes_take_effect_in_the_order_in_which_they_are_due(
    sandbox: Sandbox, raw: Raw
) -> None:
    """Also when nobody looked in between; one that is refused when its time comes is not noted."""
    member_id = raw.enrol()["memberId"]
    for seconds, name in ((300, "Ana"), (100, "Inés"), (200, "Eva")):
        sandbox.fault("partner-late", times=1, seconds=seconds, action="update")
        with pytest.raises(requests.ConnectionError):
            raw.ask("PUT", f"/{member_id}", json={"firstName": name})
    sandbox.fault("partner-late", times=1, seconds=250, action="update")
    with pytest.raises(requests.ConnectionError):
        raw.ask("PUT", f"/{member_id}", json={"language": "fr"})
    sandbox.partner.advance(3600)
    assert raw.member(member_id)["firstName"] == "Ana"
    assert raw.member(member_id)["updatedAt"] == "2026-11-22T12:35:00Z"
    late = [one.at.minute * 60 + one.at.second for one in sandbox.partner.accepted()[1:]]
    assert late == [1800 + 100, 1800 + 200, 1800 + 300]


def test_an_answer_later_than_the_client_waits(sandbox: Sandbox, raw: Raw) -> None:
    """The member was made when the request arrived; the client knows nothing of it."""
    sandbox.fault("partner-timeout", times=1, seconds=30)
    with pytest.raises(requests.ReadTimeout):
        raw.ask("POST", json=ALICE, timeout=0.3)
    assert len(sandbox.partner.accepted()) == 1


def test_too_many_requests_say_how_long_to_wait(sandbox: Sandbox, raw: Raw) -> None:
    """Retry-After in whole seconds, those of the fault; 503 says nothing."""
    sandbox.fault("partner-429", times=1, seconds=7.2)
    assert raw.ask("POST", json=ALICE).headers["Retry-After"] == "8"
    sandbox.fault("partner-429", times=1, seconds=0)
    assert raw.ask("POST", json=ALICE).headers["Retry-After"] == "1"
    sandbox.fault("partner-503", times=1)
    assert "Retry-After" not in raw.ask("POST", json=ALICE).headers


def test_a_list_may_suddenly_be_empty(sandbox: Sandbox, raw: Raw) -> None:
    """Of all members and of one study id; fetching one and the next list are right."""
    (member_id,) = several(sandbox.partner, 1)
    sandbox.fault("partner-empty-list", times=2)
    for query in ({}, {"studyId": "1001"}):
        found = raw.page(**query)
        assert (found["members"], found["total"], found["next"]) == ([], 0, None)
    assert raw.member(member_id)["studyId"] == "1001"
    assert raw.page()["total"] == 1


def test_pages_may_shift_under_their_reader(sandbox: Sandbox, raw: Raw) -> None:
    """From the second page on a member seems to stand in front; read again the list is whole."""
    ids = several(sandbox.partner, 5)
    sandbox.fault("partner-shift", times=1)
    first, second = raw.page(page=1, pageSize=3), raw.page(page=2, pageSize=3)
    assert [one["memberId"] for one in first["members"]] == [ids[4], ids[3], ids[2]]
    assert [one["memberId"] for one in second["members"]] == [ids[2], ids[1], ids[0]]
    assert (first["total"], second["total"]) == (5, 6)
    assert [one["memberId"] for one in raw.page(page=2, pageSize=3)["members"]] == [ids[1], ids[0]]
    assert len(sandbox.partner.all()) == 5


def test_faults_strike_enrolments_unless_told_otherwise(sandbox: Sandbox, raw: Raw) -> None:
    """Without an action only enrolments; an action names another call; all is all."""
    member_id = raw.enrol()["memberId"]
    sandbox.fault("partner-503", rate=1)
    assert raw.ask("POST", json=ALICE).status_code == 503
    assert raw.page(page=2)["total"] == 1
    assert raw.ask("PUT", f"/{member_id}", json={}).status_code == 200
    sandbox.no_faults()
    sandbox.fault("partner-503", rate=1, action="list")
    assert raw.ask("POST", json=ALICE).status_code == 201
    assert {raw.ask("GET", params={"page": page}).status_code for page in (1, 2)} == {503}
    sandbox.no_faults()
    sandbox.fault("partner-503", rate=1, action="all")
    arm = raw.ask("PUT", f"/{member_id}/arm", json={"arm": "OHT"})
    answers = [raw.ask("POST", json=ALICE), raw.ask("GET"), raw.ask("GET", f"/{member_id}"), arm]
    assert {answer.status_code for answer in answers} == {503}


def test_who_is_not_let_in_uses_no_fault_up(sandbox: Sandbox, raw: Raw) -> None:
    """A fault for the next call waits for one with the right credentials."""
    sandbox.fault("partner-503", times=1)
    assert Raw(sandbox, "wrong").ask("POST", json=ALICE).status_code == 401
    assert raw.ask("POST", json=ALICE).status_code == 503
    assert [one.fault for one in sandbox.partner_requests] == ["", "partner-503"]


def test_faults_of_one_server_spare_the_others(sandbox: Sandbox, raw: Raw) -> None:
    """REDCap's, Twilio's and the partner's strike their own calls; a ban is REDCap's alone."""
    for name in ("504", "twilio-503", "partner-503"):
        sandbox.fault(name, times=1)
    version = {"token": next(iter(sandbox.tokens.values())), "content": "version"}
    for refused in (True, False):
        assert (requests.post(sandbox.url, data=version, timeout=TIMEOUT).ok) is not refused
        assert Twilio(sandbox).send().ok is not refused
        assert raw.ask("POST", json=ALICE).ok is not refused
    sandbox.fault("ban", requests=1)
    for _ in range(3):
        requests.post(sandbox.url, data=version, timeout=TIMEOUT)
    assert "banned" in requests.post(sandbox.url, data=version, timeout=TIMEOUT).text
    assert raw.ask("GET").status_code == 200


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ("partner-drop=5%", FaultRule("partner-drop", 0.05)),
        ("partner-late=1,seconds=86400", FaultRule("partner-late", 1, seconds=86_400)),
        ("partner-503=0.5,action=list", FaultRule("partner-503", 0.5, action="list")),
        ("partner-503=0.5,action=all", FaultRule("partner-503", 0.5, action="all")),
        ("partner-shift=1,action=list", FaultRule("partner-shift", 1, action="list")),
    ],
)
def test_as_they_are_written(text: str, rule: FaultRule) -> None:
    """The grammar of --fault."""
    assert fault_of(text) == rule


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("partner-lost=1", "no fault 'partner-lost'"),
        ("partner-503=1,content=record", "go with REDCap's faults"),
        ("partner-503=1,after", "go with REDCap's faults"),
        ("partner-503=1,action=import", "no action 'import'; there are enrol, update"),
        ("partner-503=1,action=later page", "no action 'later page'"),
        ("partner-double=1,action=list", "no action 'list'; there are enrol"),
        ("partner-shift=1,action=enrol", "no action 'enrol'; there are list"),
        ("partner-timeout=1,seconds=3601", "seconds lie between 0 and 3600"),
        ("partner-late=1,seconds=1e9", "seconds lie between 0 and 604800"),
    ],
)
def test_what_makes_no_sense(text: str, message: str) -> None:
    """A usage error that says what would be right."""
    with pytest.raises(UsageError, match=message):
        fault_of(text)


def test_every_fault_can_be_switched_on(sandbox: Sandbox) -> None:
    """On the page for faults, by its name, as the page itself lists it."""
    address = f"{sandbox.control_url}faults"
    for name in PARTNER_FAULTS:
        answer = requests.post(address, json={"name": name, "times": 1}, timeout=TIMEOUT)
        assert answer.status_code == 200, answer.text
    found = requests.get(address, timeout=TIMEOUT).json()
    assert {one["name"] for one in found["on"]} == set(PARTNER_FAULTS) <= set(found["known"])


def test_every_enrolment_counts_once_whatever_comes_together(sandbox: Sandbox) -> None:
    """Eight threads at once, with drops: one entry and one member per POST, each with its own id."""
    sandbox.fault("partner-drop", rate=0.2)

    def enrol(number: int) -> str:
        try:
            given = {**ALICE, "studyId": str(number)}
            return str(Raw(sandbox).ask("POST", json=given).status_code)
        except requests.ConnectionError:
            return "dropped"

    with ThreadPoolExecutor(8) as pool:
        seen = Counter(pool.map(enrol, range(80)))
    entries, members = sandbox.partner.accepted(), sandbox.partner.all()
    assert set(seen) == {"201", "dropped"}
    assert [one.number for one in entries] == list(range(1, 81))
    assert len({one.member for one in entries}) == 80
    assert {one["studyId"] for one in members} == {str(number) for number in range(80)}
    assert sum(one.fault == "partner-drop" for one in entries) == seen["dropped"]
