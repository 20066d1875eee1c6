"""Which row of REDCap's message log belongs to which text.

A text's row is found again by its key. An instance is chosen once, kept in the journal before
anything is imported, and from then on always the same, so that a write-back that is repeated after
a crash fills the same row again.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pandas as pd

from redcap_jobs.errors import RedcapJobsError
from redcap_jobs.messaging.log_rows import log_events, log_frame
from redcap_jobs.plan import CHANGE_COLUMNS, KEYS

if TYPE_CHECKING:
    from redcap_jobs.redcap.client import RedcapClient
    from redcap_jobs.redcap.project import Project
    from redcap_jobs.state.journal_entry import Entry
    from redcap_jobs.state.scope import ProjectKey
    from redcap_jobs.state.store import Store
    from redcap_jobs.study.config import Study


@dataclass(frozen=True)
class LogPlace:
    """One row of the message log; ``event`` is '' in a classic project."""

    event: str
    instance: int


@dataclass(frozen=True)
class LogRows:
    """Where the log's rows of some texts are, and what REDCap holds there now.

    ``places`` maps a text's key to its row; ``held`` is a rows frame with the log's fields.
    """

    places: Mapping[str, LogPlace]
    held: pd.DataFrame

    def changed(self, changes: pd.DataFrame) -> pd.DataFrame:
        """Leave out of a changes frame what REDCap holds already, and fill in what it holds."""
        if self.held.empty or changes.empty:
            return changes
        fields = [name for name in self.held.columns if name not in (*KEYS, "dag")]
        cells = self.held.melt(KEYS, fields, "field", "held")
        both = changes.merge(cells, "left", [*KEYS, "field"])
        both["old"] = both["held"].fillna("").astype("str")
        return both.loc[both["new"] != both["old"], CHANGE_COLUMNS].reset_index(drop=True)


def place_entries(
    entries: Sequence[Entry],
    study: Study,
    client: RedcapClient,
    structure: Project,
    roster: pd.DataFrame,
    store: Store,
    project: ProjectKey,
) -> LogRows:
    """Give each entry's row of the message log by its key; what REDCap holds is read afresh.

    Raises what the client and the state raise. Without ``[message_log]`` there is no place.
    """
    from redcap_jobs.state.log_places import places_for

    log = study.message_log
    if log is None or not entries:
        return LogRows({}, pd.DataFrame(columns=KEYS, dtype="str"))
    records = sorted({entry.record for entry in entries} & set(roster["record"]))
    events = log_events(log, structure)
    written = [getattr(log.write, name) for name in type(log.write).model_fields]
    rows = client.export_rows(
        [reference.field for references in written for reference in references],
        events=events,
        records=records,
        record_id_field=structure.record_id_field,
    )
    instances = places_for(store, project, entries, log_frame(rows, log))
    event_of = log_event_of(events, structure, roster)
    places = {
        entry.key: LogPlace(event_of.get(entry.record, ""), instances[entry.key])
        for entry in entries
        if entry.record in event_of or not structure.is_longitudinal
    }
    return LogRows(places, rows[rows["repeat_instrument"] == log.form])


def log_event_of(
    events: Sequence[str], structure: Project, roster: pd.DataFrame
) -> Mapping[str, str]:
    """Give for each record the log's event in the arm that its rows are in.

    Raises:
        RedcapJobsError: Two of the events are of one arm.

    """
    if not structure.is_longitudinal:
        return {}
    by_arm = {structure.arm_of(event): event for event in events}
    if len(by_arm) < len(events):
        raise RedcapJobsError("message_log.at names two events of one arm; name one per arm")
    arm_of = {event.unique_name: event.arm for event in structure.events}
    return {
        record: by_arm[arm_of[event]]
        for record, event in zip(roster["record"], roster["event"], strict=True)
        if arm_of.get(event) in by_arm
    }
