"""One POST: what goes out, what is believed, what is repeated, and what messages never hold."""

from __future__ import annotations

import json
import logging
import socket
from pathlib import Path

import pytest
import requests
import responses
from client_doubles import (
    LABEL,
    TOKEN,
    URL,
    FreeBudget,
    HandClock,
    Reply,
    answer_always,
    answer_with,
    form_of,
    forms,
    json_reply,
    new_client,
)
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from urllib3.exceptions import MaxRetryError, NewConnectionError, ProtocolError

from redcap_jobs.errors import ExitCode, UsageError
from redcap_jobs.redcap.answers import Answer
from redcap_jobs.redcap.errors import (
    BrokenOff,
    NamesRefused,
    NotSupported,
    RedcapError,
    RequestRefused,
    ServerFailed,
    ServerOverloaded,
    TokenRefused,
    Unreachable,
    UnusableAnswer,
)
from redcap_jobs.redcap.transport import Secret, Transport

HTML = {"Content-Type": "text/html; charset=UTF-8"}
JSON = {"Content-Type": "application/json; charset=utf-8"}
MEMORY = (
    "REDCap ran out of server memory. The request cannot be processed. Please try "
    "importing/exporting a smaller amount of data."
)
UNKNOWN_ERROR = "<!DOCTYPE html><html><body>unknown error, multiple browser tabs</body></html>"
LOGIN = '<html><body><form><input type="password" name="p"></form></body></html>'


def error_envelopes(message: str) -> list[str]:
    return [
        json.dumps({"error": message}),
        f"ERROR: {message}",
        f'<?xml version="1.0" encoding="UTF-8" ?><hash><error>{message}</error></hash>',
    ]


@responses.activate
def test_the_token_goes_in_the_body_and_nowhere_else() -> None:
    """One POST to the one address; no token in the address or a header; gzip is offered."""
    answer_always((200, HTML, "14.9.1"))
    assert new_client().version() == "14.9.1"
    request = responses.calls[0].request
    assert request.url == URL
    assert form_of(request)["token"] == TOKEN
    assert form_of(request)["content"] == "version"
    assert form_of(request)["returnFormat"] == "json"
    assert TOKEN not in str(request.headers)
    assert request.headers["Accept-Encoding"] == "gzip"


