"""Faults on demand: what each looks like on the wire, and how long it lasts."""

from __future__ import annotations

import shlex
from threading import Thread
from time import monotonic

import pytest
import requests
from sandbox_projects import TIMEOUT, Caller

from redcap_jobs.errors import UsageError
from redcap_jobs.sandbox.faults import FAULTS, FaultBoard, FaultRule
from redcap_jobs.sandbox.server import Sandbox


@pytest.mark.parametrize(
    ("name", "status", "part"),
    [
        ("html-200", 200, "multiple browser tabs"),
        ("login-page", 200, '<input type="password"'),
        ("empty-200", 200, ""),
        ("empty-500", 500, ""),
        ("504", 504, "Gateway"),
        ("memory-200", 200, "REDCap ran out of server memory."),
        ("memory-500", 500, "REDCap ran out of memory!"),
    ],
)
def test_answers_that_take_the_place_of_the_right_one(
    server: Sandbox, longitudinal: Caller, name: str, status: int, part: str
) -> None:
    """Status and text as recorded; the next call is answered rightly again."""
    server.fault(name, times=1)
    response = longitudinal.post(content="record", format="json")
    assert response.status_code == status
    assert part in response.text
    assert (response.text == "") == name.startswith("empty")
    assert len(longitudinal.export()) == 6
    assert [entry.fault for entry in server.requests] == [name, ""]


def test_a_lost_answer_may_follow_a_call_that_took_effect(
    server: Sandbox, longitudinal: Caller
) -> None:
    """Without ``after`` nothing is stored; with it, only the answer is lost."""
    row = {"record_id": "10", "redcap_event_name": "start_arm_1", "sex": "2"}
    server.fault("504", times=1)
    assert longitudinal.send([row]).status_code == 504
    assert server.project(901).values("10", "start_arm_1")["sex"] == "1"
    server.fault("504", times=1, after=True)
    assert longitudinal.send([row]).status_code == 504
    assert server.project(901).values("10", "start_arm_1")["sex"] == "2"


def test_json_can_be_cut(server: Sandbox, longitudinal: Caller) -> None:
    """Status 200, the right content type, and half of the text."""
    whole = longitudinal.post(content="record", format="json")
    server.fault("cut-json", times=1)
    cut = longitudinal.post(content="record", format="json")
    assert cut.status_code == 200
    assert whole.text.startswith(cut.text)
    assert 0 < len(cut.text) < len(whole.text)


def test_a_connection_can_break_half_way(server: Sandbox, longitudinal: Caller) -> None:
    """Fewer bytes than announced: the client's library notices."""
    server.fault("cut-connection", times=1)
    with pytest.raises(requests.exceptions.ChunkedEncodingError):
        longitudinal.post(content="record", format="json")
    assert len(longitudinal.export()) == 6


def test_rows_can_be_missing(server: Sandbox, longitudinal: Caller) -> None:
    """At least one row less, well-formed all the same."""
    server.fault("missing-rows", times=1)
    assert len(longitudinal.export()) == 5


def test_slowness_delays_the_answer_and_ends_with_the_server(
    server: Sandbox, longitudinal: Caller
) -> None:
    """A slow answer is the right one, later; closing the server does not wait for it."""
    server.fault("slow", times=1, seconds=60)
    answers: list[int] = []
    thread = Thread(target=lambda: answers.append(longitudinal.post(content="version").status_code))
    began = monotonic()
    thread.start()
    while not server.api.faults.rules() or server.api.faults.rules()[0].times:
        assert monotonic() - began < TIMEOUT
    server.close()
    thread.join(TIMEOUT)
    assert answers == [200]
    assert monotonic() - began < TIMEOUT


def test_a_fault_can_be_confined_to_one_call(server: Sandbox, longitudinal: Caller) -> None:
    """Content and action say which calls it strikes."""
    server.fault("504", times=1, content="record", action="import")
    assert longitudinal.post(content="version").status_code == 200
    assert len(longitudinal.export()) == 6
    assert longitudinal.send([]).status_code == 504
    assert longitudinal.send([]).status_code == 200


def test_a_rate_strikes_that_share_of_the_calls() -> None:
    """The draw is repeatable by seed; 0 never strikes, 1 always does."""

    def struck(rate: float) -> list[bool]:
        board = FaultBoard(seed=7)
        board.switch_on(FaultRule("504", rate=rate))
        return [board.draw("record", "export") is not None for _ in range(1000)]

    assert struck(0.2) == struck(0.2)
    assert 150 < sum(struck(0.2)) < 250
    assert sum(struck(0)) == 0
    assert sum(struck(1)) == 1000


def test_faults_are_switched_while_it_runs(server: Sandbox, longitudinal: Caller) -> None:
    """``/sandbox/faults``: POST switches on, GET shows, DELETE switches all off."""
    url = f"{server.control_url}faults"
    sent = requests.post(url, json={"name": "empty-500", "times": 5}, timeout=TIMEOUT)
    assert sent.status_code == 200
    assert longitudinal.post(content="version").status_code == 500
    shown = requests.get(url, timeout=TIMEOUT).json()
    assert [(rule["name"], rule["times"]) for rule in shown["on"]] == [("empty-500", 4)]
    assert set(shown["known"]) == set(FAULTS)
    requests.delete(url, timeout=TIMEOUT)
    assert longitudinal.post(content="version").status_code == 200


@pytest.mark.parametrize(
    "body",
    [
        {"name": "nonsense"},
        {"name": "504", "time": 3},
        {"name": "504", "rate": 2},
        {"name": "504", "requests": 2},
        {"name": "504", "times": -1},
        {"name": "slow", "seconds": 1e9},
        {"name": "ban"},
        {"name": "ban", "rate": 0.5},
        [],
        "504",
    ],
)
def test_a_fault_that_makes_no_sense_is_refused(server: Sandbox, body: object) -> None:
    """400, and what would be right; a form instead of JSON is refused too."""
    url = f"{server.control_url}faults"
    response = requests.post(url, json=body, timeout=TIMEOUT)
    assert response.status_code == 400
    assert response.json()["error"]
    assert requests.post(url, data={"name": "504"}, timeout=TIMEOUT).status_code == 400
    assert server.api.faults.rules() == []


def test_a_fault_sent_in_the_wrong_way_names_the_right_one(
    server: Sandbox, longitudinal: Caller
) -> None:
    """curl without a content type sends a form: the answer holds a command that can be pasted."""
    url = f"{server.control_url}faults"
    answer = requests.post(
        url,
        data='{"name": "504"}',
        headers={"Content-Type": "application/x-www-form-urlencoded"},
        timeout=TIMEOUT,
    )
    assert answer.status_code == 400
    assert "Content-Type: application/json" in answer.json()["error"]
    words = shlex.split(answer.json()["example"])
    assert words[:4] == ["curl", "-X", "POST", url]
    header, body = words[words.index("-H") + 1], words[words.index("-d") + 1]
    sent = requests.post(url, data=body, headers=dict([header.split(": ")]), timeout=TIMEOUT)
    assert sent.status_code == 200
    assert longitudinal.post(content="version").status_code == 504


def test_an_unknown_fault_names_the_known_ones() -> None:
    """The message lists what there is."""
    with pytest.raises(UsageError, match="html-200, login-page, empty-200"):
        FaultRule("html")
