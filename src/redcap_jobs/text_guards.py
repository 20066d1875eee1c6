"""Guards for plans that text: how many at once, and whether the journal can be trusted at all."""

from __future__ import annotations

from typing import TYPE_CHECKING

from redcap_jobs.errors import GuardRefused
from redcap_jobs.plan import Plan, ReadMessages

if TYPE_CHECKING:
    from redcap_jobs.guards import GuardContext


def texts_per_run(plan: Plan, context: GuardContext) -> Plan:
    """Refuse a plan with more texts than ``[messages] per_run``: a wrong date texts everybody."""
    messages = context.study.messages
    count = sum(action.kind == "text" for action in plan.actions)
    most = int(context.allow.get("texts", messages.per_run if messages else 0))
    if count > most:
        raise GuardRefused(
            "texts",
            f"{count} texts would be sent, the limit for a run is {most}; nothing was sent. If so "
            f"many are due, to allow it once: --allow texts={count}",
        )
    return plan


def journal_is_whole(plan: Plan, context: GuardContext) -> Plan:
    """Refuse a state that knows no text of a project whose message log in REDCap holds some.

    The state was lost, or is another one: what that log does not hold yet would be sent twice.
    Keys of another project count for nothing (a copy of a project brings its log along).
    """
    from redcap_jobs.jobs.survey_history import key_of
    from redcap_jobs.jobs.survey_reads import logged_rows

    inputs = context.inputs
    known = inputs.tables.get(ReadMessages())
    if known is None or not known.empty:
        return plan
    held = sum(
        key_of(text, inputs.project) is not None
        for text in logged_rows(context.study, inputs)["key"].unique()
    )
    if held:
        raise GuardRefused(
            "journal",
            f"REDCap's message log holds {held} texts of this project and the state knows none of "
            "them: it was lost, or this is another one; nothing was sent. Name the state that "
            "cron uses, or restore its backup; if there is none: redcap-jobs state adopt",
        )
    return plan