@responses.activate
def test_netrc_adds_no_authorization(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A ~/.netrc entry for the host must not add a second credential."""
    netrc = tmp_path / "netrc"
    netrc.write_text("machine redcap.example.edu login someone password secret\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    answer_always((200, HTML, "14.9.1"))
    new_client().version()
    assert "Authorization" not in responses.calls[0].request.headers


@pytest.mark.parametrize(
    ("url", "trusts_environment"),
    [("http://127.0.0.1:8080/api/", False), ("http://localhost/api/", False), (URL, True)],
)
def test_a_proxy_is_used_for_other_machines_only(*, url: str, trusts_environment: bool) -> None:
    """Http to this machine never goes through the environment's proxy: it would show the token."""
    transport = new_client(url)._transport
    assert transport._session.trust_env is trusts_environment
    assert transport._session.verify is True


@pytest.mark.parametrize(
    "url",
    [
        "http://redcap.example.edu/api/",
        "http://127.0.0.1.example.edu/api/",
        "ftp://redcap.example.edu/api/",
        "https://name:word@redcap.example.edu/api/",
        "https://redcap.example.edu/api/?token=1",
    ],
)
def test_an_address_that_would_give_the_token_away_is_refused(url: str) -> None:
    """https, or http to this machine; no credentials or query in the address; none is echoed."""
    with pytest.raises(UsageError) as refused:
        new_client(url)
    assert "word" not in str(refused.value)


@responses.activate
@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_redirects_are_not_followed(status: int) -> None:
    """A redirect would carry the token elsewhere: refused at once, with the reason."""
    responses.add(
        responses.POST, URL, status=status, headers={"Location": "https://elsewhere.example/"}
    )
    responses.add(responses.POST, "https://elsewhere.example/", body="14.9.1")
    responses.add(responses.GET, "https://elsewhere.example/", body="14.9.1")
    with pytest.raises(RequestRefused, match=r"redirects.*correct the address"):
        new_client().version()
    assert len(responses.calls) == 1


def test_a_secret_is_not_shown() -> None:
    """str, repr and format of a token show nothing of it; neither does its holder."""
    secret = Secret(TOKEN)
    shown = f"{secret} {secret!r} {[secret]} {new_client()!r} {new_client()._transport!r}"
    assert TOKEN not in shown
    assert secret.reveal() == TOKEN


ERRORS: list[tuple[str, Reply, type[RedcapError], ExitCode]] = [
    *(
        (f"bad token {number}", (403, JSON, body), TokenRefused, ExitCode.SETUP)
        for number, body in enumerate(error_envelopes("You do not have permissions to use the API"))
    ),
    ("documented 401", (401, JSON, "{}"), TokenRefused, ExitCode.SETUP),
    (
        "no import right",
        json_reply({"error": "You do not have API Import/Update privileges"}, 403),
        TokenRefused,
        ExitCode.SETUP,
    ),
    ("firewall", (403, HTML, "<html>denied</html>"), TokenRefused, ExitCode.SETUP),
    (
        "classic",
        json_reply({"error": "You cannot export arms for classic projects"}, 400),
        NotSupported,
        ExitCode.PARTLY_FAILED,
    ),
    (
        "nothing repeats",
        json_reply(
            {
                "error": "You cannot export repeating instruments and events because the "
                "project does not contain any repeating instruments and events"
            },
            400,
        ),
        NotSupported,
        ExitCode.PARTLY_FAILED,
    ),
    (
        "unknown field",
        json_reply(
            {"error": "The following values in the parameter \"fields\" are not valid: 'x'"}, 400
        ),
        NamesRefused,
        ExitCode.SETUP,
    ),
    (
        "group right",
        json_reply({"error": "Insufficient user privileges: You must have 'API Export'"}, 400),
        RequestRefused,
        ExitCode.PARTLY_FAILED,
    ),
    ("no API here", (404, HTML, "<html>Not found</html>"), RequestRefused, ExitCode.PARTLY_FAILED),
    ("error with 200", json_reply({"error": "no"}), RequestRefused, ExitCode.PARTLY_FAILED),
    ("csv error with 200", (200, HTML, "ERROR: no"), RequestRefused, ExitCode.PARTLY_FAILED),
    ("unknown error", (200, HTML, UNKNOWN_ERROR), UnusableAnswer, ExitCode.PARTLY_FAILED),
    ("login page", (200, HTML, LOGIN), UnusableAnswer, ExitCode.PARTLY_FAILED),
    ("cut JSON", (200, JSON, '[{"arm_num":1,"na'), UnusableAnswer, ExitCode.PARTLY_FAILED),
    (
        "wrong type",
        (200, {"Content-Type": "text/csv"}, "a,b\n"),
        UnusableAnswer,
        ExitCode.PARTLY_FAILED,
    ),
    ("wrong shape", json_reply({"arm_num": 1}), UnusableAnswer, ExitCode.PARTLY_FAILED),
    ("wrong rows", json_reply([1, 2]), UnusableAnswer, ExitCode.PARTLY_FAILED),
    ("lacking key", json_reply([{"arm_num": 1}]), UnusableAnswer, ExitCode.PARTLY_FAILED),
    ("memory with 200", json_reply({"error": MEMORY}), ServerOverloaded, ExitCode.PARTLY_FAILED),
    ("bare memory text", (200, HTML, MEMORY), ServerOverloaded, ExitCode.PARTLY_FAILED),
    (
        "fatal page, then JSON",
        (
            200,
            HTML,
            "<br />\n<b>Fatal error</b>:  Allowed memory size of 536870912 bytes exhausted<br />\n"
            + json.dumps({"error": MEMORY}),
        ),
        ServerOverloaded,
        ExitCode.PARTLY_FAILED,
    ),
    (
        "memory with 500",
        (500, HTML, "ERROR: REDCap ran out of memory!"),
        ServerOverloaded,
        ExitCode.PARTLY_FAILED,
    ),
    ("empty 200", (200, JSON, ""), ServerOverloaded, ExitCode.PARTLY_FAILED),
    ("empty 500", (500, HTML, ""), ServerOverloaded, ExitCode.PARTLY_FAILED),
    ("408", (408, HTML, "<html>Request time-out</html>"), ServerOverloaded, ExitCode.PARTLY_FAILED),
    ("502", (502, HTML, "<html>Bad gateway</html>"), ServerOverloaded, ExitCode.PARTLY_FAILED),
    ("504", (504, HTML, "<html>Time-out</html>"), ServerOverloaded, ExitCode.PARTLY_FAILED),
    (
        "413",
        (413, HTML, "<html>413 Request Entity Too Large</html>"),
        ServerOverloaded,
        ExitCode.PARTLY_FAILED,
    ),
    ("503", (503, HTML, "<html>Maintenance</html>"), ServerFailed, ExitCode.PARTLY_FAILED),
    ("500", (500, HTML, "<html>Oops</html>"), ServerFailed, ExitCode.PARTLY_FAILED),
]


@responses.activate
@pytest.mark.parametrize(
    ("reply", "kind", "exit_code"),
    [case[1:] for case in ERRORS],
    ids=[case[0] for case in ERRORS],
)
def test_each_error_form_has_its_class_and_names_call_and_project(
    reply: Reply, kind: type[RedcapError], exit_code: ExitCode
) -> None:
    """Every recorded error form becomes one class; the message names content= and the project."""
    answer_always(reply)
    with pytest.raises(RedcapError) as failed:
        new_client().arms()
    assert type(failed.value) is kind
    assert failed.value.exit_code is exit_code
    assert f"{LABEL}, content=arm: " in str(failed.value)


@responses.activate
@pytest.mark.parametrize(("body", "said"), [(LOGIN, "a login page"), (UNKNOWN_ERROR, "a web page")])
def test_a_page_is_named_and_not_quoted(body: str, said: str) -> None:
    """A page instead of data is called what it is; its text stays out of the message."""
    answer_always((200, HTML, body))
    with pytest.raises(UnusableAnswer, match=said) as failed:
        new_client().arms()
    assert "browser" not in str(failed.value)
    assert "<" not in str(failed.value)


@responses.activate
def test_a_passing_fault_is_waited_out_with_growing_pauses() -> None:
    """Two bad answers, then a good one: pauses of 2 and 4 seconds, and the good one is returned."""
    clock = HandClock()
    replies = iter([(200, HTML, LOGIN), (503, HTML, "<html>"), json_reply([])])
    answer_with(lambda _: next(replies))
    assert new_client(clock=clock).arms() == ()
    assert clock.pauses == [2, 4]


@responses.activate
def test_a_lasting_fault_ends_after_five_attempts() -> None:
    """The fifth failure is the last: half a minute of pauses, then the error."""
    clock = HandClock()
    answer_always((502, HTML, "<html>"))
    with pytest.raises(ServerOverloaded):
        new_client(clock=clock).arms()
    assert clock.pauses == [2, 4, 8, 16]
    assert len(responses.calls) == 5


@responses.activate
@pytest.mark.parametrize(
    "reply",
    [json_reply({"error": "no"}, status) for status in (400, 401, 403, 404)]
    + [(413, HTML, "<html>Request Entity Too Large</html>")],
)
def test_what_will_not_pass_is_not_repeated(reply: Reply) -> None:
    """A refusal, and a request that is too long, are the same the second time."""
    answer_always(reply)
    with pytest.raises(RedcapError):
        new_client().arms()
    assert len(responses.calls) == 1


@responses.activate
@pytest.mark.parametrize(("repeatable", "calls"), [(True, 5), (False, 1)])
def test_only_a_call_declared_repeatable_is_repeated(*, repeatable: bool, calls: int) -> None:
    """REDCap uses POST for everything: the caller says whether twice does no harm."""
    answer_always((503, HTML, "<html>"))
    client = new_client()
    with pytest.raises(ServerFailed):
        client._transport.post("record", {}, lambda answer: answer.body(), repeatable=repeatable)
    assert len(responses.calls) == calls


@responses.activate
def test_every_attempt_asks_the_budget() -> None:
    """Repetitions count against the request budget like any other request."""
    answer_always((503, HTML, "<html>"))
    budget = FreeBudget()
    with pytest.raises(ServerFailed):
        new_client(budget=budget).arms()
    assert budget.taken == 5


FAULTS = {
    "500 with a page": (500, HTML, "<html>Oops</html>"),
    "503": (503, HTML, "<html>Maintenance</html>"),
    "broken off": requests.exceptions.ChunkedEncodingError("broke off"),
    "reset": requests.exceptions.ConnectionError(
        ProtocolError("Connection aborted.", ConnectionResetError(104, "reset"))
    ),
}


@responses.activate
@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS)
def test_a_divisible_call_that_keeps_failing_is_taken_for_too_much(
    fault: Reply | Exception,
) -> None:
    """After five attempts a 500, 503 or broken connection may be the size: the caller halves.

    A call that cannot be divided keeps the error it got.
    """
    body = fault if isinstance(fault, Exception) else fault[2]
    status = 200 if isinstance(fault, Exception) else fault[0]
    responses.add(responses.POST, URL, body=body, status=status)
    transport = new_client()._transport

    def read(answer: Answer) -> bytes:
        return answer.body()

    with pytest.raises(ServerOverloaded, match="too much at once"):
        transport.post("record", {}, read, repeatable=True, divisible=True)
    assert len(responses.calls) == 5
    with pytest.raises((ServerFailed, BrokenOff)):
        transport.post("record", {}, read, repeatable=True, divisible=False)


