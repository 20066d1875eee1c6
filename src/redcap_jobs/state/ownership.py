"""Which fields of a project the jobs of this state have written, and may therefore overwrite."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from sqlalchemy import insert, select

from redcap_jobs.state.schema import ownership
from redcap_jobs.state.scope import ProjectKey

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from redcap_jobs.state.store import Store


def owned_fields(store: Store, project: ProjectKey) -> frozenset[str]:
    """Return the fields of a project that this state has claimed."""
    with store.read() as connection:
        return in_table(connection, project)


def claim_fields(store: Store, project: ProjectKey, fields: Iterable[str], run_id: str) -> None:
    """Claim fields for the jobs of this state, before their first value is sent.

    A field that is claimed already keeps its first run. Claimed before the write, so that a run
    killed in between does not make the next one refuse its own values.
    """
    with store.write() as connection:
        new = sorted(set(fields) - in_table(connection, project))
        if new:
            stamp = {"project": str(project), "run_id": run_id, "claimed_at": store.clock.now()}
            connection.execute(insert(ownership), [{"field": field} | stamp for field in new])


def in_table(connection: Connection, project: ProjectKey) -> frozenset[str]:
    """Return the claimed fields of a project within a transaction."""
    query = select(ownership.c.field).where(ownership.c.project == str(project))
    return frozenset(connection.execute(query).scalars())
