"""Exports: one request where that works, batches that shrink where not, and nobody left out."""

from __future__ import annotations

import json
from typing import Any

import pandas as pd
import pytest
import responses
from client_doubles import (
    LABEL,
    HandClock,
    Reply,
    Rows,
    answer_always,
    answer_with,
    csv_reply,
    forms,
    json_reply,
    listed,
    memory_reply,
    new_client,
)
from hypothesis import given, settings
from hypothesis import strategies as st

from redcap_jobs.redcap.answers import Call
from redcap_jobs.redcap.errors import RowsMissing, ServerOverloaded, UnusableAnswer
from redcap_jobs.redcap.export_form import Export, LineBreaks, Watched
from redcap_jobs.redcap.frames import KEYS

HEADER = [
    "record_id",
    "redcap_event_name",
    "redcap_repeat_instrument",
    "redcap_repeat_instance",
    "redcap_data_access_group",
    "name",
    "consent___1",
    "consent____4",
    "visit_complete",
]
STUDY = Rows(
    HEADER,
    [
        ["01", "baseline_arm_1", "", "", "north", "NA", "1", "0", "2"],
        ["01", "baseline_arm_1", "message_log", "1", "north", "", "", "", ""],
        ["01", "month_2_arm_1", "", "", "north", "Иван", "", "", "0"],
        ["2", "baseline_arm_1", "", "", "", 'two,\n"lines"', "0", "1", ""],
    ],
)


def many(count: int) -> Rows:
    return Rows(["record_id", "name"], [[str(number), "x"] for number in range(count)])


def export(**settings: Any) -> pd.DataFrame:
    fields = settings.pop("fields", ["name"])
    records = settings.pop("records", ())
    events = settings.pop("events", ())
    client = new_client(**settings)
    return client.export_rows(fields, record_id_field="record_id", records=records, events=events)


STAMPED = Rows(
    ["record_id", "diary_timestamp", "diary_complete"],
    [["1", "2026-03-01 10:00:00", "2"], ["2", "[not completed]", "0"], ["3", "", "0"]],
)


@responses.activate
def test_survey_time_stamps_come_along_where_they_are_asked_for() -> None:
    """One parameter more, no request more; each stamp as the server sends it."""
    answer_with(lambda form: csv_reply([STAMPED.header, *STAMPED.rows]))
    rows = new_client().export_rows(
        ["diary_complete"], record_id_field="record_id", stamps=["diary"]
    )
    assert forms()[0]["exportSurveyFields"] == "true"
    assert list(rows["diary_timestamp"]) == ["2026-03-01 10:00:00", "[not completed]", ""]
    assert len(forms()) == 1


@responses.activate
def test_a_server_without_time_stamps_leaves_them_blank() -> None:
    """The instrument is no survey there: the column is blank, nothing is refused."""
    answer_with(lambda form: csv_reply([["record_id", "diary_complete"], ["1", "2"]]))
    rows = new_client().export_rows(
        ["diary_complete"], record_id_field="record_id", stamps=["diary"]
    )
    assert list(rows["diary_timestamp"]) == [""]


@responses.activate
def test_no_survey_fields_are_asked_for_where_nobody_needs_them() -> None:
    """Without stamps the parameter is left out."""
    answer_with(STUDY.reply)
    export()
    assert "exportSurveyFields" not in forms()[0]


@responses.activate
def test_cells_come_exactly_as_stored() -> None:
    """01 stays "01", NA stays "NA"; quotes, line breaks and Cyrillic survive; blanks are ''."""
    answer_with(STUDY.reply)
    rows = new_client().export_rows(
        ["name", "consent", "visit_complete"], record_id_field="record_id", with_dag=True
    )
    columns = [*KEYS, "dag", "name", "consent___1", "consent____4", "visit_complete"]
    assert list(rows.columns) == columns
    assert set(rows.dtypes) == {pd.StringDtype(na_value=float("nan"))}
    assert rows["record"].tolist() == ["01", "01", "01", "2"]
    assert rows["repeat_instrument"].tolist() == ["", "message_log", "", ""]
    assert rows["dag"].tolist() == ["north", "north", "north", ""]
    assert rows["name"].tolist() == ["NA", "", "Иван", 'two,\n"lines"']
    assert not rows.isna().any(axis=None)


