"""What waits for a person, in the order in which it matters, with the sentence and the step."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from tests.messaging.journal_entries import NOW, POSTED, entry, sent_entry, sid

from redcap_jobs.messaging.lists import LIST_COLUMNS, Section, attempt_rows, overview, summary
from redcap_jobs.messaging.twilio_codes import reaction
from redcap_jobs.state.inbound import Reply
from redcap_jobs.state.journal_entry import Entry

REPLY = Reply(sid(99), "hash of a phone", POSTED, "unclear", ("1007", "1008"))


def refused(record: str, code: str, **more: Any) -> Entry:
    return entry(record, state="rejected", code=code, **more)


def shown(*entries: Entry, replies: tuple[Reply, ...] = (), dead: bool = True) -> list[Section]:
    return overview(
        entries,
        replies,
        zone="America/New_York",
        since=NOW - timedelta(days=14),
        is_dead=lambda _: dead,
    )


def test_unknown_ones_come_first_then_replies_refusals_and_what_did_not_arrive() -> None:
    """The order of a bad morning, whatever the order of the journal."""
    sections = shown(
        sent_entry(4, "undelivered", code="30003"),
        refused("1003", "30034"),
        entry("1001"),
        sent_entry(5, "delivered"),
        replies=(REPLY,),
    )
    firsts = [section.table.rows[0][0] for section in sections]
    assert firsts == [
        "1001/parents_m2/0",
        sid(99),
        "1003/parents_m2/0",
        "1004/parents_m2/0",
    ]
    assert shown(sent_entry(5, "delivered")) == []


@pytest.mark.parametrize(
    ("text", "where"),
    [
        (entry(), "Nobody knows"),
        (entry(state="posting"), "Nobody knows"),
        (refused("1", "21614"), "Refused"),
        (refused("1", "99999"), "Refused"),
        (refused("1", ""), "Refused"),
        (refused("1", "21610"), "Not delivered"),
        (sent_entry(1, "failed", code="30008"), "Not delivered"),
        (sent_entry(1, "canceled"), "Not delivered"),
        (refused("1", "20429", not_sent=True), None),
        (sent_entry(1, "sent"), None),
        (sent_entry(1, "delivery_unknown"), None),
        (entry(state="withheld"), None),
        (sent_entry(1, "undelivered", posting_at=NOW - timedelta(days=15)), None),
    ],
)
def test_each_state_has_its_place(text: Entry, where: str | None) -> None:
    """What is tried again, on its way or done waits for nobody; old failures leave the list."""
    titles = [section.table.title for section in shown(text)]
    assert [title.startswith(where or "?") for title in titles] == ([True] if where else [])


def test_a_text_that_a_living_run_posts_is_not_unknown() -> None:
    """Only once the process is gone nobody will hear the answer."""
    assert shown(entry(state="posting"), dead=False) == []


def test_the_sentence_of_a_code_and_the_next_step_stand_below_once() -> None:
    """Two texts refused for one reason: the reason is told once, with the command to type."""
    (section,) = shown(refused("1", "30034"), refused("2", "30034"), refused("3", "21614"))
    assert len(section.told) == 2
    assert reaction("30034").sentence in section.told[0]
    assert "messages settle STUDY TEXT --not-sent" in section.told[0]
    assert "once the number in REDCap is corrected" in section.told[1]


def test_times_are_the_studys() -> None:
    """16:00 UTC is 11:00 in New York in November."""
    assert "2026-11-21 11:00" in shown(entry())[0].table.rows[0]


def test_the_key_stands_where_a_short_name_would_mean_two() -> None:
    """The same survey at two events: only the whole key tells them apart."""
    one, two = entry(), entry(key=entry().key.replace("baseline_arm_1", "month_2_arm_1"))
    names = [row[0] for row in shown(one, two)[0].table.rows]
    assert names == [one.key, two.key]


def test_the_closing_line_counts_all_texts() -> None:
    """By their last word; what was never handed over counts for nothing."""
    told = summary(
        [
            sent_entry(1, "delivered"),
            sent_entry(2, "delivered"),
            sent_entry(3, "queued"),
            refused("4", "20429", not_sent=True),
            entry("5"),
            entry("6", state="withheld"),
        ]
    )
    assert told.startswith("5 texts: 2 delivered")
    assert all(
        word in told for word in ("1 under way", "1 not sent, to be tried again", "1 unknown")
    )
    assert summary([]) == "no texts yet"


def test_a_row_of_the_list_holds_no_hash() -> None:
    """What recognises a phone or a body stays in the state."""
    (row,) = attempt_rows([sent_entry(1, "undelivered", code="30003")], "America/New_York")
    one = dict(zip(LIST_COLUMNS, row, strict=True))
    assert one["posted_at"] == "2026-11-21T11:00:00-05:00"
    assert (one["sid"], one["twilio_code"]) == (sid(1), "30003")
    assert one["meaning"] == reaction("30003").sentence
    assert not [value for value in row if "hash" in value]
