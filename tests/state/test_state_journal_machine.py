"""A hypothesis state machine: whatever runs, dead or thought dead, do, nothing goes out twice."""

from __future__ import annotations

import os
from contextlib import suppress
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test
from sqlalchemy import delete
from tests.state.journal_steps import attempts_of

from redcap_jobs.state import schema
from redcap_jobs.state.journal import Journal
from redcap_jobs.state.journal_entry import Claimed, IllegalTransition, Intent
from redcap_jobs.state.journal_evidence import found, not_sent_after_all, settle
from redcap_jobs.state.process import Holder
from redcap_jobs.state.scope import ProjectKey
from redcap_jobs.state.store import Store

LONG = bool(os.environ.get("REDCAP_JOBS_LONG_TESTS"))
EXAMPLES = 1000 if LONG else 40
PROJECT = ProjectKey("https://redcap.example.edu/api", 3041, "production")
SETTINGS = settings(
    stateful_step_count=40,
    deadline=None,
    database=None,
    derandomize=not LONG,  # few examples may by bad luck post hardly anything
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)

KEY = "k1"
runs = st.integers(0, 1)
LIKELY = {
    "none": "claim claim claim post recover",
    "claimed": "post post post claim release withhold sent is-called-dead recover comes-back",
    "posting": "sent refused not-sent not-sent unknown post claim release is-called-dead recover",
    "sent": "claim post not-sent unknown withhold comes-back",
    "rejected": "claim claim claim post sent comes-back",
    "unknown": "claim post sent not-sent release comes-back",
    "released": "claim claim claim post sent",
    "withheld": "claim claim claim post sent",
}
"""What a run tries when the last attempt is in a state: mostly what leads on, some of it wrong."""
EVIDENCE = {
    "sent": "not-sent-after-all not-sent-after-all settled-not-sent found",
    "rejected": "settled-not-sent not-sent-after-all settled-sent",
    "unknown": "settled-not-sent settled-not-sent settled-sent found not-sent-after-all",
}
one_of_them = st.integers(0, 59)
"""Which of the steps listed: the number is taken modulo the length of the list."""


class JournalMachine(RuleBasedStateMachine):
    """Two runs and one key; a run called dead goes on acting, as a cut-off host would.

    ``went_out`` is the outside world: the attempts for which a run was let through to the post.
    ``documented`` holds the attempts that somebody said were not sent. A step that the journal
    refuses changes neither.
    """

    store: Store
    seen: list[str]

    def __init__(self) -> None:
        super().__init__()
        with self.store.write() as connection:
            connection.execute(delete(schema.journal))
        self.dead: set[int] = set()
        self.claims: dict[int, Claimed] = {}
        self.went_out: list[int] = []
        self.documented: set[int] = set()
        self.sids = (f"SM{number}" for number in range(10_000))
        self.journals = [
            Journal(self.store, f"run-{pid}", holder=Holder("h", pid, ""), alive=self.lives)
            for pid in range(2)
        ]

    def lives(self, holder: Holder, _since: timedelta) -> bool:
        return holder.pid not in self.dead

    def likely(self, table: dict[str, str], number: int) -> str:
        attempts = attempts_of(self.store, KEY)
        steps = table.get(attempts[-1].state if attempts else "none", "nothing").split()
        return steps[number % len(steps)]

    @rule(run=runs, number=one_of_them)
    def a_run(self, run: int, number: int) -> None:
        """Let a run do its next step, right or wrong."""
        journal = self.journals[run]
        step = self.likely(LIKELY, number)
        if step == "is-called-dead":
            self.dead.add(run)
        elif step == "comes-back":
            self.dead.discard(run)
        elif step == "recover":
            journal.recover()
        elif step == "claim":
            answer = journal.claim(Intent(KEY, "text", PROJECT, "job", "1", "m2"))
            if isinstance(answer, Claimed):
                self.claims[run] = answer
        elif run in self.claims:
            with suppress(IllegalTransition):
                self.act(journal, self.claims[run], step)

    def act(self, journal: Journal, claim: Claimed, step: str) -> None:
        """Go on with a claim that a run once got, whoever may have it now."""
        if step == "post":
            journal.begin_posting(claim)
            assert self.documented.issuperset(self.went_out), "a text went out twice"
            self.went_out.append(claim.attempt)
            self.seen.append("a second attempt" if claim.attempt > 1 else "a first attempt")
        elif step == "sent":
            journal.sent(claim, next(self.sids))
        elif step == "unknown":
            journal.unknown(claim)
        elif step == "refused":
            journal.rejected(claim, "code", definite_not_sent=False)
        elif step == "not-sent":
            journal.rejected(claim, "code", definite_not_sent=True)
            self.documented.add(claim.attempt)
        elif step == "release":
            journal.release(claim)
        else:
            journal.withhold(claim, "why")

    @rule(number=one_of_them)
    def evidence_comes(self, number: int) -> None:
        """Let a person, a lookup or a status speak about the last attempt."""
        what = self.likely(EVIDENCE, number)
        attempt = len(attempts_of(self.store, KEY))
        if what == "nothing":
            return
        with suppress(IllegalTransition):
            if what == "settled-sent":
                settle(self.journals[0], KEY, "sent", "maria", next(self.sids))
            elif what == "found":
                found(self.store, KEY, attempt, next(self.sids))
            else:
                if what == "settled-not-sent":
                    settle(self.journals[0], KEY, "not_sent", "maria")
                else:
                    not_sent_after_all(self.store, KEY, attempt, "failed", "30036")
                self.documented.add(attempt)

    @invariant()
    def at_most_one_attempt_is_open(self) -> None:
        """Every attempt but the last is documented as not sent."""
        for entry in attempts_of(self.store, KEY)[:-1]:
            assert (entry.state, entry.not_sent) == ("rejected", True)

    @invariant()
    def what_went_out_is_never_forgotten(self) -> None:
        """Whatever was let through to the post never looks as if it had not been."""
        states = {entry.attempt: entry.state for entry in attempts_of(self.store, KEY)}
        for attempt in self.went_out:
            assert states[attempt] in ("posting", "sent", "rejected", "unknown")


def test_nothing_goes_out_twice_whatever_happens(store: Store) -> None:
    """At most one attempt of a key reaches posting unless the one before is documented not sent."""
    seen: list[str] = []
    machine = type("Machine", (JournalMachine,), {"store": store, "seen": seen})
    run_state_machine_as_test(machine, settings=settings(SETTINGS, max_examples=EXAMPLES))
    assert len(seen) > EXAMPLES / 2, "hardly anything was posted, so hardly anything was shown"
    assert "a second attempt" in seen


def test_the_machine_would_notice(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A journal that lets any key be claimed again fails the machine."""
    monkeypatch.setattr(Journal, "_is_claimable", lambda *_: True)
    with Store.create(f"sqlite:///{tmp_path}/state.db") as store:
        machine = type("Broken", (JournalMachine,), {"store": store, "seen": []})
        only_find = settings(SETTINGS, phases=[Phase.generate], report_multiple_bugs=False)
        with pytest.raises(AssertionError):
            run_state_machine_as_test(machine, settings=only_find)
