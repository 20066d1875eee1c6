"""What a job asks for, and the columns of what it gets: frames of pandas, every cell a ``str``."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal, TypeAlias

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
    *("payload_hash", "at", "partner"),
]
"""A partner-calls frame: one row per attempt the journal knows, all ``str``, oldest first.

``partner`` names whom the call was made to: the study may have changed its partner."""

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
class ReadToldAgain:
    """Ask of whom a person wants the partner told once more; columns record, occurrence.

    ``occurrence`` is that of the update they mean: once it took effect the word is spent.
    """


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
    | ReadToldAgain
    | ReadMembers
)
