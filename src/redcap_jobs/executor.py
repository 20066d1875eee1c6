"""The only place that changes the world: it walks a plan in a fixed order.

Actions first (texts, partner calls, mails: each through the journal), then what they led to, then
the field changes: cells filled or overwritten, then cells erased, each kind as imports of its own.
A dry run is not a flag in here: it is this file not being called. Every step can be cut off by a
power failure; the next run finds what still differs and does only that.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from redcap_jobs.errors import RedcapJobsError
from redcap_jobs.plan import Action, Job, Outcome, Plan, Problem

if TYPE_CHECKING:
    import pandas as pd

    from redcap_jobs.redcap.client import RedcapClient
    from redcap_jobs.redcap.project import Project
    from redcap_jobs.state.scope import ProjectKey
    from redcap_jobs.state.store import Store
    from redcap_jobs.study.config import Study

log = logging.getLogger(__name__)

Courier = Callable[[Action], Outcome]
"""Does one action, once, and says what became of it; an answer it cannot read is ``unknown``."""


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
    couriers: Mapping[str, Courier] = field(default_factory=dict)

    def execute(self, plan: Plan, job: Job, study: Study) -> Executed:
        """Carry out a plan; refused cells become problems, everything else is done.

        Raises what the client and the state raise: the run then ends as failed, and whatever was
        done before stands in REDCap and in the journal, where the next run finds it.
        """
        outcomes = tuple(self.act(action) for action in plan.actions)
        led_to = job.record(study, outcomes)
        changes = plan.changes
        if len(led_to):
            import pandas as pd

            changes = pd.concat([changes, led_to], ignore_index=True)
        refused = self.write(changes, plan.owned) if len(changes) else ()
        self.keep_decisions(plan, job, {problem.record for problem in refused})
        done = changes[~changes["record"].isin({problem.record for problem in refused})]
        return Executed(len(done), done["record"].nunique(), outcomes, tuple(refused))

    def act(self, action: Action) -> Outcome:
        """Deliver one action through its courier."""
        courier = self.couriers.get(action.kind)
        if courier is None:
            raise RedcapJobsError(f"nothing in this release delivers a {action.kind}")
        return courier(action)

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