@responses.activate
def test_key_columns_are_there_in_a_classic_project_too() -> None:
    """No event, nothing repeats, no group: the key columns are there and blank."""
    answer_with(many(2).reply)
    rows = new_client().export_rows(["name"], record_id_field="record_id", with_dag=True)
    assert list(rows.columns) == [*KEYS, "dag", "name"]
    assert (rows[["event", "repeat_instrument", "repeat_instance", "dag"]] == "").all(axis=None)


@responses.activate
def test_the_record_id_is_always_asked_for_and_stands_once() -> None:
    """Without it REDCap leaves out all keys; under its own name it comes only when asked for."""
    answer_with(many(2).reply)
    assert "record_id" not in export().columns
    assert export(fields=["record_id", "name"])["record_id"].tolist() == ["0", "1"]
    assert [listed(form, "fields") for form in forms()] == [["record_id", "name"]] * 2


@responses.activate
def test_an_empty_project_is_an_empty_frame() -> None:
    """REDCap sends no header for no rows: the frame has its columns, and the roster is asked."""
    answer_with(many(0).reply)
    rows = export()
    assert list(rows.columns) == [*KEYS, "name"]
    assert len(rows) == 0
    assert [listed(form, "fields") for form in forms()] == [["record_id", "name"], ["record_id"]]


@responses.activate
def test_an_empty_answer_of_a_full_project_is_not_believed() -> None:
    """A server that gives up without a word looks like an empty project; its roster does not."""
    study = many(7)

    def answer(form: dict[str, str]) -> Reply:
        if not listed(form, "records") and "name" in listed(form, "fields"):
            return 200, {"Content-Type": "text/csv"}, ""
        return study.reply(form)

    answer_with(answer)
    assert len(export()) == 7


@responses.activate
def test_named_records_go_in_batches() -> None:
    """1,200 records, 500 at a time: three requests, in the order asked for."""
    answer_with(many(2000).reply)
    asked = [str(number) for number in range(1200)]
    rows = export(records=asked)
    assert rows["record"].tolist() == asked
    assert [len(listed(form, "records")) for form in forms()] == [500, 500, 200]


@responses.activate
def test_batches_halve_and_stay_small() -> None:
    """More than 150 records at once are too much: 500, 250, then 125 for all that is left."""
    study = many(400)
    answer_with(
        lambda form: memory_reply() if len(listed(form, "records")) > 150 else study.reply(form)
    )
    clock = HandClock()
    rows = export(records=[str(number) for number in range(400)], clock=clock)
    assert rows["record"].nunique() == 400
    assert [len(listed(form, "records")) for form in forms()] == [400, 200, 100, 100, 100, 100]
    assert clock.pauses == []


@responses.activate
def test_a_whole_export_that_is_too_much_goes_on_in_batches() -> None:
    """The roster says who there is, then batches; nobody is lost."""
    study = many(1100)

    def answer(form: dict[str, str]) -> Reply:
        whole = not listed(form, "records") and "name" in listed(form, "fields")
        return (504, {}, "<html>") if whole else study.reply(form)

    answer_with(answer)
    assert export()["record"].tolist() == [str(number) for number in range(1100)]
    assert [len(listed(form, "records")) for form in forms()] == [0, 0, 500, 500, 100]


@responses.activate
def test_a_single_record_that_is_too_much_is_an_error() -> None:
    """Halving ends at one record, which is asked for five times: then the trouble is told."""
    answer_always(memory_reply())
    clock = HandClock()
    with pytest.raises(ServerOverloaded):
        export(records=["1", "2", "3"], clock=clock)
    assert [len(listed(form, "records")) for form in forms()] == [3, 2, 1, 1, 1, 1, 1]
    assert clock.pauses == [2, 4, 8, 16]


@responses.activate
@pytest.mark.parametrize(
    ("records", "requests", "pauses"),
    [((), [0, 0, 0, 0], [2, 4]), (("1", "2"), [2, 1, 1, 1, 1], [2, 4])],
)
def test_what_cannot_be_halved_is_waited_for(
    records: tuple[str, ...], requests: list[int], pauses: list[float]
) -> None:
    """A gateway in trouble: less is asked for at once; the least there is, after pauses."""
    study, clock, bad = many(3), HandClock(), iter([True] * 3)
    answer_with(lambda form: (502, {}, "<html>") if next(bad, False) else study.reply(form))
    rows = export(records=records, clock=clock)
    assert rows["record"].tolist() == (list(records) or ["0", "1", "2"])
    assert [len(listed(form, "records")) for form in forms()][: len(requests)] == requests
    assert clock.pauses == pauses


