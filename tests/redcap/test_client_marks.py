"""A byte order mark before an answer: a file of PHP that was saved with one sends it each time."""

from __future__ import annotations

import json

import pandas as pd
import pytest
import responses
from client_doubles import Reply, answer_always, new_client

from redcap_jobs.redcap.errors import RedcapError, ServerOverloaded, TokenRefused, UnusableAnswer
from redcap_jobs.redcap.imports import ImportResult

JSON = {"Content-Type": "application/json; charset=utf-8"}
MARKS = ["\ufeff", "\ufeff\ufeff", "\r\n\ufeff\n"]


def marked(mark: str, body: str, status: int = 200) -> Reply:
    return status, JSON, mark + body


def imported() -> ImportResult:
    names = ["record", "event", "repeat_instrument", "repeat_instance", "field", "new"]
    changes = pd.DataFrame([["1", "", "", "", "code", "x7"]], columns=names, dtype="str")
    return new_client().import_cells(changes, "record_id")


@responses.activate
@pytest.mark.parametrize("mark", MARKS)
def test_a_mark_is_no_part_of_a_name_or_version(mark: str) -> None:
    """The name of a user in a data access group is told from others by its form: 20-1."""
    answer_always(marked(mark, "20-1"))
    assert new_client().next_record_name() == "20-1"
    responses.reset()
    answer_always(marked(mark, "14.9.1"))
    assert new_client().version() == "14.9.1"


@responses.activate
@pytest.mark.parametrize("mark", MARKS)
def test_a_marked_count_is_a_count(mark: str) -> None:
    """An import that was taken is not sent five times and then called failed."""
    answer_always(marked(mark, '{"count": 1}'))
    assert imported().sent_cells == 1
    assert len(responses.calls) == 1


@responses.activate
@pytest.mark.parametrize("mark", MARKS)
def test_marked_json_is_json(mark: str) -> None:
    """Structure comes as JSON, which must not begin with a mark but does where PHP adds one."""
    answer_always(marked(mark, '[{"arm_num": 1, "name": "Drug A"}]'))
    assert [arm.number for arm in new_client().arms()] == [1]


@responses.activate
@pytest.mark.parametrize("mark", MARKS)
def test_a_marked_refusal_keeps_its_values_private(mark: str) -> None:
    """Refused values are read out of their envelope, not quoted with it."""
    line = '"1","code","x7","The value is not a valid category for code"'
    answer_always(marked(mark, json.dumps({"error": line}), 400))
    (refused,) = imported().refused
    assert (refused.record, refused.field) == ("1", "code")
    assert "x7" not in refused.message


@responses.activate
@pytest.mark.parametrize("mark", MARKS)
@pytest.mark.parametrize(
    ("status", "said", "kind"),
    [
        (403, '{"error":"You do not have permissions to use the API"}', TokenRefused),
        (200, '{"error":"You do not have permissions to use the API"}', RedcapError),
        (200, "REDCap ran out of server memory. The request", ServerOverloaded),
        (200, "<html><body>unknown error</body></html>", UnusableAnswer),
    ],
)
def test_a_marked_fault_is_the_same_fault(
    mark: str, status: int, said: str, kind: type[RedcapError]
) -> None:
    """What an answer is does not hang on a mark before it."""
    answer_always(marked(mark, said, status))
    with pytest.raises(kind) as failed:
        new_client().version()
    assert "{" not in str(failed.value)
    assert "is no version" not in str(failed.value)


@responses.activate
def test_json_of_endless_depth_is_no_answer() -> None:
    """Brackets without end exhaust the reader, which is an answer's fault like any other."""
    answer_always(marked("", "[" * 200_000))
    with pytest.raises(UnusableAnswer, match="no JSON"):
        new_client().arms()
