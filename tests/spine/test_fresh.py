"""What decides is read once for all who are next, and again when it is a minute old."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import cast

import pytest

from redcap_jobs.errors import RedcapJobsError
from redcap_jobs.fresh import FreshReads
from redcap_jobs.plan import Action, Inputs, Text


class Reads:
    """A clock that moves when told to, and every read that was made at it."""

    def __init__(self) -> None:
        self.time = datetime(2026, 11, 23, 18, tzinfo=UTC)
        self.asked: list[list[str]] = []
        self.fresh = FreshReads(self.read, self)

    def now(self) -> datetime:
        return self.time

    def sleep(self, pause: timedelta) -> None:
        self.time += pause

    def read(self, records: Sequence[str]) -> Inputs:
        self.asked.append(list(records))
        return cast("Inputs", object())

    def of(self, *records: str) -> Inputs:
        """Read for the actions that are next, the first of them at hand."""
        return self.fresh([Action(f"k{record}", record, "text") for record in records])


@pytest.mark.parametrize(("seconds", "reads"), [(0, 1), (59.9, 1), (60, 2), (-0.1, 2)])
def test_a_read_counts_for_a_minute(seconds: float, reads: int) -> None:
    """The same inputs again within it; afterwards, or where the clock was set back, new ones."""
    reading = Reads()
    first = reading.of("1", "2")
    reading.sleep(timedelta(seconds=seconds))
    assert (reading.of("1", "2") is first) is (reads == 1)
    assert len(reading.asked) == reads


def test_those_who_follow_are_read_along_once_each() -> None:
    """A record with two texts is asked for once; who was not read along is read when at hand."""
    reading = Reads()
    first = reading.of("1", "2", "1")
    assert reading.of("2") is first
    reading.of("3", "4")
    assert reading.asked == [["1", "2"], ["3", "4"]]


def test_the_other_records_of_a_phone_are_read_along() -> None:
    """Who opts out under one of them while a long run lasts stops the texts of the others."""
    reading = Reads()
    reading.fresh([Text("k1", "1", "text", kin=("7", "2")), Action("k2", "2", "text")])
    assert reading.asked == [["1", "7", "2"]]


def test_the_minute_counts_from_before_the_read() -> None:
    """An export takes its time: what it shows is as old as its beginning."""
    reading = Reads()

    def slow(records: Sequence[str]) -> Inputs:
        reading.sleep(timedelta(seconds=45))
        return reading.read(records)

    reading.fresh = FreshReads(slow, reading)
    reading.of("1")
    reading.sleep(timedelta(seconds=20))
    reading.of("1")
    assert len(reading.asked) == 2


def test_a_read_that_failed_makes_nothing_fresh() -> None:
    """What was read before stays as old as it is."""
    reading = Reads()
    reading.of("1")
    reading.sleep(timedelta(seconds=70))

    def broken(records: Sequence[str]) -> Inputs:
        raise RedcapJobsError("REDCap is down")

    reading.fresh._read = broken
    for _ in range(2):
        with pytest.raises(RedcapJobsError):
            reading.of("1")
