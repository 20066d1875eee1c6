"""Values both ways between REDCap and the partner: translated whole, or not at all."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from redcap_jobs.partner.translate import Untranslatable, same, to_partner, to_redcap
from redcap_jobs.study.partner_config import PartnerField

ARM = {"values": {"1": "OHT", "2": "CWT"}}


def field(**given: Any) -> PartnerField:
    """Make one row of the table."""
    return PartnerField.model_validate({"partner": "it", "redcap": "it"} | given)


@pytest.mark.parametrize(
    ("given", "here", "there"),
    [
        ({}, "Ana María", "Ana María"),
        (ARM, "2", "CWT"),
        ({"kind": "date", "date": "%m/%d/%Y"}, "2022-05-10", "05/10/2022"),
        ({"kind": "date"}, "2022-05-10", "2022-05-10"),
        ({"kind": "whole"}, "7", "7"),
        ({"kind": "phone"}, "+12025550123", "+12025550123"),
        (ARM, "", ""),
    ],
)
def test_there_and_back(given: dict[str, Any], here: str, there: str) -> None:
    """Each kind's value goes over in the partner's words and comes back in REDCap's."""
    assert to_partner(field(**given), here, "US") == there
    assert to_redcap(field(**given), there, "US") == here


@pytest.mark.parametrize(
    ("given", "value"),
    [
        (ARM, "3"),
        (ARM, "OHT"),
        ({"kind": "date"}, "10.5.2022"),
        ({"kind": "date"}, "2022-02-30"),
        ({"kind": "whole"}, "seven"),
        ({"kind": "whole"}, "7.5"),
        ({"kind": "phone"}, "(555) 555-0100"),
        ({"kind": "phone"}, "12"),
    ],
)
def test_what_has_no_counterpart_never_passes(given: dict[str, Any], value: str) -> None:
    """The reason says what is wrong and not the value."""
    found = to_partner(field(**given), value, "US")
    assert isinstance(found, Untranslatable)
    assert value not in str(found)


@pytest.mark.parametrize(
    ("given", "value", "also"),
    [
        (ARM, "CTL", "add it to the values in [[partner.fields]], or "),
        ({"kind": "date", "date": "%m/%d/%Y"}, "31/12/2024", "correct the format there, or "),
        ({"kind": "whole"}, "x", ""),
        ({"kind": "phone"}, "123", ""),
    ],
)
def test_a_strange_word_of_the_partners_is_not_copied(
    given: dict[str, Any], value: str, also: str
) -> None:
    """What the partner says without a translation stays where it is, and is mended there.

    Only where the study file may be what is wrong is it named, too.
    """
    found = to_redcap(field(**given), value, "US")
    assert isinstance(found, Untranslatable)
    assert value not in str(found)
    assert found.hint == f"{also}have the partner correct it"


def test_an_instant_of_the_partners_is_a_date_in_redcap() -> None:
    """``2026-11-24T18:00:00Z`` is copied as its day."""
    assert to_redcap(field(kind="date"), "2026-11-24T18:00:00Z", "US") == "2026-11-24"


def test_a_phone_is_the_same_in_any_notation() -> None:
    """Compared as E.164: how people write it is no difference."""
    phone = field(kind="phone")
    assert to_partner(phone, "(202) 555-0123", "US") == "+12025550123"
    assert same(phone, "+12025550123", "+1 202-555-0123", "US")
    assert not same(phone, "+12025550123", "+12025550124", "US")
    assert not same(phone, "+12025550123", "gibberish", "US")


@given(st.dates(min_value=date(1900, 1, 1), max_value=date(2100, 1, 1)), st.permutations("Ymd"))
def test_every_date_survives_every_format(day: date, order: list[str]) -> None:
    """Any order of day, month and year goes over and back."""
    each = field(kind="date", date="/".join(f"%{part}" for part in order))
    there = to_partner(each, day.isoformat(), "US")
    assert isinstance(there, str)
    assert to_redcap(each, there, "US") == day.isoformat()
