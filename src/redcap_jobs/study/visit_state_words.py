"""One plain sentence for every state and flag of a visit, for people who read them in a report.

The words are the trial field's: overdue is not missed (ScienceTrax, Sealed Envelope), out of
window is a possible protocol deviation that a person judges (ICH E3 Q&A 7), both ends of a window
belong to it (ADaM's AWLO and AWHI).
"""

from __future__ import annotations

STATE_WORDS = {
    "not_applicable": (
        "the visit is not in this participant's schedule, was skipped as the protocol allows, or "
        "the participant no longer takes part"
    ),
    "completed_in_window": "the visit was held on a day of its window",
    "completed_early": "the visit was held before its window opened: out of window, a possible "
    "protocol deviation",
    "completed_late": "the visit was held after its window closed: out of window, a possible "
    "protocol deviation",
    "completed_undated": "the visit's form is complete, but no completion date says when it was "
    "held: query the site",
    "completed_unclassified": "the visit has a completion date, but without an anchor date there "
    "is no window to compare it with: query the site",
    "missed_recorded": "somebody recorded in REDCap that the visit was missed",
    "not_applicable_off_study": "the participant went off study before the window opened, so the "
    "visit is not expected",
    "missed_before_off_study": "the window closed without the visit, and the participant went off "
    "study later",
    "off_study_in_window": "the participant went off study while the window was open: neither "
    "missed nor overdue",
    "not_scheduled": "there is no anchor date (or the visit it counts from was not held), so there "
    "is no window yet",
    "upcoming": "the window has not opened yet",
    "open": "the window is open and the visit was not held yet",
    "overdue": "the window has closed without the visit, which can still be held",
    "missed": "the window and its hard close have passed without the visit, which is no longer "
    "to be held",
}
"""State → what it means for the participant's visit."""

FLAG_WORDS = {
    "opens_soon": "the window opens within the days that the study file calls soon",
    "past_target": "the target date has passed, the window is still open",
    "closing_soon": "the window closes within the days that the study file calls soon",
    "off_study": "the participant is off study, though no window lets the state say so",
    "off_study_undated": "the participant is said to be off study, but no date says since when",
    "missed_and_complete": "the visit is recorded as missed although its form is complete",
    "between_windows": "the completion date lies in no visit's window",
    "in_other_window": "the completion date lies in another visit's window",
    "not_nearest_to_target": "another date in the same window is nearer to its target",
    "done_in_future": "the completion date lies in the future and counts as absent until then",
    "done_before_anchor": "the completion date lies before the anchor date",
    "done_after_off_study": "the completion date lies after the off-study date",
    "anchor_in_future": "the anchor date lies in the future",
    "done_and_missed": "the visit has a completion date and is recorded as missed",
    "done_not_applicable": "the visit has a completion date but is not applicable",
    "windows_overlap": "the window has days in common with another visit's",
}
"""Flag → what is to be said beside the state."""
