"""The edge cases of visit windows, each with its answer.

M2 is 2 calendar months after the anchor, 14 days early to 28 days late.
"""

from __future__ import annotations

from visit_tables import Planned, answered, expected

M2 = Planned("m2", months=2, early=14, late=28)
M4 = Planned("m4", months=4, early=14, late=28)


def test_a_zero_width_window_is_exactly_one_day() -> None:
    """0 days early and 0 late: the target day alone is in the window."""
    table = """
        person | anchor     | done       | today      | state               | deviation
        a      | 2018-03-09 | 2018-05-08 | 2018-07-01 | completed_early     | +1
        b      | 2018-03-09 | 2018-05-09 | 2018-07-01 | completed_in_window |
        c      | 2018-03-09 | 2018-05-10 | 2018-07-01 | completed_late      | +1
        d      | 2018-03-09 |            | 2018-05-09 | open                |
        e      | 2018-03-09 |            | 2018-05-10 | overdue             |
    """
    assert answered(table, Planned(months=2)) == expected(table)


def test_no_day_zero_is_left_out() -> None:
    """Offsets are elapsed days, 0 = the anchor day; CDISC's study days have no day 0."""
    table = """
        person | anchor     | done       | today      | target     | from_target | state
        a      | 2018-03-09 | 2018-03-09 | 2018-03-20 | 2018-03-09 | +0          | completed_in_window
        b      | 2018-03-09 | 2018-03-08 | 2018-03-20 | 2018-03-09 | -1          | completed_in_window
    """
    assert answered(table, Planned(days=0, early=1, late=1)) == expected(table)


def test_the_window_does_not_move_for_a_weekend() -> None:
    """9 June 2018 is a Saturday, the window is not shifted to a working day."""
    table = """
        person | anchor     | today      | target     | opens      | closes
        a      | 2018-04-09 | 2018-04-09 | 2018-06-09 | 2018-06-09 | 2018-06-09
    """
    assert answered(table, Planned(months=2)) == expected(table)


def test_dates_are_whole_days_across_a_change_of_clocks() -> None:
    """11 March 2018 has 23 hours in Los Angeles; one day on is 12 March all the same."""
    table = """
        person | anchor     | done       | today      | target     | from_target
        spring | 2018-03-10 | 2018-03-12 | 2018-12-01 | 2018-03-11 | +1
        autumn | 2018-11-03 | 2018-11-05 | 2018-12-01 | 2018-11-04 | +1
    """
    assert answered(table, Planned(days=1, late=5)) == expected(table)


def test_done_before_the_window_closes_the_visit() -> None:
    """``completed_early``: nothing is pending any more, however long the window is still open."""
    table = """
        person | anchor     | done       | today      | state           | pending
        a      | 2018-03-09 | 2018-04-01 | 2018-05-09 | completed_early |
    """
    assert answered(table, M2) == expected(table)


def test_done_before_the_anchor_is_an_error_and_early() -> None:
    """A visit cannot precede its baseline: reported, and still ``completed_early``."""
    table = """
        person | anchor     | done       | today      | state           | flags
        a      | 2018-03-09 | 2018-03-08 | 2018-05-09 | completed_early | between_windows done_before_anchor
    """
    assert answered(table, M2) == expected(table)


def test_a_completion_date_in_the_future_is_absent_and_an_error() -> None:
    """The state stays by today until the day comes."""
    table = """
        person | anchor     | done       | today      | state               | flags
        a      | 2018-03-09 | 2018-05-10 | 2018-05-09 | open                | done_in_future
        b      | 2018-03-09 | 2018-05-10 | 2018-05-10 | completed_in_window |
        c      | 2018-03-09 | 2081-05-10 | 2018-08-09 | overdue             | done_in_future
        d      |            | 2018-05-10 | 2018-05-09 | not_scheduled       | done_in_future
    """
    assert answered(table, M2) == expected(table)


def test_an_anchor_in_the_future_is_an_error() -> None:
    """A > today is reported, and the visits are upcoming by the rules."""
    table = """
        person | anchor     | today      | state    | flags
        a      | 2018-05-10 | 2018-05-09 | upcoming | anchor_in_future
        b      | 2018-05-09 | 2018-05-09 | upcoming |
    """
    assert answered(table, M2) == expected(table)


