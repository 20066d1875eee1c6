"""A renamed record takes everything along, or nothing moves."""

from __future__ import annotations

import pandas as pd
import pytest
from tests.state.journal_steps import SID, a_text, posted, taken

from redcap_jobs.errors import UsageError
from redcap_jobs.messaging.keys import MessageKey
from redcap_jobs.plan import DECISION_COLUMNS
from redcap_jobs.state.decisions import decisions_of_record, save_changed
from redcap_jobs.state.inbound import Reply, note_replies, replies_to_read
from redcap_jobs.state.journal import Journal
from redcap_jobs.state.journal_entry import AlreadyDone, Intent
from redcap_jobs.state.journal_evidence import (
    entries_of_record,
    mark_written_back,
    not_written_back,
)
from redcap_jobs.state.partner_calls import Confirmation, confirm, confirmed_arms
from redcap_jobs.state.renaming import rename_record
from redcap_jobs.state.scope import ProjectKey
from redcap_jobs.state.stops import Stop, hindrance, say
from redcap_jobs.state.store import Store

STUDY = "small"


def text_to(project: ProjectKey, record: str, occurrence: str = "0") -> Intent:
    key = MessageKey(str(project), "m2-invitation", record, "17", occurrence=occurrence)
    return a_text(project, str(key), record=record, occurrence=occurrence)


def decide(store: Store, project: ProjectKey, record: str, job: str = "send-surveys") -> None:
    frame = pd.DataFrame([[record, "m2", "asked", "", "", ""]], columns=DECISION_COLUMNS)
    save_changed(store, project, job, frame.astype("str"), "run-1")


def test_texts_decisions_stops_and_replies_follow(
    store: Store, journal: Journal, project: ProjectKey
) -> None:
    """The new name's key is taken, so that the text is never sent again; nothing is left behind."""
    intent = text_to(project, "1001")
    journal.sent(posted(journal, intent), SID)
    decide(store, project, "1001")
    say(store, STUDY, Stop("record", "1001", "stopped", "person", "asked"))
    note_replies(
        store, STUDY, "s", [Reply("SM1", "p", store.clock.now(), "unclear", ("1001", "7"))]
    )
    assert rename_record(store, STUDY, project, "1001", "2001") == 1
    assert isinstance(journal.claim(text_to(project, "2001")), AlreadyDone)
    assert entries_of_record(store, project, "1001") == []
    assert [each.record for each in decisions_of_record(store, project, "2001")] == ["2001"]
    assert hindrance(store, STUDY, "", "2001").startswith("record stopped")
    assert hindrance(store, STUDY, "", "1001") == ""
    assert [reply.records for reply in replies_to_read(store, STUDY)] == [("2001", "7")]


def test_a_stop_follows_where_no_text_went_out_yet(store: Store, project: ProjectKey) -> None:
    """Whoever asked by telephone before the first text is not texted under the new name."""
    say(store, STUDY, Stop("record", "1001", "stopped", "person", "asked"))
    assert rename_record(store, STUDY, project, "1001", "2001") == 0
    assert hindrance(store, STUDY, "", "2001").startswith("record stopped")
    with pytest.raises(UsageError, match="knows nothing"):
        rename_record(store, STUDY, project, "1001", "2001")


def test_the_log_is_written_once_more(store: Store, journal: Journal, project: ProjectKey) -> None:
    """REDCap's row still holds the old key: what was written back counts as changed."""
    journal.sent(posted(journal, text_to(project, "1001")), SID)
    mark_written_back(store, not_written_back(store, project))
    rename_record(store, STUDY, project, "1001", "2001")
    (entry,) = not_written_back(store, project)
    assert MessageKey.parse(entry.key).record == "2001"


def test_two_records_with_texts_stay_two(
    store: Store, journal: Journal, project: ProjectKey
) -> None:
    """Refused as a whole: nothing of either moves."""
    for number, record in enumerate(("1001", "2001")):
        journal.sent(posted(journal, text_to(project, record)), f"{SID}{number}")
    with pytest.raises(UsageError, match="not made into one"):
        rename_record(store, STUDY, project, "1001", "2001")
    for record in ("1001", "2001"):
        assert len(entries_of_record(store, project, record)) == 1


def test_what_came_to_nothing_under_the_new_name_gives_way(
    store: Store, journal: Journal, project: ProjectKey
) -> None:
    """A run in between claimed and withheld under the new name, and decided about it."""
    journal.sent(posted(journal, text_to(project, "1001")), SID)
    journal.withhold(taken(journal, text_to(project, "2001")), "stands in REDCap's log")
    decide(store, project, "1001")
    decide(store, project, "2001")
    rename_record(store, STUDY, project, "1001", "2001")
    assert [entry.state for entry in entries_of_record(store, project, "2001")] == ["sent"]
    assert len(list(decisions_of_record(store, project, "2001"))) == 1


@pytest.mark.parametrize("busy", ["1001", "2001"])
def test_a_text_that_is_being_sent_is_waited_for(
    store: Store, journal: Journal, project: ProjectKey, busy: str
) -> None:
    """Its run would lose its row; nothing moves."""
    journal.sent(posted(journal, text_to(project, "1001")), SID)
    taken(journal, text_to(project, busy, occurrence="1"))
    with pytest.raises(UsageError, match="being sent"):
        rename_record(store, STUDY, project, "1001", "2001")
    assert entries_of_record(store, project, "1001")[0].state == "sent"


@pytest.mark.parametrize(
    ("old", "new", "ends"),
    [
        ("stopped", None, True),
        ("stopped", "allowed", True),
        ("allowed", "stopped", True),
        ("allowed", "allowed", False),
        (None, "stopped", True),
    ],
)
def test_a_stop_under_either_name_holds(
    store: Store,
    journal: Journal,
    project: ProjectKey,
    old: str | None,
    new: str | None,
    ends: bool,
) -> None:
    """Of two words the one that hinders stays: nobody is texted because of a renaming."""
    journal.sent(posted(journal, text_to(project, "1001")), SID)
    for record, state in (("1001", old), ("2001", new)):
        if state:
            say(store, STUDY, Stop("record", record, state, "person"))  # type: ignore[arg-type] - a state
    rename_record(store, STUDY, project, "1001", "2001")
    assert bool(hindrance(store, STUDY, "", "2001")) is ends


def test_a_renaming_in_a_copy_leaves_the_studys_stops_alone(store: Store, journal: Journal) -> None:
    """Stops belong to the study: production's record keeps its own."""
    copy = ProjectKey("https://redcap.example.edu/api/", 3042, "development")
    journal.sent(posted(journal, text_to(copy, "1001")), SID)
    say(store, STUDY, Stop("record", "1001", "stopped", "person"))
    rename_record(store, STUDY, copy, "1001", "2001")
    assert hindrance(store, STUDY, "", "1001")


def test_a_confirmed_arm_follows(store: Store, project: ProjectKey, journal: Journal) -> None:
    """What a person confirmed is not asked for again; the old name keeps nothing."""
    journal.sent(posted(journal, text_to(project, "1001")), SID)
    confirm(store, project, [Confirmation("1001", "hash", "entry corrected", "ann")])
    confirm(store, project, [Confirmation("2001", "older", "mistyped", "ann")])
    rename_record(store, STUDY, project, "1001", "2001")
    kept = confirmed_arms(store, project)
    assert kept.to_numpy().tolist() == [["2001", "hash"]]
