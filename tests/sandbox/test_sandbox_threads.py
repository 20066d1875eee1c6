"""Many clients at once: whole imports or none, and no number given twice."""

from __future__ import annotations

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from threading import Event

import pytest
from sandbox_projects import Caller, registry, trial

from redcap_jobs.sandbox.keep import CREATED, Keeper
from redcap_jobs.sandbox.server import Sandbox

CLIENTS = 16
ROUNDS = 6
PEOPLE = 400
"""So many that an export is streamed while imports go on."""


@pytest.fixture(params=["in memory", "kept"])
def shared(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Sandbox]:
    """Serve the two small projects, without a folder and with one."""
    if request.param == "in memory":
        with Sandbox([trial(), registry()]) as sandbox:
            yield sandbox
        return
    with Keeper(tmp_path / "data") as keeper:
        keeper.add([(trial(), CREATED), (registry(), CREATED)])
        with Sandbox(keeper.projects, created=keeper.created) as sandbox:
            yield sandbox
        left = {project.pid: project.digest() for project in keeper.projects}
    with Keeper(tmp_path / "data") as keeper:
        assert {project.pid: project.digest() for project in keeper.projects} == left


def people(stamp: str) -> list[dict[str, str]]:
    """Return an import that writes the same text into everybody's row."""
    return [{"id": str(number), "name": stamp} for number in range(PEOPLE)]


