"""Which window applies to whom: variants by amendment, arm and site, and REDCap's own offsets."""

from __future__ import annotations

import pytest
from small_study import BASE, M2, STUDY, by_visit, changes, project_of, states, visit, world

from redcap_jobs.errors import ExitCode, StudyFileError

PEOPLE = """
    record | event  | dag   | anchor_date | consent | group | protocol
    1      | base.1 | north | 2018-03-09  | 1       | 1     | 1
    2      | base.1 | north | 2018-03-09  | 1       | 1     | 2
    3      | base.2 | west  | 2018-03-09  | 1       | 2     | 1
    4      | base.2 | north | 2018-03-09  | 1       | 2     |
"""
TWO_MONTHS = "{ months = 2 }"


def closes(table: str, windows: str, **more: str) -> dict[str, str]:
    """Give each record's window close under a visit's windows; '' where it has none."""
    plan = world(table, visit("m2", TWO_MONTHS, windows, **more)).plan("2018-03-10")
    written = plan.changes[plan.changes["field"] == "vt_closes"]
    by_record = dict(zip(written["record"], written["new"], strict=True))
    return {record: by_record.get(record, "") for record in "1234"}


def test_the_first_window_that_fits_counts() -> None:
    """An amendment's window stands before the general one; a blank field is not the amendment."""
    amended = "{ when = \"[first-event-name][protocol] = '2'\", early = 0, late = 60 }"
    assert closes(PEOPLE, f"[{amended}, {{ early = 0, late = 28 }}]") == {
        "1": "2018-06-06",
        "2": "2018-07-08",
        "3": "2018-06-06",
        "4": "2018-06-06",
    }
    varied = visit("m2", TWO_MONTHS, f"[{amended}, {{ early = 0, late = 28 }}]")
    assert world(PEOPLE, varied).plan("2018-03-10").problems == ()


def test_windows_by_arm_and_by_site() -> None:
    """``arm`` is an id of [arms], ``site`` a data access group."""
    windows = """[
        { site = "west", early = 0, late = 3 },
        { arm = "cwt", early = 0, late = 2 },
        { arm = "oht", early = 0, late = 1 },
    ]"""
    assert closes(PEOPLE, windows) == {
        "1": "2018-05-10",
        "2": "2018-05-10",
        "3": "2018-05-12",
        "4": "2018-05-11",
    }


def test_a_window_may_have_its_own_target_and_hard_close() -> None:
    """A variant's target and hard close stand before the visit's."""
    windows = """[
        { arm = "oht", target = { days = 10 }, early = 0, late = 1, hard_close = { days = 12 } },
        { early = 0, late = 1 },
    ]"""
    one = visit("m2", TWO_MONTHS, windows, more="hard_close = { days = 100 }")
    plan = world(PEOPLE, one).plan("2018-03-22")
    assert states(plan)["1 m2"] == "missed"
    assert states(plan)["3 m2"] == "upcoming"
    assert states(world(PEOPLE, one).plan("2018-03-21"))["1 m2"] == "overdue"
    assert states(world(PEOPLE, one).plan("2018-06-17"))["3 m2"] == "overdue"
    assert states(world(PEOPLE, one).plan("2018-06-18"))["3 m2"] == "missed"


def test_where_no_window_fits_the_visit_is_not_in_the_schedule() -> None:
    """``not_applicable``, and no row is created in REDCap to say so."""
    plan = world(PEOPLE, visit("m2", TWO_MONTHS, '[{ arm = "oht", early = 0, late = 1 }]')).plan(
        "2018-03-10"
    )
    assert states(plan) == {
        "1 m2": "upcoming",
        "2 m2": "upcoming",
        "3 m2": "not_applicable",
        "4 m2": "not_applicable",
    }
    assert set(plan.changes["record"]) == {"1", "2"}
    (counts,) = plan.tables
    (shown,) = by_visit(counts)[:1]
    assert shown["upcoming"] == "2"
    assert "not_applicable" not in shown


