"""Record deletion: whole records, or what they hold in one arm, event, instrument or instance."""

from __future__ import annotations

from redcap_jobs.sandbox.answers import Answer, Plain
from redcap_jobs.sandbox.context import Context
from redcap_jobs.sandbox.parameters import Parameters, Refusal
from redcap_jobs.sandbox.store import Draft, RowKey
from redcap_jobs.sandbox.structure import Structure


def delete_records(context: Context) -> Answer:
    """Answer ``action=delete``: the number of records, bare in every format.

    Raises:
        Refusal: A record does not exist (or is not the user's to see): then nothing is deleted.

    """
    parameters = context.parameters
    names = parameters.array("records")
    if not names:
        raise Refusal(400, 'The parameter "records" is required but missing')
    with context.project.store.writing(context.now) as draft:
        unknown = [
            name for name in names if not draft.exists(name) or not context.visible(draft.dag(name))
        ]
        if unknown:
            raise Refusal(
                400,
                "One or more of the records provided cannot be deleted because they do not exist "
                f"in the project. The following records do not exist: {', '.join(unknown)}",
            )
        groups = {name: draft.dag(name) for name in names}
        for name in names:
            delete_parts(draft, name, parameters, context.structure)
    for name in names:
        details = f"{context.structure.record_id_field} = '{name}'"
        context.note("record_delete", f"Delete record (API) {name}", details, name, groups[name])
    context.counts.rows = len(names)
    return Plain(str(len(names)))


def delete_parts(draft: Draft, name: str, parameters: Parameters, structure: Structure) -> None:
    """Delete what the call names of one record; the record goes when nothing of it is left."""
    if not any(parameters.text(part) for part in ("arm", "event", "instrument", "repeat_instance")):
        draft.delete(name)
        return
    for key in [key for key in draft.rows(name) if named(key, parameters, structure)]:
        instrument = parameters.text("instrument")
        if not instrument or key.instrument == instrument:
            draft.drop_row(name, key)
            continue
        row = draft.row(name, key)
        for column in structure.columns:
            if column.form == instrument:
                row.pop(column.name, None)
    if not draft.rows(name):
        draft.delete(name)


def named(key: RowKey, parameters: Parameters, structure: Structure) -> bool:
    """Tell whether a row lies in the arm, event, instrument and instance that the call names."""
    event = structure.event_by_name.get(key.event)
    arm, wanted_event = parameters.text("arm"), parameters.text("event")
    instrument, instance = parameters.text("instrument"), parameters.text("repeat_instance")
    return (
        (not arm or (event is not None and str(event.arm) == arm))
        and (not wanted_event or key.event == wanted_event)
        and (not instrument or instrument in structure.forms_on_row(key.event, key.instrument))
        and (not instance or str(key.instance) == instance)
    )