@responses.activate
def test_memory_that_runs_out_in_the_middle_halves() -> None:
    """PHP's fatal text behind half the rows, with HTTP 200, is no short export."""
    study = many(40)

    def answer(form: dict[str, str]) -> Reply:
        status, headers, body = study.reply(form)
        if len(listed(form, "records")) > 10:
            fatal = "<br />\n<b>Fatal error</b>:  Allowed memory size of 1000 bytes exhausted"
            body = str(body)[:40] + "\n" + fatal
        return status, headers, body

    answer_with(answer)
    assert len(export(records=[str(number) for number in range(40)])) == 40


@responses.activate
def test_a_record_that_did_not_come_is_asked_for_again() -> None:
    """Rows that are missing once come the second time: nothing is lost, nobody is told."""
    study, first = many(20), iter([True])

    def answer(form: dict[str, str]) -> Reply:
        status, headers, body = study.reply(form)
        if next(first, False):
            body = "\n".join(str(body).split("\n")[:-4]) + "\n"
        return status, headers, body

    answer_with(answer)
    rows = export(records=[str(number) for number in range(20)])
    assert sorted(rows["record"], key=int) == [str(number) for number in range(20)]


@responses.activate
def test_a_record_that_never_comes_is_an_error_with_counts() -> None:
    """Records that the roster has and the export has not: how many, of how many, up to five."""
    study = many(20)
    lost = {"3", "5", "7", "11", "13", "17"}

    def answer(form: dict[str, str]) -> Reply:
        kept = [name for name in listed(form, "records") if name not in lost]
        if listed(form, "fields") == ["record_id"]:
            return study.reply(form)
        return csv_reply([["record_id", "name"], *([name, "x"] for name in kept)])

    answer_with(answer)
    with pytest.raises(RowsMissing, match="6 of 6 records exist and did not come back") as failed:
        export(records=[str(number) for number in range(20)])
    assert failed.value.missing == ("11", "13", "17", "3", "5", "7")
    assert str(failed.value).endswith("(11, 13, 17, 3, 5, …)")


@responses.activate
def test_a_record_that_does_not_exist_is_an_error() -> None:
    """REDCap passes over names it does not know without a word; the client does not."""
    answer_with(many(3).reply)
    with pytest.raises(RowsMissing, match=r"1 of 1 records do not exist \(nobody\)"):
        export(records=["1", "nobody"])


@responses.activate
def test_a_record_without_a_row_in_the_event_is_not_missing() -> None:
    """Record 2 has no month 2: asked for there it has no rows, and that is no error."""
    answer_with(STUDY.reply)
    rows = export(records=["01", "2"], events=["month_2_arm_1"])
    assert rows["record"].tolist() == ["01"]


@responses.activate
def test_a_server_that_ignores_the_list_of_records_is_cut_down() -> None:
    """Rows of records that nobody asked for are left out."""
    answer_always(csv_reply([["record_id", "name"], ["1", "x"], ["2", "y"]]))
    assert export(records=["2"])["record"].tolist() == ["2"]


@responses.activate
def test_columns_that_nobody_asked_for_are_left_out() -> None:
    """An invalid form once made a server send all fields: only those asked for are kept."""
    answer_always(csv_reply([["record_id", "name", "phone"], ["1", "x", "y"]]))
    assert list(export().columns) == [*KEYS, "name"]


@responses.activate
@pytest.mark.parametrize(
    "body", ["name\nx\n", "record_id\n1\n", "record_id,record_id,name\n1,1,x\n"]
)
def test_columns_that_lack_are_an_error(body: str) -> None:
    """Without the record ID, or a field that was asked for, the answer is none."""
    answer_always((200, {"Content-Type": "text/csv"}, body))
    with pytest.raises(UnusableAnswer):
        export()


