"""Where an imported row goes: its event, its repeating instrument and its instance."""

from __future__ import annotations

from collections.abc import Collection

from redcap_jobs.sandbox.import_formats import Row
from redcap_jobs.sandbox.store import Draft, RowKey
from redcap_jobs.sandbox.structure import CLASSIC, Structure

KEY_COLUMNS = ("redcap_event_name", "redcap_repeat_instrument", "redcap_repeat_instance")
DAG_COLUMN = "redcap_data_access_group"

NOT_REPEATING_INSTRUMENT = (
    "redcap_repeat_instrument must be the unique form name of a Repeating Instrument. It currently "
    "does not match any Repeating Instrument of this event."
)
NOT_REPEATING = (
    "redcap_repeat_instance cannot have a value since this instrument or event is not a repeating "
    "instrument or repeating event, respectively."
)
"""Both texts are recorded as far as their first sentence; the rest is this sandbox's own."""
BAD_INSTANCE = "redcap_repeat_instance must be a positive whole number, or 'new'."


class BadPlace(Exception):
    """A row that cannot go where it says: the column, its value, the reason."""

    def __init__(self, field: str, value: str, reason: str) -> None:
        self.field = field
        self.value = value
        self.reason = reason
        super().__init__(reason)


def place_of(
    row: Row,
    record: str,
    structure: Structure,
    draft: Draft,
    given: Collection[tuple[str, RowKey]],
) -> RowKey:
    """Return the row's key; a row without an event goes to the first one (as recorded).

    ``given`` holds the places of earlier rows of the same import, which ``new`` counts on from.

    Raises:
        BadPlace: Instrument or instance do not fit the project's repeating set-up.

    """
    event = CLASSIC
    if structure.is_longitudinal:
        event = row.get("redcap_event_name", "") or structure.events[0].unique_name
    instrument = row.get("redcap_repeat_instrument", "")
    instance = row.get("redcap_repeat_instance", "").strip()
    if instrument and not structure.repeats(event, instrument):
        raise BadPlace("redcap_repeat_instrument", instrument, NOT_REPEATING_INSTRUMENT)
    if not instrument and not structure.event_repeats(event):
        if instance:
            raise BadPlace("redcap_repeat_instance", instance, NOT_REPEATING)
        return RowKey(event)
    if instance == "new":
        taken = list(draft.rows(record))
        taken += [key for name, key in given if name == record]
        same = [key.instance for key in taken if key[:2] == (event, instrument)]
        return RowKey(event, instrument, max(same, default=0) + 1)
    if not instance:
        return RowKey(event, instrument, 1)
    if not instance.isdecimal() or int(instance) < 1:
        raise BadPlace("redcap_repeat_instance", instance, BAD_INSTANCE)
    return RowKey(event, instrument, int(instance))
