"""What became of texts, as rows of REDCap's message log: a repeating instrument, found by key."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from zoneinfo import ZoneInfo

import pandas as pd

from redcap_jobs.messaging.twilio_codes import reaction
from redcap_jobs.plan import CHANGE_COLUMNS, Outcome
from redcap_jobs.redcap.project import Project
from redcap_jobs.study.config import Study
from redcap_jobs.study.texts_config import MessageLogWrite


def log_changes(
    study: Study,
    outcomes: Sequence[Outcome],
    project: Project | None = None,  # noqa: ARG001 - the signature of a job's record
    roster: pd.DataFrame | None = None,  # noqa: ARG001
) -> pd.DataFrame:
    """Give the changes (CHANGE_COLUMNS) that write outcomes into the log, the last of each key.

    Instants are in the study's time zone. Without ``[message_log]`` there are none.
    """
    log = study.message_log
    if log is None:
        return pd.DataFrame(columns=CHANGE_COLUMNS, dtype="str")
    last = {outcome.key: outcome for outcome in outcomes if outcome.instance}
    rows = [
        [outcome.record, outcome.event, log.form, outcome.instance, field, "", value]
        for outcome in last.values()
        for field, value in cells(log.write, outcome, study.study.time_zone).items()
        if value
    ]
    return pd.DataFrame(rows, columns=CHANGE_COLUMNS, dtype="str")


def cells(write: MessageLogWrite, outcome: Outcome, zone: str) -> Mapping[str, str]:
    """Give the fields of one row of the log and their values."""
    values = {
        "message_key": outcome.key,
        "message_kind": outcome.message,
        "occurrence": outcome.occurrence,
        "sid": outcome.reference,
        "status": outcome.status or outcome.state,
        "error": error_of(outcome),
        "posted_at": moment(outcome.at, zone),
        "updated_at": moment(outcome.updated_at or outcome.at, zone),
    }
    return {
        reference.field: values[name]
        for name in type(write).model_fields
        for reference in getattr(write, name)
    }


def error_of(outcome: Outcome) -> str:
    """Say what went wrong, for a coordinator; '' for nothing."""
    if outcome.state == "unknown":
        return "nobody knows whether it went out"
    return f"{outcome.code}: {reaction(outcome.code).sentence}" if outcome.code else ""


def moment(instant: datetime, zone: str) -> str:
    """Write an instant as REDCap's datetime with seconds, in the study's zone."""
    return instant.astimezone(ZoneInfo(zone)).strftime("%Y-%m-%d %H:%M:%S")
