"""The only place that changes the world: it walks a plan in a fixed order.

Actions first (texts, partner calls, mails: each through the journal), then what they led to, then
the field changes: cells filled or overwritten, then cells erased, each kind as imports of its own.
A dry run is not a flag in here: it is this file not being called. Every step can be cut off by a
power failure; the next run finds what still differs and does only that.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from redcap_jobs.errors import RedcapJobsError
from redcap_jobs.plan import Action, Inputs, Job, Outcome, Plan, Problem, Withhold

if TYPE_CHECKING:
    import pandas as pd

    from redcap_jobs.redcap.client import RedcapClient
    from redcap_jobs.redcap.project import Project
    from redcap_jobs.state.journal import Journal
    from redcap_jobs.state.journal_entry import Cap, Claimed, Intent
    from redcap_jobs.state.scope import ProjectKey
    from redcap_jobs.state.store import Store
    from redcap_jobs.study.config import Study

log = logging.getLogger(__name__)



class Courier(Protocol):
    """Who carries one kind of action out of the house: texts, partner calls, mails."""

    def intent(self, action: Action) -> tuple[Intent, Sequence[Cap]]:
        """Return what the journal is to claim, and the caps that must leave room for it."""
        ...

    def post(self, action: Action) -> Outcome:
        """Do it, once, never again by itself; an answer that cannot be read is ``unknown``."""
        ...


Fresh = Callable[[Action], Inputs]
"""Reads afresh, from REDCap, what decides about one action."""


@dataclass(frozen=True)
class Executed:
    """What was done: cells and records written, what became of the actions, what was refused."""

    cells: int = 0
    records: int = 0
    outcomes: tuple[Outcome, ...] = ()
    problems: tuple[Problem, ...] = ()


@dataclass
class Executor:
    """Carries out plans on one project; ``couriers`` maps an action's kind to who delivers it."""

    client: RedcapClient
    structure: Project
    store: Store
    project: ProjectKey
    run_id: str
    fresh: Fresh
    couriers: Mapping[str, Courier] = field(default_factory=dict)

    def execute(self, plan: Plan, job: Job, study: Study) -> Executed:
        """Carry out a plan; refused cells become problems, everything else is done.

        Raises what the client and the state raise: the run then ends as failed, and whatever was
        done before stands in REDCap and in the journal, where the next run finds it.
        """
        outcomes = self.act_on(plan.actions, job, study)
        changes = plan.changes
        if outcomes:
            import pandas as pd

            changes = pd.concat([changes, job.record(study, outcomes)], ignore_index=True)
        problems = self.write(changes, plan.owned) if len(changes) else ()
        refused = {problem.record for problem in problems}
        self.keep_decisions(plan, job, refused)
        done = changes[~changes["record"].isin(refused)]
        return Executed(len(done), done["record"].nunique(), outcomes, problems)

    def act_on(self, actions: Sequence[Action], job: Job, study: Study) -> tuple[Outcome, ...]:
        """Deliver actions one after the other, in the plan's order, each through the journal."""
        if not actions:
            return ()
        from redcap_jobs.state.journal import Journal

        journal = Journal(self.store, self.run_id)
        journal.recover()
        return tuple(self.act(journal, action, job, study) for action in actions)

    def act(self, journal: Journal, action: Action, job: Job, study: Study) -> Outcome:
        """Deliver one action at most once: claim, recheck on fresh data, commit, post, record.

        An action whose key is taken, done, or over a cap is not begun; one whose recheck says no
        is withheld. A process that dies in ``post`` leaves the row in ``posting``: unknown.
        """
        from redcap_jobs.state.journal_entry import Claimed

        courier = self.couriers.get(action.kind)
        if courier is None:
            raise RedcapJobsError(f"nothing in this release delivers a {action.kind}")
        claim = journal.claim(*courier.intent(action))
        if not isinstance(claim, Claimed):
            return Outcome(action, "released", reason=type(claim).__name__)
        verdict = job.recheck(study, action, self.fresh(action))
        if isinstance(verdict, Withhold):
            journal.withhold(claim, verdict.reason)
            return Outcome(action, "withheld", reason=verdict.reason)
        journal.begin_posting(claim)
        log.debug("step posting")
        outcome = courier.post(action)
        settle(journal, claim, outcome)
        log.debug("step posted")
        return outcome

    def write(self, changes: pd.DataFrame, owned: tuple[str, ...]) -> tuple[Problem, ...]:
        """Claim the output fields, import the filled cells, then erase the blank ones."""
        from redcap_jobs.state.ownership import claim_fields

        claim_fields(self.store, self.project, owned, self.run_id)
        log.debug("step claimed")
        blank = changes["new"] == ""
        problems: list[Problem] = []
        for name, cells, overwrite in (
            ("import", changes[~blank], False),
            ("erase", changes[blank], True),
        ):
            if cells.empty:
                continue
            log.debug("step %s", name)
            result = self.client.import_cells(
                cells, self.structure.record_id_field, overwrite=overwrite
            )
            problems += [
                Problem(refusal.record, refusal.field, f"REDCap refused it: {refusal.message}")
                for refusal in result.refused
            ]
            log.debug("step %s done", name)
        return tuple(problems)

    def keep_decisions(self, plan: Plan, job: Job, refused: set[str]) -> None:
        """Keep the plan's decisions, but not about records whose cells were refused."""
        from redcap_jobs.state.decisions import save_changed

        kept = plan.decisions[~plan.decisions["record"].isin(refused)]
        save_changed(self.store, self.project, job.name, kept, self.run_id)
        log.debug("step decided")


def settle(journal: Journal, claim: Claimed, outcome: Outcome) -> None:
    """Record in the journal what became of a posted action."""
    if outcome.state == "sent":
        journal.sent(claim, outcome.reference)
    elif outcome.state == "rejected":
        journal.rejected(claim, outcome.code, definite_not_sent=outcome.not_sent)
    else:
        journal.unknown(claim, outcome.reason)
