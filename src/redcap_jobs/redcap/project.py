"""A project's structure as the API tells it: settings, data dictionary, events, mappings.

Built once per run from ``content=project``, ``metadata``, ``event``, ``formEventMapping`` and
``repeatingFormsEvents`` (REDCap API help); nothing in here asks a server.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from redcap_jobs.redcap.errors import UnknownName
from redcap_jobs.study.nearest import nearest

FORM_STATUS = (("0", "Incomplete"), ("1", "Unverified"), ("2", "Complete"))


@dataclass(frozen=True)
class Choice:
    """One choice of a field: the code that is stored, the label that is shown."""

    code: str
    label: str


@dataclass(frozen=True)
class Field:
    """One field of the data dictionary; ``validation`` is REDCap's name, e.g. ``date_ymd``."""

    name: str
    form: str
    type: str
    label: str = ""
    choices: tuple[Choice, ...] = ()
    calculation: str = ""
    validation: str = ""
    minimum: str = ""
    maximum: str = ""
    identifier: bool = False
    required: bool = False
    annotation: str = ""


@dataclass(frozen=True)
class Arm:
    """One arm; REDCap tells only of arms that have events."""

    number: int
    name: str


@dataclass(frozen=True)
class Event:
    """One event; the offsets (days) are None where the Scheduling module is off.

    ``event_id`` stays when the event is renamed; '' where the server does not give it.
    """

    unique_name: str
    name: str
    arm: int
    day_offset: int | None = None
    offset_min: int | None = None
    offset_max: int | None = None
    label: str = ""
    event_id: str = ""


@dataclass(frozen=True)
class ProjectInfo:
    """The settings a job needs of ``content=project``."""

    project_id: int
    title: str
    in_production: bool
    is_longitudinal: bool
    has_repeating: bool
    scheduling_enabled: bool
    surveys_enabled: bool
    record_autonumbering: bool
    missing_data_codes: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Project:
    """A project's structure.

    ``fields`` stands in dictionary order, form status fields (``<form>_complete``) included after
    each form's fields. ``mapping`` holds (unique event name, form); empty in a classic project.
    ``repeating`` holds (event, form): form '' where the whole event repeats, event '' if classic.
    """

    info: ProjectInfo
    fields: Mapping[str, Field]
    events: tuple[Event, ...] = ()
    mapping: frozenset[tuple[str, str]] = frozenset()
    repeating: frozenset[tuple[str, str]] = frozenset()

    @property
    def is_longitudinal(self) -> bool:
        """Tell whether records have events."""
        return self.info.is_longitudinal

    @property
    def missing_data_codes(self) -> Mapping[str, str]:
        """Code → label of the project's missing-data codes."""
        return self.info.missing_data_codes

    @cached_property
    def record_id_field(self) -> str:
        """The first field of the dictionary."""
        return next(iter(self.fields))

    @cached_property
    def forms(self) -> tuple[str, ...]:
        """The instruments, in dictionary order."""
        return tuple(dict.fromkeys(each.form for each in self.fields.values()))

    def event(self, unique_name: str) -> Event:
        """Return one event; :class:`UnknownName` with the nearest name if there is none."""
        for event in self.events:
            if event.unique_name == unique_name:
                return event
        raise unknown("event", unique_name, (event.unique_name for event in self.events))

    def arm_of(self, event: str) -> int:
        """Return an event's arm number."""
        return self.event(event).arm

    def field(self, name: str) -> Field:
        """Return one field; :class:`UnknownName` with the nearest name if there is none."""
        if name not in self.fields:
            raise unknown("field", name, self.fields)
        return self.fields[name]

    def events_of_form(self, form: str) -> tuple[str, ...]:
        """Return the events a form is designated for, in the project's order."""
        return tuple(
            event.unique_name for event in self.events if (event.unique_name, form) in self.mapping
        )

    def events_of_field(self, name: str) -> tuple[str, ...]:
        """Return the events a field can hold a value on; all of them for the record ID field."""
        if name == self.record_id_field:
            return tuple(event.unique_name for event in self.events)
        return self.events_of_form(self.field(name).form)

    def export_columns(self, name: str) -> tuple[str, ...]:
        """Return the columns a field is exported under: one per checkbox choice, none for a label."""
        found = self.field(name)
        if found.type == "descriptive":
            return ()
        if found.type == "checkbox":
            return tuple(checkbox_column(name, choice.code) for choice in found.choices)
        return (name,)


def checkbox_column(name: str, code: str) -> str:
    """Return ``field___code``; characters that cannot stand in a name become ``_``, as in REDCap."""
    return f"{name}___{re.sub(r'[^a-z0-9]', '_', code.lower())}"


def unknown(kind: str, name: str, known: Iterable[str]) -> UnknownName:
    """Say that a name does not exist, and the nearest that does."""
    near = nearest(name, known)
    return UnknownName(kind, name, f"did you mean {near!r}?" if near else "")


CODE_BREAK = re.compile(r"\||\r?\n|\r|(?:\\r)?\\n")


