"""Run after run over weeks: what a person gets of one survey, whatever becomes of each text."""

from __future__ import annotations

import random
from collections import defaultdict
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

from hypothesis import given, settings
from hypothesis import strategies as st
from small_texts import STUDY, keyed, people, texts_at_once

from redcap_jobs.jobs.survey_due import UNKNOWN, Attempt, due
from redcap_jobs.messaging.text_names import RESENT
from redcap_jobs.plan import Text
from redcap_jobs.study.texts_config import Survey

DUE_ON = date(2026, 11, 2)
"""The day after clocks went back in North America."""
ENDS = ("delivered", "undelivered", "unknown", "refused", "not sent", "released")
"""What becomes of a text: ``refused`` for good, ``not sent`` by a documented refusal."""
HAPPENED = {"delivered", "undelivered", "unknown"}


def survey(apart: int, count: int, latest: int) -> Survey:
    return Survey.model_validate(
        {
            "id": "m2-survey",
            "instrument": "parent_survey",
            "anchor": "baseline",
            "due": {"months": 2},
            "starts_on": date(2026, 1, 1),
            "latest": {"days": latest},
            "texts": "{{ link }}",
            "remind": {"days_apart": apart, "count": count},
            "reminder_texts": "{{ link }}",
        }
    )


def attempt(occurrence: int, end: str, days_later: int) -> Attempt:
    """Give an attempt at noon, so many days after the due date."""
    at = datetime(2026, 11, 2, 12, tzinfo=UTC) + timedelta(days=days_later)
    states = {"refused": "rejected", "not sent": "rejected", "unknown": "unknown"}
    state = states.get(end, "released" if end == "released" else end)
    state = "sent" if end in {"delivered", "undelivered"} else state
    status = end if state == "sent" else ""
    return Attempt(occurrence, state, status, end == "not sent", at.date(), at)


attempts = st.lists(
    st.builds(
        attempt,
        st.integers(0, 4) | st.integers(RESENT + 1, RESENT + 3),
        st.sampled_from([*ENDS, "logged", "posting", "delivered", "delivered"]),
        st.integers(-3, 20),
    ),
    max_size=5,
    unique_by=lambda each: each.occurrence,
)


@settings(max_examples=300)
@given(
    before=attempts,
    day=st.integers(-3, 30),
    asked=st.builds(survey, st.integers(1, 5), st.integers(1, 5), st.integers(0, 21)),
    shuffler=st.randoms(use_true_random=False),
)
def test_whatever_went_out_before_nothing_goes_out_twice_or_out_of_its_time(
    before: list[Attempt], day: int, asked: Survey, shuffler: random.Random
) -> None:
    """One text at most, in its time, never one that may have gone out, nor after one of which nobody
    knows; in whatever order the attempts are told.
    """
    today = DUE_ON + timedelta(days=day)
    found = due(asked, DUE_ON, today, before)
    told = list(before)
    shuffler.shuffle(told)
    assert due(asked, DUE_ON, today, told) == found
    assert found.why
    if found.decision != "due":
        return
    may_have_gone = {each.occurrence for each in before if not each.is_free}
    assert 0 <= day <= asked.latest.days
    assert not {found.occurrence, *found.superseded} & may_have_gone
    assert all(each.state not in UNKNOWN for each in before)
    assert all(number < found.occurrence for number in found.superseded)
    if found.occurrence > RESENT:
        assert found.occurrence in {each.occurrence for each in before}
        return
    scheduled = [
        each for each in before if each.occurrence in may_have_gone and each.occurrence < 9
    ]
    assert found.occurrence <= asked.remind.count  # type: ignore[union-attr]  # it reminds
    assert not scheduled or found.occurrence > max(each.occurrence for each in scheduled)
    arrived = [each for each in scheduled if each.arrived]
    assert bool(arrived) == bool(scheduled), "a reminder follows what arrived"
    if arrived:
        last = max(arrived, key=lambda each: each.occurrence)
        steps = found.occurrence - last.occurrence
        assert (today - last.on).days >= steps * asked.remind.days_apart  # type: ignore[union-attr]


