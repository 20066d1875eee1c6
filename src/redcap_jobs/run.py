"""One run of one job, start to end: lock, reads, plan, guards, question, executor, record.

:func:`run_job` is what every job command calls. What goes wrong before a run exists is raised (see
:mod:`.setting`); from then on the end is always recorded and told, whatever happens (see
:mod:`.run_end`).
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING

from redcap_jobs.clock import Clock, SystemClock
from redcap_jobs.errors import GuardRefused, RedcapJobsError
from redcap_jobs.guards import GuardContext, export_size, guard
from redcap_jobs.notify.outcome import RunOutcome
from redcap_jobs.partner_guards import members_read
from redcap_jobs.plan import Inputs, Plan, ReadRows
from redcap_jobs.progress import Progress
from redcap_jobs.request import RunRequest, Terminal
from redcap_jobs.run_end import (
    keep_end,
    outcome_of_end,
    outcome_of_failure,
    tell,
    tell_without_a_run,
)
from redcap_jobs.setting import Setting, open_setting

if TYPE_CHECKING:
    import pandas as pd

    from redcap_jobs.executor import Executed
    from redcap_jobs.reading import Side
    from redcap_jobs.redcap.client import RedcapClient
    from redcap_jobs.sources import Sources
    from redcap_jobs.state.runs import RunState

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

    Raises what :func:`.open_setting` raises, and what the state does where a run's beginning or
    end cannot be kept: there is no outcome then, but the study's people are told all the same.
    """
    clock = clock or SystemClock()
    try:
        with open_setting(request, terminal, clock) as setting:
            return Run(setting).perform()
    except RedcapJobsError as error:
        tell_without_a_run(request, terminal, error, clock)
        raise


