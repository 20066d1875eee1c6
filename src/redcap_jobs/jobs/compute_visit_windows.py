"""``compute-visit-windows``: every participant's visit windows and states, kept in REDCap.

Reads anchors, completion dates and the study file's conditions, computes target, window and state
of every planned visit, and writes the fields named by ``[visits.write]`` where they differ.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd

from redcap_jobs.jobs import window_decisions, window_reads, window_reports
from redcap_jobs.jobs.participants import People, local_times, people
from redcap_jobs.jobs.visit_flags import FlagBits, flags
from redcap_jobs.jobs.visit_states import Classified, classify, pending_visits
from redcap_jobs.jobs.visit_windows import Marks, Schedule
from redcap_jobs.jobs.window_facts import Known, known
from redcap_jobs.jobs.window_leavers import leavers_columns, leavers_decisions
from redcap_jobs.jobs.window_outputs import (
    Column,
    Outputs,
    changes_of,
    output_fields,
    pending_text,
    written_values,
)
from redcap_jobs.jobs.window_schedule import rules_of, schedule_of
from redcap_jobs.plan import (
    Inputs,
    Job,
    Plan,
    Problem,
    Read,
)
from redcap_jobs.redcap.records import ParticipantView
from redcap_jobs.study.config import Study

NAME = "compute-visit-windows"
HELP = """Compute each participant's visit windows and states, and keep them in REDCap.

Target and window are counted from the anchor date in days or calendar months, as the study file
says. Only fields named under [visits.write] are written, and only where they differ: a second run
right after writes nothing. Visits already closed keep their state when a window's definition
changes, unless --reclassify is given; a corrected date always counts.

\b
  redcap-jobs compute-visit-windows --study ismile.toml \\
      --export-token REDCAP_API_ISMILE_PROD --import-token REDCAP_API_ISMILE_PROD --dry-run
