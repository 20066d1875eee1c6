"""The hours in which texts may go out: in the recipient's own day, whatever the clocks do."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from redcap_jobs.messaging.hours import DAYS, EARLIEST, LATEST, parse_hours

STUDY = parse_hours({"every_day": "09:00-20:00", "sunday": "12:00-18:00", "saturday": ""})
CHICAGO = "America/Chicago"


def local(day: str, clock: str, zone: str = CHICAGO) -> datetime:
    """Return the UTC instant of a local time."""
    written = datetime.fromisoformat(f"{day}T{clock}").replace(tzinfo=ZoneInfo(zone))
    return written.astimezone(UTC)


@pytest.mark.parametrize(
    ("day", "clock", "opens"),
    [
        ("2026-11-20", "08:59:59", False),  # a Friday
        ("2026-11-20", "09:00", True),
        ("2026-11-20", "19:59:59", True),
        ("2026-11-20", "20:00", False),
        ("2026-11-21", "12:00", False),
        ("2026-11-22", "11:59", False),
        ("2026-11-22", "12:00", True),
        ("2026-11-22", "18:00", False),
    ],
)
def test_opening_is_included_and_close_is_not(day: str, clock: str, *, opens: bool) -> None:
    """A weekday's own hours go before those of every day; a day without hours is closed."""
    assert STUDY.is_open(local(day, clock), CHICAGO) is opens


def test_the_hours_are_the_recipients() -> None:
    """At one instant it is still evening in Honolulu and night in New York."""
    instant = local("2026-11-20", "19:30")
    assert STUDY.is_open(instant, CHICAGO)
    assert not STUDY.is_open(instant, "America/New_York")
    assert STUDY.is_open(instant, "Pacific/Honolulu")


def test_when_the_hours_under_way_end() -> None:
    """The end of the day's hours, as an instant: what Twilio queues must lapse before."""
    assert STUDY.closes_at(local("2026-11-20", "10:00"), CHICAGO) == local("2026-11-20", "20:00")
    assert STUDY.closes_at(local("2026-11-20", "21:00"), CHICAGO) is None


def test_the_next_chance_passes_closed_days() -> None:
    """Friday evening waits for Sunday noon where Saturday is closed; within hours it is now."""
    friday = local("2026-11-20", "20:00")
    assert STUDY.opens_next(friday, CHICAGO) == local("2026-11-22", "12:00")
    sunday = local("2026-11-22", "13:37")
    assert STUDY.opens_next(sunday, CHICAGO) == sunday


@pytest.mark.parametrize("day", ["2026-03-08", "2026-11-01"])
def test_the_days_the_clocks_change(day: str) -> None:
    """On the days of 23 and 25 hours the local clock counts, noon is noon."""
    assert not STUDY.is_open(local(day, "11:59"), CHICAGO)
    assert STUDY.is_open(local(day, "12:00"), CHICAGO)
    assert STUDY.closes_at(local(day, "12:00"), CHICAGO) == local(day, "18:00")
    night = local(day, "00:30")
    assert STUDY.opens_next(night, CHICAGO) == local(day, "12:00")


@pytest.mark.parametrize(
    ("written", "fault"),
    [
        ({"every_day": "07:59-20:00"}, "outside 08:00-21:00"),
        ({"every_day": "08:00-21:01"}, "outside 08:00-21:00"),
        ({"weekend": "00:00-23:59"}, "outside 08:00-21:00"),
        ({"every_day": "20:00-09:00"}, "ends before it begins"),
        ({"every_day": "09:00-09:00"}, "ends before it begins"),
        ({"every_day": "9-20"}, 'must be written as "09:00-20:00"'),
        ({"every_day": "09:00-24:00"}, 'must be written as "09:00-20:00"'),
        ({"every_day": "09:60-20:00"}, 'must be written as "09:00-20:00"'),
        ({"everyday": "09:00-20:00"}, '"everyday" is no weekday'),
        ({"every_day": "", "sunday": ""}, "no day has hours"),
        ({}, "no day has hours"),
    ],
)
def test_hours_that_are_wrong_or_too_wide_are_refused(written: dict[str, str], fault: str) -> None:
    """The study file makes the hours narrower than 08-21, never wider."""
    with pytest.raises(ValueError, match=fault):
        parse_hours(written)


def test_the_narrower_key_counts_in_whatever_order() -> None:
    """A day before weekdays or weekend, these before every day."""
    spans = {"every_day": "08:00-21:00", "weekdays": "09:00-20:00", "friday": "10:00-12:00"}
    backwards = dict(reversed(spans.items()))
    expected = [(time(9), time(20))] * 4 + [(time(10), time(12))] + [(time(8), time(21))] * 2
    assert parse_hours(spans).spans == parse_hours(backwards).spans == tuple(expected)
    assert dict(parse_hours(backwards).written) == spans


