"""Who is texted what and when, whatever the data: against a second opinion, one person at a time.

Each example is a small study at some minute around a change of clocks; most of its people are as
they should be, some have every kind of wrong, missing or forbidding value.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from hypothesis import given, settings
from hypothesis import strategies as st
from small_texts import (
    JOB,
    PROJECT,
    STUDY,
    Texts,
    inputs_at_once,
    keyed,
    people,
    texts_at_once,
)

from redcap_jobs.jobs.survey_judged import QUIET
from redcap_jobs.plan import Stands

Row = dict[str, str]
NEW_YORK = ZoneInfo("America/New_York")
CHANGES_OF_CLOCKS = (date(2026, 3, 8), date(2026, 3, 29), date(2026, 11, 1))
"""In North America, in Europe, back in North America."""
REPLACED = "days_apart = 2, count = 1"


@dataclass(frozen=True)
class Rules:
    """What a study file may say, and the same as numbers."""

    opens: int
    closes: int
    apart: int
    count: int
    latest: int
    starts_on: date
    limit: int
    pause: tuple[date, date, str] | None

    @property
    def text(self) -> str:
        """The study file."""
        hours = f'hours = "{self.opens:02d}:00-{self.closes:02d}:00"'
        text = STUDY.replace('hours = "09:00-20:00"', f"{hours}\nper_phone_per_day = {self.limit}")
        text = text.replace(REPLACED, f"days_apart = {self.apart}, count = {self.count}")
        text = text.replace("latest = { days = 10 }", f"latest = {{ days = {self.latest} }}")
        text = text.replace("starts_on = 2026-01-01", f"starts_on = {self.starts_on}")
        if self.pause:
            first, last, then = self.pause
            text += f'[[pauses]]\nfrom = {first}\nuntil = {last}\nwhy = "x"\ntexts = "{then}"\n'
        return text


@st.composite
def rules(draw: st.DrawFn, today: date) -> Rules:
    """Give rules under which something is due around ``today``."""
    first = today + timedelta(days=draw(st.integers(-4, 1)))
    last = first + timedelta(days=draw(st.integers(0, 4)))
    then = draw(st.sampled_from(["wait", "drop"]))
    return Rules(
        opens=draw(st.integers(8, 10)),
        closes=draw(st.integers(17, 21)),
        apart=draw(st.integers(1, 4)),
        count=draw(st.integers(1, 3)),
        latest=draw(st.integers(5, 14)),
        starts_on=today + timedelta(days=draw(st.sampled_from([-60, -60, -3]))),
        limit=draw(st.integers(1, 2)),
        pause=draw(st.sampled_from([None, None, (first, last, then)])),
    )


def rows(today: date) -> st.SearchStrategy[Row]:
    """Give one person's fields, at most two of them as they should not be.

    ``UNK`` is the project's missing-data code.
    """

    def day(back: int) -> str:
        return (today - timedelta(days=back)).isoformat()

    good = {
        "anchor": st.integers(5, 18).map(day),
        "lang": st.sampled_from("12"),
        "mobile": st.integers(0, 15).map(lambda number: f"(202) 555-01{number:02d}"),
        "zone": st.sampled_from(
            [
                "",
                "",
                "UNK",
                "Pacific/Honolulu",
                "America/Phoenix",
                "Europe/London",
                "Asia/Kathmandu",
            ]
        ),
    }
    as_it_should_be = {"consent": "1", "texts": "1", "name": "Ana"} | dict.fromkeys(
        ("left", "left_on", "back_on", "opt_out", "diary_complete", "diario_timestamp"), ""
    )
    dates = ["UNK", "soon", *map(day, (9, 1, 0, -1, -9))]
    faults = {
        "anchor": ["", "UNK", "soon", "9999-12-31"],
        "consent": ["0", "", "UNK"],
        "texts": ["0", "", "UNK"],
        "left": ["0", "1", "UNK"],
        "left_on": dates,
        "back_on": dates,
        "name": ["", "UNK"],
        "lang": ["3", "", "UNK"],
        "mobile": ["", "UNK", "(555) 555-0100"],
        "zone": ["Hawaii"],
        "opt_out": ["0", "1", "UNK"],
        "diary_complete": ["0", "1", "2"],
        "diario_timestamp": ["[not completed]", "2026-01-01 10:00:00"],
    }
    fault = st.sampled_from([(name, value) for name in faults for value in faults[name]])
    who_left = st.tuples(*(st.tuples(st.just(n), st.sampled_from(dates)) for n in LEFT))
    wrong = st.just([]) | st.lists(fault, max_size=2) | who_left
    return st.tuples(st.fixed_dictionaries(good), wrong).map(
        lambda both: as_it_should_be | both[0] | dict(both[1])
    )


LEFT = ("left_on", "back_on")
STATES = ("sent", "unknown", "posting", "rejected", "refused", "released", "undelivered")
"""Of an invitation; ``refused`` for good, ``rejected`` with a documented "not sent"."""


@dataclass(frozen=True)
class World:
    """One study at one instant."""

    rules: Rules
    as_of: datetime
    rows: tuple[Row, ...]
    before: Mapping[int, tuple[str, int]]
    """Person → state of the invitation, and how many days ago."""
    stops: tuple[tuple[str, int, str], ...]
    """Scope, person (or the person whose phone it is) and state."""

    @property
    def texts(self) -> Texts:
        """The tables of it."""
        names = list(self.rows[0])
        lines = [" | ".join(["record", *names])]
        lines += [
            " | ".join([str(n), *(row[name] for name in names)]) for n, row in enumerate(self.rows)
        ]
        return people(
            "\n".join(lines),
            study=self.rules.text,
            codes={"UNK": "Unknown"},
            messages=[self.message(n, *each) for n, each in self.before.items()],
            stops=[self.stop(*each) for each in self.stops],
        )

    def message(self, person: int, state: str, ago: int) -> Row:
        """Give an invitation that the journal knows."""
        told = {"undelivered": "sent", "refused": "rejected"}.get(state, state)
        return {
            "key": f"{PROJECT}|diary|{person}|||0", "message": "diary", "record": str(person),
            "occurrence": "0", "state": told, "not_sent": str(state == "rejected").lower(),
            "status": state if state == "undelivered" else "",
            "at": self.sent_at(ago).isoformat(), "phone_hash": phone_hash(self.rows[person]),
        }  # fmt: skip

    def sent_at(self, ago: int) -> datetime:
        """Give the instant of a text that was sent some days ago."""
        return self.as_of - timedelta(days=ago)

    def stop(self, scope: str, person: int, state: str) -> Row:
        """Give what was said of a record, or of its phone."""
        subject = phone_hash(self.rows[person]) if scope == "phone" else str(person)
        return {"scope": scope, "subject": subject, "state": state, "at": "2026-01-01"}


@st.composite
def worlds(draw: st.DrawFn) -> World:
    """Give a study with up to 25 people, in the morning, at noon or by night of New York."""
    day = draw(st.sampled_from(CHANGES_OF_CLOCKS)) + timedelta(days=draw(st.integers(-2, 2)))
    as_of = datetime.combine(day, time(), UTC) + timedelta(minutes=draw(st.integers(810, 1500)))
    local = as_of.astimezone(NEW_YORK).date()
    entered = tuple(draw(st.lists(rows(local), min_size=15, max_size=25)))
    anybody = st.integers(0, len(entered) - 1)
    past = st.tuples(st.sampled_from(("sent", "sent", *STATES)), st.integers(0, 9))
    size = len(entered)
    pasts = draw(st.lists(st.none() | past, min_size=size, max_size=size))
    before = {person: each for person, each in enumerate(pasts) if each}
    said = st.tuples(
        st.sampled_from(["phone", "record"]),
        anybody,
        st.sampled_from(["stopped", "held", "allowed"]),
    )
    stops = {each[:2]: each for each in draw(st.lists(said, max_size=2))}
    return World(draw(rules(local)), as_of, entered, before, tuple(stops.values()))


def e164(row: Row) -> str:
    """Give a phone as Twilio wants it; '' for none that can be texted."""
    digits = "".join(each for each in row["mobile"] if each.isdigit())
    return f"+1{digits}" if digits.startswith("202") else ""


def phone_hash(row: Row) -> str:
    """Give the keyed hash of a phone."""
    return keyed(e164(row), "phone") if e164(row) else "none"


def zone_of(row: Row) -> ZoneInfo:
    """Give a person's time zone; New York is the study's."""
    return ZoneInfo(row["zone"]) if "/" in row["zone"] else NEW_YORK


def day_of(text: str) -> date | None:
    """Read a date; None for anything else."""
    try:
        return date.fromisoformat(text)
    except ValueError:
        return None


def may_be_texted(world: World, person: int) -> bool:
    """Say whether anything about a person forbids texts, or makes them impossible."""
    row, phone = world.rows[person], e164(world.rows[person])
    back, gone = day_of(row["back_on"]), day_of(row["left_on"])
    is_back = back is not None and back <= world.as_of.astimezone(NEW_YORK).date()
    is_back = is_back and not (gone is not None and back is not None and gone > back)
    left = row["left"] in {"1", "UNK"} or row["left_on"] != ""
    out = {n for n, each in enumerate(world.rows) if each["opt_out"] == "1"}
    out |= {n for scope, n, state in world.stops if (scope, state) == ("record", "stopped")}
    leave = ("record", person, "allowed") in world.stops
    stopped = any(
        state in {"stopped", "held"}
        and (n == person if scope == "record" else e164(world.rows[n]) == phone)
        for scope, n, state in latest_words(world)
    )
    others = {n for n in out - {person} if e164(world.rows[n]) == phone}
    told_before_leave = {n for n in others if ("record", n, "stopped") not in world.stops}
    return (
        row["consent"] == row["texts"] == "1"
        and not (left and not is_back)
        and row["opt_out"] not in {"1", "UNK"}
        and bool(phone)
        and not stopped
        and not (others - told_before_leave if leave else others)
        and row["lang"] in {"1", "2"}
        and row["zone"] != "Hawaii"
        and row["diary_complete"] != "2"
        and not row["diario_timestamp"].startswith("2")
    )


def latest_words(world: World) -> Sequence[tuple[str, int, str]]:
    """Give the last word about each phone and record, as a state keeps it."""
    last = {
        (scope, e164(world.rows[n]) if scope == "phone" else str(n)): (scope, n, state)
        for scope, n, state in world.stops
    }
    return list(last.values())


def occurrence_due(world: World, person: int) -> int | None:
    """Say which text of the survey is due to a person by dates alone, None for none."""
    rules, row = world.rules, world.rows[person]
    anchor, today = day_of(row["anchor"]), world.as_of.astimezone(zone_of(row)).date()
    if anchor is None or anchor.year > 9000:
        return None
    due_on = anchor + timedelta(days=7)
    state, ago = world.before.get(person, ("released", 0))
    counted_from = due_on
    if state == "sent":
        counted_from = world.sent_at(ago).astimezone(zone_of(row)).date()
    elif state not in {"released", "rejected"}:
        return None
    last = due_on + timedelta(days=rules.latest)
    number = min((today - counted_from).days // rules.apart, rules.count)
    if not rules.starts_on <= due_on <= today <= last or number < (state == "sent"):
        return None
    fell_due = counted_from + timedelta(days=rules.apart * number) if state == "sent" else due_on
    if rules.pause:
        first, until, then = rules.pause
        if first <= today <= until:
            return None
        if then == "drop" and first <= fell_due <= until < today:
            return None
    return number


def expected(world: World) -> dict[int, int]:
    """Give person → number of the text that is to go out, if it were not for a phone's turn."""
    found = {}
    for person, row in enumerate(world.rows):
        number = occurrence_due(world, person)
        now = world.as_of.astimezone(zone_of(row))
        is_open = world.rules.opens <= now.hour < world.rules.closes
        if number is None or not is_open or not may_be_texted(world, person):
            continue
        is_first = world.before.get(person, ("",))[0] != "sent"
        if row["name"] == "Ana" or not is_first:  # only the invitation's words name anybody
            found[person] = number
    return found


