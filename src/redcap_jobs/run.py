"""One run of one job, start to end: lock, reads, plan, guards, question, executor, record.

:func:`run_job` is what every job command calls. What goes wrong before a run exists (usage, study
file, credentials, state) is raised; from then on the end is always recorded, whatever happens, and
told through the one notify hook.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from redcap_jobs.clock import Clock, SystemClock
from redcap_jobs.errors import CredentialsError, ExitCode, GuardRefused, RedcapJobsError, UsageError
from redcap_jobs.guards import GuardContext, check_pair, export_size, guard
from redcap_jobs.notify.outcome import RunOutcome, notify
from redcap_jobs.plan import Inputs, Job, Plan, ReadRows
from redcap_jobs.progress import Progress
from redcap_jobs.request import RunRequest, Terminal

if TYPE_CHECKING:
    import pandas as pd

    from redcap_jobs.executor import Executed
    from redcap_jobs.reading import Side
    from redcap_jobs.redcap.client import RedcapClient
    from redcap_jobs.sources import Sources
    from redcap_jobs.state.runs import RunState
    from redcap_jobs.state.scope import ProjectKey
    from redcap_jobs.state.store import Store
    from redcap_jobs.study.config import Study
    from redcap_jobs.study.credentials import Credentials

log = logging.getLogger(__name__)

PLAN_KEEPS = timedelta(minutes=5)
"""A plan older than this when the answer comes is made again and shown again."""


@dataclass(frozen=True)
class Prepared:
    """A plan that passed the guards, what it was made from, and when (the real clock)."""

    plan: Plan
    source: Side
    target: Side
    sources: Sources
    size: Mapping[str, int]
    made_at: datetime


def run_job(request: RunRequest, terminal: Terminal, clock: Clock | None = None) -> RunOutcome:
    """Run a job once and return how it ended.

    Raises:
        UsageError: Without a terminal, neither ``--yes`` nor ``--dry-run`` was given; or both were.
        SetupError: Study file or credentials.
        StateMissing: A production project, and no state.

    """
    from redcap_jobs.jobs import load_job
    from redcap_jobs.state.fingerprint import KEY_VARIABLE, Fingerprinter
    from redcap_jobs.state.scope import ProjectKey
    from redcap_jobs.state.store import open_state
    from redcap_jobs.study.credentials import load_credentials
    from redcap_jobs.study.loading import load_bundled_or_file

    clock = clock or SystemClock()
    if request.yes and request.dry_run:
        raise UsageError("--yes acts and --dry-run does not: give one of them")
    if not (terminal.interactive or request.yes or request.dry_run):
        raise UsageError("no terminal to ask at: give --yes to act, or --dry-run to look")
    study = load_bundled_or_file(str(request.study))
    credentials = load_credentials(request.env_file)
    for name in (request.export_token, request.import_token):
        credentials.token(name)
        if name not in study.redcap.projects:
            known = ", ".join(sorted(study.redcap.projects)) or "none"
            raise CredentialsError(
                f"{study.path}: no [redcap.projects.{name}], so nothing says which project it "
                f"must open (declared: {known})"
            )
    check_pair(study, request.export_token, request.import_token)
    identity = study.redcap.projects[request.import_token]
    url = credentials.get("REDCAP_JOBS_STATE_URL")
    Fingerprinter(credentials.get(KEY_VARIABLE))  # before a state is made that could not be used
    with open_state(url, production=identity.role == "production", clock=clock) as store:
        project = ProjectKey(study.redcap.url, identity.project_id, identity.mode)
        job = load_job(request.job)
        return Run(request, terminal, clock, study, credentials, job, store, project).perform()


def decision_scope(study: Study, job: Job, request: RunRequest) -> str:
    """Name what a job's decisions are kept under: the job, and the source if it is another one."""
    source = study.redcap.projects[request.export_token].project_id
    target = study.redcap.projects[request.import_token].project_id
    return job.name if source == target else f"{job.name} from project {source}"


