"""Long answers go out piece by piece."""

from __future__ import annotations

import gzip
import http.client
import json
import socket
from collections.abc import Iterator
from random import Random
from time import monotonic

import pytest
from sandbox_projects import TIMEOUT, Caller, registry

from redcap_jobs.sandbox.answers import Plain, Table, csv_lines, rows_at_once
from redcap_jobs.sandbox.context import Counts
from redcap_jobs.sandbox.faults import FaultRule
from redcap_jobs.sandbox.parameters import Refusal
from redcap_jobs.sandbox.replies import WHOLE_UP_TO_CHARACTERS, whole, without_a_tenth, written
from redcap_jobs.sandbox.server import Sandbox
from redcap_jobs.sandbox.store import Record, RowKey, Snapshot

MANY = 5_000
COLUMNS = ("id", "name")
AT_ONCE = rows_at_once(len(COLUMNS))
FORMATS = pytest.mark.parametrize("format_", ["csv", "json", "xml"])


def rows(number: int, taken: list[int] | None = None) -> Iterator[tuple[str, str]]:
    """Yield rows of a hundred characters, noting which were taken."""
    for place in range(number):
        if taken is not None:
            taken.append(place)
        yield str(place), "x" * 100


@pytest.fixture
def many() -> Iterator[Sandbox]:
    """Serve a project whose export is long."""
    project = registry()
    project.store.current = Snapshot(
        {str(place): Record({RowKey(): {"name": "x" * 100}}) for place in range(MANY)}
    )
    with Sandbox([project]) as sandbox:
        yield sandbox


@FORMATS
@pytest.mark.parametrize("number", [0, 1, AT_ONCE, AT_ONCE + 1, 3 * AT_ONCE])
def test_pieces_make_the_whole(format_: str, number: int) -> None:
    """However many rows, the pieces are the table's text; a generator is as good as a list."""
    listed = Table(COLUMNS, list(rows(number)), root="records").body(format_)[0]
    assert "".join(Table(COLUMNS, rows(number), root="records").chunks(format_)) == listed
    if format_ == "json":
        assert json.loads(listed) == [dict(zip(COLUMNS, row, strict=True)) for row in rows(number)]
    assert listed.count("x" * 100) == number


@FORMATS
def test_only_the_beginning_is_held_in_memory(format_: str) -> None:
    """Rows are taken as the client takes them: the rest of a table waits in its generator."""
    taken: list[int] = []
    reply = written(Table(COLUMNS, rows(MANY, taken)), format_, Counts(), None)
    assert reply.rest is not None
    assert len(taken) <= WHOLE_UP_TO_CHARACTERS / 100 + AT_ONCE
    next(reply.rest)
    assert len(taken) < WHOLE_UP_TO_CHARACTERS / 100 + 2 * AT_ONCE
    assert sum(len(part) for part in whole(reply)) > 100 * (MANY - 2 * AT_ONCE) - len(taken)


def test_a_refusal_of_the_first_rows_is_still_a_refusal() -> None:
    """The status goes out after the beginning was written."""

    def refusing() -> Iterator[tuple[str, str]]:
        raise Refusal(400, "no")
        yield ("", "")

    with pytest.raises(Refusal):
        written(Table(COLUMNS, refusing()), "csv", Counts(), None)


def test_short_answers_are_whole() -> None:
    """A short table and a bare text are written at once."""
    assert written(Table(COLUMNS, rows(3)), "csv", Counts(), None).rest is None
    assert written(Plain("14.9.0"), "csv", Counts(), None).body == b"14.9.0"


@pytest.mark.parametrize("number", [0, 1, 9, 10, 11, 2000])
def test_missing_rows(number: int) -> None:
    """One of the first ten rows and a tenth of the others, in their order; others each time."""
    every = list(rows(number))
    kept = [list(without_a_tenth(iter(every), Random(seed))) for seed in range(2)]  # noqa: S311 - repeatable
    for some in kept:
        assert some == [row for row in every if row in set(some)]
        assert len(set(every[:10]) - set(some)) == min(number, 1)
        if number == 2000:
            assert 1700 < len(some) < 1900
            assert kept[0] != kept[1]