@responses.activate
@pytest.mark.parametrize("body", [b"record_id,name\n1,\xff\xfe\n", b"record_id,name\n1,long\xff\n"])
def test_text_that_is_not_utf8_is_no_answer(body: bytes) -> None:
    """Bytes that are no UTF-8 are not guessed at."""
    answer_always((200, {"Content-Type": "text/csv"}, body))
    with pytest.raises(UnusableAnswer):
        export()


@responses.activate
@pytest.mark.parametrize("kind", ["text/csv", "text/html", "text/plain", ""])
def test_the_shape_decides_where_the_content_type_is_vague(kind: str) -> None:
    """Rows under the right header are rows, whatever text the server calls them."""
    answer_always((200, {"Content-Type": kind} if kind else {}, "record_id,name\n1,x\n"))
    assert len(export()) == 1


@responses.activate
def test_a_contradicting_content_type_is_no_answer() -> None:
    """Called JSON, it is not CSV, even if it looks like it."""
    answer_always((200, {"Content-Type": "application/json"}, "record_id,name\n1,x\n"))
    with pytest.raises(UnusableAnswer, match="application/json came instead of CSV"):
        export()


@responses.activate
def test_the_roster_has_one_row_per_record_and_event() -> None:
    """Rows of repeating instruments are collapsed; the group stands beside; one request."""
    answer_with(STUDY.reply)
    roster = new_client().roster("record_id", with_dag=True)
    assert roster.to_dict("list") == {
        "record": ["01", "01", "2"],
        "event": ["baseline_arm_1", "month_2_arm_1", "baseline_arm_1"],
        "dag": ["north", "north", ""],
    }
    assert list(new_client().roster("record_id")["dag"]) == ["", "", ""]
    assert [form.get("exportDataAccessGroups") for form in forms()] == ["true", None]


@given(
    count=st.integers(1, 60),
    limit=st.integers(1, 70),
    batch=st.integers(1, 50),
    whole=st.booleans(),
)
@settings(max_examples=40, deadline=None)
def test_whatever_a_server_carries_everybody_comes_back_once(
    *, count: int, limit: int, batch: int, whole: bool
) -> None:
    """Any limit of records per answer, any batch size: every record once, none twice."""
    study = many(count)

    def answer(form: dict[str, str]) -> Reply:
        named = len(listed(form, "records")) or count
        too_much = "name" in listed(form, "fields") and named > limit
        return memory_reply() if too_much else study.reply(form)

    with responses.mock:
        answer_with(answer)
        records = () if whole else [str(number) for number in range(count)]
        rows = export(records=records, records_per_batch=batch)
    responses.reset()
    assert rows["record"].tolist() == [str(number) for number in range(count)]


MEMORY = "REDCap ran out of server memory. The request cannot be processed."


@responses.activate
@pytest.mark.parametrize(
    "end",
    [
        MEMORY,
        f"{MEMORY}\n",
        f'{{"error":"{MEMORY}"}}',
        "<br />\n<b>Fatal error</b>:  Maximum execution time of 120 seconds exceeded<br />",
    ],
)
@pytest.mark.parametrize("fields", [[], ["name"]], ids=["one column", "two columns"])
def test_a_server_s_dying_words_are_no_record(end: str, fields: list[str]) -> None:
    """A text after the rows that says memory or time ran out is no row, even of one column.

    The records are asked for again, fewer at a time, and all of them come.
    """
    study = many(8)

    def answer(form: dict[str, str]) -> Reply:
        status, headers, body = study.reply(form)
        records = listed(form, "records")
        return (status, headers, f"{body}{end}") if len(records) > 3 else (status, headers, body)

    answer_with(answer)
    rows = export(fields=fields, records=[str(number) for number in range(8)])
    assert rows["record"].tolist() == [str(number) for number in range(8)]
    assert [len(listed(form, "records")) for form in forms()] == [8, 4, 2, 2, 2, 2]


@responses.activate
def test_a_roster_that_ends_in_dying_words_is_an_error() -> None:
    """The whole roster cannot be asked for in smaller parts: it fails instead of lying."""
    answer_always((200, {"Content-Type": "text/csv"}, f"record_id\n1\n{MEMORY}"))
    with pytest.raises(ServerOverloaded):
        new_client().roster("record_id")


