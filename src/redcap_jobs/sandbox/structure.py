"""What a project is made of, apart from its data: forms, fields, arms, events, groups."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property

from redcap_jobs.sandbox.dictionary import Column, Field, checkbox_column, status_column

CLASSIC = ""
"""The event name of a classic project's rows."""
NO_MISSING = re.compile(r"@NOMISSING(?![\w-])")
"""The action tag of fields that take no missing-data codes."""


@dataclass(frozen=True)
class Form:
    """An instrument: unique name and label; a survey has the attributes of its settings.

    ``survey_attributes`` are those of the project XML: title, instructions, acknowledgement, ...
    """

    name: str
    label: str
    survey: bool = False
    survey_attributes: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Arm:
    """An arm of a longitudinal project."""

    number: int
    name: str


@dataclass(frozen=True)
class Event:
    """An event of one arm. Offsets in days from the anchor; REDCap always has them stored."""

    unique_name: str
    name: str
    arm: int
    day_offset: int = 0
    offset_min: int = 0
    offset_max: int = 0
    label: str = ""
    event_id: int = 0


@dataclass(frozen=True)
class Dag:
    """A data access group; ``group_id`` prefixes the record names its users are given."""

    name: str
    unique_name: str
    group_id: int


@dataclass(frozen=True)
class Schedule:
    """Arms, events, which forms they have and what of them repeats; as in :class:`Structure`."""

    arms: tuple[Arm, ...] = ()
    events: tuple[Event, ...] = ()
    mapping: frozenset[tuple[str, str]] = frozenset()
    repeating: Mapping[tuple[str, str], str] = field(default_factory=dict)


