"""Imports in parts: what is too long, too much, refused bit by bit, or erased."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import responses
from client_doubles import Reply, answer_with, csv_reply, forms, json_reply, listed, new_client
from test_client_cells import HARD, cells, first_run
from test_client_imports import count_all, lines, records_in, simple

from redcap_jobs.redcap.client import RedcapClient
from redcap_jobs.redcap.errors import RedcapError, RefusedValue, RequestRefused, ServerFailed
from redcap_jobs.redcap.imports import NOT_ERASED, REFUSAL_ROUNDS, ImportResult
from redcap_jobs.sandbox.dictionary import Choice, Field
from redcap_jobs.sandbox.project import SandboxProject, Settings
from redcap_jobs.sandbox.server import Sandbox
from redcap_jobs.sandbox.structure import Arm, Event, Form, Structure

HTML = {"Content-Type": "text/html"}
FIELDS = (
    Field("record_id", "notes", "text", "ID"),
    Field("note", "notes", "notes", "Note"),
    Field("box", "notes", "checkbox", "Box", (Choice("1", "One"),)),
)
EVENTS = (
    Event("first_arm_1", "First", 1, event_id=1),
    Event("second_arm_1", "Second", 1, event_id=2),
)
MAPPING = frozenset((event.unique_name, "notes") for event in EVENTS)


@pytest.fixture
def study() -> Iterator[RedcapClient]:
    """A client of a sandbox with two events and nothing in it."""
    structure = Structure(FIELDS, (Form("notes", "Notes"),), (Arm(1, "Arm"),), EVENTS, MAPPING)
    project = SandboxProject(903, "Small Notes", structure, Settings())
    with Sandbox([project]) as server:
        (token,) = server.tokens.values()
        with new_client(server.url, token=token) as client:
            yield client


def test_hard_values_are_stored_as_they_are(study: RedcapClient) -> None:
    """Quotes, commas, line breaks, Cyrillic and backslashes come back from a server unchanged."""
    values = [value for value in [*HARD, "C:\\", '\\"', "NA", "007"] if value]
    changes = cells(
        [[f"r{number}", "first_arm_1", "", "", "note", one] for number, one in enumerate(values)]
    )
    plain = changes[~changes["new"].str.contains("\\", regex=False)]
    for part in (plain, changes[~changes.index.isin(plain.index)]):
        assert study.import_cells(part, "record_id").refused == ()
    rows = study.export_rows(["note"], record_id_field="record_id")
    assert dict(zip(rows["record"], rows["note"], strict=True)) == dict(
        zip(changes["record"], changes["new"], strict=True)
    )


def test_erased_cells_are_erased(study: RedcapClient) -> None:
    """Text and checkbox, the last values of their event's row: gone, and nothing is reported."""
    places = [
        ["1", event.unique_name, "", "", field] for event in EVENTS for field in ("note", "box___1")
    ]
    study.import_cells(cells([[*place, "1"] for place in places]), "record_id")
    gone = [place for place in places if place[1] == "second_arm_1"]
    result = study.import_cells(
        cells([[*place, ""] for place in gone]), "record_id", overwrite=True
    )
    assert result == ImportResult(2, frozenset({"1"}))
    rows = study.export_rows(["note", "box"], record_id_field="record_id")
    second = rows[rows["event"] == "second_arm_1"]
    assert set(second["note"]) <= {""}
    assert set(second["box___1"]) <= {"", "0"}
    assert rows[rows["event"] == "first_arm_1"]["note"].tolist() == ["1"]


@responses.activate
def test_a_cell_that_was_not_erased_is_reported() -> None:
    """Blanks go with overwrite and alone; what still holds something afterwards is told.

    What REDCap makes of blank EAV rows is not documented, so its count is not believed: one
    export of these records and fields shows it. Unticked boxes and statuses come as 0.
    """
    header = ["record_id", "redcap_event_name", "name", "box___1", "visit_complete"]

    def answer(form: dict[str, str]) -> Reply:
        if "data" in form:
            return count_all(form)
        return csv_reply([header, ["1", "a", "", "0", "0"], ["2", "a", "still here", "1", ""]])

    answer_with(answer)
    blank = [[r, "a", "", "", f, ""] for r in "12" for f in ("name", "box___1", "visit_complete")]
    result = new_client().import_cells(cells(blank), "record_id", overwrite=True)
    assert result == ImportResult(
        4,
        frozenset({"1"}),
        (
            RefusedValue("2", "name", NOT_ERASED, "a"),
            RefusedValue("2", "box___1", NOT_ERASED, "a"),
        ),
    )
    sent, back = forms()
    assert sent["overwriteBehavior"] == "overwrite"
    assert listed(back, "records") == ["1", "2"]
    assert listed(back, "fields") == ["record_id", "name", "box", "visit_complete"]


