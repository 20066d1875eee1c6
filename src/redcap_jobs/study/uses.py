"""Every field and condition that a study file names: where it is named, and what for."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Literal, TypeAlias

from redcap_jobs.redcap.logic import Reference
from redcap_jobs.redcap.records import EventPlace, RepeatPlace
from redcap_jobs.study.config import Condition, Study, VisitWrite
from redcap_jobs.study.flaws import KeyPath
from redcap_jobs.study.salvage import ABSENT, NotSalvaged
from redcap_jobs.study.texts_config import MessageLogWrite

OwnPlace: TypeAlias = EventPlace | RepeatPlace | None
About: TypeAlias = Literal["visits", "texts", "partner", "outreach", "both"]
"""Whose business a field is; ``outreach`` is the texts' and the partner's."""
EVERYTHING: frozenset[About] = frozenset({"visits", "texts", "partner", "outreach", "both"})
ABOUT_TEXTS: frozenset[About] = frozenset({"visits", "texts", "outreach", "both"})

DATES = {"anchor", "done_on", "off_study"}
"""Roles whose field must hold a date."""
PARTICIPANT_OUTPUTS: Mapping[str, About] = {
    "pending_visit": "visits",
    "opted_out": "texts",
    "invalid_number": "texts",
}
SHARED_OUTPUTS = frozenset({"opted_out", "invalid_number", "partner_opted_out"})
"""What a job writes and reads again, and people may write as well."""
PARTNER_OUTPUTS = ("member_id", "status", "opted_out", "synced_at", "error")
PARTNER_COPY = "partner_copy"
"""The role of a field that the partner owns."""


@dataclass(frozen=True)
class FieldUse:
    """One field named in the study file.

    ``role`` is ``anchor``, ``done_on``, ``off_study``, ``done_form``, ``condition`` or ``detail``
    for what is read, and the key of ``write`` (``target``, ``state``, …) for what is written.
    ``own`` is where a reference without an event is looked for; None outside visits and surveys.
    ``about`` says whose business it is: the visits', the texts', or everybody's.
    """

    path: KeyPath
    reference: Reference
    role: str
    own: OwnPlace = None
    written: bool = False
    about: About = "both"


@dataclass(frozen=True)
class ConditionUse:
    """One condition of the study file, and where its references without an event are looked for.

    Where ``stops``, a missing-data code in one of its fields counts as true.
    """

    path: KeyPath
    condition: Condition
    own: OwnPlace = None
    stops: bool = False
    about: About = "both"


def conditions(study: Study) -> Iterator[ConditionUse]:
    """Yield every condition, in the order of the models; refused ones are passed over."""
    for name, arm in _items(study.arms):
        yield from _condition(("arms", name, "when"), arm, "when")
    people = study.participants
    yield from _condition(("participants", "who"), people, "who")
    yield from _condition(("participants", "may_text"), people, "may_text", about="texts")
    at: KeyPath = ("participants", "opted_out")
    yield from _condition(at, people, "opted_out", stops=True, about="outreach")
    for index, off in _numbered(people, "off_study"):
        yield from _condition(("participants", "off_study", index, "when"), off, "when", stops=True)
    for index, visit in _numbered(study, "visits"):
        own = own_place(visit)
        for number, window in _numbered(visit, "windows"):
            path: KeyPath = ("visits", index, "windows", number, "when")
            yield from _condition(path, window, "when", own, about="visits")
        for key in ("missed", "skipped"):
            yield from _condition(("visits", index, key), visit, key, own, about="visits")
    for index, survey in _numbered(study, "surveys"):
        path = ("surveys", index, "only_when")
        yield from _condition(path, survey, "only_when", own_place(survey), about="texts")
    partner = _of(study, "partner")
    yield from _condition(("partner", "enrol_when"), partner, "enrol_when", about="partner")


def fields(study: Study) -> Iterator[FieldUse]:
    """Yield every field named, those of conditions included; refused ones are passed over."""
    for use in conditions(study):
        for reference in sorted(use.condition.expression.references, key=str):
            yield FieldUse(use.path, reference, "condition", use.own, about=use.about)
    yield from _participant_fields(study)
    for index, visit in _numbered(study, "visits"):
        yield from _visit_fields(index, visit)
    for index, survey in _numbered(study, "surveys"):
        yield from _survey_fields(index, survey)
    yield from _partner_fields(study)


def log_fields(study: Study) -> Iterator[FieldUse]:
    """Yield every field of the message log; roles are the keys of ``[message_log.write]``.

    Apart from :func:`fields`: only jobs that text touch the log, whose rows they find by its key,
    and nobody's visits depend on it.
    """
    log = _of(study, "message_log")
    for key in MessageLogWrite.model_fields:
        references = _of(_of(log, "write"), key)
        path: KeyPath = ("message_log", "write", key)
        yield from _fields(path, references, key, own_place(log), written=True, about="texts")


def _participant_fields(study: Study) -> Iterator[FieldUse]:
    people = study.participants
    if people is ABSENT:
        return
    for name, references in _items(people.anchors):
        yield from _fields(("participants", "anchors", name), references, "anchor")
    for index, off in _numbered(people, "off_study"):
        at = ("participants", "off_study", index)
        yield from _fields((*at, "from"), _of(off, "from_"), "off_study")
        yield from _fields((*at, "until"), _of(off, "until"), "off_study")
    for key in ("first_name", "mobile", "household", "language", "time_zone", "text_hours"):
        yield from _fields(("participants", key), _of(people, key), "detail", about="texts")
    for name, references in _items(people.placeholders):
        path: KeyPath = ("participants", "placeholders", name)
        yield from _fields(path, references, "detail", about="texts")
    for key, about in PARTICIPANT_OUTPUTS.items():
        path, output = ("participants", "write", key), _of(_of(people, "write"), key)
        yield from _fields(path, output, key, written=True, about=about)


def _visit_fields(index: int, visit: object) -> Iterator[FieldUse]:
    own, at = own_place(visit), ("visits", index)
    yield from _fields((*at, "done_on"), _of(visit, "done_on"), "done_on", own, about="visits")
    form = _of(visit, "done_form")
    if isinstance(form, str):
        status = Reference(event=None, field=f"{form}_complete", code=None, instance=None)
        yield FieldUse((*at, "done_form"), status, "done_form", own, about="visits")
    for key in VisitWrite.model_fields:
        references = _of(_of(visit, "write"), key)
        path = (*at, "write", key)
        yield from _fields(path, references, key, own, written=True, about="visits")


def _survey_fields(index: int, survey: object) -> Iterator[FieldUse]:
    """Yield the status fields that say whether a survey was completed, in any language."""
    own, instruments = own_place(survey), _of(survey, "instrument")
    for language, form in _items(instruments):
        at: KeyPath = ("surveys", index, "instrument")
        at = (*at, language) if language else at
        status = Reference(event=None, field=f"{form}_complete", code=None, instance=None)
        yield FieldUse(at, status, "done_form", own, about="texts")


def _partner_fields(study: Study) -> Iterator[FieldUse]:
    """Yield what goes to the partner and what comes back; each field's role says which."""
    partner = _of(study, "partner")
    for key in PARTNER_OUTPUTS:
        path: KeyPath = ("partner", "write", key)
        output = _of(_of(partner, "write"), key)
        yield from _fields(path, output, f"partner_{key}", written=True, about="partner")
    for index, each in _numbered(partner, "fields"):
        path = ("partner", "fields", index, "redcap")
        copied = _of(each, "owner") == "partner"
        role = PARTNER_COPY if copied else "detail"
        references = _of(each, "redcap")
        yield from _fields(path, references, role, written=copied, about="partner")


