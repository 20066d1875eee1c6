"""Actions one after the other: what ends a run early, and what the journal holds of each."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast

import pytest

from redcap_jobs.clock import SystemClock
from redcap_jobs.couriers import (
    Delivered,
    Delivery,
    NothingMore,
    NotThere,
    Verdict,
    told_of_posted,
)
from redcap_jobs.errors import RedcapJobsError, StateError
from redcap_jobs.plan import (
    Action,
    Inputs,
    Job,
    Mail,
    PartnerCall,
    Posted,
    Stands,
    Text,
    Withhold,
)
from redcap_jobs.state.journal import Journal
from redcap_jobs.state.journal_entry import Cap, Entry, Intent
from redcap_jobs.state.journal_evidence import entries_of_record
from redcap_jobs.state.process import Holder
from redcap_jobs.state.runs import RunStart, start_run
from redcap_jobs.state.scope import ProjectKey
from redcap_jobs.state.store import Store

PROJECT = ProjectKey("https://redcap.example.edu/api/", 3041, "production")
LOST, SENT = Posted("unknown", note="ReadTimeout"), Posted("sent", "M1", status="queued")
Answer = Posted | Exception


@dataclass
class Sender:
    """A courier whose answers are written down: one per record, else accepted."""

    answers: dict[str, Answer] = field(default_factory=dict)
    turns: dict[str, Verdict | Exception] = field(default_factory=dict)
    releases: dict[str, Exception] = field(default_factory=dict)
    caps: tuple[Cap, ...] = ()
    posted: list[str] = field(default_factory=list)

    def intent(self, action: Action) -> tuple[Intent, Sequence[Cap]]:
        about = ("enrol", action.record, "enrolment")
        return Intent(action.key, "partner", PROJECT, *about, phone_hash="p"), self.caps

    @contextmanager
    def turn(self, action: Action) -> Iterator[Verdict]:
        yield given(self.turns.get(action.record, Stands()))
        given(self.releases.get(action.record))

    def post(self, action: Action) -> Posted:
        self.posted.append(action.record)
        return given(self.answers.get(action.record, SENT))


def given(answer: Any) -> Any:
    """Return what was written down, or raise it."""
    if isinstance(answer, Exception):
        raise answer
    return answer


@dataclass
class House:
    """A delivery of partner calls, and what it did."""

    store: Store
    sender: Sender = field(default_factory=Sender)
    rechecks: dict[str, Verdict | Exception] = field(default_factory=dict)
    read: list[list[str]] = field(default_factory=list)
    run: str = ""

    def deliver(self, *records: str, fresh: Callable[..., Inputs] | None = None) -> Delivered:
        start = RunStart("s", "enrol", PROJECT, "E", "I", datetime.now(UTC), "0" * 64)
        self.run = start_run(self.store, start)
        inputs = cast("Inputs", object())

        def reads(actions: Sequence[Action]) -> Inputs:
            self.read.append([action.record for action in actions])
            return inputs

        def recheck(study: object, action: Action, inputs: Inputs) -> Verdict:
            return cast("Verdict", given(self.rechecks.get(action.record, Stands())))

        nothing = cast("Any", None)
        job = Job("enrol", "Enrol", nothing, nothing, recheck, nothing)
        journal = Journal(self.store, self.run)
        delivery = Delivery(
            journal, {"partner": self.sender}, fresh or reads, lambda: None, job, nothing
        )
        return delivery.deliver([Action(f"k{record}", record, "partner") for record in records])

    def entry(self, record: str) -> Entry:
        (entry,) = entries_of_record(self.store, PROJECT, record)
        return entry


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    with Store.create(f"sqlite:///{tmp_path}/state.db", clock=SystemClock()) as store:
        yield House(store)


def told(done: Delivered) -> list[str]:
    return [f"{problem.record}: {problem.what}" for problem in done.problems]


def test_three_lost_answers_in_a_row_end_it(house: House) -> None:
    """Each may be a text that went out; whoever was not begun stays due for the next run."""
    house.sender.answers = dict.fromkeys(["1", "2", "3"], LOST)
    done = house.deliver("1", "2", "3", "4", "5")
    assert house.sender.posted == ["1", "2", "3"]
    assert done.ended == {"unknown": 3, "not begun": 2}
    assert told(done)[-1] == "-: 3 answers in a row were lost; 2 that are due were not begun"


def test_an_answer_in_between_begins_the_count_anew(house: House) -> None:
    """Two lost, one heard, two lost: a line that comes and goes."""
    house.sender.answers = dict.fromkeys(["1", "2", "4", "5"], LOST)
    done = house.deliver("1", "2", "3", "4", "5", "6")
    assert done.ended == {"unknown": 4, "sent": 2}


def test_what_stops_a_courier_is_told_once(house: House) -> None:
    """An account that is suspended: one Problem for the run, none for the record it met."""
    house.sender.answers = {"2": Posted("rejected", code="20005", not_sent=True, stops="Pay up.")}
    done = house.deliver("1", "2", "3")
    assert done.ended == {"sent": 1, "rejected": 1, "not begun": 1}
    assert told(done) == ["-: Pay up; 1 that are due were not begun"]
    again = house.deliver("2", "3")
    assert again.ended == {"rejected": 1, "not begun": 1}, (
        "known as not sent, it may be tried again"
    )


def test_whom_a_refusal_that_ends_the_run_met_is_named(house: House) -> None:
    """It is final until a person clears it: the account is mended, and this one text is not."""
    house.sender.answers = {"2": Posted("rejected", code="21606", stops="Wrong sender.")}
    done = house.deliver("1", "2", "3")
    assert told(done) == [
        "2: refused (21606), and not sent again by itself",
        "-: Wrong sender; 1 that are due were not begun",
    ]
    assert "messages settle" in done.problems[0].hint


def test_a_turn_that_brings_nothing_more_gives_its_claim_back(house: House) -> None:
    """The action at hand counts among those that were not begun."""
    house.sender.turns = {"2": NothingMore("replies were not read")}
    done = house.deliver("1", "2", "3")
    assert done.ended == {"sent": 1, "not begun": 2}
    assert (house.entry("2").state, house.sender.posted) == ("released", ["1"])


@pytest.mark.parametrize("where", ["recheck", "turn"])
def test_whoever_is_withheld_has_the_reason_in_the_journal(house: House, where: str) -> None:
    """Nothing was posted, and the next run may claim it."""
    no = Withhold("has opted out")
    if where == "recheck":
        house.rechecks = {"1": no}
    else:
        house.sender.turns = {"1": no}
    assert house.deliver("1", "2").ended == {"withheld": 1, "sent": 1}
    assert (house.entry("1").state, house.entry("1").note) == ("withheld", "has opted out")
    assert house.sender.posted == ["2"]


def test_an_error_before_the_post_gives_the_claim_back(house: House) -> None:
    """REDCap went down: the run ends, nothing is unknown."""
    house.rechecks = {"1": RedcapJobsError("REDCap is down")}
    with pytest.raises(RedcapJobsError, match="REDCap is down"):
        house.deliver("1")
    assert (house.entry("1").state, house.sender.posted) == ("released", [])


def test_a_fault_of_this_program_while_posting_leaves_it_unknown(house: House) -> None:
    """Whatever it was, the request may have left; the fault is told all the same."""
    house.sender.answers = {"1": ZeroDivisionError()}
    with pytest.raises(ZeroDivisionError):
        house.deliver("1")
    entry = house.entry("1")
    assert (entry.state, entry.note) == ("unknown", "ZeroDivisionError while posting")


@pytest.mark.parametrize(
    ("answer", "state", "reference"),
    [
        (SENT, "sent", "M1"),
        (LOST, "unknown", None),
        (Posted("rejected", "", "21211"), "rejected", None),
    ],
)
def test_what_was_answered_is_kept_though_the_turn_cannot_be_given_back(
    house: House, answer: Posted, state: str, reference: str | None
) -> None:
    """The state was out of reach for the release and is back: what was heard is not thrown away."""
    house.sender.answers = {"1": answer}
    house.sender.releases = {"1": StateError("the state: lock timeout")}
    with pytest.raises(StateError, match="lock timeout"):
        house.deliver("1", "2")
    entry = house.entry("1")
    assert (entry.state, entry.reference, house.sender.posted) == (state, reference, ["1"])


def test_what_a_dead_run_left_is_put_in_order_first(house: House) -> None:
    """Its post becomes unknown before anything is claimed, whether it is planned again or not."""
    gone = Journal(house.store, "dead", holder=Holder("elsewhere", 1, "x"), alive=lambda *_: True)
    claim = gone.claim(house.sender.intent(Action("k9", "9", "partner"))[0])
    gone.begin_posting(claim)  # type: ignore[arg-type] - it was free
    with house.store.write() as connection:
        connection.exec_driver_sql("UPDATE journal SET posting_at = '2026-01-01T00:00:00.000000Z'")
    house.deliver("1")
    assert house.entry("9").state == "unknown"


def test_caps_are_told_unless_they_are_a_persons_own(house: House) -> None:
    """That a phone had its text today is no news; that the study's day is full is."""
    house.sender.caps = (Cap("per phone", 1, ("phone_hash",)),)
    done = house.deliver("1", "2")
    assert (done.ended, told(done)) == ({"sent": 1, "CapReached": 1}, [])
    house.sender.caps = (Cap("texts per day", 1, ("project",)),)
    assert told(house.deliver("3")) == ["3: not begun: the limit texts per day (1) is reached"]


