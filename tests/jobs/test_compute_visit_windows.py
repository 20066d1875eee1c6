"""``compute-visit-windows`` as a plan: from a project's rows to changed cells and back."""

from __future__ import annotations

import pytest
from small_study import (
    BASE,
    JOB,
    M2,
    M4,
    STUDY,
    World,
    by_visit,
    changes,
    project_of,
    states,
    study_of,
    visit,
    world,
)

from redcap_jobs.errors import StudyFileError, UsageError
from redcap_jobs.jobs import JOBS, load_job
from redcap_jobs.plan import CHANGE_COLUMNS, DECISION_COLUMNS, Action, Withhold

ONE = """
    record | event  | anchor_date | consent | group | visit_date | visit_complete
    1      | base.1 | 2018-03-09  | 1       | 1     | 2018-03-09 | 2
    1      | m2.1   |             |         |       |            |
"""


def test_a_first_run_fills_target_window_state_and_stamp() -> None:
    """Every planned visit gets its cells, those without a row in REDCap too."""
    plan = world(ONE, BASE, M2).plan("2018-05-10")
    assert changes(plan) == {
        "1 base.1 vt_target: ->2018-03-09",
        "1 base.1 vt_opens: ->2018-03-09",
        "1 base.1 vt_closes: ->2018-03-23",
        "1 base.1 vt_state: ->completed_in_window",
        "1 base.1 vt_days: ->0",
        "1 base.1 vt_stamp: ->2018-05-10 08:00:00",
        "1 m2.1 vt_target: ->2018-05-09",
        "1 m2.1 vt_opens: ->2018-04-25",
        "1 m2.1 vt_closes: ->2018-06-06",
        "1 m2.1 vt_state: ->open",
        "1 m2.1 vt_flags: ->past_target",
        "1 m2.1 vt_stamp: ->2018-05-10 08:00:00",
        "1 base.1 vt_pending: ->m2",
    }
    assert plan.problems == ()
    assert list(plan.changes.columns) == CHANGE_COLUMNS
    assert set(plan.changes["field"]) <= set(plan.owned)


def test_a_second_run_writes_nothing() -> None:
    """What stands in REDCap already is left alone, stamps included."""
    first = world(ONE, BASE, M2)
    plan = first.after(first.plan("2018-05-10")).plan("2018-05-10T20:00:00Z")
    assert changes(plan) == set()
    assert list(plan.changes.columns) == CHANGE_COLUMNS


def test_only_visits_that_changed_get_a_new_stamp() -> None:
    """The next day the open visit is one day nearer to its close; the baseline is untouched."""
    first = world(ONE, BASE, M2)
    plan = first.after(first.plan("2018-05-10")).plan("2018-06-07")
    assert changes(plan) == {
        "1 m2.1 vt_state: open->overdue",
        "1 m2.1 vt_flags: past_target->",
        "1 m2.1 vt_stamp: 2018-05-10 08:00:00->2018-06-07 08:00:00",
    }


def test_a_cleared_anchor_erases_what_was_computed_from_it() -> None:
    """Dates go, the state says not scheduled; a cell that is blank already is not erased."""
    first = world(ONE, BASE, M2)
    after = first.after(first.plan("2018-05-10")).edited("1", "base.1", "anchor_date", "")
    plan = after.plan("2018-05-10T20:00:00Z")
    assert {line for line in changes(plan) if "m2.1" in line} == {
        "1 m2.1 vt_target: 2018-05-09->",
        "1 m2.1 vt_opens: 2018-04-25->",
        "1 m2.1 vt_closes: 2018-06-06->",
        "1 m2.1 vt_state: open->not_scheduled",
        "1 m2.1 vt_flags: past_target->",
        "1 m2.1 vt_stamp: 2018-05-10 08:00:00->2018-05-10 16:00:00",
    }
    assert "1 base.1 vt_pending: m2->" in changes(plan)


def test_each_record_is_written_in_its_own_arm() -> None:
    """The place of a visit is the event of the record's arm, and no other arm gets a row."""
    table = """
        record | event  | anchor_date | consent | group
        1      | base.1 | 2018-03-09  | 1       | 1
        2      | base.2 | 2018-03-09  | 1       | 2
        3      | base.2 | 2018-03-09  | 1       |
    """
    plan = world(table, BASE, M2).plan("2018-05-10")
    events = {(row.record, row.event[-1]) for row in plan.changes.itertuples()}
    assert events == {("1", "1"), ("2", "2"), ("3", "2")}