def test_exports_show_whole_imports(shared: Sandbox) -> None:
    """Half of the threads write one text everywhere, the others never see two texts."""
    token = shared.tokens["REDCAP_API_SMALL_REGISTRY"]
    assert Caller(shared.url, token).send(people("x" * 300)).json() == {"count": PEOPLE}
    ended = Event()

    def write(client: int) -> list[int]:
        caller = Caller(shared.url, token)
        stamps = [f"{client}-{number}-" + "x" * 300 for number in range(ROUNDS)]
        return [caller.send(people(stamp)).status_code for stamp in stamps]

    def read(client: int) -> list[set[str]]:
        caller, found = Caller(shared.url, token), []
        format_ = ("csv", "json")[client % 2]
        while not ended.is_set():
            answer = caller.post(content="record", format=format_)
            if format_ == "json":
                names = [row["name"] for row in answer.json()]
            else:
                names = [line.split(",")[1] for line in answer.text.splitlines()[1:]]
            assert len(names) == PEOPLE
            found.append(set(names))
        return found

    with ThreadPoolExecutor(CLIENTS) as pool:
        readers = [pool.submit(read, client) for client in range(CLIENTS // 2)]
        writers = [pool.submit(write, client) for client in range(CLIENTS // 2)]
        try:
            statuses = [status for writer in writers for status in writer.result()]
        finally:
            ended.set()
        seen = [names for reader in readers for names in reader.result()]
    assert statuses == [200] * (ROUNDS * CLIENTS // 2)
    assert len(seen) >= CLIENTS // 2
    assert all(len(names) == 1 for names in seen)
    assert len(set().union(*seen)) > 1


def test_exports_show_whole_deletions(shared: Sandbox) -> None:
    """Everybody is imported and deleted again by several at once: readers see all of them, or none.

    Who deletes those that another has just deleted is refused.
    """
    token = shared.tokens["REDCAP_API_SMALL_REGISTRY"]
    everybody = people("x" * 300)
    names = [one["id"] for one in everybody]
    ended = Event()

    def write() -> list[int]:
        caller, statuses = Caller(shared.url, token), []
        for _ in range(ROUNDS):
            statuses.append(caller.send(everybody).status_code)
            gone = caller.post(content="record", action="delete", records=names)
            assert gone.status_code == 400 or gone.text == str(PEOPLE)
        return statuses

    def read() -> set[int]:
        caller, found = Caller(shared.url, token), set()
        while True:
            last = ended.is_set()
            found.add(len(caller.export(fields=["id"])))
            if last:
                return found

    with ThreadPoolExecutor(CLIENTS) as pool:
        readers = [pool.submit(read) for _ in range(CLIENTS // 2)]
        writers = [pool.submit(write) for _ in range(CLIENTS // 4)]
        try:
            statuses = [status for writer in writers for status in writer.result()]
            Caller(shared.url, token).send(everybody)
        finally:
            ended.set()
        seen = set().union(*(reader.result() for reader in readers))
    assert set(statuses) == {200}
    assert seen <= {0, PEOPLE}
    assert PEOPLE in seen


def test_exports_show_a_renamed_record_once(shared: Sandbox) -> None:
    """Many rename one record from each other's names to their own: it has one name at any time."""
    token = shared.tokens["REDCAP_API_SMALL_REGISTRY"]
    assert Caller(shared.url, token).send([{"id": "0", "name": "Ada"}]).status_code == 200
    ended = Event()

    def rename(client: int) -> list[int]:
        caller, statuses = Caller(shared.url, token), []
        for number in range(ROUNDS):
            (row,) = caller.export()
            names = {"record": row["id"], "new_record_name": f"{client}-{number}"}
            statuses.append(caller.post(content="record", action="rename", **names).status_code)
        return statuses

    def read() -> list[list[str]]:
        caller, found = Caller(shared.url, token), []
        while not ended.is_set():
            found.append([row["name"] for row in caller.export()])
        return found

    with ThreadPoolExecutor(CLIENTS) as pool:
        readers = [pool.submit(read) for _ in range(CLIENTS // 2)]
        writers = [pool.submit(rename, client) for client in range(CLIENTS // 2)]
        try:
            statuses = [status for writer in writers for status in writer.result()]
        finally:
            ended.set()
        seen = [names for reader in readers for names in reader.result()]
    assert 200 in statuses
    assert set(statuses) <= {200, 400}
    assert all(names == ["Ada"] for names in seen)
    renamed = [one for one in shared.project(902).log.all() if one.details.startswith("id = '")]
    assert len([one for one in renamed if one.kind == "record_edit"]) == statuses.count(200)


def test_refused_imports_leave_nothing_in_between(shared: Sandbox) -> None:
    """Good and bad imports by turns: of the bad ones nobody ever sees a value."""
    token = shared.tokens["REDCAP_API_SMALL_TRIAL"]

    def send(client: int) -> list[int]:
        caller, statuses = Caller(shared.url, token), []
        for number in range(ROUNDS):
            row = {"record_id": f"{client}-{number}", "redcap_event_name": "start_arm_1"}
            bad = {**row, "record_id": f"bad-{client}-{number}"}
            statuses.append(caller.send([row | {"sex": "1"}]).status_code)
            statuses.append(caller.send([bad | {"sex": "1"}, bad | {"sex": "9"}]).status_code)
            names = {found["record_id"] for found in caller.export()}
            assert f"{client}-{number}" in names
            assert not any(name.startswith("bad") for name in names)
        return statuses

    with ThreadPoolExecutor(CLIENTS) as pool:
        for statuses in pool.map(send, range(CLIENTS)):
            assert statuses == [200, 400] * ROUNDS
    assert len(shared.project(901).store.current.records) == 2 + CLIENTS * ROUNDS


def test_no_number_is_given_twice(shared: Sandbox) -> None:
    """Auto-numbering by many at once: every record has its own name, and none is passed over."""
    token = shared.tokens["REDCAP_API_SMALL_REGISTRY"]
    project = shared.project(902)
    project.change(settings=replace(project.settings, record_autonumbering_enabled=True))

    def send(client: int) -> list[list[str]]:
        caller, given = Caller(shared.url, token), []
        for number in range(ROUNDS):
            rows = [{"id": f"mine{half}", "name": f"{client}-{number}-{half}"} for half in (1, 2)]
            answer = caller.send(rows, forceAutoNumber="true", returnContent="auto_ids")
            given += [pair.split(",") for pair in answer.json()]
        return given

    with ThreadPoolExecutor(CLIENTS) as pool:
        given = [pair for pairs in pool.map(send, range(CLIENTS)) for pair in pairs]
    expected = CLIENTS * ROUNDS * 2
    assert sorted(int(new) for new, _ in given) == list(range(1, expected + 1))
    records = project.store.current.records
    assert len(records) == expected
    assert len({next(iter(one.rows.values()))["name"] for one in records.values()}) == expected


def test_projects_made_at_once_are_apart(tmp_path: Path) -> None:
    """Each has its own id, variable and token, in the folder as well."""

    def make(number: int) -> str:
        data = json.dumps([{"project_title": "New"}])
        admin = Caller(sandbox.url, "AB" * 32)
        return admin.post(content="project", format="json", data=data).text

    with (
        Keeper(tmp_path / "data") as keeper,
        Sandbox([], super_token="AB" * 32, created=keeper.created) as sandbox,
    ):
        with ThreadPoolExecutor(CLIENTS) as pool:
            tokens = set(pool.map(make, range(CLIENTS)))
        projects = sandbox.api.projects
        assert len(tokens) == CLIENTS
        assert len({project.pid for project in projects}) == CLIENTS
        assert len({project.env_name for project in projects}) == CLIENTS
    with Keeper(tmp_path / "data") as keeper:
        assert {project.token for project in keeper.projects} == tokens
