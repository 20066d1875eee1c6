"""Where a run's inputs come from: the two projects, the state, and what is known of texts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING

from redcap_jobs.plan import (
    Inputs,
    Job,
    Problem,
    Read,
    ReadDecisions,
    ReadMessages,
    ReadStops,
)

if TYPE_CHECKING:
    import pandas as pd

    from redcap_jobs.clock import Clock
    from redcap_jobs.messaging.desk import Reach, TextDesk
    from redcap_jobs.reading import Side
    from redcap_jobs.state.fingerprint import Fingerprinter
    from redcap_jobs.state.scope import ProjectKey
    from redcap_jobs.state.store import Store
    from redcap_jobs.study.config import Study
    from redcap_jobs.study.credentials import Credentials


@dataclass
class Sources:
    """Gathers what one run's job asks for; ``scope`` is what its decisions are kept under.

    ``as_of`` is the instant asked for on the command line, None for now. ``reach`` (whom texts
    may reach) and ``desk`` are there once a job that texts has looked at its texts.
    """

    job: Job
    study: Study
    store: Store
    project: ProjectKey
    scope: str
    run_id: str
    options: Mapping[str, bool]
    as_of: datetime | None
    credentials: Credentials
    key: Fingerprinter
    clock: Clock
    reach: Reach | None = None
    desk: TextDesk | None = None
    told: list[Problem] = field(default_factory=list)

    def gather(
        self, source: Side, target: Side, records: Sequence[str], *, fresh: bool = False
    ) -> Inputs:
        """Answer everything the job asks; ``fresh``: what decides, moments before an action."""
        from redcap_jobs.reading import gather

        asked = Inputs(
            source=source.project,
            target=target.project,
            roster=source.roster,
            tables={},
            fingerprint=self.key,
            options=self.options,
            keyed=self.key.one,
            project=str(self.project),
            reaches=self.reach.reaches if self.reach else "development",
            development=self.reach.phones if self.reach else (),
            as_of=self.as_of or self.clock.now(),
            fresh=fresh,
        )
        return gather(
            self.job,
            self.study,
            source,
            target,
            asked,
            known=self.known,
            records=records,
        )

    def known(self, read: Read) -> pd.DataFrame:
        """Answer a read that concerns the state."""
        from redcap_jobs.state.decisions import load_decisions
        from redcap_jobs.state.messages import message_history
        from redcap_jobs.state.stops import stops_of

        if isinstance(read, ReadDecisions):
            return load_decisions(self.store, self.project, self.scope)
        if isinstance(read, ReadMessages):
            return message_history(self.store, self.project)
        if isinstance(read, ReadStops):
            return stops_of(self.store, self.study.study.id, self.project)
        raise TypeError(f"nothing answers {type(read).__name__}")

    def look_at_texts(self, *, keep: bool) -> list[Problem]:
        """Learn what became of open texts and which replies came, where the job is about texts.

        A dry run keeps nothing, so it asks nothing either, and needs no account to ask with.
        """
        if not self.job.texts:
            return []
        if self.reach is None:
            from redcap_jobs.messaging.desk import reach_of

            self.reach = reach_of(self.study, self.credentials, self.project)
        if not keep:
            return []
        if self.desk is None:
            from redcap_jobs.messaging.desk import open_desk

            self.desk = open_desk(
                self.study,
                self.credentials,
                self.store,
                self.project,
                self.run_id,
                self.job.name,
                self.key,
                self.clock,
                self.reach,
            )
        self.told = self.desk.watch.look().problems
        return self.told

    def look_again(self) -> list[Problem]:
        """Learn what became of the texts of this run, as far as it is known within a minute.

        Returns what a person must be told of them and was not before they were sent; where Twilio
        cannot be asked that is told, and what was sent is written back all the same.
        """
        from redcap_jobs.messaging.twilio_answers import TwilioUnreachable

        if self.desk is None:
            return []
        try:
            seen = self.desk.watch.follow()
        except TwilioUnreachable as error:
            what = f"what became of the texts was not learnt: {error}"
            return [Problem("-", "sender", what, "the next run asks again")]
        return [each for each in seen.problems if each not in self.told]
