"""Arms and events as values: imports, deletions, and the switch that makes a project longitudinal.

Recorded from real servers: a classic project takes arms and events, and shows them once it is
switched longitudinal; it is longitudinal only while it has events; switching back and forth loses
nothing (tests of redcapAPI against a server).
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import count
from string import ascii_lowercase

from redcap_jobs.sandbox.dictionary import slug
from redcap_jobs.sandbox.import_formats import Row
from redcap_jobs.sandbox.parameters import Refusal
from redcap_jobs.sandbox.structure import CLASSIC, Arm, Event, Schedule, Structure


def is_switched(structure: Structure) -> bool:
    """Tell whether the project's settings say longitudinal, events or not."""
    return structure.is_longitudinal if structure.longitudinal is None else structure.longitudinal


def schedule_of(structure: Structure) -> Schedule:
    """Return arms and events, in use or waiting for the switch."""
    if not is_switched(structure):
        return structure.waiting
    return Schedule(structure.arms, structure.events, structure.mapping, structure.repeating)


def with_schedule(structure: Structure, schedule: Schedule) -> Structure:
    """Return the structure with these arms and events, in use or waiting for the switch."""
    if not is_switched(structure):
        return replace(structure, longitudinal=False, waiting=schedule)
    repeating = schedule.repeating
    if schedule.events:
        repeating = on_event(repeating, CLASSIC, schedule.events[0].unique_name)
    return replace(
        structure,
        longitudinal=True,
        arms=schedule.arms,
        events=schedule.events,
        mapping=schedule.mapping,
        repeating=repeating,
    )


def switched(structure: Structure, *, on: bool) -> Structure:
    """Return the structure after a change of the switch.

    Going longitudinal, what repeats in the classic project repeats on the first event, which also
    has all forms if none was designated yet; going classic is the reverse (own answers).
    """
    if on == is_switched(structure):
        return replace(structure, longitudinal=on)
    if not on:
        first = structure.events[0].unique_name if structure.events else CLASSIC
        forms = {pair: label for pair, label in structure.repeating.items() if pair[1]}
        return replace(
            structure,
            longitudinal=False,
            arms=(),
            events=(),
            mapping=frozenset(),
            repeating=on_event(only_on(forms, first), first, CLASSIC),
            waiting=set_aside(structure),
        )
    waiting = structure.waiting
    schedule = replace(waiting, repeating={**waiting.repeating, **structure.repeating})
    if schedule.events and not schedule.mapping:
        schedule = replace(schedule, mapping=all_forms_on_first(structure, schedule.events))
    return with_schedule(replace(structure, longitudinal=True, waiting=Schedule()), schedule)


def set_aside(structure: Structure) -> Schedule:
    """Return arms and events of a longitudinal project, what waits for lost forms included."""
    used, waiting = schedule_of(structure), structure.waiting
    return replace(
        used,
        mapping=used.mapping | waiting.mapping,
        repeating={**waiting.repeating, **used.repeating},
    )


def all_forms_on_first(structure: Structure, events: Sequence[Event]) -> frozenset[tuple[str, str]]:
    """Return the mapping of every form to the first event."""
    return frozenset((events[0].unique_name, form.name) for form in structure.forms)


def only_on(repeating: Mapping[tuple[str, str], str], event: str) -> dict[tuple[str, str], str]:
    """Return what repeats on one event."""
    return {pair: label for pair, label in repeating.items() if pair[0] == event}


def on_event(
    repeating: Mapping[tuple[str, str], str], old: str, new: str
) -> dict[tuple[str, str], str]:
    """Return what repeats, with one event under another name."""
    return {
        (new if event == old else event, form): text for (event, form), text in repeating.items()
    }


def import_arms(schedule: Schedule, rows: Sequence[Row], *, override: bool) -> Schedule:
    """Return the schedule with arms added or renamed; ``override`` begins with none of anything."""
    base = Schedule() if override else schedule
    arms = {arm.number: arm for arm in base.arms}
    for row in rows:
        number = whole_number(row, "arm_num")
        name = row.get("name", "") or (arms[number].name if number in arms else "")
        if not name:
            raise Refusal(400, f"The arm {number} has no name")
        arms[number] = Arm(number, name)
    return replace(base, arms=tuple(arms[number] for number in sorted(arms)))


