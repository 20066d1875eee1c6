"""How a run ends: as an outcome, in its record, and told to whoever must know."""

from __future__ import annotations

import logging
from collections import Counter
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from redcap_jobs.errors import ExitCode, RedcapJobsError, UsageError
from redcap_jobs.notify.outcome import RunOutcome, notify

if TYPE_CHECKING:
    import pandas as pd

    from redcap_jobs.clock import Clock
    from redcap_jobs.executor import Executed
    from redcap_jobs.plan import Job, Plan
    from redcap_jobs.progress import Progress
    from redcap_jobs.request import RunRequest, Terminal
    from redcap_jobs.run import Prepared
    from redcap_jobs.setting import Setting
    from redcap_jobs.state.runs import RunState

log = logging.getLogger(__name__)


def outcome_of_end(
    setting: Setting, run_id: str, prepared: Prepared, executed: Executed | None, state: RunState
) -> RunOutcome:
    """Describe a run that came to its end; problems make it partial and exit 1.

    ``executed`` is None where nothing was to be changed, or nobody agreed to it.
    """
    from redcap_jobs.render import counted, summary, told

    plan = prepared.plan
    typed = setting.typed
    problems = typed.told([*plan.problems, *(executed.problems if executed else ())])
    counts = {
        **prepared.size,
        "cells_planned": len(plan.changes),
        "problems": len(problems),
        "skipped": len(plan.skips),
    }
    message = f"planned: {summary(plan)}" if state == "dry" else "nothing was written"
    if executed:
        counts |= {"cells_written": executed.cells, "records_written": executed.records}
        if prepared.source is prepared.target:
            counts["rows_read"] += rows_made(plan, executed, prepared.target.roster)
        counts |= {f"actions {how}": number for how, number in executed.actions.items()}
        message = told(executed)
    if problems:
        message += f"; {counted(len(problems), 'problem')} in the data"
        state = "partial" if state == "done" else state
    return RunOutcome(
        run_id=run_id,
        job=setting.job.name,
        study=setting.study.study.id,
        state=state,
        exit_code=ExitCode.PARTLY_FAILED if problems else ExitCode.DONE,
        message=message,
        counts=counts,
        skip_reasons=Counter(skip.reason for skip in plan.skips),
        problems=[str(problem) for problem in problems],
        typed=typed,
    )


def outcome_of_failure(
    setting: Setting, run_id: str, error: Exception, state: RunState, progress: Progress
) -> RunOutcome:
    """Describe a run that did not come to its end."""
    known = isinstance(error, RedcapJobsError)
    if setting.request.verbose and state != "cancelled":
        log.debug("run %s: %s", run_id, state, exc_info=error)
    message = (
        str(error)
        if known
        else f"unexpected {type(error).__name__}, a fault of this program; --verbose shows where"
    )
    if state == "failed":
        message += progress.after(error)
    elif state == "cancelled" and progress.so_far():
        message += f"; {progress.so_far()}"
    return RunOutcome(
        run_id=run_id,
        job=setting.job.name,
        study=setting.study.study.id,
        state=state,
        exit_code=getattr(error, "exit_code", ExitCode.PARTLY_FAILED),
        message=setting.typed.complete(message),
        counts={} if state == "refused" else progress.counts(),
        typed=setting.typed,
    )


def rows_made(plan: Plan, executed: Executed, roster: pd.DataFrame) -> int:
    """Count the rows (record and event) that a run's own imports have made.

    The next run must read them, too: a server that loses them is noticed by that.
    """
    filled = plan.changes[plan.changes["new"] != ""]
    refused = {problem.record for problem in executed.problems}
    written = zip(filled["record"], filled["event"], strict=True)
    there = set(zip(roster["record"], roster["event"], strict=True))
    return len({place for place in written if place[0] not in refused} - there)


def keep_end(
    setting: Setting, outcome: RunOutcome, error: Exception | None, redcap_version: str
) -> None:
    """Write the end of a run into its record."""
    from redcap_jobs.state.runs import RunEnd, finish_run

    end = RunEnd(
        state=outcome.state,
        exit_code=int(outcome.exit_code),
        message=outcome.message,
        counts=outcome.counts,
        skip_reasons=outcome.skip_reasons,
        problems=outcome.problems,
        error_class=type(error).__name__ if error else "",
        error_code=getattr(error, "guard", "") if error else "",
        redcap_version=redcap_version,
    )
    finish_run(setting.store, outcome.run_id, end)


def tell(setting: Setting, outcome: RunOutcome) -> None:
    """Tell whoever looks on, cron, and the study's people how a run ended."""
    from redcap_jobs.notify.alarms import after_run
    from redcap_jobs.render import show_outcome

    if setting.terminal.watched and outcome.exit_code == ExitCode.DONE:
        show_outcome(outcome, setting.terminal.console)
    if not was_said(setting, outcome):
        notify(outcome)
    if mailed_about(setting.job):
        after_run(
            outcome,
            store=setting.store,
            study=setting.study,
            credentials=setting.credentials,
            project=setting.project,
            clock=setting.clock,
            whole=not setting.request.records,
        )


def tell_without_a_run(
    request: RunRequest, terminal: Terminal, error: RedcapJobsError, clock: Clock
) -> None:
    """Mail a start of cron's that came to no run, where files and state say whom and what before.

    Else nothing is said here: without study file and credentials nobody knows who wants to hear
    of it, and without the state not whether they have. The error itself is told by the caller.
    Never raises.
    """
    from redcap_jobs.jobs import load_job
    from redcap_jobs.notify.alarms import after_run
    from redcap_jobs.state.address import URL_VARIABLE
    from redcap_jobs.state.scope import ProjectKey
    from redcap_jobs.state.store import open_state
    from redcap_jobs.study.credentials import load_credentials
    from redcap_jobs.study.loading import load_bundled_or_file

    somebody_reads_it = terminal.interactive or request.dry_run or request.as_of is not None
    if (
        somebody_reads_it
        or isinstance(error, UsageError)
        or not mailed_about(load_job(request.job))
    ):
        return
    try:
        study = load_bundled_or_file(str(request.study))
        identity = study.redcap.projects.get(request.import_token)
        if identity is None or identity.role != "production":
            return
        credentials = load_credentials(request.env_file)
        with open_state(credentials.get(URL_VARIABLE), production=True, clock=clock) as store:
            after_run(
                RunOutcome(
                    *("", request.job, study.study.id, "failed", error.exit_code, str(error)),
                    typed=request.typed(study),
                ),
                store=store,
                study=study,
                credentials=credentials,
                project=ProjectKey(study.redcap.url, identity.project_id, identity.mode),
                clock=clock,
                whole=not request.records,
            )
    except RedcapJobsError as lacking:
        log.debug("nobody was mailed: %s", type(lacking).__name__)


def mailed_about(job: Job) -> bool:
    """Tell whether a job runs often, and reaches people outside: it texts, or calls the partner."""
    return job.texts or job.partner


def was_said(setting: Setting, outcome: RunOutcome) -> bool:
    """Tell whether a job that runs every few minutes has said the very same today.

    Cron mails every line: an unread reply must not be a mail each quarter of an hour, but one
    on each day of the study's zone.
    """
    from redcap_jobs.state.runs import said_since

    terminal = setting.terminal
    looked_at = terminal.watched or terminal.interactive or setting.request.verbose
    if looked_at or not mailed_about(setting.job) or outcome.state != "partial":
        return False
    local = setting.clock.now().astimezone(ZoneInfo(setting.study.study.time_zone))
    return said_since(setting.store, outcome.run_id, local.replace(hour=0, minute=0, second=0))
