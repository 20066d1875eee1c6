"""The ban of an address that asks too often."""

from __future__ import annotations

import pytest
import requests
from sandbox_projects import TIMEOUT, Caller

from redcap_jobs.redcap.pages import says_banned
from redcap_jobs.sandbox.bans import Bans
from redcap_jobs.sandbox.server import Sandbox


class HandClock:
    """Seconds that a test sets."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def test_more_than_so_many_within_a_minute() -> None:
    """The limit itself is allowed, one more is not; what is older than a minute does not count."""
    clock = HandClock()
    bans = Bans(clock)
    bans.limit = 3
    assert [bans.strikes("a") for _ in range(3)] == [False] * 3
    clock.now += 60
    assert [bans.strikes("a") for _ in range(3)] == [False] * 3
    clock.now += 59.9
    assert bans.strikes("a")
    assert not bans.strikes("b")


def test_a_ban_never_ends_by_itself() -> None:
    """Neither time nor a higher limit ends it; lifting does, and counts anew."""
    clock = HandClock()
    bans = Bans(clock)
    bans.limit = 1
    assert [bans.strikes("a"), bans.strikes("a")] == [False, True]
    clock.now += 86_400
    bans.limit = 0
    assert bans.strikes("a")
    assert bans.addresses() == ["a"]
    bans.lift()
    bans.limit = 1
    assert [bans.strikes("a"), bans.strikes("a")] == [False, True]


def test_without_a_limit_nobody_is_banned() -> None:
    """0 stands for any number, as REDCap's setting does."""
    bans = Bans()
    assert not any(bans.strikes("a") for _ in range(1000))


def test_a_banned_address_gets_one_page_for_everything(
    server: Sandbox, longitudinal: Caller
) -> None:
    """Any call, any address of the server but the sandbox's own; nothing takes effect any more."""
    server.fault("ban", requests=2)
    assert longitudinal.post(content="version").text == "14.9.0"
    assert len(longitudinal.export()) == 6
    row = {"record_id": "10", "redcap_event_name": "start_arm_1", "sex": "2"}
    for answer in (
        longitudinal.send([row]),
        longitudinal.post(content="version"),
        requests.get(server.url, timeout=TIMEOUT),
        requests.get(server.url.replace("api/", "surveys/?s=x"), timeout=TIMEOUT),
    ):
        assert answer.status_code == 200
        assert says_banned(answer.content)
        assert answer.headers["Content-Type"].startswith("text/html")
    assert server.project(901).values("10", "start_arm_1")["sex"] == "1"
    assert [entry.fault for entry in server.requests] == ["", "", "ban", "ban", "ban", "ban"]
    server.no_faults()
    assert says_banned(longitudinal.post(content="version").content)


def test_a_ban_is_lifted_by_whoever_runs_the_sandbox(server: Sandbox, longitudinal: Caller) -> None:
    """``/sandbox/bans``: GET shows the addresses, DELETE takes them off the list."""
    url = f"{server.control_url}bans"
    requests.post(
        f"{server.control_url}faults", json={"name": "ban", "requests": 1}, timeout=TIMEOUT
    )
    assert longitudinal.post(content="version").text == "14.9.0"
    assert longitudinal.post(content="version").text != "14.9.0"
    assert requests.get(url, timeout=TIMEOUT).json() == ["127.0.0.1"]
    assert requests.delete(url, timeout=TIMEOUT).json() == []
    assert longitudinal.post(content="version").text == "14.9.0"


@pytest.mark.parametrize("path", ["faults", "requests", "projects", "state", "bans"])
def test_the_sandboxs_own_pages_are_not_counted(server: Sandbox, path: str) -> None:
    """Whoever lifts a ban must not be kept away by it."""
    server.fault("ban", requests=1)
    for _ in range(3):
        shown = requests.get(server.control_url + path, timeout=TIMEOUT)
        assert shown.headers["Content-Type"] == "application/json"
