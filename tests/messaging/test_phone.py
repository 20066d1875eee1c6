"""Phone numbers as REDCap holds them: what becomes E.164, and why the others do not."""

from __future__ import annotations

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from redcap_jobs.messaging import phone
from redcap_jobs.messaging.phone import BadPhone, Phone, e164, phones


@pytest.mark.parametrize(
    "written",
    [
        "2025550123",
        "(202) 555-0123",
        "202.555.0123",
        " 202-555-0123\n",
        "1 202 555 0123",
        "+1 (202) 555 0123",
        "+12025550123",
        "011 1 202 555 0123",
    ],
)
def test_a_number_is_read_however_it_is_written(written: str) -> None:
    """Blanks, brackets, dots and a country code or none: the same number."""
    assert e164(written, "US") == Phone("+12025550123")


@pytest.mark.parametrize(
    ("written", "reason"),
    [
        ("", "is blank"),
        (" ", "is blank"),
        ("none", "is no phone number"),
        ("+", "is no phone number"),
        ("202555012", "has too few digits"),
        ("911", "has too few digits"),
        ("555 0123", "lacks its area code"),
        ("20255501234", "has too many digits"),
        ("202 555 0123 / 202 555 0124", "has too many digits"),
        ("+1 555 234 5678", "is a number reserved for fiction"),
        ("(555) 555-0123", "is a number reserved for fiction"),
        ("1234567890", "is not a number anyone can have"),
        ("202 155 0123", "is not a number anyone can have"),
        ("+999 2025550123", "has no country code that exists"),
        ("800 555 0123", "is a toll-free number"),
        ("900 555 0123", "is a premium-rate number"),
        ("+44 20 7946 0018", "is a landline"),
        ("202 555 0123 x12", "has an extension"),
        ("202 555 0123 home", "has letters in it"),
        ("202-555-O123", "has letters in it"),
        ("1-202-FLOWERS", "has letters in it"),
    ],
)
def test_a_number_that_cannot_be_texted_says_why(written: str, reason: str) -> None:
    """The reason continues "the mobile number ...", for a coordinator to mend it in REDCap."""
    bad = e164(written, "US")
    assert bad == BadPhone(reason)
    assert str(bad) == reason


def test_the_region_is_that_of_numbers_without_a_country_code() -> None:
    """A number of another country is read as such where it says so, and only there."""
    assert e164("+44 7911 123456", "US") == Phone("+447911123456")
    assert e164("07911 123456", "GB") == Phone("+447911123456")
    assert isinstance(e164("07911 123456", "US"), BadPhone)


def test_a_region_that_does_not_exist_is_refused() -> None:
    """A study file with a wrong region must not make every number a bad one."""
    with pytest.raises(ValueError, match='"USA" is no region'):
        e164("2025550123", "USA")


@pytest.mark.parametrize("area", ["202", "212", "305", "415", "503", "617", "787", "808", "907"])
def test_numbers_for_examples_pass_with_a_real_area_code(area: str) -> None:
    """555-0100 to 555-0199 are kept free for examples: demonstrations text those."""
    assert isinstance(e164(f"{area} 555 0100", "US"), Phone)
    assert isinstance(e164(f"{area} 555 0199", "US"), Phone)


def test_a_phone_shows_itself_nowhere() -> None:
    """Whatever prints one by mistake, a log or an exception, prints no number."""
    good = e164("2025550123", "US")
    assert "2025550123" not in f"{good!r} {good} {[good]}"
    assert "20255501234" not in repr(e164("20255501234", "US"))


def test_a_column_is_read_each_number_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Households share phones: the answer stands beside every row, the work is done once."""
    read = []
    monkeypatch.setattr(phone, "e164", lambda text, region: read.append(text) or e164(text, region))
    column = pd.Series(["2025550123", "", "2025550123", "+15552345678"], index=list("abcd"))
    expected = pd.DataFrame(
        {
            "e164": ["+12025550123", "", "+12025550123", ""],
            "problem": ["", "is blank", "", "is a number reserved for fiction"],
        },
        index=list("abcd"),
    ).astype("str")
    pd.testing.assert_frame_equal(phones(column, "US"), expected)
    assert sorted(read) == ["", "+15552345678", "2025550123"]


def test_a_column_without_rows_has_its_columns() -> None:
    """A study without participants yet is no special case."""
    read = phones(pd.Series([], dtype="str"), "US")
    assert read.dtypes.astype(str).to_dict() == {"e164": "str", "problem": "str"}


@given(written=st.text(max_size=30))
def test_whatever_stands_in_the_field_is_a_number_or_a_reason(written: str) -> None:
    """Nothing breaks the reading, and what comes out reads as itself again."""
    read = e164(written, "US")
    if isinstance(read, Phone):
        assert e164(read.e164, "US") == read
    else:
        assert read.reason