def own_place(visit: object) -> OwnPlace:
    """Return where a visit's or survey's own fields stand, or None if the file says so wrongly."""
    place = _of(visit, "at")
    return place if isinstance(place, EventPlace | RepeatPlace) else None


def _fields(
    path: KeyPath,
    references: object,
    role: str,
    own: OwnPlace = None,
    *,
    written: bool = False,
    about: About = "both",
) -> Iterator[FieldUse]:
    if isinstance(references, tuple):
        for reference in references:
            yield FieldUse(path, reference, role, own, written, about)


def _condition(
    path: KeyPath,
    table: object,
    key: str,
    own: OwnPlace = None,
    *,
    stops: bool = False,
    about: About = "both",
) -> Iterator[ConditionUse]:
    condition = _of(table, key)
    if isinstance(condition, Condition):
        yield ConditionUse(path, condition, own, stops, about)


def _of(table: object, key: str) -> object:
    try:
        return getattr(table, key, None)
    except NotSalvaged:
        return None


def _items(table: object) -> Iterator[tuple[str, object]]:
    if isinstance(table, dict):
        yield from table.items()


def _numbered(table: object, key: str) -> Iterator[tuple[int, object]]:
    each = _of(table, key)
    if isinstance(each, tuple):
        yield from enumerate(each)