@responses.activate
def test_a_web_server_s_limit_is_answered_with_smaller_imports() -> None:
    """HTTP 413 is the same the second time: the import halves at once, and all is stored."""
    answer_with(
        lambda form: (
            (413, HTML, "<html>Request Entity Too Large</html>")
            if len(form["data"]) > 70
            else count_all(form)
        )
    )
    result = new_client().import_cells(simple(*"abcdefgh"), "record_id")
    assert result.records_accepted == frozenset("abcdefgh")
    assert [len(records_in(form)) for form in forms()] == [8, 4, 2, 2, 4, 2, 2]


@responses.activate
@pytest.mark.parametrize("status", [500, 503])
def test_a_server_that_fails_at_large_imports_gets_smaller_ones(status: int) -> None:
    """A page of HTTP 500 or 503 five times over: the halves are tried, and stored."""
    answer_with(
        lambda form: (
            (status, HTML, "<html>Oops</html>") if len(records_in(form)) > 2 else count_all(form)
        )
    )
    result = new_client().import_cells(simple(*"abcd"), "record_id")
    assert result == ImportResult(4, frozenset("abcd"))
    assert [len(records_in(form)) for form in forms()] == [4] * 5 + [2, 2]


@responses.activate
def test_a_server_that_fails_whatever_the_size_is_told_as_that() -> None:
    """Halving ends at one record: then the error is the server's own."""
    answer_with(lambda _: (500, HTML, "<html>Oops</html>"))
    with pytest.raises(ServerFailed, match="HTTP 500"):
        new_client().import_cells(simple("1", "2"), "record_id")


@responses.activate
def test_imports_are_cut_by_bytes_too() -> None:
    """At most so many bytes of encoded form per import, by a parameter; records stay whole."""
    answer_with(count_all)
    changes = simple(*"abcdef", new="é" * 20)
    result = new_client(bytes_per_import=300).import_cells(changes, "record_id")
    assert result == ImportResult(6, frozenset("abcdef"))
    assert [len(records_in(form)) for form in forms()] == [2, 2, 2]


@responses.activate
def test_a_first_run_is_at_most_four_requests() -> None:
    """850 participants, 5 visits, 6 fields: at most 4 imports, each far below 1 MB."""
    answer_with(count_all)
    changes = first_run()
    result = new_client().import_cells(changes, "record_id")
    assert result.sent_cells == len(changes)
    assert len(responses.calls) <= 4
    assert max(len(call.request.body or b"") for call in responses.calls) <= 702_000


def refuse_one(form: dict[str, str], bad: set[str]) -> Reply:
    """Answer like a server that names one refused value at a time."""
    for record in records_in(form):
        if record in bad:
            return json_reply({"error": lines([record, "name", "value", "No"])}, 400)
    return count_all(form)


@responses.activate
def test_values_refused_one_at_a_time_are_all_taken_out() -> None:
    """One refused value per answer: each record goes out in turn, the rest is stored."""
    bad = {str(number) for number in range(0, 2 * REFUSAL_ROUNDS, 2)}
    answer_with(lambda form: refuse_one(form, bad))
    records = [str(number) for number in range(2 * REFUSAL_ROUNDS)]
    result = new_client().import_cells(simple(*records), "record_id")
    assert {one.record for one in result.refused} == bad
    assert result.records_accepted == set(records) - bad


@responses.activate
def test_endless_refusals_end_with_a_clear_error() -> None:
    """There is a bound on repetitions, not on Python's stack: the error says where to look."""
    records = [str(number) for number in range(2000)]
    answer_with(lambda form: refuse_one(form, set(records)))
    with pytest.raises(RequestRefused, match="rest of this import is not stored") as failed:
        new_client().import_cells(simple(*records), "record_id")
    assert isinstance(failed.value, RedcapError)
    assert len(responses.calls) == REFUSAL_ROUNDS + 1


@responses.activate
@pytest.mark.parametrize("body", ["1", '"1"', '{"count":1}', '{"count": "1"}\n'])
def test_a_count_is_read_in_any_of_its_forms(body: str) -> None:
    """The count comes as JSON, or bare as the format of the data asks for."""
    answer_with(lambda _: (200, {"Content-Type": "text/csv"}, body))
    assert new_client().import_cells(simple("1"), "record_id").sent_cells == 1
