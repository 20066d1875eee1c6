"""Entries for the journal's tests, and runs that end in the middle."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

from sqlalchemy import select
from tests.state.children import Child

from redcap_jobs.state.journal import Journal
from redcap_jobs.state.journal_entry import Claimed, Entry, Intent, entry_of
from redcap_jobs.state.process import Holder
from redcap_jobs.state.schema import journal as journal_table
from redcap_jobs.state.scope import ProjectKey
from redcap_jobs.state.store import Store

SID = "SM" + "0" * 31


def a_text(project: ProjectKey, key: str = "k1", **other: object) -> Intent:
    intent = Intent(key, "text", project, "send-surveys", "1001", "m2-invitation")
    return dataclasses.replace(intent, **other)  # type: ignore[arg-type]  # fields by name


def taken(journal: Journal, intent: Intent) -> Claimed:
    """Claim a key that must be free."""
    claim = journal.claim(intent)
    assert isinstance(claim, Claimed)
    return claim


def attempts_of(store: Store, key: str) -> list[Entry]:
    """Return every attempt of a key, first to last."""
    query = select(journal_table).where(journal_table.c.key == key)
    with store.read() as connection:
        rows = connection.execute(query.order_by(journal_table.c.attempt)).mappings()
        return [entry_of(row) for row in rows]


def posted(journal: Journal, intent: Intent) -> Claimed:
    """Claim a key that must be free, and begin to act."""
    claim = taken(journal, intent)
    journal.begin_posting(claim)
    return claim


def another(store: Store, *, sees_others_alive: bool = True) -> Journal:
    """Return the journal of another run, in a process of its own."""
    holder = Holder("host", 4711, "boot:ns:1")
    return Journal(store, "run-2", holder=holder, alive=lambda *_: sees_others_alive)


def killed_at(store: Store, project: ProjectKey, *, posting: bool) -> None:
    """Let a real process claim (and begin to post) and kill it there."""

    def work(say: Callable[[str], None]) -> None:
        run = Journal(store, "killed-run")
        claim = taken(run, a_text(project))
        if posting:
            run.begin_posting(claim)
        say("wait")

    with Child(work) as child:
        assert child.heard() == "wait"
        child.kill()
