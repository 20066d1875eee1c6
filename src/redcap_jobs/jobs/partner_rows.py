"""What is written back to REDCap about members: changes only, each in the record's own arm."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import pandas as pd

from redcap_jobs.jobs.destinations import destination
from redcap_jobs.jobs.partner_history import ENROL
from redcap_jobs.jobs.partner_people import partner_of
from redcap_jobs.plan import CHANGE_COLUMNS, KEYS, Outcome
from redcap_jobs.redcap.logic import Reference
from redcap_jobs.redcap.project import Project
from redcap_jobs.redcap.records import ParticipantView, record_arms
from redcap_jobs.study.config import Study

Wanted = tuple[str, tuple[Reference, ...], str]
"""A record, the field it is written to ('()' for none), and its value; '' erases."""


def changed_cells(
    wanted: Iterable[Wanted], rows: pd.DataFrame, project: Project, arms: pd.Series
) -> pd.DataFrame:
    """Give the changes (CHANGE_COLUMNS) that bring the cells to what is wanted.

    ``rows`` is a rows frame with every field that is written; ``arms`` has each record's arm.
    """
    by_field: dict[Reference, dict[str, str]] = {}
    for record, references, value in wanted:
        for reference in references:
            by_field.setdefault(reference, {})[record] = value
    now = pd.Series(pd.Timestamp(0), index=arms.index).astype("datetime64[s]")
    view = ParticipantView(rows, arms.index, project, arms, missing_codes=(), today=now)
    changes: list[list[str]] = []
    for reference, values in by_field.items():
        to, old = destination(reference, None, project, arms), view.values(reference)
        for place, record in enumerate(arms.index):
            new = values.get(record)
            if new is None or not to.exists[place] or old.iloc[place] == new:
                continue
            keys = (to.event[place], to.repeat_instrument[place], to.repeat_instance[place])
            changes.append([record, *keys, to.field, old.iloc[place], new])
    return pd.DataFrame(changes, columns=CHANGE_COLUMNS, dtype="str")


def results(
    study: Study, outcomes: Sequence[Outcome], project: Project, roster: pd.DataFrame
) -> pd.DataFrame:
    """Give the member ids of enrolments, and what the partner refused, as changes.

    An error that is over is erased by the next plan, which sees what stands there.
    """
    write = partner_of(study).write
    wanted: list[Wanted] = []
    for outcome in outcomes:
        if outcome.state == "sent" and outcome.message == ENROL:
            wanted.append((outcome.record, write.member_id, outcome.reference))
        if outcome.state != "sent":
            wanted.append((outcome.record, write.error, error_words(outcome)))
    named = [o.record for o in outcomes]
    arms = record_arms(roster[roster["record"].isin(named)], project)["arm"]
    frame = changed_cells(wanted, nothing_known(wanted), project, arms)
    return frame.drop_duplicates([*KEYS, "field"], keep="last", ignore_index=True)


def nothing_known(wanted: Sequence[Wanted]) -> pd.DataFrame:
    """Give a rows frame without rows: what stands in the cells is not asked."""
    names = {reference.field for _, references, _ in wanted for reference in references}
    return pd.DataFrame(columns=[*KEYS, *sorted(names)], dtype="str")


def error_words(outcome: Outcome) -> str:
    """Say for a coordinator what became of a call that did not take effect."""
    if outcome.state == "unknown":
        return unknown_words(outcome.message)
    return f"{outcome.message}: refused by the partner ({outcome.code})"


def unknown_words(call: str) -> str:
    """Say for a coordinator that a call's answer was lost."""
    return f"{call}: nobody knows yet whether it took effect"
