"""The names of the states of a participant's visit; imports nothing, so anything may import it."""

from __future__ import annotations

VISIT_STATES = (
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
"""Every state, in the order of the rules that tell them apart.

The state field's choices, if it has any, include these.
"""