@responses.activate
@pytest.mark.parametrize(
    ("fields", "events", "largest"),
    [(1, 0, 500), (388, 1, 500), (389, 1, 499), (600, 9, 280), (879, 0, 10), (950, 0, 1)],
)
def test_a_request_stays_below_php_s_number_of_variables(
    fields: int, events: int, largest: int
) -> None:
    """Records, fields (the record ID among them), events and 10 others: at most 900 variables.

    PHP drops what exceeds max_input_vars (1,000) without a word, the last names first.
    """
    names = [f"field_{number}" for number in range(fields)]
    header = ["record_id", "redcap_event_name", *names]
    study = Rows(header, [[str(number), "e0", *[""] * fields] for number in range(50)])
    answer_with(study.reply)
    asked = [f"e{number}" for number in range(events)]
    records = [str(number) for number in range(50)]
    export(fields=names, events=asked, records=records)
    sizes = [len(listed(form, "records")) for form in forms()]
    assert max(sizes) == min(largest, 50)
    if fields < 880:
        assert all(len(form) <= 900 for form in forms())
    exported = Export(tuple(names), "record_id", tuple(asked))
    assert exported.batch(500) == largest


@responses.activate
@pytest.mark.parametrize("status", [413, 500, 503])
def test_a_server_that_fails_at_large_exports_is_asked_for_less(status: int) -> None:
    """A page of HTTP 500 or 503 five times, or 413 once, for many records: then for fewer."""
    study = many(4)
    page: Reply = (status, {"Content-Type": "text/html"}, "<html>Oops</html>")
    answer_with(lambda form: page if len(listed(form, "records")) > 2 else study.reply(form))
    assert len(export(records=["0", "1", "2", "3"])) == 4
    tries = 1 if status == 413 else 5
    assert [len(listed(form, "records")) for form in forms()] == [4] * tries + [2, 2]


CSV = {"Content-Type": "text/csv; charset=utf-8"}


@responses.activate
@pytest.mark.parametrize(
    "cut", ["record_id,name\n1,abc\n2,xy", "record_id,name\n1,ab", "record_id"]
)
def test_an_export_cut_within_its_last_cell_is_not_believed(cut: str) -> None:
    """Half a value in a whole row: only the line break that lacks tells. It is asked for again."""
    whole = "record_id,name\n1,abc\n2,xyz\n"
    replies = iter([(200, CSV, cut), (200, CSV, whole), (200, CSV, cut), (200, CSV, whole)])
    answer_with(lambda _: next(replies))
    clock = HandClock()
    client = new_client(clock=clock)
    for _ in range(2):
        rows = client.export_rows(["name"], record_id_field="record_id")
        assert rows["name"].tolist() == ["abc", "xyz"]
    assert clock.pauses == [2, 2]


@responses.activate
def test_a_server_that_never_ends_with_a_line_break_is_believed_after_one_repetition() -> None:
    """Asked twice at first, once from then on; one break and the next lack of one is a cut."""
    replies = [(200, CSV, "record_id,name\n1,abc")] * 4
    replies += [(200, CSV, "record_id,name\n1,abc\n"), (200, CSV, "record_id,name\n1,a")]
    given = iter(replies)
    answer_with(lambda _: next(given, replies[-1]))
    client = new_client()
    counts = []
    for _ in range(4):
        client.export_rows(["name"], record_id_field="record_id")
        counts.append(len(responses.calls))
    assert counts == [2, 3, 4, 5]
    with pytest.raises(UnusableAnswer, match="does not end with a line break"):
        client.export_rows(["name"], record_id_field="record_id")


@responses.activate
def test_an_empty_answer_that_is_contradicted_is_waited_out() -> None:
    """One record, three empty answers: JSON says that it is there, so it is asked for again."""
    study, bad = many(3), iter([True] * 3)

    def answer(form: dict[str, str]) -> Reply:
        empty = form["format"] == "csv" and next(bad, False)
        return (200, CSV, "") if empty else study.reply(form)

    answer_with(answer)
    clock = HandClock()
    assert export(records=["2"], clock=clock)["record"].tolist() == ["2"]
    assert [form["format"] for form in forms()] == ["csv", "json", "csv", "csv", "csv"]
    assert clock.pauses == [2, 4]


