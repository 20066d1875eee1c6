"""A hypothesis state machine: what is learnt of texts afterwards never makes a second one.

Beside the journal's own machine: here Twilio is modelled, too, with lists that lag and statuses
that come out of order, people who settle, and REDCap's message log, whose rows are written by
runs that may die between the import and the note of it.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test
from sqlalchemy import delete, select
from tests.state.conftest import StillClock
from tests.state.journal_steps import attempts_of

from redcap_jobs.messaging.delivery import TwilioMessage
from redcap_jobs.messaging.statuses import rank
from redcap_jobs.messaging.watch import Seen, Watch
from redcap_jobs.state import schema
from redcap_jobs.state.journal import Journal
from redcap_jobs.state.journal_entry import Claimed, Entry, IllegalTransition, Intent, entry_of
from redcap_jobs.state.journal_evidence import (
    mark_written_back,
    not_written_back,
    set_status,
    settle,
)
from redcap_jobs.state.log_places import places_for
from redcap_jobs.state.process import Holder
from redcap_jobs.state.scope import ProjectKey
from redcap_jobs.state.store import Store

LONG = bool(os.environ.get("REDCAP_JOBS_LONG_TESTS"))
EXAMPLES = 400 if LONG else 25
SETTINGS = settings(
    stateful_step_count=40,
    deadline=None,
    database=None,
    derandomize=not LONG,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
PROJECT = ProjectKey("https://redcap.example.edu/api/", 3041, "production")
SENDER = "hash of the sender"
KEYS = ("1|m2", "1|m4", "2|m2")
LAPSED = ("failed", "30036")

keys = st.sampled_from(KEYS)
FATES = (
    *("heard", "heard", "lost", "lost", "dies accepted", "dies unheard", "dies claimed"),
    *("never arrived", "429", "refused", "withheld"),
)
MOVES = {
    "queued": ("sending", "sent", *LAPSED[:1]),
    "sending": ("sent",),
    "sent": ("delivered", "undelivered"),
    "undelivered": ("delivered",),
}
"""Twilio's word → those that may follow; only what still waits in its queue lapses."""


@dataclass
class Message:
    """One message that Twilio accepted: whose it is, and its words so far."""

    sid: str
    key: str
    attempt: int
    created: datetime
    words: list[tuple[str, str]] = field(default_factory=lambda: [("queued", "")])

    @property
    def was_sent(self) -> bool:
        return any(status == "sent" for status, _ in self.words)

    def listed(self, *, back: bool) -> TwilioMessage:
        """Return it as a list shows it, at its last word or the one before."""
        status, code = self.words[-2 if back and len(self.words) > 1 else -1]
        return TwilioMessage(
            sid=self.sid,
            to_hash=f"phone {self.key}",
            sender_hash=SENDER,
            body_hash=f"body {self.key}",
            direction="outbound-api",
            status=status,
            error_code=code,
            created_at=self.created,
        )


class Twilio:
    """What the account holds, and how its list lags just now; asked as the real client is."""

    sender_hash = SENDER

    def __init__(self, clock: StillClock) -> None:
        self.clock = clock
        self.messages: list[Message] = []
        self.lag = timedelta(0)
        self.back = False
        self.meanwhile: Callable[[], object] = lambda: None

    def accept(self, claim: Claimed) -> str:
        sid = f"SM{len(self.messages):032x}"
        self.messages.append(Message(sid, claim.key, claim.attempt, self.clock.now()))
        return sid

    def outbound(self, since: date) -> list[TwilioMessage]:
        answer = [
            message.listed(back=self.back)
            for message in self.old_enough()
            if message.created.date() >= since and message.was_sent
        ]
        self.meanwhile()
        return answer

    def newest(self) -> list[TwilioMessage]:
        return [message.listed(back=self.back) for message in self.old_enough()]

    def old_enough(self) -> list[Message]:
        youngest = self.clock.now() - self.lag
        return [message for message in self.messages if message.created <= youngest]

    def fetch(self, sid: str) -> TwilioMessage | None:
        found = [message for message in self.messages if message.sid == sid]
        return found[0].listed(back=False) if found else None

    def of(self, entry: Entry) -> list[Message]:
        return [
            message
            for message in self.messages
            if (message.key, message.attempt) == (entry.key, entry.attempt)
        ]


