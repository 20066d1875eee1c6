"""The journal's operations: who may claim what, which state leads where, what is kept."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from datetime import timedelta
from functools import partial

import pytest
from tests.state.conftest import StillClock
from tests.state.journal_steps import SID, a_text, another, attempts_of, killed_at, posted, taken

from redcap_jobs.errors import StateError
from redcap_jobs.state.journal import Journal
from redcap_jobs.state.journal_entry import (
    AlreadyDone,
    Cap,
    CapReached,
    Claimed,
    ClaimLost,
    HeldBy,
    IllegalTransition,
)
from redcap_jobs.state.journal_evidence import (
    found,
    not_sent_after_all,
    set_status,
    settle,
)
from redcap_jobs.state.process import this_process
from redcap_jobs.state.runs import RunEnd, RunStart, finish_run, start_run
from redcap_jobs.state.scope import ProjectKey
from redcap_jobs.state.store import Store


def test_a_text_goes_through_claim_post_and_sent(
    journal: Journal, store: Store, project: ProjectKey, clock: StillClock
) -> None:
    """Every step is kept with its time; hashes and segments come back as given."""
    intent = a_text(project, sender="SENDER", units=2, phone_hash="p", body_hash="b")
    claim = taken(journal, intent)
    clock.sleep(timedelta(seconds=1))
    journal.begin_posting(claim)
    clock.sleep(timedelta(seconds=2))
    journal.sent(claim, SID, "queued")
    (entry,) = attempts_of(store, "k1")
    assert (entry.state, entry.reference, entry.status) == ("sent", SID, "queued")
    assert (entry.sender, entry.units, entry.phone_hash, entry.body_hash) == ("SENDER", 2, "p", "b")
    assert (entry.run_id, entry.holder, entry.project) == ("run-1", this_process(), project)
    assert entry.posting_at == entry.claimed_at + timedelta(seconds=1)
    assert entry.posted_at == entry.claimed_at + timedelta(seconds=3)


@pytest.mark.parametrize("state", ["sent", "unknown", "rejected"])
def test_a_key_that_was_acted_on_is_never_claimed_again(
    journal: Journal, store: Store, project: ProjectKey, state: str
) -> None:
    """Sent, unknown, or refused for good: another run finds it done."""
    claim = posted(journal, a_text(project))
    if state == "sent":
        journal.sent(claim, SID)
    elif state == "unknown":
        journal.unknown(claim, "read time-out")
    else:
        journal.rejected(claim, "21610", definite_not_sent=False)
    for run in (journal, another(store, sees_others_alive=False)):
        assert run.claim(a_text(project)) == AlreadyDone("k1", 1, state)  # type: ignore[arg-type]  # a state by name


def test_a_documented_not_sent_allows_a_new_attempt(
    journal: Journal, store: Store, project: ProjectKey
) -> None:
    """429 was never processed: the second attempt is a row of its own, the first stays."""
    journal.rejected(posted(journal, a_text(project)), "20429", definite_not_sent=True)
    assert taken(journal, a_text(project)) == Claimed("k1", 2)
    assert [(entry.attempt, entry.state) for entry in attempts_of(store, "k1")] == [
        (1, "rejected"),
        (2, "claimed"),
    ]


def test_the_last_attempt_is_what_counts(journal: Journal, project: ProjectKey) -> None:
    """Refused twice as not sent, then sent: the first refusals open nothing any more."""
    for _ in range(2):
        refused = posted(journal, a_text(project))
        journal.rejected(refused, "20429", definite_not_sent=True)
    journal.sent(posted(journal, a_text(project)), SID)
    assert journal.claim(a_text(project)) == AlreadyDone("k1", 3, "sent")


@pytest.mark.parametrize("give_back", [Journal.release, Journal.withhold])
def test_what_was_given_back_may_be_claimed_again(
    journal: Journal, store: Store, project: ProjectKey, give_back: Callable[..., None]
) -> None:
    """A released or withheld claim is the same attempt when its time comes; nothing piles up."""
    give_back(journal, taken(journal, a_text(project)), "per phone and day")
    assert attempts_of(store, "k1")[0].note == "per phone and day"
    assert taken(another(store), a_text(project)) == Claimed("k1", 1)
    (entry,) = attempts_of(store, "k1")
    assert (entry.run_id, entry.note) == ("run-2", "")


def test_a_living_run_keeps_its_claim(journal: Journal, store: Store, project: ProjectKey) -> None:
    """Another run is told who holds it, before and during the post."""
    claim = taken(journal, a_text(project))
    held = another(store).claim(a_text(project))
    assert isinstance(held, HeldBy)
    assert (held.run_id, held.holder) == ("run-1", this_process())
    journal.begin_posting(claim)
    assert isinstance(another(store).claim(a_text(project)), HeldBy)
    assert isinstance(journal.claim(a_text(project)), HeldBy)


def test_a_lost_claim_cannot_be_posted(journal: Journal, store: Store, project: ProjectKey) -> None:
    """A run wrongly thought dead must not act after its claim was taken over."""
    mine = taken(journal, a_text(project))
    theirs = taken(another(store, sees_others_alive=False), a_text(project))
    assert theirs.taken_over
    with pytest.raises(ClaimLost, match="run-2 took this claim over"):
        journal.begin_posting(mine)
    another(store).begin_posting(theirs)


def test_a_claim_of_a_killed_process_is_taken_over(
    journal: Journal, store: Store, project: ProjectKey
) -> None:
    """Killed before it began to post: nothing went out, the next run does it."""
    killed_at(store, project, posting=False)
    whole_study = Cap("texts per day", 1, ("project",))
    took_over = Claimed("k1", 1, taken_over=True)
    assert journal.claim(a_text(project), [whole_study]) == took_over, "it takes its own place"


@pytest.mark.parametrize("by", ["recover", "claim"])
def test_a_post_of_a_killed_process_is_unknown(
    journal: Journal, store: Store, project: ProjectKey, by: str
) -> None:
    """Killed while posting: nobody knows, so it is never sent again by the program."""
    killed_at(store, project, posting=True)
    if by == "recover":
        assert [entry.key for entry in journal.recover()] == ["k1"]
    assert journal.claim(a_text(project)) == AlreadyDone("k1", 1, "unknown")
    assert [entry.state for entry in attempts_of(store, "k1")] == ["unknown"]
    assert journal.recover() == []


def test_recovery_frees_the_claims_of_dead_runs(
    journal: Journal, store: Store, project: ProjectKey
) -> None:
    """A dead run's claim must not use up the phone's cap of the day."""
    killed_at(store, project, posting=False)
    assert journal.recover() == []
    assert attempts_of(store, "k1")[0].state == "released"


def test_a_run_that_recorded_its_end_is_dead_for_its_entries(
    store: Store, project: ProjectKey, clock: StillClock
) -> None:
    """Also while its process lives on: what it left in `posting` is unknown."""
    start = RunStart("s", "send-surveys", project, "A", "A", clock.now(), "hash")
    run_id = start_run(store, start)
    posted(Journal(store, run_id), a_text(project))
    assert Journal(store, "next").recover() == []
    finish_run(store, run_id, RunEnd("failed", 1))
    assert [entry.key for entry in Journal(store, "next").recover()] == ["k1"]


Step = Callable[[Journal, Claimed], object]

ILLEGAL: dict[str, tuple[str, Step]] = {
    "post a sent one": ("sent", Journal.begin_posting),
    "post twice": ("posting", Journal.begin_posting),
    "release while posting": ("posting", Journal.release),
    "withhold a sent one": ("sent", partial(Journal.withhold, reason="late")),
    "send without posting": ("claimed", partial(Journal.sent, reference=SID)),
    "reject without posting": (
        "claimed",
        partial(Journal.rejected, code="21211", definite_not_sent=False),
    ),
    "forget a sent one": ("sent", Journal.unknown),
    "send what was given back": ("released", partial(Journal.sent, reference=SID)),
    "find a claimed one": ("claimed", lambda run, it: found(run.store, it.key, 1, SID)),
    "status of an unknown one": (
        "unknown",
        lambda run, it: set_status(run.store, it.key, 1, "delivered"),
    ),
    "unsend an unknown one": (
        "unknown",
        lambda run, it: not_sent_after_all(run.store, it.key, 1, "failed", "30036"),
    ),
    "settle a sent one": ("sent", lambda run, it: settle(run, it.key, "not_sent", "me")),
    "settle while posting": ("posting", lambda run, it: settle(run, it.key, "not_sent", "me")),
}


@pytest.mark.parametrize("name", ILLEGAL)
def test_an_illegal_transition_changes_nothing(
    journal: Journal, store: Store, project: ProjectKey, name: str
) -> None:
    """Every step that the diagram of states does not have is refused."""
    state, step = ILLEGAL[name]
    claim = taken(journal, a_text(project))
    if state == "released":
        journal.release(claim)
    elif state != "claimed":
        journal.begin_posting(claim)
    if state == "sent":
        journal.sent(claim, SID)
    if state == "unknown":
        journal.unknown(claim)
    before = attempts_of(store, "k1")
    assert before[0].state == state
    with pytest.raises(IllegalTransition, match="nothing was changed"):
        step(journal, claim)
    assert attempts_of(store, "k1") == before


def test_a_key_never_changes_its_meaning(journal: Journal, project: ProjectKey) -> None:
    """The same key for another record or message is a bug that must not be sent."""
    journal.release(taken(journal, a_text(project)))
    for other in (a_text(project, record="1002"), a_text(project, message="m4-invitation")):
        with pytest.raises(StateError, match="must not change its meaning"):
            journal.claim(other)


def test_one_sid_belongs_to_one_text(journal: Journal, store: Store, project: ProjectKey) -> None:
    """A SID already owned is never adopted by another key; partner ids may repeat."""
    journal.sent(posted(journal, a_text(project)), SID)
    journal.unknown(posted(journal, a_text(project, "k2")))
    with pytest.raises(StateError, match=f"{SID} belongs to k1 already"):
        found(store, "k2", 1, SID)
    for key in ("p1", "p2"):
        journal.sent(posted(journal, a_text(project, key, kind="partner")), "member-7")


def test_caps_are_counted_by_phone_and_day(
    journal: Journal, store: Store, project: ProjectKey, clock: StillClock
) -> None:
    """One text to one phone a day, whatever the record; tomorrow there is room again."""
    today = clock.now()
    cap = Cap("per phone and day", 1, ("phone_hash",), since=today)
    journal.sent(posted(journal, a_text(project, phone_hash="p")), SID)
    sibling = a_text(project, "k2", record="1002", phone_hash="p")
    assert journal.claim(sibling, [cap]) == CapReached("k2", cap, 1)
    assert attempts_of(store, "k2") == []
    assert isinstance(journal.claim(a_text(project, "k3", phone_hash="q"), [cap]), Claimed)
    clock.sleep(timedelta(days=1))
    tomorrow = dataclasses.replace(cap, since=clock.now())
    assert isinstance(journal.claim(sibling, [tomorrow]), Claimed)


def test_a_claim_takes_its_place_at_once(
    journal: Journal, project: ProjectKey, clock: StillClock
) -> None:
    """Two runs cannot both take the last place of a day, though neither has posted yet."""
    cap = Cap("per phone and day", 1, ("phone_hash",), since=clock.now())
    assert isinstance(journal.claim(a_text(project, phone_hash="p"), [cap]), Claimed)
    second = another(journal.store).claim(a_text(project, "k2", phone_hash="p"), [cap])
    assert isinstance(second, CapReached)


def test_a_post_counts_for_the_day_it_goes_out(
    journal: Journal, project: ProjectKey, clock: StillClock
) -> None:
    """Claimed before midnight, posted after: it is the new day's text."""
    claim = taken(journal, a_text(project, phone_hash="p"))
    clock.sleep(timedelta(hours=1))
    midnight = clock.now()
    journal.begin_posting(claim)
    cap = Cap("per phone and day", 1, ("phone_hash",), since=midnight)
    answer = journal.claim(a_text(project, "k2", phone_hash="p"), [cap])
    assert isinstance(answer, CapReached)


