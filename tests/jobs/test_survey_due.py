"""Which text of a survey is due on which day."""

from __future__ import annotations

from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from redcap_jobs.jobs.survey_due import Attempt, due
from redcap_jobs.study.texts_config import Survey

SATURDAY = date(2026, 11, 21)
START = date(2026, 1, 1)


def survey(*, apart: int = 1, count: int = 2, latest: int = 21) -> Survey:
    return Survey.model_validate(
        {
            "id": "m2-survey",
            "instrument": "parent_survey",
            "at": "month_2_arm_1",
            "anchor": "baseline",
            "due": {"months": 2},
            "starts_on": START,
            "latest": {"days": latest},
            "texts": "Please answer: {{ link }}",
            **(
                {"remind": {"days_apart": apart, "count": count}, "reminder_texts": "{{ link }}"}
                if count
                else {}
            ),
        }
    )


def sent(occurrence: int, on: date, status: str = "delivered") -> Attempt:
    return Attempt(occurrence, "sent", status, not_sent=False, on=on)


def test_after_a_weekend_without_runs_only_mondays_text_goes_out() -> None:
    """Invitation on Saturday, reminders on Sunday and Monday: Monday's alone, two superseded."""
    found = due(survey(), SATURDAY, SATURDAY + timedelta(days=2), [])
    assert (found.decision, found.occurrence, found.superseded) == ("due", 2, (0, 1))


def test_the_invitation_goes_out_on_its_day_and_only_once() -> None:
    """Due on its day; once accepted, the first reminder is waited for."""
    assert due(survey(apart=3), SATURDAY, SATURDAY, []).occurrence == 0
    again = due(survey(apart=3), SATURDAY, SATURDAY, [sent(0, SATURDAY)])
    assert (again.decision, again.on) == ("waiting", SATURDAY + timedelta(days=3))


def test_reminders_count_from_the_text_that_was_accepted() -> None:
    """An invitation five days late moves its reminders by five days."""
    late = SATURDAY + timedelta(days=5)
    before = due(survey(apart=3), SATURDAY, late + timedelta(days=2), [sent(0, late)])
    assert before.decision == "waiting"
    on_time = due(survey(apart=3), SATURDAY, late + timedelta(days=3), [sent(0, late)])
    assert (on_time.decision, on_time.occurrence) == ("due", 1)


@pytest.mark.parametrize(
    ("attempt", "decision"),
    [
        (Attempt(0, "unknown", "", not_sent=False, on=SATURDAY), "unknown"),
        (Attempt(0, "posting", "", not_sent=False, on=SATURDAY), "unknown"),
        (Attempt(0, "rejected", "", not_sent=False, on=SATURDAY), "refused"),
        (sent(0, SATURDAY, "undelivered"), "not_delivered"),
        (sent(0, SATURDAY, "failed"), "not_delivered"),
        (sent(0, SATURDAY, "canceled"), "not_delivered"),
        (Attempt(0, "logged", "", not_sent=False, on=SATURDAY), "logged"),
    ],
)
def test_nothing_follows_a_text_that_may_not_have_arrived(attempt: Attempt, decision: str) -> None:
    """Unknown, refused, undelivered: no reminder counts from it, however late it is."""
    assert due(survey(), SATURDAY, SATURDAY + timedelta(days=9), [attempt]).decision == decision


@pytest.mark.parametrize(
    "attempt",
    [
        Attempt(0, "claimed", "", not_sent=False, on=SATURDAY),
        Attempt(0, "released", "", not_sent=False, on=SATURDAY),
        Attempt(0, "withheld", "", not_sent=False, on=SATURDAY),
        Attempt(0, "rejected", "", not_sent=True, on=SATURDAY),
    ],
)
def test_what_is_known_not_to_have_gone_out_is_due_again(attempt: Attempt) -> None:
    """A documented "not sent" leaves the invitation due."""
    found = due(survey(count=0), SATURDAY, SATURDAY, [attempt])
    assert (found.decision, found.occurrence) == ("due", 0)


def test_an_undelivered_reminder_does_not_move_the_next_one() -> None:
    """The next reminder counts from the invitation, which arrived."""
    attempts = [sent(0, SATURDAY), sent(1, SATURDAY + timedelta(days=3), "undelivered")]
    waiting = due(survey(apart=3), SATURDAY, SATURDAY + timedelta(days=5), attempts)
    assert (waiting.decision, waiting.on) == ("waiting", SATURDAY + timedelta(days=6))
    next_one = due(survey(apart=3), SATURDAY, SATURDAY + timedelta(days=6), attempts)
    assert (next_one.decision, next_one.occurrence) == ("due", 2)


