"""The partner's members of a kept sandbox: left and found again, with what is still to happen."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest
import requests
from member_calls import ALICE, DAY, DEVELOPMENT, NOW, TOKEN, WEEK
from sandbox_projects import TIMEOUT
from test_sandbox_command import shown, started

from redcap_jobs.errors import StateUnusable
from redcap_jobs.sandbox.partner_account import PartnerAccount
from redcap_jobs.sandbox.partner_lives import PROGRAM, fate_of
from redcap_jobs.sandbox.partner_members import Members
from redcap_jobs.sandbox.partner_members_kept import FILE, MembersFile

ACCOUNT = PartnerAccount(TOKEN, development_token=DEVELOPMENT)
LIVING = PartnerAccount(TOKEN, lives=True, seed=5)


def opened(folder: Path, account: PartnerAccount = ACCOUNT) -> Members:
    """Find the members of a folder as a sandbox does that is started again."""
    return Members(account, lambda: NOW, MembersFile(folder).production)


def test_members_are_found_as_they_were_left(tmp_path: Path) -> None:
    """Fields, ids, the clock; what was removed stays away, and no id is given out twice."""
    before = opened(tmp_path)
    first, second, third = (before.enrol({**ALICE, "studyId": one})["memberId"] for one in "123")
    before.advance(3600)
    before.update(first, {"firstName": "Robin"})
    before.assign(second, {"arm": "OHT"})
    before.remove(third)
    after = opened(tmp_path)
    assert after.all() == before.all()
    assert after.now() == before.now() == NOW + timedelta(hours=1)
    assert after.enrol({**ALICE, "studyId": "4"})["memberId"] > third
    assert len(opened(tmp_path).all()) == 3


def test_each_copy_keeps_its_own(tmp_path: Path) -> None:
    """Development's members do not come back as production's."""
    file = MembersFile(tmp_path)
    Members(ACCOUNT, lambda: NOW, file.development).enrol(ALICE)
    again = MembersFile(tmp_path)
    assert again.production.members == {}
    assert [one["studyId"] for one in again.development.members.values()] == ["1001"]


def test_a_line_that_was_never_finished_is_dropped(tmp_path: Path) -> None:
    """A process that died while it wrote had not answered yet."""
    opened(tmp_path).enrol(ALICE)
    path = tmp_path / FILE
    path.write_text(path.read_text(encoding="utf-8") + '{"copy": "produ', encoding="utf-8")
    members = opened(tmp_path)
    assert len(members.all()) == 1
    members.enrol({**ALICE, "studyId": "2"})
    assert len(opened(tmp_path).all()) == 2


def test_the_file_is_its_owners_alone_and_stays_small(tmp_path: Path) -> None:
    """Names and phones are in it; changes of long ago are not."""
    members = opened(tmp_path)
    member_id = members.enrol(ALICE)["memberId"]
    for number in range(50):
        members.update(member_id, {"firstName": f"Robin{number}"})
    path = tmp_path / FILE
    opened(tmp_path)
    text = path.read_text(encoding="utf-8")
    assert path.stat().st_mode & 0o777 == 0o600
    assert "Robin49" in text
    assert "Robin48" not in text


@pytest.mark.parametrize(
    "text", ["no\n", '{"copy": "other"}\n', "[]\n", '{"copy": "production", "id": "1"}\n']
)
def test_another_file_is_told(tmp_path: Path, text: str) -> None:
    """What it is not, and what to do; it is left as it is."""
    path = tmp_path / FILE
    path.write_text(text, encoding="utf-8")
    with pytest.raises(StateUnusable, match="holds no members of a partner; remove it"):
        MembersFile(tmp_path)
    assert path.read_text(encoding="utf-8") == text


def lived(tmp_path: Path, stops: tuple[float, ...]) -> dict[str, object]:
    """Let a member live for 40 weeks, in a sandbox that is started again after each stop."""
    tmp_path.mkdir()
    members = opened(tmp_path, LIVING)
    member_id = members.enrol(ALICE)["memberId"]
    members.assign(member_id, {"arm": "OHT"})
    gone = 0.0
    for stop in (*stops, 40 * WEEK):
        members.advance(stop - gone)
        gone = stop
        members.all()
        members = opened(tmp_path, LIVING)
    return {name: value for name, value in members.all()[0].items() if name != "updatedAt"}


def test_a_life_goes_on_after_a_restart(tmp_path: Path) -> None:
    """Members begin, count weeks, end and are edited when they would have without one."""
    whole = lived(tmp_path / "whole", ())
    stops = (DAY / 2, 3 * DAY, 2 * WEEK, 9 * WEEK + 5, 30 * WEEK)
    assert lived(tmp_path / "often", stops) == whole
    assert whole["status"] in ("completed", "opted_out")
    assert whole["activatedAt"] is not None


def test_what_was_due_while_nothing_ran_is_made_up_for(tmp_path: Path) -> None:
    """An edit of staff, a beginning and an end that fell into a stop happen at their own time."""
    members = opened(tmp_path, LIVING)
    member_id = members.enrol(ALICE)["memberId"]
    members.assign(member_id, {"arm": "OHT"})
    file = MembersFile(tmp_path)
    later = Members(LIVING, lambda: NOW + timedelta(days=200), file.production)
    (member,) = later.all()
    fate = fate_of(member_id, LIVING.seed)
    ends = fate.opts_out if fate.opts_out is not None else PROGRAM
    stamp = member["optedOutAt"] if fate.opts_out is not None else member["completedAt"]
    assert member["activatedAt"] == "2026-11-23T12:30:00Z"
    assert stamp == (NOW + timedelta(days=1) + ends).strftime("%Y-%m-%dT%H:%M:%SZ")


def test_a_killed_sandbox_has_what_it_answered(tmp_path: Path) -> None:
    """kill -9 right after the answer: the enrolment is there after the next start."""
    answers = []
    for _ in range(2):
        with started(
            "--data", str(tmp_path / "data"), "--write-env", str(tmp_path / ".env")
        ) as one:
            shown(one)
            text = (tmp_path / ".env").read_text(encoding="utf-8")
            named = dict(line.split("=", 1) for line in text.splitlines() if "=" in line)
            url = f"{named['AGILE_API_URL']}/v1/members"
            headers = {"Authorization": f"Bearer {named['AGILE_TOKEN']}"}
            listed = requests.get(url, headers=headers, timeout=TIMEOUT).json()
            answers.append([each["studyId"] for each in listed["members"]])
            requests.post(url, headers=headers, json=ALICE, timeout=TIMEOUT).raise_for_status()
            one.kill()
    assert answers == [[], ["1001"]]
