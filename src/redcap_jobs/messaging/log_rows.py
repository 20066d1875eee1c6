"""REDCap's message log as it is read: a repeating instrument, one row a text, known by its key."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

from redcap_jobs.redcap.records import EventPlace

if TYPE_CHECKING:
    from redcap_jobs.redcap.project import Project
    from redcap_jobs.study.texts_config import MessageLog

LOG_COLUMNS = ["record", "event", "instance", "key"]
"""A log frame: one row per row of the message log, all ``str``."""


def log_events(log: MessageLog, project: Project) -> tuple[str, ...]:
    """Name the events that hold the log: those of ``at``, else all that have its instrument."""
    if isinstance(log.at, EventPlace):
        return log.at.events
    return project.events_of_form(log.form) if project.is_longitudinal else ()


def log_frame(rows: pd.DataFrame, log: MessageLog) -> pd.DataFrame:
    """Give the log frame (LOG_COLUMNS) out of a rows frame that holds the log's key field."""
    key = log.write.message_key[0].field
    own = rows[rows["repeat_instrument"] == log.form]
    names = {"repeat_instance": "instance", key: "key"}
    return own.rename(columns=names)[LOG_COLUMNS].reset_index(drop=True)
