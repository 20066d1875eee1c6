"""What leaves for the partner: method, path, credentials and body of each endpoint, and no more."""

from __future__ import annotations

from base64 import b64encode
from pathlib import Path
from typing import Any

import pytest
import requests
import responses
from partner_doubles import (
    MEMBERS,
    PASSWORD,
    PAYLOAD,
    TOKEN,
    URL,
    USER,
    FreeBudget,
    HandClock,
    body_of,
    made,
    member,
    new_client,
    page,
)

from redcap_jobs.errors import CredentialsError
from redcap_jobs.notify.logs import REDACT
from redcap_jobs.partner.adapter import AGILE
from redcap_jobs.partner.agile import Access, PartnerClient, PartnerUnreachable
from redcap_jobs.study.credentials import Credentials
from redcap_jobs.study.partner_config import PartnerAccess


def sent() -> Any:
    """Return the one request that was made."""
    (call,) = responses.calls
    return call.request


@responses.activate
def test_an_enrolment_is_a_post_of_the_fields() -> None:
    """``POST /v1/members`` with the fields as JSON; the answer's id is the reference."""
    responses.post(MEMBERS, json=member(7), status=201)
    posted = new_client().enrol(PAYLOAD)
    assert (posted.state, posted.reference, posted.status) == ("sent", "AH-000007", "enrolled")
    assert made() == [("POST", MEMBERS)]
    assert body_of(sent()) == PAYLOAD
    assert sent().headers["Content-Type"] == "application/json"
    assert sent().headers["Accept"] == "application/json"


@responses.activate
def test_an_update_is_a_put_of_the_fields() -> None:
    """``PUT /v1/members/{id}`` with what changes."""
    responses.put(f"{MEMBERS}/AH-000007", json=member(7))
    assert new_client().update("AH-000007", {"language": "es"}).state == "sent"
    assert body_of(sent()) == {"language": "es"}


@responses.activate
def test_an_arm_is_a_put_of_its_own() -> None:
    """``PUT /v1/members/{id}/arm`` with nothing but the arm."""
    responses.put(f"{MEMBERS}/AH-000007/arm", json=member(7, arm="OHT"))
    assert new_client().assign_arm("AH-000007", "OHT").state == "sent"
    assert body_of(sent()) == {"arm": "OHT"}


@responses.activate
def test_members_are_looked_up_by_the_studys_id() -> None:
    """``GET /v1/members?studyId=``, encoded; the question carries no body."""
    responses.get(MEMBERS, json=page([member(7, "10 & 01")]))
    assert [each["memberId"] for each in new_client().members_of("10 & 01")] == ["AH-000007"]
    assert made() == [("GET", f"{MEMBERS}?studyId=10+%26+01&pageSize=200")]
    assert sent().body is None


@responses.activate
def test_the_list_is_read_by_pages() -> None:
    """``GET /v1/members``, then the address of each next page as it was given."""
    second = "/v1/members?page=2&pageSize=200"
    responses.get(f"{MEMBERS}?pageSize=200", json=page([member(1)], 2, second))
    responses.get(f"{URL}{second}", json=page([member(2, "1002")], 2))
    assert len(new_client().all_members()) == 2
    assert made() == [("GET", f"{MEMBERS}?pageSize=200"), ("GET", f"{URL}{second}")]


@responses.activate
def test_an_id_stays_one_part_of_the_path() -> None:
    """Whatever stands in an id (a slash, dots), no other address is called."""
    responses.put(f"{MEMBERS}/..%2Fadmin/arm", json=member(1))
    new_client().assign_arm("../admin", "OHT")
    assert made() == [("PUT", f"{MEMBERS}/..%2Fadmin/arm")]


@responses.activate
def test_a_bearer_token_signs() -> None:
    """The token goes into the header alone, never into an address."""
    responses.get(MEMBERS, json=page([]))
    new_client().all_members()
    assert sent().headers["Authorization"] == f"Bearer {TOKEN}"
    assert TOKEN not in str(sent().url)


@responses.activate
def test_user_and_password_sign() -> None:
    """Basic authentication, in UTF-8 as RFC 7617 has it, whatever signs the password holds."""
    responses.get(MEMBERS, json=page([]))
    new_client(access=Access(URL, user=USER, password=PASSWORD)).all_members()
    expected = b64encode(f"{USER}:{PASSWORD}".encode()).decode()
    assert sent().headers["Authorization"] == f"Basic {expected}"


