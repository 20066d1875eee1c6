"""What leaves the house goes through the journal: at most once, rechecked, written back later.

The courier here posts to a real server on this machine that counts what it accepted.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pandas as pd
import pytest
import requests

from redcap_jobs.clock import SystemClock
from redcap_jobs.couriers import AtOnce
from redcap_jobs.executor import Executor
from redcap_jobs.plan import (
    CHANGE_COLUMNS,
    DECISION_COLUMNS,
    Action,
    Inputs,
    Job,
    Outcome,
    PartnerCall,
    Plan,
    Posted,
    Stands,
    Withhold,
)
from redcap_jobs.redcap.imports import ImportResult
from redcap_jobs.state.journal_entry import Cap, Intent
from redcap_jobs.state.runs import RunEnd, RunStart, finish_run, start_run
from redcap_jobs.state.scope import ProjectKey
from redcap_jobs.state.store import Store

KEY = ProjectKey("http://127.0.0.1/api/", 1, "development")
NOTHING = pd.DataFrame(columns=CHANGE_COLUMNS, dtype="str")
ROSTER = pd.DataFrame({"record": ["1", "2", "3"], "event": "", "dag": ""}, dtype="str")


@dataclass
class Partner:
    """A server that accepts members; ``drop`` makes it accept and then say nothing."""

    url: str
    accepted: list[str] = field(default_factory=list)
    drop: bool = False


@pytest.fixture
def partner() -> Iterator[Partner]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            known.accepted.append(self.path)
            if not known.drop:
                self.send_response(201)
                self.send_header("Content-Length", "0")
                self.end_headers()

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base's name
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        known = Partner(f"http://127.0.0.1:{server.server_port}")
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield known
        server.shutdown()


class MemberCourier(AtOnce):
    """Enrols a member with one POST; what it did not hear back is unknown."""

    def __init__(self, partner: Partner, caps: Sequence[Cap] = ()) -> None:
        self.partner, self.caps = partner, caps

    def intent(self, action: Action) -> tuple[Intent, Sequence[Cap]]:
        return (
            Intent(action.key, "partner", KEY, "enrol", action.record, "enrolment"),
            self.caps,
        )

    def post(self, action: Action) -> Posted:
        try:
            answer = requests.post(f"{self.partner.url}/{action.record}", timeout=10)
        except requests.RequestException as error:
            return Posted("unknown", note=type(error).__name__)
        return Posted("sent", reference=f"M{action.record}-{answer.status_code}")


class Redcap:
    """Takes imports; ``fails`` makes it go down before it stores anything."""

    def __init__(self) -> None:
        self.stored: list[tuple[str, str, str]] = []
        self.fails = False

    def import_cells(
        self,
        cells: pd.DataFrame,
        record_id_field: str,
        *,
        overwrite: bool,
        stored: Callable[[int], None],
    ) -> ImportResult:
        if self.fails:
            raise ConnectionError("down")
        stored(len(cells))
        self.stored += list(zip(cells["record"], cells["field"], cells["new"], strict=True))
        return ImportResult(len(cells), frozenset(cells["record"]))


class Structure:
    record_id_field = "record_id"
    is_longitudinal = False


def write_back(
    study: object, outcomes: Sequence[Outcome], project: object, roster: pd.DataFrame
) -> pd.DataFrame:
    """Turn each outcome into the member id's field."""
    rows = [
        [outcome.record, "", "", "", "member_id", "", outcome.reference or outcome.state]
        for outcome in outcomes
    ]
    return pd.DataFrame(rows, columns=CHANGE_COLUMNS, dtype="str")


JOB = Job(
    "enrol",
    "Enrol",
    reads=lambda study, inputs: (),
    plan=lambda study, inputs, as_of: plan_of(),
    recheck=lambda study, action, inputs: Stands(),
    record=write_back,
)


def plan_of(*records: str) -> Plan:
    actions = tuple(PartnerCall(f"enrol:{record}", record, "partner") for record in records)
    decisions = pd.DataFrame(columns=DECISION_COLUMNS, dtype="str")
    return Plan("enrol", datetime.now(UTC), NOTHING, decisions, ("member_id",), actions)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store.create(f"sqlite:///{tmp_path / 'state.db'}", clock=SystemClock()) as opened:
        yield opened


def executor(store: Store, partner: Partner, redcap: Redcap, *caps: Cap) -> Executor:
    start = RunStart("s", "enrol", KEY, "E", "I", datetime.now(UTC), "0" * 64)
    return Executor(
        client=redcap,  # type: ignore[arg-type] - the two things an executor asks of a client
        structure=Structure(),  # type: ignore[arg-type] - only the record ID field is asked for
        roster=lambda: ROSTER,
        store=store,
        project=KEY,
        scope="enrol",
        run_id=start_run(store, start),
        fresh=lambda actions: None,  # type: ignore[arg-type,return-value] - nothing is rechecked here
        still_locked=lambda: None,
        couriers={"partner": MemberCourier(partner, caps)},
    )


def carry_out(made: Executor, plan: Plan, job: Job = JOB) -> dict[str, int]:
    executed = made.execute(plan, job, None)  # type: ignore[arg-type] - this job reads no study
    finish_run(made.store, made.run_id, RunEnd("done", 0))
    return dict(executed.actions)


