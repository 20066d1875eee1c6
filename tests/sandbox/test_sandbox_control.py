"""The sandbox's own addresses: locks, users, behaviour, and what is said to whoever errs."""

from __future__ import annotations

import shlex

import pytest
import requests
from sandbox_projects import TIMEOUT, Caller

from redcap_jobs.errors import UsageError
from redcap_jobs.sandbox.behaviour import MEANINGS, Behaviour, behaviour_of
from redcap_jobs.sandbox.members import user
from redcap_jobs.sandbox.server import Sandbox

HERE = {"record": "10", "event": "start_arm_1", "form": "enrolment"}


def post(server: Sandbox, path: str, body: object) -> requests.Response:
    return requests.post(server.control_url + path, json=body, timeout=TIMEOUT)


def delete(server: Sandbox, path: str, body: object = None) -> requests.Response:
    return requests.delete(server.control_url + path, json=body, timeout=TIMEOUT)


def test_the_index_names_every_address(server: Sandbox) -> None:
    """What can be done, each in a sentence; whoever errs is led there."""
    url = server.control_url
    shown = requests.get(url, timeout=TIMEOUT).json()["addresses"]
    assert shown["DELETE /sandbox/bans"] == "Lift all bans."
    assert "POST /sandbox/projects/<int:pid>/locks" in shown
    assert all(text.endswith(".") for text in shown.values())
    for path, method in (("nowhere", "GET"), ("faults", "PUT"), ("state", "POST")):
        answer = requests.request(method, url + path, timeout=TIMEOUT)
        assert answer.status_code in (404, 405)
        assert answer.json()["what there is"] == url


@pytest.mark.parametrize(
    ("given", "place"),
    [
        (HERE, (("start_arm_1", "", 0), "enrolment")),
        ({"record": "10"}, (("", "", 0), "")),
        (
            {"record": "10", "event": "week_1_arm_1", "form": "drugs", "instance": 2},
            (("week_1_arm_1", "drugs", 2), "drugs"),
        ),
        (
            {"record": "10", "event": "diary_arm_1", "form": "diary", "instance": 1},
            (("diary_arm_1", "", 1), "diary"),
        ),
    ],
)
def test_locks_are_set_and_taken_away(
    server: Sandbox, given: dict[str, object], place: tuple[object, str]
) -> None:
    """A form of a row, or all of a record; the project's log says so, the pages show a number."""
    before = server.project(901).digest()
    assert post(server, "projects/901/locks", given).json() == {"locks": 1}
    assert server.project(901).store.current.records["10"].locks == {place}
    shown = requests.get(f"{server.control_url}projects/901/locks", timeout=TIMEOUT)
    assert shown.json() == {"locks": 1}
    assert delete(server, "projects/901/locks", given).json() == {"locks": 0}
    assert server.project(901).store.current.records["10"].locks == frozenset()
    assert server.project(901).digest() == before
    assert [(one.kind, one.record) for one in server.project(901).log.all()] == [
        ("lock_record", "10"),
        ("lock_record", "10"),
    ]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"record": "nobody"}, "record is the name of a record"),
        ({"event": "nowhere"}, "event is one of start_arm_1, "),
        ({"event": ""}, "event is one of"),
        ({"form": "drugs"}, "form is one of enrolment"),
        ({"form": ""}, "without a form all of the record is locked"),
        ({"instance": 1}, "instance .* goes with what repeats"),
        ({"event": "diary_arm_1", "form": "diary"}, "instance .* goes with what repeats"),
        ({"instance": "1"}, "instance must be a whole number"),
        ({"forms": "enrolment"}, "no key 'forms'; there are record, event, form, instance"),
    ],
)
def test_locks_that_make_no_sense(server: Sandbox, change: dict[str, object], message: str) -> None:
    """400, what is wrong, and a command that would be right; nothing is locked."""
    answer = post(server, "projects/901/locks", HERE | change)
    assert answer.status_code == 400
    found = answer.json()
    assert found.keys() == {"error", "example"}
    with pytest.raises(UsageError, match=message):
        raise UsageError(found["error"])
    assert '"form"' in shlex.split(found["example"])[-1]
    assert all(not record.locks for record in server.project(901).store.current.records.values())


def test_an_unknown_project_names_the_known_ones(server: Sandbox) -> None:
    """404 and the ids."""
    answer = post(server, "projects/7/locks", HERE)
    assert answer.status_code == 404
    assert answer.json()["error"] == "no project 7; there are 901, 902"


