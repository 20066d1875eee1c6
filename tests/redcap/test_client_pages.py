"""Pages and texts where data should be: a login page passes, a ban does not and is left alone."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import responses
from client_doubles import (
    URL,
    FreeBudget,
    HandClock,
    Reply,
    answer_always,
    answer_with,
    json_reply,
    new_client,
)

from redcap_jobs.errors import ExitCode
from redcap_jobs.redcap.answers import BAN
from redcap_jobs.redcap.budget import RequestBudget
from redcap_jobs.redcap.client import RedcapClient
from redcap_jobs.redcap.errors import (
    Banned,
    RequestRefused,
    ServerOverloaded,
    TokenRefused,
    UnusableAnswer,
)

HTML = {"Content-Type": "text/html; charset=UTF-8"}
CSV = {"Content-Type": "text/csv; charset=utf-8"}
BANNED = "Your IP address (192.0.2.7) has been banned due to suspected abuse."
BANS: dict[str, Reply] = {
    "a sentence with 200": (200, HTML, BANNED),
    "a page with 200": (200, HTML, f"<html><body><h3>{BANNED}</h3></body></html>"),
    "a page with 403": (403, HTML, f"<!DOCTYPE html><html><body>{BANNED}</body></html>"),
    "an envelope": json_reply({"error": BANNED}, 403),
    "csv envelope": (200, HTML, f"ERROR: {BANNED}"),
    "a firewall's page": (
        403,
        HTML,
        "<html><title>Blocked</title>Your IP 192.0.2.7 has been blocked</html>",
    ),
    "429": (429, HTML, "<html>slow down</html>"),
    "503 that says why": (503, HTML, "<html>Too many requests</html>"),
}
LOGINS: dict[str, Reply] = {
    "html": (200, HTML, '<html><form><input type="password" name="p"></form></html>'),
    "xhtml": (
        200,
        HTML,
        "<?xml version='1.0'?>\n<!DOCTYPE html>\n<html><input type='password'/></html>",
    ),
    "after a mark and a comment": (
        200,
        HTML,
        "\ufeff\n<!-- portal --><html><body>Please log in</body></html>",
    ),
    "a page whose script speaks of bans": (
        200,
        HTML,
        '<html><input type="password"><script>m = "too many requests"</script></html>',
    ),
    "with 401": (401, HTML, "<html><h1>Please sign in</h1></html>"),
    "with 403": (403, HTML, "<html><form><input name=x type=password></form></html>"),
    "a redirection": (302, {"Location": "https://idp.example.edu/saml2/sso?x=1"}, ""),
}


def ask_everything(client: RedcapClient, way: str) -> object:
    changes = pd.DataFrame(
        [["1", "", "", "", "name", "x"], ["2", "", "", "", "name", "y"]],
        columns=["record", "event", "repeat_instrument", "repeat_instance", "field", "new"],
        dtype="str",
    )
    calls: dict[str, Any] = {
        "version": client.version,
        "json": client.arms,
        "name": client.next_record_name,
        "export": lambda: client.export_rows(["name"], record_id_field="id", records=["1", "2"]),
        "import": lambda: client.import_cells(changes, "id"),
    }
    return calls[way]()


WAYS = ("version", "json", "name", "export", "import")


@responses.activate
@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("reply", BANS.values(), ids=BANS)
def test_a_ban_is_one_error_after_one_request(reply: Reply, way: str) -> None:
    """Whatever was asked and however the server says it: not repeated, not halved, and told."""
    answer_always(reply)
    clock = HandClock()
    with pytest.raises(Banned, match=r"banned.*administrators.*requests_per_minute") as failed:
        ask_everything(new_client(clock=clock), way)
    assert len(responses.calls) == 1
    assert clock.pauses == []
    assert failed.value.exit_code is ExitCode.PARTLY_FAILED
    assert "192.0.2.7" not in str(failed.value)


@responses.activate
@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("reply", LOGINS.values(), ids=LOGINS)
def test_a_login_page_is_waited_out(reply: Reply, way: str) -> None:
    """Five times, with pauses; then the message says what came and what may be done."""
    answer_always(reply)
    clock = HandClock()
    with pytest.raises(UnusableAnswer, match=r"login page instead of data.*single sign-on"):
        ask_everything(new_client(clock=clock), way)
    assert clock.pauses == [2, 4, 8, 16]


@responses.activate
def test_a_login_page_that_passes_changes_nothing() -> None:
    """One login page, one redirection to one, then the answer."""
    replies = iter([LOGINS["html"], LOGINS["a redirection"], (200, HTML, "14.9.1")])
    answer_with(lambda _: next(replies))
    assert new_client().version() == "14.9.1"


@responses.activate
def test_a_redirection_elsewhere_is_a_wrong_address() -> None:
    """Only what leads to a login passes; another redirection is told at once."""
    responses.add(responses.POST, URL, status=301, headers={"Location": "https://new.example/api"})
    with pytest.raises(RequestRefused, match="correct the address"):
        new_client().arms()
    assert len(responses.calls) == 1


@responses.activate
def test_a_page_of_a_wrong_address_is_no_login_page() -> None:
    """Its heading may offer a login; HTTP 404 does not pass."""
    answer_always((404, HTML, "<html><a>Log in</a><h1>Not found</h1></html>"))
    with pytest.raises(RequestRefused, match="is the address right"):
        new_client().arms()
    assert len(responses.calls) == 1


@responses.activate
@pytest.mark.parametrize(
    "body",
    [
        f'id,name\n1,"{BANNED}"\n',
        "id,name\n1,IP address banned\n",
        "id,name\nYour IP address has been banned,2\n",
    ],
)
def test_data_that_speak_of_bans_are_data(body: str) -> None:
    """A participant may write what he likes."""
    answer_always((200, CSV, body))
    assert len(new_client().export_rows(["name"], record_id_field="id")) == 1


@responses.activate
def test_a_refused_value_that_speaks_of_bans_is_a_refused_value() -> None:
    """The words of a value are not the server's."""
    said = f'"1","name","{BANNED}","The value is not valid"'
    answers = iter([json_reply({"error": said}, 400), json_reply({"count": 1})])
    answer_with(lambda _: next(answers))
    result: Any = ask_everything(new_client(), "import")
    assert [(one.record, one.field) for one in result.refused] == [("1", "name")]
    assert result.records_accepted == {"2"}


