"""What is learnt after the act (found, settled, delivered), and many processes at once."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from tests.state.children import Child
from tests.state.journal_steps import SID, a_text, attempts_of, killed_at, posted, taken

from redcap_jobs.errors import UsageError
from redcap_jobs.state.journal import Journal
from redcap_jobs.state.journal_entry import (
    AlreadyDone,
    Cap,
    Claimed,
    IllegalTransition,
)
from redcap_jobs.state.journal_evidence import (
    entries_of_record,
    found,
    mark_written_back,
    not_sent_after_all,
    not_written_back,
    set_status,
    settle,
)
from redcap_jobs.state.process import this_process
from redcap_jobs.state.scope import ProjectKey
from redcap_jobs.state.store import Store


def test_an_unknown_text_that_was_found_is_sent(
    journal: Journal, store: Store, project: ProjectKey
) -> None:
    """The lookup at Twilio ends the uncertainty."""
    journal.unknown(posted(journal, a_text(project)), "read time-out")
    assert found(store, "k1", 1, SID, "delivered").state == "sent"
    assert [entry.state for entry in attempts_of(store, "k1")] == ["sent"]


def test_a_person_settles_what_nobody_knows(
    journal: Journal, store: Store, project: ProjectKey
) -> None:
    """As sent it is done; as not sent a new attempt may follow; who said so is kept."""
    for key in ("k1", "k2"):
        journal.unknown(posted(journal, a_text(project, key)))
    assert settle(journal, "k1", "sent", "maria", SID).reference == SID
    assert settle(journal, "k2", "not_sent", "maria").settled_by == "maria"
    assert journal.claim(a_text(project)) == AlreadyDone("k1", 1, "sent")
    assert taken(journal, a_text(project, "k2")) == Claimed("k2", 2)


def test_a_person_settles_what_a_killed_run_left(
    journal: Journal, store: Store, project: ProjectKey
) -> None:
    """No run needs to come first: a post cut short is unknown to the person, too."""
    killed_at(store, project, posting=True)
    assert settle(journal, "k1", "not_sent", "maria").state == "rejected"


def test_a_refusal_that_was_cleared_may_be_tried_again(
    journal: Journal, project: ProjectKey
) -> None:
    """An empty account was filled up: a person allows the next attempt, once."""
    claim = posted(journal, a_text(project))
    journal.rejected(claim, "30002", definite_not_sent=False)
    settle(journal, "k1", "not_sent", "maria")
    with pytest.raises(IllegalTransition, match="known as not sent already"):
        settle(journal, "k1", "not_sent", "maria")
    assert taken(journal, a_text(project)).attempt == 2


def test_settling_needs_a_key_and_a_reference(journal: Journal, project: ProjectKey) -> None:
    """Usage errors (exit 2), not tracebacks."""
    journal.unknown(posted(journal, a_text(project)))
    with pytest.raises(UsageError, match="give the id"):
        settle(journal, "k1", "sent", "maria")
    with pytest.raises(UsageError, match="not in the journal"):
        settle(journal, "nothing", "not_sent", "maria")


def test_a_sent_text_documented_as_never_sent_may_be_tried_again(
    journal: Journal, store: Store, project: ProjectKey
) -> None:
    """Twilio's validity ran out in its queue (30036): accepted, but never sent."""
    journal.sent(posted(journal, a_text(project)), SID)
    not_sent_after_all(store, "k1", 1, "failed", "30036")
    assert taken(journal, a_text(project)) == Claimed("k1", 2)


def test_write_back_is_due_until_redcap_holds_the_newest_version(
    journal: Journal, store: Store, project: ProjectKey
) -> None:
    """Claims are not written back; a status that comes meanwhile keeps the entry listed."""
    claim = taken(journal, a_text(project))
    assert not_written_back(store, project) == []
    journal.begin_posting(claim)
    journal.sent(claim, SID, "queued")
    seen = not_written_back(store, project)
    set_status(store, "k1", 1, "delivered")
    mark_written_back(store, seen)
    (entry,) = not_written_back(store, project)
    assert entry.status == "delivered"
    mark_written_back(store, [entry])
    mark_written_back(store, seen)
    assert not_written_back(store, project) == []
    assert set_status(store, "k1", 1, "delivered").version == entry.version
    assert not_written_back(store, project) == []


def test_a_record_shows_all_its_entries(
    journal: Journal, store: Store, project: ProjectKey
) -> None:
    """`why` lists them oldest first, of this project and mode only."""
    taken(journal, a_text(project, "k2"))
    taken(journal, a_text(project, "k1", kind="partner"))
    taken(journal, a_text(project, "k3", record="1002"))
    development = ProjectKey(project.url, project.project_id, "development")
    taken(journal, a_text(development, "k4"))
    assert {entry.key for entry in entries_of_record(store, project, "1001")} == {"k1", "k2"}


def test_of_many_processes_exactly_one_gets_each_key(store: Store, project: ProjectKey) -> None:
    """Four processes claim the same keys at once: each key is posted by exactly one of them."""
    keys = [f"key-{number}" for number in range(20)]

    def work(say: Callable[[str], None]) -> None:
        say("wait")
        run = Journal(store, f"run-{this_process().pid}")
        for key in keys:
            answer = run.claim(a_text(project, key))
            if isinstance(answer, Claimed):
                run.begin_posting(answer)
                say(key)

    assert sorted(said_at_once(work)) == sorted(keys)


def test_of_many_processes_one_gets_the_last_place_under_a_cap(
    store: Store, project: ProjectKey
) -> None:
    """The cap is counted inside the claiming transaction: two runs cannot both be the last."""
    cap = Cap("per phone and day", 3, ("phone_hash",))

    def work(say: Callable[[str], None]) -> None:
        say("wait")
        me = str(this_process().pid)
        for number in range(5):
            intent = a_text(project, f"{me}-{number}", phone_hash="p")
            if isinstance(Journal(store, me).claim(intent, [cap]), Claimed):
                say("claimed")

    assert said_at_once(work) == ["claimed"] * 3


def said_at_once(work: Callable[[Callable[[str], None]], None]) -> list[str]:
    """Run ``work`` in four processes that start together; return all they say."""
    children = [Child(work) for _ in range(4)]
    assert [child.heard() for child in children] == ["wait"] * 4
    for child in children:
        child.let_go()
    said = [line for child in children for line in child.heard_all()]
    assert [child.wait() for child in children] == [0] * 4
    for child in children:
        child.__exit__(None, None, None)
    return said


def test_a_correction_between_final_words_is_kept_in_the_note(
    journal: Journal, store: Store, project: ProjectKey
) -> None:
    """A final word may still change: whoever asks later sees both. A word that advances does not."""
    journal.sent(posted(journal, a_text(project)), SID, "queued")
    assert set_status(store, "k1", 1, "undelivered", "30003").note == ""
    corrected = set_status(store, "k1", 1, "delivered")
    assert (corrected.status, corrected.code) == ("delivered", "")
    assert corrected.note == "undelivered was corrected to delivered"