def test_an_action_is_done_once_and_written_back_once(store: Store, partner: Partner) -> None:
    """Two runs of the same plan: one POST per record, one write-back."""
    redcap = Redcap()
    assert carry_out(executor(store, partner, redcap), plan_of("1", "2")) == {"sent": 2}
    assert carry_out(executor(store, partner, redcap), plan_of("1", "2")) == {"AlreadyDone": 2}
    assert partner.accepted == ["/1", "/2"]
    assert redcap.stored == [("1", "member_id", "M1-201"), ("2", "member_id", "M2-201")]


def test_what_was_accepted_but_not_answered_is_unknown_and_never_repeated(
    store: Store, partner: Partner
) -> None:
    """Accept-then-drop: the next runs leave it alone until a person settles it."""
    partner.drop = True
    assert carry_out(executor(store, partner, Redcap()), plan_of("1")) == {"unknown": 1}
    partner.drop = False
    assert carry_out(executor(store, partner, Redcap()), plan_of("1")) == {"AlreadyDone": 1}
    assert partner.accepted == ["/1"]


def test_a_recheck_that_says_no_withholds(store: Store, partner: Partner) -> None:
    """Moments before the act the fresh data speak; the key stays free for another day."""
    careful = replace(JOB, recheck=lambda study, action, inputs: Withhold("opted out"))
    assert carry_out(executor(store, partner, Redcap()), plan_of("1"), careful) == {"withheld": 1}
    assert partner.accepted == []
    assert carry_out(executor(store, partner, Redcap()), plan_of("1")) == {"sent": 1}


def test_a_cap_is_counted_before_the_act(store: Store, partner: Partner) -> None:
    """At most two per run: the third is not begun."""
    cap = Cap("per run", 2, ("run_id",))
    done = carry_out(executor(store, partner, Redcap(), cap), plan_of("1", "2", "3"))
    assert done == {"sent": 2, "CapReached": 1}
    assert partner.accepted == ["/1", "/2"]


def test_a_write_back_that_failed_is_made_up_for_by_the_next_run(
    store: Store, partner: Partner
) -> None:
    """REDCap went down after the act: the journal remembers what it does not hold yet."""
    redcap = Redcap()
    redcap.fails = True
    made = executor(store, partner, redcap)
    with pytest.raises(ConnectionError):
        carry_out(made, plan_of("1"))
    finish_run(store, made.run_id, RunEnd("failed", 1))
    redcap.fails = False
    assert carry_out(executor(store, partner, redcap), plan_of()) == {}
    assert redcap.stored == [("1", "member_id", "M1-201")]
    assert partner.accepted == ["/1"]


def test_nothing_is_posted_once_the_lock_is_lost(store: Store, partner: Partner) -> None:
    """Another run may have the lock by now: stop before the act, not after it."""
    made = executor(store, partner, Redcap())

    def lost() -> None:
        raise RuntimeError("the lock was lost")

    made.still_locked = lost
    with pytest.raises(RuntimeError):
        carry_out(made, plan_of("1"))
    assert partner.accepted == []


def test_inputs_are_read_afresh_for_each_action(store: Store, partner: Partner) -> None:
    """The recheck sees what ``fresh`` read for that very action."""
    seen: list[str] = []
    made = executor(store, partner, Redcap())

    def fresh(actions: Sequence[Action]) -> Inputs:
        seen.append(actions[0].record)
        return None  # type: ignore[return-value] - the recheck below looks at nothing

    made.fresh = fresh
    carry_out(made, plan_of("1", "2"))
    assert list(dict.fromkeys(seen)) == ["1", "2"]


@pytest.mark.parametrize(("outlasts", "ended"), [(1, "sent"), (99, "not begun")])
def test_a_turn_that_comes_too_late_is_rechecked_on_data_read_anew(
    store: Store, partner: Partner, outlasts: int, ended: str
) -> None:
    """Who waited long for a turn knows nothing any more: read, recheck, another turn; not for ever."""
    made = executor(store, partner, Redcap())
    reads = iter(range(100))
    turns: list[str] = []
    judged: list[object] = []

    class Busy(MemberCourier):
        @contextmanager
        def turn(self, action: Action) -> Iterator[Stands]:
            turns.append(action.record)
            yield Stands()

    def fresh(actions: Sequence[Action]) -> object:
        late = len(turns) > made_anew[0] and made_anew[0] < outlasts
        if late or not judged:
            made_anew[0] += bool(judged)
            judged.append(next(reads))
        return judged[-1]

    made_anew = [0]
    made.couriers = {"partner": Busy(partner)}
    made.fresh = fresh  # type: ignore[assignment] - a number stands for what was read
    rechecked: list[object] = []

    def recheck(study: object, action: Action, inputs: object) -> Stands:
        rechecked.append(inputs)
        return Stands()

    counted = carry_out(made, plan_of("1"), replace(JOB, recheck=recheck))
    assert counted == {ended: 1}
    assert rechecked == ([0, 1] if ended == "sent" else [0, 1, 2])
    assert len(turns) == len(rechecked)
    assert len(partner.accepted) == (ended == "sent")


def test_a_result_is_not_written_into_a_record_that_is_gone(store: Store, partner: Partner) -> None:
    """Between the act and the write-back the record was deleted: nothing creates it anew."""
    redcap = Redcap()
    made = executor(store, partner, redcap)
    made.roster = lambda: ROSTER[ROSTER["record"] != "1"]
    executed = made.execute(plan_of("1", "2"), JOB, None)  # type: ignore[arg-type] - reads no study
    assert [record for record, _, _ in redcap.stored] == ["2"]
    assert [problem.record for problem in executed.problems] == ["1"]
