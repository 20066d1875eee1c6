"""Every row of the definition set's state table, as tables a study coordinator can check.

The visit is 2 calendar months after the anchor, 14 days early to 28 days late, unless a test says
otherwise. From 9 March 2018: target 9 May, opens 25 April, closes 6 June.
"""

from __future__ import annotations

from visit_tables import Planned, answered, expected

M2 = Planned("m2", months=2, early=14, late=28)


def test_target_and_window_are_counted_from_the_anchor() -> None:
    """T = A + 2 months, O = T - early, C = T + late, H = C + 30 where the study file says so."""
    table = """
        person | anchor     | today      | target     | opens      | closes     | hard_close
        a      | 2018-03-09 | 2018-03-09 | 2018-05-09 | 2018-04-25 | 2018-06-06 | 2018-07-06
        b      | 2018-12-31 | 2018-12-31 | 2019-02-28 | 2019-02-14 | 2019-03-28 | 2019-04-27
        c      |            | 2018-03-09 |            |            |            |
    """
    visit = Planned(months=2, early=14, late=28, limit_after_close=30)
    assert answered(table, visit) == expected(table)


def test_a_visit_skipped_per_protocol_is_not_applicable() -> None:
    """Rule 1 comes first: skipped per protocol, whatever else is recorded."""
    table = """
        person | anchor     | done       | form | missed | skipped | today      | state          | flags
        a      | 2018-03-09 |            |      |        | yes     | 2018-05-09 | not_applicable |
        b      | 2018-03-09 |            | 2    | yes    | yes     | 2018-05-09 | not_applicable |
        c      | 2018-03-09 | 2018-05-09 | 2    |        | yes     | 2018-05-09 | not_applicable | done_not_applicable
        d      |            |            |      |        | yes     | 2018-05-09 | not_applicable |
    """
    assert answered(table, M2) == expected(table)


def test_a_visit_outside_the_persons_schedule_is_not_applicable() -> None:
    """Rule 1: this arm has no such visit; it has no window either."""
    table = """
        person | anchor     | today      | state          | target | opens | closes
        a      | 2018-03-09 | 2018-05-09 | not_applicable |        |       |
    """
    outside = Planned("m2", months=2, early=14, late=28, applicable=False)
    assert answered(table, outside) == expected(table)


def test_completed_in_window_early_and_late() -> None:
    """Rules 2 and 3: both ends belong to the window; one day outside is a deviation of 1 day."""
    table = """
        person        | anchor     | done       | today      | state               | from_target | deviation
        day before    | 2018-03-09 | 2018-04-24 | 2018-07-01 | completed_early     | -15         | +1
        first day     | 2018-03-09 | 2018-04-25 | 2018-07-01 | completed_in_window | -14         |
        on target     | 2018-03-09 | 2018-05-09 | 2018-07-01 | completed_in_window | +0          |
        last day      | 2018-03-09 | 2018-06-06 | 2018-07-01 | completed_in_window | +28         |
        day after     | 2018-03-09 | 2018-06-07 | 2018-07-01 | completed_late      | +29         | +1
        before anchor | 2018-03-09 | 2018-03-01 | 2018-07-01 | completed_early     | -69         | +55
    """
    assert answered(table, M2) == expected(table)


def test_completed_beats_missed_and_off_study() -> None:
    """Rules 2 and 3 stand before 5 to 8: what was done was done; the contradiction is an error."""
    table = """
        person | anchor     | done       | missed | off_study  | today      | state               | flags
        a      | 2018-03-09 | 2018-05-09 | yes    |            | 2018-07-01 | completed_in_window | done_and_missed
        b      | 2018-03-09 | 2018-05-09 |        | 2018-05-01 | 2018-07-01 | completed_in_window | done_after_off_study
        c      | 2018-03-09 | 2018-05-09 |        | 2018-05-09 | 2018-07-01 | completed_in_window |
        d      | 2018-03-09 | 2018-05-09 |        | 2018-04-01 | 2018-07-01 | completed_in_window | done_after_off_study
    """
    assert answered(table, M2) == expected(table)


