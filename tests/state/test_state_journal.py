"""The journal's operations: who may claim what, which state leads where, what is kept."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from datetime import timedelta
from functools import partial

import pytest
from tests.state.children import Child
from tests.state.conftest import StillClock

from redcap_jobs.errors import StateError, UsageError
from redcap_jobs.state.journal import Journal
from redcap_jobs.state.journal_entry import (
    AlreadyDone,
    Cap,
    CapReached,
    Claimed,
    ClaimLost,
    HeldBy,
    IllegalTransition,
    Intent,
)
from redcap_jobs.state.journal_evidence import (
    attempts_of,
    entries_of_record,
    found,
    mark_written_back,
    not_sent_after_all,
    not_written_back,
    set_status,
    settle,
    unknown_entries,
)
from redcap_jobs.state.process import Holder, this_process
from redcap_jobs.state.runs import RunEnd, RunStart, finish_run, start_run
from redcap_jobs.state.scope import ProjectKey
from redcap_jobs.state.store import Store

SID = "SM" + "0" * 31


def a_text(project: ProjectKey, key: str = "k1", **other: object) -> Intent:
    intent = Intent(key, "text", project, "send-surveys", "1001", "m2-invitation")
    return dataclasses.replace(intent, **other)  # type: ignore[arg-type]  # fields by name


def taken(journal: Journal, intent: Intent) -> Claimed:
    """Claim a key that must be free."""
    claim = journal.claim(intent)
    assert isinstance(claim, Claimed)
    return claim


def posted(journal: Journal, intent: Intent) -> Claimed:
    """Claim a key that must be free, and begin to act."""
    claim = taken(journal, intent)
    journal.begin_posting(claim)
    return claim


@pytest.fixture
def journal(store: Store) -> Journal:
    return Journal(store, "run-1")


def another(store: Store, *, sees_others_alive: bool = True) -> Journal:
    """Return the journal of another run, in a process of its own."""
    holder = Holder("host", 4711, "boot:ns:1")
    return Journal(store, "run-2", holder=holder, alive=lambda *_: sees_others_alive)


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


def killed_at(store: Store, project: ProjectKey, *, posting: bool) -> None:
    """Let a real process claim (and begin to post) and kill it there."""

    def work(say: Callable[[str], None]) -> None:
        run = Journal(store, "killed-run")
        claim = taken(run, a_text(project))
        if posting:
            run.begin_posting(claim)
        say("wait")

    with Child(work) as child:
        assert child.heard() == "wait"
        child.kill()


def test_a_claim_of_a_killed_process_is_taken_over(
    journal: Journal, store: Store, project: ProjectKey
) -> None:
    """Killed before it began to post: nothing went out, the next run does it."""
    killed_at(store, project, posting=False)
    assert taken(journal, a_text(project)) == Claimed("k1", 1, taken_over=True)


@pytest.mark.parametrize("by", ["recover", "claim"])
def test_a_post_of_a_killed_process_is_unknown(
    journal: Journal, store: Store, project: ProjectKey, by: str
) -> None:
    """Killed while posting: nobody knows, so it is never sent again by the program."""
    killed_at(store, project, posting=True)
    if by == "recover":
        assert [entry.key for entry in journal.recover()] == ["k1"]
    assert journal.claim(a_text(project)) == AlreadyDone("k1", 1, "unknown")
    assert [entry.key for entry in unknown_entries(store, "text")] == ["k1"]
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
    if state != "claimed":
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


def test_an_unknown_text_that_was_found_is_sent(
    journal: Journal, store: Store, project: ProjectKey
) -> None:
    """The lookup at Twilio ends the uncertainty."""
    journal.unknown(posted(journal, a_text(project)), "read time-out")
    assert found(store, "k1", 1, SID, "delivered").state == "sent"
    assert unknown_entries(store) == []


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
    seen = not_written_back(store, project, "send-surveys")
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
