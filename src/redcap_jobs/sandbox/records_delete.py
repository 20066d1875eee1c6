"""Record deletion: whole records, or what they hold in one arm, event, instrument or instance."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from redcap_jobs.sandbox.answers import Answer, Plain
from redcap_jobs.sandbox.context import Context
from redcap_jobs.sandbox.import_places import INSTANCE
from redcap_jobs.sandbox.import_rows import refuse_unknown
from redcap_jobs.sandbox.parameters import Parameters, Refusal
from redcap_jobs.sandbox.store import Draft, RowKey
from redcap_jobs.sandbox.structure import Structure
from redcap_jobs.sandbox.unused_files import drop_unused, values_of

UNKNOWN = (
    "One or more of the records provided cannot be deleted because they do not exist in the "
    "project. The following records do not exist: {}"
)
"""Recorded by REDCapR's tests."""
LOCKED = (
    "One or more of the records provided cannot be deleted because they are locked or have locked "
    "forms. The following records are locked: {}"
)
NO_RECORDS = 'The parameter "records" is required but missing'
"""These two are own answers."""


@dataclass(frozen=True)
class Part:
    """What of a record is to go: '' stands for all arms, events, instruments, instances."""

    structure: Structure
    arm: str = ""
    event: str = ""
    instrument: str = ""
    instance: str = ""

    @property
    def everything(self) -> bool:
        """Tell whether no part is named: then the whole record goes."""
        return not (self.arm or self.event or self.instrument or self.instance)

    def keys(self, keys: Iterable[RowKey]) -> list[RowKey]:
        """Return the rows that lie in the part."""
        return [key for key in keys if self._has(key)]

    def forms(self, key: RowKey) -> frozenset[str]:
        """Return the forms of a row that go."""
        if self.instrument:
            return frozenset({self.instrument})
        return self.structure.forms_on_row(key.event, key.instrument)

    def _has(self, key: RowKey) -> bool:
        event = self.structure.event_by_name.get(key.event)
        here = self.structure.forms_on_row(key.event, key.instrument)
        return (
            (not self.arm or (event is not None and str(event.arm) == self.arm))
            and (not self.event or key.event == self.event)
            and (not self.instrument or self.instrument in here)
            and (not self.instance or self._instance_of(key) == int(self.instance))
        )

    def _instance_of(self, key: RowKey) -> int:
        """Return a row's instance; that of a named instrument that does not repeat is 1.

        Clients send 1 along whatever repeats (own answer).
        """
        return key.instance or int(bool(self.instrument))

    def __str__(self) -> str:
        named = {
            "arm": self.arm,
            "event": self.event,
            "instrument": self.instrument,
            "instance": self.instance,
        }
        return ", ".join(f"{name} = '{value}'" for name, value in named.items() if value)


def delete_records(context: Context) -> Answer:
    """Answer ``action=delete``: the number of records, bare in every format.

    ``delete_logging`` takes the log's rows of records that are gone along, where the projects have
    an administrator's setting for it (PyCap's manual); that they were deleted is logged (own
    answer).

    Raises:
        Refusal: A record does not exist (or is not the user's to see), or is locked: then nothing
            is deleted.

    """
    names = context.parameters.array("records")
    if not names:
        raise Refusal(400, NO_RECORDS)
    part = part_of(context.parameters, context.structure)
    stored: set[str] = set()
    with context.project.store.writing(context.now) as draft:
        unknown = [
            name for name in names if not draft.exists(name) or not context.visible(draft.dag(name))
        ]
        if unknown:
            raise Refusal(400, UNKNOWN.format(", ".join(unknown)))
        locked = [name for name in names if is_locked(draft, name, part)]
        if locked:
            raise Refusal(400, LOCKED.format(", ".join(locked)))
        groups = {name: draft.dag(name) for name in names}
        records = context.project.store.current.records
        if context.project.files.all():
            stored.update(*(values_of(records.get(name)) for name in names))
        deleted = [name for name in names if delete_part(draft, name, part)]
        left = frozenset(name for name in deleted if draft.exists(name))
    drop_unused(context.project, stored)
    if context.parameters.flag("delete_logging") and context.behaviour.delete_logging:
        context.project.log.forget([name for name in deleted if name not in left])
    for name in deleted:
        note_deletion(context, name, groups[name], "" if name not in left else str(part))
    context.counts.rows = len(names)
    return Plain(str(len(names)))


def part_of(parameters: Parameters, structure: Structure) -> Part:
    """Return what the call names; a classic project has arm 1 and no events.

    Raises:
        Refusal: There is no such arm, event or instrument, or the instance is no number. That it
            is refused, in the words of an export's unknown fields, is this sandbox's own answer.

    """
    arm, event = parameters.text("arm"), parameters.text("event")
    instrument, instance = parameters.text("instrument"), parameters.text("repeat_instance")
    known = {
        "arm": [str(one.number) for one in structure.arms] if structure.is_longitudinal else ["1"],
        "event": structure.event_by_name,
        "instrument": structure.form_order,
    }
    for name, value in [("arm", arm), ("event", event), ("instrument", instrument)]:
        refuse_unknown(name, [value] if value else [], known[name])
    if instance and not INSTANCE.fullmatch(instance):
        refuse_unknown("repeat_instance", [instance], [])
    return Part(structure, arm if structure.is_longitudinal else "", event, instrument, instance)


def is_locked(draft: Draft, name: str, part: Part) -> bool:
    """Tell whether the record, or a form of it that is to go, is locked."""
    locks = draft.locks(name)
    if not locks:
        return False
    if part.everything or any(not form for _, form in locks):
        return True
    keys = frozenset(part.keys(key for key, _ in locks))
    return any(key in keys and form in part.forms(key) for key, form in locks)


def delete_part(draft: Draft, name: str, part: Part) -> bool:
    """Delete a part of one record, and the record when nothing is left; tell whether it changed."""
    if part.everything:
        draft.delete(name)
        return True
    changed = False
    for key in part.keys(list(draft.rows(name))):
        if not part.instrument or key.instrument == part.instrument:
            draft.drop_row(name, key)
            changed = True
            continue
        gone = [column for column in columns_of(part) if column in draft.rows(name)[key]]
        if gone:
            row = draft.row(name, key)
            for column in gone:
                del row[column]
            changed = True
    if changed and not draft.rows(name):
        draft.delete(name)
    return changed


def columns_of(part: Part) -> Iterator[str]:
    """Yield the columns of the instrument that is to go, with a survey's time stamp."""
    for column in part.structure.columns:
        if column.form == part.instrument:
            yield column.name
    yield f"{part.instrument}_timestamp"


def note_deletion(context: Context, name: str, dag: str, part: str) -> None:
    """Note a deletion in the project's log; that of a part of a record in own words."""
    if part:
        context.note(
            "record_edit", f"Update record (API) {name}", f"Delete data: {part}", name, dag
        )
        return
    details = f"{context.structure.record_id_field} = '{name}'"
    context.note("record_delete", f"Delete record (API) {name}", details, name, dag)
