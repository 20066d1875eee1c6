"""``poll-messages``: what became of the texts, and which replies came, written back to REDCap.

The run itself asks the sender before this job plans; the job ticks opt-outs and wrong numbers and
writes what changed into REDCap's message log. It sends nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import pandas as pd

from redcap_jobs.jobs.message_log import log_changes
from redcap_jobs.jobs.opt_outs import opt_out_changes, output_fields, outputs_read
from redcap_jobs.jobs.participants import people
from redcap_jobs.jobs.survey_reads import source_rows
from redcap_jobs.jobs.survey_recipients import recipients
from redcap_jobs.plan import (
    DECISION_COLUMNS,
    Inputs,
    Job,
    Plan,
    Read,
    ReadMessages,
    ReadStops,
)
from redcap_jobs.study.config import Study

NAME = "poll-messages"
HELP = """Learn what became of the texts and which replies came; write both back to REDCap.

Open texts are brought up to date from the sender's list. Replies are read for words such as STOP
and ALTO: the phone gets no more texts from this study; an unclear reply holds its phone until a
person has read it. Run it every 15 minutes: send-surveys sends nothing where replies were not
read lately.

\b
  redcap-jobs poll-messages --study ismile.toml \\
      --export-token REDCAP_API_ISMILE_PROD --import-token REDCAP_API_ISMILE_PROD --yes
"""


def reads(study: Study, inputs: Inputs) -> Sequence[Read]:
    """Name what is needed: phones, the opt-out fields as they stand, what the state knows."""
    outputs = outputs_read(study, inputs)
    wanted: list[Read] = [source_rows(study, inputs), ReadMessages(), ReadStops()]
    return [*wanted, outputs] if outputs else wanted


def plan(study: Study, inputs: Inputs, as_of: datetime) -> Plan:
    """Give the opt-outs and wrong numbers that REDCap does not hold yet.

    Problems in the participants' data are told by the jobs that decide from them, not here.
    """
    persons = people(study, inputs, inputs.tables[source_rows(study, inputs)], as_of)
    known = recipients(study, inputs, persons, as_of)
    return Plan(
        job=NAME,
        as_of=as_of,
        changes=opt_out_changes(study, inputs, known, persons.arms),
        decisions=pd.DataFrame(columns=DECISION_COLUMNS, dtype="str"),
        owned=output_fields(study),
        shared=output_fields(study),
    )


JOB = Job(
    name=NAME,
    summary="Learn what became of the texts and which replies came.",
    reads=reads,
    plan=plan,
    record=log_changes,
    help=HELP,
    texts=True,
)