def parse_missing_codes(text: str) -> dict[str, str]:
    r"""Parse ``-99, Not asked``: a bar or a line break ends a code's label.

    REDCap's settings page takes the codes one per line; breaks come as they were stored, a
    literal ``\n`` among them.
    """
    parts = CODE_BREAK.split(text)
    return {choice.code: choice.label for part in parts for choice in parse_choices(part)}


def parse_choices(text: str) -> tuple[Choice, ...]:
    """Parse ``1, Yes | 2, No`` (label and code may hold anything but the bar)."""
    choices = []
    for part in text.split("|"):
        code, comma, label = part.partition(",")
        if comma or code.strip():
            choices.append(Choice(code.strip(), label.strip()))
    return tuple(choices)


YES_NO = (Choice("1", "Yes"), Choice("0", "No"))
TRUE_FALSE = (Choice("1", "True"), Choice("0", "False"))


def parse_info(raw: Mapping[str, Any]) -> ProjectInfo:
    """Build the settings from the JSON of ``content=project``."""

    def flag(name: str) -> bool:
        return str(raw.get(name, "0")) == "1"

    return ProjectInfo(
        project_id=int(raw["project_id"]),
        title=str(raw.get("project_title", "")),
        in_production=flag("in_production"),
        is_longitudinal=flag("is_longitudinal"),
        has_repeating=flag("has_repeating_instruments_or_events"),
        scheduling_enabled=flag("scheduling_enabled"),
        surveys_enabled=flag("surveys_enabled"),
        record_autonumbering=flag("record_autonumbering_enabled"),
        missing_data_codes=parse_missing_codes(str(raw.get("missing_data_codes") or "")),
    )


def parse_field(raw: Mapping[str, Any]) -> Field:
    """Build one field from one row of ``content=metadata``."""
    kind = str(raw["field_type"])
    options = str(raw.get("select_choices_or_calculations") or "")
    choices: tuple[Choice, ...] = ()
    if kind in {"radio", "dropdown", "checkbox"}:
        choices = parse_choices(options)
    elif kind in {"yesno", "truefalse"}:
        choices = YES_NO if kind == "yesno" else TRUE_FALSE
    return Field(
        name=str(raw["field_name"]),
        form=str(raw["form_name"]),
        type=kind,
        label=str(raw.get("field_label") or ""),
        choices=choices,
        calculation=options if kind == "calc" else "",
        validation=str(raw.get("text_validation_type_or_show_slider_number") or ""),
        minimum=str(raw.get("text_validation_min") or ""),
        maximum=str(raw.get("text_validation_max") or ""),
        identifier=str(raw.get("identifier") or "") == "y",
        required=str(raw.get("required_field") or "") == "y",
        annotation=str(raw.get("field_annotation") or ""),
    )


def parse_fields(rows: Sequence[Mapping[str, Any]]) -> dict[str, Field]:
    """Build the dictionary from ``content=metadata``, with each form's status field at its end.

    Raises ValueError for no rows: every project has a record ID field.
    """
    if not rows:
        raise ValueError("a project without fields")
    by_form: dict[str, dict[str, Field]] = {}
    for row in rows:
        parsed = parse_field(row)
        by_form.setdefault(parsed.form, {})[parsed.name] = parsed
    fields: dict[str, Field] = {}
    for form, members in by_form.items():
        fields |= members
        status = f"{form}_complete"
        fields[status] = Field(
            status, form, "dropdown", "Complete?", tuple(Choice(*pair) for pair in FORM_STATUS)
        )
    return fields


def parse_arm(raw: Mapping[str, Any]) -> Arm:
    """Build one arm from one row of ``content=arm``."""
    return Arm(int(raw["arm_num"]), str(raw["name"]))


def parse_mapping(rows: Sequence[Mapping[str, Any]]) -> frozenset[tuple[str, str]]:
    """Build the pairs (event, form) from ``content=formEventMapping``."""
    return frozenset((str(row["unique_event_name"]), str(row["form"])) for row in rows)


def parse_repeating(rows: Sequence[Mapping[str, Any]]) -> frozenset[tuple[str, str]]:
    """Build the pairs (event, form) from ``content=repeatingFormsEvents``.

    The event is '' in a classic project, the form '' where a whole event repeats.
    """
    return frozenset(
        (str(row.get("event_name") or ""), str(row.get("form_name") or "")) for row in rows
    )


def parse_event(raw: Mapping[str, Any]) -> Event:
    """Build one event from one row of ``content=event``; offsets only where they were sent."""

    def days(name: str) -> int | None:
        text = str(raw.get(name, "")).strip()
        return int(text) if text else None

    return Event(
        unique_name=str(raw["unique_event_name"]),
        name=str(raw["event_name"]),
        arm=int(raw["arm_num"]),
        day_offset=days("day_offset"),
        offset_min=days("offset_min"),
        offset_max=days("offset_max"),
        label=str(raw.get("custom_event_label") or ""),
        event_id=str(raw.get("event_id") or ""),
    )
