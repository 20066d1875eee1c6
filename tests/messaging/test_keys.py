"""Keys of texts: one spelling, read back exactly."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from redcap_jobs.messaging.keys import MessageKey

PART = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
KEYS = st.builds(MessageKey, PART, PART, PART, PART, PART, PART)
PROJECT = "production:3041@https://redcap.example.edu/api"


def test_a_key_can_be_read_in_a_list() -> None:
    """Project, message, record, event, instance and occurrence stand as they are."""
    key = MessageKey(PROJECT, "parents_m2", "1001", "month_2_arm_1", "", "0")
    assert str(key) == f"{PROJECT}|parents_m2|1001|month_2_arm_1||0"
    named = MessageKey("p", "m", "1001", occurrence="2", instance="3", event="e")
    assert str(named) == "p|m|1001|e|3|2", "the order is part of what stands in REDCap"


@given(key=KEYS)
def test_what_is_written_is_read_back(key: MessageKey) -> None:
    """Whatever a record or event is called, bars and percent signs included."""
    assert MessageKey.parse(str(key)) == key


@given(one=KEYS, other=KEYS)
def test_two_keys_never_look_the_same(one: MessageKey, other: MessageKey) -> None:
    """Parts do not run into each other: no text is mistaken for another's."""
    assert (str(one) == str(other)) == (one == other)


@given(text=st.text(max_size=60))
def test_only_the_one_spelling_is_read(text: str) -> None:
    """What is read writes itself the same: a second spelling would be a second text."""
    try:
        key = MessageKey.parse(text)
    except ValueError:
        return
    assert str(key) == text


@pytest.mark.parametrize(
    "text", ["", "a|b|c|d|e", "a|b|c|d|e|f|g", "a|b|%31|d|e|f", "a|b|%2|d|e|f", "a|b|%c3%a9|d|e|f"]
)
def test_anything_else_is_refused(text: str) -> None:
    """Too few or many parts, or needless quoting, is no key."""
    with pytest.raises(ValueError, match="is no message key; expected six parts"):
        MessageKey.parse(text)


def test_a_bar_in_a_record_is_quoted() -> None:
    """The separator inside of a part does not separate."""
    assert str(MessageKey("p", "m", "10|01")) == "p|m|10%7C01|||"
