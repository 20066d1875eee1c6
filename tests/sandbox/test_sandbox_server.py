"""Addresses, tokens, rights, headers: what stands around every call."""

from __future__ import annotations

import gzip
import http.client
import json
import socket
from dataclasses import replace
from datetime import datetime

import pytest
import requests
from sandbox_projects import TIMEOUT, Caller, registry, trial

from redcap_jobs.errors import UsageError
from redcap_jobs.sandbox.members import User, user
from redcap_jobs.sandbox.request_log import ENTRIES, RequestEntry, RequestLog
from redcap_jobs.sandbox.server import Sandbox


@pytest.mark.parametrize("token", ["0" * 32, ""])
@pytest.mark.parametrize(
    ("format_", "text"),
    [
        ("csv", "ERROR: You do not have permissions to use the API"),
        ("json", '{"error":"You do not have permissions to use the API"}'),
        (
            "",
            (
                '<?xml version="1.0" encoding="UTF-8" ?><hash><error>You do not have permissions to '
                "use the API</error></hash>"
            ),
        ),
    ],
)
def test_a_bad_token_is_403(server: Sandbox, token: str, format_: str, text: str) -> None:
    """Recorded servers say 403, not the documented 401; xml where no format is named."""
    response = Caller(server.url, token).post(content="record", format=format_)
    assert (response.status_code, response.text) == (403, text)


@pytest.mark.parametrize(
    ("user", "call", "message"),
    [
        (
            user("u", api_export=False),
            {"content": "record"},
            "You do not have API Export privileges",
        ),
        (
            user("u", api_import=False),
            {"content": "record", "data": "[]"},
            "You do not have API Import/Update privileges",
        ),
        (
            user("u", record_delete=False),
            {"content": "record", "action": "delete", "records[0]": "10"},
            "You do not have Delete Record privileges",
        ),
    ],
)
def test_each_right_is_asked_for(
    server: Sandbox, user: User, call: dict[str, str], message: str
) -> None:
    """A missing right: 403 and the recorded text."""
    caller = Caller(server.url, server.project(901).add_user(user))
    response = caller.post(format="json", **call)
    assert (response.status_code, response.json()) == (403, {"error": message})


def test_unknown_content(classic: Caller) -> None:
    """The recorded text; the status is this sandbox's own."""
    response = classic.post(content="nonsense", format="csv")
    assert response.status_code == 400
    assert response.text == 'ERROR: The value of the parameter "content" is not valid'


def test_unknown_actions_and_get_are_not_implemented(server: Sandbox, classic: Caller) -> None:
    """501 as recorded in REDCapR issue 166, in xml for a GET."""
    response = classic.post(content="metadata", action="fly", format="csv")
    assert (response.status_code, response.text) == (
        501,
        "ERROR: The requested method is not implemented.",
    )
    assert requests.get(server.url, timeout=TIMEOUT).status_code == 501


def test_the_address_works_without_its_slash(server: Sandbox, classic: Caller) -> None:
    """``/api`` answers like ``/api/``, without a redirect that would carry the token."""
    url = server.url.rstrip("/")
    response = requests.post(
        url,
        data={"token": classic.token, "content": "version"},
        allow_redirects=False,
        timeout=TIMEOUT,
    )
    assert (response.status_code, response.text) == (200, "14.9.0")
    assert requests.get(url.removesuffix("api") + "elsewhere", timeout=TIMEOUT).status_code == 404


@pytest.mark.parametrize(
    ("format_", "content_type"),
    [
        ("json", "application/json; charset=utf-8"),
        ("csv", "text/csv; charset=utf-8"),
        ("xml", "text/xml; charset=utf-8"),
    ],
)
def test_recorded_headers(classic: Caller, format_: str, content_type: str) -> None:
    """Content type by format, no caching, a random text of changing content."""
    one, two = (classic.post(content="metadata", format=format_).headers for _ in range(2))
    assert one["Content-Type"] == content_type
    assert one["Cache-Control"] == "no-store, no-cache, must-revalidate"
    assert (one["Pragma"], one["Expires"]) == ("no-cache", "0")
    assert one["Access-Control-Allow-Origin"] == "*"
    assert one["REDCap-Random-Text"] != two["REDCap-Random-Text"]


def test_answers_are_compressed_when_asked(server: Sandbox, longitudinal: Caller) -> None:
    """Compressed only for a client that accepts it; the content is the same."""
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=TIMEOUT)
    form = f"token={longitudinal.token}&content=record&format=json"
    bodies = []
    for encoding in ("gzip", "identity"):
        headers = {
            "Content-Type": "application/x-www-form-urlencoded",
            "Accept-Encoding": encoding,
        }
        connection.request("POST", "/api/", form, headers)
        response = connection.getresponse()
        body = response.read()
        compressed = response.headers.get("Content-Encoding") == "gzip"
        assert compressed == (encoding == "gzip")
        bodies.append(gzip.decompress(body) if compressed else body)
    connection.close()
    assert bodies[0] == bodies[1]