@responses.activate
def test_netrc_does_not_sign(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another password for the same host in ~/.netrc does not take the place of the token."""
    tmp_path.joinpath(".netrc").write_text(
        "machine api.agilehealth.example login x password y", encoding="utf-8"
    )
    tmp_path.joinpath(".netrc").chmod(0o600)
    monkeypatch.setenv("NETRC", str(tmp_path / ".netrc"))
    responses.get(MEMBERS, json=page([]))
    new_client().all_members()
    assert sent().headers["Authorization"] == f"Bearer {TOKEN}"


@responses.activate
def test_every_request_has_a_time_limit_and_follows_nothing() -> None:
    """A partner that never answers holds up no run for ever, and is followed nowhere."""
    responses.post(MEMBERS, json=member(1), status=201)
    new_client().enrol(PAYLOAD)
    settings = sent().req_kwargs
    assert settings["timeout"] == (10.0, 60.0)
    responses.get(MEMBERS, json=page([]))
    new_client().all_members()
    assert responses.calls[1].request.req_kwargs["timeout"] == (10.0, 60.0)  # type: ignore[attr-defined]


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@responses.activate
def test_a_write_is_not_led_to_another_host(status: int) -> None:
    """A redirect would carry token and participant elsewhere; whether it took effect is unknown."""
    elsewhere = "https://elsewhere.example/v1/members"
    responses.post(MEMBERS, status=status, headers={"Location": elsewhere})
    posted = new_client().enrol(PAYLOAD)
    assert (posted.state, posted.not_sent) == ("unknown", False)
    assert made() == [("POST", MEMBERS)]


@responses.activate
def test_a_question_is_not_led_to_another_host() -> None:
    """Nor does a question follow, and a list that is elsewhere is no list."""
    responses.get(MEMBERS, status=302, headers={"Location": "https://elsewhere.example/"})
    with pytest.raises(PartnerUnreachable, match="HTTP 302"):
        new_client().all_members()
    assert {url.partition("?")[0] for _, url in made()} == {MEMBERS}


@pytest.mark.parametrize(
    "following",
    ["https://elsewhere.example/v1/members", "//elsewhere.example/", "@elsewhere.example/", 2],
)
@responses.activate
def test_a_next_page_is_on_the_same_host(following: object) -> None:
    """The address of a next page leads the token nowhere else."""
    responses.get(MEMBERS, json=page([member(1)], 2, following))
    with pytest.raises(PartnerUnreachable):
        new_client().all_members()
    assert {url.partition("?")[0] for _, url in made()} == {MEMBERS}


def access_of(token: str) -> Access:
    """Read a token as a study file and a ``.env`` give it."""
    study = PartnerAccess.model_validate({"url": URL, "token": "AGILE_TOKEN"})
    return Access.of(study, Credentials(in_file={"AGILE_TOKEN": token}))


@pytest.mark.parametrize(
    "token", ["two words", "line\nbreak", "t\u2019oken", "tab\t", "clé-secrète"]
)
def test_a_token_that_fits_no_header_is_told_by_its_name(token: str) -> None:
    """A line break or a curly quote pasted along would end in a message that shows the token."""
    with pytest.raises(CredentialsError, match="AGILE_TOKEN") as told:
        access_of(token)
    assert token not in str(told.value)


def test_credentials_are_taken_out_of_whatever_is_logged() -> None:
    """Whatever the variable is called: its name need not end in TOKEN or PASSWORD."""
    study = PartnerAccess.model_validate({"url": URL, "user": "AGILE_USER", "password": "AGILE_PW"})
    Access.of(study, Credentials(in_file={"AGILE_USER": "clinic", "AGILE_PW": "gale-force-12"}))
    study = PartnerAccess.model_validate({"url": URL, "token": "AGILE_BEARER"})
    Access.of(study, Credentials(in_file={"AGILE_BEARER": "hurricane-13"}))
    shown = REDACT("said gale-force-12 and hurricane-13")
    assert "gale-force-12" not in shown
    assert "hurricane-13" not in shown


@pytest.mark.parametrize("variable", ["HTTP_PROXY", "ALL_PROXY"])
@responses.activate
def test_a_partner_on_this_machine_is_reached_without_a_proxy(
    monkeypatch: pytest.MonkeyPatch, variable: str
) -> None:
    """Plain http through an institution's proxy would show it token and participants."""
    monkeypatch.setenv(variable, "http://proxy.example.org:3128")
    here = "http://127.0.0.1:8021"
    responses.get(f"{here}/v1/members", json=page([]))
    new_client(access=Access(here, token=TOKEN)).all_members()
    assert not {"http", "https", "all"} & set(sent().req_kwargs["proxies"])


@responses.activate
def test_the_partner_itself_is_reached_through_the_machines_proxy(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Some institutions let nothing out in another way."""
    monkeypatch.setenv("HTTPS_PROXY", "http://proxy.example.org:3128")
    responses.get(MEMBERS, json=page([]))
    new_client().all_members()
    assert sent().req_kwargs["proxies"]["https"] == "http://proxy.example.org:3128"


@responses.activate
def test_each_write_begins_on_a_connection_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    """One that idled may be closed while the request goes out, and nobody would know of it."""
    seen: list[str] = []
    monkeypatch.setattr(requests.Session, "close", lambda self: seen.append("closed"))
    responses.post(MEMBERS, json=member(7), status=201)
    client = new_client()
    client.enrol(PAYLOAD)
    client.enrol(PAYLOAD)
    assert seen == ["closed", "closed"]


@responses.activate
def test_every_request_counts() -> None:
    """Repeated ones, too: the partner allows so many a minute."""
    budget: Any = FreeBudget()
    client = PartnerClient(Access(URL, token=TOKEN), AGILE, clock=HandClock(), budget=budget)
    responses.post(MEMBERS, status=429)
    responses.post(MEMBERS, json=member(7), status=201)
    client.enrol(PAYLOAD)
    responses.get(MEMBERS, status=500)
    responses.get(MEMBERS, json=page([]))
    client.all_members()
    assert budget.taken == len(made()) == 4


def test_nothing_private_shows_itself() -> None:
    """Neither client nor access show a token, a user or a password."""
    access = Access(URL, token=TOKEN, user=USER, password=PASSWORD)
    shown = repr(access) + repr(new_client(HandClock(), access)) + str(access)
    assert not [each for each in (TOKEN, USER, PASSWORD) if each in shown]
