"""Imports: nothing erased by accident, nothing refused unseen, everybody else stored."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Sequence

import pandas as pd
import pytest
import responses
from client_doubles import (
    LABEL,
    Reply,
    answer_always,
    answer_with,
    csv_reply,
    form_of,
    forms,
    json_reply,
    listed,
    memory_reply,
    new_client,
)
from hypothesis import given, settings
from hypothesis import strategies as st

from redcap_jobs.errors import ExitCode
from redcap_jobs.redcap.errors import (
    NamesRefused,
    RefusedValue,
    RequestRefused,
    ServerOverloaded,
    UnusableAnswer,
    ValuesRefused,
)
from redcap_jobs.redcap.imports import NOT_STORED, ImportResult, parts_of_whole_records
from redcap_jobs.redcap.refusals import parse_refused_values

COLUMNS = ["record", "event", "repeat_instrument", "repeat_instance", "field", "new"]


def cells(*rows: Sequence[str]) -> pd.DataFrame:
    return pd.DataFrame([list(row) for row in rows], columns=COLUMNS, dtype="str")


def simple(*records: str, field: str = "name", new: str = "value") -> pd.DataFrame:
    return cells(*([record, "", "", "", field, new] for record in records))


def sent(form: dict[str, str]) -> list[dict[str, str]]:
    if form["format"] == "csv":
        return list(csv.DictReader(io.StringIO(form["data"], newline="")))
    rows: list[dict[str, str]] = json.loads(form["data"])
    return rows


def records_in(form: dict[str, str]) -> list[str]:
    return list(dict.fromkeys(row["record"] for row in sent(form)))


def count_all(form: dict[str, str]) -> Reply:
    return json_reply({"count": len(records_in(form))})


def lines(*refused: Sequence[str]) -> str:
    return "\n".join(
        ",".join('"' + cell.replace('"', '""') + '"' for cell in row) for row in refused
    )


@responses.activate
def test_cells_go_as_eav_rows_with_the_keys_they_have() -> None:
    """One row per cell, no rectangle whose blanks could erase; keys that nobody has stay out."""
    answer_with(count_all)
    result = new_client().import_cells(
        cells(
            ["1", "baseline_arm_1", "", "", "vt_state", "open"],
            ["1", "baseline_arm_1", "message_log", "2", "sms___1", "1"],
        ),
        "record_id",
    )
    form = forms()[0]
    assert form["type"] == "eav"
    assert form["overwriteBehavior"] == "normal"
    assert form["forceAutoNumber"] == "false"
    assert form["returnContent"] == "count"
    assert sent(form) == [
        {
            "record": "1",
            "redcap_event_name": "baseline_arm_1",
            "redcap_repeat_instrument": "",
            "redcap_repeat_instance": "",
            "field_name": "vt_state",
            "value": "open",
        },
        {
            "record": "1",
            "redcap_event_name": "baseline_arm_1",
            "redcap_repeat_instrument": "message_log",
            "redcap_repeat_instance": "2",
            "field_name": "sms___1",
            "value": "1",
        },
    ]
    assert result == ImportResult(2, frozenset({"1"}))


@responses.activate
def test_a_classic_project_gets_record_field_and_value_only() -> None:
    """A column for events would be an unknown field in a classic project."""
    answer_with(count_all)
    new_client().import_cells(simple("1"), "record_id")
    assert sent(forms()[0]) == [{"record": "1", "field_name": "name", "value": "value"}]


@pytest.mark.parametrize(
    ("changes", "overwrite", "said"),
    [
        (simple("1", new=""), False, "blanks with overwrite"),
        (simple("1"), True, "blanks with overwrite"),
        (pd.concat([simple("1"), simple("2", new="")]), True, "blanks with overwrite"),
        (simple("1", "1"), False, "changed twice"),
        (simple("1", field="record_id"), False, "record ID"),
        (simple(""), False, "no record"),
        (simple("1", field=""), False, "no record or no field"),
        (simple("1").drop(columns="event"), False, "lack the columns"),
        (simple("1").assign(new=None), False, "missing values"),
        (simple("1").assign(repeat_instrument="log", repeat_instance="new"), False, "a number"),
    ],
)
def test_cells_that_no_plan_holds_are_refused_before_anything_is_sent(
    *, changes: pd.DataFrame, overwrite: bool, said: str
) -> None:
    """A blank without overwrite, a value with it, a cell twice, an instance that each repetition
    would make anew: mistakes of the program."""
    with responses.mock, pytest.raises(ValueError, match=said):
        new_client().import_cells(changes, "record_id", overwrite=overwrite)


@responses.activate
def test_nothing_to_write_asks_nothing() -> None:
    """No cells, no request."""
    assert new_client().import_cells(cells(), "record_id") == ImportResult()
    assert len(responses.calls) == 0


@responses.activate
def test_parts_end_where_a_record_ends() -> None:
    """At most so many cells per import, but a record's cells stay together."""
    answer_with(count_all)
    changes = pd.concat([simple("1", "2", "3"), simple("1", "2", "3", field="other")])
    told: list[int] = []
    client = new_client(cells_per_import=3)
    result = client.import_cells(changes, "record_id", stored=told.append)
    assert told == [2, 2, 2], "after each part: an error later does not hide it"
    assert [records_in(form) for form in forms()] == [["1"], ["2"], ["3"]]
    assert all(len(sent(form)) == 2 for form in forms())
    assert result == ImportResult(6, frozenset({"1", "2", "3"}))


