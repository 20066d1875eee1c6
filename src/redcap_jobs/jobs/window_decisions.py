"""Decisions about visits: what they were made from, and which of the last run's still stand.

An edit of a window does not reclassify a visit already closed; a corrected fact does. So each
decision keeps two fingerprints: ``facts`` of the data (``anchor:rest``, the anchor's part empty
where there was none) and ``rules`` of the definitions. A closed visit whose rules alone changed
keeps what stands, unless the run is told to reclassify.

What counts as a fact of a visit with a completion date is that date alone: a later withdrawal or
a tick beside it decides nothing about a visit that was held.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from redcap_jobs.jobs.month_arithmetic import Dates
from redcap_jobs.jobs.visit_flags import FlagBits, words
from redcap_jobs.jobs.visit_states import CLOSED, STATES, StateCodes
from redcap_jobs.jobs.visit_windows import Facts, Marks, Windows
from redcap_jobs.plan import DECISION_COLUMNS

Strings = npt.NDArray[np.object_]
"""Participants x visits, each a ``str``."""

CLOSED_CODES = np.array([STATES.index(state) for state in sorted(CLOSED)])


@dataclass(frozen=True)
class Before:
    """The last run's decisions, as arrays of participants x visits; '' where there is none."""

    decision: Strings
    reasons: Strings
    facts: Strings
    rules: Strings

    @cached_property
    def state(self) -> StateCodes:
        """Positions in STATES; -1 where nothing was decided."""
        codes = {name: code for code, name in enumerate(STATES)}
        flat = [codes.get(name, -1) for name in self.decision.ravel().tolist()]
        return np.array(flat, dtype=np.int8).reshape(self.decision.shape)


def before(decisions: pd.DataFrame, records: pd.Index, visits: Sequence[str]) -> Before:
    """Lay a decisions frame out by participant and visit."""
    shape = (len(records), len(visits))
    columns = {
        name: np.full(shape, "", dtype=object) for name in ("decision", "reasons", "facts", "rules")
    }
    row = records.get_indexer(pd.Index(decisions["record"]))
    place = pd.Index(visits).get_indexer(pd.Index(decisions["subject"]))
    known = (row >= 0) & (place >= 0)
    for name, array in columns.items():
        array[row[known], place[known]] = decisions[name].to_numpy(dtype=object)[known]
    return Before(**columns)


def fingerprints(
    facts: Facts,
    found: Windows,
    records: pd.Index,
    fingerprint: Callable[[pd.DataFrame], pd.Series],
) -> Strings:
    """Give ``anchor:rest`` of every participant-visit; ``fingerprint`` hashes a frame's rows."""
    dated = ~np.isnat(found.done)
    columns = []
    for visit in range(facts.done.shape[1]):
        anchor = date_text(found.anchor[:, visit])
        open_facts = ~dated[:, visit]
        parts = {
            "record": records.to_numpy(dtype=object),
            "done": date_text(found.done[:, visit]),
            "skipped": _tick(facts.skipped[:, visit]),
            "form": _tick(facts.form_complete[:, visit] & open_facts),
            "missed": _tick(facts.missed[:, visit] & open_facts),
            "off_study": np.where(open_facts, date_text(facts.off_study), ""),
        }
        rest = _hashes(parts, fingerprint)
        anchors = _hashes({"record": parts["record"], "anchor": anchor}, fingerprint)
        columns.append(np.where(anchor == "", "", anchors) + ":" + rest)
    return np.column_stack(columns)


def _hashes(
    columns: dict[str, Strings], fingerprint: Callable[[pd.DataFrame], pd.Series]
) -> Strings:
    hashes: Strings = fingerprint(pd.DataFrame(columns).astype("str")).to_numpy(dtype=object)
    return hashes


def spelled(values: npt.NDArray[Any], write: Callable[[Any], str]) -> Strings:
    """Write each value as text, every distinct one once; the shape stays."""
    distinct, places = np.unique(values, return_inverse=True)
    texts = np.array([write(value) for value in distinct], dtype=object)
    written: Strings = texts[places].reshape(values.shape)
    return written


def date_text(dates: Dates) -> Strings:
    """Write dates as YYYY-MM-DD, '' for NaT and for years that REDCap cannot hold."""
    return spelled(dates, _iso)


def _iso(day: np.datetime64) -> str:
    text = "" if np.isnat(day) else str(day)
    return text if len(text) == len("YYYY-MM-DD") else ""


def _tick(marks: Marks) -> Strings:
    return np.where(marks, "1", "").astype(object)


def closed_under_other_rules(last: Before, facts: Strings, rules: Sequence[str]) -> Marks:
    """Mark visits that were closed and whose definition, but none of whose facts, has changed."""
    closed = np.isin(last.state, CLOSED_CODES)
    same_facts: Marks = last.facts == facts
    other_rules: Marks = (last.rules != np.array(rules, dtype=object)[None, :]) & (last.rules != "")
    return closed & same_facts & other_rules


def anchor_corrected(last: Before, facts: Strings) -> Marks:
    """Mark visits that had an anchor at the last run and now have another, or none."""
    marks: Marks = (last.facts != "") & (last.facts != facts)
    for row, place in np.argwhere(marks).tolist():
        was, now = (each[row, place].partition(":")[0] for each in (last.facts, facts))
        marks[row, place] = was not in {"", now}
    return marks


def decisions_frame(
    records: pd.Index,
    visits: Sequence[str],
    state: StateCodes,
    bits: FlagBits,
    facts: Strings,
    rules: Sequence[str],
    kept: Marks,
    last: Before,
) -> pd.DataFrame:
    """Give one decision per participant and visit; kept ones as they were at the last run."""
    shape = state.shape
    new = {
        "decision": np.array(STATES, dtype=object)[state],
        "reasons": flag_text(bits),
        "facts": facts,
        "rules": np.broadcast_to(np.array(rules, dtype=object)[None, :], shape),
    }
    frame = {
        "record": np.repeat(records.to_numpy(dtype=object), shape[1]),
        "subject": np.tile(np.array(visits, dtype=object), shape[0]),
    }
    for name, values in new.items():
        frame[name] = np.where(kept, getattr(last, name), values).ravel()
    return pd.DataFrame(frame, columns=DECISION_COLUMNS).astype("str")


def flag_text(bits: FlagBits) -> Strings:
    """Write the flags of each participant-visit as words, joined by commas."""
    return spelled(bits, lambda number: ", ".join(words(int(number))))
