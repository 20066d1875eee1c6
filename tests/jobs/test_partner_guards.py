"""What refuses a plan for the partner as a whole: too much at once, or a list that shrank."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import pytest
from small_partner import NOW, STUDY, call, inputs_of, member, row, with_partner

from redcap_jobs.errors import GuardRefused
from redcap_jobs.guards import GuardContext, blast_radius
from redcap_jobs.jobs import poll_participants, sync_agile
from redcap_jobs.partner_guards import few_at_once, members_are_whole, one_partner
from redcap_jobs.plan import Inputs, Plan

GuardOf = Callable[[Plan, GuardContext], Plan]


def refusal(
    guard: GuardOf,
    plan: Plan,
    inputs: Inputs,
    before: Mapping[str, int] | None = None,
    allow: Mapping[str, str] | None = None,
) -> str:
    """Give the name of the guard that refused; '' where it let the plan pass."""
    context = GuardContext(
        STUDY, inputs, inputs.roster, frozenset(), before or {}, allow or {}, whole=True
    )
    try:
        guard(plan, context)
    except GuardRefused as refused:
        return refused.guard
    return ""


def polled(changed: int, **values: str) -> tuple[Plan, Inputs]:
    """Plan for so many members with these values, and one as it was told."""
    ids = [str(number) for number in range(changed + 1)]
    rows = [row(each, ag_member_id=f"AH-{each}", **values) for each in ids[1:]]
    rows.append(row("0", ag_member_id="AH-0"))
    inputs = inputs_of(rows, [], with_partner(*ids), job=poll_participants)
    assert STUDY.partner is not None
    return poll_participants.plan(STUDY, inputs, inputs.as_of), inputs  # type: ignore[arg-type]  # given above


@pytest.mark.parametrize(
    ("values", "name", "limit"),
    [({"off_study": "1"}, "withdrawals", 10), ({"part_first_name": "Finch"}, "updates", 100)],
)
def test_no_more_than_the_limit_is_told_at_once(
    values: dict[str, str], name: str, limit: int
) -> None:
    """As many as the limit pass, one more is refused, and is allowed by name and number."""
    assert refusal(few_at_once, *polled(limit, **values)) == ""
    plan, inputs = polled(limit + 1, **values)
    assert refusal(few_at_once, plan, inputs) == name
    assert refusal(few_at_once, plan, inputs, allow={name: str(limit + 1)}) == ""
    assert refusal(few_at_once, plan, inputs, allow={name: str(limit)}) == name


def test_what_stands_there_already_is_no_withdrawal() -> None:
    """A lost state takes over everybody who left; the partner is told nothing."""
    rows = [row(str(n), ag_member_id=f"AH-{n}", off_study="1") for n in range(11)]
    members = [member(str(n), status="withdrawn") for n in range(11)]
    inputs = inputs_of(rows, members, job=poll_participants)
    plan = poll_participants.plan(STUDY, inputs, inputs.as_of)  # type: ignore[arg-type]  # given above
    assert sum(each.adopts and each.call == "withdraw" for each in plan.actions) == 11  # type: ignore[attr-defined]  # calls all
    assert refusal(few_at_once, plan, inputs) == ""


@pytest.mark.parametrize(
    ("listed", "before", "enrolled", "refused"),
    [
        (0, 0, 0, False),
        (0, 1, 0, True),
        (0, 0, 1, True),
        (8, 10, 0, True),
        (9, 10, 0, False),
        (8, 0, 10, True),
        (9, 5, 10, False),
    ],
)
def test_a_list_that_shrank_is_an_error(
    listed: int, before: int, enrolled: int, *, refused: bool
) -> None:
    """Against the last good run and against the journal: an empty state is no excuse."""
    inputs = inputs_of(
        [row("1")],
        [member(str(n)) for n in range(listed)],
        [call(str(n)) for n in range(enrolled)],
    )
    plan = sync_agile.plan(STUDY, inputs, inputs.as_of)  # type: ignore[arg-type]  # given above
    said = {"members_read": before}
    assert refusal(members_are_whole, plan, inputs, said) == ("members" if refused else "")
    assert refusal(members_are_whole, plan, inputs, said, {"members": str(listed)}) == ""


def test_another_partners_list_is_not_measured_by_the_formers() -> None:
    """Nobody is with it yet, and as many as are from then on."""
    former = [call(str(n), partner="agile") for n in range(10)]
    before = {"members_read": 10}
    for own, refused in (0, ""), (10, "members"):
        journal = [*former, *(call(str(n), partner="next") for n in range(own))]
        inputs = inputs_of([row("1")], [], journal, partner="next")
        plan = sync_agile.plan(STUDY, inputs, NOW)
        assert refusal(members_are_whole, plan, inputs, before) == refused


@pytest.mark.parametrize(
    ("former", "own", "allow", "refused"),
    [
        (0, 0, {}, ""),
        (3, 0, {}, "partner"),
        (3, 0, {"partner": "next"}, ""),
        (3, 0, {"partner": "agile"}, "partner"),
        (3, 1, {}, ""),
    ],
)
def test_another_partner_is_begun_with_on_a_persons_word(
    former: int, own: int, allow: dict[str, str], refused: str
) -> None:
    """Once, by its name; who is with it already goes on."""
    journal = [call(str(n), partner="agile") for n in range(former)]
    journal += [call(str(n), partner="next") for n in range(own)]
    rows = [row(str(n)) for n in range(5)]
    inputs = inputs_of(rows, [], journal, job=poll_participants, partner="next")
    plan = poll_participants.plan(STUDY, inputs, NOW)
    assert len(plan.actions) > 0
    assert refusal(one_partner, plan, inputs, allow=allow) == refused


def test_nothing_to_tell_is_no_beginning() -> None:
    """A run that calls nobody needs no word."""
    former = [call("1", partner="agile")]
    inputs = inputs_of([row("1", consent___1="0")], [], former, job=poll_participants, partner="n")
    plan = poll_participants.plan(STUDY, inputs, NOW)
    assert (len(plan.actions), refusal(one_partner, plan, inputs)) == (0, "")


def test_a_cohort_that_goes_on_by_a_week_is_no_mistake() -> None:
    """The partner's word on everybody changes at once, and so do the stamps: it is copied."""
    ids = [str(number) for number in range(150)]
    here = {"ag_status": "2", "ag_program_week": "3", "ag_synced_at": "2026-11-17 12:00:00"}
    inputs = inputs_of(
        [row(each, ag_member_id=f"AH-{each}", **here) for each in ids],
        [member(each, status="active", programWeek="4") for each in ids],
        with_partner(*ids),
    )
    plan = sync_agile.plan(STUDY, inputs, inputs.as_of)  # type: ignore[arg-type]  # given above
    assert len(plan.changes) == 300
    assert refusal(blast_radius, plan, inputs) == ""
