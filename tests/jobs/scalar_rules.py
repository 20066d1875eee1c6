"""The definition set once more, for one person and in plain Python: the tests' second opinion.

Written from the rules and not from the vectorised code; dates are ``datetime.date``, months are
dateutil's. One :class:`Case` is one participant-visit.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta

from dateutil.relativedelta import relativedelta
from visit_tables import Planned


@dataclass(frozen=True)
class Case:
    """What is recorded of one visit."""

    anchor: date | None = None
    done: date | None = None
    form: bool = False
    missed: bool = False
    skipped: bool = False
    applicable: bool = True


@dataclass(frozen=True)
class Answer:
    """Window and state of one visit."""

    state: str
    target: date | None = None
    opens: date | None = None
    closes: date | None = None
    hard_close: date | None = None


def moved(anchor: date, months: int | None, days: int | None) -> date:
    if months is not None:
        return anchor + relativedelta(months=months)
    assert days is not None
    return anchor + timedelta(days=days)


def person(
    plan: list[Planned], cases: list[Case], off_study: date | None, today: date
) -> list[Answer]:
    """Give the answers of one person's visits, in schedule order."""
    applicable = [case.applicable and not case.skipped for case in cases]
    done = [case.done if case.done and case.done <= today else None for case in cases]
    ids = [visit.id for visit in plan]
    targets: list[date | None] = []
    anchors: list[date | None] = []
    for visit, case in zip(plan, cases, strict=True):
        anchor = case.anchor
        if visit.anchored_on:
            before = ids.index(visit.anchored_on)
            anchor = done[before] if applicable[before] else None
            recorded = cases[before].missed and not cases[before].form and not done[before]
            if recorded and applicable[before] and visit.planned_if_missed:
                anchor = targets[before]
        anchors.append(anchor)
        targets.append(moved(anchor, visit.months, visit.days) if anchor else None)
    opens: list[date | None] = []
    for visit, target, counts in zip(plan, targets, applicable, strict=True):
        early = timedelta(days=visit.early or 0)
        opens.append(target - early if target and counts else None)
    answers = []
    for at, (visit, case) in enumerate(zip(plan, cases, strict=True)):
        if not applicable[at]:
            answers.append(Answer("not_applicable"))
            continue
        target, start = targets[at], opens[at]
        if target is None or start is None:
            answers.append(Answer(unscheduled(case, done[at])))
            continue
        end = target + timedelta(days=visit.late or 0)
        limits = [day - timedelta(days=1) for day in opens[at + 1 :] if day][:1]
        if visit.limit_after_close is not None:
            limits.append(end + timedelta(days=visit.limit_after_close))
        anchor = anchors[at]
        if anchor and (visit.limit_days is not None or visit.limit_months is not None):
            limits.append(moved(anchor, visit.limit_months, visit.limit_days))
        last = min(limits) if limits else None
        state = scheduled(case, done[at], start, end, last, off_study, today)
        answers.append(Answer(state, target, start, end, last))
    return answers


def unscheduled(case: Case, done: date | None) -> str:
    """Rules 4, 5 and 9, all that is left without a window."""
    if done:
        return "completed_unclassified"
    if case.form:
        return "completed_undated"
    return "missed_recorded" if case.missed else "not_scheduled"


def scheduled(
    case: Case,
    done: date | None,
    opens: date,
    closes: date,
    last: date | None,
    off_study: date | None,
    today: date,
) -> str:
    """Rules 2 to 13 of a visit with a window."""
    if done:
        if done < opens:
            return "completed_early"
        return "completed_late" if done > closes else "completed_in_window"
    if case.form:
        return "completed_undated"
    if case.missed:
        return "missed_recorded"
    if off_study and off_study <= today:
        if off_study < opens:
            return "not_applicable_off_study"
        return "off_study_in_window" if off_study <= closes else "missed_before_off_study"
    if today < opens:
        return "upcoming"
    if today <= closes:
        return "open"
    return "overdue" if last is None or today <= last else "missed"
