"""What a job decides, as plain values: nothing in this file touches network, disk or clock.

A **job** is pure functions. ``reads`` says what is still needed and is asked again until it names
nothing new; ``plan`` turns what was read into a :class:`Plan`. Of a job that plans actions
``recheck`` says moments before one whether it still stands, and ``record`` turns outcomes into
field changes of the target (its structure and roster are given). A job never raises for bad data:
it returns a :class:`Problem`. It never asks what time it is.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, TypeVar

if TYPE_CHECKING:
    import pandas as pd

    from redcap_jobs.redcap.project import Project
    from redcap_jobs.study.config import Study
    from redcap_jobs.study.uses import About

T = TypeVar("T")

KEYS = ["record", "event", "repeat_instrument", "repeat_instance"]
"""Where a cell stands; all ``str``, '' where it does not apply (no event in a classic project)."""

CHANGE_COLUMNS = [*KEYS, "field", "old", "new"]
"""A changes frame: one row per cell, all ``str``; ``new`` == '' asks that the cell be erased.
``field`` is the name REDCap imports: a checkbox cell is ``field___code`` with '0' or '1'."""

DECISION_COLUMNS = ["record", "subject", "decision", "reasons", "facts", "rules"]
"""A decisions frame: per record and subject (a visit id, a message id) the decision and its
reasons (words and dates of the study file only, never a field's value). ``facts`` is the keyed
fingerprint of what was decided from, ``rules`` that of the part of the study file that decided."""

MESSAGE_COLUMNS = [
    *("key", "attempt", "message", "record", "occurrence", "state", "not_sent", "status", "code"),
    *("reference", "at", "phone_hash"),
]
"""A messages frame: one row per attempt the journal knows, all ``str``; ``not_sent`` is 'true' or
'false', ``at`` the UTC instant of the post (else of the claim) in ISO 8601."""
NOTHING_HAPPENED = frozenset({"claimed", "released", "withheld"})
"""States of attempts that never began to go out; they stand in no message log either."""

STOP_COLUMNS = ["scope", "subject", "state", "source", "reason", "at", "until"]
"""A stops frame, all ``str``: ``scope`` is phone (``subject``: its keyed hash), record or study;
``state`` stopped, held, allowed or paused; ``until`` '' where it holds until somebody ends it."""
HINDERS = frozenset({"stopped", "held", "paused"})
"""States of a stop that keep texts back."""

LINK_COLUMNS = ["record", "link"]
"""A links frame: the survey links that were found; private."""

PARTNER_CALL_COLUMNS = [
    *("key", "attempt", "call", "record", "occurrence", "state", "not_sent", "code", "member"),
    *("payload_hash", "at"),
]
"""A partner-calls frame: one row per attempt the journal knows, all ``str``, oldest first."""

MEMBER_COLUMNS = ["member", "study_id", "status"]
"""A members frame: these and one column per field of the study file's table, named as the partner
names it; all ``str``, '' for none. Private."""

Side: TypeAlias = Literal["source", "target"]
"""``source``: the project behind the export token; ``target``: the one behind the import token."""


@dataclass(frozen=True)
class ReadRows:
    """Ask for fields of a project's rows; the answer is a rows frame (KEYS, ``dag``, fields)."""

    side: Side
    fields: tuple[str, ...]
    events: tuple[str, ...] = ()
    """Unique event names; empty: all events, or a classic project."""
    records: tuple[str, ...] = ()
    """Empty: every record."""
    stamps: tuple[str, ...] = ()
    """Surveys whose time stamps are wanted, too: columns ``<instrument>_timestamp``."""
    everybody: bool = False
    """Not limited to the records that a run is about, such as those of ``--record``."""


@dataclass(frozen=True)
class ReadDecisions:
    """Ask for this job's last decisions on this project; the answer is a decisions frame."""


@dataclass(frozen=True)
class ReadMessages:
    """Ask for every text of the target project that the journal knows; a messages frame."""


@dataclass(frozen=True)
class ReadStops:
    """Ask for who must not be texted, as the state knows it; a stops frame."""


@dataclass(frozen=True)
class ReadChanged:
    """Ask which records of a project were created or changed since an aware instant.

    The answer has one column, ``record``.
    """

    side: Side
    since: datetime


@dataclass(frozen=True)
class ReadPartnerCalls:
    """Ask for every call to the partner that the journal knows; a partner-calls frame."""


@dataclass(frozen=True)
class ReadConfirmed:
    """Ask which arm switches a person has confirmed; columns record, value_hash."""


@dataclass(frozen=True)
class ReadMembers:
    """Ask the partner for its members; a members frame.

    ``study_ids``: only those of these participants; empty: every member there is.
    """

    study_ids: tuple[str, ...] = ()


@dataclass(frozen=True)
class ReadSurveyLinks:
    """Ask the source project for the links of one survey on one event; a links frame.

    Asked for in the people found due only: whoever holds a link can answer in their name.
    """

    instrument: str
    event: str
    records: tuple[str, ...]


Read: TypeAlias = (
    ReadRows
    | ReadDecisions
    | ReadMessages
    | ReadStops
    | ReadSurveyLinks
    | ReadChanged
    | ReadPartnerCalls
    | ReadConfirmed
    | ReadMembers
)

Reaches: TypeAlias = Literal["participants", "development"]
"""Whom a run's texts may reach: participants, or only the study file's development recipients."""


def no_hash(text: str, kind: str) -> str:
    """Refuse to recognise anything: for inputs of jobs that compare no phones."""
    raise ValueError(f"these inputs hash no {kind} ({len(text)} characters)")


@dataclass(frozen=True)
class Inputs:
    """Everything a plan is made from.

    ``source`` and ``target`` are the structure of the two projects (often one and the same);
    ``roster`` says which rows each record has in the source: columns ``record, event, dag``;
    ``tables`` holds the answers to the reads made so far; ``options`` what the command line adds.
    ``fingerprint`` maps a frame of ``str`` columns to a Series of keyed hashes, one per row;
    ``keyed(text, kind)`` gives that of one text. ``project`` is the target's name in the state,
    the first part of every message key; ``development`` the phones a development run may reach.
    ``as_of`` is the instant that is planned for. ``fresh`` says that this is asked moments before
    an action: what decides is read again, what was only needed to write the text is not.
    ``since``: who did not change from then on was looked at before; None to look at everybody.
    ``partner_in_reach`` is False in a development run that knows no partner it may call.
    """

    source: Project
    target: Project
    roster: pd.DataFrame
    tables: Mapping[Read, pd.DataFrame]
    fingerprint: Callable[[pd.DataFrame], pd.Series]
    options: Mapping[str, bool] = field(default_factory=dict)
    keyed: Callable[[str, str], str] = field(default=no_hash, repr=False)
    project: str = ""
    reaches: Reaches = "development"
    development: tuple[str, ...] = field(default=(), repr=False)
    as_of: datetime | None = None
    fresh: bool = False
    since: datetime | None = None
    partner_in_reach: bool = True
    _worked_out: dict[str, Any] = field(default_factory=dict, init=False, repr=False, compare=False)

    def once(self, name: str, work_out: Callable[[], T]) -> T:
        """Return what ``work_out`` gives of these inputs, worked out the first time it is asked for.

        Inputs never change, and one of them decides about many actions, one after the other.
        """
        if name not in self._worked_out:
            self._worked_out[name] = work_out()
        found: T = self._worked_out[name]
        return found


@dataclass(frozen=True)
class Skip:
    """Someone or something passed over, and why."""

    record: str
    subject: str
    reason: str


@dataclass(frozen=True)
class Problem:
    """Data that make no sense: where, what, and how to mend it; never the value itself.

    ``blocks`` says that nothing may be written for this record in this run.
    """

    record: str
    where: str
    what: str
    hint: str = ""
    blocks: bool = False

    def __str__(self) -> str:
        return f"record {self.record}: {self.where}: {self.what}" + (
            f"; {self.hint}" if self.hint else ""
        )


@dataclass(frozen=True)
class Action:
    """Something that leaves the house and cannot be taken back; ``key`` is its journal key.

    The key names what is done, never when: project, message, record, event, instance, occurrence.
    """

    key: str
    record: str
    kind: str

    @property
    def wanted(self) -> str:
        """Say what it is, as a plan counts it."""
        return self.kind

    @property
    def done(self) -> str:
        """Say what has become of it once it was taken, as a run counts it."""
        return "sent"


@dataclass(frozen=True)
class Text(Action):
    """One text to one phone; ``body`` and ``to`` are private and never logged.

    ``message`` is the id in the study file, ``occurrence`` '0' for the invitation and n for the
    n-th reminder; ``zone`` the recipient's time zone; after ``latest`` it is not sent any more.
    ``kin`` are the other records of the phone: who opts out under one of them stops it, too.
    """

    to: str = field(default="", repr=False)
    body: str = field(default="", repr=False)
    segments: int = 1
    message: str = ""
    occurrence: str = ""
    zone: str = "UTC"
    latest: datetime | None = None
    kin: tuple[str, ...] = ()


CALLS: Mapping[str, str] = {
    "enrol": "enrolled",
    "arm": "assigned to an arm",
    "update": "updated",
    "withdraw": "withdrawn",
}
"""Each call that changes something at the partner, and how it is told once it was taken."""


@dataclass(frozen=True)
class PartnerCall(Action):
    """One call that changes something at the texting partner; ``payload`` is private.

    ``call`` is enrol, arm, update or withdraw; ``occurrence`` counts a record's calls of one kind.
    ``member`` is the partner's id of the participant, '' where only the journal will know it. An
    enrolment that ``adopts`` a member the partner has already asks nothing of the partner.
    """

    call: str = ""
    payload: Mapping[str, str] = field(default_factory=dict, repr=False)
    member: str = ""
    occurrence: str = ""
    adopts: bool = False

    @property
    def wanted(self) -> str:
        """Say what it is: one of CALLS, or that a member is taken over."""
        if not self.adopts:
            return self.call
        return "member to take over" if self.call == "enrol" else f"{self.call} found there"

    @property
    def done(self) -> str:
        """Say what has become of it once the partner took it."""
        if not self.adopts:
            return CALLS.get(self.call, "sent")
        return "taken over" if self.call == "enrol" else "found as it should be"


@dataclass(frozen=True)
class Mail(Action):
    """One mail: counts and record ids only."""

    to: tuple[str, ...] = ()
    subject: str = ""
    body: str = ""


@dataclass(frozen=True)
class Posted:
    """What the other side said to one action, or that nobody knows.

    ``reference`` is its id there (a SID), ``code`` its error code. ``not_sent`` says that the code
    is documented to mean that nothing went out and that a new attempt is right. ``status`` is the
    other side's own word. ``stops`` says, where it is not blank, why nothing more can be done by
    this courier in this run; ``sentence`` tells a person what became of it and what to do.
    """

    state: Literal["sent", "rejected", "unknown"]
    reference: str = ""
    code: str = ""
    not_sent: bool = False
    note: str = ""
    status: str = ""
    stops: str = ""
    sentence: str = ""


@dataclass(frozen=True)
class Outcome:
    """What became of one attempt, as the journal knows it, for a job to write into REDCap.

    ``message`` is the id in the study file; ``status`` the other side's own word; ``at`` the aware
    UTC instant of the post, ``updated_at`` that of the last status. ``event`` and ``instance`` say
    which row of REDCap's message log is its own ('' without one). It says the same whether asked
    right after acting or at the next start.
    """

    key: str
    attempt: int
    kind: str
    record: str
    message: str
    occurrence: str
    state: str
    reference: str
    code: str
    status: str
    at: datetime
    updated_at: datetime | None = None
    event: str = ""
    instance: str = ""


@dataclass(frozen=True)
class Table:
    """A small table for people: shown at a terminal, kept as counts in the run record."""

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


@dataclass(frozen=True)
class Plan:
    """What a job wants done, in the order the executor does it: actions, then field changes.

    ``owned`` names the target's fields the job writes, the only ones its changes may touch.
    ``shared`` are those of them that people fill in, too. ``forgotten`` names records that are
    gone and whose decisions are to be dropped.
    """

    job: str
    as_of: datetime
    changes: pd.DataFrame
    decisions: pd.DataFrame
    owned: tuple[str, ...]
    actions: tuple[Action, ...] = ()
    skips: tuple[Skip, ...] = ()
    problems: tuple[Problem, ...] = ()
    tables: tuple[Table, ...] = ()
    forgotten: tuple[str, ...] = ()
    shared: tuple[str, ...] = ()


@dataclass(frozen=True)
class Stands:
    """A recheck's yes."""


@dataclass(frozen=True)
class Withhold:
    """A recheck's no, with the reason that the journal keeps."""

    reason: str


def no_action_stands(study: Study, action: Action, inputs: Inputs) -> Withhold:  # noqa: ARG001 - a recheck's signature
    """Say no, for a job that plans no actions."""
    return Withhold("this job plans no actions")


def nothing_becomes(
    study: Study,  # noqa: ARG001 - a record's signature
    outcomes: Sequence[Outcome],  # noqa: ARG001
    project: Project,  # noqa: ARG001
    roster: pd.DataFrame,  # noqa: ARG001
) -> pd.DataFrame:
    """Give no changes, for a job that plans no actions."""
    import pandas as pd

    return pd.DataFrame(columns=CHANGE_COLUMNS, dtype="str")


@dataclass(frozen=True)
class Job:
    """One job: its name, its functions and what it declares about itself.

    ``reads(study, inputs)`` names all reads it can name so far; those already in
    ``inputs.tables`` are answered. ``flags`` are options of its own on the command line, each
    with its help; they reach the plan as ``inputs.options``. ``help`` is what ``--help`` prints.
    A job that ``texts`` sends texts or follows them: its run asks the sender what became of open
    ones and which replies came, and writes every text's outcome back, whichever job sent it.
    A job for the ``partner`` exchanges members with the texting partner.
    """

    name: str
    summary: str
    reads: Callable[[Study, Inputs], Sequence[Read]]
    plan: Callable[[Study, Inputs, datetime], Plan]
    recheck: Callable[[Study, Action, Inputs], Stands | Withhold] = no_action_stands
    record: Callable[[Study, Sequence[Outcome], Project, pd.DataFrame], pd.DataFrame] = (
        nothing_becomes
    )
    flags: Mapping[str, str] = field(default_factory=dict)
    help: str = ""
    texts: bool = False
    partner: bool = False

    @property
    def about(self) -> frozenset[About]:
        """Which parts of a study file the project must have what they name for."""
        own: set[About] = {"visits", "both"}
        own |= {"texts"} if self.texts else set()
        return frozenset(own | ({"partner"} if self.partner else set()))
