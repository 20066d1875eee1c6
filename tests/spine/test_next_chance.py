"""What ``why`` says of a survey's next text, in words."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from redcap_jobs.state.decisions import Decision
from redcap_jobs.study.loading import load_bundled_or_file
from redcap_jobs.why_texts import next_chance

NOON = datetime(2026, 11, 24, 20, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("decision", "reasons", "said"),
    [
        ("completed", "the survey is complete", "none: it is complete"),
        (
            "skipped",
            "lapsed in the pause of 2026-11-20 to 2026-11-22: holidays",
            "none: lapsed in the pause of 2026-11-20 to 2026-11-22: holidays",
        ),
        (
            "skipped",
            "has not agreed to texts",
            "once this is no longer so: has not agreed to texts",
        ),
        ("skipped", "outside the sending hours", "the next run from 2026-11-24 12:00 on"),
        ("upcoming", "due on 2027-09-19", "due on 2027-09-19, within the sending hours"),
    ],
)
def test_the_next_chance_in_words(decision: str, reasons: str, said: str) -> None:
    """What never comes is not promised; what passes by itself is said with its time."""
    found = Decision("send-surveys", "1001", "m2-survey", decision, reasons, "run", NOON)
    study = load_bundled_or_file("ismile")
    assert next_chance(found, study, stopped=False, now=NOON).startswith(said)


def test_a_stop_comes_first() -> None:
    """Whoever asked for no texts gets none, whatever the hour."""
    found = Decision("send-surveys", "1001", "m2-survey", "due", "", "run", NOON)
    said = next_chance(found, load_bundled_or_file("ismile"), stopped=True, now=NOON)
    assert "messages allow" in said
