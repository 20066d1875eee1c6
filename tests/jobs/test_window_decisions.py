"""What a run owes to the last one: closed visits stay, corrected anchors are told."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from small_study import BASE, M2, STUDY, World, changes, states, study_of, visit, world

from redcap_jobs.jobs.visit_states import CLOSED, STATES

DATA = """
    record | event  | anchor_date | consent | group | visit_date | visit_missed
    1      | base.1 | 2018-03-09  | 1       | 1     | 2018-03-09 |
    1      | m2.1   |             |         |       | 2018-06-06 |
    2      | base.1 | 2018-03-09  | 1       | 1     | 2018-03-09 |
    3      | base.1 | 2018-03-09  | 1       | 1     | 2018-03-09 |
    3      | m2.1   |             |         |       |            | 1
"""
NARROW = visit("m2", "{ months = 2 }", "[{ early = 7, late = 7 }]")
DAY = "2018-05-10"
LATER = "2018-06-10"
KEPT = "the window's definition changed after this visit closed; --reclassify applies the new one"


def redefined(before: World, *visits: str, head: str = STUDY) -> World:
    """Give the world under an edited study file."""
    return World(study_of(*visits, head=head), before.project, before.rows, before.decisions)


def run(start: World, as_of: str) -> World:
    """Plan and carry out."""
    return start.after(start.plan(as_of))


def test_an_edited_window_does_not_reclassify_closed_visits() -> None:
    """Completed in window stays so, dates included, and a skip says how to apply the change."""
    edited = redefined(run(world(DATA, BASE, M2), LATER), BASE, NARROW)
    plan = edited.plan(LATER)
    assert states(plan)["1 m2"] == "completed_in_window"
    assert not any(line.startswith(("1 m2", "3 m2")) for line in changes(plan))
    assert {(skip.record, skip.subject) for skip in plan.skips if skip.reason == KEPT} == {
        ("1", "m2"),
        ("3", "m2"),
    }


def test_a_closed_visit_is_kept_though_its_state_is_not_written() -> None:
    """A study may write targets only: the decision is kept all the same."""

    def only_targets(written: str) -> str:
        return written[: written.index("opens =")]

    start = run(world(DATA, BASE, only_targets(M2)), LATER)
    plan = redefined(start, BASE, only_targets(NARROW)).plan(LATER)
    assert states(plan)["1 m2"] == "completed_in_window"


def test_an_edited_window_does_apply_to_visits_not_yet_closed() -> None:
    """An overdue visit follows the new definition at once."""
    edited = redefined(run(world(DATA, BASE, M2), LATER), BASE, NARROW)
    written = changes(edited.plan(LATER))
    assert "2 m2.1 vt_closes: 2018-06-06->2018-05-16" in written


def test_a_kept_decision_is_kept_run_after_run() -> None:
    """Its old rules stay with it, so that the next run still knows."""
    edited = redefined(run(world(DATA, BASE, M2), LATER), BASE, NARROW)
    again = run(edited, LATER).plan(LATER)
    assert changes(again) == set()
    assert states(again)["1 m2"] == "completed_in_window"
    assert sum(skip.reason == KEPT for skip in again.skips) == 2


def test_reclassify_applies_the_new_definition_to_closed_visits() -> None:
    """Asked for, the state changes, and from then on the new rules stand."""
    edited = redefined(run(world(DATA, BASE, M2), LATER), BASE, NARROW)
    plan = edited.plan(LATER, reclassify=True)
    assert states(plan)["1 m2"] == "completed_late"
    assert "1 m2.1 vt_state: completed_in_window->completed_late" in changes(plan)
    after = edited.after(plan).plan(LATER)
    assert changes(after) == set()
    assert not any(skip.reason == KEPT for skip in after.skips)


def test_a_definition_that_changes_nothing_for_a_visit_keeps_nothing() -> None:
    """Adding a visit edits the rules of those before it, but none of their results."""
    edited = redefined(run(world(DATA, BASE, M2), LATER), BASE, M2, visit("m4", *M4_LATE))
    plan = edited.plan(LATER)
    assert not plan.skips
    assert {line.split()[1] for line in changes(plan)} == {"m4.1"}


M4_LATE = ("{ months = 24 }", "[{ early = 0, late = 0 }]")


def test_a_corrected_completion_date_counts_under_the_new_definition() -> None:
    """A changed fact reclassifies, whatever became of the definition."""
    edited = redefined(run(world(DATA, BASE, M2), LATER), BASE, NARROW)
    plan = edited.edited("1", "m2.1", "visit_date", "2018-06-05").plan(LATER)
    assert states(plan)["1 m2"] == "completed_late"


def test_a_withdrawal_does_not_reopen_a_visit_that_was_held() -> None:
    """Of a dated visit the date alone is a fact: a later tick beside it decides nothing."""
    edited = redefined(run(world(DATA, BASE, M2), LATER), BASE, NARROW)
    left = edited.edited("1", "base.1", "off_study", "1")
    plan = left.edited("1", "base.1", "off_study_date", "2018-06-09").plan(LATER)
    assert states(plan)["1 m2"] == "completed_in_window"
    ticked = edited.edited("1", "m2.1", "visit_missed", "1")
    assert states(ticked.plan(LATER))["1 m2"] == "completed_in_window"


def test_a_corrected_amendment_counts_while_no_definition_changes() -> None:
    """Which window applies is data: correcting it reclassifies a closed visit at once."""
    amended = "{ when = \"[first-event-name][protocol] = '2'\", early = 7, late = 7 }"
    varied = visit("m2", "{ months = 2 }", f"[{amended}, {{ early = 14, late = 28 }}]")
    ran = run(world(DATA, BASE, varied), LATER)
    assert states(ran.plan(LATER))["1 m2"] == "completed_in_window"
    plan = ran.edited("1", "base.1", "protocol", "2").plan(LATER)
    assert states(plan)["1 m2"] == "completed_late"


def test_an_edit_of_the_next_window_does_not_reopen_a_missed_visit() -> None:
    """The next window's opening is this visit's hard close, so it is one of its rules."""
    next_early = visit("m4", "{ months = 4 }", "[{ early = 34, late = 0 }]")
    next_late = visit("m4", "{ months = 4 }", "[{ early = 0, late = 0 }]")
    ran = run(world(DATA, BASE, M2, next_early), LATER)
    assert states(ran.plan(LATER))["2 m2"] == "missed"
    assert states(world(DATA, BASE, M2, next_late).plan(LATER))["2 m2"] == "overdue"
    assert states(redefined(ran, BASE, M2, next_late).plan(LATER))["2 m2"] == "missed"


def test_a_corrected_anchor_reclassifies_and_is_told_old_to_new() -> None:
    """One Problem names the record, its visits and every state that changed; no date."""
    ran = run(world(DATA, BASE, M2), LATER)
    plan = ran.edited("1", "base.1", "anchor_date", "2018-03-01").plan(LATER)
    (problem,) = plan.problems
    assert problem.record == "1"
    assert problem.what == (
        "the anchor date changed since the last run: m2 completed_in_window → completed_late"
    )
    assert "2018" not in str(problem)
    assert states(plan)["1 m2"] == "completed_late"
    _, moves = plan.tables
    assert moves.rows == (("m2", "completed_in_window", "completed_late", "1"),)


def test_a_corrected_anchor_is_told_once() -> None:
    """The run after it compares with the corrected one."""
    ran = run(world(DATA, BASE, M2), LATER)
    corrected = run(ran.edited("1", "base.1", "anchor_date", "2018-03-01"), LATER)
    again = corrected.plan(LATER)
    assert again.problems == ()
    assert changes(again) == set()


def test_a_first_anchor_date_is_no_correction() -> None:
    """Blank and then a date is how every participant starts."""
    blank = world(DATA, BASE, M2).edited("2", "base.1", "anchor_date", "")
    plan = run(blank, LATER).edited("2", "base.1", "anchor_date", "2018-03-09").plan(LATER)
    assert plan.problems == ()


def test_pending_follows_the_state_that_stands() -> None:
    """A visit kept as missed under the old definition is not asked for again."""
    closing = visit("m2", "{ months = 2 }", "[{ early = 0, late = 0 }]", more=CLOSES_AT_ONCE)
    start = run(world(DATA, BASE, closing), LATER)
    assert states(start.plan(LATER))["2 m2"] == "missed"
    plan = redefined(start, BASE, M2).plan(LATER)
    assert states(plan)["2 m2"] == "missed"
    assert not any("vt_pending" in line for line in changes(plan))


CLOSES_AT_ONCE = "hard_close = { days_after_close = 0 }"

DAYS = st.sampled_from(
    ["", "2018-03-08", "2018-03-09", "2018-04-25", "2018-05-09", "2018-07-01", "2019-01-01", "soon"]
)


@st.composite
def tables(draw: st.DrawFn) -> str:
    """Give the data of a few people, some of them contradictory."""
    person_columns = "anchor_date | consent | group | off_study | off_study_date"
    visit_columns = "visit_date | visit_missed | visit_skipped | visit_complete"
    lines = [f"record | event | {person_columns} | {visit_columns}"]
    for record in range(1, draw(st.integers(1, 4)) + 1):
        arm = draw(st.sampled_from("12"))
        off = draw(st.sampled_from(["", "", "1"]))
        group = draw(st.sampled_from(["", arm, "1"]))
        first = f"{draw(DAYS)} | {draw(st.sampled_from('1110'))} | {group} | {off} | {draw(DAYS)}"
        for event in ("base", "m2"):
            ticks = " | ".join(draw(st.sampled_from(["", "", "1"])) for _ in range(2))
            person = first if event == "base" else " | | | | "
            status = draw(st.sampled_from(["", "0", "2"]))
            lines.append(f"{record} | {event}.{arm} | {person} | {draw(DAYS)} | {ticks} | {status}")
    return "\n".join(lines)


@settings(max_examples=25, deadline=None)
@given(tables(), st.sampled_from(["2018-03-09", "2018-05-20", "2018-07-20", "2019-06-01"]))
def test_a_run_right_after_a_run_writes_nothing(table: str, as_of: str) -> None:
    """Idempotence, whatever the data: no change, the same decisions, nothing kept or moved."""
    start = world(table, BASE, M2)
    first = start.plan(as_of)
    second = start.after(first).plan(as_of)
    assert changes(second) == set()
    assert second.decisions.equals(first.decisions)
    assert len(second.tables) == 1


@settings(max_examples=25, deadline=None)
@given(tables(), st.sampled_from(["2018-05-20", "2019-06-01"]))
def test_every_participant_visit_has_one_decision_with_a_known_state(
    table: str, as_of: str
) -> None:
    """Exactly one decision for each record that takes part and is not blocked, and each visit."""
    plan = world(table, BASE, M2).plan(as_of)
    keys = list(zip(plan.decisions["record"], plan.decisions["subject"], strict=True))
    assert len(keys) == len(set(keys))
    assert set(plan.decisions["decision"]) <= set(STATES)
    out = {skip.record for skip in plan.skips if skip.reason.startswith("not taking part")}
    out |= {problem.record for problem in plan.problems if problem.blocks}
    records = {line.split("|")[0].strip() for line in table.splitlines()[1:]}
    assert {record for record, _ in keys} == records - out
    assert set(plan.changes["record"]) <= records - out


@pytest.mark.parametrize("state", sorted(CLOSED))
def test_closed_states_are_states(state: str) -> None:
    """A misspelt name would never be found closed."""
    assert state in STATES
