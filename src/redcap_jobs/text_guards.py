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


def survey_ids_are_known(plan: Plan, context: GuardContext) -> Plan:
    """Refuse to decide about texts while an id that was texted belongs to no survey of the file.

    A survey renamed without ``formerly`` would be a new one, and would text everybody again. A job
    that only follows texts goes on: replies must be read whatever the file says.
    """
    from redcap_jobs.jobs.survey_history import key_of
    from redcap_jobs.jobs.survey_reads import logged_rows
    from redcap_jobs.study.survey_ids import check_ids, ids_that_went_out

    inputs = context.inputs
    known = inputs.tables.get(ReadMessages())
    if known is None or (plan.decisions.empty and not plan.actions):
        return plan
    texted = ids_that_went_out(known)
    keys = [key_of(text, inputs.project) for text in logged_rows(context.study, inputs)["key"]]
    lost = check_ids(context.study, texted | {key.message for key in keys if key is not None})
    if lost:
        raise GuardRefused("survey ids", "\n".join(map(str, lost)))
    return plan


def journal_is_whole(plan: Plan, context: GuardContext) -> Plan:
    """Refuse a state that knows no text of a project whose message log in REDCap holds some.

    The state was lost, or is another one, or the server has a new address: what that log does not
    hold yet would be sent twice. Keys of another project count for nothing (a copy of a project
    brings its log along).
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
            "them: it was lost, this is another one, or the server has a new address; nothing was "
            "sent. Name the state that cron uses, or restore its backup; if there is none, or the "
            "address is new: redcap-jobs state adopt STUDY",
        )
    return plan