class Run:
    """The steps of one run over one open state."""

    def __init__(self, setting: Setting) -> None:
        self.setting = setting
        self.run_id = ""
        self.redcap_version = ""
        self.error: Exception | None = None
        self.still_locked: Callable[[], None] = lambda: None
        self.clients: dict[str, RedcapClient] = {}
        actions = "calls to the partner" if setting.job.partner else "texts"
        self.progress = Progress(of_what=actions)

    def perform(self) -> RunOutcome:
        """Record the start, take the lock, carry the run through, record the end in any case."""
        from redcap_jobs.state.lock import job_lock

        setting = self.setting
        self.run_id = self.begin()
        log.debug("run %s: %s on %s", self.run_id, setting.job.name, setting.project)
        outcome: RunOutcome | None = None
        try:
            with job_lock(
                setting.store, setting.project, setting.job.name, self.run_id, setting.clock
            ) as still_locked:
                self.still_locked = still_locked
                outcome = self.attempt()
        except RedcapJobsError as error:
            outcome = self.failed(error, "failed")
        except Exception as error:  # noqa: BLE001 - a fault of this program ends a run, told like any other
            outcome = self.failed(error, "failed")
        finally:
            if outcome is None:  # Ctrl-C
                outcome = self.failed(RedcapJobsError("stopped before its end"), "cancelled")
            for client in self.clients.values():
                client.close()
            keep_end(setting, outcome, self.error, self.redcap_version)
            tell(setting, outcome)
        return outcome

    def begin(self) -> str:
        """Record that the run begins; return its id."""
        from redcap_jobs.state.runs import RunStart, start_run

        setting, request = self.setting, self.setting.request
        start = RunStart(
            study=setting.study.study.id,
            job=setting.job.name,
            project=setting.project,
            export_token=request.export_token,
            import_token=request.import_token,
            as_of=request.as_of or setting.clock.now(),
            study_file_hash=setting.study.sha256,
            options=options_used(request),
        )
        return start_run(setting.store, start)

    def attempt(self) -> RunOutcome:
        """Prepare, show, ask, execute; a guard's no becomes an outcome of its own."""
        try:
            prepared = self.prepare()
            self.show(prepared.plan)
            if self.setting.is_dry:
                return self.ended(prepared, None, "dry")
            agreed = self.agreed(prepared)
            if agreed is None:
                return self.ended(prepared, None, "cancelled")
            return self.ended(agreed, self.execute(agreed), "done")
        except GuardRefused as error:
            return self.failed(error, "refused")

    def prepare(self) -> Prepared:
        """Read everything afresh, plan, and pass the plan through the guards."""
        from redcap_jobs.state import ownership, runs

        setting, request = self.setting, self.setting.request
        sources = self.sources()
        made_at = setting.clock.now()
        source, target = self.sides()
        self.redcap_version = target.version
        keep = not setting.is_dry
        problems = [*sources.look_at_texts(keep=keep), *sources.look_at_partner(keep=keep)]
        inputs = sources.gather(source, target, request.records)
        before = runs.last_good_run(
            setting.store, setting.project, setting.job.name, request.export_token
        )
        plan = setting.job.plan(setting.study, inputs, request.as_of or made_at)
        plan = replace(plan, problems=(*problems, *plan.problems))
        context = GuardContext(
            study=setting.study,
            inputs=inputs,
            roster=target.roster,
            already_owned=ownership.owned_fields(setting.store, setting.project),
            before=before.counts if before else {},
            allow=request.allow,
            standing=self.standing(plan, inputs, target),
            whole=not request.records,
        )
        try:
            plan = guard(plan, context)
        except GuardRefused:
            self.show(plan)
            raise
        size = export_size(inputs.roster) | members_read(inputs)
        return Prepared(plan, source, target, sources, size, made_at)

    def sides(self) -> tuple[Side, Side]:
        """Return the project that is read and the one that is written; often one and the same."""
        from redcap_jobs.reading import open_side

        setting, request = self.setting, self.setting.request
        opened = partial(open_side, setting.study, about=setting.job.about)
        export_name, import_name = request.export_token, request.import_token
        target = opened(
            import_name, self.client(import_name), target=True, writes=not setting.is_dry
        )
        if export_name == import_name:
            return target, target
        return opened(export_name, self.client(export_name), target=False, writes=False), target

    def sources(self) -> Sources:
        """Return what the inputs come from, once the state's key was found to be the right one."""
        from redcap_jobs.sources import Sources
        from redcap_jobs.state import fingerprint

        setting = self.setting
        key = fingerprint.Fingerprinter(setting.credentials.get(fingerprint.KEY_VARIABLE))
        fingerprint.check_key(setting.store, key)
        return Sources(
            job=setting.job,
            study=setting.study,
            store=setting.store,
            project=setting.project,
            scope=setting.scope,
            run_id=self.run_id,
            options=setting.request.options,
            as_of=setting.request.as_of,
            credentials=setting.credentials,
            key=key,
            clock=setting.clock,
        )

    def standing(self, plan: Plan, inputs: Inputs, target: Side) -> list[pd.DataFrame]:
        """Return the outputs as they stand in all records, read anew under ``--record``."""
        from redcap_jobs.reading import export

        reads = [
            read for read in inputs.tables if isinstance(read, ReadRows) and read.side == "target"
        ]
        if self.setting.request.records and len(plan.changes):
            return [export(target, reads, ())] if reads else []
        return [inputs.tables[read] for read in reads]

    def client(self, name: str) -> RedcapClient:
        """Return the client for the project behind one token's name."""
        from redcap_jobs.study.live import open_client

        if name not in self.clients:
            setting, study = self.setting, self.setting.study
            per_minute = study.limits.requests_per_minute
            self.clients[name] = open_client(
                study.redcap.url, name, setting.credentials, setting.clock, per_minute
            )
        return self.clients[name]

    def show(self, plan: Plan) -> None:
        """Show the plan where someone looks: at a terminal, for a dry run, or when asked."""
        from redcap_jobs.render import show_plan

        terminal, verbose = self.setting.terminal, self.setting.request.verbose
        if terminal.watched or terminal.interactive or self.setting.is_dry or verbose:
            problems = tuple(self.setting.typed.told(plan.problems))
            shown = replace(plan, problems=problems)
            show_plan(
                shown,
                terminal.console,
                values=verbose and terminal.watched,
                all_of_them=self.setting.typed.runs(self.run_id),
            )

    def agreed(self, prepared: Prepared) -> Prepared | None:
        """Ask at a terminal; return the plan agreed to, made again if it went stale, or None."""
        setting, terminal = self.setting, self.setting.terminal
        while True:
            nothing = prepared.plan.changes.empty and not prepared.plan.actions
            if setting.request.yes or nothing:
                return prepared
            if not terminal.confirm(f"Do this on {setting.project.words}?"):
                return None
            if setting.clock.now() - prepared.made_at <= PLAN_KEEPS:
                return prepared
            terminal.console.print("That plan is older than five minutes; here it is anew.")
            prepared = self.prepare()
            self.show(prepared.plan)

    def execute(self, prepared: Prepared) -> Executed:
        """Hand the plan to the executor."""
        from redcap_jobs.executor import Executor
        from redcap_jobs.fresh import FreshReads, is_out_of_date
        from redcap_jobs.reading import read_roster_again
        from redcap_jobs.redcap.errors import RecordsGone
        from redcap_jobs.render import progress_bar

        setting = self.setting
        sources, source, target = prepared.sources, prepared.source, prepared.target

        def read_afresh(records: Sequence[str]) -> Inputs:
            try:
                return sources.gather(source, target, records, fresh=True)
            except RecordsGone as error:
                for side in (source, target):
                    side.forget(error.missing)
                raise

        def roster() -> pd.DataFrame:
            if is_out_of_date(prepared.made_at, setting.clock.now()):
                read_roster_again(setting.study, target)
            return target.roster

        executor = Executor(
            client=target.client,
            structure=target.project,
            roster=roster,
            store=setting.store,
            project=setting.project,
            run_id=self.run_id,
            scope=setting.scope,
            fresh=FreshReads(read_afresh, setting.clock),
            still_locked=self.still_locked,
            couriers=sources.couriers,
            progress=self.progress,
            after_actions=sources.look_again,
        )
        with progress_bar(
            setting.terminal.console,
            wanted=setting.terminal.watched,
            in_lines=setting.terminal.interactive or setting.request.verbose,
            of_what=self.progress.of_what,
        ) as watched:
            executor.watched = watched
            executed = executor.execute(prepared.plan, setting.job, setting.study)
        sources.keep_read(whole=not setting.request.records)
        return executed

    def ended(self, prepared: Prepared, executed: Executed | None, state: RunState) -> RunOutcome:
        """Describe a run that came to its end; nothing is wrong with it any more."""
        self.error = None
        return outcome_of_end(self.setting, self.run_id, prepared, executed, state)

    def failed(self, error: Exception, state: RunState) -> RunOutcome:
        """Describe a run that did not, and remember why for its record."""
        self.error = error
        return outcome_of_failure(self.setting, self.run_id, error, state, self.progress)


def options_used(request: RunRequest) -> dict[str, object]:
    """Return what the command line asked for beyond the required; kept in the run record."""
    chosen = {name: value for name, value in request.options.items() if value}
    named = {"records": list(request.records), "allow": dict(request.allow)}
    return {**chosen, **{name: value for name, value in named.items() if value}}
