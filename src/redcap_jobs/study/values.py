"""The values a study file is written in: conditions, references, places, offsets, zones.

Each is written in TOML as a data manager writes it in REDCap and becomes a typed value here, or a
problem with a hint. ``model_dump(mode="json")`` gives every value back in its written form.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Annotated, Any, Literal, Self
from zoneinfo import ZoneInfo, available_timezones

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    GetCoreSchemaHandler,
    GetPydanticSchema,
    PlainSerializer,
    PlainValidator,
    StringConstraints,
    model_validator,
)
from pydantic_core import PydanticCustomError, core_schema

from redcap_jobs.redcap.logic import Expression, LogicSyntaxError, Reference, parse, parse_reference
from redcap_jobs.redcap.records import EventPlace, RepeatPlace
from redcap_jobs.study.nearest import did_you_mean


def problem(what: str, hint: str = "") -> PydanticCustomError:
    """Make what a validator raises: what is wrong with the value, and how to mend it."""
    return PydanticCustomError("problem", "{what}", {"what": what, "hint": hint})


class Part(BaseModel):
    """A table of the study file: never changed after loading, no key it does not know."""

    model_config = ConfigDict(frozen=True, extra="forbid", arbitrary_types_allowed=True)


@dataclass(frozen=True)
class Condition:
    """A condition in REDCap's logic: as written, and parsed."""

    text: str
    expression: Expression = field(compare=False, repr=False)

    def __str__(self) -> str:
        return self.text


def to_condition(written: object) -> Condition:
    """Parse a condition; a syntax error becomes a problem with its position."""
    if isinstance(written, Condition):
        return written
    if not isinstance(written, str):
        raise problem("must be a condition in quotes, such as \"[consent(1)] = '1'\"")
    try:
        return Condition(written, parse(written))
    except LogicSyntaxError as error:
        raise problem(error.findings[0].what) from error


def to_references(written: object) -> tuple[Reference, ...]:
    """Parse a field, or a list of fields of which the first that is not blank counts."""
    each = list(written) if isinstance(written, list | tuple) else [written]
    if not each:
        raise problem("names no field")
    return tuple(to_reference(one) for one in each)


def to_reference(written: object) -> Reference:
    """Parse one field: ``field``, ``[field]``, ``[field(3)]`` or ``[event][field]``."""
    if isinstance(written, Reference):
        return written
    if not isinstance(written, str):
        raise problem('must be a field in quotes, such as "visit_date" or "[baseline][visit_date]"')
    try:
        return parse_reference(written)
    except LogicSyntaxError as error:
        raise problem(error.findings[0].what) from error


def to_output(written: object) -> tuple[Reference, ...]:
    """Parse the one field that a value is written to."""
    references = to_references(written)
    if len(references) > 1:
        raise problem("a value is written to one field, not to a list")
    if references[0].code is not None:
        raise problem("a value cannot be written to a checkbox")
    return references


def to_place(written: object) -> EventPlace | RepeatPlace:
    """Parse where a visit's data stand: an event, one event per arm, or a repeating instance."""
    if isinstance(written, EventPlace | RepeatPlace):
        return written
    if isinstance(written, str):
        return EventPlace((written,))
    if isinstance(written, list) and written and all(isinstance(each, str) for each in written):
        if len(set(written)) < len(written):
            raise problem("names an event twice")
        return EventPlace(tuple(written))
    if isinstance(written, dict) and set(written) == {"form", "instance"}:
        form, instance = written["form"], written["instance"]
        if isinstance(form, str) and isinstance(instance, int) and instance >= 1:
            return RepeatPlace(form, instance)
    raise problem(
        "must say where the visit's data stand",
        'an event "baseline_arm_1", one event per arm ["baseline_arm_1", "baseline_arm_2"], '
        'or an instance { form = "visit", instance = 2 }',
    )


def write_place(place: EventPlace | RepeatPlace) -> object:
    """Give a place back as it is written."""
    if isinstance(place, RepeatPlace):
        return {"form": place.form, "instance": place.instance}
    return list(place.events)


def write_references(references: Sequence[Reference]) -> list[str]:
    """Give references back as REDCap writes them."""
    return [str(reference) for reference in references]


def known_zone(name: str) -> str:
    """Let an IANA time zone pass."""
    try:
        ZoneInfo(name)
    except (KeyError, ValueError, OSError) as error:
        last_words = {zone.rsplit("/", 1)[-1]: zone for zone in available_timezones()}
        zone = last_words.get(name.rsplit("/", 1)[-1].replace(" ", "_"))
        hint = f'did you mean "{zone}"?' if zone else did_you_mean(name, available_timezones())
        raise problem(f'no time zone "{name}"', hint) from error
    return name


