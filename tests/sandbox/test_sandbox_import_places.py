"""Record import: instances, groups of locked records, columns without rows."""

from __future__ import annotations

import tracemalloc
from typing import Any

import pytest
from sandbox_projects import Caller, trial

from redcap_jobs.sandbox.import_formats import read_rows
from redcap_jobs.sandbox.import_places import Instances
from redcap_jobs.sandbox.parameters import Parameters
from redcap_jobs.sandbox.server import Sandbox
from redcap_jobs.sandbox.store import Draft, RowKey

WEEK = {"record_id": "10", "redcap_event_name": "week_1_arm_1"}
DRUGS = WEEK | {"redcap_repeat_instrument": "drugs"}
NEEDED = (
    "This field ('{}') exists on a Repeating Instrument named 'drugs'. However, the fields "
    "'redcap_repeat_instance' and/or 'redcap_repeat_instrument' for this row of data have no value, "
    "which are both required for importing data into a Repeating Instrument.  You are not allowed "
    "to import data for this field into a non-repeating instrument."
)
GROUP = "redcap_data_access_group"


def lock(server: Sandbox, key: RowKey, form: str) -> None:
    with server.project(901).store.writing(None) as draft:
        draft.set_locks("10", frozenset({(key, form)}))


@pytest.mark.parametrize("instance", [{}, {"redcap_repeat_instance": ""}])
@pytest.mark.parametrize("overwrite", ["normal", "overwrite"])
def test_a_repeating_form_needs_its_instance(
    server: Sandbox, caller: Caller, instance: dict[str, str], overwrite: str
) -> None:
    """INTERPOLAR issue 308: both keys are required; a line per value, nothing goes to instance 1."""
    before = server.project(901).digest()
    row = DRUGS | instance | {"drug": "C", "dose": "7", "seen": ""}
    assert caller.refusal([row], overwriteBehavior=overwrite).split("\n") == [
        f'"10","{name}","{value}","{NEEDED.format(name)}"'
        for name, value in [("drug", "C"), ("dose", "7")]
    ]
    assert server.project(901).digest() == before


def test_an_instrument_alone_is_no_place(caller: Caller) -> None:
    """A row that names a repeating form, and neither instance nor value, is refused (own words)."""
    line = caller.refusal([DRUGS | {"dose": ""}], overwriteBehavior="overwrite")
    assert line.startswith('"10","redcap_repeat_instance","",')


def test_new_counts_on_from_what_is_stored_and_given(server: Sandbox, caller: Caller) -> None:
    """Each event and form by itself; an instance named in between counts, a lower one does not."""
    rows: list[dict[str, Any]] = [
        DRUGS | {"redcap_repeat_instance": instance, "dose": dose}
        for instance, dose in [("new", "1"), ("9", "2"), ("new", "3"), ("4", "4"), ("new", "5")]
    ]
    diary = {"record_id": "10", "redcap_event_name": "diary_arm_1"}
    rows.append(diary | {"redcap_repeat_instance": "new", "slept": "8"})
    assert caller.send(rows).json() == {"count": 1}
    stored = server.project(901).store.current.records["10"].rows
    doses = {key.instance: stored[key].get("dose") for key in stored if key.instrument == "drugs"}
    assert doses == {1: "5", 2: None, 3: "1", 9: "2", 10: "3", 4: "4", 11: "5"}
    assert stored[RowKey("diary_arm_1", "", 2)] == {"slept": "8"}


def test_the_stored_rows_are_looked_through_once() -> None:
    """However many instances are new: looking at each again would take the square of their number."""
    looked = []

    class Watched(Draft):
        def rows(self, record: str) -> dict[RowKey, dict[str, str]]:
            looked.append(record)
            return {RowKey("e", "f", 7): {}}

    project = trial()
    instances = Instances(Watched(project.store.current, None))
    for number in range(8, 100):
        assert instances.following("10", "e", "f") == number
        instances.note("10", RowKey("e", "f", number))
    assert looked == ["10"]


@pytest.mark.parametrize("group", ["south_clinic", ""])
def test_a_locked_form_does_not_keep_the_group(server: Sandbox, caller: Caller, group: str) -> None:
    """A group is on no form (own answer)."""
    lock(server, RowKey("start_arm_1"), "enrolment")
    row = {"record_id": "10", "redcap_event_name": "start_arm_1", GROUP: group}
    assert caller.send([row], overwriteBehavior="overwrite").status_code == 200
    assert server.project(901).store.current.records["10"].dag == group


@pytest.mark.parametrize("group", ["south_clinic", ""])
def test_a_locked_record_keeps_its_group(server: Sandbox, caller: Caller, group: str) -> None:
    """No value within it can be modified, in the recorded words; its own group is no change."""
    lock(server, RowKey(), "")
    row = {"record_id": "10", "redcap_event_name": "start_arm_1", GROUP: group}
    line = caller.refusal([row], overwriteBehavior="overwrite")
    assert line.startswith(f'"10","{GROUP}","{group}","This record has been locked at the record')
    assert server.project(901).store.current.records["10"].dag == "north_clinic"
    assert caller.send([row | {GROUP: "north_clinic"}]).status_code == 200


@pytest.mark.parametrize("type_", ["flat", "eav"])
def test_columns_that_do_not_exist_are_refused_without_rows(caller: Caller, type_: str) -> None:
    """A csv header alone names fields, too; known ones without rows import nothing."""
    flat = type_ == "flat"
    call = {"content": "record", "format": "csv", "type": type_}
    unknown = caller.post(data="record_id,sex,foo,baz\n" if flat else "id,foo\n", **call)
    assert unknown.status_code == 400
    if flat:
        assert unknown.text.endswith("not found in the project as real data fields: foo, baz")
    known = caller.post(data="record_id,sex\n" if flat else "record,field_name,value\n", **call)
    assert (known.status_code, known.text) == (200, "0")


def test_eav_lines_of_one_row_need_not_stand_together(server: Sandbox, caller: Caller) -> None:
    """Lines are gathered by record and event, whatever lies between them."""
    lines = ["10,sex,2", "2,weight,71", "10,weight,80", "10,record_id,10"]
    data = "\n".join(["record,field_name,value", *lines])
    assert caller.post(content="record", type="eav", format="csv", data=data).status_code == 200
    values = server.project(901).values("10", "start_arm_1")
    assert (values["sex"], values["weight"]) == ("2", "80")


def test_eav_csv_is_read_line_by_line() -> None:
    """Millions of lines come at once: beside what they say, only the text itself is held."""
    lines = (f"{record},x{field},value {field}" for record in range(100) for field in range(200))
    data = "\n".join(["record,field_name,value", *lines])
    parameters = Parameters.read([("format", "csv"), ("type", "eav"), ("data", data)])
    tracemalloc.start()
    try:
        rows, _ = read_rows(parameters, "record_id")
        kept, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert len(rows) == 100
    assert rows[99]["x199"] == "value 199"
    assert most < 2 * kept


def test_a_flat_table_is_no_eav(caller: Caller) -> None:
    """Its columns are missing."""
    flat = {"content": "record", "type": "eav", "format": "csv"}
    assert caller.post(data="record_id,sex\n10,2", **flat).status_code == 400
