"""What is written back of calls: the id of a new member, and what did not take effect."""

from __future__ import annotations

import pytest
from small_partner import NOW, PROJECT, STUDY, inputs_of, row

from redcap_jobs.jobs.partner_rows import results
from redcap_jobs.plan import Outcome


def outcome(message: str, state: str, code: str) -> Outcome:
    """Give what became of one call about record 1."""
    return Outcome(
        key=message,
        attempt=1,
        kind="partner",
        record="1",
        message=message,
        occurrence="0",
        state=state,
        reference="AH-7",
        code=code,
        status="",
        at=NOW,
    )


@pytest.mark.parametrize(
    ("message", "state", "code", "expected"),
    [
        ("enrol", "sent", "", {"ag_member_id": "AH-7"}),
        ("arm", "sent", "", {}),
        ("update", "sent", "", {}),
        ("withdraw", "sent", "", {}),
        ("enrol", "rejected", "422", {"ag_error": "enrol: refused by the partner (422)"}),
        ("update", "rejected", "429", {"ag_error": "update: refused by the partner (429)"}),
        (
            "enrol",
            "unknown",
            "",
            {"ag_error": "enrol: nobody knows yet whether it took effect"},
        ),
    ],
)
def test_only_an_enrolment_that_took_effect_gives_an_id(
    message: str, state: str, code: str, expected: dict[str, str]
) -> None:
    """Other calls show the member's id, too, which stands in REDCap already."""
    inputs = inputs_of([row("1")])
    one = outcome(message, state, code)
    written = results(STUDY, [one], PROJECT, inputs.roster)
    assert dict(zip(written["field"], written["new"], strict=True)) == expected
    assert set(written["event"]) <= {"baseline_arm_1"}


def test_of_several_errors_the_last_stays() -> None:
    """One cell holds one sentence."""
    outcomes = [outcome("update", "rejected", "422"), outcome("arm", "rejected", "409")]
    written = results(STUDY, outcomes, PROJECT, inputs_of([row("1")]).roster)
    assert list(written["new"]) == ["arm: refused by the partner (409)"]
