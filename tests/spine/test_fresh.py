"""What decides is read once for all who are next, and again when it is a minute old."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import cast

import pytest

from redcap_jobs.couriers import NotThere
from redcap_jobs.errors import RedcapJobsError
from redcap_jobs.fresh import FreshReads
from redcap_jobs.plan import Action, Inputs, Text
from redcap_jobs.redcap.errors import RecordsGone


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


class Shrinking(Reads):
    """Reads from a project that records may vanish from."""

    def __init__(self, *gone: str) -> None:
        super().__init__()
        self.gone = set(gone)

    def read(self, records: Sequence[str]) -> Inputs:
        inputs = super().read(records)
        missing = sorted(self.gone & set(records))
        if missing:
            raise RecordsGone("gone", label="P", content="record", missing=missing)
        return inputs


def test_who_is_gone_is_not_asked_for_again() -> None:
    """The others are read without them; whose turn comes is told to be gone without a request."""
    reading = Shrinking("2", "7")
    following = [Text("k1", "1", "text", kin=("7",)), *(Action(f"k{n}", n, "text") for n in "23")]
    first = reading.fresh(following)
    assert reading.asked == [["1", "7", "2", "3"], ["1", "3"]]
    with pytest.raises(NotThere, match="record 2 was deleted or renamed since the run began"):
        reading.fresh(following[1:])
    assert reading.fresh(following[2:]) is first
    assert len(reading.asked) == 2


def test_whose_turn_it_is_may_be_gone_itself() -> None:
    """Nobody is read for it; those who follow are read when it is their turn."""
    reading = Shrinking("1")
    with pytest.raises(NotThere):
        reading.of("1", "2")
    reading.of("2")
    assert reading.asked == [["1", "2"], ["2"]]


def test_a_server_that_misses_what_was_not_asked_ends_it() -> None:
    """It is not asked for ever."""
    reading = Reads()

    def confused(records: Sequence[str]) -> Inputs:
        reading.asked.append(list(records))
        raise RecordsGone("gone", label="P", content="record", missing=["8"])

    reading.fresh._read = confused
    with pytest.raises(RecordsGone):
        reading.of("1")
    assert len(reading.asked) == 2
