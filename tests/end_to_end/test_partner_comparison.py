"""The two-way comparison with the partner: everything planted is found, nothing is overwritten."""

from __future__ import annotations

import copy
from pathlib import Path

from partnering import SYNC, partnering

from redcap_jobs.errors import ExitCode
from redcap_jobs.sandbox.partner_planted import plant_discrepancies

HELD_BACK = ("arm", "opted out", "withdrawn")


def test_every_planted_discrepancy_is_told_and_nothing_overwritten(tmp_path: Path) -> None:
    """What REDCap owns is told and left alone on both sides; the partner's own word is copied."""
    with partnering(tmp_path, participants=80) as study:
        study.run()
        study.run(SYNC)
        members = study.sandbox.partner
        planted = plant_discrepancies(members, seed=5)
        assert len(planted) >= 20
        before_there = copy.deepcopy(members.all())
        before_here = {
            one.study_id: study.baseline(one.study_id) for one in planted if one.study_id
        }
        members.forget_accepted()

        told = study.run(SYNC)
        assert told.exit_code == ExitCode.PARTLY_FAILED, told
        assert members.accepted() == []
        assert members.all() == before_there
        untold = []
        for one in planted:
            named = [p for p in told.problems if f"record {one.study_id}:" in p or one.member in p]
            if one.study_id:
                row, before = study.baseline(one.study_id), before_here[one.study_id]
                changed = {name for name in row if row[name] != before.get(name)}
                assert all(name.startswith("ag_") for name in changed), (one.kind, changed)
                named += sorted(changed) if one.owner == "partner" else []
            if not named:
                untold.append(one.kind)
        assert untold == []


def test_arms_and_opt_outs_stand_first(tmp_path: Path) -> None:
    """A wrong arm is the wrong treatment: it is the first thing that is read."""
    with partnering(tmp_path, participants=40) as study:
        study.run()
        members = study.sandbox.partner
        first, second, third, *_ = members.all()
        members.set(members.found(first["memberId"]), {"childName": "Robin"})
        members.set(
            members.found(second["memberId"]),
            {"language": "es" if second["language"] == "en" else "en"},
        )
        members.set(
            members.found(third["memberId"]), {"arm": "CWT" if third["arm"] == "OHT" else "OHT"}
        )
        problems = study.run(SYNC).problems
        order = [
            next(n for n, text in enumerate(problems) if f"record {each['studyId']}:" in text)
            for each in (third, second, first)
        ]
        assert order == sorted(order)
        assert not any("Robin" in text for text in problems)


def test_a_list_that_is_suddenly_empty_is_an_error(tmp_path: Path) -> None:
    """Nothing is written, and the way to allow it once is said."""
    with partnering(tmp_path, participants=40) as study:
        study.run()
        study.run(SYNC)
        imports = study.imports()
        study.sandbox.fault("partner-empty-list", rate=1.0)
        told = study.run(SYNC)
        assert told.state in ("refused", "failed"), told
        assert study.imports() == imports
        study.sandbox.no_faults()
        assert study.run(SYNC).state in ("done", "partial")


def test_pages_that_shift_under_the_reader_lose_nobody(tmp_path: Path) -> None:
    """Members who come while the list is read make it be read again, not a discrepancy."""
    with partnering(tmp_path, participants=40) as study:
        study.run()
        study.sandbox.fault("partner-shift", times=1)
        told = study.run(SYNC)
        assert not any("not known to the partner" in text for text in told.problems), told.problems