def test_the_weekend_is_saturday_and_sunday() -> None:
    """Weekdays and weekend share no day and leave none out."""
    spans = parse_hours({"weekdays": "09:00-20:00", "weekend": "12:00-18:00"}).spans
    assert spans == ((time(9), time(20)),) * 5 + ((time(12), time(18)),) * 2


def test_one_day_a_week_is_waited_for() -> None:
    """Where only Sundays are open, the end of a Sunday waits for the next."""
    sundays = parse_hours({"sunday": "12:00-18:00"})
    assert sundays.opens_next(local("2026-11-22", "18:00"), CHICAGO) == local("2026-11-29", "12:00")


CLOCKS = st.times(EARLIEST, LATEST).map(lambda clock: clock.replace(second=0, microsecond=0))
SPANS = (
    st.tuples(CLOCKS, CLOCKS)
    .filter(lambda span: span[0] != span[1])
    .map(lambda span: f"{min(span):%H:%M}-{max(span):%H:%M}")
)
TABLES = st.builds(
    lambda table, day, span: {**table, day: span},
    st.dictionaries(
        st.sampled_from(["every_day", "weekdays", "weekend", *DAYS]),
        st.one_of(st.just(""), SPANS),
    ),
    st.sampled_from(DAYS),
    SPANS,
)
"""Any table in which at least one day has hours."""
ZONES = st.sampled_from(
    [
        *(CHICAGO, "America/St_Johns", "Pacific/Honolulu", "Asia/Kathmandu", "Pacific/Apia"),
        *("Australia/Lord_Howe", "Africa/Casablanca", "America/Santiago", "UTC"),
    ]
)
INSTANTS = st.integers(0, 6 * 366 * 86_400).map(
    lambda seconds: datetime(2024, 1, 1, tzinfo=UTC) + timedelta(seconds=seconds)
)


@given(table=TABLES, zone=ZONES, instant=INSTANTS)
def test_never_outside_of_eight_to_nine(
    table: dict[str, str], zone: str, instant: datetime
) -> None:
    """Whatever the study file says, an open hour lies within 08-21 of the local clock."""
    hours = parse_hours(table)
    if hours.is_open(instant, zone):
        assert EARLIEST <= instant.astimezone(ZoneInfo(zone)).time() < LATEST


@given(table=TABLES, zone=ZONES, instant=INSTANTS)
def test_open_means_before_the_close_of_the_same_day(
    table: dict[str, str], zone: str, instant: datetime
) -> None:
    """It is open until its close, not at it, and the close is on the same local day."""
    hours = parse_hours(table)
    closes = hours.closes_at(instant, zone)
    if closes:
        assert hours.is_open(instant, zone)
        assert instant < closes
        assert not hours.is_open(closes, zone)
        assert hours.is_open(closes - timedelta(seconds=1), zone)
        local_days = {each.astimezone(ZoneInfo(zone)).date() for each in (instant, closes)}
        assert len(local_days) == 1


@given(table=TABLES, zone=ZONES, instant=INSTANTS)
def test_the_next_chance_is_open_and_the_first(
    table: dict[str, str], zone: str, instant: datetime
) -> None:
    """Within eight days there is one; it is open, not in the past, and just before it is not."""
    hours = parse_hours(table)
    opens = hours.opens_next(instant, zone)
    assert opens is not None
    assert instant <= opens <= instant + timedelta(days=8)
    assert hours.is_open(opens, zone)
    assert (opens == instant) == hours.is_open(instant, zone)
    if opens > instant:
        just_before = max(instant, opens - timedelta(seconds=1))
        assert not hours.is_open(just_before, zone)
        middle = instant + (opens - instant) / 2
        assert not hours.is_open(middle, zone)


@given(table=TABLES)
def test_hours_can_be_read_again_from_what_was_written(table: dict[str, str]) -> None:
    """What the study file said is kept, and hours are equal and hash equal where it is equal."""
    hours = parse_hours(table)
    again = parse_hours(dict(hours.written))
    assert (again, hash(again)) == (hours, hash(hours))


def test_a_skipped_day_is_no_chance() -> None:
    """Samoa went from 29 to 31 December 2011: the day between never came."""
    hours = parse_hours({"every_day": "09:00-20:00"})
    evening = local("2011-12-29", "20:00", "Pacific/Apia")
    opens = hours.opens_next(evening, "Pacific/Apia")
    assert opens is not None
    assert opens.astimezone(ZoneInfo("Pacific/Apia")).date() == date(2011, 12, 31)
