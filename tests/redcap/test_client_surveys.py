"""Survey links: from one list where that is allowed, else one by one; and they are private."""

from __future__ import annotations

import logging
from collections import Counter
from typing import Any

import pytest
import responses
from client_doubles import (
    FreeBudget,
    HandClock,
    Reply,
    answer_always,
    answer_with,
    forms,
    json_reply,
    new_client,
)

from redcap_jobs.redcap.errors import (
    Banned,
    RedcapError,
    RequestRefused,
    ServerOverloaded,
    TokenRefused,
    UnusableAnswer,
)

HTML = {"Content-Type": "text/html; charset=UTF-8"}
BASE = "https://redcap.example.edu/surveys/?s="
EVENT = "month_2_arm_1"


def link(record: str) -> str:
    return f"{BASE}LINK{record}"


def participant(record: str, survey_link: str | None = None) -> dict[str, object]:
    return {
        "email": "parent@example.org",
        "email_occurrence": 1,
        "identifier": "Ms Example",
        "record": record,
        "invitation_sent_status": 0,
        "invitation_send_time": "",
        "response_status": 0,
        "survey_access_code": "ABCDEFGHI",
        "survey_link": link(record) if survey_link is None else survey_link,
    }


def server(listed: Reply | list[dict[str, object]], known: str = "1 2 3 4 5") -> None:
    """Answer with a participant list (or a refusal), and single links of the known records."""

    def answer(form: dict[str, str]) -> Reply:
        if form["content"] == "participantList":
            return listed if isinstance(listed, tuple) else json_reply(listed)
        if form["record"] not in known.split():
            return json_reply({"error": f'The record "{form["record"]}" does not exist'}, 400)
        return 200, HTML, link(form["record"])

    answer_with(answer)


def asked() -> Counter[str]:
    return Counter(form["content"] for form in forms())


NO_RIGHT = json_reply({"error": "You do not have Manage Survey Participants privileges"}, 403)


@responses.activate
def test_all_links_of_one_survey_and_event_in_one_request() -> None:
    """The list names everybody: one request, and only those asked for come back, in their order."""
    server([participant(str(number)) for number in range(1, 6)])
    links = new_client().survey_links("diary", EVENT, ["4", "2", "2"])
    assert list(links.items()) == [("4", link("4")), ("2", link("2"))]
    (form,) = forms()
    assert form["content"] == "participantList"
    assert (form["instrument"], form["event"], form["format"]) == ("diary", EVENT, "json")


@responses.activate
def test_without_the_right_each_link_is_one_request() -> None:
    """HTTP 403 to the list: surveyLink for each; the list is not tried a second time."""
    server(NO_RIGHT)
    client = new_client()
    assert client.survey_links("diary", EVENT, ["1", "2"]) == {"1": link("1"), "2": link("2")}
    assert client.survey_links("diary", "month_4_arm_1", ["3", "4"]) == {
        "3": link("3"),
        "4": link("4"),
    }
    assert asked() == {"participantList": 1, "surveyLink": 4}
    assert {form["event"] for form in forms()} == {EVENT, "month_4_arm_1"}


@responses.activate
def test_a_list_that_is_refused_for_another_reason_is_tried_for_the_next_survey() -> None:
    """HTTP 400 is about this instrument; the right is there."""
    server(json_reply({"error": "The instrument is not a survey"}, 400))
    client = new_client()
    for _ in range(2):
        assert len(client.survey_links("diary", EVENT, ["1", "2"])) == 2
    assert asked() == {"participantList": 2, "surveyLink": 4}


@responses.activate
def test_whom_the_list_does_not_name_is_asked_for_singly() -> None:
    """No record, no link, half a link, or two links of one record: surveyLink decides."""
    server(
        [
            participant("1"),
            participant("2", ""),
            participant("3", "https://redcap.example.edu/surveys/?s="),
            participant("4", f"{BASE}FIRST"),
            participant("4", f"{BASE}SECOND"),
            participant("", f"{BASE}NOBODY"),
        ]
    )
    links = new_client().survey_links("diary", EVENT, ["1", "2", "3", "4", "5"])
    assert links == {record: link(record) for record in "12345"}
    assert asked() == {"participantList": 1, "surveyLink": 4}


@responses.activate
def test_one_record_needs_no_list() -> None:
    """A list would bring everybody's e-mail address for nothing."""
    server([participant("1")])
    assert new_client().survey_links("diary", "", ["1"]) == {"1": link("1")}
    (form,) = forms()
    assert (form["content"], form["record"]) == ("surveyLink", "1")
    assert "event" not in form


@responses.activate
def test_a_record_that_redcap_does_not_know_is_left_out() -> None:
    """The others get their links."""
    server(NO_RIGHT, known="1 3")
    assert set(new_client().survey_links("diary", EVENT, ["1", "2", "3"])) == {"1", "3"}
    assert new_client().survey_links("diary", EVENT, []) == {}