def test_completed_without_a_date_or_without_an_anchor() -> None:
    """Rule 4: never counted in or out of the window; before missed and off study."""
    table = """
        person         | anchor     | done       | form | missed | off_study  | today      | state                  | flags
        no date        | 2018-03-09 |            | 2    |        |            | 2018-05-01 | completed_undated      |
        no date, left  | 2018-03-09 |            | 2    |        | 2018-04-01 | 2018-05-01 | completed_undated      |
        no date, said  | 2018-03-09 |            | 2    | yes    |            | 2018-05-01 | completed_undated      | missed_and_complete
        nothing known  |            |            | 2    |        |            | 2018-05-01 | completed_undated      |
        no anchor      |            | 2018-04-30 |      |        |            | 2018-05-01 | completed_unclassified |
        no anchor, too |            | 2018-04-30 | 2    | yes    |            | 2018-05-01 | completed_unclassified | done_and_missed
        in future      | 2018-03-09 | 2018-05-02 | 2    |        |            | 2018-05-01 | completed_undated      | done_in_future
    """
    assert answered(table, M2) == expected(table)


def test_a_complete_form_is_no_completion_date() -> None:
    """D is a visit date field: a complete form in the middle of the window is still undated."""
    table = """
        person | anchor     | form | today      | state             | from_target
        a      | 2018-03-09 | 2    | 2018-05-09 | completed_undated |
    """
    assert answered(table, M2) == expected(table)


def test_recorded_as_missed() -> None:
    """Rule 5: a person said so, before or after the window and with or without an anchor."""
    table = """
        person | anchor     | missed | off_study  | today      | state
        a      | 2018-03-09 | yes    |            | 2018-04-01 | missed_recorded
        b      | 2018-03-09 | yes    |            | 2018-05-09 | missed_recorded
        c      | 2018-03-09 | yes    |            | 2018-09-01 | missed_recorded
        d      |            | yes    |            | 2018-05-09 | missed_recorded
        e      | 2018-03-09 | yes    | 2018-04-01 | 2018-05-09 | missed_recorded
    """
    assert answered(table, M2) == expected(table)


def test_off_study_before_in_and_after_the_window() -> None:
    """Rules 6 to 8: by where the off-study date lies against the window, both ends inside it."""
    table = """
        person         | anchor     | off_study  | today      | state
        day before     | 2018-03-09 | 2018-04-24 | 2018-07-01 | not_applicable_off_study
        first day      | 2018-03-09 | 2018-04-25 | 2018-07-01 | off_study_in_window
        on target      | 2018-03-09 | 2018-05-09 | 2018-07-01 | off_study_in_window
        last day       | 2018-03-09 | 2018-06-06 | 2018-07-01 | off_study_in_window
        day after      | 2018-03-09 | 2018-06-07 | 2018-07-01 | missed_before_off_study
        on the day     | 2018-03-09 | 2018-05-09 | 2018-05-09 | off_study_in_window
        not yet opened | 2018-03-09 | 2018-03-20 | 2018-03-20 | not_applicable_off_study
    """
    assert answered(table, M2) == expected(table)


def test_off_study_in_the_future_is_on_study_until_then() -> None:
    """Withdrawn with a date after today: by today's date, until that day comes."""
    table = """
        person | anchor     | off_study  | today      | state
        a      | 2018-03-09 | 2018-05-10 | 2018-05-09 | open
        b      | 2018-03-09 | 2018-05-10 | 2018-05-10 | off_study_in_window
    """
    assert answered(table, M2) == expected(table)


def test_not_scheduled_without_an_anchor_and_off_study_is_said_beside_it() -> None:
    """Rule 9: rules 6 to 8 need an anchor; someone off study without one is listed as such."""
    table = """
        person | anchor | off_study  | today      | state         | flags
        a      |        |            | 2018-05-09 | not_scheduled |
        b      |        | 2018-04-01 | 2018-05-09 | not_scheduled | off_study
        c      |        | 2018-06-01 | 2018-05-09 | not_scheduled |
    """
    assert answered(table, M2) == expected(table)


def test_upcoming_and_opens_soon() -> None:
    """Rule 10: before O; ``opens_soon`` when at most 14 days are left."""
    table = """
        person     | anchor     | today      | state    | flags
        15 days    | 2018-03-09 | 2018-04-10 | upcoming |
        14 days    | 2018-03-09 | 2018-04-11 | upcoming | opens_soon
        1 day      | 2018-03-09 | 2018-04-24 | upcoming | opens_soon
        no day     | 2018-03-09 | 2018-04-25 | open     |
    """
    assert answered(table, M2) == expected(table)


def test_open_past_target_and_closing_soon() -> None:
    """Rule 11: O to C; ``past_target`` after T, ``closing_soon`` when at most 7 days are left."""
    table = """
        person      | anchor     | today      | state   | flags
        first day   | 2018-03-09 | 2018-04-25 | open    |
        on target   | 2018-03-09 | 2018-05-09 | open    |
        past target | 2018-03-09 | 2018-05-10 | open    | past_target
        8 days left | 2018-03-09 | 2018-05-29 | open    | past_target
        7 days left | 2018-03-09 | 2018-05-30 | open    | past_target closing_soon
        last day    | 2018-03-09 | 2018-06-06 | open    | past_target closing_soon
        day after   | 2018-03-09 | 2018-06-07 | overdue |
    """
    assert answered(table, M2) == expected(table)


