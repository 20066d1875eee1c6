"""The partner's promises as wholes: counted requests, bad records, lost answers, a person's word."""

from __future__ import annotations

import os
import sys
from collections import Counter
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from partnering import SYNC, Partnering, partnering

from redcap_jobs.errors import ExitCode

LONG = bool(os.environ.get("REDCAP_JOBS_LONG_TESTS"))
ALL = 850 if LONG else 85
"""ISMILE has 850 participants; so many are read in every run of this file."""


@pytest.fixture
def study(tmp_path: Path) -> Iterator[Partnering]:
    with partnering(tmp_path) as made:
        yield made


def enrolled(study: Partnering) -> list[str]:
    """Give the records that are with the partner, newest first."""
    return [each["studyId"] for each in study.sandbox.partner.all()]


def test_what_it_costs(tmp_path: Path) -> None:
    """Each eligible one is enrolled and assigned once; then nothing is written until something changes.

    Requests are counted at the other sides: a second run asks the partner nothing at all, a changed
    phone is one PUT, the comparison one request for each 200 members.
    """
    with partnering(tmp_path, participants=ALL) as study:
        study.run()
        members = len(enrolled(study))
        assert members > ALL / 2
        assert study.writes == Counter(enrol=members, arm=members)
        first = len(study.sandbox.partner_requests)
        lists = -(-members // 200) or 1
        assert first <= 2 * members + lists + 1
        imports = study.imports()
        study.sandbox.forget_requests()

        study.clock.pass_by(timedelta(minutes=15))
        study.run()
        assert study.sandbox.partner_requests == []
        assert study.imports() == 0
        whole = Counter(entry.call for entry in study.sandbox.requests)

        study.sandbox.forget_requests()
        study.clock.pass_by(timedelta(minutes=15))
        study.edit(enrolled(study)[0], part_mobile_number="(415) 555-0177")
        study.run()
        assert [(one.action, one.status) for one in study.sandbox.partner_requests] == [
            ("update", 200)
        ]
        assert study.imports() == 0

        study.sandbox.forget_requests()
        study.run(SYNC)
        assert len(study.sandbox.partner_requests) == lists
        sys.stdout.write(f"{members} members; first run {first} requests to the partner, {imports} "
                         f"imports; second {dict(whole)}\n")  # fmt: skip


BAD = {
    "part_mobile_number": ("", "12", "(555) 555-0100", "123456789012345"),
    "part_language": ("", "3", "9"),
    "part_first_name": ("",),
    "child_name": ("",),
    "child_gender": ("7",),
    "child_dob": ("10.5.2022", "soon"),
    "rand_group": ("7", "2"),
    "consent___1": ("",),
}
"""Field of the baseline → values that cannot go to the partner: fifteen in all."""


def test_fifteen_bad_records_stop_nobody_else(tmp_path: Path) -> None:
    """Each is explained, the run ends partly failed, and everybody else is with the partner."""
    count, eligible = (1038, 850) if LONG else (60, 41)
    with partnering(tmp_path, participants=count) as study:
        study.run()
        good = enrolled(study)
        assert len(good) == eligible
    folder = tmp_path / "again"
    folder.mkdir()
    with partnering(folder, participants=count) as study:
        spoilt = iter([record for record in good if study.baseline(record)["rand_group"] == "1"])
        bad: dict[str, str] = {}
        for name, values in BAD.items():
            for value in values:
                record = next(spoilt)
                bad[record] = name
                study.edit(record, **{name: value})
        assert len(bad) == 15
        told = study.run()
        assert told.exit_code == ExitCode.PARTLY_FAILED
        assert set(enrolled(study)) == set(good) - set(bad)
        assert len(enrolled(study)) == eligible - 15
        run = study.decisions()
        unexplained = [
            (record, bad[record])
            for record in bad
            if not run.get(record, "") and not any(f"record {record}:" in p for p in told.problems)
        ]
        assert unexplained == []
        sys.stdout.write(
            f"{len(enrolled(study))} of {len(good)} are with the partner, 15 explained\n"
        )


def test_an_answer_that_was_lost_is_looked_up_before_anything_is_repeated(
    study: Partnering,
) -> None:
    """Whoever was enrolled though the answer was lost is found by study id, not enrolled again."""
    study.sandbox.fault("partner-drop", times=2)
    study.run()
    lost = study.writes["enrol"]
    study.clock.pass_by(timedelta(minutes=5))
    study.run()
    assert study.doubles == []
    study.clock.pass_by(timedelta(minutes=15))
    study.run()
    study.clock.pass_by(timedelta(minutes=15))
    assert study.run().state in ("done", "partial")
    assert study.doubles == []
    assert study.writes["enrol"] == len(enrolled(study)) >= lost
    assert {each["arm"] for each in study.sandbox.partner.all()} <= {"OHT", "CWT"}


def test_a_lost_state_finds_its_members_again(study: Partnering) -> None:
    """With an empty state the ids in REDCap and at the partner are taken over; nobody is doubled."""
    study.run()
    members = enrolled(study)
    before = study.writes.copy()
    study.home.folder.joinpath("state.db").unlink()
    for name in ("state.db-wal", "state.db-shm"):
        study.home.folder.joinpath(name).unlink(missing_ok=True)
    study.new_state()
    study.run()
    assert enrolled(study) == members
    assert study.writes == before


def test_a_person_confirms_the_new_arm(study: Partnering) -> None:
    """Just that arm is then assigned, once."""
    study.run()
    member = study.sandbox.partner.all()[0]
    record, new = member["studyId"], "CWT" if member["arm"] == "OHT" else "OHT"
    study.switch_arm(record)
    study.run()
    study.sandbox.partner.forget_accepted()
    wrong = study.home.call("partner", "confirm-arm", study.home.study, record, "--arm", "XXX",
                            "--reason", "typo", "--env-file", study.home.env_file)  # fmt: skip
    assert wrong.code == ExitCode.USAGE
    assert "OHT, CWT" in wrong.err
    said = study.home.call("partner", "confirm-arm", study.home.study, record, "--arm", new,
                           "--reason", "entry corrected", "--env-file", study.home.env_file)  # fmt: skip
    assert said.code == ExitCode.DONE, said
    study.run()
    study.run()
    assert dict(study.writes) == {"arm": 1}
    assert study.sandbox.partner.found(member["memberId"])["arm"] == new


def test_a_wrong_token_ends_the_run_with_what_to_do(study: Partnering) -> None:
    """The first call says it; nobody else is tried."""
    study.home.write(**{**study.sandbox.variables, "AGILE_TOKEN": "0" * 32})
    told = study.run()
    assert told.exit_code == ExitCode.SETUP
    assert "[partner] names" in told.message
    assert study.writes == Counter()


@pytest.mark.parametrize(
    ("values", "call", "name", "limit"),
    [
        ({"off_study": "1", "off_study_date": "2026-11-20"}, "withdraw", "withdrawals", 10),
        ({"part_first_name": "Wren"}, "update", "updates", 15),
    ],
)
def test_a_mistake_about_everybody_is_told_to_nobody(
    study: Partnering, values: dict[str, str], call: str, name: str, limit: int
) -> None:
    """Too many withdrawals or updates at once: exit 4, and nothing until a person allows it."""
    study.home.edit_study("updates_per_run = 100", "updates_per_run = 15")
    study.run()
    people = enrolled(study)
    assert len(people) > limit
    study.sandbox.partner.forget_accepted()
    study.clock.pass_by(timedelta(minutes=15))
    for record in people:
        study.edit(record, **values)
    refused = study.run()
    assert refused.exit_code == ExitCode.REFUSED, refused
    assert f"--allow {name}={len(people)}" in refused.message
    assert not study.writes
    study.run(allow={name: str(len(people))})
    assert study.writes == Counter({call: len(people)})
