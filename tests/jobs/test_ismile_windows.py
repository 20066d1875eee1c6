"""The bundled study over all its made-up participants, judged by the scalar rules."""

from __future__ import annotations

from collections import Counter
from datetime import date

import pytest
from ismile_data import AS_OF, day, plan_of, stored
from scalar_rules import Case, person
from small_study import by_visit
from visit_tables import Planned

from redcap_jobs.plan import Plan
from redcap_jobs.sandbox.project import SandboxProject

EVENTS = {"baseline": 0, "month_2": 1, "month_4": 2, "month_12": 3, "month_24": 4}
TODAY = date(2020, 6, 15)


@pytest.fixture(scope="module")
def planned() -> tuple[SandboxProject, Plan]:
    assert AS_OF.date() == TODAY
    return plan_of(850)


def schedule(protocol: str) -> list[Planned]:
    """Give the study file's visits, by hand: month 12 closes later under amendment 1."""
    return [
        Planned("baseline", days=0, late=14),
        Planned("m2", months=2, early=14, late=28),
        Planned("m4", months=4, early=14, late=28),
        Planned("m12", months=12, early=30, late=90 if protocol == "2" else 60),
        Planned("m24", months=24, early=60, late=90, limit_after_close=90),
    ]


def expected_states(project: SandboxProject) -> dict[tuple[str, str], str]:
    """Read what is stored, row by row, and give every visit's state by the scalar rules."""
    base: dict[str, dict[str, str]] = {}
    visits: dict[str, dict[int, dict[str, str]]] = {}
    for row in stored(project):
        if row["repeat_instrument"]:
            continue
        event = row["event"].rpartition("_arm_")[0]
        visits.setdefault(row["record"], {})[EVENTS[event]] = row
        if event == "baseline":
            base[row["record"]] = row
    states = {}
    for record, own in visits.items():
        first = base.get(record, {})
        if first.get("consent___1") != "1":
            continue
        plan = schedule(first.get("protocol_version", ""))
        off = day(first.get("off_study_date", "")) if first.get("off_study") == "1" else None
        cases = [
            Case(
                anchor=day(first.get("anchor_date", "")),
                done=day(own.get(at, {}).get("visit_date", "")),
                form=own.get(at, {}).get("visit_complete") == "2",
                missed=own.get(at, {}).get("visit_missed") == "1",
                skipped=own.get(at, {}).get("visit_skipped") == "1",
            )
            for at in range(len(plan))
        ]
        for visit, answer in zip(plan, person(plan, cases, off, TODAY), strict=True):
            states[record, visit.id] = answer.state
    return states


def test_every_participant_visit_of_ismile_is_as_the_scalar_rules_say(
    planned: tuple[SandboxProject, Plan],
) -> None:
    """All 850 participants, dirty data included, from stored rows to decisions."""
    project, plan = planned
    decided = {(row.record, row.subject): row.decision for row in plan.decisions.itertuples()}
    blocked = {problem.record for problem in plan.problems if problem.blocks}
    expected = {
        key: state for key, state in expected_states(project).items() if key[0] not in blocked
    }
    assert decided == expected
    assert len(set(decided.values())) >= 12
    assert len(blocked) >= 1


def test_the_table_counts_the_decisions(planned: tuple[SandboxProject, Plan]) -> None:
    """What is shown is what was decided."""
    _, plan = planned
    counted = Counter(zip(plan.decisions["subject"], plan.decisions["decision"], strict=True))
    (table,) = plan.tables
    states = [row[0] for row in table.rows[:-2]]
    assert len(states) == len({decision for _, decision in counted})
    for shown in by_visit(table):
        for state in states:
            assert int(shown[state]) == counted[shown["visit"], state]


def test_dirty_data_are_problems_and_never_raise(planned: tuple[SandboxProject, Plan]) -> None:
    """Every kind the generator plants is told, and no message carries a date."""
    _, plan = planned
    whats = {problem.what for problem in plan.problems}
    assert len(whats) >= 8
    assert not any("20" in problem.what for problem in plan.problems)


def test_changes_stay_in_each_records_own_arm(planned: tuple[SandboxProject, Plan]) -> None:
    """No change names an event of an arm in which its record has no row."""
    project, plan = planned
    arms: dict[str, set[str]] = {}
    for row in stored(project):
        arms.setdefault(row["record"], set()).add(row["event"][-1])
    for record, event in zip(plan.changes["record"], plan.changes["event"], strict=True):
        assert event[-1] in arms[record]
