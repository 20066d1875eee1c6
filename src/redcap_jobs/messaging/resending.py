"""``messages resend``: a person asks for a survey's text once more."""

from __future__ import annotations

from typing import TYPE_CHECKING

from redcap_jobs.errors import UsageError

if TYPE_CHECKING:
    from redcap_jobs.open_study import OpenStudy

JOB = "messages resend"
CARRIED_BY = "send-surveys"


def resend(opened: OpenStudy, token: str, record: str, survey_id: str, reason: str, by: str) -> str:
    """Ask for one more text of a survey to a record; return its key in the journal.

    The run record of the request keeps the reason. Raises what :func:`.request_resend` raises, and
    UsageError for a survey that the study file does not have.
    """
    from redcap_jobs.recorded import recorded
    from redcap_jobs.state.journal import Journal
    from redcap_jobs.state.reasons import checked
    from redcap_jobs.state.resending import request_resend
    from redcap_jobs.study.nearest import did_you_mean

    surveys = {survey.id: survey for survey in opened.study.surveys}
    if survey_id not in surveys:
        hint = did_you_mean(survey_id, surveys) or f"there are {', '.join(surveys) or 'none'}"
        raise UsageError(f"--kind {survey_id}: the study file has no such survey; {hint}")
    why = checked(reason)
    options = {"record": record, "kind": survey_id, "reason": why}
    with recorded(opened, token, JOB, options) as run:
        Journal(opened.store, run.id).recover()
        return request_resend(
            opened.store,
            opened.project(token),
            record,
            surveys[survey_id].ids,
            job=CARRIED_BY,
            run_id=run.id,
            reason=why,
            by=by,
        )
