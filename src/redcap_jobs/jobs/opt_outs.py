"""Opt-outs and wrong numbers as fields of REDCap: ticked where the study file names a field.

A phone that opted out by reply, or that Twilio refuses as opted out, is ticked for every record
that has it; a record, where a person said so of it: the state may be lost, and what is ticked stops
texts by itself; a number that Twilio calls invalid for the record whose text met it, as long as the
number is still the same. Nothing is ever unticked: that is for people.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

import pandas as pd

from redcap_jobs.jobs.destinations import destination
from redcap_jobs.jobs.window_reads import rows_of
from redcap_jobs.messaging.twilio_codes import reaction
from redcap_jobs.plan import CHANGE_COLUMNS, Inputs, ReadMessages, ReadRows, ReadStops
from redcap_jobs.redcap.records import ParticipantView
from redcap_jobs.study.config import Study
from redcap_jobs.study.uses import SHARED_OUTPUTS, fields

if TYPE_CHECKING:
    from redcap_jobs.jobs.survey_recipients import Recipient

TICKED = "1"


def outputs_read(study: Study, inputs: Inputs) -> ReadRows | None:
    """Name the fields as they stand; None where the study file names none."""
    own = [
        use
        for use in fields(study)
        if use.written and use.role in SHARED_OUTPUTS and use.about == "texts"
    ]
    return rows_of("target", own, inputs.target) if own else None


def outputs_view(inputs: Inputs, read: ReadRows, arms: pd.Series) -> ParticipantView:
    """Give the fields as they stand, for the records of ``arms`` (Int64)."""
    now = pd.Series(pd.Timestamp(0), index=arms.index).astype("datetime64[s]")
    rows = inputs.tables[read]
    return ParticipantView(rows, arms.index, inputs.target, arms, missing_codes=(), today=now)


def ticked(
    study: Study,
    inputs: Inputs,
    arms: pd.Series,
    read: ReadRows | None = None,
    *,
    or_unknown: bool = False,
) -> pd.Series:
    """Say whose opt-out field is ticked (``bool``), whatever ``participants.opted_out`` reads.

    ``read`` is the one that holds the field, if not that of all outputs. ``or_unknown`` counts a
    missing-data code, too.
    """
    found = pd.Series(data=False, index=arms.index)
    marks = {TICKED} | (set(inputs.target.missing_data_codes) if or_unknown else set())
    read = read or outputs_read(study, inputs)
    if read is not None:
        view = outputs_view(inputs, read, arms)
        for reference in study.participants.write.opted_out:
            found |= view.values(reference).isin(marks)
    return found


def output_fields(study: Study) -> tuple[str, ...]:
    """Give the fields that may be ticked."""
    write = study.participants.write
    return tuple(each.field for each in (*write.opted_out, *write.invalid_number))


def opt_out_changes(
    study: Study, inputs: Inputs, known: Mapping[str, Recipient], arms: pd.Series
) -> pd.DataFrame:
    """Give the changes (CHANGE_COLUMNS) that tick what is known and not ticked yet."""
    read = outputs_read(study, inputs)
    if read is None:
        return pd.DataFrame(columns=CHANGE_COLUMNS, dtype="str")
    view = outputs_view(inputs, read, arms)
    changes: list[list[str]] = []
    for references, records in (
        (study.participants.write.opted_out, set(opted_out(inputs, known))),
        (study.participants.write.invalid_number, set(invalid(inputs, known))),
    ):
        for reference in references:
            to, old = destination(reference, None, inputs.target, arms), view.values(reference)
            for place, record in enumerate(arms.index):
                if record in records and to.exists[place] and old.iloc[place] != TICKED:
                    where = (
                        to.event[place],
                        to.repeat_instrument[place],
                        to.repeat_instance[place],
                    )
                    changes.append([record, *where, to.field, old.iloc[place], TICKED])
    return pd.DataFrame(changes, columns=CHANGE_COLUMNS, dtype="str")


def opted_out(inputs: Inputs, known: Mapping[str, Recipient]) -> Iterator[str]:
    """Yield the records that asked for no more texts, or whose phone did."""
    stops = inputs.tables[ReadStops()]
    stopped = stops[stops["state"] == "stopped"]
    said = set(zip(stopped["scope"], stopped["subject"], strict=True))
    for who in known.values():
        if ("phone", who.phone_hash) in said or ("record", who.record) in said:
            yield who.record


def invalid(inputs: Inputs, known: Mapping[str, Recipient]) -> Iterator[str]:
    """Yield the records whose present number Twilio called invalid."""
    messages = inputs.tables[ReadMessages()]
    for row in messages[messages["code"] != ""].to_dict("records"):
        who = known.get(row["record"])
        same = who is not None and who.phone_hash == row["phone_hash"] != ""
        if same and reaction(row["code"]).kind == "invalid_number":
            yield row["record"]
