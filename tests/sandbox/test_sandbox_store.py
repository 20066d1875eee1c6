"""The store: whole writes or none, and readers that see one moment."""

from __future__ import annotations

from datetime import datetime
from threading import Thread

import pytest
from sandbox_projects import Caller

from redcap_jobs.sandbox.server import Sandbox
from redcap_jobs.sandbox.store import Record, RowKey, Snapshot, Store, natural_order

NOW = datetime(2026, 11, 22, 12)  # noqa: DTZ001 - the server's own time
KEY = RowKey("start_arm_1")


def test_a_snapshot_never_changes() -> None:
    """What a reader holds stays as it was while a write is made and published."""
    store = Store()
    store.current = Snapshot({"1": Record({KEY: {"sex": "1"}})})
    held = store.current
    with store.writing(NOW) as draft:
        draft.row("1", KEY)["sex"] = "2"
        assert draft.rows("1")[KEY]["sex"] == "2"
        assert store.current is held
    assert held.records["1"].rows[KEY]["sex"] == "1"
    assert store.current.records["1"].rows[KEY]["sex"] == "2"


def test_an_exception_publishes_nothing() -> None:
    """A draft that fails leaves the store as it was."""
    store = Store()
    store.current = before = Snapshot({"1": Record({KEY: {"sex": "1"}})})

    def fail() -> None:
        with store.writing(NOW) as draft:
            draft.row("1", KEY)["sex"] = "2"
            draft.row("2", KEY)["sex"] = "2"
            draft.delete("1")
            raise ValueError("stop")

    with pytest.raises(ValueError, match="stop"):
        fail()
    assert store.current is before


def test_deleted_records_are_gone_and_can_come_back() -> None:
    """Delete and create again in one write: nothing of the old record is left."""
    store = Store()
    store.current = Snapshot({"1": Record({KEY: {"sex": "1", "born": "1990-01-01"}}, "north")})
    with store.writing(NOW) as draft:
        draft.delete("1")
        assert not draft.exists("1")
        assert draft.names() == []
        draft.row("1", KEY)["sex"] = "2"
    assert store.current.records["1"].rows == {KEY: {"sex": "2"}}
    assert store.current.records["1"].dag == ""


def test_the_digest_depends_on_the_data_alone() -> None:
    """Not on the order in which they came, nor on when; on every value and on the group."""
    one = Snapshot({"1": Record({KEY: {"a": "1", "b": "2"}}), "2": Record()})
    other = Snapshot({"2": Record(), "1": Record({KEY: {"b": "2", "a": "1"}}, touched=(NOW,))})
    assert one.digest() == other.digest()
    assert one.digest() != Snapshot({"1": Record({KEY: {"a": "1", "b": "3"}})}).digest()
    moved = Snapshot({"1": Record({KEY: {"a": "1", "b": "2"}}, "north"), "2": Record()})
    assert one.digest() != moved.digest()


def test_names_are_ordered_as_people_count() -> None:
    """Numbers by value, before names that begin with letters."""
    names = ["A10", "10", "2", "b1", "A2", "20-3", "20-1", "1101-B"]
    assert sorted(names, key=natural_order) == [
        *("2", "10", "20-1", "20-3", "1101-B", "A2", "A10", "b1"),
    ]


def test_clients_see_whole_imports_or_none(server: Sandbox, classic: Caller) -> None:
    """While imports of one value for all records follow each other, every export is of one value."""
    names = [str(number) for number in range(1, 201)]

    def rows(value: str) -> list[dict[str, str]]:
        return [{"id": name, "name": value} for name in names]

    classic.send(rows("0"))
    seen: list[set[str]] = []
    failures: list[str] = []

    def write() -> None:
        for turn in range(1, 13):
            response = classic.send(rows(str(turn)))
            if response.text != '{"count":200}':
                failures.append(response.text)

    def read() -> None:
        seen.extend(
            {row["name"] for row in classic.export(fields=["id", "name"])} for _ in range(15)
        )

    threads = [Thread(target=write), *(Thread(target=read) for _ in range(3))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert len(seen) == 45
    assert all(len(values) == 1 for values in seen)