@responses.activate
def test_a_server_that_is_not_there_is_not_taken_for_overloaded() -> None:
    """No connection at all says nothing about the size: asking for less would not help."""
    refused = NewConnectionError(None, "refused")  # type: ignore[arg-type] # no pool at hand
    error = requests.exceptions.ConnectionError(MaxRetryError(None, URL, refused))  # type: ignore[arg-type]
    responses.add(responses.POST, URL, body=error)
    with pytest.raises(Unreachable, match="no connection"):
        new_client()._transport.post(
            "record", {}, lambda answer: answer.body(), repeatable=True, divisible=True
        )
    assert len(responses.calls) == 5


def held_by(value: object, seen: dict[int, object]) -> str:
    """Return all text that hangs on an error: its chain, their arguments and attributes."""
    if value is None or id(value) in seen:
        return ""
    seen[id(value)] = value
    if isinstance(value, str | bytes):
        return repr(value)
    parts: list[object] = list(value) if isinstance(value, list | tuple | set) else []
    if isinstance(value, dict):
        parts = [*value, *value.values()]
    if isinstance(value, BaseException):
        parts += [value.__cause__, value.__context__, value.args]
    parts += list(getattr(value, "__dict__", {}).values())
    return "\n".join(held_by(part, seen) for part in parts)