@responses.activate
@pytest.mark.parametrize(
    ("reply", "kind"),
    [
        (NO_RIGHT, TokenRefused),
        (json_reply({"error": "The instrument is not a survey"}, 400), RequestRefused),
        ((200, HTML, "Your IP address has been banned due to suspected abuse."), Banned),
    ],
)
def test_a_refusal_of_everything_is_told_after_one_more_request(
    reply: Reply, kind: type[RedcapError]
) -> None:
    """Not one refusal per record: the first single link that is refused ends it."""
    answer_always(reply)
    with pytest.raises(kind):
        new_client().survey_links("diary", EVENT, [str(number) for number in range(50)])
    assert len(responses.calls) == (1 if kind is Banned else 2)


@responses.activate
def test_every_link_asks_the_budget() -> None:
    """Single links count against the request budget like everything else."""
    server(NO_RIGHT)
    budget = FreeBudget()
    new_client(budget=budget).survey_links("diary", EVENT, ["1", "2", "3"])
    assert budget.taken == 4


@responses.activate
@pytest.mark.parametrize(
    "body",
    [
        "https://redcap.example.edu/sur",
        "https://redcap.example.edu/surveys/?s=",
        "ftp://redcap.example.edu/surveys/?s=ABCDEF",
        "no link",
        f"{BASE}ABCDEF\n{BASE}GHIJKL",
    ],
)
def test_half_a_link_is_no_link(body: str) -> None:
    """What is no whole address of a survey is asked for again, and reaches nobody."""
    answer_always((200, HTML, body))
    with pytest.raises(UnusableAnswer):
        new_client().survey_links("diary", EVENT, ["1"])
    assert len(responses.calls) == 5


@responses.activate
def test_an_empty_link_is_waited_for() -> None:
    """An empty answer is a server in trouble."""
    replies = iter([(200, HTML, ""), (200, HTML, f" {link('1')}\n")])
    answer_with(lambda _: next(replies))
    clock = HandClock()
    assert new_client(clock=clock).survey_links("d", "", ["1"]) == {"1": link("1")}
    assert clock.pauses == [2]
    answer_always((200, HTML, ""))
    with pytest.raises(ServerOverloaded):
        new_client().survey_queue_link("1")


@responses.activate
@pytest.mark.parametrize("data", [{"record": "1"}, ["1"], [{"record": "1"}], [{"survey_link": ""}]])
def test_a_list_of_another_shape_is_no_list(data: object) -> None:
    """Links are not guessed at."""
    answer_always(json_reply(data))
    with pytest.raises(UnusableAnswer):
        new_client().survey_links("diary", EVENT, ["1", "2"])


@responses.activate
def test_queue_link_and_return_code() -> None:
    """One call each; what does not apply is left out of the form."""
    replies: Any = iter(
        [
            (200, HTML, "https://redcap.example.edu/surveys/?sq=QUEUE12345"),
            (200, HTML, "ABCD1234"),
            (200, HTML, "WXYZ9876"),
        ]
    )
    answer_with(lambda _: next(replies))
    client = new_client()
    assert client.survey_queue_link("7").endswith("?sq=QUEUE12345")
    assert client.survey_return_code("7", "diary", EVENT) == "ABCD1234"
    assert client.survey_return_code("7", "diary", EVENT, repeat_instance="2") == "WXYZ9876"
    first, second, third = forms()
    assert (first["content"], first["record"]) == ("surveyQueueLink", "7")
    assert not {"instrument", "event", "repeat_instance"} & first.keys()
    assert (second["content"], second["instrument"]) == ("surveyReturnCode", "diary")
    assert "repeat_instance" not in second
    assert third["repeat_instance"] == "2"


@responses.activate
@pytest.mark.parametrize("body", ["two words", "ABC", "<b>ABCD1234</b>", "A" * 21])
def test_another_text_is_no_return_code(body: str) -> None:
    """A code is a short run of letters and digits."""
    answer_always((200, HTML, body))
    with pytest.raises(UnusableAnswer) as failed:
        new_client().survey_return_code("7", "diary", EVENT)
    assert body not in str(failed.value)


@responses.activate
def test_no_link_gets_into_logs_or_errors(caplog: pytest.LogCaptureFixture) -> None:
    """Neither a good answer nor a refusal that quotes a link leaves one anywhere."""
    private = ("LINK1", "LINK2", "parent@example.org", "Ms Example", "ABCDEFGHI")
    server([participant("1"), participant("2", "")])
    shown = []
    with caplog.at_level(logging.DEBUG, "redcap_jobs"):
        new_client().survey_links("diary", EVENT, ["1", "2"])
        responses.reset()
        said = f"{link('1')} and https://redcap.example.edu/surveys/index.php?pid=1&s=LINK2 failed"
        answer_always(json_reply({"error": said}, 400))
        with pytest.raises(RequestRefused, match=r"\[link\] and \[link\] failed") as failed:
            new_client().survey_queue_link("1")
    shown = [str(failed.value), *(record.getMessage() for record in caplog.records)]
    assert len(shown) > 1
    assert not [text for text in shown for secret in private if secret in text]
