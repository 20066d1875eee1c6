"""Values that are easily changed on the way: days and zones, phones, accents, numbers."""

from __future__ import annotations

import unicodedata
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from redcap_jobs.partner.answers import NO_TEXT, as_text
from redcap_jobs.partner.translate import Untranslatable, same, to_partner, to_redcap
from redcap_jobs.study.partner_config import PartnerField

LOS_ANGELES = ZoneInfo("America/Los_Angeles")


def field(**given: Any) -> PartnerField:
    """Make one row of the table."""
    return PartnerField.model_validate({"partner": "it", "redcap": "it"} | given)


DAY, US_DAY = field(kind="date"), field(kind="date", date="%m/%d/%Y")


@pytest.mark.parametrize(
    ("instant", "day"),
    [
        ("2026-11-24T18:00:00Z", "2026-11-24"),
        ("2026-11-24T02:00:00Z", "2026-11-23"),
        ("2026-11-24T07:59:59Z", "2026-11-23"),
        ("2026-11-24T08:00:00Z", "2026-11-24"),
        ("2026-07-01T06:59:59Z", "2026-06-30"),
        ("2026-07-01T07:00:00.123Z", "2026-07-01"),
        ("2028-03-01T03:00:00+00:00", "2028-02-29"),
        ("2026-11-24T23:30:00-08:00", "2026-11-24"),
        ("2026-11-24 02:00:00", "2026-11-24"),
        ("2026-11-24T02:00:00", "2026-11-24"),
        ("2026-11-24", "2026-11-24"),
    ],
)
def test_an_instant_is_the_day_in_the_studys_zone(instant: str, day: str) -> None:
    """Who opts out in the evening in California did so on that day, not on UTC's next one."""
    assert to_redcap(DAY, instant, "US", LOS_ANGELES) == day


@given(
    st.integers(600_000_000, 4_000_000_000).map(lambda second: datetime.fromtimestamp(second, UTC)),
    st.sampled_from(["America/Los_Angeles", "Asia/Kathmandu", "Pacific/Apia", "UTC"]),
)
def test_every_instant_is_that_zones_day(instant: datetime, name: str) -> None:
    """Over every change to and from daylight saving time."""
    zone = ZoneInfo(name)
    written = instant.strftime("%Y-%m-%dT%H:%M:%SZ")
    assert to_redcap(DAY, written, "US", zone) == f"{instant.astimezone(zone):%Y-%m-%d}"


@pytest.mark.parametrize(
    "value",
    [
        "0022-05-10",
        "0999-12-31",
        "0001-01-01T00:30:00Z",
        "2022-05-101",
        "2022-05-10x",
        "2022-05-10 soon",
        "2023-02-29",
        "2022-5-1x",
        "20220510",
        "0000-00-00",
        "2022-13-01",
        "2022-05-10T25:00:00Z",
    ],
)
def test_what_is_no_date_is_not_made_one(value: str) -> None:
    """A year of two digits would be read as another one, and a longer text is not cut to fit."""
    assert isinstance(to_partner(US_DAY, value, "US"), Untranslatable)
    assert isinstance(to_redcap(DAY, value, "US", LOS_ANGELES), Untranslatable)


@pytest.mark.parametrize(
    ("value", "there"),
    [
        ("2028-02-29", "02/29/2028"),
        ("1000-01-01", "01/01/1000"),
        ("2026-03-08", "03/08/2026"),
        ("2026-11-01 23:59", "11/01/2026"),
        ("2026-03-08 02:30:00", "03/08/2026"),
    ],
)
def test_a_day_in_redcap_is_that_day(value: str, there: str) -> None:
    """Leap days and the nights of the clock change; of a time field the day as it stands."""
    assert to_partner(US_DAY, value, "US") == there


def test_a_long_format_is_read_as_a_whole() -> None:
    """Only ISO's days may be followed by a time."""
    long = field(kind="date", date="day %d of %m in %Y")
    assert to_partner(long, "2028-02-29", "US") == "day 29 of 02 in 2028"
    assert to_redcap(long, "day 29 of 02 in 2028", "US") == "2028-02-29"


def test_words_and_numbers_are_compared_without_blanks_around() -> None:
    """But not by half: another word, or what is no value on either side, differs."""
    arm, number = field(values={"1": "OHT", "2": "CWT"}), field(kind="whole")
    assert same(arm, "OHT", " OHT ", "US")
    assert same(number, "7", "7 ", "US")
    assert not same(number, "7", "70", "US")
    assert not same(number, "7", "", "US")
    assert not same(DAY, "soon", "soon", "US")


