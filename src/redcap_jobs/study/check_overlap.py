"""Whether the windows that REDCap's own event offsets give overlap for every record."""

from __future__ import annotations

from collections.abc import Iterator

from redcap_jobs.redcap.project import Event, Project
from redcap_jobs.redcap.records import EventPlace
from redcap_jobs.study.config import Offset, Study, Visit, Window
from redcap_jobs.study.flaws import Flaw
from redcap_jobs.study.overlap import Variant, compatible, overlaps

FARTHEST = 36_525
"""Days from the anchor: an offset beyond a hundred years is a slip, and no window is compared."""


def overlap_flaws(study: Study, project: Project) -> Iterator[Flaw]:
    """Warn once per visit of the earlier ones whose windows its own overlaps for every record.

    Visits of which neither takes its target from REDCap are judged when the file is loaded.
    """
    for index, later in enumerate(study.visits):
        overlapped = [
            f'"{earlier.id}"'
            for earlier in study.visits[:index]
            if "redcap" in (earlier.target, later.target)
            and earlier.anchor == later.anchor
            and always_overlap(study, project, earlier, later)
        ]
        if overlapped:
            noun = "visit" if len(overlapped) == 1 else "visits"
            what = (
                f'the window of visit "{later.id}" overlaps that of {noun} '
                f"{', '.join(overlapped)} for every record"
            )
            hint = "correct days offset and range under Define My Events, or write them here"
            yield Flaw(("visits", index, "target"), what, hint, warning=True)


def always_overlap(study: Study, project: Project, first: Visit, second: Visit) -> bool:
    """Tell whether two visits' windows share a day in every arm that has both."""
    events = event_of_arm(first, project), event_of_arm(second, project)
    both = []
    for arm in events[0].keys() & events[1].keys():
        one, other = (
            variants_on(study, visit, of_arm[arm])
            for visit, of_arm in zip((first, second), events, strict=True)
        )
        if not one or not other:
            return False
        both += compatible(one, other)
    return bool(both) and all(overlaps(*pair) for pair in both)


def event_of_arm(visit: Visit, project: Project) -> dict[int, Event]:
    """Return a visit's event in each arm that has one."""
    names = visit.at.events if isinstance(visit.at, EventPlace) else ()
    return {event.arm: event for event in project.events if event.unique_name in names}


def variants_on(study: Study, visit: Visit, event: Event) -> list[Variant]:
    """Return a visit's targets and widths on one event, as a run takes them.

    Widths in REDCap are numbers of days whatever their sign. Nothing if some target is not known.
    """
    days = event.day_offset
    given = days is not None and abs(days) <= FARTHEST
    target = visit.target if isinstance(visit.target, Offset) else None
    if target is None and given:
        target = Offset(days=days)
    windows = visit.windows
    if not windows:
        early, late = abs(event.offset_min or 0), abs(event.offset_max or 0)
        windows = (Window(early=early, late=late),)
    found: list[Variant] = []
    for window in windows:
        if window.arm is not None and study.arms[window.arm].number != event.arm:
            continue
        own = window.target or target
        if own is None:
            return []
        found.append((own, window))
    return found