class TextsMachine(RuleBasedStateMachine):
    """Three texts to two people, sent by runs that die at every step."""

    store: Store
    clock: StillClock
    seen: Counter[str]

    def __init__(self) -> None:
        super().__init__()
        with self.store.write() as connection:
            connection.execute(delete(schema.journal))
        self.twilio = Twilio(self.clock)
        self.watch = Watch(
            self.store,
            "snow",
            PROJECT,
            self.twilio,  # type: ignore[arg-type] - what a watch asks of a client
            lambda text, kind: f"{kind} {text}",
            self.clock,
        )
        self.dead: set[int] = set()
        self.runs = 0
        self.log: dict[tuple[str, str], Entry] = {}
        """REDCap's message log: record and instance → what was written there last."""
        self.heard: dict[tuple[str, int], str] = {}

    def journal(self) -> Journal:
        """Return the journal of a new run."""
        self.runs += 1
        holder = Holder("h", self.runs, "")
        return Journal(self.store, f"run-{self.runs}", holder=holder, alive=self.lives)

    def lives(self, holder: Holder, _since: timedelta) -> bool:
        return holder.pid not in self.dead

    @rule(key=keys, fate=st.sampled_from(FATES))
    def a_run_sends(self, key: str, fate: str) -> None:
        """Let a run send one text as far as its fate lets it."""
        journal = self.journal()
        journal.recover()
        record, _, message = key.partition("|")
        claim = journal.claim(
            Intent(
                key, "text", PROJECT, "send-surveys", record, message,
                sender=SENDER, phone_hash=f"phone {key}", body_hash=f"body {key}",
            )
        )  # fmt: skip
        if not isinstance(claim, Claimed):
            return
        if fate == "withheld":
            journal.withhold(claim, "why")
        elif fate == "dies claimed":
            self.dead.add(self.runs)
        else:
            journal.begin_posting(claim)
            self.post(journal, claim, fate)
        self.seen[fate] += 1
        self.seen["a second attempt"] += claim.attempt > 1

    def post(self, journal: Journal, claim: Claimed, fate: str) -> None:
        """Let the POST reach Twilio or not, its answer reach the run or not."""
        if fate == "429":
            journal.rejected(claim, "20429", definite_not_sent=True)
        elif fate == "refused":
            journal.rejected(claim, "21211", definite_not_sent=False)
        elif fate == "never arrived":
            journal.unknown(claim, "ConnectionError")
        elif fate == "dies unheard":
            self.dead.add(self.runs)
        else:
            sid = self.twilio.accept(claim)
            if fate == "heard":
                journal.sent(claim, sid, "queued")
            elif fate == "lost":
                journal.unknown(claim, "ReadTimeout")
            else:
                self.dead.add(self.runs)

    @rule(minutes=st.sampled_from([1, 20, 300, 1500]))
    def time_passes(self, minutes: int) -> None:
        self.clock.sleep(timedelta(minutes=minutes))

    @rule(number=st.integers(0, 30), word=st.integers(0, 5))
    def a_message_moves_on(self, number: int, word: int) -> None:
        """Let a message take one of the words that may follow its last one."""
        if self.twilio.messages:
            message = self.twilio.messages[number % len(self.twilio.messages)]
            following = MOVES.get(message.words[-1][0], ())
            if following:
                status = following[word % len(following)]
                code = LAPSED[1] if status == "failed" else "30008" * (status == "undelivered")
                message.words.append((status, code))

    @rule(lag=st.sampled_from([0, 0, 15, 2000]), back=st.booleans())
    def somebody_looks(self, lag: int, back: bool) -> None:
        """Let a run ask what became of the texts; the list is late or out of order."""
        self.journal().recover()
        self.twilio.lag, self.twilio.back = timedelta(minutes=lag), back
        looked = Seen()
        self.watch.look_up(looked)
        self.seen["found"] += looked.found

    @rule(lag=st.sampled_from([0, 15]), back=st.booleans())
    def two_look_at_once(self, lag: int, back: bool) -> None:
        """Let a second run look, and note what it learns, before the first can note anything."""

        def second() -> None:
            self.twilio.meanwhile = lambda: None
            self.somebody_looks(0, back=False)

        self.twilio.meanwhile = second
        self.somebody_looks(lag, back)
        self.twilio.meanwhile = lambda: None

    @rule(key=keys)
    def a_person_settles(self, key: str) -> None:
        """Let a person who sees the account say what became of a text; people may be first."""
        attempts = attempts_of(self.store, key)
        if not attempts:
            return
        held = self.twilio.of(attempts[-1])
        with suppress(IllegalTransition):
            if held and held[0].words[-1] != LAPSED:
                settle(self.journal(), key, "sent", "maria", held[0].sid)
            elif not held or attempts[-1].state == "unknown":
                settle(self.journal(), key, "not_sent", "maria")
            self.seen["settled"] += 1

    @rule(cut=st.sampled_from(["", "", "", "chosen", "imported", "changed"]))
    def it_is_written_back(self, cut: str) -> None:
        """Let a run write the log, cut off after choosing the rows or after the import.

        ``changed``: more is learnt of a text between what is written and the note of it.
        """
        entries = not_written_back(self.store, PROJECT)
        rows = [[record, row, entry.key] for (record, row), entry in self.log.items()]
        held = pd.DataFrame(rows, columns=["record", "instance", "key"], dtype="str")
        places = places_for(self.store, PROJECT, entries, held)
        if cut == "chosen":
            return
        for key, entry in {entry.key: entry for entry in entries}.items():
            self.log[entry.record, str(places[key])] = entry
        if cut == "imported":
            return
        if cut == "changed":
            self.somebody_looks(0, back=False)
        mark_written_back(self.store, entries)
        self.seen["written back"] += len(entries)

    @invariant()
    def nothing_goes_out_twice(self) -> None:
        """Of all messages of one text at most one did not lapse; each attempt made at most one."""
        made = Counter((message.key, message.attempt) for message in self.twilio.messages)
        assert all(count == 1 for count in made.values()), made
        out = [message.key for message in self.twilio.messages if message.words[-1] != LAPSED]
        assert len(out) == len(set(out)), out

    @invariant()
    def what_the_journal_says_is_so(self) -> None:
        """A SID stands at its own attempt; what counts as unsent has no message that went out."""
        for entry in self.entries():
            held = self.twilio.of(entry)
            if entry.reference is not None:
                assert [message.sid for message in held] == [entry.reference], entry
            if entry.state in ("claimed", "released", "withheld"):
                assert not held, entry
            if entry.not_sent:
                assert all(message.words[-1] == LAPSED for message in held), entry

    @invariant()
    def no_word_goes_back(self) -> None:
        """A status never gives way to an earlier one, whatever the list's order."""
        for entry in self.entries():
            place = (entry.key, entry.attempt)
            assert rank(entry.status) >= rank(self.heard.get(place, "")), entry
            self.heard[place] = entry.status

    @invariant()
    def the_log_holds_each_text_once(self) -> None:
        """One row per key, in its own record, and the newest word where nothing waits to be written."""
        keys_held = Counter(entry.key for entry in self.log.values())
        assert all(count == 1 for count in keys_held.values()), keys_held
        if not not_written_back(self.store, PROJECT):
            newest = {entry.key: entry for entry in self.entries() if entry.state in WRITTEN}
            for entry in self.log.values():
                now = newest[entry.key]
                said = (now.attempt, now.state, now.status, now.code, now.reference)
                assert said == (
                    entry.attempt, entry.state, entry.status, entry.code, entry.reference,
                )  # fmt: skip
            assert keys_held.keys() == newest.keys()

    def entries(self) -> list[Entry]:
        """Return the journal, attempts in order."""
        query = select(schema.journal).order_by(schema.journal.c.attempt)
        with self.store.read() as connection:
            return [entry_of(row) for row in connection.execute(query).mappings()]

    def teardown(self) -> None:
        """In the end, with a list that is whole, no accepted text stands as unknown."""
        self.somebody_looks(0, back=False)
        for entry in self.entries():
            assert entry.state != "unknown" or not self.twilio.of(entry), entry


