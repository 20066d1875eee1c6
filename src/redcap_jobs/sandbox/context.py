"""What the function behind a call is given, and where it notes its counts for the log."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from redcap_jobs.sandbox.activity_log import Activity, Kind
from redcap_jobs.sandbox.behaviour import Behaviour
from redcap_jobs.sandbox.members import Rights, User
from redcap_jobs.sandbox.parameters import Parameters
from redcap_jobs.sandbox.project import SandboxProject
from redcap_jobs.sandbox.structure import Structure


@dataclass
class Counts:
    """Rows and cells that went out or came in."""

    rows: int = 0
    cells: int = 0


@dataclass(frozen=True)
class Context:
    """One call: its parameters, the project and user behind its token, the server's time.

    ``now`` is naive, in the server's own zone, as REDCap's stamps are.
    ``public_url`` is the address that survey links begin with, without a slash at its end.
    ``behaviour`` says how this server differs from most.
    """

    parameters: Parameters
    project: SandboxProject
    user: User
    now: datetime
    public_url: str = ""
    behaviour: Behaviour = field(default_factory=Behaviour)
    counts: Counts = field(default_factory=Counts)

    @property
    def structure(self) -> Structure:
        """Return the project's structure."""
        return self.project.structure

    @property
    def rights(self) -> Rights:
        """Return what the token's user may do."""
        return self.project.members.rights(self.user.username)

    def activity(
        self, kind: Kind, action: str, details: str, record: str = "", dag: str = ""
    ) -> Activity:
        """Return a row for the project's log."""
        return Activity(self.now, self.user.username, kind, action, details, record, dag)

    def note(self, kind: Kind, action: str, details: str, record: str = "", dag: str = "") -> None:
        """Write a row into the project's log."""
        self.project.log.add(self.activity(kind, action, details, record, dag))

    def visible(self, record_dag: str) -> bool:
        """Tell whether the token's user may see a record of that data access group."""
        return not self.user.dag or self.user.dag == record_dag
