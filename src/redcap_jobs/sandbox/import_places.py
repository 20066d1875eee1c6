"""Where an imported row goes: its event, its repeating instrument and its instance."""

from __future__ import annotations

import re
from collections.abc import Iterable

from redcap_jobs.sandbox.import_formats import Row
from redcap_jobs.sandbox.parameters import Refusal
from redcap_jobs.sandbox.store import Draft, RowKey
from redcap_jobs.sandbox.structure import CLASSIC, Structure

KEY_COLUMNS = ("redcap_event_name", "redcap_repeat_instrument", "redcap_repeat_instance")
DAG_COLUMN = "redcap_data_access_group"

NOT_REPEATING_INSTRUMENT = (
    "redcap_repeat_instrument must be the unique form name of a Repeating Instrument. It currently "
    "does not match the unique form name of any Repeating Instruments.  Please fix this in the data "
    "import file and try again."
)
NOT_REPEATING = (
    "redcap_repeat_instance cannot have a value since this instrument or event is not a repeating "
    "instrument or repeating event, respectively.  The redcap_repeat_instance field must be left "
    "blank for this row of data."
)
BAD_INSTANCE = (
    "The record name ({record}) has an invalid value for 'redcap_repeat_instance'. The value must "
    "either be a positive integer or the value 'new'. Value provided: {value}"
)
"""All recorded: PyCap issue 154 (both lines come for one row), INTERPOLAR issue 917."""

INSTANCE = re.compile(r"0*[1-9][0-9]{0,8}")
"""Up to nine digits: more are no instance of anything."""


class BadPlace(Exception):
    """A row that cannot go where it says: columns, their values, the reasons."""

    def __init__(self, *flaws: tuple[str, str, str]) -> None:
        self.flaws = flaws
        super().__init__(*flaws)


def place_of(
    row: Row,
    record: str,
    structure: Structure,
    draft: Draft,
    given: Iterable[RowKey],
    *,
    numbers_on: bool = True,
) -> RowKey:
    """Return the row's key; a row without an event goes to the first one (as recorded).

    ``given`` holds the places of the record's earlier rows in the same import, which ``new`` counts
    on from. Without ``numbers_on`` (EAV, whose lines would not know which of them belong
    together) ``new`` is refused as any other bad instance: own answer.

    Raises:
        BadPlace: Instrument or instance do not fit the project's repeating set-up.
        Refusal: The instance is no number.

    """
    event = CLASSIC
    if structure.is_longitudinal:
        event = row.get("redcap_event_name", "") or structure.events[0].unique_name
    instrument = row.get("redcap_repeat_instrument", "")
    instance = row.get("redcap_repeat_instance", "").strip()
    if instrument and not structure.repeats(event, instrument):
        flaws = [("redcap_repeat_instrument", instrument, NOT_REPEATING_INSTRUMENT)]
        if instance and not structure.event_repeats(event):
            flaws.append(("redcap_repeat_instance", instance, NOT_REPEATING))
        raise BadPlace(*flaws)
    if not instrument and not structure.event_repeats(event):
        if instance:
            raise BadPlace(("redcap_repeat_instance", instance, NOT_REPEATING))
        return RowKey(event)
    if instance == "new" and numbers_on:
        taken = (*draft.rows(record), *given)
        same = [key.instance for key in taken if key[:2] == (event, instrument)]
        return RowKey(event, instrument, max(same, default=0) + 1)
    if not instance:
        return RowKey(event, instrument, 1)
    if not INSTANCE.fullmatch(instance):
        raise Refusal(400, BAD_INSTANCE.format(record=record, value=instance))
    return RowKey(event, instrument, int(instance))