def test_rows_that_contradict_the_arm_block_the_record_and_no_other() -> None:
    """Rows in two arms, or in another arm than assigned: a Problem, and nothing is written."""
    table = """
        record | event  | anchor_date | consent | group
        1      | base.1 | 2018-03-09  | 1       | 2
        2      | base.1 | 2018-03-09  | 1       | 1
        2      | m2.2   |             |         |
        3      | base.1 | 2018-03-09  | 1       | 1
    """
    plan = world(table, BASE, M2).plan("2018-05-10")
    blocked = {problem.record: problem for problem in plan.problems if problem.blocks}
    assert set(blocked) == {"1", "2"}
    assert "another arm" in blocked["1"].what
    assert "more than one arm" in blocked["2"].what
    assert set(plan.changes["record"]) == {"3"}
    assert set(plan.decisions["record"]) == {"3"}


def test_who_no_longer_takes_part_has_nothing_pending_and_keeps_what_was_closed() -> None:
    """The pending visit is erased, open visits are not applicable, a held visit stays as it was."""
    first = world(ONE, BASE, M2)
    left = first.after(first.plan("2018-05-10")).edited("1", "base.1", "consent", "0")
    plan = left.plan("2018-05-11")
    assert changes(plan) == {
        "1 base.1 vt_pending: m2->",
        "1 m2.1 vt_target: 2018-05-09->",
        "1 m2.1 vt_opens: 2018-04-25->",
        "1 m2.1 vt_closes: 2018-06-06->",
        "1 m2.1 vt_state: open->not_applicable",
        "1 m2.1 vt_flags: past_target->",
        "1 m2.1 vt_stamp: 2018-05-10 08:00:00->2018-05-11 08:00:00",
    }
    assert states(plan) == {"1 base": "completed_in_window", "1 m2": "not_applicable"}
    assert "not taking part: participants.who is not true" in set(plan.decisions["reasons"])
    again = left.after(plan)
    assert changes(again.plan("2018-05-12")) == set()


def test_who_does_not_take_part_is_skipped_with_the_reason() -> None:
    """A condition that is false, or blank, keeps a record out."""
    table = """
        record | event  | anchor_date | consent | group
        1      | base.1 | 2018-03-09  | 0       | 1
        2      | base.1 | 2018-03-09  |         | 1
        3      | base.1 | 2018-03-09  | 1       | 1
    """
    plan = world(table, BASE, M2).plan("2018-05-10")
    assert {(skip.record, skip.reason) for skip in plan.skips} == {
        ("1", "not taking part: participants.who is not true"),
        ("2", "not taking part: participants.who is not true"),
    }
    assert set(plan.changes["record"]) == {"3"}


@pytest.mark.parametrize("written", ["03/09/2018", "2018-02-30", "9 March", "20180309"])
def test_a_date_that_is_no_iso_date_is_a_problem_and_blank(written: str) -> None:
    """The Problem names record and field, never the value; the others go on."""
    table = f"""
        record | event  | anchor_date | consent | group
        1      | base.1 | {written}   | 1       | 1
        2      | base.1 | 2018-03-09  | 1       | 1
    """
    plan = world(table, BASE, M2).plan("2018-05-10")
    (problem,) = plan.problems
    assert problem.record == "1"
    assert "anchor_date" in problem.where
    assert written not in str(problem)
    assert not problem.blocks
    assert states(plan)["1 m2"] == "not_scheduled"
    assert states(plan)["2 m2"] == "open"


def test_a_person_without_an_anchor_is_listed_as_not_to_be_scheduled() -> None:
    """Under "cannot schedule"; someone off study is listed as such."""
    table = """
        record | event  | anchor_date | consent | group | off_study | off_study_date
        1      | base.1 |             | 1       | 1     |           |
        2      | base.1 |             | 1       | 1     | 1         | 2018-04-01
    """
    plan = world(table, BASE, M2).plan("2018-05-10")
    assert {(skip.record, skip.reason) for skip in plan.skips} == {
        ("1", "cannot schedule: no anchor date"),
        ("2", "cannot schedule: no anchor date, and off study"),
    }
    assert set(states(plan).values()) == {"not_scheduled"}
    assert "2 m2.1 vt_flags: ->off_study" in changes(plan)


