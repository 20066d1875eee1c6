"""The sandbox's own addresses about the partner, what the command keeps, how fast lists are."""

from __future__ import annotations

import json
import re
import shlex
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests
from member_calls import (
    ALICE,
    DAY,
    DEVELOPMENT,
    PASSWORD,
    PHONE,
    TOKEN,
    USER,
    Raw,
    control,
    serving,
    several,
)
from sandbox_projects import TIMEOUT
from test_sandbox_command import shown, started

from redcap_jobs.commands.sandbox import command as sandbox_command
from redcap_jobs.errors import StateUnusable
from redcap_jobs.sandbox.env_file import write_env_file
from redcap_jobs.sandbox.partner_account import made_up_partner
from redcap_jobs.sandbox.partner_faults import PARTNER_FAULTS
from redcap_jobs.sandbox.partner_keep import kept_partner
from redcap_jobs.sandbox.server import Sandbox


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    with serving() as sandbox:
        yield sandbox


def get(sandbox: Sandbox, path: str = "", token: str = "") -> requests.Response:
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    return requests.get(f"{sandbox.control_url}partner{path}", headers=headers, timeout=TIMEOUT)


def test_counts_show_no_values(sandbox: Sandbox) -> None:
    """How many members by status, and how many participants have several; nobody's data."""
    raw = Raw(sandbox)
    raw.enrol()
    raw.enrol()
    member_id = raw.enrol(studyId="1002")["memberId"]
    raw.ask("PUT", f"/{member_id}", json={"status": "withdrawn"})
    assert get(sandbox).json() == {
        "now": "2026-11-22T12:30:00+00:00",
        "lives": False,
        "accepted": 4,
        "members": 3,
        "by_status": {"enrolled": 2, "withdrawn": 1},
        "study_ids_with_several": 1,
    }


def test_an_address_means_the_copy_that_it_names(sandbox: Sandbox) -> None:
    """Production unless it says development; its members show to its own token only."""
    Raw(sandbox, DEVELOPMENT).enrol(studyId="2001")
    assert get(sandbox).json()["members"] == 0
    assert get(sandbox, "?copy=development").json()["members"] == 1
    shown_to = [
        get(sandbox, "/members?copy=development", token).status_code
        for token in (TOKEN, DEVELOPMENT)
    ]
    assert shown_to == [400, 200]
    assert get(sandbox, "?copy=other").status_code == 400
    accepted = get(sandbox, "/accepted?copy=development").json()
    assert [one["study_id"] for one in accepted] == ["2001"]


def test_members_are_shown_to_who_could_read_them(sandbox: Sandbox) -> None:
    """Without the account's credentials no member is shown."""
    made = Raw(sandbox).enrol()
    for token in ("", "wrong"):
        refused = get(sandbox, "/members", token)
        assert refused.status_code == 400
        assert PHONE not in refused.text
        assert "the partner's token" in refused.json()["error"]
    assert get(sandbox, "/members", TOKEN).json() == [made]
    address = f"{sandbox.control_url}partner/members"
    assert requests.get(address, auth=(USER, PASSWORD), timeout=TIMEOUT).json() == [made]


def test_what_was_accepted_and_asked(sandbox: Sandbox) -> None:
    """Ids, calls and faults, also where the answer was lost; no values, so for anyone here."""
    raw = Raw(sandbox)
    member_id = raw.enrol()["memberId"]
    sandbox.fault("partner-drop", times=1, action="arm")
    with pytest.raises(requests.ConnectionError):
        raw.ask("PUT", f"/{member_id}/arm", json={"arm": "OHT"})
    entry = {"at": "2026-11-22T12:30:00+00:00", "member": member_id, "study_id": "1001"}
    assert get(sandbox, "/accepted").json() == [
        {"number": 1, "call": "enrol", "fault": "", **entry},
        {"number": 2, "call": "arm", "fault": "partner-drop", **entry},
    ]
    assert get(sandbox, "/requests").json() == [
        {"number": 1, "action": "enrol", "status": 201, "fault": ""},
        {"number": 2, "action": "arm", "status": 0, "fault": "partner-drop"},
    ]
    for path in ("accepted", "requests"):
        requests.delete(f"{sandbox.control_url}partner/{path}", timeout=TIMEOUT)
        assert get(sandbox, f"/{path}").json() == []
    assert len(sandbox.partner.all()) == 1


