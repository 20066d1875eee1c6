"""Dirty data on purpose: about 3 % of ISMILE's records, each wrong in one way that has a name.

Most of it could not be imported today. It is what projects hold that were validated later, typed
by hand, or moved from elsewhere.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import date, timedelta

from redcap_jobs.sandbox.ismile_participants import FIRST_RECORD, Participant

SHARE = 0.03

Corruption = Callable[[Participant, date], Participant]


def baseline_value(name: str, value: str) -> Corruption:
    """Return a corruption that sets one value at baseline ('' takes it away)."""

    def corrupt(one: Participant, as_of: date) -> Participant:  # noqa: ARG001 - one signature for all
        one.at("baseline")[name] = value
        return one

    return corrupt


def visit_value(visit: str, name: str, value: Callable[[Participant, date], str]) -> Corruption:
    """Return a corruption that sets one value of a visit."""

    def corrupt(one: Participant, as_of: date) -> Participant:
        one.at(visit)[name] = value(one, as_of)
        return one

    return corrupt


def anchor_in_future(one: Participant, as_of: date) -> Participant:
    """Date the anchor after today; the visits held so far stay."""
    one.at("baseline")["anchor_date"] = (as_of + timedelta(days=45)).isoformat()
    return one


def visit_after_off_study(one: Participant, as_of: date) -> Participant:  # noqa: ARG001 - one signature for all
    """Let the participant leave the study before a visit that was held all the same."""
    left = (one.anchor + timedelta(days=200)).isoformat()
    one.at("baseline").update(off_study="1", off_study_date=left, off_study_reason="1")
    return one


def off_study_in_future(one: Participant, as_of: date) -> Participant:
    """Date the end of participation after today."""
    leaves = (as_of + timedelta(days=60)).isoformat()
    one.at("baseline").update(off_study="1", off_study_date=leaves)
    return one


def rows_in_other_arm(one: Participant, as_of: date) -> Participant:  # noqa: ARG001 - one signature for all
    """Enter one visit in the arm that the participant was not randomised to."""
    row = one.rows.pop(next(key for key in one.rows if key.event.startswith("month_4")))
    one.at("month_4", arm=3 - one.arm).update(row)
    return one


def whitespace(one: Participant, as_of: date) -> Participant:  # noqa: ARG001 - one signature for all
    """Put blanks around a name and a date."""
    baseline, month_2 = one.at("baseline"), one.at("month_2")
    baseline["part_first_name"] = f"  {baseline['part_first_name']} "
    month_2["visit_date"] = f" {month_2['visit_date']} "
    return one


def letters_in_record_id(one: Participant, as_of: date) -> Participant:  # noqa: ARG001 - one signature for all
    """Name the record with more than a number."""
    one.record = f"{one.record}-B"
    return one


CORRUPTIONS: Mapping[str, Corruption] = {
    "anchor in another format": baseline_value("anchor_date", "03/09/2018"),
    "anchor impossible": baseline_value("anchor_date", "2018-02-30"),
    "anchor missing": baseline_value("anchor_date", ""),
    "anchor in the future": anchor_in_future,
    "visit in the future": visit_value(
        "month_12", "visit_date", lambda _, as_of: (as_of + timedelta(days=30)).isoformat()
    ),
    "visit before the anchor": visit_value(
        "month_2", "visit_date", lambda one, _: (one.anchor - timedelta(days=20)).isoformat()
    ),
    "visit date is text": visit_value("month_4", "visit_date", lambda *_: "n/a"),
    "visit date with a time": visit_value(
        "month_4", "visit_date", lambda one, _: one.at("month_4")["visit_date"] + " 10:30"
    ),
    "missed and dated": visit_value("month_4", "visit_missed", lambda *_: "1"),
    "visit after off study": visit_after_off_study,
    "off study in the future": off_study_in_future,
    "off study without a date": baseline_value("off_study", "1"),
    "off study date without the flag": visit_value(
        "baseline", "off_study_date", lambda one, _: (one.anchor + timedelta(days=90)).isoformat()
    ),
    "rows in the other arm": rows_in_other_arm,
    "not randomised": baseline_value("rand_group", ""),
    "consent missing": baseline_value("consent___1", ""),
    "language missing": baseline_value("part_language", ""),
    "phone incomplete": baseline_value("part_mobile_number", "617-555"),
    "phone missing": baseline_value("part_mobile_number", ""),
    "whitespace around values": whitespace,
    "letters in the record ID": letters_in_record_id,
}
"""Kind → what it does to a participant who is in order in every other way."""


def dirty_positions(participants: int) -> dict[str, list[int]]:
    """Return kind → places (from 0) among the participants; the seed has no say in it.

    A study too small for every kind at 3 % has each kind once, spread out; one with fewer than
    three participants per kind has only the first kinds.
    """
    kinds = list(CORRUPTIONS)[: participants // 3]
    if not kinds:
        return {}
    copies = max(1, round(participants * SHARE / len(kinds)))
    step = participants // (copies * len(kinds))
    places = [step * turn + step // 2 for turn in range(copies * len(kinds))]
    return {kind: places[turn :: len(kinds)] for turn, kind in enumerate(kinds)}


def dirty_records(participants: int = 850) -> dict[str, tuple[str, ...]]:
    """Return kind → record ids, for tests and for the documentation."""
    suffix = {"letters in the record ID": "-B"}
    return {
        kind: tuple(f"{FIRST_RECORD + place}{suffix.get(kind, '')}" for place in places)
        for kind, places in dirty_positions(participants).items()
    }


DIRTY = dirty_records()
"""Kind → record ids in a study of 850, the sandbox's default."""
