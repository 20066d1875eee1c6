"""The client's survey links and files against the real sandbox, on good days and bad ones."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path

import pytest
from faulty_runs import RATED, PassingClock
from study_home import NOW

from redcap_jobs.redcap.budget import RequestBudget
from redcap_jobs.redcap.client import RedcapClient
from redcap_jobs.redcap.errors import RedcapError, RequestRefused, TokenRefused
from redcap_jobs.redcap.files import RedcapFile
from redcap_jobs.sandbox.bans import Bans
from redcap_jobs.sandbox.dictionary import Field
from redcap_jobs.sandbox.faults import FaultBoard
from redcap_jobs.sandbox.ismile import ismile_projects
from redcap_jobs.sandbox.members import user
from redcap_jobs.sandbox.project import SandboxProject
from redcap_jobs.sandbox.server import Sandbox

PID = 3042
SURVEY, EVENT = "parent_survey", "month_2_arm_1"
PER_MINUTE = 30
AT_RANDOM = [name for name in RATED if name != "slow"]
"""Slowness is a time-out here as everywhere: see test_faults."""


@dataclass
class Place:
    """A project with a survey and a file field, and what reaches it."""

    sandbox: Sandbox
    project: SandboxProject
    clock: PassingClock
    folder: Path

    def client(self, **lacking: int) -> RedcapClient:
        """Return a client whose user has all rights but those given otherwise."""
        with self.project.lock:
            rights = user("asker", dag="", **lacking)
            members = self.project.members.put(rights)
            members, token = members.with_token("asker")
            self.project.change(members=members)
        url = self.sandbox.url
        budget = RequestBudget(self.folder, url, per_minute=PER_MINUTE, clock=self.clock)
        return RedcapClient(url, token, "ASKER", budget=budget, clock=self.clock)

    def asked(self) -> Counter[str]:
        """Count the calls since the last look."""
        counted = Counter(entry.call for entry in self.sandbox.requests)
        self.sandbox.forget_requests()
        return counted

    def records(self, event: str = "baseline_arm_1") -> list[str]:
        """Return the records that have a row in an event."""
        stored = self.project.store.current
        return [
            name
            for name in stored.ordered
            if any(key.event == event for key in stored.records[name].rows)
        ]


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    projects = ismile_projects(participants=60, seed=3, as_of=NOW.date())
    project = next(one for one in projects if one.pid == PID)
    photo = Field("exam_photo", "exam", "file", "Photo of the teeth")
    fields = (*project.structure.fields, photo)
    with project.lock:
        project.change(structure=replace(project.structure, fields=fields))
    with Sandbox(projects, now=NOW) as sandbox:
        yield Place(sandbox, project, PassingClock(), tmp_path)


def test_links_of_a_survey_come_in_one_request(place: Place) -> None:
    """One participant list for all records of an event, and the links are those of surveyLink."""
    records = place.records()
    client = place.client()
    links = client.survey_links(SURVEY, EVENT, records)
    assert place.asked() == {"participantList export": 1}
    assert list(links) == records
    assert len(set(links.values())) == len(records) > 20
    assert client.survey_links(SURVEY, EVENT, records[:1]) == {records[0]: links[records[0]]}
    assert place.asked() == {"surveyLink export": 1}


def test_without_the_right_they_come_one_by_one_within_the_budget(place: Place) -> None:
    """The same links; never more requests in a minute than the budget has."""
    records = place.records()
    board = place.sandbox.api.faults
    board.bans = Bans(lambda: place.clock.instant.timestamp())
    place.sandbox.fault("ban", requests=PER_MINUTE)
    links = place.client(manage_survey_participants=0).survey_links(SURVEY, EVENT, records)
    assert place.asked() == {"participantList export": 1, "surveyLink export": len(records)}
    assert board.bans.addresses() == []
    place.sandbox.no_faults()
    place.clock.sleep(timedelta(minutes=1))
    assert links == place.client().survey_links(SURVEY, EVENT, records)


def test_what_redcap_does_not_have(place: Place) -> None:
    """An unknown record is left out; no survey, or no right at all, is an error."""
    records = place.records()
    assert list(place.client().survey_links(SURVEY, EVENT, [*records[:2], "nobody"])) == records[:2]
    assert place.client().survey_links(SURVEY, EVENT, ["nobody"]) == {}
    with pytest.raises(RequestRefused, match="not enabled as a survey"):
        place.client().survey_links("exam", EVENT, records)
    with pytest.raises(TokenRefused):
        place.client(api_export=0).survey_links(SURVEY, EVENT, records)


def test_queue_links_and_return_codes(place: Place) -> None:
    """One text each, another one for each record."""
    client = place.client()
    first, second, *_ = place.records()
    assert "?sq=" in client.survey_queue_link(first)
    assert client.survey_queue_link(first) != client.survey_queue_link(second)
    codes = {client.survey_return_code(name, SURVEY, EVENT) for name in (first, second)}
    assert len(codes) == 2
    assert {len(code) for code in codes} == {8}
    with pytest.raises(RequestRefused, match="does not exist"):
        client.survey_queue_link("nobody")


@pytest.mark.parametrize("fault", AT_RANDOM)
def test_links_on_bad_days_are_whole_or_none(fault: str, place: Place) -> None:
    """At a rate of 30 %: the right link for everybody, or an error; never half a link."""
    records = place.records()[:20]
    right = place.client().survey_links(SURVEY, EVENT, records)
    single = place.client(manage_survey_participants=0)
    for seed in range(3):
        place.sandbox.api.faults = FaultBoard(seed)
        place.sandbox.fault(fault, rate=0.3)
        try:
            found = single.survey_links(SURVEY, EVENT, records)
            listed = place.client().survey_links(SURVEY, EVENT, records)
        except RedcapError:
            continue
        finally:
            place.clock.sleep(timedelta(minutes=1))
        assert found == right
        assert listed == right


FILES = [
    RedcapFile("photo.jpg", "image/jpeg", random.Random(1).randbytes(200_000)),  # noqa: S311 - any bytes
    RedcapFile("page.html", "text/html", b"<!DOCTYPE html><html>login <input type=password>"),
    RedcapFile("error.json", "application/json", b'{"error":"ran out of memory"}'),
    RedcapFile("empty.txt", "text/plain", b""),
    RedcapFile("Фото, Müller.txt", "text/plain", b"ERROR: no"),
]


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.mime)
def test_a_file_goes_in_and_comes_out_as_it_was(file: RedcapFile, place: Place) -> None:
    """Whatever it holds: bytes, name and type; then another takes its place; then it is deleted."""
    client, record = place.client(), place.records()[0]
    at = (record, "exam_photo", "baseline_arm_1")
    assert client.export_file(*at[:2], event=at[2]) is None
    client.import_file(record, "exam_photo", file, event=at[2])
    assert client.export_file(record, "exam_photo", at[2]) == file
    other = RedcapFile("other.txt", "text/plain", b"other")
    client.import_file(record, "exam_photo", other, event=at[2])
    assert client.export_file(record, "exam_photo", at[2]) == other
    assert client.delete_file(record, "exam_photo", at[2]) is True
    assert client.delete_file(record, "exam_photo", at[2]) is False
    assert client.export_file(record, "exam_photo", at[2]) is None


def test_file_refusals_are_told(place: Place) -> None:
    """No file field, no record, no right: the server's words."""
    client, record = place.client(), place.records()[0]
    file = FILES[0]
    with pytest.raises(RequestRefused, match="is not a 'file' field"):
        client.export_file(record, "exam_dmfs", "baseline_arm_1")
    with pytest.raises(RequestRefused):
        client.import_file("nobody", "exam_photo", file, "baseline_arm_1")
    with pytest.raises(TokenRefused, match="API Import"):
        place.client(api_import=0).import_file(record, "exam_photo", file, "baseline_arm_1")


@pytest.mark.parametrize("fault", AT_RANDOM)
def test_files_on_bad_days_are_whole_or_an_error(fault: str, place: Place) -> None:
    """At a rate of 30 %, before or after the call took effect: what is said to be done is done.

    Only a file that is cut, with a length to match, cannot be told from a whole one.
    """
    record, event = place.records()[0], "baseline_arm_1"
    client, plain = place.client(), place.client()
    for seed in range(6):
        place.sandbox.api.faults = FaultBoard(seed)
        place.sandbox.fault(fault, rate=0.3, after=seed % 2 == 1)
        file = RedcapFile(f"{seed}.jpg", "image/jpeg", bytes([seed]) * 5000)
        try:
            client.import_file(record, "exam_photo", file, event)
            found = client.export_file(record, "exam_photo", event)
            client.delete_file(record, "exam_photo", event)
        except RedcapError:
            continue
        finally:
            place.sandbox.no_faults()
            place.clock.sleep(timedelta(minutes=1))
        assert found == file or fault == "cut-json"
        assert plain.export_file(record, "exam_photo", event) is None