def rows_made(plan: Plan, executed: Executed, roster: pd.DataFrame) -> int:
    """Count the rows (record and event) that a run's own imports have made.

    The next run must read them, too: a server that loses them is noticed by that.
    """
    filled = plan.changes[plan.changes["new"] != ""]
    refused = {problem.record for problem in executed.problems}
    written = zip(filled["record"], filled["event"], strict=True)
    there = set(zip(roster["record"], roster["event"], strict=True))
    return len({place for place in written if place[0] not in refused} - there)


class Run:
    """The steps of one run over one open state."""

    def __init__(
        self,
        request: RunRequest,
        terminal: Terminal,
        clock: Clock,
        study: Study,
        credentials: Credentials,
        job: Job,
        store: Store,
        project: ProjectKey,
    ) -> None:
        self.request = request
        self.terminal = terminal
        self.clock = clock
        self.study = study
        self.credentials = credentials
        self.job = job
        self.store = store
        self.project = project
        self.as_of = request.as_of or clock.now()
        self.dry = request.dry_run or (request.as_of is not None and not study.redcap.is_loopback)
        self.run_id = ""
        self.redcap_version = ""
        self.error: Exception | None = None
        self.still_locked: Callable[[], None] = lambda: None
        self.scope = decision_scope(study, job, request)
        self.clients: dict[str, RedcapClient] = {}
        self.progress = Progress()

    def perform(self) -> RunOutcome:
        """Record the start, take the lock, carry the run through, record the end in any case."""
        from redcap_jobs.state.lock import job_lock
        from redcap_jobs.state.runs import RunStart, start_run

        start = RunStart(
            study=self.study.study.id,
            job=self.job.name,
            project=self.project,
            export_token=self.request.export_token,
            import_token=self.request.import_token,
            as_of=self.as_of,
            study_file_hash=self.study.sha256,
            options=self.options_used(),
        )
        self.run_id = start_run(self.store, start)
        log.debug("run %s: %s on %s", self.run_id, self.job.name, self.project)
        outcome = self.failed(RedcapJobsError("stopped before its end"), "cancelled")
        try:
            with job_lock(
                self.store, self.project, self.job.name, self.run_id, self.clock
            ) as still_locked:
                self.still_locked = still_locked
                outcome = self.attempt()
        except RedcapJobsError as error:
            outcome = self.failed(error, "failed")
        except Exception as error:  # noqa: BLE001 - a fault of this program ends a run, told like any other
            outcome = self.failed(error, "failed")
        finally:
            for client in self.clients.values():
                client.close()
            self.record_end(outcome)
            if not self.was_said(outcome):
                notify(outcome)
            self.tell_by_mail(outcome)
        return outcome

    def was_said(self, outcome: RunOutcome) -> bool:
        """Tell whether a job that runs every few minutes has said the very same today.

        Cron mails every line: an unread reply must not be a mail each quarter of an hour, but one
        on each day.
        """
        from redcap_jobs.state.runs import said_since

        looked_at = self.terminal.watched or self.terminal.interactive or self.request.verbose
        if looked_at or not self.job.texts or outcome.state != "partial":
            return False
        local = self.clock.now().astimezone(ZoneInfo(self.study.study.time_zone))
        return said_since(self.store, self.run_id, local.replace(hour=0, minute=0, second=0))

    def tell_by_mail(self, outcome: RunOutcome) -> None:
        """Tell the study's people where a job that texts begins to fail, or is well again."""
        from redcap_jobs.notify.alarms import after_run

        if self.job.texts:
            after_run(
                outcome,
                store=self.store,
                study=self.study,
                credentials=self.credentials,
                project=self.project,
                clock=self.clock,
                whole=not self.request.records,
            )

    def options_used(self) -> dict[str, object]:
        """Return what the command line asked for beyond the required; kept in the run record."""
        chosen = {name: value for name, value in self.request.options.items() if value}
        named = {"records": list(self.request.records), "allow": dict(self.request.allow)}
        return {**chosen, **{name: value for name, value in named.items() if value}}

    def record_end(self, outcome: RunOutcome) -> None:
        """Write the end of the run into its record."""
        from redcap_jobs.state.runs import RunEnd, finish_run

        end = RunEnd(
            state=outcome.state,
            exit_code=int(outcome.exit_code),
            message=outcome.message,
            counts=outcome.counts,
            skip_reasons=outcome.skip_reasons,
            problems=outcome.problems,
            error_class=type(self.error).__name__ if self.error else "",
            error_code=getattr(self.error, "guard", "") if self.error else "",
            redcap_version=self.redcap_version,
        )
        finish_run(self.store, self.run_id, end)

    def attempt(self) -> RunOutcome:
        """Prepare, show, ask, execute; a guard's no becomes an outcome of its own."""
        try:
            prepared = self.prepare()
            self.show(prepared.plan)
            if self.dry:
                return self.ended(prepared, None, "dry")
            agreed = self.agreed(prepared)
            if agreed is None:
                return self.ended(prepared, None, "cancelled")
            return self.ended(agreed, self.execute(agreed), "done")
        except GuardRefused as error:
            return self.failed(error, "refused")

    def prepare(self) -> Prepared:
        """Read everything afresh, plan, and pass the plan through the guards."""
        from redcap_jobs.reading import open_side
        from redcap_jobs.state import ownership, runs

        sources = self.sources()
        made_at = self.clock.now()
        export_name, import_name = self.request.export_token, self.request.import_token
        opened = partial(open_side, self.study, texts=self.job.texts)
        target = opened(import_name, self.client(import_name), target=True, writes=not self.dry)
        source = target
        if export_name != import_name:
            source = opened(export_name, self.client(export_name), target=False, writes=False)
        self.redcap_version = target.version
        problems = sources.look_at_texts(keep=not self.dry)
        inputs = sources.gather(source, target, self.request.records)
        before = runs.last_good_run(self.store, self.project, self.job.name, export_name)
        plan = self.job.plan(self.study, inputs, self.request.as_of or made_at)
        plan = replace(plan, problems=(*problems, *plan.problems))
        context = GuardContext(
            study=self.study,
            inputs=inputs,
            roster=target.roster,
            already_owned=ownership.owned_fields(self.store, self.project),
            before=before.counts if before else {},
            allow=self.request.allow,
            standing=self.standing(plan, inputs, target),
            whole=not self.request.records,
        )
        try:
            plan = guard(plan, context)
        except GuardRefused:
            self.show(plan)
            raise
        return Prepared(plan, source, target, sources, export_size(inputs.roster), made_at)

    def sources(self) -> Sources:
        """Return what the inputs come from, once the state's key was found to be the right one."""
        from redcap_jobs.sources import Sources
        from redcap_jobs.state import fingerprint

        key = fingerprint.Fingerprinter(self.credentials.get(fingerprint.KEY_VARIABLE))
        fingerprint.check_key(self.store, key)
        return Sources(
            job=self.job,
            study=self.study,
            store=self.store,
            project=self.project,
            scope=self.scope,
            run_id=self.run_id,
            options=self.request.options,
            as_of=self.request.as_of,
            credentials=self.credentials,
            key=key,
            clock=self.clock,
        )

    def standing(self, plan: Plan, inputs: Inputs, target: Side) -> list[pd.DataFrame]:
        """Return the outputs as they stand in all records, read anew under ``--record``."""
        from redcap_jobs.reading import export

        reads = [
            read for read in inputs.tables if isinstance(read, ReadRows) and read.side == "target"
        ]
        if self.request.records and len(plan.changes):
            return [export(target, reads, ())] if reads else []
        return [inputs.tables[read] for read in reads]

    def client(self, name: str) -> RedcapClient:
        """Return the client for the project behind one token's name."""
        from redcap_jobs.study.live import open_client

        if name not in self.clients:
            per_minute = self.study.limits.requests_per_minute
            self.clients[name] = open_client(
                self.study.redcap.url, name, self.credentials, self.clock, per_minute
            )
        return self.clients[name]

    def show(self, plan: Plan) -> None:
        """Show the plan where someone looks: at a terminal, for a dry run, or when asked."""
        from redcap_jobs.render import show_plan

        if self.terminal.watched or self.terminal.interactive or self.dry or self.request.verbose:
            values = self.request.verbose and self.terminal.watched
            show_plan(plan, self.terminal.console, values=values)

    def agreed(self, prepared: Prepared) -> Prepared | None:
        """Ask at a terminal; return the plan agreed to, made again if it went stale, or None."""
        while True:
            nothing = prepared.plan.changes.empty and not prepared.plan.actions
            if self.request.yes or nothing:
                return prepared
            if not self.terminal.confirm(f"Do this on {self.project.words}?"):
                return None
            if self.clock.now() - prepared.made_at <= PLAN_KEEPS:
                return prepared
            self.terminal.console.print("That plan is older than five minutes; here it is anew.")
            prepared = self.prepare()
            self.show(prepared.plan)

    def execute(self, prepared: Prepared) -> Executed:
        """Hand the plan to the executor."""
        from redcap_jobs.executor import Executor
        from redcap_jobs.fresh import FreshReads
        from redcap_jobs.render import progress_bar

        sources, source, target = prepared.sources, prepared.source, prepared.target
        desk = sources.desk

        def read_afresh(records: Sequence[str]) -> Inputs:
            return sources.gather(source, target, records, fresh=True)

        executor = Executor(
            client=prepared.target.client,
            structure=prepared.target.project,
            roster=prepared.target.roster,
            store=self.store,
            project=self.project,
            run_id=self.run_id,
            scope=self.scope,
            fresh=FreshReads(read_afresh, self.clock),
            still_locked=self.still_locked,
            couriers={"text": desk.courier} if desk else {},
            progress=self.progress,
            after_actions=sources.look_again,
        )
        with progress_bar(self.terminal.console, wanted=self.terminal.watched) as watched:
            executor.watched = watched
            return executor.execute(prepared.plan, self.job, self.study)

    def ended(self, prepared: Prepared, executed: Executed | None, state: RunState) -> RunOutcome:
        """Describe a run that came to its end; problems make it partial and exit 1."""
        from redcap_jobs.render import counted, show_outcome, summary, told

        plan = prepared.plan
        problems = [*plan.problems, *(executed.problems if executed else ())]
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
        outcome = RunOutcome(
            run_id=self.run_id,
            job=self.job.name,
            study=self.study.study.id,
            state=state,
            exit_code=ExitCode.PARTLY_FAILED if problems else ExitCode.DONE,
            message=message,
            counts=counts,
            skip_reasons=Counter(skip.reason for skip in plan.skips),
            problems=[str(problem) for problem in problems],
        )
        if self.terminal.watched and outcome.exit_code == ExitCode.DONE:
            show_outcome(outcome, self.terminal.console)
        return outcome

    def failed(self, error: Exception, state: RunState) -> RunOutcome:
        """Describe a run that did not come to its end."""
        self.error = error
        known = isinstance(error, RedcapJobsError)
        if self.request.verbose and state != "cancelled":
            log.debug("run %s: %s", self.run_id, state, exc_info=error)
        message = (
            str(error)
            if known
            else f"unexpected {type(error).__name__}, a fault of this program; --verbose shows where"
        )
        if state == "failed":
            message += self.progress.after(error)
        return RunOutcome(
            run_id=self.run_id,
            job=self.job.name,
            study=self.study.study.id,
            state=state,
            exit_code=getattr(error, "exit_code", ExitCode.PARTLY_FAILED),
            message=message,
            counts=self.progress.counts() if state == "failed" else {},
        )
