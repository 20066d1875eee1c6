"""A record that has another name in REDCap now: still one member, and the words say what to do."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from datetime import timedelta
from pathlib import Path

import pytest
import requests
from partnering import POLL, SYNC, Partnering, partnering
from study_home import PROD

from redcap_jobs.partner.agile import PartnerClient
from redcap_jobs.plan import Posted
from redcap_jobs.sandbox.ismile import PRODUCTION_PID
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


def rename_in_state(study: Partnering, old: str, new: str) -> int:
    """Do what ``messages rename-record`` does; return how many journal rows moved."""
    config = load_study(study.home.study)
    identity = config.redcap.projects[PROD]
    project = ProjectKey(config.redcap.url, identity.project_id, identity.mode)
    with Store.open(study.home.state_url) as store:
        return rename_record(store, config.study.id, project, old, new)


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
    assert rename_in_state(study, old, new) == 2
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


@pytest.fixture
def starting(tmp_path: Path) -> Iterator[Partnering]:
    with partnering(tmp_path, participants=30) as made:
        yield made


def ask(study: Partnering, **call: str) -> None:
    """Ask REDCap to do something with a record, as a person does."""
    token = study.sandbox.tokens[PROD]
    answer = requests.post(
        study.sandbox.url, {"token": token, "content": "record", **call}, timeout=10
    )
    assert answer.ok, answer.text


@pytest.fixture
def due(tmp_path: Path) -> list[str]:
    """Name who is enrolled where nothing happens meanwhile."""
    folder = tmp_path / "undisturbed"
    folder.mkdir()
    with partnering(folder, participants=30) as undisturbed:
        undisturbed.run()
        return [str(member["studyId"]) for member in undisturbed.sandbox.partner.all()]


def meanwhile(
    monkeypatch: pytest.MonkeyPatch,
    study: Partnering,
    after: int,
    do: Callable[[list[str]], None],
) -> None:
    """Let something happen after so many enrolments; a minute goes by with it.

    ``do`` is told the study ids of those who are with the partner by then.
    """
    enrol = PartnerClient.enrol

    def slow(client: PartnerClient, payload: Mapping[str, str]) -> Posted:
        posted = enrol(client, payload)
        there = sorted(str(member["studyId"]) for member in study.sandbox.partner.all())
        if len(there) == after:
            do(there)
            study.clock.pass_by(timedelta(seconds=61))
        return posted

    monkeypatch.setattr(PartnerClient, "enrol", slow)


def test_a_record_that_is_deleted_during_a_run_is_passed_over_and_not_made_anew(
    starting: Partnering, due: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither one that is with the partner already nor one whose turn would have come."""
    gone: list[str] = []

    def delete(there: list[str]) -> None:
        gone.extend([there[0], next(record for record in due if record not in there)])
        ask(starting, action="delete", **{f"records[{n}]": each for n, each in enumerate(gone)})

    meanwhile(monkeypatch, starting, 3, delete)
    told = starting.run()
    assert told.state == "done", told
    enrolled = {str(member["studyId"]) for member in starting.sandbox.partner.all()}
    assert enrolled == set(due) - {gone[1]}
    assert not set(gone) & set(starting.sandbox.project(PRODUCTION_PID).store.current.records)
    assert all(starting.baseline(record)["ag_member_id"] for record in enrolled - set(gone))
    after = starting.run()
    assert sorted(each.split(":")[0] for each in after.problems) == sorted(
        f"record {record}" for record in gone
    )
    assert not set(gone) & set(starting.sandbox.project(PRODUCTION_PID).store.current.records)


def test_a_record_that_is_renamed_during_a_run_is_not_made_anew(
    starting: Partnering, due: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its member id waits in the state until a person says which record it is now."""
    old: list[str] = []

    def rename(there: list[str]) -> None:
        old.append(there[0])
        ask(starting, action="rename", record=there[0], new_record_name="9001")

    meanwhile(monkeypatch, starting, len(due), rename)
    told = starting.run()
    assert told.state == "done", told
    records = starting.sandbox.project(PRODUCTION_PID).store.current.records
    assert old[0] not in records
    assert "9001" in records
    told_next = starting.run()
    assert old[0] not in starting.sandbox.project(PRODUCTION_PID).store.current.records
    assert len(starting.sandbox.partner.all()) == len(due)
    (said,) = [each for each in told_next.problems if each.startswith("record 9001: member")]
    assert "rename-record" in said
    assert said.endswith(f" {old[0]} 9001")
    rename_in_state(starting, old[0], "9001")
    after = starting.run()
    assert [each for each in after.problems if "9001" in each] == []
    assert len(starting.sandbox.partner.all()) == len(due)
    assert starting.baseline("9001")["ag_member_id"]
