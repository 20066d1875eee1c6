"""What holds for every schedule and every record, and a scalar second opinion on all of it."""

from __future__ import annotations

import itertools
from datetime import date, timedelta

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from scalar_rules import Answer, Case, person
from visit_tables import Planned, Row, facts_of, schedule_of

from redcap_jobs.jobs.visit_flags import FLAGS, flags, overlaps, words
from redcap_jobs.jobs.visit_states import CLOSED, COMPLETED, PENDING, STATES, Classified, classify

DAY_ONE = date(2019, 11, 1)
days = st.integers(0, 900).map(lambda count: DAY_ONE + timedelta(days=count))
maybe_day = st.none() | days
spans = st.integers(0, 40)


@st.composite
def plans(draw: st.DrawFn) -> list[Planned]:
    """1 to 5 visits, in months or days, some anchored on an earlier visit."""
    visits: list[Planned] = []
    for at in range(draw(st.integers(1, 5))):
        in_months = draw(st.booleans())
        limit = draw(st.sampled_from(["", "limit_after_close", "limit_days", "limit_months"]))
        limits = {limit: draw(st.integers(0, 30 if limit == "limit_months" else 400))}
        before = draw(st.sampled_from(["", *(visit.id for visit in visits)]))
        visits.append(
            Planned(
                f"v{at}",
                months=draw(st.integers(0, 24)) if in_months else None,
                days=None if in_months else draw(st.integers(0, 500)),
                early=draw(spans),
                late=draw(spans),
                anchored_on=before,
                planned_if_missed=bool(before) and draw(st.booleans()),
                applicable=draw(st.sampled_from([True, True, True, False])),
                **({} if not limit else limits),
            )
        )
    return visits


Person = tuple[list[Case], date | None, date]


@st.composite
def people(draw: st.DrawFn, plan: list[Planned]) -> Person:
    anchor = draw(maybe_day)
    cases = [
        Case(
            anchor=None if visit.anchored_on else anchor,
            done=draw(maybe_day),
            form=draw(st.booleans()),
            missed=draw(st.sampled_from([False, False, True])),
            skipped=draw(st.sampled_from([False, False, False, True])),
            applicable=visit.applicable,
        )
        for visit in plan
    ]
    return cases, draw(maybe_day), draw(days)


@st.composite
def studies(draw: st.DrawFn) -> tuple[list[Planned], list[Person]]:
    plan = draw(plans())
    return plan, draw(st.lists(people(plan), min_size=1, max_size=6))


def rows_of_people(plan: list[Planned], group: list[Person]) -> list[Row]:
    def text(value: date | None) -> str:
        return value.isoformat() if value else ""

    return [
        {
            "person": str(number),
            "visit": visit.id,
            "anchor": text(case.anchor),
            "done": text(case.done),
            "form": "2" if case.form else "0",
            "missed": "yes" if case.missed else "",
            "skipped": "yes" if case.skipped else "",
            "off_study": text(off_study),
            "today": text(today),
        }
        for number, (cases, off_study, today) in enumerate(group)
        for visit, case in zip(plan, cases, strict=True)
    ]


def classified(plan: list[Planned], group: list[Person]) -> Classified:
    facts, _ = facts_of(rows_of_people(plan, group), plan)
    return classify(schedule_of(plan), facts)


def answers(found: Classified) -> list[list[Answer]]:
    """Give the vectorised answers in the scalar rules' form."""
    dates = (
        getattr(found.windows, name).astype(object).tolist()
        for name in ("target", "opens", "closes", "hard_close")
    )
    return [
        [Answer(STATES[code], *cell) for code, *cell in zip(codes, *cells, strict=True)]
        for codes, *cells in zip(found.state.tolist(), *dates, strict=True)
    ]


@given(studies())
def test_vectorised_and_scalar_rules_agree(study: tuple[list[Planned], list[Person]]) -> None:
    """Windows and states equal those of an independent reading of the rules."""
    plan, group = study
    assert answers(classified(plan, group)) == [person(plan, *one) for one in group]


@given(studies())
def test_every_participant_visit_is_in_exactly_one_state(
    study: tuple[list[Planned], list[Person]],
) -> None:
    """The rules exhaust all cases: a code of STATES everywhere, never the unset -1."""
    found = classified(*study)
    assert ((found.state >= 0) & (found.state < len(STATES))).all()


@given(studies())
def test_dates_are_in_order(study: tuple[list[Planned], list[Person]]) -> None:
    """O <= T <= C; a target, an opening and a close are there together or not at all."""
    found = classified(*study).windows
    known = ~np.isnat(found.target)
    assert (known == ~np.isnat(found.opens)).all()
    assert (known == ~np.isnat(found.closes)).all()
    assert (found.opens <= found.target)[known].all()
    assert (found.target <= found.closes)[known].all()
    assert not (~np.isnat(found.hard_close) & ~known).any()


