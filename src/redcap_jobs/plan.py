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

from redcap_jobs.actions import (
    CALLS,
    Action,
    Mail,
    Outcome,
    PartnerCall,
    Posted,
    Stands,
    Text,
    Withhold,
)
from redcap_jobs.reads import (
    CHANGE_COLUMNS,
    DECISION_COLUMNS,
    HINDERS,
    KEYS,
    LINK_COLUMNS,
    MEMBER_COLUMNS,
    MESSAGE_COLUMNS,
    NOTHING_HAPPENED,
    PARTNER_CALL_COLUMNS,
    STOP_COLUMNS,
    Read,
    ReadChanged,
    ReadConfirmed,
    ReadDecisions,
    ReadMembers,
    ReadMessages,
    ReadPartnerCalls,
    ReadRows,
    ReadStops,
    ReadSurveyLinks,
    ReadToldAgain,
    Side,
)

if TYPE_CHECKING:
    import pandas as pd

    from redcap_jobs.redcap.project import Project
    from redcap_jobs.study.config import Study
    from redcap_jobs.study.uses import About

__all__ = [
    "CALLS",
    "CHANGE_COLUMNS",
    "DECISION_COLUMNS",
    "HINDERS",
    "KEYS",
    "LINK_COLUMNS",
    "MEMBER_COLUMNS",
    "MESSAGE_COLUMNS",
    "NOTHING_HAPPENED",
    "PARTNER_CALL_COLUMNS",
    "STOP_COLUMNS",
    "Action",
    "Inputs",
    "Job",
    "Mail",
    "Outcome",
    "PartnerCall",
    "Plan",
    "Posted",
    "Problem",
    "Reaches",
    "Read",
    "ReadChanged",
    "ReadConfirmed",
    "ReadDecisions",
    "ReadMembers",
    "ReadMessages",
    "ReadPartnerCalls",
    "ReadRows",
    "ReadStops",
    "ReadSurveyLinks",
    "ReadToldAgain",
    "Side",
    "Skip",
    "Stands",
    "Table",
    "Text",
    "Withhold",
    "no_action_stands",
    "no_hash",
    "nothing_becomes",
]

T = TypeVar("T")

Reaches: TypeAlias = Literal["participants", "development"]
"""Whom a run's texts may reach: participants, or only the study file's development recipients."""


def no_hash(text: str, kind: str) -> str:
    """Refuse to recognise anything: for inputs of jobs that compare no phones."""
    raise ValueError(f"these inputs hash no {kind} ({len(text)} characters)")


@dataclass(frozen=True)
class Inputs:
    """Everything a plan is made from.

    ``source`` and ``target`` are the structure of the two projects (often one and the same);
    ``roster`` says which rows each record has in the source: columns ``record, event, dag``; under
    ``--record`` only those, while ``held`` names all records the source holds;
    ``tables`` holds the answers to the reads made so far; ``options`` what the command line adds.
    ``fingerprint`` maps a frame of ``str`` columns to a Series of keyed hashes, one per row;
    ``keyed(text, kind)`` gives that of one text. ``project`` is the target's name in the state,
    the first part of every message key; ``development`` the phones a development run may reach.
    ``as_of`` is the instant that is planned for. ``fresh`` says that this is asked moments before
    an action: what decides is read again, what was only needed to write the text is not.
    ``since``: who did not change from then on was looked at before; None to look at everybody.
    ``partner`` names whom the members are with; ``partner_in_reach`` is False in a development run
    that knows no partner it may call.
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
    partner: str = ""
    partner_in_reach: bool = True
    held: frozenset[str] = frozenset()
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
class Table:
    """A small table for people: shown at a terminal, kept as counts in the run record."""

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


@dataclass(frozen=True)
class Plan:
    """What a job wants done, in the order the executor does it: actions, then field changes.

    ``owned`` names the target's fields the job writes, the only ones its changes may touch.
    ``shared`` are those of them that people fill in, too; ``followed`` those that take another
    system's word, which changes by nature and is not judged by its share. ``forgotten`` names
    records whose decisions are to be dropped: they are gone, or must be looked at again by the
    next run.
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
    followed: tuple[str, ...] = ()


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
        own |= {"texts", "outreach"} if self.texts else set()
        return frozenset(own | ({"partner", "outreach"} if self.partner else set()))