def test_overdue_until_the_hard_close_then_missed() -> None:
    """Rules 12 and 13: overdue is still collectable; missed only after H (here C + 10 days)."""
    table = """
        person    | anchor     | today      | state   | hard_close
        day after | 2018-03-09 | 2018-06-07 | overdue | 2018-06-16
        last day  | 2018-03-09 | 2018-06-16 | overdue | 2018-06-16
        too late  | 2018-03-09 | 2018-06-17 | missed  | 2018-06-16
    """
    closing = Planned(months=2, early=14, late=28, limit_after_close=10)
    assert answered(table, closing) == expected(table)


def test_without_a_hard_close_the_last_visit_stays_overdue() -> None:
    """Rule 12: no H, so never missed, years later too."""
    table = """
        person | anchor     | today      | state   | hard_close
        a      | 2018-03-09 | 2028-06-07 | overdue |
    """
    assert answered(table, M2) == expected(table)


def test_the_next_windows_opening_closes_a_visit_hard() -> None:
    """H = the earlier of the configured one and the day before the next visit opens."""
    visits = [
        Planned("m2", months=2, early=14, late=28),
        Planned("m4", months=4, early=14, late=28, limit_after_close=400),
        Planned("m12", months=12, early=30, late=60),
    ]
    table = """
        person | visit | anchor     | today      | opens      | hard_close | state
        a      | m2    | 2018-03-09 | 2018-06-24 | 2018-04-25 | 2018-06-24 | overdue
        a      | m4    | 2018-03-09 |            | 2018-06-25 | 2019-02-06 | upcoming
        a      | m12   | 2018-03-09 |            | 2019-02-07 |            | upcoming
        b      | m2    | 2018-03-09 | 2018-06-25 | 2018-04-25 | 2018-06-24 | missed
        b      | m4    | 2018-03-09 |            | 2018-06-25 | 2019-02-06 | open
        b      | m12   | 2018-03-09 |            | 2019-02-07 |            | upcoming
    """
    assert answered(table, *visits) == expected(table)


def test_a_skipped_next_visit_does_not_close_the_one_before() -> None:
    """The next visit is the next applicable one that has a window."""
    visits = [
        Planned("m2", months=2, early=14, late=28),
        Planned("m4", months=4, early=14, late=28),
        Planned("m12", months=12, early=30, late=60),
    ]
    table = """
        person | visit | anchor     | skipped | today      | hard_close | state
        a      | m2    | 2018-03-09 |         | 2018-06-25 | 2019-02-06 | overdue
        a      | m4    | 2018-03-09 | yes     |            |            | not_applicable
        a      | m12   | 2018-03-09 |         |            |            | upcoming
    """
    assert answered(table, *visits) == expected(table)


def test_a_hard_close_counted_from_the_anchor() -> None:
    """H may be configured in days or in calendar months from the anchor."""
    table = """
        person | anchor     | today      | hard_close
        a      | 2018-03-09 | 2018-03-09 | {}
    """
    by_days, by_months = table.format("2018-09-05"), table.format("2018-09-09")
    assert answered(by_days, Planned(months=2, limit_days=180)) == expected(by_days)
    assert answered(by_months, Planned(months=2, limit_months=6)) == expected(by_months)


def test_the_pending_visit_is_the_first_open_or_overdue_one() -> None:
    """In schedule order; upcoming visits and everyone off study have none."""
    visits = [
        Planned("m2", months=2, early=14, late=28),
        Planned("m4", months=4, early=14, late=28),
    ]
    table = """
        person  | visit | anchor     | done       | off_study  | today      | state               | pending
        overdue | m2    | 2018-03-09 |            |            | 2018-06-10 | overdue             | m2
        overdue | m4    | 2018-03-09 |            |            |            | upcoming            | m2
        next    | m2    | 2018-03-09 | 2018-05-09 |            | 2018-07-01 | completed_in_window | m4
        next    | m4    | 2018-03-09 |            |            |            | open                | m4
        between | m2    | 2018-03-09 | 2018-05-09 |            | 2018-06-10 | completed_in_window |
        between | m4    | 2018-03-09 |            |            |            | upcoming            |
        left    | m2    | 2018-03-09 |            | 2018-05-01 | 2018-07-01 | off_study_in_window |
    """
    assert answered(table, *visits) == expected(table)
