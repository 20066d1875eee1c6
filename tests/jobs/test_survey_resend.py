"""A text that a person asked for again: once, where nothing else is due, and no reminder more."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest

from redcap_jobs.jobs.survey_due import Attempt, due
from redcap_jobs.study.texts_config import Survey

DUE_ON = date(2026, 11, 2)
SURVEY = Survey.model_validate(
    {
        "id": "m2-survey",
        "instrument": "parent_survey",
        "anchor": "baseline",
        "due": {"months": 2},
        "starts_on": date(2026, 1, 1),
        "latest": {"days": 21},
        "texts": "{{ link }}",
        "remind": {"days_apart": 7, "count": 2},
        "reminder_texts": "{{ link }}",
    }
)


def text(day: int, occurrence: int = 0, state: str = "sent", **more: object) -> Attempt:
    """Give an attempt on a day of November, at noon."""
    at = datetime(2026, 11, day, 12, tzinfo=UTC)
    status = "delivered" if state == "sent" else ""
    values = {"status": status, "not_sent": False, "at": at} | more
    return Attempt(occurrence, state, on=at.date(), **values)  # type: ignore[arg-type] - by name


def judged(day: int, *attempts: Attempt) -> tuple[str, int]:
    found = due(SURVEY, DUE_ON, date(2026, 11, day), attempts)
    return found.decision, found.occurrence


ASKED = text(4, 101, "released")


@pytest.mark.parametrize(
    ("day", "attempts", "expected"),
    [
        (4, [text(2), ASKED], ("due", 101)),
        (4, [text(2, status="undelivered"), ASKED], ("due", 101)),
        (9, [text(2), ASKED], ("due", 1)),
        (9, [text(2), text(9, 1), ASKED], ("waiting", 2)),
        (5, [text(2), text(4, 101)], ("waiting", 1)),
        (5, [text(2), text(4, 101, "withheld")], ("due", 101)),
        (5, [text(2), text(4, 101, "rejected", not_sent=True)], ("due", 101)),
        (5, [text(2), text(4, 101, "rejected")], ("waiting", 1)),
        (5, [text(2), text(4, 101), text(5, 102, "released")], ("due", 102)),
        (5, [text(2), text(4, 101, "withheld"), text(5, 102, "released")], ("due", 102)),
        (5, [text(2, state="rejected"), ASKED], ("refused", 0)),
        (5, [text(2, state="logged", at=None), ASKED], ("logged", 0)),
        (5, [text(2), text(4, 101, "released", at=None)], ("waiting", 1)),
        (1, [text(1, 101, "unknown")], ("upcoming", 0)),
        (5, [text(2), text(4, 101, "unknown")], ("unknown", 0)),
        (5, [text(2), text(4, 101, "posting")], ("unknown", 0)),
        (5, [text(2, state="unknown"), ASKED], ("unknown", 0)),
        (5, [text(2, state="logged", at=None), text(3, 1, "unknown"), ASKED], ("unknown", 0)),
        (4, [text(2, state="logged"), text(3, 1, "unknown"), ASKED], ("unknown", 0)),
        (4, [text(2, state="logged"), text(3, 1, "rejected"), ASKED], ("refused", 0)),
        (24, [text(2), text(9, 1), text(16, 2), text(23, 101, "released")], ("asked", 0)),
        (23, [text(2), text(9, 1), text(16, 2), text(23, 101, "released")], ("due", 101)),
    ],
)
def test_when_it_is_due(day: int, attempts: list[Attempt], expected: tuple[str, int]) -> None:
    """What the schedule has due comes first and answers it; it is never late, nor repeated."""
    assert judged(day, *attempts) == expected


def test_reminders_come_as_if_it_had_not_been() -> None:
    """Whatever became of it: the same text on each day of the survey's time."""
    plain = [text(2)]
    for state in ("sent", "rejected"):
        resent = [text(2), text(4, 101, state)]
        for day in range(5, 24):
            assert judged(day, *resent) == judged(day, *plain), (state, day)


def test_a_text_from_before_the_request_does_not_answer_it() -> None:
    """The very reason for asking again."""
    at = datetime(2026, 11, 4, 12, tzinfo=UTC)
    asked = Attempt(101, "released", "", not_sent=False, on=at.date(), at=at + timedelta(hours=1))
    assert judged(4, text(4), asked) == ("due", 101)