def test_an_event_that_an_arm_lacks_is_not_in_its_schedule() -> None:
    """Arm 2 has no such visit: nothing is written there, though REDCap would create a row."""
    one = visit("m2", TWO_MONTHS, "[{ early = 0, late = 1 }]", at='["month_2_arm_1"]')
    plan = world(PEOPLE, one).plan("2018-03-10")
    assert states(plan)["3 m2"] == "not_applicable"
    assert set(plan.changes["record"]) == {"1", "2"}


def test_what_stands_at_a_visit_no_longer_in_the_schedule_is_brought_up_to_date() -> None:
    """A person once scheduled and no longer so: dates are erased, the state says why."""
    table = """
        record | event  | anchor_date | consent | group | vt_target  | vt_state
        1      | base.2 | 2018-03-09  | 1       | 2     |            |
        1      | m2.2   |             |         |       | 2018-05-09 | upcoming
    """
    one = visit("m2", TWO_MONTHS, '[{ arm = "oht", early = 0, late = 1 }]')
    assert changes(world(table, one).plan("2018-03-10")) == {
        "1 m2.2 vt_target: 2018-05-09->",
        "1 m2.2 vt_state: upcoming->not_applicable",
        "1 m2.2 vt_stamp: ->2018-03-10 07:00:00",
    }


def test_a_visit_skipped_per_protocol_is_said_to_be_not_applicable() -> None:
    """It is in the schedule, so its state is written even where nothing stands."""
    table = """
        record | event  | anchor_date | consent | group | visit_skipped
        1      | base.1 | 2018-03-09  | 1       | 1     |
        1      | m2.1   |             |         |       | 1
    """
    assert "1 m2.1 vt_state: ->not_applicable" in changes(world(table, M2).plan("2018-03-10"))


def test_a_window_that_cannot_be_told_is_a_problem_and_schedules_nothing() -> None:
    """All windows have a condition and the field that decides is blank."""
    windows = """[
        { when = "[first-event-name][protocol] = '1'", early = 0, late = 28 },
        { when = "[first-event-name][protocol] = '2'", early = 0, late = 60 },
    ]"""
    plan = world(PEOPLE, visit("m2", TWO_MONTHS, windows)).plan("2018-03-10")
    assert states(plan)["4 m2"] == "not_scheduled"
    assert states(plan)["1 m2"] == "upcoming"
    (problem,) = plan.problems
    assert (problem.record, problem.where) == ("4", "visit m2")
    assert "window" in problem.what


def test_a_blank_group_where_windows_differ_by_site_is_a_problem_not_out_of_schedule() -> None:
    """Which site's window applies is unknown; a record of a site without one is not applicable."""
    table = """
        record | event  | anchor_date | consent | group | dag
        1      | base.1 | 2018-03-09  | 1       | 1     | west
        2      | base.1 | 2018-03-09  | 1       | 1     |
        3      | base.1 | 2018-03-09  | 1       | 1     | east
    """
    windows = '[{ site = "west", early = 0, late = 28 }]'
    plan = world(table, visit("m2", TWO_MONTHS, windows)).plan("2018-03-10")
    assert states(plan) == {"1 m2": "upcoming", "2 m2": "not_scheduled", "3 m2": "not_applicable"}
    (problem,) = plan.problems
    assert (problem.record, problem.where) == ("2", "visit m2")
    assert "data access group" in problem.what


def test_a_blank_group_takes_the_window_meant_for_all_others() -> None:
    """A last window without a site is for whoever no other window is for."""
    table = """
        record | event  | anchor_date | consent | group | dag
        2      | base.1 | 2018-03-09  | 1       | 1     |
    """
    windows = '[{ site = "west", early = 0, late = 28 }, { early = 0, late = 7 }]'
    plan = world(table, visit("m2", TWO_MONTHS, windows)).plan("2018-03-10")
    assert states(plan) == {"2 m2": "upcoming"}
    assert plan.problems == ()


REDCAP_OFFSETS = {"base": (0, 0, 7), "m2": (60, 14, 28), "m4": (120, 3, 5)}
BY_REDCAP = [visit(name, '"redcap"', "[]") for name in ("base", "m2")]


