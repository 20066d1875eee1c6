"""What counts as sent before: by journal or by REDCap's log, under whatever name it once had."""

from __future__ import annotations

from datetime import date

import pandas as pd
import pytest

from redcap_jobs.jobs.survey_history import history
from redcap_jobs.messaging.keys import MessageKey
from redcap_jobs.plan import MESSAGE_COLUMNS

PROJECT = "production:5@https://redcap.example.org/api"
NONE = pd.DataFrame(columns=["record", "key", "sid"], dtype="str")


def key(message: str = "m2", event: str = "12043", occurrence: str = "0") -> str:
    return str(MessageKey(PROJECT, message, "1", event, "", occurrence))


def frame(*rows: dict[str, str]) -> pd.DataFrame:
    """Give a messages frame; what is not named is a text sent in the evening of 1 March, UTC."""
    blank = dict.fromkeys(MESSAGE_COLUMNS, "") | {
        "attempt": "1", "state": "sent", "status": "delivered", "not_sent": "false",
        "at": "2026-03-02T01:30:00Z", "record": "1",
    }  # fmt: skip
    return pd.DataFrame([blank | row for row in rows], columns=MESSAGE_COLUMNS, dtype="str")


@pytest.mark.parametrize(
    "before", [key("m2"), key("month-2"), key("m2", event="month_2_arm_1"), key("m2", event="99")]
)
def test_a_text_counts_whatever_its_survey_or_event_was_called(before: str) -> None:
    """A former id, an event's name from before its id was known, the event of another arm."""
    known = history(frame({"key": before}), NONE, PROJECT)
    (attempt,) = known.attempts("1", ("m2", "month-2"), "America/New_York")
    assert (attempt.occurrence, attempt.state, attempt.on) == (0, "sent", date(2026, 3, 1))
    assert known.attempts("2", ("m2", "month-2"), "UTC") == []
    assert known.attempts("1", ("m4",), "UTC") == []


def test_a_key_without_an_occurrence_is_no_survey_text() -> None:
    """Another kind of text of the same name says nothing of invitation or reminders."""
    known = history(frame({"key": key(occurrence="")}), NONE, PROJECT)
    assert known.attempts("1", ("m2",), "UTC") == []


def test_the_last_attempt_of_a_key_counts() -> None:
    """A first attempt that was not sent, then one that was."""
    rows = [
        {"key": key(), "attempt": "2"},
        {"key": key(), "attempt": "1", "state": "rejected", "not_sent": "true"},
    ]
    (attempt,) = history(frame(*rows), NONE, PROJECT).attempts("1", ("m2",), "UTC")
    assert (attempt.state, attempt.is_free) == ("sent", False)


def test_what_went_out_under_one_name_outweighs_what_did_not_under_another() -> None:
    """The old id's text was accepted; the new id's was given back before it was posted."""
    for out, back in (("old", "m2"), ("m2", "old")):
        rows = [{"key": key(out)}, {"key": key(back), "state": "released"}]
        (attempt,) = history(frame(*rows), NONE, PROJECT).attempts("1", ("m2", "old"), "UTC")
        assert attempt.state == "sent"


@pytest.mark.parametrize(
    ("one", "other", "counts"),
    [
        (("sent", "delivered"), ("unknown", ""), "unknown"),
        (("sent", "delivered"), ("posting", ""), "posting"),
        (("sent", "delivered"), ("sent", "undelivered"), "delivered"),
        (("sent", "delivered"), ("rejected", ""), "delivered"),
        (("rejected", ""), ("unknown", ""), "unknown"),
        (("rejected", ""), ("withheld", ""), "rejected"),
    ],
)
def test_of_two_names_of_one_text_the_weightier_counts_in_either_order(
    one: tuple[str, str], other: tuple[str, str], counts: str
) -> None:
    """Nothing follows one of which nobody knows, whatever became of the other."""
    for first, second in ((one, other), (other, one)):
        for names in (("m2", "old"), ("old", "m2")):
            rows = [
                {"key": key(name), "state": state, "status": status}
                for name, (state, status) in zip(names, (first, second), strict=True)
            ]
            (attempt,) = history(frame(*rows), NONE, PROJECT).attempts("1", ("m2", "old"), "UTC")
            assert (attempt.status or attempt.state) == counts


def test_redcaps_log_remembers_what_the_journal_lost() -> None:
    """A key of this project counts; one of another (a copy), and what is no key, do not."""
    keys = [key(), key().replace(":5@", ":6@"), "typed by hand"]
    logged = pd.DataFrame({"record": "1", "key": keys, "sid": ""}, dtype="str")
    (attempt,) = history(frame(), logged, PROJECT).attempts("1", ("m2",), "UTC")
    assert attempt.state == "logged"
    assert not attempt.is_free
