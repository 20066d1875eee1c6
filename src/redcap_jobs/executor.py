"""The only place that changes the world: it walks a plan in a fixed order.

Actions first (texts, partner calls, mails: each through the journal), then the field changes, those
that the actions led to among them: cells filled or overwritten, then cells erased, each kind as
imports of its own.
A dry run is not a flag in here: it is this file not being called. Every step can be cut off by a
power failure; the next run finds what still differs and does only that.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from redcap_jobs.couriers import Courier, Delivered, Delivery, Fresh
from redcap_jobs.guards import claims_of, out_of_place
from redcap_jobs.plan import KEYS, Action, Job, Outcome, Plan, Problem
from redcap_jobs.progress import Progress

if TYPE_CHECKING:
    import pandas as pd

    from redcap_jobs.messaging.log_placing import LogPlace
    from redcap_jobs.redcap.client import RedcapClient
    from redcap_jobs.redcap.project import Project
    from redcap_jobs.state.journal_entry import Entry
    from redcap_jobs.state.scope import ProjectKey
    from redcap_jobs.state.store import Store
    from redcap_jobs.study.config import Study

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Executed:
    """What was done: cells and records written, what was refused, actions by how they ended."""

    cells: int = 0
    records: int = 0
    problems: tuple[Problem, ...] = ()
    actions: Mapping[str, int] = field(default_factory=dict)


@dataclass
class Executor:
    """Carries out plans on one project; ``couriers`` maps an action's kind to who delivers it.

    ``still_locked`` raises StateError where the job's lock was lost; it is asked before every post
    and every import. ``scope`` is what the decisions are kept under. ``roster`` gives the records
    and events of the project that is written, not longer read than what decides may be: actions
    take their time, and an import for a record that was deleted or renamed meanwhile would make it
    anew. ``progress`` tells, also after an error, how many cells were written.
    """

    client: RedcapClient
    structure: Project
    roster: Callable[[], pd.DataFrame]
    store: Store
    project: ProjectKey
    run_id: str
    scope: str
    fresh: Fresh
    still_locked: Callable[[], None]
    couriers: Mapping[str, Courier] = field(default_factory=dict)
    progress: Progress = field(default_factory=Progress)
    after_actions: Callable[[], Sequence[Problem]] = lambda: ()
    watched: Callable[[int, int], None] = lambda done, of: None  # noqa: ARG005 - nobody looks on

    def execute(self, plan: Plan, job: Job, study: Study) -> Executed:
        """Carry out a plan; refused cells become problems, everything else is done.

        Journal rows that REDCap does not hold yet, this run's or those of one that died, are
        turned into field changes by the job and marked once they are stored.

        Raises what the client and the state raise: the run then ends as failed, and whatever was
        done before stands in REDCap and in the journal, where the next run finds it.
        """
        from redcap_jobs.state.journal_evidence import mark_written_back

        delivered = self.deliver(plan.actions, job, study)
        after = self.after_actions()
        entries = self.to_write_back(job)
        changes, roster = plan.changes, self.roster()
        if entries:
            import pandas as pd

            led_to = self.led_to(entries, job, study, roster)
            both = pd.concat([changes, led_to], ignore_index=True)
            changes = both.drop_duplicates([*KEYS, "field"], keep="last", ignore_index=True)
        misplaced = out_of_place(changes, roster, self.structure)
        changes = changes[~changes["record"].isin(misplaced)]
        problems: tuple[Problem, ...] = (*delivered.problems, *after)
        problems += tuple(
            Problem(record, "arm", f"not written: {why}")
            for record, why in sorted(misplaced.items())
        )
        unwritten = self.write(changes) if len(changes) else ()
        refused = {problem.record for problem in unwritten} | set(misplaced)
        problems += unwritten
        mark_written_back(self.store, [each for each in entries if each.record not in refused])
        self.keep_decisions(plan, refused)
        done = changes[~changes["record"].isin(refused)]
        return Executed(len(done), done["record"].nunique(), problems, delivered.ended)

    def deliver(self, actions: Sequence[Action], job: Job, study: Study) -> Delivered:
        """Deliver the actions in the plan's order, each through the journal."""
        from redcap_jobs.state.journal import Journal

        journal = Journal(self.store, self.run_id)
        delivery = Delivery(
            journal, self.couriers, self.fresh, self.still_locked, job, study, self.dealt_with
        )
        return delivery.deliver(actions)

    def dealt_with(self, done: int, of: int) -> None:
        """Note how many actions are through, for whoever looks on and for a run that is ended."""
        self.progress.act(done, of)
        self.watched(done, of)

    def to_write_back(self, job: Job) -> list[Entry]:
        """Return the journal rows that REDCap does not hold yet and this job writes back.

        A job that follows texts writes every text's, whichever job sent it; any other its own.
        """
        from redcap_jobs.state.journal_evidence import not_written_back

        rows = not_written_back(self.store, self.project)
        if job.texts:
            return [row for row in rows if row.kind == "text"]
        return [row for row in rows if row.job == job.name and row.kind != "text"]

    def led_to(
        self, entries: Sequence[Entry], job: Job, study: Study, roster: pd.DataFrame
    ) -> pd.DataFrame:
        """Let the job turn journal rows into field changes, each at its row of the message log."""
        if not job.texts:
            outcomes = [outcome_of(entry) for entry in entries]
            return job.record(study, outcomes, self.structure, roster)
        from redcap_jobs.messaging.log_placing import place_entries

        rows = place_entries(
            entries, study, self.client, self.structure, roster, self.store, self.project
        )
        outcomes = [outcome_of(entry, rows.places.get(entry.key)) for entry in entries]
        return rows.changed(job.record(study, outcomes, self.structure, roster))

    def write(self, changes: pd.DataFrame) -> tuple[Problem, ...]:
        """Claim the output cells' places, import the filled cells, then erase the blank ones.

        A record that REDCap refused in the first import is left alone in the second.
        """
        from redcap_jobs.state.ownership import claim_fields

        self.progress.planned = len(changes)
        claim_fields(self.store, self.project, claims_of(changes), self.run_id)
        log.debug("step claimed")
        blank = changes["new"] == ""
        problems: list[Problem] = []
        for name, cells, overwrite in (
            ("import", changes[~blank], False),
            ("erase", changes[blank], True),
        ):
            cells = cells[~cells["record"].isin({problem.record for problem in problems})]
            if cells.empty:
                continue
            self.still_locked()
            log.debug("step %s", name)
            result = self.client.import_cells(
                cells,
                self.structure.record_id_field,
                overwrite=overwrite,
                stored=self.progress.confirm,
            )
            problems += [
                Problem(refusal.record, refusal.field, f"REDCap refused it: {refusal.message}")
                for refusal in result.refused
            ]
            log.debug("step %s done", name)
        return tuple(problems)

    def keep_decisions(self, plan: Plan, refused: set[str]) -> None:
        """Keep the plan's decisions, but not about records whose cells were refused or are gone."""
        from redcap_jobs.state.decisions import forget, save_changed

        kept = plan.decisions[~plan.decisions["record"].isin(refused)]
        save_changed(self.store, self.project, self.scope, kept, self.run_id)
        forget(self.store, self.project, self.scope, plan.forgotten)
        log.debug("step decided")


def outcome_of(entry: Entry, place: LogPlace | None = None) -> Outcome:
    """Return what a job is told of one journal row; ``place`` is its row of the message log."""
    return Outcome(
        key=entry.key,
        attempt=entry.attempt,
        kind=entry.kind,
        record=entry.record,
        message=entry.message,
        occurrence=entry.occurrence,
        state=entry.state,
        reference=entry.reference or "",
        code=entry.code,
        status=entry.status,
        at=entry.last_sign,
        updated_at=entry.status_at,
        event=place.event if place else "",
        instance=str(place.instance) if place else "",
    )
