"""What the journal knows of each participant's calls to the partner."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import pandas as pd

from redcap_jobs.messaging.keys import MessageKey
from redcap_jobs.plan import Inputs

if TYPE_CHECKING:
    from redcap_jobs.jobs.partner_people import Candidate

ENROL, ARM, UPDATE, WITHDRAW = "enrol", "arm", "update", "withdraw"
CALLS = (ENROL, ARM, UPDATE, WITHDRAW)
UNDER_WAY = frozenset({"claimed", "posting", "unknown"})
MAYBE = frozenset({"posting", "unknown"})
LOOKED_UP = "look-up"
"""The code of a call whose answer was lost and that may be made again."""
MESSAGE = "partner-"


@dataclass
class Known:
    """What happened between one participant and the partner, so far as it took effect.

    ``member`` is the partner's id; ``told`` and ``arm`` are the keyed hashes of the payload and
    the arm last confirmed. Where a later call may have taken effect though nobody heard of it,
    ``told`` is blank and ``arm_in_doubt`` true. ``refused`` are hash, code and instant of what the
    partner refused last, by call; ``done`` counts calls that took effect; ``open`` are calls of
    which nobody knows; ``former`` the ids that partners of before gave.
    """

    member: str = ""
    told: str = ""
    arm: str = ""
    arm_in_doubt: bool = False
    withdrawn: bool = False
    refused: dict[str, tuple[str, str, str]] = field(default_factory=dict)
    done: Counter[str] = field(default_factory=Counter)
    open: set[str] = field(default_factory=set)
    former: set[str] = field(default_factory=set)

    @property
    def arm_is_known(self) -> bool:
        """Tell whether the journal can say which arm the partner has."""
        return bool(self.arm) and not self.arm_in_doubt

    def key(self, inputs: Inputs, call: str, record: str) -> tuple[str, str]:
        """Give the journal's key of the next call of one kind, and its occurrence.

        The partner stands in it where a text has its event.
        """
        occurrence = str(self.done[call])
        message = MESSAGE + call
        key = MessageKey(inputs.project, message, record, inputs.partner, occurrence=occurrence)
        return str(key), occurrence


def history(calls: pd.DataFrame, partner: str) -> dict[str, Known]:
    """Read a partner-calls frame (oldest first): record → what is known of them with one partner."""
    found: dict[str, Known] = {}
    for row in calls.to_dict("records"):
        one = {str(key): str(value) for key, value in row.items()}
        known = found.setdefault(one["record"], Known())
        if one["partner"] == partner:
            note(known, one["call"], one)
        elif one["member"]:
            known.former.add(one["member"])
    return found


def without_former(
    people: Mapping[str, Candidate], known: Mapping[str, Known]
) -> dict[str, Candidate]:
    """Pass over the member ids in REDCap that a partner of before gave: they mean nobody now."""
    return {
        record: replace(one, known_as="")
        if record in known and one.known_as in known[record].former
        else one
        for record, one in people.items()
    }


def note(known: Known, call: str, row: Mapping[str, str]) -> None:
    """Add one call to what is known."""
    known.open.discard(call)
    if row["state"] in UNDER_WAY:
        known.open.add(call)
    elif row["state"] == "rejected" and row["code"]:
        known.refused[call] = (row["payload_hash"], row["code"], row["at"])
    elif row["state"] == "sent":
        note_taken(known, call, row)
    if row["state"] in MAYBE or row["code"] == LOOKED_UP:
        if call == UPDATE:
            known.told = ""
        elif call == ARM:
            known.arm_in_doubt = True


def note_taken(known: Known, call: str, row: Mapping[str, str]) -> None:
    """Add one call that took effect."""
    known.done[call] += 1
    known.refused.pop(call, None)
    if call == ENROL:
        known.member, known.withdrawn = row["member"], False
    if call in (ENROL, UPDATE):
        known.told = row["payload_hash"]
    elif call == ARM:
        known.arm, known.arm_in_doubt = row["payload_hash"], False
    elif call == WITHDRAW:
        known.withdrawn = True


def payload_hash(inputs: Inputs, payload: Mapping[str, str]) -> str:
    """Give the keyed hash by which a payload is recognised without being kept."""
    return inputs.keyed(payload_text(payload), "partner")


def payload_text(payload: Mapping[str, str]) -> str:
    """Give a payload as the one text that its hash is made of."""
    return json.dumps(dict(sorted(payload.items())), ensure_ascii=False)


def arm_text(arm: str) -> str:
    """Give what an arm's hash is made of."""
    return payload_text({ARM: arm})


def arm_hash(inputs: Inputs, arm: str) -> str:
    """Give the keyed hash of an arm."""
    return inputs.keyed(arm_text(arm), "partner") if arm else ""