def test_rejoined_after_withdrawal_is_worked_out_anew() -> None:
    """W is blank again: the visit is what it would have been."""
    table = """
        person   | anchor     | off_study  | today      | state
        left     | 2018-03-09 | 2018-04-01 | 2018-05-09 | not_applicable_off_study
        rejoined | 2018-03-09 |            | 2018-05-09 | open
    """
    assert answered(table, M2) == expected(table)


def test_windows_that_overlap_are_an_error_of_that_person() -> None:
    """A visit anchored on an actual, very late one runs into the next planned window."""
    visits = [M2, Planned("call", days=21, early=0, late=7, anchored_on="m2"), M4]
    table = """
        person | visit | anchor     | done       | today      | opens      | closes     | hard_close | flags
        a      | m2    | 2018-03-09 | 2018-05-09 | 2018-05-20 | 2018-04-25 | 2018-06-06 | 2018-05-29 | windows_overlap
        a      | call  |            |            |            | 2018-05-30 | 2018-06-06 | 2018-06-24 | opens_soon windows_overlap
        a      | m4    | 2018-03-09 |            |            | 2018-06-25 | 2018-08-06 |            |
        b      | m2    | 2018-03-09 | 2018-06-06 | 2018-06-10 | 2018-04-25 | 2018-06-06 | 2018-06-26 |
        b      | call  |            |            |            | 2018-06-27 | 2018-07-04 | 2018-06-24 | windows_overlap
        b      | m4    | 2018-03-09 |            |            | 2018-06-25 | 2018-08-06 |            | windows_overlap
    """
    assert answered(table, *visits) == expected(table)


def test_windows_that_only_touch_do_not_overlap() -> None:
    """Closing on the 9th and opening on the 10th share no day; closing on the 10th does."""
    table = """
        person | visit | anchor     | today      | opens      | closes     | flags
        a      | one   | 2018-03-01 | 2018-03-01 | 2018-03-09 | 2018-03-09 | opens_soon
        a      | two   | 2018-03-01 | 2018-03-01 | 2018-03-10 | 2018-03-12 | opens_soon
        a      | three | 2018-03-01 | 2018-03-01 | 2018-03-12 | 2018-03-12 | opens_soon
    """
    text = table.replace("03-12 | opens_soon", "03-12 | opens_soon windows_overlap")
    visits = [Planned("one", days=8), Planned("two", days=9, late=2), Planned("three", days=11)]
    assert answered(text, *visits) == expected(text)


def test_an_anchor_on_an_actual_visit_waits_for_it() -> None:
    """Previous visit not done: ``not_scheduled``; done: counted from its actual date."""
    visits = [M2, Planned("call", days=30, early=3, late=3, anchored_on="m2")]
    table = """
        person   | visit | anchor     | done       | form | skipped | today      | target     | state
        waiting  | m2    | 2018-03-09 |            |      |         | 2018-05-20 | 2018-05-09 | open
        waiting  | call  |            |            |      |         |            |            | not_scheduled
        late     | m2    | 2018-03-09 | 2018-06-10 |      |         | 2018-06-20 | 2018-05-09 | completed_late
        late     | call  |            |            |      |         |            | 2018-07-10 | upcoming
        future   | m2    | 2018-03-09 | 2018-05-21 |      |         | 2018-05-20 | 2018-05-09 | open
        future   | call  |            |            |      |         |            |            | not_scheduled
        undated  | m2    | 2018-03-09 |            | 2    |         | 2018-05-20 | 2018-05-09 | completed_undated
        undated  | call  |            |            |      |         |            |            | not_scheduled
        skipped  | m2    | 2018-03-09 |            |      | yes     | 2018-05-20 |            | not_applicable
        skipped  | call  |            |            |      |         |            |            | not_scheduled
        overdue  | m2    | 2018-03-09 |            |      |         | 2018-08-20 | 2018-05-09 | overdue
        overdue  | call  |            |            |      |         |            |            | not_scheduled
        no start | m2    |            | 2018-05-11 |      |         | 2018-05-20 |            | completed_unclassified
        no start | call  |            |            |      |         |            | 2018-06-10 | upcoming
    """
    assert answered(table, *visits) == expected(table)


