"""What must be read to decide about surveys, and no more."""

from __future__ import annotations

import pandas as pd

from redcap_jobs.jobs.window_reads import rows_of
from redcap_jobs.messaging.log_rows import log_events, log_frame
from redcap_jobs.plan import Inputs, ReadRows
from redcap_jobs.study.config import Study
from redcap_jobs.study.uses import fields

OF_VISITS_ONLY = "visits"


def source_rows(study: Study, inputs: Inputs) -> ReadRows:
    """Name the fields that say who takes part, who may be texted, and what was completed."""
    anchors = {survey.anchor for survey in study.surveys}
    uses = [
        use
        for use in fields(study)
        if not use.written
        and use.about != OF_VISITS_ONLY
        and (use.role != "anchor" or use.path[-1] in anchors)
    ]
    return rows_of("source", uses, inputs.source)


def log_rows(study: Study, inputs: Inputs) -> ReadRows | None:
    """Name the keys of REDCap's message log; None where the study file names no log."""
    log = study.message_log
    if log is None:
        return None
    key = log.write.message_key[0].field
    return ReadRows("target", (key,), log_events(log, inputs.target))


def logged_keys(study: Study, inputs: Inputs) -> pd.Series:
    """Give the keys that REDCap's message log holds, ``str``, indexed by the row's record."""
    read = log_rows(study, inputs)
    rows = inputs.tables.get(read) if read is not None else None
    if rows is None or study.message_log is None:
        return pd.Series([], dtype="str")
    held = log_frame(rows, study.message_log).set_index("record")["key"]
    return held[held != ""]
