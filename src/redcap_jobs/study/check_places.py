"""Whether the arms, events and instances that a study file names exist in the project."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping

from redcap_jobs.redcap.project import Event, Project
from redcap_jobs.redcap.records import EventPlace, Place, RepeatPlace
from redcap_jobs.study.config import Study, Visit
from redcap_jobs.study.flaws import Flaw, KeyPath
from redcap_jobs.study.nearest import did_you_mean


def arm_flaws(study: Study, project: Project) -> Iterator[Flaw]:
    """Yield the arms whose number the project does not have."""
    numbers = sorted({event.arm for event in project.events}) or [1]
    for name, arm in study.arms.items():
        if arm.number not in numbers:
            known = ", ".join(str(number) for number in numbers)
            yield Flaw(
                ("arms", name, "number"), f"the project has no arm {arm.number}", f"known: {known}"
            )


def place_flaws(study: Study, project: Project) -> Iterator[Flaw]:
    """Yield what is wrong with where visits stand, and with targets taken from REDCap."""
    for index, visit in enumerate(study.visits):
        if isinstance(visit.at, EventPlace):
            yield from event_place_flaws(index, visit.at, project)
        else:
            yield from repeat_place_flaws(index, visit.at, project)
        if visit.target == "redcap":
            yield from offset_flaws(index, visit, project)
    yield from arms_without_visits(study, project)


def arms_without_visits(study: Study, project: Project) -> Iterator[Flaw]:
    """Warn of the visits that the records of an arm do not have."""
    yield from arms_without("visit", {visit.id: visit.at for visit in study.visits}, project)


def arms_without(noun: str, places: Mapping[str, Place | None], project: Project) -> Iterator[Flaw]:
    """Warn once per arm of the visits, or surveys, that have no event in it.

    Only where some has an event in several arms: where each is in one arm, the arms have schedules
    of their own by design. An event that does not exist is reported already.
    """
    arm_of = {event.unique_name: event.arm for event in project.events}
    arms = {
        name: {arm_of[event] for event in at.events}
        for name, at in places.items()
        if isinstance(at, EventPlace) and all(event in arm_of for event in at.events)
    }
    if all(len(each) == 1 for each in arms.values()):
        return
    for arm in sorted(set(arm_of.values())):
        lacking = [name for name, each in arms.items() if arm not in each]
        if lacking:
            several = noun if len(lacking) == 1 else f"{noun}s"
            verb = "has" if len(lacking) == 1 else "have"
            what = f"{several} {', '.join(lacking)} {verb} no event in arm {arm}"
            hint = "right only if the schedule of that arm is meant to differ"
            yield Flaw((f"{noun}s",), what, hint, warning=True)


def event_place_flaws(index: int, place: EventPlace, project: Project) -> Iterator[Flaw]:
    """Yield events that do not exist, and two in one arm."""
    at = ("visits", index, "at")
    if not project.is_longitudinal:
        hint = 'a visit is an instance of a repeating form: { form = "visit", instance = 1 }'
        yield Flaw(at, "the project has no events", hint)
        return
    yield from unknown_or_several(at, place, project, "a visit is one event per arm")


def unknown_or_several(
    at: KeyPath, place: EventPlace, project: Project, one: str
) -> Iterator[Flaw]:
    """Yield events that do not exist, and several in one arm; ``one`` says why it is one."""
    by_name = {event.unique_name: event for event in project.events}
    for name in place.events:
        if name not in by_name:
            yield Flaw(at, f'no event "{name}"', did_you_mean(name, by_name))
    arms = Counter(by_name[name].arm for name in place.events if name in by_name)
    for arm, count in arms.items():
        if count > 1:
            yield Flaw(at, f"{count} events of arm {arm}: {one}")


def repeat_place_flaws(index: int, place: RepeatPlace, project: Project) -> Iterator[Flaw]:
    """Yield forms that do not exist or do not repeat."""
    at = ("visits", index, "at")
    if project.is_longitudinal:
        hint = 'name the visit\'s event, or one event per arm: ["month_2_arm_1", "month_2_arm_2"]'
        yield Flaw(at, "the project is longitudinal: its visits are events", hint)
    elif place.form not in project.forms:
        yield Flaw(at, f'no instrument "{place.form}"', did_you_mean(place.form, project.forms))
    elif ("", place.form) not in project.repeating:
        yield Flaw(at, f'instrument "{place.form}" is not a repeating instrument')


def offset_flaws(index: int, visit: Visit, project: Project) -> Iterator[Flaw]:
    """Yield why a target cannot come from REDCap's own event offsets, or should be looked at."""
    at = ("visits", index, "target")
    own = (
        'write target = { months = N } or { days = N }, or turn on Scheduling under "Main settings"'
    )
    if not isinstance(visit.at, EventPlace) or not project.is_longitudinal:
        yield Flaw(at, "only events have offsets in REDCap", "write target = { days = N }")
        return
    if not project.info.scheduling_enabled:
        what = "the project's Scheduling module is off, so REDCap gives no event offsets"
        yield Flaw(at, what, own)
        return
    for event in project.events:
        if event.unique_name in visit.at.events:
            yield from event_offset_flaws(index, event, own)
    if offsets_only_number_events(project):
        what = "the events' offsets count 0, 1, 2, … with no days before or after"
        hint = "if they only put the events in order, write the targets and windows here"
        yield Flaw(at, what, hint, warning=True)


def offsets_only_number_events(project: Project) -> bool:
    """Tell whether offsets look like mere order numbers: consecutive days, zero-width windows.

    REDCap sorts events by their offset, and its managers advise such numbers for that.
    """
    arm = project.events[0].arm
    events = [event for event in project.events if event.arm == arm]
    days = [event.day_offset for event in events]
    narrow = all(not event.offset_min and not event.offset_max for event in events)
    counted = (list(range(len(days))), list(range(1, len(days) + 1)))
    return len(days) > 1 and narrow and days in counted


def event_offset_flaws(index: int, event: Event, hint: str) -> Iterator[Flaw]:
    """Yield a missing offset, and one that is negative: REDCap keeps widths as positive days."""
    at = ("visits", index, "target")
    if event.day_offset is None or event.offset_min is None or event.offset_max is None:
        yield Flaw(at, f"REDCap gives no offset for event {event.unique_name}", hint)
    elif event.offset_min < 0 or event.offset_max < 0:
        what = f"event {event.unique_name} has a negative offset; its number of days is taken"
        yield Flaw(at, what, "REDCap counts days before and after as positive", warning=True)