def test_windows_from_redcaps_event_offsets() -> None:
    """T = A + day_offset, O = T - offset_min, C = T + offset_max, all in days."""
    plan = world(PEOPLE, *BY_REDCAP, project=project_of(offsets=REDCAP_OFFSETS)).plan("2018-03-10")
    assert {line for line in changes(plan) if line.startswith("1 m2.1 vt_")} >= {
        "1 m2.1 vt_target: ->2018-05-08",
        "1 m2.1 vt_opens: ->2018-04-24",
        "1 m2.1 vt_closes: ->2018-06-05",
    }
    assert plan.problems == ()


def test_a_negative_offset_is_taken_as_a_number_of_days_and_told() -> None:
    """Some projects hold -14; REDCap means counts of days, so the window lies on the right side."""
    offsets = REDCAP_OFFSETS | {"m2": (60, -14, 28)}
    plan = world(PEOPLE, *BY_REDCAP, project=project_of(offsets=offsets)).plan("2018-03-10")
    assert "1 m2.1 vt_opens: ->2018-04-24" in changes(plan)
    assert [problem.where for problem in plan.problems] == [
        "event month_2_arm_1",
        "event month_2_arm_2",
    ]
    assert all("negative" in problem.what for problem in plan.problems)


def test_widths_of_the_study_file_stand_before_redcaps() -> None:
    """``target = "redcap"`` with windows: the offset is REDCap's, the widths are the file's."""
    one = visit("m2", '"redcap"', "[{ early = 1, late = 2 }]")
    plan = world(PEOPLE, one, project=project_of(offsets=REDCAP_OFFSETS)).plan("2018-03-10")
    assert {
        "1 m2.1 vt_target: ->2018-05-08",
        "1 m2.1 vt_opens: ->2018-05-07",
        "1 m2.1 vt_closes: ->2018-05-10",
    } <= changes(plan)


def test_without_scheduling_redcaps_offsets_are_refused_not_taken_as_zero() -> None:
    """Absent offsets are no windows of zero width: one clear refusal, exit 3."""
    with pytest.raises(StudyFileError, match="Scheduling is off") as refused:
        world(PEOPLE, *BY_REDCAP).plan("2018-03-10")
    assert refused.value.exit_code == ExitCode.SETUP
    assert "visits.base.target" in str(refused.value)


def test_a_hard_close_in_months_from_the_anchor() -> None:
    """All three ways to write a hard close reach the rules."""
    one = visit("m2", TWO_MONTHS, "[{ early = 0, late = 1 }]", more="hard_close = { months = 3 }")
    assert states(world(PEOPLE, one).plan("2018-06-09"))["1 m2"] == "overdue"
    assert states(world(PEOPLE, one).plan("2018-06-10"))["1 m2"] == "missed"


def test_an_anchor_on_an_earlier_visits_actual_date() -> None:
    """The visit date decides where there is one; a recorded missed visit lends its target."""
    call = visit(
        "m4",
        "{ days = 30 }",
        "[{ early = 0, late = 1 }]",
        anchor='{ visit = "m2", if_missed = "planned" }',
    )
    table = """
        record | event  | anchor_date | consent | group | visit_date | visit_missed
        1      | base.1 | 2018-03-09  | 1       | 1     | 2018-03-09 |
        1      | m2.1   |             |         |       | 2018-05-11 |
        2      | base.1 | 2018-03-09  | 1       | 1     | 2018-03-09 |
        2      | m2.1   |             |         |       |            | 1
        3      | base.1 | 2018-03-09  | 1       | 1     | 2018-03-09 |
    """
    plan = world(table, BASE, M2, call).plan("2018-05-12")
    written = changes(plan)
    assert "1 m4.1 vt_target: ->2018-06-10" in written
    assert "2 m4.1 vt_target: ->2018-06-08" in written
    assert states(plan)["3 m4"] == "not_scheduled"
    assert "3 m4.1 vt_state: ->not_scheduled" in written


def test_the_study_files_flags_spans_are_used() -> None:
    """``[windows]`` says how many days ahead a window opens or closes soon."""
    head = STUDY + "[windows]\nopens_soon_days = 50\nclosing_soon_days = 40\n"
    written = changes(world(PEOPLE, BASE, M2, head=head).plan("2018-03-10"))
    assert "1 m2.1 vt_flags: ->opens_soon" in written
    assert "1 base.1 vt_flags: ->past_target, closing_soon" in written