@pytest.mark.parametrize("end", ["released", "withheld", "rejected"])
def test_what_did_not_go_out_uses_up_no_cap(
    journal: Journal, project: ProjectKey, end: str
) -> None:
    """A refused or given-back text leaves room for the next."""
    claim = taken(journal, a_text(project))
    if end == "rejected":
        journal.begin_posting(claim)
        journal.rejected(claim, "21211", definite_not_sent=False)
    else:
        (journal.release if end == "released" else journal.withhold)(claim, "why")
    cap = Cap("per run", 1, ("run_id",))
    assert isinstance(journal.claim(a_text(project, "k2"), [cap]), Claimed)
    assert isinstance(journal.claim(a_text(project, "k3"), [cap]), CapReached)


def test_caps_per_study_and_run_do_not_mix(
    journal: Journal, store: Store, project: ProjectKey
) -> None:
    """A development copy, another run and another kind count for themselves."""
    taken(journal, a_text(project))
    development = ProjectKey(project.url, project.project_id, "development")
    per_study, per_run = Cap("per study", 1, ("project",)), Cap("per run", 1, ("run_id",))
    assert isinstance(journal.claim(a_text(development, "k2"), [per_study]), Claimed)
    assert isinstance(journal.claim(a_text(project, "k3", kind="mail"), [per_study]), Claimed)
    assert isinstance(another(store).claim(a_text(project, "k4"), [per_run]), Claimed)
    assert isinstance(another(store).claim(a_text(project, "k5"), [per_study]), CapReached)


def test_a_cap_needs_what_it_counts_by(journal: Journal, project: ProjectKey) -> None:
    """A per-phone cap for an intent without a phone must not silently pass."""
    with pytest.raises(ValueError, match="no phone_hash"):
        journal.claim(a_text(project), [Cap("per phone", 1, ("phone_hash",))])
