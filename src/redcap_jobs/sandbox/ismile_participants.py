"""ISMILE's made-up participants: enrolled over 26 months, at every stage a visit can be in."""

from __future__ import annotations

import calendar
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from random import Random

from redcap_jobs.sandbox.people import Household, child, household
from redcap_jobs.sandbox.store import Record, RowKey, Snapshot

FIRST_RECORD = 1001
ENROLMENT_DAYS = 791
"""26 months: long enough for the earliest to be past their last visit's target."""

SITES = ("north_clinic", "south_clinic", "east_clinic", "west_clinic")


@dataclass(frozen=True)
class PlannedVisit:
    """One visit of the schedule the participants are made for."""

    event: str
    months: int
    early: int
    late: int


SCHEDULE = (
    PlannedVisit("baseline", 0, 0, 14),
    PlannedVisit("month_2", 2, 14, 28),
    PlannedVisit("month_4", 4, 14, 28),
    PlannedVisit("month_12", 12, 30, 60),
    PlannedVisit("month_24", 24, 60, 90),
)
EXAMS = ("baseline", "month_12", "month_24")

OUTCOMES = (
    ("in_window", 70),
    ("early", 5),
    ("late", 7),
    ("missed", 4),
    ("skipped", 2),
    ("undated", 2),
    ("nothing", 10),
)
"""What becomes of a visit, in per cent; baseline, where people are enrolled, is kinder."""


@dataclass
class Participant:
    """One participant in the making: rows by visit, in the arm they were randomised to."""

    record: str
    arm: int
    dag: str
    anchor: date
    rows: dict[RowKey, dict[str, str]] = field(default_factory=dict)

    def at(self, visit: str, arm: int | None = None) -> dict[str, str]:
        """Return the row of a visit, made where it is missing."""
        return self.rows.setdefault(RowKey(f"{visit}_arm_{arm or self.arm}"), {})

    def stored(self, now: datetime) -> Record:
        """Return the record as the store keeps it: blanks are not kept, nor rows without values."""
        rows = {
            key: {name: value for name, value in row.items() if value}
            for key, row in self.rows.items()
        }
        return Record({key: row for key, row in rows.items() if row}, self.dag, (now,))


def add_months(day: date, months: int) -> date:
    """Return the same day of a later month, clipped to that month's end."""
    years, month = divmod(day.month - 1 + months, 12)
    year = day.year + years
    return date(year, month + 1, min(day.day, calendar.monthrange(year, month + 1)[1]))


def participants_store(count: int, random: Random, as_of: date) -> Snapshot:
    """Return the records of ``count`` participants, about 3 % of them dirty in a named way."""
    from redcap_jobs.sandbox.ismile_dirty import CORRUPTIONS, dirty_positions

    dirty = {place: kind for kind, places in dirty_positions(count).items() for place in places}
    records: dict[str, Record] = {}
    homes: list[Household] = []
    now = datetime.combine(as_of, time(8))
    for place in range(count):
        sibling = bool(homes) and place not in dirty and random.random() < 0.12
        if not sibling:
            homes.append(household(len(homes), random))
        one = enrolled(place, homes[-1], len(homes), random, as_of, plain=place in dirty)
        if place in dirty:
            one = CORRUPTIONS[dirty[place]](one, as_of)
        records[one.record] = one.stored(now)
    return Snapshot(records)


def enrolled(
    place: int, home: Household, home_number: int, random: Random, as_of: date, *, plain: bool
) -> Participant:
    """Return a participant with everything that happened up to ``as_of``.

    A ``plain`` one was enrolled 400 days ago and came to every visit on its day: what is then
    spoilt is the only thing wrong with it.
    """
    anchor = as_of - timedelta(days=400 if plain else random.randrange(ENROLMENT_DAYS))
    one = Participant(
        record=str(FIRST_RECORD + place),
        arm=random.choice((1, 2)),
        dag=random.choice(SITES),
        anchor=anchor,
    )
    baseline = one.at("baseline")
    baseline.update(enrolment_form(one, home, home_number, random, as_of))
    off_study = None if plain else off_study_date(one.anchor, random)
    if not plain and random.random() < 0.03:
        baseline.update({"consent___1": "", "consent___2": "", "consent___3": ""})
    if off_study and off_study <= as_of + timedelta(days=30):
        reason = random.choice("12349")
        baseline.update(off_study="1", off_study_date=off_study.isoformat())
        baseline.update(off_study_reason=reason, off_study_complete="2")
    if not plain and as_of - anchor < timedelta(days=60) and random.random() < 0.15:
        baseline.update(anchor_date="", rand_date="", randomisation_complete="0")
        return one  # consented, not yet seen
    for visit in SCHEDULE:
        happened(one, visit, home, random, as_of, off_study, plain=plain)
    return one


