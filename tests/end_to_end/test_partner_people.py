"""What somebody reads and says at 8:40: who waits for what, an enrolment settled, a record in two arms."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from partnering import SYNC, Partnering, partnering
from study_home import DEV, Done

from redcap_jobs.errors import ExitCode
from redcap_jobs.sandbox.ismile import PRODUCTION_PID


@pytest.fixture
def study(tmp_path: Path) -> Iterator[Partnering]:
    with partnering(tmp_path, participants=30) as made:
        yield made


def partner(study: Partnering, *words: str) -> Done:
    """Type ``redcap-jobs partner``."""
    command, *rest = words or ("overview",)
    return study.home.call(
        "partner", command, study.home.study, *rest, "--env-file", study.home.env_file
    )


def lost(study: Partnering) -> str:
    """Enrol with one answer lost; give the record nobody knows about."""
    study.sandbox.fault("partner-drop", times=1, action="enrol")
    told = study.run()
    (record,) = [
        each.split(":")[0].removeprefix("record ")
        for each in told.problems
        if "nobody knows whether the enrolment took effect" in each
    ]
    return record


def test_what_the_last_runs_told_waits_for_somebody(study: Partnering) -> None:
    """Differences at the partner, a switched arm, an enrolment nobody knows about; whose project."""
    record = lost(study)
    first, second, *_ = (one for one in study.sandbox.partner.all() if one["studyId"] != record)
    study.sandbox.partner.set(
        study.sandbox.partner.found(first["memberId"]),
        {"language": "en" if first["language"] == "es" else "es"},
    )
    study.clock.pass_by(timedelta(minutes=1))
    study.switch_arm(second["studyId"])
    study.run()
    study.run(SYNC)
    read = partner(study)
    assert read.code == 0, read
    assert "Nothing waits" not in read.out
    assert f"│ {first['studyId']}   │ language: differs at the partner" in read.out
    assert (
        f"│ {second['studyId']}   │ arm: the arm in REDCap changed after it was assigned"
        in read.out
    )
    command = (
        f"partner settle {study.home.study} --env-file {study.home.env_file} RECORD --member ID"
    )
    assert command in read.out
    assert "production project 3041" in read.out


def test_settling_asks_the_partner_whose_member_it_is(study: Partnering) -> None:
    """An id that is none, or somebody else's, settles nothing; the right one does."""
    record = lost(study)
    members = {each["studyId"]: each["memberId"] for each in study.sandbox.partner.all()}
    other = next(member for one, member in members.items() if one != record)
    stranger = study.sandbox.partner.add({"studyId": "elsewhere"})["memberId"]
    for wrong, said in (
        ("AH-999999", "has no such member"),
        (stranger, "another study id"),
        (other, "another study id"),
    ):
        refused = partner(study, "settle", record, "--member", wrong)
        assert (refused.code, said in refused.err) == (ExitCode.USAGE, True), refused
    settled = partner(study, "settle", record, "--member", members[record])
    assert settled.code == 0, settled
    assert "of production project 3041" in settled.out
    study.run()
    assert study.baseline(record)["ag_member_id"] == members[record]


def test_a_command_told_of_development_acts_on_development(study: Partnering) -> None:
    """Typed as it was told, it settles the copy's enrolment, whose record production has, too."""
    study.sandbox.fault("partner-drop", times=1, action="enrol")
    told = study.run(token=DEV)
    (problem,) = [each for each in told.problems if "settle it" in each]
    record = problem.split(":")[0].removeprefix("record ")
    command = problem.partition("redcap-jobs ")[2].replace("--member ID, or ", "")
    settled = study.home.call(*shlex.split(command))
    assert settled.code == 0, settled
    assert f"record {record} of development project" in settled.out


def test_an_arm_is_confirmed_with_a_reason(study: Partnering) -> None:
    """A blank one is none: somebody will want to know why a treatment was changed."""
    study.run()
    record = study.sandbox.partner.all()[0]["studyId"]
    words = ("confirm-arm", record, "--arm", "CWT", "--reason")
    refused = partner(study, *words, " ")
    assert (refused.code, "--reason is blank" in refused.err) == (ExitCode.USAGE, True), refused
    assert partner(study, *words, "entered wrongly").code == 0