@given(sizes=st.lists(st.integers(1, 7), max_size=12), most=st.integers(1, 10))
@settings(max_examples=60, deadline=None)
def test_parts_hold_each_cell_once_and_no_record_in_two(sizes: list[int], most: int) -> None:
    """All cells once, no record divided, no part above the limit unless it is one record."""
    changes = cells(
        *(
            [str(record), "", "", "", f"field_{number}", "x"]
            for record, size in enumerate(sizes)
            for number in range(size)
        )
    )
    parts = list(parts_of_whole_records(changes, most))
    assert sum(map(len, parts)) == len(changes)
    seen = [record for part in parts for record in part["record"].unique()]
    assert len(seen) == len(set(seen)) == len(sizes)
    assert all(len(part) <= most or len(set(part["record"])) == 1 for part in parts)


@responses.activate
def test_an_import_that_is_too_much_halves() -> None:
    """Out of memory with more than two records: halves until it fits, everything is stored."""
    answer_with(lambda form: memory_reply() if len(records_in(form)) > 2 else count_all(form))
    result = new_client().import_cells(simple(*"abcdefgh"), "record_id")
    assert result == ImportResult(8, frozenset("abcdefgh"))
    assert [len(records_in(form)) for form in forms()] == [8, 4, 2, 2, 4, 2, 2]


@responses.activate
def test_one_record_that_is_too_much_is_an_error() -> None:
    """Halving ends at one record."""
    answer_always(memory_reply())
    with pytest.raises(ServerOverloaded):
        new_client().import_cells(simple("1", "2"), "record_id")


REFUSALS = [
    ("plain record", "{record}", ""),
    ("record with event", "{record} (baseline_arm_1)", "baseline_arm_1"),
]