def test_staff_edit_and_remove(sandbox: Sandbox) -> None:
    """Whatever they like, also what a client may not send; it is no accepted write."""
    raw = Raw(sandbox)
    member_id = raw.enrol()["memberId"]
    change = {"status": "paused", "language": "fr", "programWeek": 3, "childName": ""}
    assert control(sandbox, "members", {"member": member_id, "change": change}).status_code == 200
    found = raw.member(member_id)
    assert {name: found[name] for name in change} == {**change, "childName": None}
    assert len(sandbox.partner.accepted()) == 1
    assert control(sandbox, "remove", {"member": member_id}).json()["members"] == 0
    assert raw.error("GET", f"/{member_id}") == (404, "not_found", None)


def test_the_clock_lets_months_go_by() -> None:
    """What was due meanwhile is done: after five months nobody is active any more."""
    with serving(made_up_partner(lives=True)) as sandbox:
        several(sandbox.partner, 40)
        answer = control(sandbox, "clock", {"advance_seconds": 150 * DAY}).json()
        assert answer["now"] == "2027-04-21T12:30:00+00:00"
        assert set(answer["by_status"]) == {"completed", "opted_out"}
        assert answer["lives"] is True


@pytest.mark.parametrize(
    ("path", "body", "message"),
    [
        ("members", {"member": "AH-1", "change": {}}, "no such member"),
        ("members", {"change": {"language": "es"}}, "no such member"),
        ("members", {"member": "AH-100001", "change": {"shoes": "38"}}, "no field 'shoes'"),
        ("members", {"member": "AH-100001", "change": {"memberId": "x"}}, "no field 'memberId'"),
        ("members", {"member": "AH-100001", "change": {"arm": ["OHT"]}}, "must be a text"),
        ("members", {"member": "AH-100001", "change": "es"}, "change must be {}"),
        ("remove", {"member": "AH-1"}, "no such member"),
        ("plant", {"seed": 1}, "enrol more"),
        ("plant", {"seed": "x"}, "seed must be a whole number"),
        ("clock", {"advance_seconds": -1}, "only goes forward"),
        ("clock", {"seconds": 1}, "no key 'seconds'"),
    ],
)
def test_mistakes_are_explained(
    sandbox: Sandbox, path: str, body: dict[str, object], message: str
) -> None:
    """400, what is wrong, and a command that works; the member stays as it is."""
    made = Raw(sandbox).enrol()
    refused = control(sandbox, path, body)
    assert refused.status_code == 400
    assert message in refused.json()["error"]
    example = refused.json()["example"]
    assert f"/sandbox/partner/{path}" in example
    json.loads(example.partition("-d '")[2].rstrip("'"))
    assert Raw(sandbox).member(made["memberId"]) == made


def test_the_command_for_the_other_copy_works_as_it_is_told(sandbox: Sandbox) -> None:
    """Its address has a ? that a shell must not read, and its body moves that copy's clock."""
    refused = control(sandbox, "clock?copy=development", {"days": 60})
    words = shlex.split(refused.json()["example"])
    address, body = words[3], json.loads(words[-1])
    assert address.endswith("/sandbox/partner/clock?copy=development")
    before = get(sandbox, "?copy=development").json()["now"]
    moved = control(sandbox, "clock?copy=development", body)
    assert (moved.status_code, moved.json()["now"] > before) == (200, True), moved.text


def test_without_an_account_the_pages_say_so() -> None:
    """404 and a sentence."""
    with serving(None) as sandbox:
        assert get(sandbox).status_code == 404
        assert "serves no partner" in get(sandbox).json()["error"]


def test_the_index_lists_them(sandbox: Sandbox) -> None:
    """Every address with what it does, and a body for each that takes one."""
    index = requests.get(sandbox.control_url, timeout=TIMEOUT).json()
    for address in (
        "GET /sandbox/partner",
        "GET /sandbox/partner/accepted",
        "POST /sandbox/partner/members",
        "POST /sandbox/partner/plant",
        "POST /sandbox/partner/clock",
    ):
        assert index["addresses"][address]
    assert {"members", "remove", "plant", "clock"} <= set(index["bodies of POST"])


