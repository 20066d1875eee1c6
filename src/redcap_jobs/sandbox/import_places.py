"""Where an imported row goes: its event, its repeating instrument and its instance."""

from __future__ import annotations

import re

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
NO_INSTANCE = (
    "This field ('{field}') exists on a Repeating Instrument named '{form}'. However, the fields "
    "'redcap_repeat_instance' and/or 'redcap_repeat_instrument' for this row of data have no "
    "value, which are both required for importing data into a Repeating Instrument.  You are not "
    "allowed to import data for this field into a non-repeating instrument."
)
"""Recorded: INTERPOLAR issue 308."""
NOTHING_FOR_INSTANCE = (
    "redcap_repeat_instance is required where redcap_repeat_instrument has a value"
)
"""Own words, for a row without any value of its instrument."""

INSTANCE = re.compile(r"0*[1-9][0-9]{0,8}")
"""Up to nine digits: more are no instance of anything."""


class BadPlace(Exception):
    """A row that cannot go where it says: columns, their values, the reasons."""

    def __init__(self, *flaws: tuple[str, str, str]) -> None:
        self.flaws = flaws
        super().__init__(*flaws)


class Instances:
    """The last instance of each event and instrument of a record: stored, or given in this import.

    What ``new`` counts on from; a record's stored rows are looked through once.
    """

    def __init__(self, draft: Draft) -> None:
        self._draft = draft
        self._last: dict[str, dict[tuple[str, str], int]] = {}

    def note(self, record: str, key: RowKey) -> None:
        """Take note of a row of this import."""
        last = self._of(record)
        last[key[:2]] = max(last.get(key[:2], 0), key.instance)

    def following(self, record: str, event: str, instrument: str) -> int:
        """Return the instance that ``new`` is."""
        return self._of(record).get((event, instrument), 0) + 1

    def _of(self, record: str) -> dict[tuple[str, str], int]:
        if record not in self._last:
            last = self._last[record] = {}
            for key in self._draft.rows(record):
                last[key[:2]] = max(last.get(key[:2], 0), key.instance)
        return self._last[record]


def place_of(
    row: Row, record: str, structure: Structure, instances: Instances, *, numbers_on: bool = True
) -> RowKey:
    """Return the row's key; a row without an event goes to the first one (as recorded).

    Without ``numbers_on`` (EAV, whose lines would not know which of them belong together) ``new``
    is refused as any other bad instance; a repeating event's row without an instance is its first:
    own answers.

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
        return RowKey(event, instrument, instances.following(record, event, instrument))
    if not instance:
        if instrument:
            raise BadPlace(*without_instance(row, structure, instrument))
        return RowKey(event, "", 1)
    if not INSTANCE.fullmatch(instance):
        raise Refusal(400, BAD_INSTANCE.format(record=record, value=instance))
    return RowKey(event, instrument, int(instance))


def without_instance(row: Row, structure: Structure, instrument: str) -> list[tuple[str, str, str]]:
    """Return what is wrong with a repeating instrument's row that names no instance."""
    columns = structure.column_by_name
    flaws = [
        (name, value, NO_INSTANCE.format(field=name, form=instrument))
        for name, value in row.items()
        if value and name in columns and columns[name].form == instrument
    ]
    return flaws or [("redcap_repeat_instance", "", NOTHING_FOR_INSTANCE)]