@responses.activate
def test_a_refused_token_is_no_ban() -> None:
    """HTTP 403 alone says nothing of bans."""
    answer_always(json_reply({"error": "You do not have permissions to use the API"}, 403))
    with pytest.raises(TokenRefused):
        new_client().arms()


@responses.activate
def test_after_a_ban_nothing_is_sent_for_a_while(tmp_path: Path) -> None:
    """For 15 minutes no program of this account asks that host; then the first one tries again."""
    clock = HandClock()
    budget: Any = RequestBudget(tmp_path, URL, clock=clock)
    other: Any = RequestBudget(tmp_path, "https://other.example.edu/api/", clock=clock)
    answer_always((200, HTML, BANNED))
    with pytest.raises(Banned, match="lift the ban"):
        new_client(clock=clock, budget=budget).version()
    clock.instant += timedelta(minutes=14)
    with pytest.raises(Banned, match=r"not asked.*after 12:15 UTC"):
        new_client(clock=clock, budget=budget).arms()
    assert len(responses.calls) == 1
    assert other.silent_until() is None
    clock.instant += timedelta(minutes=1)
    with pytest.raises(Banned, match="lift the ban"):
        new_client(clock=clock, budget=budget).arms()
    assert len(responses.calls) == 2


@pytest.mark.parametrize("content", [b"", b"abc", b"\xff" * 8])
def test_a_note_of_a_ban_that_cannot_be_read_holds_up_nothing(
    tmp_path: Path, content: bytes
) -> None:
    """A damaged note is no ban; one from the future (a clock set back) is none either."""
    clock = HandClock()
    budget = RequestBudget(tmp_path, URL, clock=clock)
    budget.keep_silent()
    assert budget.silent_until() == clock.now() + timedelta(minutes=15)
    (note,) = tmp_path.glob("*.banned")
    assert note.stat().st_mode & 0o777 == 0o600
    note.write_bytes(content)
    assert budget.silent_until() is None
    budget.keep_silent()
    clock.instant -= timedelta(hours=1)
    assert budget.silent_until() is None


@responses.activate
def test_memory_that_lacked_for_a_small_call_is_asked_for_again() -> None:
    """What cannot be asked for in parts is asked for again: the server's bad moment may pass."""
    memory = json_reply({"error": "REDCap ran out of server memory."}, 500)
    replies = iter([memory, memory, json_reply([])])
    answer_with(lambda _: next(replies))
    assert new_client().arms() == ()
    answer_always(memory)
    with pytest.raises(ServerOverloaded):
        new_client(budget=FreeBudget()).next_record_name()


def test_the_words_of_a_ban_name_the_study_file_s_setting() -> None:
    """The message names a setting that exists."""
    from redcap_jobs.study.config import Limits

    assert "requests_per_minute" in BAN
    assert "requests_per_minute" in Limits.model_fields