def test_reminders_follow_each_other_at_their_distance() -> None:
    """The second counts from the first, be that late; the last may fall on the last day."""
    attempts = [sent(0, SATURDAY), sent(1, SATURDAY + timedelta(days=5))]
    waiting = due(survey(apart=3), SATURDAY, SATURDAY + timedelta(days=7), attempts)
    assert (waiting.decision, waiting.on) == ("waiting", SATURDAY + timedelta(days=8))
    next_one = due(survey(apart=3), SATURDAY, SATURDAY + timedelta(days=8), attempts)
    assert (next_one.decision, next_one.occurrence) == ("due", 2)
    last_day = due(survey(apart=21, count=1), SATURDAY, SATURDAY, [sent(0, SATURDAY)])
    assert (last_day.decision, last_day.on) == ("waiting", SATURDAY + timedelta(days=21))
    after_it = due(survey(apart=22, count=1), SATURDAY, SATURDAY, [sent(0, SATURDAY)])
    assert after_it.decision == "asked"


def test_what_was_due_before_the_start_is_never_sent() -> None:
    """A survey switched on in mid-trial reaches nobody whose date lies before ``starts_on``."""
    found = due(survey(latest=400), START - timedelta(days=1), START + timedelta(days=9), [])
    assert found.decision == "before_start"
    assert due(survey(), START, START, []).decision == "due", "the first day counts"


def test_too_late_is_not_sent() -> None:
    """On the last day it is, on the day after it is not."""
    last = SATURDAY + timedelta(days=21)
    assert due(survey(count=0), SATURDAY, last, []).decision == "due"
    assert due(survey(count=0), SATURDAY, last + timedelta(days=1), []).decision == "too_late"


@pytest.mark.parametrize(
    ("occurrence", "days_later", "decision"),
    [(0, 21, "logged"), (0, 22, "asked"), (1, 5, "logged"), (2, 5, "asked")],
)
def test_a_text_that_the_state_lost_is_told_while_reminders_wait_for_it(
    occurrence: int, days_later: int, decision: str
) -> None:
    """Whoever would get a reminder and gets none is not forgotten in silence."""
    logged = Attempt(occurrence, "logged", "", not_sent=False, on=SATURDAY)
    found = due(survey(), SATURDAY, SATURDAY + timedelta(days=days_later), [logged])
    assert (found.decision, "state adopt" in found.why) == (decision, True)


@pytest.mark.parametrize("apart", [15, 22])
def test_a_reminder_that_never_fell_into_the_surveys_time_is_not_late(apart: int) -> None:
    """Whoever got every text there was time for is done, however long ago that is."""
    sent_so_far = [sent(0, SATURDAY)]
    if apart == 15:
        sent_so_far.append(sent(1, SATURDAY + timedelta(days=15)))
    for day in range(16, 80):
        found = due(survey(apart=apart), SATURDAY, SATURDAY + timedelta(days=day), sent_so_far)
        assert (found.decision, day) == ("asked", day)


def test_a_reminder_that_was_missed_is_late() -> None:
    """It was due in time, no run sent it, and now its time is over: that is told."""
    found = due(survey(apart=15), SATURDAY, SATURDAY + timedelta(days=22), [sent(0, SATURDAY)])
    assert found.decision == "too_late"


@given(
    apart=st.integers(1, 5),
    count=st.integers(0, 5),
    runs=st.lists(st.integers(0, 40), min_size=1, max_size=30),
)
def test_whatever_days_it_runs_on_no_occurrence_is_sent_twice(
    apart: int, count: int, runs: list[int]
) -> None:
    """Over any sequence of runs the occurrences sent only rise, one a day at most, all in time."""
    asked = survey(apart=apart, count=count)
    attempts: list[Attempt] = []
    for day in sorted(runs):
        today = SATURDAY + timedelta(days=day)
        found = due(asked, SATURDAY, today, attempts)
        if found.decision != "due":
            continue
        assert all(found.occurrence > each.occurrence for each in attempts)
        assert all((today - each.on).days >= apart for each in attempts)
        assert day <= asked.latest.days
        attempts.append(sent(found.occurrence, today))
    assert len(attempts) <= 1 + count
    in_time = [day for day in runs if day <= asked.latest.days]
    assert bool(attempts) == bool(in_time)