@dataclass(frozen=True)
class Structure:
    """Everything about a project that the dictionary and the designer decide.

    ``mapping`` holds (event, form) pairs; ``repeating`` maps (event, form) to the custom label,
    form '' meaning that the whole event repeats and event '' standing for a classic project.

    ``longitudinal`` is the switch in the project's settings, None standing for what the events
    say. While it is off, arms and events that were imported wait in ``waiting``.
    """

    fields: tuple[Field, ...]
    forms: tuple[Form, ...]
    arms: tuple[Arm, ...] = ()
    events: tuple[Event, ...] = ()
    mapping: frozenset[tuple[str, str]] = frozenset()
    repeating: Mapping[tuple[str, str], str] = field(default_factory=dict)
    dags: tuple[Dag, ...] = ()
    missing_data_codes: Mapping[str, str] = field(default_factory=dict)
    longitudinal: bool | None = None
    waiting: Schedule = field(default_factory=Schedule)

    @property
    def record_id_field(self) -> str:
        """Return the first field of the dictionary: it holds the record's name."""
        return self.fields[0].name

    @property
    def is_longitudinal(self) -> bool:
        """Tell whether the project has events: the switch alone makes it none (as recorded)."""
        return bool(self.events)

    @cached_property
    def field_by_name(self) -> dict[str, Field]:
        """Return field name → field."""
        return {one.name: one for one in self.fields}

    @cached_property
    def columns(self) -> tuple[Column, ...]:
        """Return every export column: per form its fields, its status last.

        Behind a checkbox's options stand the project's missing-data codes.
        """
        columns: list[Column] = []
        for form in self.forms:
            for one in self.fields:
                if one.form == form.name:
                    columns.extend(one.columns)
                    columns.extend(self.code_columns.get(one.name, ()))
            columns.append(status_column(form.name))
        return tuple(columns)

    @cached_property
    def code_columns(self) -> dict[str, tuple[Column, ...]]:
        """Return checkbox field → a column for each of the project's missing-data codes.

        As exports of three projects name them, one through the API (their published R scripts).
        A code that is an option has the option's column.
        """
        found: dict[str, tuple[Column, ...]] = {}
        for one in self.fields if self.missing_data_codes else ():
            if one.type == "checkbox" and not NO_MISSING.search(one.annotation):
                options = {column.name for column in one.columns}
                names = {checkbox_column(one.name, code): code for code in self.missing_data_codes}
                found[one.name] = tuple(
                    Column(name, one.form, one.name, "checkbox", code)
                    for name, code in names.items()
                    if name not in options
                )
        return found

    def option_label(self, column: Column) -> str:
        """Return the words for a checkbox's column: those of its option, or missing-data code."""
        labels = self.field_by_name[column.field].labels
        return labels.get(column.code, self.missing_data_codes.get(column.code, column.code))

    @cached_property
    def column_by_name(self) -> dict[str, Column]:
        """Return export column name → column."""
        return {column.name: column for column in self.columns}

    @cached_property
    def checkbox_columns(self) -> frozenset[str]:
        """Return the names of the columns that are an option of a checkbox."""
        return frozenset(column.name for column in self.columns if column.kind == "checkbox")

    @cached_property
    def form_order(self) -> dict[str, int]:
        """Return form name → its place in the dictionary."""
        return {form.name: place for place, form in enumerate(self.forms)}

    @cached_property
    def event_order(self) -> dict[str, int]:
        """Return event name → its place; a classic project has the one event ''."""
        if not self.events:
            return {CLASSIC: 0}
        return {event.unique_name: place for place, event in enumerate(self.events)}

    @cached_property
    def event_by_name(self) -> dict[str, Event]:
        """Return unique event name → event; empty for a classic project."""
        return {event.unique_name: event for event in self.events}

    @cached_property
    def dag_by_unique_name(self) -> dict[str, Dag]:
        """Return unique group name → group."""
        return {dag.unique_name: dag for dag in self.dags}

    def forms_on(self, event: str) -> tuple[str, ...]:
        """Return the forms designated for an event, in dictionary order."""
        if not self.is_longitudinal:
            return tuple(form.name for form in self.forms)
        return tuple(form.name for form in self.forms if (event, form.name) in self.mapping)

    def repeats(self, event: str, form: str) -> bool:
        """Tell whether ``form`` is a repeating instrument on ``event``."""
        return bool(form) and (event, form) in self.repeating

    def event_repeats(self, event: str) -> bool:
        """Tell whether the whole event repeats."""
        return (event, "") in self.repeating

    def forms_on_row(self, event: str, instrument: str) -> frozenset[str]:
        """Return the forms whose values a row may hold.

        A repeating instrument's row holds that form only; every other row holds the forms of the
        event that do not repeat there by themselves.
        """
        if instrument:
            return frozenset({instrument})
        return frozenset(form for form in self.forms_on(event) if not self.repeats(event, form))

    def has_row(self, event: str, instrument: str, instance: int) -> bool:
        """Tell whether such a row belongs to the project as it is set up now.

        Rows of events and instances that are no longer set up stay stored, unseen, and come back.
        """
        if event not in self.event_order:
            return False
        if instrument:
            return self.repeats(event, instrument)
        return instance <= 1 or self.event_repeats(event)

    def event_label(self, event: str) -> str:
        """Return the name people see: ``Screening (Arm 1: Drug A)``, the arm only if several."""
        found = self.event_by_name[event]
        if len(self.arms) < 2:
            return found.name
        arm = next(arm.name for arm in self.arms if arm.number == found.arm)
        return f"{found.name} (Arm {found.arm}: {arm})"

    def used_arms(self) -> tuple[Arm, ...]:
        """Return the arms that have events: REDCap does not show the others."""
        with_events = {event.arm for event in self.events}
        return tuple(arm for arm in self.arms if arm.number in with_events)


def forms_from_fields(fields: Iterable[Field], labels: Mapping[str, str]) -> tuple[Form, ...]:
    """Return the forms in the order in which the dictionary first names them."""
    seen = dict.fromkeys(one.form for one in fields)
    return tuple(Form(name, labels.get(name, name)) for name in seen)