@pytest.mark.parametrize(
    ("as_of", "west"),
    [("2019-01-01T07:59:59Z", "overdue"), ("2019-01-01T08:00:00Z", "missed")],
)
def test_today_is_the_date_at_the_participants_site(as_of: str, west: str) -> None:
    """At 07:59:59 UTC it is still 31 December in Los Angeles; New York is in the new year."""
    table = """
        record | event  | dag  | anchor_date | consent | group
        1      | base.1 | west | 2018-12-01  | 1       | 1
        2      | base.1 |      | 2018-12-01  | 1       | 1
    """
    one_day = visit("base", "{ days = 29 }", "[{ early = 0, late = 0 }]", more=HARD_CLOSE)
    plan = world(table, one_day).plan(as_of)
    assert states(plan) == {"1 base": west, "2 base": "missed"}


HARD_CLOSE = "hard_close = { days_after_close = 1 }"


def test_visits_outside_the_schedule_complete_nothing() -> None:
    """An early-termination visit has no window and does not complete the planned one."""
    table = """
        record | event  | anchor_date | consent | group | visit_date | visit_complete
        1      | base.1 | 2018-03-09  | 1       | 1     | 2018-03-09 | 2
        1      | m4.1   |             |         |       | 2018-05-09 | 2
    """
    plan = world(table, BASE, M2).plan("2018-05-10")
    assert states(plan) == {"1 base": "completed_in_window", "1 m2": "open"}
    assert not any(line.startswith("1 m4.1") for line in changes(plan))


def test_contradictions_are_problems_that_name_the_visits() -> None:
    """One Problem per record and kind of error, beside the state and in the flags field."""
    table = """
        record | event  | anchor_date | consent | group | visit_date | visit_missed
        1      | base.1 | 2018-03-09  | 1       | 1     | 2018-03-09 |
        1      | m2.1   |             |         |       | 2018-05-09 | 1
        2      | base.1 | 2018-03-09  | 1       | 1     | 2018-03-08 |
        2      | m2.1   |             |         |       | 2019-05-09 |
        3      | base.1 | 2018-08-01  | 1       | 1     |            |
    """
    plan = world(table, BASE, M2).plan("2018-07-10")
    said = {(problem.record, problem.where, problem.what) for problem in plan.problems}
    assert said == {
        ("1", "visit m2", "has a completion date and is recorded as missed"),
        ("2", "visit base", "the completion date lies before the anchor date"),
        ("2", "visit m2", "the completion date lies in the future and counts as absent until then"),
        ("3", "visits base, m2", "the anchor date lies in the future"),
    }
    assert "1 m2.1 vt_flags: ->done_and_missed" in changes(plan)


def test_off_study_ends_when_until_has_come() -> None:
    """Withdrawn and rejoined: from ``until`` on the person is on study; who left again is not."""
    table = """
        record | event  | anchor_date | consent | group | off_study | off_study_date | protocol
        1      | base.1 | 2018-03-09  | 1       | 1     | 1         | 2018-04-01     | 2018-05-11
        2      | base.1 | 2018-03-09  | 1       | 1     | 1         | 2018-04-01     | 2018-05-10
        3      | base.1 | 2018-03-09  | 1       | 1     |           | 2018-04-01     |
        4      | base.1 | 2018-03-09  | 1       | 1     | 1         | 2018-04-20     | 2018-04-10
        5      | base.1 | 2018-03-09  | 1       | 1     | 1         | 2018-04-10     | 2018-04-10
    """
    head = STUDY + 'until = "[first-event-name][protocol]"\n'
    assert states(world(table, M2, head=head).plan("2018-05-10")) == {
        "1 m2": "not_applicable_off_study",
        "2 m2": "open",
        "3 m2": "open",
        "4 m2": "not_applicable_off_study",
        "5 m2": "open",
    }


def test_what_ends_texts_only_ends_no_visit() -> None:
    """``scope = "texts"`` is left aside here."""
    table = """
        record | event  | anchor_date | consent | group | off_study | off_study_date
        1      | base.1 | 2018-03-09  | 1       | 1     | 1         | 2018-04-01
    """
    plan = world(table, M2, head=STUDY + 'scope = "texts"\n').plan("2018-05-10")
    assert states(plan) == {"1 m2": "open"}