WRITTEN = ("sent", "rejected", "unknown")


def machine(store: Store, clock: StillClock, seen: Counter[str]) -> Any:
    """Return the machine on a state."""
    return type("Machine", (TextsMachine,), {"store": store, "clock": clock, "seen": seen})


def test_nothing_that_is_learnt_sends_a_text_twice(store: Store, clock: StillClock) -> None:
    """Finds, statuses, lapses, people and write-backs in any order: one text, one row, no way back."""
    seen: Counter[str] = Counter()
    run_state_machine_as_test(
        machine(store, clock, seen), settings=settings(SETTINGS, max_examples=EXAMPLES)
    )
    for what in ("found", "a second attempt", "settled", "written back", "dies accepted"):
        assert seen[what] >= EXAMPLES / 10, seen


def test_the_machine_would_notice(
    tmp_path: Path, clock: StillClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Any failed message taken for unsent: the machine fails."""
    monkeypatch.setattr("redcap_jobs.messaging.delivery.is_not_sent", lambda *_: True)
    only_find = settings(
        SETTINGS, phases=[Phase.generate], max_examples=60, report_multiple_bugs=False
    )
    with Store.create(f"sqlite:///{tmp_path}/state.db", clock=clock) as store:
        made = machine(store, clock, Counter())
        with pytest.raises(AssertionError):
            run_state_machine_as_test(made, settings=only_find)


def test_the_first_to_ask_may_be_the_last_to_note(store: Store) -> None:
    """Two runs look at once: an earlier word that is noted later does not replace a newer one."""
    journal = Journal(store, "run-1")
    claim = journal.claim(Intent("1|m2", "text", PROJECT, "send-surveys", "1", "m2"))
    assert isinstance(claim, Claimed)
    journal.begin_posting(claim)
    journal.sent(claim, "SM1", "queued")
    for word, stands in (("delivered", "delivered"), ("sending", "delivered")):
        assert set_status(store, "1|m2", 1, word).status == stands
    assert set_status(store, "1|m2", 1, "undelivered", "30008").code == "30008"
