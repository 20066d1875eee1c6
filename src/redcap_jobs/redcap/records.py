"""Rows of a project as columns: where data stand, who is in which arm, what has changed.

:class:`ParticipantView` and :class:`RowView` are what REDCap logic is evaluated over;
:func:`changed_cells` is what is left to write.
"""

from __future__ import annotations

from redcap_jobs.plan import KEYS
from redcap_jobs.redcap.record_cells import changed_cells, record_arms
from redcap_jobs.redcap.record_places import (
    EventPlace,
    Place,
    RepeatPlace,
    ambiguous,
    events_meant,
    needed,
)
from redcap_jobs.redcap.record_views import ParticipantView, RowView

__all__ = [
    "KEYS",
    "EventPlace",
    "ParticipantView",
    "Place",
    "RepeatPlace",
    "RowView",
    "ambiguous",
    "changed_cells",
    "events_meant",
    "needed",
    "record_arms",
]