@pytest.mark.parametrize(
    ("off_study", "off_study_date"), [("UNK", "2018-04-01"), ("UNK", ""), ("1", "UNK")]
)
def test_a_missing_data_code_in_a_stop_condition_stops(off_study: str, off_study_date: str) -> None:
    """Nobody who may have left is asked for a visit."""
    table = f"""
        record | event  | anchor_date | consent | group | off_study   | off_study_date
        1      | base.1 | 2018-03-09  | 1       | 1     | {off_study} | {off_study_date}
    """
    project = project_of(missing_codes={"UNK": "Unknown"})
    plan = world(table, M2, project=project).plan("2018-05-10")
    assert not [line for line in changes(plan) if "vt_pending" in line]
    dated = off_study_date.startswith("2018")
    assert states(plan) == {"1 m2": "not_applicable_off_study" if dated else "open"}
    assert [problem.where for problem in plan.problems] == ([] if dated else ["off_study"])


def test_a_missing_data_code_for_the_date_of_leaving_stops() -> None:
    """A table without a condition: that the date is unknown says that the person left."""
    table = """
        record | event  | anchor_date | consent | group | off_study_date
        1      | base.1 | 2018-03-09  | 1       | 1     | UNK
        2      | base.1 | 2018-03-09  | 1       | 1     |
    """
    project = project_of(missing_codes={"UNK": "Unknown"})
    head = STUDY.replace("when = \"[first-event-name][off_study] = '1'\"\n", "")
    plan = world(table, M2, head=head, project=project).plan("2018-05-10")
    assert {line for line in changes(plan) if "vt_pending" in line} == {"2 base.1 vt_pending: ->m2"}
    assert [problem.record for problem in plan.problems] == ["1"]


def test_a_missing_data_code_in_an_output_is_overwritten_as_what_it_is() -> None:
    """The cell does not pass for blank: its old value is the code, and an erasure erases it."""
    table = """
        record | event  | anchor_date | consent | group | vt_flags | vt_pending
        1      | base.1 |             | 1       | 1     |          | UNK
        1      | m2.1   |             |         |       | UNK      |
    """
    project = project_of(missing_codes={"UNK": "Unknown"})
    found = changes(world(table, M2, project=project).plan("2018-05-10"))
    assert {"1 base.1 vt_pending: UNK->", "1 m2.1 vt_flags: UNK->"} <= found


def test_off_study_without_a_date_is_a_problem_and_nothing_is_pending() -> None:
    """The flag stands in REDCap, the state is by today, the coordinator is asked for the date."""
    table = """
        record | event  | anchor_date | consent | group | off_study | off_study_date
        1      | base.1 | 2018-03-09  | 1       | 1     | 1         |
    """
    plan = world(table, M2).plan("2018-05-10")
    (problem,) = plan.problems
    assert problem.where == "off_study"
    assert "1 m2.1 vt_flags: ->past_target, off_study_undated" in changes(plan)
    assert not any("vt_pending" in line for line in changes(plan))


def test_the_table_counts_states_due_visits_and_completion() -> None:
    """Due: held, or closed before today. Completion: done / (done + overdue + missed)."""
    table = """
        record | event  | anchor_date | consent | group | visit_date | visit_missed
        1      | base.1 | 2018-03-09  | 1       | 1     | 2018-03-09 |
        1      | m2.1   |             |         |       | 2018-05-09 |
        2      | base.1 | 2018-03-09  | 1       | 1     | 2018-03-09 |
        3      | base.1 | 2018-03-09  | 1       | 1     | 2018-03-09 |
        3      | m2.1   |             |         |       |            | 1
        4      | base.1 | 2018-05-10  | 1       | 1     |            |
        5      | base.1 |             | 1       | 1     |            |
    """
    (counts,) = world(table, BASE, M2).plan("2018-06-10").tables
    assert by_visit(counts) == [
        {
            "visit": "base",
            "completed_in_window": "3",
            "missed_recorded": "0",
            "not_scheduled": "1",
            "upcoming": "0",
            "overdue": "1",
            "due": "4",
            "completion": "75.0 %",
        },
        {
            "visit": "m2",
            "completed_in_window": "1",
            "missed_recorded": "1",
            "not_scheduled": "1",
            "upcoming": "1",
            "overdue": "1",
            "due": "3",
            "completion": "33.3 %",
        },
    ]


def test_visits_after_leaving_the_study_are_never_due() -> None:
    """Not applicable, though the window has closed by now."""
    table = """
        record | event  | anchor_date | consent | group | off_study | off_study_date
        1      | base.1 | 2018-03-09  | 1       | 1     | 1         | 2018-04-01
        2      | base.1 | 2018-03-09  | 1       | 1     |           |
    """
    (counts,) = world(table, M2).plan("2018-06-10").tables
    assert by_visit(counts) == [
        {
            "visit": "m2",
            "not_applicable_off_study": "1",
            "overdue": "1",
            "due": "1",
            "completion": "0.0 %",
        }
    ]


