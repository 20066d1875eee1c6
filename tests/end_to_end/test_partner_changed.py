"""A study that changes its partner in mid-study: everybody anew, nobody with both unawares."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from partnering import SYNC, Partnering, partnering

from redcap_jobs.errors import ExitCode


@pytest.fixture
def study(tmp_path: Path) -> Iterator[Partnering]:
    """A study whose members are all with one partner, and synchronised."""
    with partnering(tmp_path, participants=30) as made:
        made.run()
        made.run(SYNC)
        yield made


def change_partner(study: Partnering) -> dict[str, str]:
    """Name another partner at the same address, who knows nobody yet; give the former's ids."""
    before = {one["studyId"]: one["memberId"] for one in study.sandbox.partner.all()}
    for member in before.values():
        study.sandbox.partner.remove(member)
    study.home.edit_study('adapter = "agile"', 'adapter = "agile"\nname = "agile-2"')
    study.clock.pass_by(timedelta(minutes=1))
    return before


def test_nobody_is_enrolled_with_a_second_partner_unasked(study: Partnering) -> None:
    """Both would text them: the run says how many, and how to go on."""
    before, writes = change_partner(study), study.writes
    refused = study.run()
    assert refused.exit_code == ExitCode.REFUSED
    assert f"{len(before)} participants are members with agile and nobody is with agile-2" in (
        refused.message
    )
    assert "--allow partner=agile-2" in refused.message
    assert study.writes == writes


def test_a_word_for_another_name_allows_nothing(study: Partnering) -> None:
    """Mistyped, it is no leave."""
    change_partner(study)
    refused = study.run(allow={"partner": "agile-3"})
    assert refused.exit_code == ExitCode.REFUSED


def test_everybody_is_enrolled_anew_once_it_is_allowed(study: Partnering) -> None:
    """With the arm, and REDCap gets the new ids; from then on it is as before."""
    before = change_partner(study)
    made = study.run(allow={"partner": "agile-2"})
    assert made.counts["actions enrolled"] == len(before), made
    after = {one["studyId"]: one["memberId"] for one in study.sandbox.partner.all()}
    assert set(after) == set(before)
    assert not set(after.values()) & set(before.values())
    assert {record: study.baseline(record)["ag_member_id"] for record in after} == after
    writes, imports = study.writes, study.imports()
    study.clock.pass_by(timedelta(minutes=15))
    again = study.run()
    assert (study.writes, study.imports()) == (writes, imports), again
    assert study.run(SYNC).exit_code in (ExitCode.DONE, ExitCode.PARTLY_FAILED)
    record = next(iter(after))
    study.clock.pass_by(timedelta(minutes=15))
    study.edit(record, part_mobile_number="4155550188")
    study.run()
    assert study.writes["update"] == writes["update"] + 1


def test_who_opted_out_with_the_former_is_not_enrolled_with_the_next(study: Partnering) -> None:
    """Their word stands in REDCap, whoever was told it."""
    member = study.sandbox.partner.all()[0]
    found = study.sandbox.partner.found(member["memberId"])
    study.sandbox.partner.set(found, {"status": "opted_out"})
    study.run(SYNC)
    change_partner(study)
    study.run(allow={"partner": "agile-2"})
    assert member["studyId"] not in {one["studyId"] for one in study.sandbox.partner.all()}


def test_back_to_the_former_name_nothing_is_lost(study: Partnering) -> None:
    """The name was changed by mistake, nothing was allowed: the members are members still."""
    study.home.edit_study('adapter = "agile"', 'adapter = "agile"\nname = "agile-2"')
    study.run()
    study.home.edit_study('\nname = "agile-2"', "")
    writes = study.writes
    study.run()
    assert study.writes == writes
