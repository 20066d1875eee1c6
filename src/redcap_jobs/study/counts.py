"""For how many records each condition of the study file is true, false or rests on a blank.

A condition such as ``[consent] <> '0'`` is true on a blank; the counts show it before it matters.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

import pandas as pd

from redcap_jobs.errors import DictionaryError
from redcap_jobs.redcap.project import Project
from redcap_jobs.redcap.records import ParticipantView, record_arms
from redcap_jobs.study.config import Study
from redcap_jobs.study.flaws import written_path
from redcap_jobs.study.uses import conditions, fields


@dataclass(frozen=True)
class ConditionCount:
    """One condition's counts over all records of the project.

    ``true`` and ``false`` add up to the records; ``blank`` counts those in which some field of
    the condition is blank, whatever the result (an unticked checkbox is no blank), and
    ``true_on_blank`` those of them that are true.
    """

    where: str
    text: str
    true: int
    false: int
    blank: int
    true_on_blank: int


def fields_to_count(study: Study, project: Project) -> tuple[str, ...]:
    """Name the fields that the conditions need and the project has, in alphabetical order."""
    named = {use.reference.field for use in fields(study) if use.role == "condition"}
    return tuple(sorted(named.intersection(project.fields)))


def all_records(
    study: Study, project: Project, rows: pd.DataFrame, roster: pd.DataFrame, now: datetime
) -> ParticipantView:
    """Return a view with an entry per record of the roster, whoever takes part.

    ``rows`` is a rows frame with ``dag`` and the fields of :func:`fields_to_count`, ``roster``
    has the columns ``record, event``; ``now`` is aware, and its date in the study's zone is "today".
    """
    arms = record_arms(roster, project)["arm"]
    local = pd.Timestamp(now.astimezone(ZoneInfo(study.study.time_zone)).replace(tzinfo=None))
    today = pd.Series(local, index=arms.index).astype("datetime64[s]")
    codes = tuple(project.missing_data_codes)
    return ParticipantView(rows, arms.index, project, arms, missing_codes=codes, today=today)


def condition_counts(study: Study, view: ParticipantView) -> Iterator[ConditionCount]:
    """Evaluate every condition over a view; one that names what does not exist is left out."""
    for use in conditions(study):
        seen = view.at(use.own)
        try:
            expression = use.condition.expression
            truth = seen.stops(expression) if use.stops else expression.truth(seen)
            blank = expression.any_blank(seen)
        except DictionaryError:  # a finding of its own says so already
            continue
        yield ConditionCount(
            where=written_path(use.path),
            text=use.condition.text,
            true=int(truth.sum()),
            false=int((~truth).sum()),
            blank=int(blank.sum()),
            true_on_blank=int((truth & blank).sum()),
        )
