"""The only place that changes the world: it walks a plan in a fixed order.

Actions first (texts, partner calls, mails: each through the journal), then the field changes, those
that the actions led to among them: cells filled or overwritten, then cells erased, each kind as
imports of its own.
A dry run is not a flag in here: it is this file not being called. Every step can be cut off by a
power failure; the next run finds what still differs and does only that.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from redcap_jobs.errors import RedcapJobsError
from redcap_jobs.guards import claims_of, out_of_place
from redcap_jobs.plan import KEYS, Action, Inputs, Job, Outcome, Plan, Posted, Problem, Withhold
from redcap_jobs.progress import Progress

if TYPE_CHECKING:
    import pandas as pd

    from redcap_jobs.redcap.client import RedcapClient
    from redcap_jobs.redcap.project import Project
    from redcap_jobs.state.journal import Journal
    from redcap_jobs.state.journal_entry import Cap, Claimed, Entry, Intent
    from redcap_jobs.state.scope import ProjectKey
    from redcap_jobs.state.store import Store
    from redcap_jobs.study.config import Study

log = logging.getLogger(__name__)


class Courier(Protocol):
    """Who carries one kind of action out of the house: texts, partner calls, mails."""

    def intent(self, action: Action) -> tuple[Intent, Sequence[Cap]]:
        """Return what the journal is to claim, and the caps that must leave room for it."""
        ...

    def post(self, action: Action) -> Posted:
        """Do it, once, never again by itself; an answer that cannot be read is ``unknown``."""
        ...


Fresh = Callable[[Action], Inputs]
"""Reads afresh, from REDCap, what decides about one action."""


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
    and every import. ``scope`` is what the decisions are kept under. ``progress`` tells, also after
    an error, how many cells were written.
    """

    client: RedcapClient
    structure: Project
    roster: pd.DataFrame
    store: Store
    project: ProjectKey
    run_id: str
    scope: str
    fresh: Fresh
    still_locked: Callable[[], None]
    couriers: Mapping[str, Courier] = field(default_factory=dict)
    progress: Progress = field(default_factory=Progress)

    def execute(self, plan: Plan, job: Job, study: Study) -> Executed:
        """Carry out a plan; refused cells become problems, everything else is done.

        Journal rows that REDCap does not hold yet, this run's or those of one that died, are
        turned into field changes by the job and marked once they are stored.

        Raises what the client and the state raise: the run then ends as failed, and whatever was
        done before stands in REDCap and in the journal, where the next run finds it.
        """
        from redcap_jobs.state.journal_evidence import mark_written_back, not_written_back

        ended = self.act_on(plan.actions, job, study)
        entries = not_written_back(self.store, self.project, job.name)
        changes = plan.changes
        problems: tuple[Problem, ...] = ()
        if entries:
            import pandas as pd

            led_to = job.record(study, [outcome_of(entry) for entry in entries])
            misplaced = out_of_place(led_to, self.roster, self.structure)
            problems = tuple(
                Problem(record, "arm", f"result not written: {why}")
                for record, why in sorted(misplaced.items())
            )
            led_to = led_to[~led_to["record"].isin(misplaced)]
            both = pd.concat([changes, led_to], ignore_index=True)
            changes = both.drop_duplicates([*KEYS, "field"], keep="last", ignore_index=True)
        problems += self.write(changes) if len(changes) else ()
        refused = {problem.record for problem in problems}
        mark_written_back(self.store, [each for each in entries if each.record not in refused])
        self.keep_decisions(plan, refused)
        done = changes[~changes["record"].isin(refused)]
        return Executed(len(done), done["record"].nunique(), problems, ended)

    def act_on(self, actions: Sequence[Action], job: Job, study: Study) -> Counter[str]:
        """Deliver actions one after the other, in the plan's order, each through the journal."""
        from redcap_jobs.state.journal import Journal

        journal = Journal(self.store, self.run_id)
        journal.recover()
        return Counter(self.act(journal, action, job, study) for action in actions)

    def act(self, journal: Journal, action: Action, job: Job, study: Study) -> str:
        """Deliver one action at most once: claim, recheck on fresh data, commit, post, record.

        Returns how it ended. An action whose key is taken, done or over a cap is not begun; one
        whose recheck says no is withheld. Dying in ``post`` leaves the row in ``posting``: unknown.
        """
        from redcap_jobs.state.journal_entry import Claimed

        courier = self.couriers.get(action.kind)
        if courier is None:
            raise RedcapJobsError(f"nothing in this release delivers a {action.kind}")
        claim = journal.claim(*courier.intent(action))
        if not isinstance(claim, Claimed):
            return type(claim).__name__
        try:
            verdict = job.recheck(study, action, self.fresh(action))
        except RedcapJobsError:
            journal.release(claim, "what decides could not be read afresh")
            raise
        if isinstance(verdict, Withhold):
            journal.withhold(claim, verdict.reason)
            return "withheld"
        self.still_locked()
        journal.begin_posting(claim)
        log.debug("step posting")
        try:
            posted = courier.post(action)
        except Exception as error:
            journal.unknown(claim, f"{type(error).__name__} while posting")
            raise
        settle(journal, claim, posted)
        log.debug("step posted")
        return posted.state

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


def settle(journal: Journal, claim: Claimed, posted: Posted) -> None:
    """Record in the journal what became of a posted action."""
    if posted.state == "sent":
        journal.sent(claim, posted.reference)
    elif posted.state == "rejected":
        journal.rejected(claim, posted.code, definite_not_sent=posted.not_sent)
    else:
        journal.unknown(claim, posted.note)


def outcome_of(entry: Entry) -> Outcome:
    """Return what a job is told of one journal row."""
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
    )
