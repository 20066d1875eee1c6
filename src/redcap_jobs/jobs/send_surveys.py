"""``send-surveys``: ask participants for their surveys by text, once each, and remind them.

Who is due is decided from the study file's ``[[surveys]]``; everything that is not sent has its
reason. Whatever went out, or may have, is known by the journal and by REDCap's message log.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import datetime

import pandas as pd

from redcap_jobs.jobs.message_log import log_changes
from redcap_jobs.jobs.opt_outs import opt_out_changes, output_fields, outputs_read
from redcap_jobs.jobs.survey_judged import QUIET, Everything, Judged, judge
from redcap_jobs.jobs.survey_reads import log_rows, source_rows
from redcap_jobs.jobs.survey_refusals import refusal_reads
from redcap_jobs.jobs.survey_texts import link_reads, text_of, written
from redcap_jobs.plan import (
    DECISION_COLUMNS,
    Action,
    Inputs,
    Job,
    Plan,
    Read,
    ReadMessages,
    ReadStops,
    Skip,
    Stands,
    Table,
    Text,
    Withhold,
)
from redcap_jobs.study.config import Study

NAME = "send-surveys"
HELP = """Text survey invitations and reminders to those who are due, once each.

Who is due is counted from an anchor date, as the study file's [[surveys]] says; completed surveys,
withdrawals, opt-outs and pauses are looked at again moments before each text. Texts go out within
the allowed hours, never above one segment a second for a sending number, and at most once: a text
of which nobody knows whether it went out is not repeated (redcap-jobs messages). A development
run texts only the phones that the study file's [development] recipients name.

\b
  redcap-jobs send-surveys --study ismile.toml \\
      --export-token REDCAP_API_ISMILE_PROD --import-token REDCAP_API_ISMILE_PROD --dry-run
"""


def reads(study: Study, inputs: Inputs) -> Sequence[Read]:
    """Name what is needed: fields, the log's keys, what the state knows; then the survey links."""
    wanted: list[Read] = [source_rows(study, inputs), ReadMessages(), ReadStops()]
    wanted += [read for read in (log_rows(study, inputs), outputs_read(study, inputs)) if read]
    if not inputs.fresh:
        wanted += refusal_reads(study, inputs)
    if inputs.fresh or inputs.as_of is None or any(read not in inputs.tables for read in wanted):
        return wanted
    return [*wanted, *link_reads(inputs, judge(study, inputs, inputs.as_of).judged)]


def plan(study: Study, inputs: Inputs, as_of: datetime) -> Plan:
    """Give the texts to be sent at the aware instant ``as_of``, and why the others get none."""
    everything = judge(study, inputs, as_of)
    texts = written(study, inputs, everything.judged, everything.history, as_of)
    return Plan(
        job=NAME,
        as_of=as_of,
        changes=opt_out_changes(study, inputs, everything.known, everything.arms),
        decisions=decisions(everything.judged),
        owned=output_fields(study),
        shared=output_fields(study),
        actions=tuple(texts.texts),
        skips=(*everything.skips, *skips(everything.judged), *texts.skips),
        problems=(*everything.problems, *texts.problems),
        tables=(table(everything.judged, texts.texts),),
    )


def skips(judged: Sequence[Judged]) -> list[Skip]:
    """Give who is due and gets no text, or got none in time, each with the reason."""
    return [
        Skip(one.recipient.record, one.subject, one.reason)
        for one in judged
        if not one.goes_out and one.due.decision not in QUIET
    ] + [
        Skip(one.recipient.record, f"{one.subject} #{number}", "superseded by a later text")
        for one in judged
        if one.goes_out
        for number in one.due.superseded
    ]


def decisions(judged: Sequence[Judged]) -> pd.DataFrame:
    """Give one decision for each survey of each participant."""
    rows = [[one.recipient.record, one.subject, one.decision, one.reason, "", ""] for one in judged]
    return pd.DataFrame(rows, columns=DECISION_COLUMNS, dtype="str")


def table(judged: Sequence[Judged], texts: Sequence[Text]) -> Table:
    """Count each survey's decisions, and the texts and segments that go out."""
    rows = []
    for survey in dict.fromkeys(one.survey.id for one in judged):
        own = Counter(one.decision for one in judged if one.survey.id == survey)
        out = [text for text in texts if text.message == survey]
        states = ", ".join(f"{count} {word.replace('_', ' ')}" for word, count in own.most_common())
        segments = sum(text.segments for text in out)
        rows.append((survey, str(len(out)), str(segments), states))
    return Table("Surveys", ("survey", "texts now", "segments", "participants"), tuple(rows))


def recheck(study: Study, action: Action, inputs: Inputs) -> Stands | Withhold:
    """Judge again, on fresh data, whether this very text is still to be sent to this phone."""
    everything = fresh_judgement(study, inputs)
    for one in everything.judged:
        if isinstance(action, Text) and one.survey.id == action.message:
            if one.recipient.record != action.record:
                continue
            if not one.goes_out:
                return Withhold(one.reason or one.decision)
            if one.recipient.problem[0]:
                return Withhold("the participant's data changed")
            again = text_of(inputs, one, action.body)
            same = (again.key, again.to) == (action.key, action.to)
            return Stands() if same else Withhold("the phone or what is due changed")
    return Withhold("the participant is not due any more")


def fresh_judgement(study: Study, inputs: Inputs) -> Everything:
    """Judge the participants that were read afresh, at the instant they were read for."""
    as_of = inputs.as_of
    if as_of is None:
        raise ValueError("inputs that decide about an action have an instant")
    return inputs.once(NAME, lambda: judge(study, inputs, as_of))


JOB = Job(
    name=NAME,
    summary="Text survey invitations and reminders to those who are due.",
    reads=reads,
    plan=plan,
    recheck=recheck,
    record=log_changes,
    help=HELP,
    texts=True,
)