@responses.activate
@pytest.mark.parametrize(("cell", "event"), [one[1:] for one in REFUSALS], ids=["plain", "event"])
def test_refused_records_are_taken_out_and_the_rest_is_sent(cell: str, event: str) -> None:
    """One bad value refuses the whole request: its record goes out, the others are stored.

    The record's cell comes in two forms: plain (ABCD, PyCap issue 142) or with the event (redi).
    """
    bad = {"2", "4"}

    def answer(form: dict[str, str]) -> Reply:
        refused = [record for record in records_in(form) if record in bad]
        if not refused:
            return count_all(form)
        said = "The value is not a valid category for name"
        rows = [[cell.format(record=record), "name", "01234", said] for record in refused]
        return json_reply({"error": lines(*rows)}, 400)

    answer_with(answer)
    result = new_client().import_cells(simple("1", "2", "3", "4"), "record_id")
    said = "The value is not a valid category for name"
    assert result.refused == (
        RefusedValue("2", "name", said, event, "01234"),
        RefusedValue("4", "name", said, event, "01234"),
    )
    assert result.records_accepted == {"1", "3"}
    assert result.sent_cells == 2
    assert [records_in(form) for form in forms()] == [["1", "2", "3", "4"], ["1", "3"]]


@responses.activate
def test_an_old_release_refuses_in_json() -> None:
    """Before release 6 the values came as JSON under "records" (observed in redi)."""
    old = {
        "error": "There were data validation errors",
        "records": [{"record": "2", "field_name": "name", "value": "x y", "message": "No: x y"}],
    }
    answer_with(lambda form: json_reply(old, 400) if "2" in records_in(form) else count_all(form))
    result = new_client().import_cells(simple("1", "2"), "record_id")
    assert result.refused == (RefusedValue("2", "name", "No: [value]", "", "x y"),)


@responses.activate
def test_a_locked_form_refuses_its_record_only() -> None:
    """A locked form refuses the batch (observed in ABCD): the record is reported, the rest goes."""
    said = (
        "This field is located on a form that is locked. You must first unlock this form for "
        "this record."
    )
    answer_with(
        lambda form: (
            json_reply({"error": lines(["NDAR_1", "name", "7", said])}, 400)
            if "NDAR_1" in records_in(form)
            else count_all(form)
        )
    )
    result = new_client().import_cells(simple("NDAR_1", "NDAR_2"), "record_id")
    assert result.refused == (RefusedValue("NDAR_1", "name", said, "", "7"),)
    assert result.records_accepted == {"NDAR_2"}


@responses.activate
def test_a_refusal_of_records_that_were_not_sent_ends_the_import() -> None:
    """A refusal that fits no record sent cannot be worked around: it is told, not repeated."""
    answer_always(json_reply({"error": lines(["9", "name", "x", "No"])}, 400))
    with pytest.raises(ValuesRefused, match="1 values refused"):
        new_client().import_cells(simple("1"), "record_id")
    assert len(responses.calls) == 1


@responses.activate
@pytest.mark.parametrize(
    "said",
    [
        "The following fields were not found in the project as real data fields: foo, baz",
        "The following values of redcap_event_name are invalid: visit_11_arm_1",
        "redcap_repeat_instrument must be the unique form name of a Repeating Instrument.",
    ],
)
def test_unknown_fields_and_events_fail_as_a_whole(said: str) -> None:
    """A name that the project lacks is the study file's matter (exit 3), no record's."""
    answer_always(json_reply({"error": said}, 400))
    with pytest.raises(NamesRefused, match=said[:30]) as failed:
        new_client().import_cells(simple("1", "2", new="xyzzy"), "record_id")
    assert failed.value.exit_code is ExitCode.SETUP
    assert len(responses.calls) == 1


@responses.activate
def test_another_refusal_is_told_without_the_values() -> None:
    """The server's words go into the message, the values that were sent do not."""
    answer_always(json_reply({"error": "Cannot store 'Ms Example' here"}, 400))
    with pytest.raises(RequestRefused, match=r"Cannot store '\[value\]' here") as failed:
        new_client().import_cells(simple("1", new="Ms Example"), "record_id")
    assert LABEL in str(failed.value)


LOCKED = (
    "This record has been locked at the record level. No value within this record can be modified."
)