def test_a_user_with_other_rights(server: Sandbox, longitudinal: Caller) -> None:
    """Whoever may change users gets a new user's token; rights not named are granted."""
    body = {
        "token": longitudinal.token,
        "username": "north",
        "dag": "north_clinic",
        "rights": {"api_import": 0},
        "forms_export": {"visit": 0},
    }
    answer = post(server, "projects/901/users", body)
    assert answer.headers["Cache-Control"] == "no-store"
    north = Caller(server.url, answer.json()["token"])
    assert {row["record_id"] for row in north.export()} == {"10"}
    assert north.send([]).json()["error"] == "You do not have API Import/Update privileges"
    again = post(server, "projects/901/users", body | {"dag": "", "rights": {"api_import": 1}})
    assert again.json() == answer.json()
    assert {row["record_id"] for row in north.export()} == {"10", "2"}
    assert server.project(901).members.users["north"].rights.export_of("visit") == 0


@pytest.mark.parametrize("who", ["nobody", "other project", "no right", "read only", "none"])
def test_tokens_are_handed_out_to_whom_could_get_one(server: Sandbox, who: str) -> None:
    """Others on this machine reach the port, too: without such a token there is none."""
    tokens = {
        "nobody": "0" * 32,
        "other project": server.project(902).token,
        "no right": server.project(901).add_user(user("u", user_rights=0)),
        "read only": server.project(901).add_user(user("r", user_rights=2)),
        "none": None,
    }
    body = {"username": "new"} | ({"token": tokens[who]} if tokens[who] else {})
    before = server.project(901).members
    answer = post(server, "projects/901/users", body)
    assert answer.status_code == 400
    assert "token must be that of" in answer.json()["error"]
    assert server.project(901).members is before


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"username": " "}, "username is missing"),
        ({"dag": "nowhere"}, "no dag 'nowhere'; there are north_clinic, south_clinic"),
        ({"role": "U-1"}, "no role 'U-1'; there are none"),
        ({"rights": {"fly": 1}}, "no rights 'fly'; there are design, "),
        ({"rights": {"design": 4}}, "rights: design is a number from 0 to 3"),
        ({"rights": {"design": True}}, "rights: design is a number from 0 to 3"),
        ({"forms": {"nowhere": 1}}, "no forms 'nowhere'"),
        ({"forms": []}, "forms must be {}"),
        ({"password": "x"}, "no key 'password'"),
    ],
)
def test_users_that_make_no_sense(
    server: Sandbox, longitudinal: Caller, change: dict[str, object], message: str
) -> None:
    """400, what is wrong, and no user; the answer never repeats a token."""
    body = {"token": longitudinal.token, "username": "new"} | change
    before = server.project(901).members
    answer = post(server, "projects/901/users", body)
    assert answer.status_code == 400
    assert message in answer.json()["error"]
    assert longitudinal.token not in answer.text
    assert server.project(901).members is before


@pytest.mark.parametrize(
    "path", ["faults", "behaviour", "projects/901/locks", "projects/901/users"]
)
def test_a_form_changes_nothing(server: Sandbox, longitudinal: Caller, path: str) -> None:
    """A web page can send a form here unasked: only JSON is taken, and the answer says so."""
    body = '{"name": "504", "strict_arrays": true, "record": "10", "username": "x"}'
    for kind in (
        "text/plain",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
    ):
        answer = requests.post(
            server.control_url + path, data=body, headers={"Content-Type": kind}, timeout=TIMEOUT
        )
        assert answer.status_code == 400
        assert "Content-Type: application/json" in answer.json()["error"]
        assert shlex.split(answer.json()["example"])[:4] == [
            *("curl", "-X", "POST", server.control_url + path)
        ]
    assert longitudinal.post(content="version").text == "14.9.0"
    assert server.api.behaviour == Behaviour()


def test_behaviour_is_switched_while_it_runs(server: Sandbox, longitudinal: Caller) -> None:
    """Switches that are not named stay as they are."""
    call = {"content": "record", "format": "json", "records": "2,10"}
    assert longitudinal.post(**call).status_code == 200
    assert post(server, "behaviour", {"strict_arrays": True}).json()["strict_arrays"] is True
    assert longitudinal.post(**call).status_code == 400
    post(server, "behaviour", {"refusals_name_event": True})
    shown = requests.get(f"{server.control_url}behaviour", timeout=TIMEOUT).json()
    assert shown["on"]["strict_arrays"] is True
    assert shown["on"]["refusals_name_event"] is True
    assert shown["known"] == MEANINGS
    post(server, "behaviour", {"strict_arrays": False})
    assert longitudinal.post(**call).status_code == 200
    assert post(server, "behaviour", {"strict_arrays": 1}).status_code == 400
    assert post(server, "behaviour", {"nonsense": True}).status_code == 400


def test_behaviour_by_name() -> None:
    """Names switch on; an unknown one names those that there are."""
    assert behaviour_of(["strict_arrays"]) == Behaviour(strict_arrays=True)
    with pytest.raises(UsageError, match="no behaviour 'x'; there are strict_arrays, "):
        behaviour_of(["x"])
