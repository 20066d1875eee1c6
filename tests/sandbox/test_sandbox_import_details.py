"""Record import, the rarer things: odd csv and JSON, locks, rights, the background, the log."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any
from xml.sax.saxutils import escape

import pytest
from sandbox_projects import FIELDS, Caller, trial

from redcap_jobs.sandbox.behaviour import Behaviour
from redcap_jobs.sandbox.members import Rights, user
from redcap_jobs.sandbox.server import Sandbox
from redcap_jobs.sandbox.store import RowKey, Snapshot

START = "start_arm_1"
KEYS = {"record_id": "10", "redcap_event_name": START}
NOT_THAT_FORMAT = "The data is not in the specified format."
Row = dict[str, Any]


def stored(server: Sandbox, record: str = "10") -> dict[str, str]:
    return dict(server.project(901).values(record, START))


def lock(server: Sandbox, *places: tuple[RowKey, str]) -> None:
    with server.project(901).store.writing(None) as draft:
        draft.set_locks("10", frozenset(places))


def log(caller: Caller) -> list[dict[str, str]]:
    rows: list[dict[str, str]] = caller.post(content="log", format="json", logtype="record").json()
    return rows


def written(rows: list[Row], format_: str) -> str:
    """Return rows as one of the three formats; csv has the columns of the first row."""
    if format_ == "json":
        return json.dumps(rows)
    if format_ == "csv":
        return "\n".join(
            ",".join(map(str, line)) for line in [[*rows[0]], *(r.values() for r in rows)]
        )
    items = ("".join(f"<{n}>{escape(str(v))}</{n}>" for n, v in row.items()) for row in rows)
    return f"<records>{''.join(f'<item>{item}</item>' for item in items)}</records>"


@pytest.mark.parametrize("format_", ["csv", "json", "xml"])
def test_eav_is_read_in_every_format(server: Sandbox, caller: Caller, format_: str) -> None:
    """One value per line, options as ``field___code``, groups and instances among them."""
    lines = [
        {
            "record": "10",
            "redcap_event_name": event,
            "redcap_repeat_instrument": instrument,
            "redcap_repeat_instance": instance,
            "field_name": name,
            "value": value,
        }
        for event, instrument, instance, name, value in [
            (START, "", "", "consent___1", "1"),
            (START, "", "", "consent____4", "0"),
            (START, "", "", "redcap_data_access_group", "south_clinic"),
            ("week_1_arm_1", "drugs", "3", "dose", "9"),
        ]
    ]
    answer = caller.post(
        content="record",
        type="eav",
        format=format_,
        data=written(lines, format_),
        returnFormat="csv",
    )
    assert (answer.status_code, answer.text) == (200, "1")
    assert stored(server) == {"born": "1990-01-31", "consent___1": "1", "sex": "1"}
    record = server.project(901).store.current.records["10"]
    assert record.dag == "south_clinic"
    assert record.rows[RowKey("week_1_arm_1", "drugs", 3)] == {"dose": "9"}


def test_eav_knows_no_new_instances(caller: Caller) -> None:
    """``new`` is for flat rows: lines would not say which of them belong together (own answer)."""
    line = {
        "record": "10",
        "redcap_event_name": "week_1_arm_1",
        "redcap_repeat_instrument": "drugs",
        "redcap_repeat_instance": "new",
        "field_name": "drug",
        "value": "C",
    }
    assert caller.refusal([line], type="eav").endswith("Value provided: new")


@pytest.mark.parametrize(
    ("given", "sign"),
    [(None, ","), ("tab", "\t"), (";", ";"), ("|", "|"), ("^", "^"), ("ab", ",")],
)
def test_csv_delimiters(server: Sandbox, caller: Caller, given: str | None, sign: str) -> None:
    """Those of the API help; what is none of them is a comma (own answer)."""
    data = "\r\n".join(sign.join(line) for line in [[*KEYS, "weight"], [*KEYS.values(), "81"]])
    chosen = {"csvDelimiter": given} if given else {}
    answer = caller.post(content="record", format="csv", data=data, **chosen)
    assert answer.text == "1"
    assert stored(server)["weight"] == "81"


def test_a_long_note_in_csv(server: Sandbox, caller: Caller) -> None:
    """A cell of a few hundred thousand characters, with line breaks and quotes, is kept whole."""
    note = 'a "b"\r\n' * 50_000
    data = "record_id,redcap_event_name,redcap_repeat_instrument,redcap_repeat_instance,drug\n"
    data += f'10,week_1_arm_1,drugs,1,"{note.replace(chr(34), chr(34) * 2)}"'
    assert caller.post(content="record", format="csv", data=data).text == "1"
    rows = server.project(901).store.current.records["10"].rows
    assert rows[RowKey("week_1_arm_1", "drugs", 1)]["drug"] == note


@pytest.mark.parametrize("data", ["record_id,sex\n10", "a,b\n1,2,3"])
def test_csv_lines_must_have_a_cell_per_column(caller: Caller, data: str) -> None:
    """A line too short or too long is not guessed at."""
    response = caller.post(content="record", format="csv", data=data)
    assert response.status_code == 400
    assert response.text == "ERROR: The data is not in the specified format."


def test_empty_csv_imports_nothing(caller: Caller) -> None:
    """No lines, or a header alone: a count of 0."""
    for data in ("\n", "record_id,sex\n"):
        assert caller.post(content="record", format="csv", data=data).text == "0"


@pytest.mark.parametrize(
    ("cell", "kept"),
    [
        ("<drug>a &amp; b &lt; &#233; é</drug>", "a & b < é é"),
        ("<drug><![CDATA[a <b> & ]]>c\n d</drug>", "a <b> & c\n d"),
        ("<drug>own<i>inner</i> text</drug><!-- no drug -->", "own text"),
        ("<drug/>", None),
    ],
)
def test_cells_in_xml(server: Sandbox, caller: Caller, cell: str, kept: str | None) -> None:
    """References, CDATA, line breaks; an empty element is a blank."""
    keys = "<record_id>10</record_id><redcap_event_name>week_1_arm_1</redcap_event_name>"
    place = (
        "<redcap_repeat_instrument>drugs</redcap_repeat_instrument>"
        "<redcap_repeat_instance>5</redcap_repeat_instance><dose>1</dose>"
    )
    head = '<?xml version="1.0" encoding="ISO-8859-1" ?>'
    data = f"{head}<records>\n<item>{keys}{place}{cell}</item>\n</records>"
    answer = caller.post(content="record", data=data)
    assert answer.text.endswith("<count>1</count>")
    rows = server.project(901).store.current.records["10"].rows
    assert rows[RowKey("week_1_arm_1", "drugs", 5)].get("drug") == kept


@pytest.mark.parametrize(
    "data",
    [
        '<!DOCTYPE r [<!ENTITY a "10"><!ENTITY b "&a;&a;">]><r><item><sex>&b;</sex></item></r>',
        '<!DOCTYPE r [<!ENTITY a SYSTEM "file:///etc/hostname">]><r><item><sex>&a;</sex></item></r>',
        "<records><item><sex>&nothing;</sex></item></records>",
        "<records></records><records></records>",
        "",
    ],
)
def test_xml_that_could_do_harm_is_refused(caller: Caller, data: str) -> None:
    """Entities are not read, whatever they stand for; nor is anything that is no XML."""
    answer = caller.post(content="record", action="import", data=data, returnFormat="csv")
    assert (answer.status_code, answer.text) == (400, f"ERROR: {NOT_THAT_FORMAT}")


@pytest.mark.parametrize(
    ("given", "kept"),
    [("71.0", "71"), ("71.50", "71.5"), ("0.30000000000000004", "0.3"), ("8", "8"), ("true", "1")],
)
def test_numbers_in_json(server: Sandbox, caller: Caller, given: str, kept: str) -> None:
    """As PHP writes them: what pandas makes of a column with gaps (71.0) is 71 again."""
    data = f'[{{"record_id":10,"redcap_event_name":"{START}","weight":{given}}}]'
    assert caller.post(content="record", format="json", data=data).json() == {"count": 1}
    assert stored(server)["weight"] == kept


@pytest.mark.parametrize("data", ['[{"record_id":"10","weight":NaN}]', "[" * 5000, "[1]", "null"])
def test_what_python_reads_and_php_does_not(caller: Caller, data: str) -> None:
    """NaN, depths beyond reason, and lists of no objects are no such JSON."""
    answer = caller.post(content="record", format="json", data=data)
    assert answer.status_code == 400
    assert "JSON decoder" in answer.json()["error"]


def test_an_instance_beyond_reason(caller: Caller) -> None:
    """A number of thousands of digits is no instance, and no failure of the server."""
    row = {
        "record_id": "10",
        "redcap_event_name": "week_1_arm_1",
        "redcap_repeat_instrument": "drugs",
        "redcap_repeat_instance": "9" * 5000,
    }
    assert "has an invalid value for 'redcap_repeat_instance'" in caller.refusal([row])


def test_checkboxes_take_no_missing_data_codes(caller: Caller) -> None:
    """0 and 1 only, whatever the project's codes."""
    assert "not a valid category" in caller.refusal([KEYS | {"consent___1": "-99"}])


