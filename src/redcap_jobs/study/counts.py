"""For how many records each condition of the study file is true, false or rests on a blank.

A condition such as ``[consent] <> '0'`` is true on a blank; the counts show it before it matters.
"""

from __future__ import annotations

from dataclasses import dataclass

from redcap_jobs.redcap.records import ParticipantView
from redcap_jobs.study.config import Study
from redcap_jobs.study.flaws import written_path
from redcap_jobs.study.uses import conditions, fields


@dataclass(frozen=True)
class ConditionCount:
    """One condition's counts over all records of the export.

    ``true`` and ``false`` add up to the records; ``blank`` counts those in which some field of
    the condition is blank, whatever the result, and ``true_on_blank`` those of them that are true.
    """

    where: str
    text: str
    true: int
    false: int
    blank: int
    true_on_blank: int


def fields_to_count(study: Study) -> tuple[str, ...]:
    """Name the fields that the conditions need, each once, in alphabetical order."""
    return tuple(sorted({use.reference.field for use in fields(study) if use.role == "condition"}))


def condition_counts(study: Study, view: ParticipantView) -> list[ConditionCount]:
    """Evaluate every condition over one view with an entry per record."""
    counts = []
    for use in conditions(study):
        own = view if use.own is None else view.at(use.own)
        truth = use.condition.expression.truth(own)
        blank = use.condition.expression.any_blank(own)
        counts.append(
            ConditionCount(
                where=written_path(use.path),
                text=use.condition.text,
                true=int(truth.sum()),
                false=int((~truth).sum()),
                blank=int(blank.sum()),
                true_on_blank=int((truth & blank).sum()),
            )
        )
    return counts
