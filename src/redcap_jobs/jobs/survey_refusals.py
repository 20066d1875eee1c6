"""Phones that get no texts because somebody opted out under another record.

Whoever asks for no more texts does so for the phone, be it that of two children. So everybody's
opt-out is looked at: that of a record which does not take part any more, or which a run with
``--record`` is not about, counts as well.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import TypeAlias
from zoneinfo import ZoneInfo

import pandas as pd

from redcap_jobs.jobs.opt_outs import ticked
from redcap_jobs.jobs.survey_reads import source_rows
from redcap_jobs.jobs.window_reads import rows_of
from redcap_jobs.messaging.phone import phones
from redcap_jobs.plan import Inputs, ReadRows, ReadStops, Side
from redcap_jobs.redcap.records import ParticipantView, record_arms
from redcap_jobs.study.config import Study
from redcap_jobs.study.flaws import KeyPath
from redcap_jobs.study.uses import fields

Refusals: TypeAlias = Mapping[str, Sequence[tuple[str, str]]]
"""Phone (E.164) → each of its records that opted out: when ('' in REDCap), and its id."""

SAID_IN: Mapping[Side, tuple[KeyPath, ...]] = {
    "source": (("participants", "mobile"), ("participants", "opted_out")),
    "target": (("participants", "write", "opted_out"),),
}
"""Where the study file names the fields that tell phones and opt-outs."""


def refusal_reads(study: Study, inputs: Inputs) -> list[ReadRows]:
    """Name everybody's phones and opt-outs; what stands in neither project is left out."""
    return [read for side in SAID_IN if (read := refusal_read(study, inputs, side))]


def refusal_read(study: Study, inputs: Inputs, side: Side) -> ReadRows | None:
    """Name what one project tells of phones and opt-outs; None for nothing."""
    named = SAID_IN[side]
    uses = [use for use in fields(study) if use.path in named]
    project = inputs.source if side == "source" else inputs.target
    read = rows_of(side, uses, project)
    return ReadRows(side, read.fields, read.events, everybody=True) if uses else None


def refusals(study: Study, inputs: Inputs, as_of: datetime) -> Refusals:
    """Give the phones that somebody opted out for, at an aware instant.

    Where everybody was not read, as moments before a text, those who were read count.
    """
    rows = inputs.tables[
        known_read(inputs, refusal_read(study, inputs, "source")) or source_rows(study, inputs)
    ]
    arms = record_arms(rows, inputs.source)["arm"]
    local = as_of.astimezone(ZoneInfo(study.study.time_zone)).replace(tzinfo=None)
    now = pd.Series(pd.Timestamp(local), index=arms.index).astype("datetime64[s]")
    view = ParticipantView(rows, arms.index, inputs.source, arms, today=now)
    stopped = said_of_records(inputs.tables[ReadStops()], "stopped")
    outputs = known_read(inputs, refusal_read(study, inputs, "target"))
    out = opted_out(study, view) | ticked(study, inputs, arms, outputs)
    out |= arms.index.isin(list(stopped))
    found: defaultdict[str, list[tuple[str, str]]] = defaultdict(list)
    written = view.first(study.participants.mobile)[out].str.strip()
    for record, phone in phones(written, study.study.region)["e164"].items():
        if phone:
            found[phone].append((stopped.get(str(record), ""), str(record)))
    return found


def known_read(inputs: Inputs, read: ReadRows | None) -> ReadRows | None:
    """Give a read that was answered, else None."""
    return read if read in inputs.tables else None


def opted_out(study: Study, view: ParticipantView) -> pd.Series:
    """Say who has opted out by the condition (``bool``); a missing-data code says so of nobody."""
    condition = study.participants.opted_out
    if condition is None:
        return pd.Series(data=False, index=view.index)
    return condition.expression.truth(view)


def said_of_records(stops: pd.DataFrame, state: str) -> dict[str, str]:
    """Give record → when that was said of it."""
    those = stops[(stops["scope"] == "record") & (stops["state"] == state)]
    return dict(zip(those["subject"], those["at"], strict=True))


def refused_elsewhere(
    record: str, refused: Sequence[tuple[str, str]], leave: Mapping[str, str]
) -> str:
    """Say which other record stops this one's phone, '' for none; later leave outweighs it."""
    for said, other in sorted(refused):
        if other != record and not leave.get(record, "") > said:
            return f"its phone is that of record {other}, which opted out"
    return ""