def test_a_locked_form_locks_its_own_values_only(server: Sandbox, caller: Caller) -> None:
    """Other forms, other instances and other events of the record stay open."""
    lock(server, (RowKey(START), "enrolment"), (RowKey("week_1_arm_1", "drugs", 1), "drugs"))
    drug = {
        "record_id": "10",
        "redcap_event_name": "week_1_arm_1",
        "redcap_repeat_instrument": "drugs",
    }
    assert caller.send([KEYS | {"seen": "2026-03-01"}]).status_code == 200
    assert caller.send([drug | {"redcap_repeat_instance": "2", "dose": "1"}]).status_code == 200
    lines = caller.refusal(
        [
            drug | {"redcap_repeat_instance": "1", "dose": "1"},
            KEYS | {"enrolment_complete": "2", "sex": "1"},
        ]
    ).split("\n")
    assert [line.split(",")[1] for line in lines] == ['"dose"', '"enrolment_complete"', '"sex"']


def test_blanks_for_a_locked_form(server: Sandbox, caller: Caller) -> None:
    """With overwrite a blank that would erase is refused; one that would not, and calc, are not."""
    lock(server, (RowKey(START), "enrolment"))
    erase = {"overwriteBehavior": "overwrite"}
    assert caller.send([KEYS | {"weight": "", "bmi": "4"}], **erase).status_code == 200
    assert caller.refusal([KEYS | {"sex": "", "weight": ""}], **erase).startswith('"10","sex","",')
    assert caller.send([KEYS | {"sex": ""}]).status_code == 200