def test_what_the_partners_staff_changed_is_sent_again_on_a_persons_word(
    study: Partnering,
) -> None:
    """Told with the command; typed as told it leads to one update, and then nothing differs."""
    study.run()
    study.run(SYNC)
    member = study.sandbox.partner.all()[0]
    found = study.sandbox.partner.found(member["memberId"])
    study.sandbox.partner.set(found, {"mobilePhone": "+14155550177"})
    (problem,) = [one for one in study.run(SYNC).problems if "tell-again" in one]
    writes = study.writes
    study.clock.pass_by(timedelta(minutes=15))
    study.run()
    assert study.writes == writes
    words = shlex.split(problem.partition("redcap-jobs ")[2].replace("...", "asked"))
    said = study.home.call(*words)
    assert said.code == 0, said
    assert f"to be told again: {member['studyId']}" in partner(study).out
    for _ in range(2):
        study.clock.pass_by(timedelta(minutes=15))
        study.run()
    assert study.writes["update"] == writes["update"] + 1
    assert study.sandbox.partner.found(member["memberId"])["mobilePhone"] == member["mobilePhone"]
    assert [one for one in study.run(SYNC).problems if member["studyId"] in one] == []
    assert "to be told again" not in partner(study).out


def test_nobody_who_is_no_member_is_told_again(study: Partnering) -> None:
    """Nothing was told before; a blank reason is none."""
    refused = partner(study, "tell-again", "1001", "--reason", "asked")
    assert (refused.code, "is no member" in refused.err) == (ExitCode.USAGE, True), refused
    study.run()
    record = study.sandbox.partner.all()[0]["studyId"]
    blank = partner(study, "tell-again", record, "--reason", " ")
    assert (blank.code, "--reason is blank" in blank.err) == (ExitCode.USAGE, True), blank


def test_settling_needs_the_partners_answer(study: Partnering) -> None:
    """Where it cannot be asked nothing is settled."""
    record = lost(study)
    study.sandbox.fault("partner-503", rate=1.0, action="fetch")
    refused = partner(study, "settle", record, "--member", "AH-100001")
    assert refused.code == ExitCode.PARTLY_FAILED, refused
    study.sandbox.no_faults()
    assert record in partner(study).out


def test_a_record_in_two_arms_is_a_record_still(study: Partnering) -> None:
    """Nobody is told that a member's record is gone, or to have its texts stopped."""
    study.run()
    member = study.sandbox.partner.all()[0]
    record, other = member["studyId"], "2" if member["arm"] == "OHT" else "1"
    study.edit(record, rand_group=other)
    compared = study.run(SYNC)
    told = [each for each in compared.problems if record in each or member["memberId"] in each]
    assert told, compared
    assert [each for each in told if "no record any more" in each or "stop its texts" in each] == []


def test_a_member_that_stands_under_another_id_here_is_named(study: Partnering) -> None:
    """The study holds an id that the partner does not know, and the partner one of its own."""
    study.run()
    member = study.sandbox.partner.all()[0]
    partner_side = study.sandbox.partner
    partner_side.remove(member["memberId"])
    known = ("firstName", "lastName", "mobilePhone", "language", "studyId", "arm")
    new = partner_side.add({name: member[name] for name in known})["memberId"]
    compared = study.run(SYNC)
    told = [each for each in compared.problems if new in each]
    assert len(told) == 1, compared
    assert f"counts as member {member['memberId']} here, and is member {new}" in told[0]


@pytest.mark.parametrize("event", ["baseline_arm_1", "baseline_arm_2"])
def test_who_left_is_withdrawn_though_the_arms_contradict(study: Partnering, event: str) -> None:
    """Once, from whichever arm it is read; the contradiction is told, and REDCap is not written."""
    study.run()
    member = next(one for one in study.sandbox.partner.all() if one["arm"] == "OHT")
    study.sandbox.partner.forget_accepted()
    record = member["studyId"]
    study.edit(record, rand_group="2")
    store = study.sandbox.project(PRODUCTION_PID).store
    key = next(key for key in store.current.records[record].rows if key.event == "baseline_arm_1")
    with store.writing(study.clock.server_time()) as draft:
        row = draft.row(record, key._replace(event=event))
        row.update({"off_study": "1", "off_study_date": "2026-11-20"})
    imports = study.imports()
    told = study.run()
    assert dict(study.writes) == {"withdraw": 1}
    assert study.sandbox.partner.found(member["memberId"])["status"] == "withdrawn"
    assert any(each.startswith(f"record {record}: arm: ") for each in told.problems), told
    again = study.run(options={"full": True})
    assert dict(study.writes) == {"withdraw": 1}
    assert any(each.startswith(f"record {record}: arm: ") for each in again.problems), again
    assert study.imports() == imports
    compared = study.run(SYNC)
    assert any(each.startswith(f"record {record}: arm: ") for each in compared.problems), compared
    assert study.baseline(record).get("ag_status", "") == ""
