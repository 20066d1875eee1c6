"""What went out is known by the journal or by REDCap's log: either is enough."""

from __future__ import annotations

import pandas as pd
import pytest

from redcap_jobs.jobs.survey_due import Attempt
from redcap_jobs.jobs.survey_history import history
from redcap_jobs.messaging.keys import MessageKey
from redcap_jobs.plan import MESSAGE_COLUMNS

PROJECT = "production:3041@https://redcap.example.edu/api"
KEY = MessageKey(PROJECT, "m2-survey", "1001", "17", occurrence="0")
AT = "2026-11-24T18:00:00.000000Z"


def journal(*attempts: tuple[str, str, str], key: MessageKey = KEY) -> pd.DataFrame:
    """Give a messages frame out of (state, not_sent, reference) of one key's attempts."""
    rows = [
        [str(key), str(number), key.message, key.record, "0", state, not_sent, "", "", sid, AT, "p"]
        for number, (state, not_sent, sid) in enumerate(attempts, start=1)
    ]
    return pd.DataFrame(rows, columns=MESSAGE_COLUMNS, dtype="str")


def log(*rows: tuple[str, MessageKey, str]) -> pd.DataFrame:
    cells = [[record, str(key), sid] for record, key, sid in rows]
    return pd.DataFrame(cells, columns=["record", "key", "sid"], dtype="str")


def attempt(messages: pd.DataFrame, logged: pd.DataFrame, record: str = "1001") -> Attempt | None:
    found = history(messages, logged, PROJECT).attempts(record, ("m2-survey",), "UTC")
    return found[0] if found else None


@pytest.mark.parametrize(
    ("attempts", "sid", "state"),
    [
        ([], "SM1", "logged"),
        ([], "", "logged"),
        ([("withheld", "false", "")], "SM1", "logged"),
        ([("withheld", "false", "")], "", "logged"),
        ([("rejected", "true", "")], "SM1", "logged"),
        ([("rejected", "true", "")], "", "rejected"),
        ([("rejected", "true", "SM1")], "SM1", "rejected"),
        ([("rejected", "true", "SM1"), ("claimed", "false", "")], "SM1", "claimed"),
        ([("rejected", "true", "SM1"), ("claimed", "false", "")], "SM2", "logged"),
        ([("rejected", "true", ""), ("claimed", "false", "")], "", "claimed"),
        ([("rejected", "false", "")], "", "rejected"),
        ([("rejected", "false", "")], "SM1", "rejected"),
        ([("unknown", "false", "")], "", "unknown"),
        ([("sent", "false", "SM1")], "SM1", "sent"),
        ([("sent", "false", "SM1")], "SM2", "sent"),
    ],
)
def test_the_log_outweighs_a_journal_that_says_nothing_went_out(
    attempts: list[tuple[str, str, str]], sid: str, state: str
) -> None:
    """A SID the journal lacks, or a row it never wrote: the state is an older one, restored."""
    found = attempt(journal(*attempts), log(("1001", KEY, sid)))
    assert found is not None
    assert found.state == state


def test_without_a_row_the_journal_counts_alone() -> None:
    """A study without a message log, or a text that is not written back yet."""
    found = attempt(journal(("withheld", "false", "")), log())
    assert found is not None
    assert found.is_free


def test_a_row_counts_for_the_record_it_stands_in() -> None:
    """Renamed in REDCap: the key names the old record, the row stands in the new one."""
    logged = log(("2001", KEY, "SM1"))
    for record in ("1001", "2001"):
        found = attempt(journal(), logged, record)
        assert found is not None
        assert found.state == "logged"


def test_keys_of_another_project_count_for_nothing() -> None:
    """A copy of a project brings its log along."""
    other = MessageKey(PROJECT.replace("3041", "7"), "m2-survey", "1001", "17", occurrence="0")
    assert attempt(journal(), log(("1001", other, "SM1"))) is None


def test_keys_from_an_older_address_of_the_server_count() -> None:
    """Everybody would be texted again where https or a new host name made another project."""
    older = MessageKey(PROJECT.replace("https", "http"), "m2-survey", "1001", "17", occurrence="0")
    found = attempt(journal(), log(("1001", older, "SM1")))
    assert found is not None
    assert found.state == "logged"