def test_blanks_for_a_form_one_may_only_read(server: Sandbox) -> None:
    """A user who may not change a value may not erase it either."""
    reader = replace(user("reader"), rights=replace(user("r").rights, forms={"enrolment": 2}))
    reading = Caller(server.url, server.project(901).add_user(reader))
    before = server.project(901).digest()
    erase = {"overwriteBehavior": "overwrite"}
    assert "edit rights" in reading.refusal([KEYS | {"sex": "", "weight": ""}], **erase)
    assert server.project(901).digest() == before
    assert reading.send([KEYS | {"weight": "", "seen": "2026-03-01"}], **erase).status_code == 200


def test_blanks_do_not_take_files_away(server: Sandbox, caller: Caller) -> None:
    """Files are not importable, so an import cannot remove them."""
    row = {"record_id": "2", "redcap_event_name": "start_arm_2", "photo": ""}
    assert caller.send([row], overwriteBehavior="overwrite").status_code == 200
    assert "photo" in server.project(901).values("2", "start_arm_2")


@pytest.mark.parametrize(
    "bad",
    [
        {"sex": "9"},
        {"redcap_repeat_instrument": "visit", "redcap_repeat_instance": "1"},
        {
            "redcap_event_name": "week_1_arm_1",
            "redcap_repeat_instrument": "drugs",
            "redcap_repeat_instance": "x",
        },
        {"redcap_data_access_group": "moon"},
    ],
)
def test_the_background_leaves_out_whatever_is_wrong(bad: Row) -> None:
    """All rows of a record with anything wrong stay out, the others go in; every wording alike."""
    with Sandbox([trial()], behaviour=Behaviour(refusals_name_event=True)) as sandbox:
        caller = Caller(sandbox.url, sandbox.project(901).token)
        rows = [KEYS | {"weight": "81"}, KEYS | bad, KEYS | {"record_id": "12", "sex": "2"}]
        assert caller.send(rows, backgroundProcess="1").json() == {"success": True}
        assert stored(sandbox, "12") == {"sex": "2"}
        assert "weight" not in stored(sandbox)
        (row,) = log(caller)
        assert (row["username"], row["action"]) == (
            "SYSTEM (data_manager)",
            "Create record (API) 12",
        )