def test_an_anchor_on_a_visit_recorded_as_missed_does_as_configured() -> None:
    """Either the missed visit's planned target stands in, or the later visit is not scheduled."""
    table = """
        person | visit | anchor     | missed | today      | target     | state
        a      | m2    | 2018-03-09 | yes    | 2018-05-20 | 2018-05-09 | missed_recorded
        a      | call  |            |        |            | {}
    """
    planned = table.format("2018-06-08 | upcoming")
    waiting = table.format("           | not_scheduled")
    call = Planned("call", days=30, early=3, late=3, anchored_on="m2")
    instead = Planned("call", days=30, early=3, late=3, anchored_on="m2", planned_if_missed=True)
    assert answered(planned, M2, instead) == expected(planned)
    assert answered(waiting, M2, call) == expected(waiting)


def test_visits_anchored_on_visits_anchored_on_visits() -> None:
    """Each is counted from the actual one before it, however the schedule lists them."""
    visits = [
        Planned("third", days=10, anchored_on="second"),
        Planned("first", days=0, late=30),
        Planned("second", days=10, late=30, anchored_on="first"),
    ]
    table = """
        person | visit  | anchor     | done       | today      | target
        a      | third  |            |            | 2018-04-15 | 2018-04-11
        a      | first  | 2018-03-09 | 2018-03-12 |            | 2018-03-09
        a      | second |            | 2018-04-01 |            | 2018-03-22
    """
    assert answered(table, *visits) == expected(table)


def test_an_unknown_window_schedules_nothing() -> None:
    """No window variant is known to apply: no dates, and what was done cannot be classified."""
    unknown = Planned("m2", early=None, late=None)
    table = """
        person | anchor     | done       | today      | target | state
        a      | 2018-03-09 |            | 2018-05-20 |        | not_scheduled
        b      | 2018-03-09 | 2018-05-09 | 2018-05-20 |        | completed_unclassified
    """
    assert answered(table, unknown) == expected(table)


def test_a_date_in_a_gap_belongs_to_no_window_and_is_said() -> None:
    """Between two windows: still late for its own visit, and remarked on as unscheduled."""
    table = """
        person | visit | anchor     | done       | today      | state          | flags
        a      | m2    | 2018-03-09 | 2018-06-15 | 2018-06-16 | completed_late | between_windows
        a      | m4    | 2018-03-09 |            |            | upcoming       | opens_soon
    """
    assert answered(table, M2, M4) == expected(table)


def test_of_two_dates_in_one_window_the_nearest_to_the_target_counts() -> None:
    """Ties go to the later date; a visit keeps its own state, the other date is remarked on."""
    table = """
        person  | visit | anchor     | done       | today      | state               | flags
        nearest | m2    | 2018-03-09 | 2018-06-30 | 2018-09-01 | completed_late      | in_other_window not_nearest_to_target
        nearest | m4    | 2018-03-09 | 2018-07-10 |            | completed_in_window |
        tie     | m2    | 2018-03-09 | 2018-07-08 | 2018-09-01 | completed_late      | in_other_window not_nearest_to_target
        tie     | m4    | 2018-03-09 | 2018-07-10 |            | completed_in_window |
        tie too | m2    | 2018-03-09 | 2018-07-10 | 2018-09-01 | completed_late      | in_other_window
        tie too | m4    | 2018-03-09 | 2018-07-08 |            | completed_in_window | not_nearest_to_target
    """
    assert answered(table, M2, M4) == expected(table)


def test_off_study_without_a_date_changes_no_state_and_asks_for_nothing() -> None:
    """No rule can place a missing date; the flag says so, and no visit is pending."""
    table = """
        person | anchor     | done       | off_study | today      | state               | flags             | pending
        a      | 2018-03-09 |            | undated   | 2018-05-09 | open                | off_study_undated |
        b      | 2018-03-09 |            | undated   | 2018-07-09 | overdue             | off_study_undated |
        c      | 2018-03-09 | 2018-05-09 | undated   | 2018-07-09 | completed_in_window |                   |
        d      | 2018-03-09 |            |           | 2018-05-09 | open                |                   | m2
        e      |            |            | undated   | 2018-05-09 | not_scheduled       | off_study_undated |
    """
    assert answered(table, M2) == expected(table)