@responses.activate
def test_a_record_locked_as_a_whole_is_found_by_halving() -> None:
    """The refusal names no value: the one record is reported, all others are stored."""

    def reply(form: dict[str, str]) -> Reply:
        locked = "5" in records_in(form)
        return json_reply({"error": LOCKED}, 400) if locked else count_all(form)

    answer_with(reply)
    records = [str(number) for number in range(16)]
    result = new_client().import_cells(simple(*records, new="x"), "record_id")
    assert result.records_accepted == frozenset(records) - {"5"}
    assert [(one.record, one.message) for one in result.refused] == [("5", LOCKED)]


@responses.activate
def test_a_refusal_of_everything_is_not_asked_for_record_by_record() -> None:
    """More than five single records refused: it is no matter of records, and the import fails."""
    answer_always(json_reply({"error": "The project is in analysis status"}, 400))
    with pytest.raises(RequestRefused, match="analysis"):
        new_client().import_cells(simple(*map(str, range(512))), "record_id")
    assert len(responses.calls) < 30


@responses.activate
@pytest.mark.parametrize("body", ['"1","name","Ms Exa', '"Ms Example" is wrong'])
def test_a_list_of_values_that_cannot_be_read_is_not_quoted(body: str) -> None:
    """Something that looks like refused values and cannot be read might hold anything."""
    answer_always(json_reply({"error": body}, 400))
    with pytest.raises(RequestRefused, match="cannot be read") as failed:
        new_client().import_cells(simple("1"), "record_id")
    assert "Exa" not in str(failed.value)


@responses.activate
@pytest.mark.parametrize("body", ['{"success":true}', "[]", "null", '"x"'])
def test_an_answer_without_a_count_is_no_answer(body: str) -> None:
    """An import is done when REDCap counts it, not when it answers."""
    headers = {"Content-Type": "application/json"}
    answer_always((200, headers, body))
    with pytest.raises(UnusableAnswer, match="no count"):
        new_client().import_cells(simple("1"), "record_id")


@responses.activate
def test_a_count_that_is_not_ours_is_read_back() -> None:
    """REDCap counts one record of two: both are read back, and what is not there is reported."""

    def answer(form: dict[str, str]) -> Reply:
        if "data" in form:
            return json_reply({"count": 1})
        header = ["record_id", "redcap_event_name", "name", "box___1", "box___2"]
        return csv_reply(
            [
                header,
                ["1", "baseline_arm_1", "value", "1", "0"],
                ["2", "baseline_arm_1", "", "", ""],
            ]
        )

    answer_with(answer)
    result = new_client().import_cells(
        cells(
            ["1", "baseline_arm_1", "", "", "name", "value"],
            ["1", "baseline_arm_1", "", "", "box___1", "1"],
            ["2", "baseline_arm_1", "", "", "name", "value"],
        ),
        "record_id",
    )
    assert result == ImportResult(
        2,
        frozenset({"1"}),
        (RefusedValue("2", "name", NOT_STORED, "baseline_arm_1", "value"),),
    )
    back = forms()[1]
    assert listed(back, "fields") == ["record_id", "name", "box"]
    assert listed(back, "events") == ["baseline_arm_1"]
    assert listed(back, "records") == ["1", "2"]


@responses.activate
def test_a_repeating_row_is_read_back_where_it_stands() -> None:
    """A cell of an instance is compared with that instance, not with the plain row."""

    def answer(form: dict[str, str]) -> Reply:
        if "data" in form:
            return json_reply({"count": 5})
        header = ["record_id", "redcap_repeat_instrument", "redcap_repeat_instance", "note"]
        return csv_reply([header, ["1", "", "", "other"], ["1", "log", "2", "value"]])

    answer_with(answer)
    result = new_client().import_cells(cells(["1", "", "log", "2", "note", "value"]), "record_id")
    assert result == ImportResult(1, frozenset({"1"}))