@given(studies())
def test_a_hard_close_lies_before_the_next_opening(
    study: tuple[list[Planned], list[Person]],
) -> None:
    """No two consecutive windows can both be collected on one day after the first one's close."""
    found = classified(*study).windows
    for opens, limits in zip(found.opens, found.hard_close, strict=True):
        known = [at for at, day in enumerate(opens) if not np.isnat(day)]
        for at, following in itertools.pairwise(known):
            assert limits[at] < opens[following]


@given(studies(), st.integers(0, 2000))
def test_time_alone_never_leaves_a_closed_state(
    study: tuple[list[Planned], list[Person]], later_days: int
) -> None:
    """Completed, missed or off study stays so while nothing is recorded or corrected."""
    plan, group = study
    settled = [(cases, off, now) for cases, off, now in group if _all_past(cases, off, now)]
    later = [(cases, off, now + timedelta(days=later_days)) for cases, off, now in settled]
    if not settled:
        return
    before, after = classified(plan, settled).state, classified(plan, later).state
    closed = np.isin(before, [STATES.index(name) for name in CLOSED])
    assert (before == after)[closed].all()


def _all_past(cases: list[Case], off_study: date | None, today: date) -> bool:
    """Give whether no recorded date is still to come, which time alone would bring to bear."""
    dates = [off_study, *(case.done for case in cases), *(case.anchor for case in cases)]
    return all(day <= today for day in dates if day)


@given(studies())
def test_a_person_off_study_is_asked_for_nothing(
    study: tuple[list[Planned], list[Person]],
) -> None:
    """From the off-study date on there is no pending visit, nor any state that would be one."""
    plan, group = study
    left = [(cases, now, now) for cases, _, now in group]
    found = classified(plan, left)
    assert (found.pending == -1).all()
    assert not np.isin(found.state, [STATES.index(name) for name in PENDING]).any()


@given(studies())
def test_deviation_is_there_exactly_for_early_and_late(
    study: tuple[list[Planned], list[Person]],
) -> None:
    """A deviation is 1 day or more, and only completed_early and completed_late have one."""
    found = classified(*study)
    outside = np.isin(found.state, [STATES.index(f"completed_{end}") for end in ("early", "late")])
    assert (~np.isnat(found.deviation) == outside).all()
    assert (found.deviation[outside] >= np.timedelta64(1, "D")).all()


@given(studies(), spans, spans)
def test_sub_flags_only_refine_their_state(
    study: tuple[list[Planned], list[Person]], soon: int, closing: int
) -> None:
    """``opens_soon`` only beside upcoming, ``past_target`` and ``closing_soon`` beside open."""
    plan, group = study
    facts, _ = facts_of(rows_of_people(plan, group), plan)
    found = classify(schedule_of(plan), facts)
    bits = flags(found, facts, opens_soon_days=soon, closing_soon_days=closing)
    for code, flag_bits in zip(found.state.ravel().tolist(), bits.ravel().tolist(), strict=True):
        said = set(words(flag_bits))
        if STATES[code] != "upcoming":
            assert "opens_soon" not in said
        if STATES[code] != "open":
            assert not said & {"past_target", "closing_soon"}


@given(studies())
def test_overlaps_are_found_as_shared_days(study: tuple[list[Planned], list[Person]]) -> None:
    """Two windows overlap where their sets of days meet."""
    found = classified(*study).windows
    marks = overlaps(found)
    for row in range(marks.shape[0]):
        sets = [
            set(np.arange(opens, closes + 1)) if not np.isnat(opens) else set()
            for opens, closes in zip(found.opens[row], found.closes[row], strict=True)
        ]
        for visit, window in enumerate(sets):
            others = sets[:visit] + sets[visit + 1 :]
            assert marks[row, visit] == any(window & other for other in others)


def test_the_states_are_the_definition_sets_own_words() -> None:
    """Word for word: study files, reports and REDCap choices carry these names."""
    assert STATES == (
        "not_applicable",
        "completed_in_window",
        "completed_early",
        "completed_late",
        "completed_undated",
        "completed_unclassified",
        "missed_recorded",
        "not_applicable_off_study",
        "missed_before_off_study",
        "off_study_in_window",
        "not_scheduled",
        "upcoming",
        "open",
        "overdue",
        "missed",
    )
    assert len(set(FLAGS)) == len(FLAGS)
    assert COMPLETED < CLOSED < set(STATES)
