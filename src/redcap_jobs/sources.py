"""Where a run's inputs come from: the two projects, the state, and what is known of texts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from redcap_jobs.plan import (
    Inputs,
    Job,
    Problem,
    Read,
    ReadConfirmed,
    ReadDecisions,
    ReadMembers,
    ReadMessages,
    ReadPartnerCalls,
    ReadStops,
    ReadToldAgain,
)

if TYPE_CHECKING:
    import pandas as pd

    from redcap_jobs.clock import Clock
    from redcap_jobs.couriers import Courier
    from redcap_jobs.messaging.desk import Reach, TextDesk
    from redcap_jobs.partner.desk import PartnerDesk
    from redcap_jobs.reading import Side
    from redcap_jobs.state.fingerprint import Fingerprinter
    from redcap_jobs.state.scope import ProjectKey
    from redcap_jobs.state.store import Store
    from redcap_jobs.study.config import Study
    from redcap_jobs.study.credentials import Credentials


OVERLAP = timedelta(hours=2)
"""Read again from before the last reading: clocks differ, and an hour comes twice in autumn."""
WHOLE_EVERY = timedelta(hours=24)


@dataclass
class Sources:
    """Gathers what one run's job asks for; ``scope`` is what its decisions are kept under.

    ``as_of`` is the instant asked for on the command line, None for now. ``reach`` (whom texts
    may reach) and ``desk`` are there once a job that texts has looked at its texts, ``partner``
    once a job for the partner has. ``begun_at`` is when this run began to read, ``read_since`` from
    when on changes mattered to it.
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
    partner: PartnerDesk | None = None
    begun_at: datetime | None = None
    read_since: datetime | None = None
    told: list[Problem] = field(default_factory=list)

    @property
    def couriers(self) -> dict[str, Courier]:
        """Who delivers which kind of action in this run."""
        found: dict[str, Courier] = {}
        if self.desk is not None:
            found["text"] = self.desk.courier
        if self.partner is not None:
            found["partner"] = self.partner.courier
        return found

    def gather(
        self, source: Side, target: Side, records: Sequence[str], *, fresh: bool = False
    ) -> Inputs:
        """Answer everything the job asks; ``fresh``: what decides, moments before an action."""
        from redcap_jobs.reading import gather

        if not fresh:
            self.read_since = None if records else self.since()
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
            since=None if fresh else self.read_since,
            partner=self.study.partner.who if self.study.partner else "",
            partner_in_reach=self.partner is None or self.partner.client is not None,
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
        from redcap_jobs.state.partner_calls import confirmed_arms, partner_calls, told_again
        from redcap_jobs.state.stops import stops_of

        if isinstance(read, ReadDecisions):
            return load_decisions(self.store, self.project, self.scope)
        if isinstance(read, ReadMessages):
            return message_history(self.store, self.project)
        if isinstance(read, ReadStops):
            return stops_of(self.store, self.study.study.id, self.project)
        if isinstance(read, ReadPartnerCalls):
            return partner_calls(self.store, self.project)
        if isinstance(read, ReadConfirmed):
            return confirmed_arms(self.store, self.project)
        if isinstance(read, ReadToldAgain):
            return told_again(self.store, self.project)
        if isinstance(read, ReadMembers) and self.partner is not None:
            return self.partner.members(read)
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

    def look_at_partner(self, *, keep: bool) -> list[Problem]:
        """Learn what became of calls whose answers were lost, where the job is for the partner."""
        if not self.job.partner:
            return []
        self.begun_at = self.begun_at or self.clock.now()
        if self.partner is None:
            from redcap_jobs.partner.desk import open_desk

            self.partner = open_desk(
                self.study,
                self.credentials,
                self.store,
                self.project,
                self.run_id,
                self.job.name,
                self.key,
                self.clock,
            )
        return self.partner.settle() if keep else []

    def since(self) -> datetime | None:
        """Say from when on changes matter; None where everybody must be looked at.

        So it is where nobody was looked at yet, not for a day, under another study file, or in
        what is now the future.
        """
        from redcap_jobs.state.source_reads import last_read

        if "full" not in self.job.flags or self.options.get("full") or self.as_of is not None:
            return None
        before, now = last_read(self.store, self.project, self.scope), self.clock.now()
        if before is None or before.study_file_hash != self.study.sha256:
            return None
        if before.read_at > now or not timedelta(0) <= now - before.whole_at < WHOLE_EVERY:
            return None
        return before.read_at - OVERLAP

    def keep_read(self, *, whole: bool) -> None:
        """Remember that everybody who changed was looked at; ``whole``: all records were."""
        from redcap_jobs.state.source_reads import SourceRead, keep_read, last_read

        if "full" not in self.job.flags or not whole or self.as_of is not None:
            return
        begun = self.begun_at or self.clock.now()
        before = last_read(self.store, self.project, self.scope)
        partly = self.read_since is not None
        whole_at = before.whole_at if before is not None and partly else begun
        read = SourceRead(begun, whole_at, self.study.sha256)
        keep_read(self.store, self.project, self.scope, read)

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
