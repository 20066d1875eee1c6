"""What must be read to decide about surveys, and no more."""

from __future__ import annotations

from dataclasses import replace

import pandas as pd

from redcap_jobs.jobs.window_reads import rows_of
from redcap_jobs.messaging.log_rows import log_events, log_frame
from redcap_jobs.plan import Inputs, ReadRows
from redcap_jobs.redcap.project import Project
from redcap_jobs.study.config import Study
from redcap_jobs.study.uses import fields

OWN = {"texts", "outreach", "both"}


def source_rows(study: Study, inputs: Inputs) -> ReadRows:
    """Name the fields that say who takes part, who may be texted, and what was completed."""
    anchors = {survey.anchor for survey in study.surveys}
    uses = [
        use
        for use in fields(study)
        if not use.written
        and use.about in OWN
        and (use.role != "anchor" or use.path[-1] in anchors)
    ]
    read = rows_of("source", uses, inputs.source)
    return replace(read, stamps=tuple(sorted(stamped(study, inputs.source))))


def stamped(study: Study, project: Project) -> set[str]:
    """Name the instruments that may have a survey time stamp, and no field of its name."""
    forms = {form for survey in study.surveys for form in survey.instrument.values()}
    own = {form for form in forms if f"{form}_timestamp" not in project.fields}
    return own if project.info.surveys_enabled else set()


def log_rows(study: Study, inputs: Inputs) -> ReadRows | None:
    """Name the keys of REDCap's message log, and SIDs; None where the study file names no log.

    A run for some records reads the whole log: one row of anybody shows that a state is lost.
    """
    log = study.message_log
    if log is None:
        return None
    named = tuple(each[0].field for each in (log.write.message_key, log.write.sid) if each)
    return ReadRows("target", named, log_events(log, inputs.target), everybody=not inputs.fresh)


def logged_rows(study: Study, inputs: Inputs) -> pd.DataFrame:
    """Give the rows of REDCap's message log: columns record, key and sid ('' where none is known).

    Rows without a key are left out.
    """
    read, log = log_rows(study, inputs), study.message_log
    rows = inputs.tables.get(read) if read is not None else None
    if rows is None or log is None:
        return pd.DataFrame(columns=["record", "key", "sid"], dtype="str")
    held = log_frame(rows, log)[["record", "key"]]
    sid = log.write.sid
    own = rows["repeat_instrument"] == log.form
    held["sid"] = rows.loc[own, sid[0].field].to_numpy() if sid else ""
    return held[held["key"] != ""].astype("str")
