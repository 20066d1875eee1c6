"""Who may be texted at all: what the study file leaves out, leavers who are back, a paused study."""

from __future__ import annotations

from dataclasses import replace

import pytest
from small_texts import STUDY, bodies, people, why


def test_without_a_word_about_consent_to_texts_nobody_is_texted() -> None:
    """A study file that does not say who agreed says that nobody did."""
    silent = STUDY.replace("may_text = \"[texts] = '1'\"\n", "")
    plan = people("record | texts\n1 | 1", study=silent).plan()
    assert bodies(plan) == {}
    assert why(plan) == {"1": "participants.may_text is not given in the study file"}


@pytest.mark.parametrize(
    ("left_on", "back_on", "texted"),
    [
        ("2026-02-01", "2026-03-02", True),
        ("2026-02-01", "2026-03-03", False),
        ("2026-02-01", "", False),
        ("2026-02-01", "soon", False),
        ("UNK", "", False),
        ("UNK", "2026-03-02", True),
    ],
)
def test_whoever_left_is_texted_from_the_day_they_are_back(
    left_on: str, back_on: str, texted: bool
) -> None:
    """Today counts; what is no date brings nobody back, and a missing-data code counts as left."""
    table = f"record | left_on | back_on\n1 | {left_on} | {back_on}"
    plan = people(table, codes={"UNK": "Unknown"}).plan()
    assert bool(bodies(plan)) is texted
    assert ("off study" in why(plan).get("1", "")) is not texted


@pytest.mark.parametrize(
    ("scope", "subject", "state", "texted"),
    [
        ("study", "", "paused", False),
        ("study", "", "allowed", True),
        ("record", "1", "stopped", False),
        ("record", "1", "held", False),
        ("record", "2", "stopped", True),
    ],
)
def test_what_was_said_of_the_study_or_the_record_holds(
    scope: str, subject: str, state: str, texted: bool
) -> None:
    """The last word about either; the reason is told with it."""
    texts = people("record | name\n1 | Ana")
    stop = {
        "scope": scope,
        "subject": subject,
        "state": state,
        "reason": "asked",
        "source": "person",
    }
    plan = replace(texts, stops=[stop]).plan()
    assert bool(bodies(plan)) is texted
    assert why(plan) == ({} if texted else {"1": f"{state}: asked"})