@FORMATS
@pytest.mark.parametrize("encoding", ["gzip", "identity"])
def test_a_long_export_over_the_wire(many: Sandbox, format_: str, encoding: str) -> None:
    """Chunked, compressed if the client takes it; the log counts what was sent."""
    connection = http.client.HTTPConnection("127.0.0.1", many.port, timeout=TIMEOUT)
    token = many.tokens["REDCAP_API_SMALL_REGISTRY"]
    headers = {"Content-Type": "application/x-www-form-urlencoded", "Accept-Encoding": encoding}
    form = f"token={token}&content=record&format={format_}"
    connection.request("POST", "/api/", form, headers)
    response = connection.getresponse()
    assert response.headers["Transfer-Encoding"] == "chunked"
    assert "Content-Length" not in response.headers
    body = response.read()
    connection.close()
    text = gzip.decompress(body) if encoding == "gzip" else body
    assert text.count(b"x" * 100) == MANY
    assert (len(body) < len(text) / 10) == (encoding == "gzip")
    (entry,) = many.requests
    assert (entry.rows, entry.status) == (MANY, 200)


def test_a_client_that_goes_away_ends_its_export() -> None:
    """No more rows are made than were taken, and the log says how many."""
    project = registry()
    people = {str(place): Record({RowKey(): {"name": "x" * 3000}}) for place in range(MANY)}
    project.store.current = Snapshot(people)
    with Sandbox([project]) as sandbox:
        form = f"token={project.token}&content=record&format=csv".encode()
        head = (
            f"POST /api/ HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(form)}\r\n"
            "Content-Type: application/x-www-form-urlencoded\r\n\r\n"
        )
        with socket.create_connection(("127.0.0.1", sandbox.port), TIMEOUT) as connection:
            connection.sendall(head.encode() + form)
            assert connection.recv(100).startswith(b"HTTP/1.1 200")
        begun = monotonic()
        while not sandbox.requests:
            assert monotonic() - begun < TIMEOUT
        (entry,) = sandbox.requests
        assert 0 < entry.rows < MANY


def test_faults_of_a_long_export(many: Sandbox) -> None:
    """A tenth of the rows is missing, and counted as not sent; half of a text is half of all."""
    caller = Caller(many.url, many.tokens["REDCAP_API_SMALL_REGISTRY"])
    all_of_it = caller.post(content="record", format="json")
    many.fault("missing-rows", times=1)
    kept = caller.post(content="record", format="json").json()
    assert MANY * 0.88 < len(kept) < MANY * 0.92
    assert many.requests[-1].rows == len(kept)
    many.fault("cut-json", times=1)
    cut = caller.post(content="record", format="json")
    assert len(cut.content) == len(all_of_it.content) // 2


def test_half_a_letter_does_not_break_an_answer() -> None:
    """What no server could keep goes out as a question mark."""
    assert written(Plain("a\ud800b"), "csv", Counts(), None).body == b"a?b"


@pytest.mark.parametrize("name", ["504", "missing-rows"])
def test_other_faults_leave_a_stream_a_stream(name: str) -> None:
    """Only what needs the whole text has it written at once."""
    rule = FaultRule(name, times=1)
    assert written(Table(COLUMNS, rows(MANY)), "csv", Counts(), rule).rest is not None
    cut = FaultRule("cut-json", times=1)
    assert written(Table(COLUMNS, rows(MANY)), "csv", Counts(), cut).rest is None


@pytest.mark.parametrize("delimiter", [",", "\t", ";", "|", "^"])
def test_cells_are_quoted_for_what_is_in_them(delimiter: str) -> None:
    """A blank, a tab, a quote, a backslash, a line's end, and the delimiter that is in use."""
    cells = ["plain", "a b", "a\tb", 'a"b', "a\\b", "a\nb", "a\rb", f"a{delimiter}b", 7, "", "a,b"]
    (line,) = csv_lines([cells], delimiter)
    alone = [csv_lines([[cell]], delimiter)[0] for cell in cells]
    assert line == delimiter.join(alone)
    comma = '"a,b"' if delimiter == "," else "a,b"
    assert alone[:4] == ["plain", '"a b"', '"a\tb"', '"a""b"']
    assert alone[4:7] == ['"a\\b"', '"a\nb"', '"a\rb"']
    assert alone[7:] == [f'"a{delimiter}b"', "7", "", comma]


def test_short_rows_go_out_more_at_a_time() -> None:
    """A piece of an EAV export is no shorter than needed: each costs the server some work."""
    assert (rows_at_once(3), rows_at_once(200), rows_at_once(0)) == (500, 100, 1_500)