@responses.activate
def test_an_empty_project_is_not_believed_where_json_is_empty_too() -> None:
    """No answer in either form is no empty project but a server that says nothing."""
    answer_always((200, {"Content-Type": "text/html"}, ""))
    with pytest.raises(ServerOverloaded, match="empty answer"):
        new_client().roster("record_id")


@responses.activate
@pytest.mark.parametrize("data", [{"record_id": "1"}, [1], [{"name": "1"}], "no"])
def test_a_confirmation_of_another_shape_is_no_answer(data: object) -> None:
    """What is said in JSON must be rows with the record ID."""
    answer_with(lambda form: (200, CSV, "") if form["format"] == "csv" else json_reply(data))
    with pytest.raises(UnusableAnswer):
        new_client().roster("record_id")


def test_json_rows_are_read_like_csv() -> None:
    """Numbers (repeat instances) and nulls become text; rows of unequal columns are no answer."""

    class Sent:
        def __init__(self, rows: object) -> None:
            self.rows, self.content_type = rows, "application/json"
            self.call = Call(LABEL, "record")

        def body(self) -> bytes:
            return json.dumps(self.rows).encode()

    wanted = Export(("name",), "record_id", format="json")
    keys = {"redcap_event_name": "e", "redcap_repeat_instrument": "", "redcap_repeat_instance": 2}
    sent: Any = Sent([{"record_id": "01", **keys, "name": None, "other": "x"}])
    rows = wanted.read(sent, LineBreaks())
    assert rows.to_dict("list") == {
        "record": ["01"],
        "event": ["e"],
        "repeat_instrument": [""],
        "repeat_instance": ["2"],
        "name": [""],
    }
    odd: Any = Sent([{"record_id": "1", "name": "x"}, {"record_id": "1"}])
    with pytest.raises(UnusableAnswer, match="different columns"):
        wanted.read(odd, LineBreaks())


@responses.activate
@pytest.mark.parametrize(
    "body",
    [
        b'record_id,name\n1,"a \\"b\\" c"\n',
        b'record_id,name\n1,"a\\"b"\n',
        b'record_id,name\n1,"C:\\"\n',
    ],
)
@pytest.mark.parametrize("records", [(), ("1",)])
def test_a_quote_behind_a_backslash_is_asked_for_as_json(
    body: bytes, records: tuple[str, ...]
) -> None:
    """PHP's CSV leaves such a quote undoubled, RFC 4180 does not: JSON says what was meant."""
    text = 'a \\"b\\" c, and \\ more'

    def answer(form: dict[str, str]) -> Reply:
        row = {"record_id": "1", "name": text}
        return (200, CSV, body) if form["format"] == "csv" else json_reply([row])

    answer_with(answer)
    clock = HandClock()
    assert export(records=records, clock=clock)["name"].tolist() == [text]
    assert [form["format"] for form in forms()] == ["csv", "json"]
    assert clock.pauses == []


@pytest.mark.parametrize(
    ("chunks", "ambiguous"),
    [
        ([b'a\\"b'], True),
        ([b"a\\", b'"b'], True),
        ([b"a\\", b"", b'"b'], True),
        ([b"a\\b", b'"c"'], False),
    ],
)
def test_a_backslash_is_seen_across_chunks(chunks: list[bytes], *, ambiguous: bool) -> None:
    """However the body arrives."""
    watched = Watched(chunks)
    assert b"".join(watched) == b"".join(chunks)
    assert watched.ambiguous is ambiguous
    assert watched.last == b"".join(chunks)[-1:]


@responses.activate
def test_rows_without_a_record_are_no_answer() -> None:
    """A blank record ID means that another field was taken for it."""
    answer_always((200, CSV, "born,name\n1990-01-31,x\n,y\n"))
    with pytest.raises(UnusableAnswer, match="born is not the record ID field"):
        new_client().export_rows(["name"], record_id_field="born")


@responses.activate
def test_a_roster_whose_rows_cannot_be_told_apart_is_none() -> None:
    """Two rows of the same keys: what was taken for the record ID field is another one."""
    answer_always((200, CSV, "sex\n1\n2\n1\n"))
    with pytest.raises(UnusableAnswer, match="sex is not the record ID field"):
        new_client().roster("sex")