def test_decisions_name_every_participant_visit_with_its_flags() -> None:
    """One row per record and visit; two fingerprints, no value and no date."""
    plan = world(ONE, BASE, M2).plan("2018-05-10")
    assert list(plan.decisions.columns) == DECISION_COLUMNS
    base, m2 = plan.decisions.to_dict("records")
    assert (base["subject"], base["decision"], base["reasons"]) == (
        "base",
        "completed_in_window",
        "",
    )
    assert (m2["subject"], m2["decision"], m2["reasons"]) == ("m2", "open", "past_target")
    assert "2018" not in plan.decisions.drop(columns="record").to_csv()


def test_a_project_without_participants_is_planned_too() -> None:
    """Nobody takes part yet: nothing to do, nothing raised."""
    table = """
        record | event  | anchor_date | consent | group
        1      | base.1 |             | 0       |
    """
    plan = world(table, BASE, M2).plan("2018-05-10")
    assert changes(plan) == set()
    assert states(plan) == {}


def test_a_study_file_without_visits_is_refused() -> None:
    """There is nothing to compute, which is a mistake in the file rather than a clean run."""
    with pytest.raises(StudyFileError, match="visits"):
        world(ONE).plan("2018-05-10")


def test_reads_name_only_what_is_needed() -> None:
    """Anchors, dates, conditions and outputs on their events; nothing else is asked for."""
    from small_study import fingerprint, project_of

    from redcap_jobs.plan import Inputs, ReadDecisions, ReadRows

    one = world(ONE, BASE, M2)
    inputs = Inputs(project_of(), project_of(), one.rows, {}, fingerprint)
    source, target, decisions = JOB.reads(one.study, inputs)
    assert isinstance(source, ReadRows)
    assert isinstance(target, ReadRows)
    assert decisions == ReadDecisions()
    assert source.side == "source"
    assert set(source.fields) == {
        "anchor_date",
        "consent",
        "group",
        "off_study",
        "off_study_date",
        "visit_complete",
        "visit_date",
        "visit_missed",
        "visit_skipped",
    }
    assert "protocol" not in source.fields
    events = {f"{event}_arm_{arm}" for event in ("baseline", "month_2") for arm in (1, 2)}
    assert set(source.events) == events
    assert target.side == "target"
    assert set(target.fields) == set(JOB.plan(one.study, one_inputs(one), noon()).owned)
    assert set(target.events) == events


def one_inputs(one: World) -> object:
    from small_study import fingerprint

    from redcap_jobs.plan import Inputs, ReadDecisions

    roster = one.rows[["record", "event", "dag"]]
    inputs = Inputs(one.project, one.project, roster, {}, fingerprint)
    tables = {
        read: one.decisions if isinstance(read, ReadDecisions) else one.rows
        for read in JOB.reads(one.study, inputs)
    }
    return Inputs(one.project, one.project, roster, tables, fingerprint)


def noon() -> object:
    from small_study import instant

    return instant("2018-05-10")


def test_the_job_takes_no_actions() -> None:
    """Nothing leaves the house: no action stands, outcomes change no field."""
    study = study_of(BASE)
    assert isinstance(
        JOB.recheck(study, Action("k", "1", "none"), one_inputs(world(ONE, BASE))), Withhold
    )
    inputs = one_inputs(world(ONE, BASE))
    changes = JOB.record(study, [], inputs.target, inputs.roster)
    assert list(changes.columns) == CHANGE_COLUMNS
    assert len(changes) == 0


def test_jobs_are_named_without_being_imported() -> None:
    """The registry is names; an unknown one is a usage error with the nearest name."""
    assert load_job("compute-visit-windows").summary == JOBS["compute-visit-windows"][1]
    with pytest.raises(UsageError, match="compute-visit-windows"):
        load_job("compute-visit-window")


def test_a_month_4_visit_closes_month_2_hard() -> None:
    """The next visit's window decides when an overdue visit is missed, in plan as in arrays."""
    plan = world(ONE, BASE, M2, M4).plan("2018-06-25")
    assert states(plan) == {
        "1 base": "completed_in_window",
        "1 m2": "missed",
        "1 m4": "open",
    }