@pytest.mark.parametrize("divisible", [True, False])
def test_no_error_holds_the_token_in_its_chain(*, divisible: bool) -> None:
    """The request (its body is the token) hangs on to no error: not as cause, not as context."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}/api/"
    with pytest.raises(Unreachable) as failed:
        new_client(url)._transport.post(
            "record", {}, lambda answer: answer.body(), repeatable=True, divisible=divisible
        )
    assert TOKEN not in held_by(failed.value, {})


@responses.activate
@pytest.mark.parametrize(
    "body", ['record_id,name\n1,"Ms Example', "record_id,name\n1,Ms Example,\n"]
)
def test_no_error_holds_an_answer_s_rows_in_its_chain(body: str) -> None:
    """An export that cannot be read leaves nothing of its rows on the error."""
    answer_always((200, {"Content-Type": "text/csv"}, body))
    with pytest.raises(UnusableAnswer) as failed:
        new_client().export_rows(["name"], record_id_field="record_id", records=["1"])
    assert "Example" not in held_by(failed.value, {})


@responses.activate
def test_no_error_holds_a_broken_json_answer_in_its_chain() -> None:
    """JSON that is cut off leaves nothing of itself on the error."""
    answer_always((200, JSON, '[{"name":"Ms Example'))
    with pytest.raises(UnusableAnswer) as failed:
        new_client().metadata()
    assert "Example" not in held_by(failed.value, {})


@responses.activate
def test_a_refused_certificate_is_told_at_once() -> None:
    """An untrusted certificate does not get better by waiting, and the message says what it is."""
    responses.add(responses.POST, URL, body=requests.exceptions.SSLError("bad certificate"))
    with pytest.raises(Unreachable, match="certificate is not trusted"):
        new_client().arms()
    assert len(responses.calls) == 1


PRIVATE = st.text(
    alphabet=st.characters(min_codepoint=33, max_codepoint=0x24F, exclude_characters="{}[]\"'"),
    min_size=6,
    max_size=30,
).map(lambda text: "zq" + text)


@given(
    value=PRIVATE, status=st.sampled_from([200, 400, 403, 406, 500, 502]), shape=st.integers(0, 4)
)
@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_no_message_and_no_log_line_holds_token_or_value(
    caplog: pytest.LogCaptureFixture, value: str, status: int, shape: int
) -> None:
    """Whatever a server echoes (its request, a value), no error, repr or log line repeats it."""
    import pandas as pd

    said = f"bad value {value} for token {TOKEN}"
    per_value = f'"1","name","{value}","The value {value} is not valid"'
    body = [
        json.dumps({"error": said}),
        json.dumps({"error": per_value}),
        f"ERROR: {said}",
        f"<html>{said}</html>",
        f"{said},{TOKEN}",
    ][shape]
    changes = pd.DataFrame(
        [["1", "", "", "", "name", value]],
        columns=["record", "event", "repeat_instrument", "repeat_instance", "field", "new"],
        dtype="str",
    )
    caplog.clear()
    shown = []
    with caplog.at_level(logging.DEBUG, "redcap_jobs"), responses.RequestsMock() as mock:
        mock.add(responses.POST, URL, body=body, status=status)
        try:
            shown.append(repr(new_client().import_cells(changes, "record_id")))
        except RedcapError as error:
            shown += [str(error), repr(error), repr(error.args)]
    shown += [record.getMessage() for record in caplog.records]
    assert shown
    for text in shown:
        assert TOKEN not in text
        assert value not in text


@responses.activate
def test_forms_hold_arrays_never_comma_lists() -> None:
    """Lists go as name[0], name[1]: comma lists were refused, or silently misread, by releases."""
    answer_always((200, {"Content-Type": "text/csv"}, "record_id,a,b\n1,2,3\n2,,\n"))
    new_client().export_rows(["a", "b"], record_id_field="record_id", records=["1", "2"])
    form = forms()[0]
    assert (form["fields[0]"], form["fields[1]"], form["fields[2]"]) == ("record_id", "a", "b")
    assert (form["records[0]"], form["records[1]"]) == ("1", "2")
    assert "fields" not in form
    assert "records" not in form


def test_transport_can_be_made_without_a_network() -> None:
    """Making a client asks nothing: the first request is the first method's."""
    with responses.RequestsMock() as mock:
        with new_client() as client:
            assert isinstance(client._transport, Transport)
        assert len(mock.calls) == 0