"""
RECLASSIFY = "Apply changed window definitions to visits that are closed already, too."


@dataclass(frozen=True)
class Computed:
    """What was computed, and what of the last run stands beside it."""

    people: People
    schedule: Schedule
    known: Known
    found: Classified
    bits: FlagBits
    last: window_decisions.Before
    facts: window_decisions.Strings
    rules: list[str]
    problems: list[Problem]


def reads(study: Study, inputs: Inputs) -> Sequence[Read]:
    """Name the three reads: rows to decide from, the outputs as they stand, the last decisions."""
    return (
        window_reads.source_rows(study, inputs),
        window_reads.target_rows(study, inputs),
        window_reads.decisions(),
    )


def plan(study: Study, inputs: Inputs, as_of: datetime) -> Plan:
    """Give the changed cells, decisions, counts and Problems at the aware instant ``as_of``.

    Raises StudyFileError where the study file asks for event offsets that REDCap does not export.
    """
    computed = _computed(study, inputs, as_of)
    records, visits = computed.people.records, computed.schedule.visits
    outputs = _outputs(study, inputs, computed.people.arms, computed.people.today)
    columns, kept = _columns(study, inputs, computed, outputs, as_of)
    state = np.where(kept, computed.last.state, computed.found.state)
    found = replace(
        computed.found, state=state, pending=pending_visits(state, computed.known.facts)
    )
    columns += outputs.participant(pending_text(found, visits))
    left, left_changes = _leavers(study, inputs, computed, as_of)
    corrected = window_decisions.anchor_corrected(computed.last, computed.facts)
    return Plan(
        job=NAME,
        as_of=as_of,
        changes=joined(changes_of(columns, records), left_changes),
        decisions=joined(
            window_decisions.decisions_frame(
                records,
                visits,
                computed.found.state,
                computed.bits,
                computed.facts,
                computed.rules,
                kept,
                computed.last,
            ),
            left,
        ),
        owned=output_fields(study),
        skips=(
            *computed.people.skips,
            *computed.known.skips,
            *window_reports.kept_skips(kept, records, visits),
        ),
        problems=(
            *computed.problems,
            *window_reports.error_problems(computed.bits, records, visits),
            *window_reports.anchor_problems(corrected, computed.last, state, records, visits),
        ),
        tables=window_reports.tables(
            found, computed.known.facts, computed.last, computed.schedule.applicable, visits
        ),
    )


def _computed(study: Study, inputs: Inputs, as_of: datetime) -> Computed:
    source, _, decisions = reads(study, inputs)
    persons = people(study, inputs, inputs.tables[source], as_of)
    schedule, problems = schedule_of(study, inputs.source, persons)
    facts = known(study, persons)
    found = classify(schedule, facts.facts)
    bits = flags(
        found,
        facts.facts,
        opens_soon_days=study.windows.opens_soon_days,
        closing_soon_days=study.windows.closing_soon_days,
    )
    return Computed(
        people=persons,
        schedule=schedule,
        known=facts,
        found=found,
        bits=bits,
        last=window_decisions.before(inputs.tables[decisions], persons.records, schedule.visits),
        facts=window_decisions.fingerprints(
            facts.facts, found.windows, persons.records, inputs.fingerprint
        ),
        rules=rules_of(study, inputs.source),
        problems=[*persons.problems, *problems, *facts.problems],
    )


def _columns(
    study: Study, inputs: Inputs, computed: Computed, outputs: Outputs, as_of: datetime
) -> tuple[list[Column], Marks]:
    """Give the visits' output columns, and which visits keep what the last run decided."""
    values = written_values(computed.found, computed.bits)
    closed = window_decisions.closed_under_other_rules(
        computed.last, computed.facts, computed.rules
    )
    if inputs.options.get("reclassify"):
        closed = np.zeros_like(closed)
    stamp = _stamp(study, as_of)
    columns: list[Column] = []
    kept = closed & (computed.last.state != computed.found.state)
    for place in range(len(study.visits)):
        own = outputs.visit(place, values, computed.schedule.applicable[:, place])
        for column in own:
            kept[:, place] |= closed[:, place] & column.differs
        own = [column.where(~kept[:, place]) for column in own]
        changed = (
            np.any([column.differs for column in own], axis=0) if own else kept[:, place] & False
        )
        columns += [*own, *outputs.stamp(place, changed, stamp)]
    return columns, kept


def _leavers(
    study: Study, inputs: Inputs, computed: Computed, as_of: datetime
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Give decisions and changes of those who no longer take part."""
    others, visits = computed.people.others, computed.schedule.visits
    _, _, decisions = reads(study, inputs)
    last = window_decisions.before(inputs.tables[decisions], others.index, visits)
    now = local_times(study, pd.Series("", index=others.index, dtype="str"), as_of)
    columns = leavers_columns(_outputs(study, inputs, others, now), last, _stamp(study, as_of))
    return leavers_decisions(others.index, visits, last), changes_of(columns, others.index)


def joined(first: pd.DataFrame, second: pd.DataFrame) -> pd.DataFrame:
    """Give both frames' rows; columns and dtypes are the same."""
    return pd.concat([first, second], ignore_index=True) if len(second) else first


def _stamp(study: Study, as_of: datetime) -> str:
    return as_of.astimezone(ZoneInfo(study.study.time_zone)).strftime("%Y-%m-%d %H:%M:%S")


def _outputs(study: Study, inputs: Inputs, arms: pd.Series, today: pd.Series) -> Outputs:
    rows = inputs.tables[window_reads.target_rows(study, inputs)]
    # A missing-data code that stands in an output is a value like any other: it is overwritten.
    view = ParticipantView(rows, arms.index, inputs.target, arms, missing_codes=(), today=today)
    return Outputs(study, inputs.target, view, arms)


JOB = Job(
    name=NAME,
    summary="Compute each participant's visit windows and states.",
    reads=reads,
    plan=plan,
    flags={"reclassify": RECLASSIFY},
    help=HELP,
)
