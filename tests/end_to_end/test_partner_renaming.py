"""A record that has another name in REDCap now: still one member, and the words say what to do."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import requests
from partnering import POLL, SYNC, Partnering, partnering
from study_home import PROD

from redcap_jobs.state.renaming import rename_record
from redcap_jobs.state.scope import ProjectKey
from redcap_jobs.state.store import Store
from redcap_jobs.study.loading import load_study


@pytest.fixture
def study(tmp_path: Path) -> Iterator[Partnering]:
    with partnering(tmp_path, participants=30) as made:
        made.run()
        made.sandbox.partner.forget_accepted()
        yield made


def renamed(study: Partnering) -> tuple[str, str, str]:
    """Rename somebody who is with the partner; old name, new name, member id."""
    member = study.sandbox.partner.all()[0]
    old, new = member["studyId"], "9001"
    asked = {"content": "record", "action": "rename", "record": old, "new_record_name": new}
    answer = requests.post(
        study.sandbox.url, {"token": study.sandbox.tokens[PROD], **asked}, timeout=10
    )
    assert answer.text == "1", answer.text
    return old, new, member["memberId"]


def test_a_renamed_record_is_enrolled_nowhere_anew(study: Partnering) -> None:
    """Its member id stands in REDCap: nothing is sent, and both jobs say how it is mended."""
    _, new, member = renamed(study)
    told = study.run(POLL, options={"full": True})
    assert not study.writes
    said = [problem for problem in told.problems if problem.startswith(f"record {new}: member")]
    assert len(said) == 1, told
    assert "rename-record" in said[0]
    compared = study.run(SYNC)
    said = [problem for problem in compared.problems if f"record {new}: member" in problem]
    assert len(said) == 1, compared
    assert member in said[0]
    assert "rename-record" in said[0]


def test_rename_record_takes_the_member_along(study: Partnering) -> None:
    """After it nothing is told to the partner; its own study id is what remains to be corrected."""
    old, new, member = renamed(study)
    config = load_study(study.home.study)
    identity = config.redcap.projects[PROD]
    project = ProjectKey(config.redcap.url, identity.project_id, identity.mode)
    with Store.open(study.home.state_url) as store:
        assert rename_record(store, config.study.id, project, old, new) == 2
    told = study.run(POLL, options={"full": True})
    assert not study.writes
    assert [problem for problem in told.problems if new in problem] == []
    compared = study.run(SYNC)
    said = [problem for problem in compared.problems if new in problem or member in problem]
    assert len(said) == 1, compared
    assert "has another study id with the partner" in said[0]


def test_a_record_that_is_gone_is_told_by_its_name(study: Partnering) -> None:
    """Its member is still texted by the partner: the comparison says whose it was."""
    member = study.sandbox.partner.all()[0]
    record = member["studyId"]
    token = study.sandbox.tokens[PROD]
    asked = {"content": "record", "action": "delete", "records[0]": record}
    assert requests.post(study.sandbox.url, {"token": token, **asked}, timeout=10).text == "1"
    study.run(POLL)
    assert not study.writes
    compared = study.run(SYNC)
    (said,) = [problem for problem in compared.problems if member["memberId"] in problem]
    assert said.startswith(f"record {record}: member: was enrolled as member")
    assert "have the partner stop its texts" in said