def enrolment_form(
    one: Participant, home: Household, home_number: int, random: Random, as_of: date
) -> dict[str, str]:
    """Return the values of enrolment and randomisation; the amendment came 500 days ago."""
    name, gender = child(home, random)
    born = one.anchor - timedelta(days=random.randrange(300, 2500))
    amended = as_of - one.anchor < timedelta(days=500)
    return {
        "enrol_date": (one.anchor - timedelta(days=random.randrange(15))).isoformat(),
        "consent___1": "1",
        "consent___2": "1" if random.random() < 0.9 else "",
        "consent___3": "1" if random.random() < 0.93 else "",
        "part_first_name": home.first_name,
        "part_last_name": home.last_name,
        "part_mobile_number": home.phone,
        "part_email": home.email,
        "part_language": "2" if home.spanish else "1",
        "household_id": f"H{home_number:04d}",
        "child_name": name,
        "child_dob": born.isoformat(),
        "child_gender": gender,
        "anchor_date": one.anchor.isoformat(),
        "protocol_version": "2" if amended else "1",
        "enrolment_complete": "2",
        "rand_group": str(one.arm),
        "rand_date": one.anchor.isoformat(),
        "randomisation_complete": "2",
    }


def off_study_date(anchor: date, random: Random) -> date | None:
    """Return when a participant leaves the study; most never do."""
    leaves, days = random.random() < 0.14, random.randrange(20, 700)
    return anchor + timedelta(days=days) if leaves else None


def happened(
    one: Participant,
    visit: PlannedVisit,
    home: Household,
    random: Random,
    as_of: date,
    off_study: date | None,
    *,
    plain: bool,
) -> None:
    """Fill in what became of one visit by ``as_of``, if anything did."""
    target = add_months(one.anchor, visit.months)
    opens, closes = target - timedelta(days=visit.early), target + timedelta(days=visit.late)
    kinds, weights = zip(*OUTCOMES, strict=True)
    outcome = random.choices(kinds, weights)[0]
    if plain or (visit.event == "baseline" and outcome not in ("late", "undated")):
        outcome = "in_window"
    spread = random.random()
    day = {
        "early": opens - timedelta(days=1 + int(spread * 12)),
        "late": closes + timedelta(days=1 + int(spread * 40)),
    }.get(outcome, opens + (closes - opens) * spread * 0.6)
    day = target if plain else max(day, one.anchor)
    left = off_study is not None and day >= off_study
    if outcome == "nothing" or left:
        return
    row = one.at(visit.event)
    if outcome == "skipped":
        if opens <= as_of:
            row.update(visit_skipped="1", visit_complete="2")
    elif outcome == "missed":
        if closes < as_of:
            row.update(visit_missed="1", visit_missed_reason="Could not be reached")
            # Staff leave the form of a visit that never was unverified; one in ten completes it,
            # which by the definition of the states reads as done without a date.
            row.update(visit_complete="2" if random.random() < 0.1 else "1")
    elif day <= as_of:
        row.update(visit_date="" if outcome == "undated" else day.isoformat())
        row.update(visit_missed="0", visit_complete="2")
        row.update(forms_of_visit(visit, home, random))


def forms_of_visit(visit: PlannedVisit, home: Household, random: Random) -> dict[str, str]:
    """Return exam and survey of a visit that was held; one survey in eight stays undone."""
    values: dict[str, str] = {}
    if visit.event in EXAMS:
        examined = random.random() < 0.9
        values.update(exam_done=str(int(examined)), exam_complete="2")
        if examined:
            values["exam_dmfs"] = str(min(int(random.expovariate(0.4)), 88))
    if random.random() < 0.125:
        return values
    suffix, form = ("_es", "encuesta_padres") if home.spanish else ("", "parent_survey")
    values[f"brush_days{suffix}"] = str(random.randint(0, 7))
    values[f"fluoride{suffix}"] = random.choice("01")
    values[f"sugar_drinks{suffix}"] = random.choice("0123")
    values[f"{form}_complete"] = "2"
    return values