def test_the_background_creates_nothing_for_who_may_not(server: Sandbox) -> None:
    """Known records go in, new ones stay out."""
    rights = Rights(dict(user("x", record_create=0).rights.granted))
    somebody = replace(user("somebody"), rights=rights)
    caller = Caller(server.url, server.project(901).add_user(somebody))
    rows = [KEYS | {"weight": "81"}, KEYS | {"record_id": "12", "sex": "2"}]
    assert caller.send(rows, backgroundProcess="true").status_code == 200
    assert stored(server)["weight"] == "81"
    assert stored(server, "12") == {}


def test_the_log_names_what_changed_and_nothing_else(server: Sandbox, caller: Caller) -> None:
    """A row per record with its changed fields; a move to a group is a row of its own."""
    same = KEYS | {"sex": "1", "redcap_data_access_group": "north_clinic", "consent____4": "1"}
    before = server.project(901).store.current
    caller.send([same])
    assert (log(caller), server.project(901).store.current) == ([], before)
    caller.send([same | {"weight": "80", "redcap_data_access_group": "south_clinic"}])
    assert [(row["action"], row["details"]) for row in log(caller)] == [
        (
            "Update record (API) 10",
            "Assign record to Data Access Group (redcap_data_access_group = 'south_clinic')",
        ),
        ("Update record (API) 10", "weight = '80'"),
    ]


def test_what_changed_nothing_is_not_in_the_date_range(caller: Caller) -> None:
    """``dateRangeBegin`` finds the record that changed, not the one that was only sent."""
    caller.send([KEYS | {"sex": "1"}])
    caller.send([{"record_id": "2", "redcap_event_name": "start_arm_2", "sex": "1"}])
    found = caller.export(dateRangeBegin="2000-01-01 00:00:00", fields=["record_id"])
    assert {row["record_id"] for row in found} == {"2"}


def test_many_new_instances_at_once(server: Sandbox, caller: Caller) -> None:
    """Each record counts its own instances: 3,000 new records get instance 1 each."""
    rows = [
        {
            "record_id": f"n{number}",
            "redcap_event_name": "week_1_arm_1",
            "redcap_repeat_instrument": "drugs",
            "redcap_repeat_instance": "new",
            "dose": "1",
        }
        for number in range(3000)
    ]
    assert caller.send(rows).json() == {"count": 3000}
    key = RowKey("week_1_arm_1", "drugs", 1)
    assert server.project(901).store.current.records["n2999"].rows == {key: {"dose": "1"}}


@pytest.mark.parametrize("type_", ["flat", "eav"])
@pytest.mark.parametrize("format_", ["csv", "json", "xml"])
def test_an_export_fills_an_empty_project(format_: str, type_: str) -> None:
    """What one project exports, another of the same dictionary takes in as it is.

    Apart from files, and in EAV from checkboxes: their lines name the option as their value when
    they are exported and in ``field___code`` when they are imported (as recorded).
    """
    source, target = trial(), trial()
    target.store.current = Snapshot()
    left_out = {"photo", "consent"} if type_ == "eav" else {"photo"}
    asked = {
        "fields": [one.name for one in FIELDS if one.name not in left_out],
        "forms": ["visit", "drugs", "diary"],
        "exportDataAccessGroups": "true",
    }
    how = {"content": "record", "format": format_, "type": type_}
    with Sandbox([source]) as one, Sandbox([target]) as other:
        here = Caller(one.url, source.token)
        there = Caller(other.url, target.token)
        exported = here.post(**how, **asked)
        assert exported.status_code == 200
        answer = there.post(**how, data=exported.content.decode(), returnFormat="csv")
        assert (answer.status_code, answer.text) == (200, "2")
        assert there.export(**asked) == here.export(**asked)
        before = target.store.current
        again = there.post(**how, data=exported.content.decode(), returnFormat="csv")
        assert again.text == "2"
        assert target.store.current is before