def test_only_loopback_addresses_are_served() -> None:
    """Data lie open to whoever reaches the port: any other address is refused."""
    for host in ("0.0.0.0", "192.0.2.7", "example.org"):  # noqa: S104 - refused is the point
        with pytest.raises(UsageError, match="loopback"):
            Sandbox([registry()], host=host)


def test_a_foreign_host_name_finds_nothing(server: Sandbox) -> None:
    """A web page whose name was pointed at this machine gets 404."""
    for path in ("sandbox/projects", "api/"):
        url = f"http://127.0.0.1:{server.port}/{path}"
        response = requests.post(url, headers={"Host": "evil.example"}, timeout=TIMEOUT)
        assert response.status_code == 404


def test_a_port_in_use_is_said_in_one_line(server: Sandbox) -> None:
    """Another program on that port: a usage error that names it."""
    with pytest.raises(UsageError, match=f"port {server.port} of 127.0.0.1 cannot be used"):
        Sandbox([registry()], port=server.port)


def test_the_port_is_free_again_after_closing() -> None:
    """A server that is closed can be started again on its port, with the same data."""
    projects = [trial()]
    with Sandbox(projects) as sandbox:
        port = sandbox.port
    with socket.socket() as probe:
        assert probe.connect_ex(("127.0.0.1", port)) != 0
    with Sandbox(projects, port=port) as again:
        caller = Caller(again.url, again.tokens["REDCAP_API_SMALL_TRIAL"])
        assert len(caller.export()) == 6


def test_the_log_names_each_call_and_holds_no_data(server: Sandbox, longitudinal: Caller) -> None:
    """Content, action, project, user and counts; no value, token or record name."""
    longitudinal.export(fields=["record_id", "born"], events=["start_arm_1"])
    longitudinal.send([{"record_id": "secret-name", "born": "1991-09-09"}])
    longitudinal.post(content="version")
    export, send, version = server.requests
    assert [entry.call for entry in server.requests] == [
        "record export",
        "record import",
        "version export",
    ]
    assert (export.fields, export.events, export.rows, export.status) == (2, 1, 1, 200)
    assert (send.rows, send.cells, send.pid, send.user) == (1, 1, 901, "data_manager")
    assert version.number == 3
    shown = requests.get(f"{server.control_url}requests", timeout=TIMEOUT).text
    for private in ("secret-name", "1991-09-09", longitudinal.token):
        assert private not in shown
    assert json.loads(shown)[1]["call"] == "record import"
    requests.delete(f"{server.control_url}requests", timeout=TIMEOUT)
    assert server.requests == []


def test_the_log_of_calls_does_not_grow_for_ever() -> None:
    """A server that runs for weeks keeps the latest calls; their numbers go on."""
    log = RequestLog()
    one = RequestEntry(1, datetime.min, "version", "export", 901, "u", 200)  # noqa: DTZ901 - any
    for number in range(1, ENTRIES + 3):
        log.add(replace(one, number=number))
    kept = log.entries()
    assert (len(kept), kept[0].number, kept[-1].number) == (ENTRIES, 3, ENTRIES + 2)


def test_the_state_is_a_digest_of_everything_stored(server: Sandbox, longitudinal: Caller) -> None:
    """Equal data, equal digest; one other value, another digest."""

    def state() -> str:
        shown = requests.get(f"{server.control_url}state", timeout=TIMEOUT).json()
        return str(shown["901"])

    before = state()
    row = {"record_id": "10", "redcap_event_name": "start_arm_1"}
    longitudinal.send([row | {"sex": "2"}])
    assert state() != before
    longitudinal.send([row | {"sex": "1"}])
    assert state() == before == server.project(901).digest()


def test_a_super_token_creates_projects(server: Sandbox) -> None:
    """It answers a token of 32 characters, and can do nothing with data."""
    with Sandbox([registry()], super_token="AB" * 32) as sandbox:
        admin = Caller(sandbox.url, "AB" * 32)
        settings = {"project_title": "New One", "purpose": 0}
        response = admin.post(content="project", format="json", data=json.dumps([settings]))
        assert response.status_code == 200
        assert len(response.text) == 32
        made = Caller(sandbox.url, response.text)
        assert made.post(content="project", format="json").json()["project_title"] == "New One"
        assert made.post(content="generateNextRecordName").text == "1"
        assert admin.post(content="version").text == "14.9.0"
        assert admin.post(content="record", format="json").status_code == 501
        other = admin.post(
            content="project", format="json", data='[{"project_title":"X","purpose":1}]'
        )
        assert other.json()["error"] == (
            "You must provide some text for 'purpose_other' since you specified 'purpose' as "
            "'1' (Other)."
        )
    assert Caller(server.url, "AB" * 32).post(content="version").status_code == 403