@responses.activate
def test_a_lost_answer_is_asked_for_again() -> None:
    """An import of changed cells may be repeated: the same cells twice store the same values."""
    replies = iter([(503, {}, "<html>"), json_reply({"count": 1})])
    answer_with(lambda _: next(replies))
    assert new_client().import_cells(simple("1"), "record_id").sent_cells == 1
    first, second = (form_of(call.request) for call in responses.calls)
    assert first == second


@pytest.mark.parametrize(
    ("reason", "expected"),
    [
        ('"1","name","x","No"', [("1", "name", "x", "No")]),
        ('"1","name","a ""b"" c","No: a ""b"" c"', [("1", "name", 'a "b" c', "No: [value]")]),
        ('"1","name","two\nlines","No"', [("1", "name", "two\nlines", "No")]),
        ('"1","name","5" tall, thin","No"', [("1", "name", '5 tall", thin', "No")]),
        ('"1","n","7","Not (7) or \'7\', 17"', [("1", "n", "7", "Not ([value]) or '[value]', 17")]),
        ('"1","a","x","No"\r\n"2","b","y","No"', [("1", "a", "x", "No"), ("2", "b", "y", "No")]),
        ("The following fields were not found: a, b", []),
        ('{"error":"x"}', []),
        ('{"records":[{"record":1}]}', []),
        ("", []),
    ],
)
def test_refused_values_are_read(reason: str, expected: list[tuple[str, ...]]) -> None:
    """Quotes, commas and line breaks in values; other refusals are none of these."""
    found = [
        (one.record, one.field, one.value, one.message) for one in parse_refused_values(reason)
    ]
    if expected and "tall" in reason:
        assert [one[:2] + one[3:] for one in found] == [one[:2] + one[3:] for one in expected]
    else:
        assert found == expected


TEXT = st.text(alphabet=st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=12)


@given(rows=st.lists(st.tuples(TEXT, TEXT, TEXT), min_size=1, max_size=5))
@settings(max_examples=80, deadline=None)
def test_any_refusal_that_redcap_writes_is_read_back(rows: list[tuple[str, str, str]]) -> None:
    """Whatever stands in record, value and message: as many refusals, in order, field intact."""
    reason = lines(*([record, "name", value, said] for record, value, said in rows))
    found = parse_refused_values(reason)
    assert [(one.record, one.field, one.value) for one in found] == [
        (record, "name", value) for record, value, _ in rows
    ]


def test_a_refused_value_is_not_shown() -> None:
    """The value stays out of repr: a result may be logged."""
    assert "secret" not in repr(RefusedValue("1", "name", "No", "", "secret"))
    assert "secret" not in repr(
        ImportResult(0, frozenset(), (RefusedValue("1", "n", "No", "", "secret"),))
    )


@given(
    bad=st.sets(st.integers(0, 19)),
    limit=st.integers(1, 20),
    count_wrong=st.booleans(),
)
@settings(max_examples=40, deadline=None)
def test_everyone_is_stored_or_reported(*, bad: set[int], limit: int, count_wrong: bool) -> None:
    """Refusals, halving and wrong counts together: each record is either accepted or refused."""
    stored: set[str] = set()

    def answer(form: dict[str, str]) -> Reply:
        if "data" not in form:
            asked = listed(form, "records")
            return csv_reply(
                [["record_id", "name"], *([r, "value" if r in stored else ""] for r in asked)]
            )
        records = records_in(form)
        if len(records) > limit:
            return memory_reply()
        refused = [record for record in records if int(record) in bad]
        if refused:
            return json_reply({"error": lines(*([r, "name", "value", "No"] for r in refused))}, 400)
        stored.update(records)
        return json_reply({"count": 0 if count_wrong else len(records)})

    with responses.mock:
        answer_with(answer)
        result = new_client().import_cells(simple(*map(str, range(20))), "record_id")
    responses.reset()
    refused = {one.record for one in result.refused}
    assert refused == {str(number) for number in bad}
    assert result.records_accepted == stored == {str(n) for n in range(20)} - refused
    assert result.sent_cells == 20 - len(bad)