def to_day(written: object) -> date:
    """Let a date pass; a time of day has no meaning here, and a bare number is no date."""
    if isinstance(written, str):
        with suppress(ValueError):
            written = datetime.strptime(written, "%Y-%m-%d").date()  # noqa: DTZ007 - a date has no zone
    if isinstance(written, date) and not isinstance(written, datetime):
        return written
    raise problem("must be a date, such as 2026-01-31")


Text = Annotated[str, StringConstraints(min_length=1)]
Whole = Annotated[int, Field(strict=True)]
WholeFromZero = Annotated[int, Field(strict=True, ge=0)]
WholeFromOne = Annotated[int, Field(strict=True, ge=1)]
Days = Annotated[int, Field(strict=True, ge=-36_525, le=36_525)]
Months = Annotated[int, Field(strict=True, ge=-1200, le=1200)]
Flag = Annotated[bool, Field(strict=True)]
Share = Annotated[float, Field(gt=0, le=1)]
Zone = Annotated[str, AfterValidator(known_zone)]
Day = Annotated[date, PlainValidator(to_day), PlainSerializer(date.isoformat)]
When = Annotated[Condition, PlainValidator(to_condition), PlainSerializer(str)]
Fields = Annotated[
    tuple[Reference, ...], PlainValidator(to_references), PlainSerializer(write_references)
]
Output = Annotated[
    tuple[Reference, ...], PlainValidator(to_output), PlainSerializer(write_references)
]
Place = Annotated[EventPlace | RepeatPlace, PlainValidator(to_place), PlainSerializer(write_place)]


class Offset(Part):
    """How far a target date lies from its anchor: in days, or in calendar months.

    Months are always added to the anchor itself, the day clipped to the month's end.
    """

    days: Days | None = None
    months: Months | None = None

    @model_validator(mode="after")
    def either(self) -> Self:
        """Refuse both, or neither."""
        if (self.days is None) == (self.months is None):
            raise problem("must be either { days = N } or { months = N }")
        return self

    def __str__(self) -> str:
        return f"{self.days} days" if self.days is not None else f"{self.months} months"


class HardClose(Part):
    """The last day a visit is still collected: days after its close, or counted from the anchor."""

    days_after_close: WholeFromZero | None = None
    days: Days | None = None
    months: Months | None = None

    @model_validator(mode="after")
    def exactly_one(self) -> Self:
        """Refuse two ways at once, or none."""
        given = (self.days_after_close, self.days, self.months)
        if sum(each is not None for each in given) != 1:
            raise problem(
                "must be one of { days_after_close = N }, { days = N } or { months = N } "
                "(the last two counted from the anchor)"
            )
        return self


class Anchor(Part):
    """What a visit's target is counted from: a named anchor date, or the date of another visit.

    Written ``"baseline"``, or ``{ visit = "m12", if_missed = "planned" }``: if that visit was
    missed, its planned target takes its place, or (``"not_scheduled"``) this visit gets none.
    """

    name: Text | None = None
    visit: Text | None = None
    if_missed: Literal["planned", "not_scheduled"] | None = None

    @model_validator(mode="before")
    @classmethod
    def from_name(cls, written: Any) -> Any:
        """Let the name alone stand for the table."""
        return {"name": written} if isinstance(written, str) else written

    @model_validator(mode="after")
    def whole(self) -> Self:
        """Refuse a mixture; a visit as anchor must say what happens if it was missed."""
        if (self.name is None) == (self.visit is None) or (self.name and self.if_missed):
            raise problem('must be a name "baseline" or { visit = "m12", if_missed = "planned" }')
        if self.visit and not self.if_missed:
            raise problem(
                f'does not say what happens if visit "{self.visit}" was missed',
                'add if_missed = "planned" (count from its target date) or "not_scheduled"',
            )
        return self

    @property
    def key(self) -> str:
        """``NAME`` of ``[participants.anchors]``, or ``visit:ID``."""
        return f"visit:{self.visit}" if self.visit else str(self.name)


def target_schema(_source: object, handler: GetCoreSchemaHandler) -> core_schema.CoreSchema:
    """Let the word ``"redcap"`` pass, else expect an offset."""

    def offset_or_redcap(written: object, offset: Callable[[object], Offset]) -> object:
        if written == "redcap":
            return written
        if isinstance(written, str):
            raise problem('must be { days = N }, { months = N } or "redcap"')
        return offset(written)

    return core_schema.no_info_wrap_validator_function(offset_or_redcap, handler(Offset))


def write_target(target: Offset | str) -> object:
    """Give a target back as it is written."""
    return target if isinstance(target, str) else target.model_dump(exclude_none=True)


Target = Annotated[
    Offset | Literal["redcap"], GetPydanticSchema(target_schema), PlainSerializer(write_target)
]
"""From the anchor date, or (``"redcap"``) as REDCap's own Scheduling module has it."""
