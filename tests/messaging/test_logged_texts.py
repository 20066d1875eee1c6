"""What one row of REDCap's message log means for a journal that has lost it."""

from __future__ import annotations

from datetime import UTC, datetime

import pandas as pd
import pytest

from redcap_jobs.messaging.keys import MessageKey
from redcap_jobs.messaging.logged_texts import logged_text, logged_texts
from redcap_jobs.plan import KEYS
from redcap_jobs.study.texts_config import MessageLog

PROJECT = "production:3041@https://redcap.example.edu/api"
KEY = MessageKey(PROJECT, "m2-survey", "1001", "17", occurrence="0")
SID = "SM" + "0a" * 16
LOG = MessageLog.model_validate(
    {
        "form": "message_log",
        "write": {"message_key": "k", "sid": "s", "status": "w", "error": "e", "posted_at": "t"},
    }
)


def row(**cells: str) -> dict[str, str]:
    blank = dict.fromkeys(("sid", "status", "error", "posted_at"), "")
    return blank | {"record": "1001", "instance": "2"} | cells


@pytest.mark.parametrize(
    ("cells", "state", "sid", "status", "code"),
    [
        ({"sid": SID, "status": "delivered"}, "sent", SID, "delivered", ""),
        ({"sid": SID, "status": "queued"}, "sent", SID, "queued", ""),
        ({"sid": SID, "status": "sent?"}, "sent", SID, "", ""),
        (
            {"sid": SID, "status": "undelivered", "error": "30003: Off."},
            *("sent", SID, "undelivered", "30003"),
        ),
        ({"status": "rejected", "error": "21610: Opted out."}, "rejected", "", "", "21610"),
        ({"status": "unknown", "error": "nobody knows"}, "unknown", "", "", ""),
        ({}, "sent", "", "delivery_unknown", ""),
        ({"status": "queued"}, "sent", "", "delivery_unknown", ""),
        ({"status": "delivered"}, "sent", "", "delivered", ""),
        ({"sid": "rejected", "status": "rejected"}, "rejected", "", "", ""),
    ],
)
def test_a_row_is_read_so_that_nobody_is_texted_twice(
    cells: dict[str, str], state: str, sid: str, status: str, code: str
) -> None:
    """A key in the log counts as sent unless it says refused or unknown; open needs a SID."""
    text = logged_text(KEY, row(**cells), PROJECT, "America/New_York")
    assert (text.state, text.sid, text.status, text.code) == (state, sid, status, code)
    assert text.instance == 2


def test_times_are_those_of_the_studys_zone() -> None:
    """REDCap keeps no zone: 10:00 in New York in November is 15:00 UTC; nonsense is no time."""
    text = logged_text(KEY, row(posted_at="2026-11-24 10:00:00"), PROJECT, "America/New_York")
    assert text.at == datetime(2026, 11, 24, 15, tzinfo=UTC)
    assert logged_text(KEY, row(posted_at="soon"), PROJECT, "America/New_York").at is None


def test_a_renamed_records_text_is_the_new_records() -> None:
    """The row stands where the record is now: its key is made anew, and is to be written back."""
    text = logged_text(KEY, row(record="1002"), PROJECT, "UTC")
    assert (text.key.record, text.renamed) == ("1002", True)
    assert not logged_text(KEY, row(), PROJECT, "UTC").renamed


def test_a_server_with_a_new_address_holds_the_same_texts() -> None:
    """Project id and mode say which project it is: its keys are made anew, and written back."""
    moved = PROJECT.replace("redcap.example.edu", "redcap.example.org")
    text = logged_text(KEY, row(), moved, "UTC")
    assert (text.key.project, text.renamed) == (moved, True)


def test_rows_of_other_projects_and_without_a_key_are_told_apart() -> None:
    """A copy of a project brings its log along; of two rows with one key the first counts."""
    other = str(MessageKey(PROJECT.replace("3041", "7"), "m2-survey", "1001", occurrence="0"))
    rows = pd.DataFrame(
        [
            ["1001", "e1", "message_log", "1", str(KEY), SID, "sent", "", ""],
            ["1001", "e1", "message_log", "2", other, "", "", "", ""],
            ["1001", "e1", "message_log", "3", "typed", "", "", "", ""],
            ["1001", "e1", "message_log", "4", "", "", "", "", ""],
            ["1001", "e1", "message_log", "5", str(KEY), "", "", "", ""],
            ["1001", "e1", "", "", "", "", "", "", ""],
        ],
        columns=[*KEYS, "k", "s", "w", "e", "t"],
        dtype="str",
    )
    found = logged_texts(rows, LOG, PROJECT, "UTC")
    assert [text.instance for text in found.texts] == [1]
    assert (found.elsewhere, found.unreadable) == (1, (("1001", "3"),))
