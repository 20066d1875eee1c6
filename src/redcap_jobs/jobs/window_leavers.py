"""People who no longer take part: what an earlier run wrote of them asks for nothing any more.

``participants.who`` was true once and is not now. Their pending visit is erased and each visit
that is not closed becomes ``not_applicable`` without dates. Closed visits stay as they were
decided: what happened, happened; so do visits that this state never decided. No row is created,
and where nothing stands nothing is written.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from redcap_jobs.jobs.participants import NOT_TAKING_PART
from redcap_jobs.jobs.visit_windows import Marks
from redcap_jobs.jobs.window_decisions import CLOSED_CODES, Before
from redcap_jobs.jobs.window_outputs import COMPUTED, Column, Outputs
from redcap_jobs.plan import DECISION_COLUMNS

NOT_APPLICABLE = "not_applicable"


def leavers_columns(outputs: Outputs, last: Before, stamp: str) -> list[Column]:
    """Give the output columns of those who left; ``last`` holds their last decisions."""
    still_open = _still_open(last)
    nothing = np.full(still_open.shape, "", dtype=object)
    values = dict.fromkeys(COMPUTED, nothing) | {
        "state": np.full(still_open.shape, NOT_APPLICABLE, dtype=object)
    }
    columns: list[Column] = []
    for place in range(still_open.shape[1]):
        nowhere = np.zeros(len(still_open), dtype=bool)
        own = [
            column.where(still_open[:, place]) for column in outputs.visit(place, values, nowhere)
        ]
        if own:
            changed = np.any([column.differs for column in own], axis=0)
            columns += [*own, *outputs.stamp(place, changed, stamp)]
    return columns + outputs.participant(nothing[:, 0])


def leavers_decisions(records: pd.Index, visits: tuple[str, ...], last: Before) -> pd.DataFrame:
    """Give a decision for each visit that had one; those of closed visits as they were."""
    still_open = _still_open(last)
    new = {
        "decision": NOT_APPLICABLE,
        "reasons": NOT_TAKING_PART,
        "facts": "",
        "rules": "",
    }
    row, place = np.nonzero(last.state >= 0)
    frame = {
        "record": records.to_numpy(dtype=object)[row],
        "subject": np.array(visits, dtype=object)[place],
    }
    for name, value in new.items():
        frame[name] = np.where(still_open, value, getattr(last, name))[row, place]
    return pd.DataFrame(frame, columns=DECISION_COLUMNS).astype("str")


def _still_open(last: Before) -> Marks:
    marks: Marks = (last.state >= 0) & ~np.isin(last.state, CLOSED_CODES)
    return marks