def test_the_next_fifty_are_read_together(house: House) -> None:
    """One read for all who are next, from the one at hand on."""
    house.deliver(*map(str, range(60)))
    assert house.read[0] == [str(number) for number in range(50)]
    assert house.read[-1] == ["59"]
    entry = house.entry("0")
    assert (entry.reference, entry.status) == ("M1", "queued")


def test_turns_that_always_come_too_late_end_it(house: House) -> None:
    """Three times the data were out of date when the turn came: nobody is texted by them."""
    reads: list[int] = []

    def stale(actions: Sequence[Action]) -> Inputs:
        reads.append(len(reads))
        return cast("Inputs", object())

    done = house.deliver("1", "2", fresh=stale)
    assert done.ended == {"not begun": 2}
    assert "out of date" in told(done)[0]
    assert (len(reads), house.sender.posted) == (6, [])


def test_a_record_that_is_gone_is_withheld_and_stops_nobody_else(house: House) -> None:
    """It was deleted or renamed since the run began: nothing is posted for it."""

    def reads(actions: Sequence[Action]) -> Inputs:
        if actions[0].record == "1":
            raise NotThere("record 1 was deleted or renamed since the run began")
        return house_inputs

    house_inputs = cast("Inputs", object())
    done = house.deliver("1", "2", fresh=reads)
    assert (done.ended, told(done)) == ({"withheld": 1, "sent": 1}, [])
    assert house.sender.posted == ["2"]
    assert house.entry("1").state == "withheld"


@pytest.mark.parametrize(
    ("action", "said"),
    [
        (
            Text("k", "1 0", "text", message="m2", occurrence="0"),
            "redcap-jobs messages settle STUDY '1 0/m2/0' --sent SID, or --not-sent",
        ),
        (
            PartnerCall("k", "1001", "partner", call="enrol"),
            "redcap-jobs partner settle STUDY 1001 --member ID, or --not-enrolled",
        ),
        (PartnerCall("k", "1001", "partner", call="arm"), "a later run makes it again"),
        (PartnerCall("k", "1001", "partner", call="update"), "a later run makes it again"),
        (Mail("k", "-", "mail"), "it is never repeated by itself"),
    ],
)
def test_what_a_lost_answer_means_depends_on_what_was_asked(action: Action, said: str) -> None:
    """Repeating an enrolment or a text does harm; a change that says how things are does none."""
    (problem,) = told_of_posted(Posted("unknown"), action)
    assert said in problem.hint
    assert "nobody knows" in problem.what
    assert ("settle" in problem.hint) == ("redcap-jobs" in problem.hint)
