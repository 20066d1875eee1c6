"""What took effect though nobody heard of it, and what stands there already: nothing is pushed over it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from partnering import Partnering, partnering

from redcap_jobs.errors import ExitCode
from redcap_jobs.notify.outcome import RunOutcome

QUARTER = timedelta(minutes=15)


@pytest.fixture
def study(tmp_path: Path) -> Iterator[Partnering]:
    with partnering(tmp_path, participants=25) as made:
        yield made


def new_member(study: Partnering) -> tuple[str, dict[str, Any]]:
    """Enrol everybody; return one record and its member."""
    study.run()
    member = study.sandbox.partner.all()[0]
    return str(member["studyId"]), member


def other(arm: object) -> str:
    return "CWT" if arm == "OHT" else "OHT"


def arm_there(study: Partnering, record: str) -> object:
    (member,) = study.sandbox.partner.all(record)
    return member["arm"]


def told(outcome: RunOutcome, record: str, about: str) -> list[str]:
    return [each for each in outcome.problems if each.startswith(f"record {record}: {about}")]


def later(study: Partnering) -> RunOutcome:
    study.clock.pass_by(QUARTER)
    return study.run()


def candidate(study: Partnering) -> tuple[str, str]:
    """Return a record that is to be enrolled and its arm, and begin with nobody enrolled."""
    record, member = new_member(study)
    arm = str(member["arm"])
    for each in study.sandbox.partner.all():
        study.sandbox.partner.remove(each["memberId"])
    study.home.folder.joinpath("state.db").unlink()
    for name in ("state.db-wal", "state.db-shm"):
        study.home.folder.joinpath(name).unlink(missing_ok=True)
    study.new_state()
    for one in study.sandbox.project(3041).store.current.records:
        if study.baseline(one).get("ag_member_id"):
            study.edit(one, ag_member_id="")
    study.sandbox.partner.forget_accepted()
    return record, arm


def confirm(study: Partnering, record: str, arm: str) -> None:
    said = study.home.call("partner", "confirm-arm", study.home.study, record, "--arm", arm,
                           "--reason", "entry corrected", "--env-file", study.home.env_file)  # fmt: skip
    assert said.code == ExitCode.DONE, said


def test_an_arm_that_stands_there_is_never_pushed_over(study: Partnering) -> None:
    """Whoever is taken over in another arm stays in it, run after run, until a person confirms."""
    record, arm = candidate(study)
    there = study.sandbox.partner.add({"studyId": record, "arm": other(arm)})
    for _ in range(3):
        outcome = later(study)
        assert arm_there(study, record) == other(arm)
        assert told(outcome, record, "arm")
    confirm(study, record, arm)
    later(study)
    assert study.sandbox.partner.found(there["memberId"])["arm"] == arm
    assert not told(later(study), record, "arm")


def test_an_arm_that_may_have_taken_effect_is_no_first_arm(study: Partnering) -> None:
    """The answer to the first arm is lost, then REDCap says another: that is a switch."""
    record, arm = candidate(study)
    study.sandbox.fault("partner-drop", action="arm", rate=1.0)
    study.run()
    study.sandbox.partner.forget_accepted()
    study.sandbox.api.faults.clear()
    study.clock.pass_by(QUARTER)
    for each in study.sandbox.partner.all():
        if each["arm"]:
            record, arm = each["studyId"], each["arm"]
    study.switch_arm(record)
    for _ in range(3):
        outcome = later(study)
        assert arm_there(study, record) == arm
    assert told(outcome, record, "arm")


def test_an_arm_whose_answer_was_lost_is_found(study: Partnering) -> None:
    """Where it stands there already nothing is assigned a second time."""
    candidate(study)
    study.sandbox.fault("partner-drop", action="arm", times=1)
    study.run()
    for _ in range(3):
        later(study)
    assigned = [each.member for each in study.sandbox.partner.accepted() if each.call == "arm"]
    assert len(assigned) == len(set(assigned)) == len(study.sandbox.partner.all())


def test_a_confirmed_switch_that_is_lost_and_taken_back_is_told(study: Partnering) -> None:
    """The partner may have the new arm: REDCap's old one is not taken for confirmed there."""
    record, member = new_member(study)
    old, new = str(member["arm"]), other(member["arm"])
    study.switch_arm(record)
    confirm(study, record, new)
    study.sandbox.fault("partner-drop", action="arm", times=1)
    later(study)
    assert arm_there(study, record) == new
    study.edit(record, ag_error="")
    study.switch_arm(record)
    later(study)
    assert told(later(study), record, "arm")
    confirm(study, record, old)
    later(study)
    assert arm_there(study, record) == old


def test_a_change_that_is_lost_and_taken_back_is_sent(study: Partnering) -> None:
    """Else the partner would go on texting a phone that REDCap has no more."""
    record, member = new_member(study)
    phone, before = member["mobilePhone"], study.baseline(record)["part_mobile_number"]
    study.edit(record, part_mobile_number="(415) 555-0177")
    study.sandbox.fault("partner-drop", action="update", times=1)
    later(study)
    assert study.sandbox.partner.found(member["memberId"])["mobilePhone"] == "+14155550177"
    study.edit(record, part_mobile_number=before)
    for _ in range(3):
        later(study)
    assert study.sandbox.partner.found(member["memberId"])["mobilePhone"] == phone


def test_a_refusal_is_tried_again_once_a_day(study: Partnering) -> None:
    """The partner may have mended its side; in between nothing is asked, and it stays told."""
    record, member = new_member(study)
    study.sandbox.partner.remove(member["memberId"])
    study.edit(record, part_mobile_number="(415) 555-0177")
    assert later(study).exit_code == ExitCode.PARTLY_FAILED
    study.sandbox.forget_requests()
    assert told(later(study), record, "update")
    assert study.sandbox.partner_requests == []
    study.clock.pass_by(timedelta(days=1))
    study.run()
    assert [each.action for each in study.sandbox.partner_requests] == ["update"]


def test_another_member_id_in_redcap_is_told(study: Partnering) -> None:
    """Somebody typed over the key of the exchange: it is told, and the member that was enrolled kept."""
    record, member = new_member(study)
    study.edit(record, ag_member_id="AH-999999", part_mobile_number="(415) 555-0177")
    assert told(later(study), record, "member")
    assert told(later(study), record, "member")
    assert study.sandbox.partner.found(member["memberId"])["mobilePhone"] == "+14155550177"
    study.edit(record, ag_member_id=str(member["memberId"]))
    assert not told(later(study), record, "member")


def test_a_person_who_names_a_member_of_another_arm_pushes_nothing(study: Partnering) -> None:
    """``partner settle --member`` says who it is, not which arm is right."""
    candidate(study)
    study.sandbox.fault("partner-drop", rate=1.0)
    study.run()
    study.sandbox.api.faults.clear()
    record = str(study.sandbox.partner.all()[0]["studyId"])
    (member,) = study.sandbox.partner.all(record)
    wrong = other({"1": "OHT", "2": "CWT"}[study.baseline(record)["rand_group"]])
    there = study.sandbox.partner.found(member["memberId"])
    study.sandbox.partner.set(there, {"arm": wrong})
    said = study.home.call("partner", "settle", study.home.study, record, "--member",
                           member["memberId"], "--env-file", study.home.env_file)  # fmt: skip
    assert said.code == ExitCode.DONE, said
    for _ in range(2):
        assert told(later(study), record, "arm")
        assert arm_there(study, record) == wrong