@pytest.mark.parametrize(
    "there", ["02/29/2023", "5/10/22", "2022-05-10", "29/02/2028", "05/10/2022x"]
)
def test_a_date_in_another_format_is_not_guessed(there: str) -> None:
    """The table says how the partner writes dates."""
    assert isinstance(to_redcap(US_DAY, there, "US"), Untranslatable)


@pytest.mark.parametrize(
    "written",
    [
        "+1 202 555 0123",
        "1-202-555-0123",
        "(202) 555-0123",
        "202.555.0123",
        "+12025550123",
        "2025550123",
    ],
)
def test_an_american_phone_in_any_notation_is_one_number(written: str) -> None:
    """With and without the 1 of North America."""
    assert to_partner(field(kind="phone"), written, "US") == "+12025550123"


@pytest.mark.parametrize(
    "written",
    ["202 555 0123 ext 4", "202 555 0123 or 202 555 0124", "555-0123", "+1 202 555 01234"],
)
def test_what_is_not_just_one_phone_does_not_pass(written: str) -> None:
    """Neither an extension nor a second number is dropped."""
    assert isinstance(to_partner(field(kind="phone"), written, "US"), Untranslatable)


@pytest.mark.parametrize("name", ["María José", "Ñuñez", "D'Ángelo", "Zoë-Lou", "O\u2019Hara"])
def test_names_go_over_letter_by_letter(name: str) -> None:
    """Accents, apostrophes and hyphens stay."""
    assert to_partner(field(), name, "US") == name
    assert to_redcap(field(), name, "US") == name


def test_an_accent_written_in_two_ways_is_no_difference() -> None:
    """``é`` may be one sign or two (Unicode's NFC and NFD): it is the same name."""
    name = "José Ñuñez"
    assert same(field(), name, unicodedata.normalize("NFD", name), "US")
    assert not same(field(), name, "Jose Nunez", "US")


def test_blanks_around_and_within_a_name_are_no_difference() -> None:
    """But letters are."""
    assert same(field(), "Ana  María", " Ana María ", "US")
    assert not same(field(), "Ana", "ana", "US")


@pytest.mark.parametrize("value", ["٣", "7 ", "+7", "1e3", "--7", "7.", "½", "²"])
def test_a_whole_number_is_of_plain_digits(value: str) -> None:
    """What a program may read in another way, or not at all, does not pass."""
    number = field(kind="whole")
    for found in (to_partner(number, value, "US"), to_redcap(number, value, "US")):
        assert found == "7" if value == "7 " else isinstance(found, Untranslatable)


@pytest.mark.parametrize(
    ("value", "text"),
    [(None, ""), (7, "7"), (7.0, "7"), (7.5, "7.5"), (True, "true"), ("es", "es"), (0, "0")],
)
def test_a_value_of_json_as_text(value: object, text: str) -> None:
    """A number with nothing behind the point is the whole number."""
    assert as_text(value) == text


@pytest.mark.parametrize("value", [[], {}, ["es"], {"code": "es"}])
@pytest.mark.parametrize("kind", ["text", "whole", "date", "phone"])
def test_what_is_no_plain_value_is_copied_nowhere(kind: str, value: object) -> None:
    """A list or an object never reaches REDCap as the text of a program."""
    assert as_text(value) == NO_TEXT
    assert isinstance(to_redcap(field(kind=kind), as_text(value), "US"), Untranslatable)
    assert not same(field(kind=kind), "2022-05-10", as_text(value), "US")


def test_a_choice_is_translated_by_its_own_code_only() -> None:
    """Neither another code, nor a word for a code, nor one that differs in case passes."""
    arm = field(values={"1": "OHT", "2": "CWT"})
    for value in ("01", "1.0", "OHT", "3"):
        assert isinstance(to_partner(arm, value, "US"), Untranslatable)
    for word in ("oht", "1", "OHT,CWT"):
        assert isinstance(to_redcap(arm, word, "US"), Untranslatable)
    assert not same(arm, "OHT", "CWT", "US")
    assert not same(arm, "OHT", "", "US")


def test_the_reason_holds_no_value() -> None:
    """Not for any kind."""
    for kind in ("date", "phone", "whole"):
        for way in (to_partner, to_redcap):
            assert "Josefina" not in str(way(field(kind=kind), "Josefina", "US"))


def test_a_day_is_compared_as_the_day_it_names() -> None:
    """A date that REDCap owns is no instant: midnight UTC is not the evening before."""
    assert same(DAY, "2022-05-10", "2022-05-10T00:00:00Z", "US")
    assert not same(DAY, "2022-05-10", "2022-05-11", "US")