def test_credentials_go_into_the_env_file(sandbox: Sandbox, tmp_path: Path) -> None:
    """Three names beside REDCap's tokens."""
    write_env_file(tmp_path / ".env", sandbox.variables)
    lines = (tmp_path / ".env").read_text(encoding="utf-8").splitlines()
    assert f"AGILE_TOKEN={TOKEN}" in lines
    assert f"AGILE_DEV_TOKEN={DEVELOPMENT}" in lines
    assert f"AGILE_API_URL=http://127.0.0.1:{sandbox.port}" in lines


def test_a_folder_keeps_the_token(tmp_path: Path) -> None:
    """The same account each time, for its owner's eyes only; what is none is said."""
    first = kept_partner(tmp_path, lives=True, seed=7)
    path = tmp_path / "partner.json"
    assert path.stat().st_mode & 0o777 == 0o600
    assert kept_partner(tmp_path, lives=True, seed=7) == first
    assert (first.lives, first.seed) == (True, 7)
    assert [one.name for one in tmp_path.iterdir()] == ["partner.json"]
    alone = '{"token": "a", "development_token": 5}'
    for text in ("{}", "no", "[]", '{"token": ""}', '{"token": "a"}', alone):
        path.write_text(text, encoding="utf-8")
        with pytest.raises(StateUnusable, match=r"partner\.json: holds no account"):
            kept_partner(tmp_path)
    with pytest.raises(StateUnusable, match="cannot be used"):
        kept_partner(tmp_path / "missing")


def test_the_command_serves_a_partner_with_lives() -> None:
    """Its token is printed under the names that a .env has, and opens it; faults are on."""
    with started("--fault", "partner-503=100%,action=list") as process:
        text = shown(process)
        variables = dict(re.findall(r"(?m)^(AGILE_\w+)=(\S+)$", text))
        assert set(variables) == {"AGILE_TOKEN", "AGILE_DEV_TOKEN", "AGILE_API_URL"}
        assert "Fault on: partner-503, 100% of calls (list)" in text
        url = variables["AGILE_API_URL"]
        assert f"{url}/sandbox/partner" in text
        headers = {"Authorization": f"Bearer {variables['AGILE_TOKEN']}"}
        listed = requests.get(f"{url}/v1/members", headers=headers, timeout=TIMEOUT)
        assert listed.status_code == 503
        made = requests.post(f"{url}/v1/members", headers=headers, json=ALICE, timeout=TIMEOUT)
        assert made.status_code == 201
        assert requests.get(f"{url}/sandbox/partner", timeout=TIMEOUT).json()["lives"] is True


def test_the_command_keeps_the_token_with_the_data(tmp_path: Path) -> None:
    """The same after a restart, so that a .env stays right; the members are there."""
    seen = set()
    for number in range(2):
        with started("--data", str(tmp_path)) as process:
            variables = dict(re.findall(r"(?m)^(AGILE_\w+)=(\S+)$", shown(process)))
            seen.add(variables["AGILE_TOKEN"])
            url = f"{variables['AGILE_API_URL']}/v1/members"
            headers = {"Authorization": f"Bearer {variables['AGILE_TOKEN']}"}
            assert requests.get(url, headers=headers, timeout=TIMEOUT).json()["total"] == number
            made = requests.post(url, headers=headers, json=ALICE, timeout=TIMEOUT)
            assert made.status_code == 201
    assert len(seen) == 1


def test_the_commands_help_names_every_fault() -> None:
    """And what there is for the partner's members."""
    text = sandbox_command.help or ""
    for name in PARTNER_FAULTS:
        assert re.search(rf"\b{name}\b(?!-)", text), name
    assert "/sandbox/partner/clock" in text


def test_looking_many_members_up_takes_no_time(sandbox: Sandbox) -> None:
    """850 look-ups by study id among 850 members, in well under a second of the partner's own."""
    members = sandbox.partner
    several(members, 850)
    begun = time.perf_counter()
    found = [members.all(str(1001 + number)) for number in range(850)]
    took = time.perf_counter() - begun
    assert all(len(one) == 1 for one in found)
    assert took < 1.0
