"""The made-up ISMILE study: repeatable, plausible, and wrong where it should be."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from datetime import date, timedelta
from functools import cache

import phonenumbers
import pytest
from sandbox_projects import Caller

from redcap_jobs.sandbox.ismile import ismile_projects
from redcap_jobs.sandbox.ismile_dirty import CORRUPTIONS, DIRTY, dirty_records
from redcap_jobs.sandbox.ismile_participants import SCHEDULE, PlannedVisit, add_months
from redcap_jobs.sandbox.people import fictitious_phone
from redcap_jobs.sandbox.project import SandboxProject
from redcap_jobs.sandbox.server import Sandbox
from redcap_jobs.sandbox.store import Record, RowKey

AS_OF = date(2026, 11, 22)


@cache
def production() -> SandboxProject:
    return ismile_projects(as_of=AS_OF)[0]


def values(record: Record, visit: str) -> Mapping[str, str]:
    """Return a visit's row, in whichever arm it is."""
    for key, row in record.rows.items():
        if key.event.startswith(f"{visit}_arm_"):
            return row
    return {}


def test_the_same_seed_gives_the_same_study() -> None:
    """Data depend on participants, seed and as-of date alone; both copies begin alike."""
    one, copy = ismile_projects(100, seed=5, as_of=AS_OF)
    again = ismile_projects(100, seed=5, as_of=AS_OF)[0]
    assert one.digest() == copy.digest() == again.digest()
    assert one.digest() != ismile_projects(100, seed=6, as_of=AS_OF)[0].digest()
    assert one.digest() != ismile_projects(100, seed=5, as_of=AS_OF + timedelta(days=1))[0].digest()


def test_a_known_study_stays_what_it_is() -> None:
    """The generator does not drift unnoticed: figures in documents and tests refer to it."""
    assert ismile_projects(20, seed=1, as_of=AS_OF)[0].digest()[:16] == "139176a84c2a0e8a"


def test_the_copies_go_their_own_ways() -> None:
    """Writing to development leaves production alone; ids, flags and variables are the declared."""
    projects = ismile_projects(20, as_of=AS_OF)
    with Sandbox(projects) as sandbox:
        assert [(one.pid, one.settings.in_production) for one in projects] == [
            (3041, True),
            (3042, False),
        ]
        assert set(sandbox.tokens) == {"REDCAP_API_ISMILE_PROD", "REDCAP_API_ISMILE_DEV"}
        before = projects[0].digest()
        caller = Caller(sandbox.url, sandbox.tokens["REDCAP_API_ISMILE_DEV"])
        row = {"record_id": "1001", "redcap_event_name": "baseline_arm_1", "vt_state": "open"}
        assert caller.send([row]).status_code == 200
        assert projects[0].digest() == before != projects[1].digest()


def state(record: Record, visit: PlannedVisit) -> str:
    """Return the state of a visit by the definition set, for records whose dates are in order."""
    first, row = values(record, "baseline"), values(record, visit.event)
    anchor, done = first.get("anchor_date", ""), row.get("visit_date", "")
    if row.get("visit_skipped") == "1":
        return "not_applicable"
    if not anchor:
        return "completed_unclassified" if done else "not_scheduled"
    target = add_months(date.fromisoformat(anchor), visit.months)
    opens, closes = target - timedelta(days=visit.early), target + timedelta(days=visit.late)
    if done:
        day = date.fromisoformat(done)
        early, late = day < opens, day > closes
        return f"completed_{'early' if early else 'late' if late else 'in_window'}"
    left = first.get("off_study_date", "")
    rules = [
        ("completed_undated", row.get("visit_complete") == "2" and row.get("visit_missed") == "0"),
        ("missed_recorded", row.get("visit_missed") == "1"),
        ("not_applicable_off_study", bool(left) and left <= str(AS_OF) and str(opens) > left),
        ("missed_before_off_study", bool(left) and left <= str(AS_OF) and str(closes) < left),
        ("off_study_in_window", bool(left) and left <= str(AS_OF)),
        ("upcoming", opens > AS_OF),
        ("open", closes >= AS_OF),
        ("overdue", visit.event == "month_24"),
    ]
    later = [one for one in SCHEDULE if one.months > visit.months]
    if later:
        following = add_months(date.fromisoformat(anchor), later[0].months)
        hard_close = following - timedelta(days=later[0].early + 1)
        rules.append(("overdue", hard_close >= AS_OF))
    return next((name for name, holds in rules if holds), "missed")


def test_every_visit_state_occurs() -> None:
    """Each state of the definition set has participants, in the study of 850."""
    dirty = {record for records in DIRTY.values() for record in records}
    missing = DIRTY["anchor missing"]
    counted = Counter(
        state(record, visit)
        for name, record in production().store.current.records.items()
        if name not in dirty or name in missing
        for visit in SCHEDULE
    )
    known = set(production().structure.field_by_name["vt_state"].labels)
    assert set(counted) == known
    assert counted["completed_in_window"] > 1000


