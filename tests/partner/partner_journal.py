"""A journal with calls to the partner in it, each as a run leaves it behind."""

from __future__ import annotations

import socket
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

from partner_doubles import HandClock

from redcap_jobs.jobs.partner_history import payload_text
from redcap_jobs.messaging.keys import MessageKey
from redcap_jobs.state.journal import Journal
from redcap_jobs.state.journal_entry import Claimed, Intent
from redcap_jobs.state.process import Holder
from redcap_jobs.state.scope import ProjectKey
from redcap_jobs.state.store import Store
from redcap_jobs.study.partner_config import Partner

PROJECT = ProjectKey("https://redcap.example.edu/api/", 3041, "production")

AGILE = "agile"
DEAD = Holder(socket.gethostname(), 1, "boot before this one:namespace:1")


def keyed(text: str, kind: str) -> str:
    """Stand in for the keyed hash."""
    return f"{kind} {hash(text)}"


def new_partner(**more: Any) -> Partner:
    """Give a small ``[partner]``."""
    arm = {"partner": "arm", "redcap": "rand", "values": {"1": "OHT", "2": "CWT"}, "role": "arm"}
    names = {"firstName": "text", "brushDays": "whole", "childDob": "date", "mobilePhone": "phone"}
    fields = [{"partner": name, "redcap": name, "kind": kind} for name, kind in names.items()]
    given = {
        "adapter": "agile",
        "url": "https://api.agilehealth.example",
        "token": "AGILE_TOKEN",
        "write": {"member_id": "ag_id"},
        "fields": [arm, *fields],
    }
    return Partner.model_validate(given | more)


@dataclass
class Called:
    """What was called so far; each call is a second after the one before."""

    store: Store
    clock: HandClock
    partner: str = AGILE

    @classmethod
    @contextmanager
    def at(cls, folder: Path) -> Iterator[Called]:
        """Make a state in a folder."""
        clock = HandClock()
        with Store.create(f"sqlite:///{folder / 'state.db'}", clock=clock) as store:
            yield cls(store, clock)

    def journal(self, run: str = "run-1") -> Journal:
        """Return the journal as a run uses it whose process is gone."""
        return Journal(self.store, run, holder=DEAD)

    def begin(
        self, record: str, call: str, payload: Mapping[str, str], occurrence: int = 0
    ) -> Claimed:
        """Claim a call and say on disk that it is being posted."""
        self.clock.sleep(timedelta(seconds=1))
        key = MessageKey(
            str(PROJECT), f"partner-{call}", record, self.partner, occurrence=str(occurrence)
        )
        intent = Intent(
            key=str(key),
            kind="partner",
            project=PROJECT,
            job="poll-participants",
            record=record,
            message=call,
            occurrence=str(occurrence),
            sender=self.partner,
            body_hash=keyed(payload_text(payload), "partner"),
        )
        claim = self.journal().claim(intent)
        assert isinstance(claim, Claimed), claim
        self.journal().begin_posting(claim)
        return claim

    def enrol(self, record: str, member: str, **payload: str) -> None:
        """Let an enrolment be taken."""
        self.journal().sent(self.begin(record, "enrol", payload), member, "enrolled")

    def take(self, record: str, call: str, occurrence: int = 0, **payload: str) -> None:
        """Let another call be taken."""
        self.journal().sent(self.begin(record, call, payload, occurrence), "AH-1")

    def refuse(self, record: str, code: str, call: str = "enrol", **payload: str) -> None:
        """Let a call be refused."""
        claim = self.begin(record, call, payload)
        self.journal().rejected(claim, code, definite_not_sent=True)

    def lose(
        self, record: str, call: str = "enrol", occurrence: int = 0, **payload: str
    ) -> Claimed:
        """Let a call's answer be lost."""
        claim = self.begin(record, call, payload, occurrence)
        self.journal().unknown(claim, "the answer was lost")
        return claim