@dataclass
class Story:
    """A study of a few families over some weeks; what was sent to whom and what became of it."""

    zones: tuple[str, ...]
    """By person; a phone belongs to neighbours in this list, who live in the first's zone."""
    apart: int
    count: int
    limit: int
    to_a_phone: int = 2
    messages: dict[str, dict[str, str]] = field(default_factory=dict)
    sent: list[tuple[datetime, Text, str]] = field(default_factory=list)
    done: set[int] = field(default_factory=set)

    @property
    def study(self) -> str:
        """The study file."""
        reminds = f"days_apart = {self.apart}, count = {self.count}"
        limit = f'hours = "09:00-20:00"\nper_phone_per_day = {self.limit}'
        text = STUDY.replace("days_apart = 2, count = 1", reminds)
        return text.replace('hours = "09:00-20:00"', limit)

    def run(self, now: datetime, ends: random.Random) -> list[Text]:
        """Send what is due at an instant; each text ends somehow."""
        rows = []
        for person in range(len(self.zones)):
            phone = person // self.to_a_phone
            answer = "2" if person in self.done else ""
            zone = self.zones[phone * self.to_a_phone]
            rows.append(f"{person} | (202) 555-01{phone:02d} | {zone} | {answer}")
        table = "record | mobile | zone | diary_complete | anchor\n" + "\n".join(
            f"{row} | 2026-10-26" for row in rows
        )
        known = [*self.messages.values()]
        texts = texts_at_once(people(table, study=self.study, messages=known), now)
        for text in texts:
            end = ends.choice([*ENDS, *["delivered"] * 6])
            self.sent.append((now, text, end))
            told = attempt(0, end, 0)
            number = int(self.messages.get(text.key, {"attempt": "0"})["attempt"]) + 1
            self.messages[text.key] = {
                "key": text.key, "message": "diary", "record": text.record, "attempt": str(number),
                "occurrence": text.occurrence, "state": told.state, "status": told.status,
                "not_sent": str(told.not_sent).lower(), "at": now.isoformat(),
                "phone_hash": keyed(text.to, "phone"),
            }  # fmt: skip
        return texts


@settings(max_examples=9)
@given(
    zones=st.lists(
        st.sampled_from(["", "Pacific/Honolulu", "Europe/London", "Asia/Kathmandu"]),
        min_size=4,
        max_size=8,
    ),
    apart=st.integers(1, 3),
    count=st.integers(1, 4),
    limit=st.integers(1, 2),
    runs=st.lists(st.integers(-12, 300), min_size=3, max_size=7, unique=True),
    fate=st.randoms(use_true_random=False),
)
def test_over_weeks_of_runs_and_faults_nobody_gets_too_much(
    zones: list[str], apart: int, count: int, limit: int, runs: list[int], fate: random.Random
) -> None:
    """By the clock of each: in hours and time, as far apart as reminders are, none after an answer
    or after a text of which nobody knows, none twice, and the invitation's words come first.
    """
    story = Story(tuple(zones), apart, count, limit)
    answered: dict[str, datetime] = {}
    for hours in sorted(runs):
        now = datetime(2026, 11, 2, 12, tzinfo=UTC) + timedelta(hours=hours)
        story.run(now, fate)
        for person in fate.sample(range(len(zones)), 1):
            story.done.add(person)
            answered.setdefault(str(person), now)
    by_person = defaultdict(list)
    by_phone_and_day = defaultdict(list)
    for at, text, end in story.sent:
        local = at.astimezone(ZoneInfo(text.zone))
        assert 9 <= local.hour < 20
        assert DUE_ON <= local.date() <= DUE_ON + timedelta(days=10)
        assert at <= answered.get(text.record, at)
        by_person[text.record].append((local.date(), text, end))
        if end in HAPPENED:
            by_phone_and_day[text.to, local.date()].append(text)
    assert all(len(each) <= limit for each in by_phone_and_day.values())
    for each in by_person.values():
        happened = [one for one in each if one[2] in HAPPENED]
        numbers = [int(text.occurrence) for _, text, _ in happened]
        assert numbers == sorted(set(numbers))
        assert max(numbers, default=0) <= count
        assert all(end not in {"unknown", "refused"} for _, _, end in each[:-1])
        invitations = [text.body.startswith("Hi") for _, text, _ in happened]
        assert invitations == [number == 0 for number in range(len(happened))]
        arrived = [(day, text) for day, text, end in happened if end == "delivered"]
        for (earlier, one), (later, other) in pairwise(arrived):
            steps = int(other.occurrence) - int(one.occurrence)
            assert (later - earlier).days >= apart * steps


@settings(max_examples=6)
@given(children=st.integers(2, 4), apart=st.integers(1, 2), count=st.integers(1, 4))
def test_of_one_phone_every_child_is_asked_while_there_is_time(
    children: int, apart: int, count: int
) -> None:
    """A run and a text a day: after as many days as there are children each had its invitation."""
    story = Story(("",) * children, apart, count, 1, to_a_phone=children)
    everybody = random.Random(0)  # noqa: S311 - no secret
    everybody.choice = lambda ends: "delivered"  # type: ignore[assignment,method-assign]  # no fault
    asked = []
    for day in range(children):
        now = datetime(2026, 11, 2, 17, tzinfo=UTC) + timedelta(days=day)
        asked += [text.record for text in story.run(now, everybody)]
    assert sorted(asked) == sorted(map(str, range(children)))