def test_about_three_per_cent_are_dirty_in_named_ways() -> None:
    """Every kind has a record, no record is wrong in two ways, and the table names them rightly."""
    records = [record for named in DIRTY.values() for record in named]
    assert set(DIRTY) == set(CORRUPTIONS)
    assert all(DIRTY.values())
    assert len(records) == len(set(records))
    assert 0.02 < len(records) / 850 < 0.04
    assert set(records) <= set(production().store.current.records)
    assert dirty_records(2) == {}


@pytest.mark.parametrize(
    ("kind", "visit", "field", "stored"),
    [
        ("anchor in another format", "baseline", "anchor_date", r"03/09/2018"),
        ("anchor impossible", "baseline", "anchor_date", r"2018-02-30"),
        ("anchor missing", "baseline", "anchor_date", r""),
        ("anchor in the future", "baseline", "anchor_date", r"2027-01-06"),
        ("visit in the future", "month_12", "visit_date", r"2026-12-22"),
        ("visit before the anchor", "month_2", "visit_date", r"2025-09-28"),
        ("visit date is text", "month_4", "visit_date", r"n/a"),
        ("visit date with a time", "month_4", "visit_date", r"\d{4}-\d\d-\d\d 10:30"),
        ("missed and dated", "month_4", "visit_missed", r"1"),
        ("visit after off study", "baseline", "off_study_date", r"2026-05-06"),
        ("off study in the future", "baseline", "off_study_date", r"2027-01-21"),
        ("off study without a date", "baseline", "off_study_date", r""),
        ("off study date without the flag", "baseline", "off_study", r""),
        ("not randomised", "baseline", "rand_group", r""),
        ("consent missing", "baseline", "consent___1", r""),
        ("language missing", "baseline", "part_language", r""),
        ("phone incomplete", "baseline", "part_mobile_number", r"617-555"),
        ("phone missing", "baseline", "part_mobile_number", r""),
        ("whitespace around values", "baseline", "part_first_name", r"  \w+ "),
        ("letters in the record ID", "baseline", "rand_group", r"[12]"),
    ],
)
def test_what_each_kind_of_dirt_looks_like(kind: str, visit: str, field: str, stored: str) -> None:
    """The stored value that is wrong; what is not listed is as it should be."""
    for name in DIRTY[kind]:
        value = values(production().store.current.records[name], visit).get(field, "")
        assert re.fullmatch(stored, value), (name, value)


def test_rows_in_the_other_arm_contradict_the_randomisation() -> None:
    """One visit's row is in the arm that rand_group does not name."""
    for name in DIRTY["rows in the other arm"]:
        rows = production().store.current.records[name].rows
        arms = {int(key.event[-1]) for key in rows}
        assert arms == {1, 2}
        own = values(production().store.current.records[name], "baseline")["rand_group"]
        assert RowKey(f"month_4_arm_{3 - int(own)}") in rows


def test_everybody_else_could_have_been_imported(server: Sandbox) -> None:
    """A clean record's values pass REDCap's own checks: what is dirty is dirty on purpose."""
    with Sandbox([production()]) as sandbox:
        caller = Caller(sandbox.url, production().token)
        dirty = {record for records in DIRTY.values() for record in records}
        rows = [row for row in caller.export() if row["record_id"] not in dirty]
        before = production().store.current
        response = caller.send(rows)
        assert response.status_code == 200, response.text[:500]
        production().store.current = before


def test_phones_are_fictitious_and_households_share_them() -> None:
    """All are 555-01XX; a phone belongs to one household, and some households have two children."""
    homes: dict[str, set[str]] = {}
    children: Counter[str] = Counter()
    for name, record in production().store.current.records.items():
        row = values(record, "baseline")
        if name in (*DIRTY["phone incomplete"], *DIRTY["phone missing"]):
            continue
        assert re.fullmatch(r"\([2-9]\d\d\) 555-01\d\d", row["part_mobile_number"])
        homes.setdefault(row["part_mobile_number"], set()).add(row["household_id"])
        children[row["household_id"]] += 1
    assert all(len(households) == 1 for households in homes.values())
    assert sum(count > 1 for count in children.values()) > 40
    assert len({fictitious_phone(number) for number in range(20_000)}) == 20_000


def test_phones_can_be_written_as_e164() -> None:
    """Area codes exist, so that the numbers can be parsed for the United States."""
    for number in range(0, 900, 7):
        parsed = phonenumbers.parse(fictitious_phone(number), "US")
        assert phonenumbers.is_possible_number(parsed)


def test_names_are_english_and_spanish() -> None:
    """The survey that was filled in is the one in the household's language."""
    languages: Counter[str] = Counter()
    for record in production().store.current.records.values():
        row = values(record, "baseline")
        languages[row.get("part_language", "")] += 1
        if row.get("part_language") == "1":
            assert "brush_days_es" not in row
    assert languages["1"] > 300
    assert languages["2"] > 250