@dataclass
class EventImport:
    """Events being added and changed; ``renamed`` maps old unique names to new ones."""

    schedule: Schedule
    next_id: int
    renamed: dict[str, str] = field(default_factory=dict)

    def take(self, row: Row) -> None:
        """Add an event, or change the one whose unique name is given and known."""
        named = row.get("unique_event_name", "")
        known = next((one for one in self.schedule.events if one.unique_name == named), None)
        name = row.get("event_name", "") or (known.name if known else "")
        if not name:
            raise Refusal(400, "Every event needs an event_name")
        arm = whole_number(row, "arm_num") if row.get("arm_num") or not known else known.arm
        if arm not in {one.number for one in self.schedule.arms}:
            raise Refusal(400, f"The following values of arm_num do not exist: {arm}")
        others = tuple(one for one in self.schedule.events if one is not known)
        unique = unique_event_name(name, arm, {one.unique_name for one in others})
        if known and (known.name, known.arm) == (name, arm):
            unique = known.unique_name
        event = Event(
            unique,
            name,
            arm,
            offset(row, "day_offset", known.day_offset if known else next_offset(others, arm)),
            offset(row, "offset_min", known.offset_min if known else 0),
            offset(row, "offset_max", known.offset_max if known else 0),
            row.get("custom_event_label", known.label if known else ""),
            known.event_id if known else self.next_id,
        )
        self.next_id += known is None
        if known and (known.arm, known.day_offset) == (event.arm, event.day_offset):
            events = tuple(event if one is known else one for one in self.schedule.events)
        else:
            events = inserted(others, event)
        self.schedule = replace(self.schedule, events=events)
        if known and known.unique_name != unique:
            self.rename(known.unique_name, unique)

    def rename(self, old: str, new: str) -> None:
        """Carry a unique name's change into mapping and repeating set-up."""
        before = next((first for first, now in self.renamed.items() if now == old), old)
        self.renamed[before] = new
        self.schedule = replace(
            self.schedule,
            mapping=frozenset(
                (new if event == old else event, form) for event, form in self.schedule.mapping
            ),
            repeating=on_event(self.schedule.repeating, old, new),
        )


def without_events(schedule: Schedule, gone: Collection[str]) -> Schedule:
    """Return the schedule without some events and all that is set up for them."""
    return replace(
        schedule,
        events=tuple(one for one in schedule.events if one.unique_name not in gone),
        mapping=frozenset(pair for pair in schedule.mapping if pair[0] not in gone),
        repeating={pair: text for pair, text in schedule.repeating.items() if pair[0] not in gone},
    )


def inserted(events: Sequence[Event], event: Event) -> tuple[Event, ...]:
    """Return the events with one more, by arm, then by its day offset."""
    before = [
        place + 1
        for place, one in enumerate(events)
        if one.arm < event.arm or (one.arm == event.arm and one.day_offset <= event.day_offset)
    ]
    place = max(before, default=0)
    return (*events[:place], event, *events[place:])


def next_offset(events: Sequence[Event], arm: int) -> int:
    """Return the day offset of an event imported without one: the next in its arm.

    In the files of projects without Scheduling the offsets are mere order numbers.
    """
    return max((one.day_offset for one in events if one.arm == arm), default=0) + 1


def unique_event_name(name: str, arm: int, taken: Collection[str]) -> str:
    """Return ``<18 signs of the name>_arm_<number>``, and ``b``, ``c``, ... after it if taken.

    A name without any Latin letter or digit gives ``event`` (own answer).
    """
    base = f"{slug(name) or 'event'}_arm_{arm}"
    return next(one for one in (base + letters for letters in suffixes()) if one not in taken)


def suffixes() -> Iterator[str]:
    """Yield '', b, c, ... z, then 2, 3, ..."""
    yield ""
    yield from ascii_lowercase[1:]
    yield from map(str, count(2))


def whole_number(row: Row, name: str) -> int:
    """Return a cell that must be a whole number."""
    text = row.get(name, "").strip()
    if not text.isdecimal():
        raise Refusal(400, f"The value of {name} must be a whole number, not '{text}'")
    return int(text)


def offset(row: Row, name: str, default: int) -> int:
    """Return an offset in days; a blank one is the default."""
    text = row.get(name, "").strip()
    if not text:
        return default
    try:
        return int(float(text))
    except (ValueError, OverflowError):
        raise Refusal(400, f"The value of {name} must be a number, not '{text}'") from None
