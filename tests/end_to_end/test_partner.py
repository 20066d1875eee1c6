"""Enrolment with the texting partner, from REDCap and back, against look-alikes of both."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from partnering import SYNC, TOKEN, Partnering, partnering
from study_home import DEV

from redcap_jobs.errors import ExitCode


@pytest.fixture
def study(tmp_path: Path) -> Iterator[Partnering]:
    with partnering(tmp_path) as made:
        yield made


def test_whoever_is_eligible_is_enrolled_once_and_the_second_run_does_nothing(
    study: Partnering,
) -> None:
    """The first run enrols and assigns arms; the second makes no partner write and no import."""
    first = study.run()
    assert first.state in ("done", "partial"), first
    assert study.writes["enrol"] == study.writes["arm"] > 20
    assert study.doubles == []
    written, imports = study.writes.copy(), study.imports()
    second = study.run()
    assert second.state == first.state, second
    assert study.writes == written
    assert study.imports() == imports


def test_the_member_id_stands_in_redcap(study: Partnering) -> None:
    """Each member's id is written to its own record."""
    study.run()
    for member in study.sandbox.partner.all():
        assert study.baseline(member["studyId"])["ag_member_id"] == member["memberId"]


def test_a_changed_phone_makes_just_one_update(study: Partnering) -> None:
    """One cell changed in REDCap is one PUT to the partner, nothing else."""
    study.run()
    study.run()
    member = study.sandbox.partner.all()[0]
    study.sandbox.partner.forget_accepted()
    study.clock.pass_by(timedelta(minutes=15))
    study.edit(member["studyId"], part_mobile_number="(415) 555-0177")
    study.run()
    assert dict(study.writes) == {"update": 1}
    assert study.sandbox.partner.found(member["memberId"])["mobilePhone"] == "+14155550177"
    study.run()
    assert dict(study.writes) == {"update": 1}


def test_who_goes_off_study_is_withdrawn(study: Partnering) -> None:
    """A ticked off_study withdraws the member, once."""
    study.run()
    member = study.sandbox.partner.all()[0]
    study.sandbox.partner.forget_accepted()
    study.edit(member["studyId"], off_study="1", off_study_date="2026-11-20")
    study.run()
    study.run()
    assert dict(study.writes) == {"withdraw": 1}
    assert study.sandbox.partner.found(member["memberId"])["status"] == "withdrawn"


def test_an_arm_switch_is_told_and_not_pushed(study: Partnering) -> None:
    """An arm that changes after it was assigned stays at the partner until a person confirms."""
    study.run()
    member = study.sandbox.partner.all()[0]
    study.sandbox.partner.forget_accepted()
    record = member["studyId"]
    study.switch_arm(record)
    told = study.run()
    assert told.exit_code == ExitCode.PARTLY_FAILED
    assert any("arm" in problem and record in problem for problem in told.problems)
    assert study.writes["arm"] == 0


def test_a_contradictory_arm_is_told_and_nothing_is_sent(study: Partnering) -> None:
    """Rows in another arm than the randomisation says: told, and nothing goes to the partner."""
    study.run()
    member = study.sandbox.partner.all()[0]
    study.sandbox.partner.forget_accepted()
    record, other = member["studyId"], "2" if member["arm"] == "OHT" else "1"
    study.edit(record, rand_group=other, part_first_name="Wren")
    told = study.run()
    assert any(record in problem and "arm" in problem for problem in told.problems), told
    assert not study.writes


def test_a_development_run_without_an_address_reaches_nobody(study: Partnering) -> None:
    """Without [partner.development] a development run enrols nobody anywhere."""
    text = study.home.study.read_text(encoding="utf-8")
    start = text.index("[partner.development]")
    study.home.study.write_text(
        text[:start] + text[text.index("[partner.write]") :], encoding="utf-8"
    )
    study.run(token=DEV)
    assert study.sandbox.partner.all() == []
    assert study.sandbox.partner_requests == []


def test_a_development_run_enrols_at_the_development_address_only(study: Partnering) -> None:
    """Both copies have members of their own; production's are not touched by a development run."""
    study.run(token=DEV)
    assert study.sandbox.partner.all() == []
    assert len(study.sandbox.partner_development.all()) > 20
    study.run()
    seen = {each["studyId"] for each in study.sandbox.partner.all()}
    assert seen == {each["studyId"] for each in study.sandbox.partner_development.all()}


def test_a_development_run_with_productions_credentials_is_refused(study: Partnering) -> None:
    """Two names with one value, at one host: a mistake in .env must not enrol made-up people."""
    study.home.write(**{**study.sandbox.variables, "AGILE_DEV_TOKEN": TOKEN})
    refused = study.run(token=DEV)
    assert refused.exit_code == ExitCode.REFUSED
    assert study.sandbox.partner_requests == []
    assert "AGILE_DEV_TOKEN holds the same" in refused.message, refused


def test_the_partners_word_comes_back(study: Partnering) -> None:
    """sync-agile writes status and dates where they changed; the next run writes nothing."""
    study.run()
    member = study.sandbox.partner.all()[0]
    study.sandbox.partner.set(
        study.sandbox.partner.found(member["memberId"]), {"status": "opted_out"}
    )
    first = study.run(SYNC)
    assert first.state in ("done", "partial"), first
    row = study.baseline(member["studyId"])
    assert (row["ag_status"], row["ag_opted_out"]) == ("4", "1")
    assert row["ag_opted_out_on"] == "2026-11-24"
    imports = study.imports()
    study.run(SYNC)
    assert study.imports() == imports
