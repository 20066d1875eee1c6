"""What a state holds, in numbers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import func, or_, select

from redcap_jobs.state import migrate, schema

if TYPE_CHECKING:
    from redcap_jobs.state.store import Store


def contents(store: Store) -> dict[str, str | int]:
    """Return name → value for people and JSON: address, revision, counts, last run, restored.

    Journal entries are counted by state, those nobody knows about (``unknown``) first; words on
    phones, records and studies that hold now, each by itself, so that a person sees what would be
    lost with the state.
    """
    with store.read() as connection:

        def count(table_name: str) -> int:
            table = schema.metadata.tables[table_name]
            return connection.execute(select(func.count()).select_from(table)).scalar_one()

        def kept(name: str) -> str:
            query = select(schema.meta.c.value).where(schema.meta.c.name == name)
            return connection.execute(query).scalar() or ""

        by_state = select(schema.journal.c.state, func.count()).group_by(schema.journal.c.state)
        entries = {row[0]: row[1] for row in connection.execute(by_state)}
        holds = or_(schema.stops.c.until.is_(None), schema.stops.c.until > store.clock.now())
        scopes = select(schema.stops.c.scope, schema.stops.c.state, func.count()).where(holds)
        scopes = scopes.group_by(schema.stops.c.scope, schema.stops.c.state)
        words = {(row[0], row[1]): row[2] for row in connection.execute(scopes)}
        to_read = select(func.count()).where(schema.inbound.c.settled_at.is_(None))
        newest = connection.execute(select(func.max(schema.runs.c.id))).scalar()
        order = ("unknown", *(state for state in schema.JOURNAL_STATES if state != "unknown"))
        return {
            "state": store.url,
            "revision": migrate.revision_of(connection) or "",
            "oldest release": migrate.oldest_release(connection),
            "fingerprint key": "known" if kept("key_mark") else "not used yet",
            "restored": kept("restored") or "never",
            "runs": count("runs"),
            "last run": newest or "none",
            "decisions": count("decisions"),
            "fields owned": count("ownership"),
            "journal entries": sum(entries.values()),
            **{f"journal {state}": entries[state] for state in order if state in entries},
            "stops": sum(words.values()),
            **{
                f"stops {scope} {state}": number for (scope, state), number in sorted(words.items())
            },
            "replies": count("inbound"),
            "replies to read": connection.execute(to_read).scalar_one(),
        }
