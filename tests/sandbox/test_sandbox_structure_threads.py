"""Many clients change a project's structure and people at once, and no change is lost."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import Any

import pytest
from sandbox_projects import Caller

from redcap_jobs.sandbox.members import user
from redcap_jobs.sandbox.server import Sandbox

CLIENTS = 12


@pytest.fixture(autouse=True)
def eager_threads() -> Iterator[None]:
    """Let threads take turns as often as Python can: a change without its lock is lost then."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


def at_once(calls: list[Callable[[], Any]]) -> list[Any]:
    """Run calls in threads that begin together, and return what they return."""
    barrier = Barrier(len(calls))

    def run(call: Callable[[], Any]) -> Any:
        barrier.wait()
        return call()

    with ThreadPoolExecutor(len(calls)) as pool:
        return list(pool.map(run, calls))


def importing(caller: Caller, content: str, row: dict[str, Any]) -> Callable[[], int]:
    """Return a call that imports one row and returns the status."""
    data = json.dumps([row])
    return lambda: (
        caller.post(content=content, action="import", format="json", data=data).status_code
    )


@pytest.mark.parametrize(
    ("content", "row", "key"),
    [
        ("arm", lambda n: {"arm_num": 10 + n, "name": f"Arm {n}"}, None),
        ("event", lambda n: {"event_name": f"Extra {n}", "arm_num": 1}, "event_name"),
        ("user", lambda n: {"username": f"user{n}"}, "username"),
        ("userRole", lambda n: {"role_label": f"Role {n}"}, "role_label"),
        (
            "dag",
            lambda n: {"data_access_group_name": f"Group {n}", "unique_group_name": ""},
            "data_access_group_name",
        ),
    ],
)
def test_no_import_is_lost(
    server: Sandbox,
    longitudinal: Caller,
    content: str,
    row: Callable[[int], dict[str, Any]],
    key: str | None,
) -> None:
    """Read, change and take on are one step: all rows are there afterwards."""
    rows = [row(number) for number in range(CLIENTS)]
    statuses = at_once([importing(longitudinal, content, one) for one in rows])
    assert statuses == [200] * CLIENTS
    if key is None:
        names = {arm.name for arm in server.project(901).structure.arms}
        wanted = {one["name"] for one in rows}
    else:
        shown = longitudinal.post(content=content, format="json").json()
        names, wanted = {one[key] for one in shown}, {one[key] for one in rows}
    assert wanted <= names


def test_different_changes_at_once_are_all_kept(server: Sandbox, longitudinal: Caller) -> None:
    """Structure, settings, people and groups do not overwrite each other."""
    calls = [
        importing(longitudinal, "arm", {"arm_num": 9, "name": "Nine"}),
        importing(longitudinal, "event", {"event_name": "Extra", "arm_num": 1}),
        importing(longitudinal, "project_settings", {"project_notes": "kept"}),
        importing(longitudinal, "project_settings", {"surveys_enabled": 1}),
        importing(longitudinal, "user", {"username": "nurse"}),
        importing(longitudinal, "userRole", {"role_label": "Nurse"}),
        importing(longitudinal, "dag", {"data_access_group_name": "East", "unique_group_name": ""}),
    ]
    assert set(at_once(calls)) == {200}
    project = server.project(901)
    assert "Nine" in {arm.name for arm in project.structure.arms}
    assert "extra_arm_1" in project.structure.event_by_name
    assert "east" in project.structure.dag_by_unique_name
    assert (project.settings.project_notes, project.settings.surveys_enabled) == ("kept", True)
    assert "nurse" in project.members.users
    assert [role.label for role in project.members.roles.values()] == ["Nurse"]


def test_records_come_in_while_an_event_is_renamed(server: Sandbox, longitudinal: Caller) -> None:
    """An import is taken whole under one of the names, or refused whole; nothing is lost."""

    def rename(number: int) -> Callable[[], int]:
        name = server.project(901).structure.events[1].unique_name
        event = {"event_name": f"Week {number}", "arm_num": 1, "unique_event_name": name}
        return importing(longitudinal, "event", event)

    def send(number: int) -> Callable[[], int]:
        row = {"record_id": str(100 + number), "redcap_event_name": "start_arm_1", "sex": "1"}
        return lambda: longitudinal.send([row]).status_code

    calls = [*(send(number) for number in range(CLIENTS)), rename(7)]
    assert set(at_once(calls)) == {200}
    assert len(server.project(901).store.current.records) == CLIENTS + 2
    assert server.project(901).values("10", "week_7_arm_1") == {"seen": "2026-02-01", "felt": "0"}


def test_a_token_that_goes_while_it_calls_gets_an_answer(
    server: Sandbox, longitudinal: Caller
) -> None:
    """200 or 403, never a server error."""
    nurse = Caller(server.url, server.project(901).add_user(user("nurse")))
    calls: list[Callable[[], int]] = [
        lambda: nurse.post(content="metadata", format="json").status_code for _ in range(CLIENTS)
    ]
    calls.append(
        lambda: longitudinal.post(content="user", action="delete", users=["nurse"]).status_code
    )
    statuses = at_once(calls)
    assert statuses[-1] == 200
    assert set(statuses) <= {200, 403}
    assert nurse.post(content="version").status_code == 403