@settings(max_examples=30)
@given(worlds())
def test_a_second_opinion_texts_the_same_people_the_same(world: World) -> None:
    """Never outside their hours, before their date or too late; nobody who must not be, and nobody
    forgotten: who is not texted although it is due has a phone that had its texts today.
    """
    texts = texts_at_once(world.texts, world.as_of)
    wanted = expected(world)
    out = {int(text.record): int(text.occurrence) for text in texts}
    assert len(out) == len(texts)
    assert out.items() <= wanted.items()
    assert all(text.to == e164(world.rows[int(text.record)]) for text in texts)
    had = Counter(text.to for text in texts)
    for person, (state, ago) in world.before.items():
        counts = state in {"sent", "undelivered", "unknown", "posting"}
        row = world.rows[person]
        for each in {n for n in wanted if e164(world.rows[n]) == e164(row)}:
            zone = zone_of(world.rows[each])
            today = world.as_of.astimezone(zone).date()
            if counts and world.sent_at(ago).astimezone(zone).date() == today:
                had[e164(row)] += 1
                break
    for person in wanted.keys() - out.keys():
        assert had[e164(world.rows[person])] >= world.rules.limit
    assert all(count <= world.rules.limit for count in Counter(t.to for t in texts).values())


@settings(max_examples=12)
@given(worlds(), st.randoms(use_true_random=False))
def test_everybody_is_texted_or_told_once_in_whatever_order_rows_come(
    world: World, shuffler: random.Random
) -> None:
    """One named reason for each; the same plan from the same rows in another order; and the look
    moments before a text finds what the plan found.
    """
    texts = world.texts
    study = texts.loaded
    plan = JOB.plan(study, inputs_at_once(texts, world.as_of), world.as_of)
    told = Counter(action.record for action in plan.actions)
    told.update(skip.record for skip in plan.skips if "#" not in skip.subject)
    told.update(problem.record for problem in plan.problems)
    decided = plan.decisions.set_index("record")
    assert decided.index.is_unique
    assert (decided["reasons"] != "").all()
    for person in map(str, range(len(world.rows))):
        quiet = person in decided.index and decided.loc[person, "decision"] in QUIET
        assert told[person] == 1 or (told[person] == 0 and quiet)
    order = list(range(len(texts.rows)))
    shuffler.shuffle(order)
    shuffled = replace(texts, rows=texts.rows.iloc[order].reset_index(drop=True))
    shuffled = replace(shuffled, messages=list(texts.messages)[::-1], stops=list(texts.stops)[::-1])
    again = JOB.plan(study, inputs_at_once(shuffled, world.as_of), world.as_of)
    assert again.actions == plan.actions
    assert set(again.skips) == set(plan.skips)
    assert set(again.problems) == set(plan.problems)
    assert set(map(tuple, again.decisions.to_numpy())) == set(map(tuple, plan.decisions.to_numpy()))
    fresh = replace(inputs_at_once(shuffled, world.as_of), fresh=True)
    fresh = replace(fresh, tables={r: shuffled.answer(r) for r in JOB.reads(study, fresh)})
    for action in plan.actions[:2]:
        assert isinstance(JOB.recheck(study, action, fresh), Stands)
