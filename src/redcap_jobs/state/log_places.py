"""Which instance of REDCap's message log belongs to a text: chosen once, before it is written."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from sqlalchemy import func, select, update

from redcap_jobs.messaging.keys import MessageKey
from redcap_jobs.state.schema import journal

if TYPE_CHECKING:
    import pandas as pd
    from sqlalchemy import Connection

    from redcap_jobs.state.journal_entry import Entry
    from redcap_jobs.state.scope import ProjectKey
    from redcap_jobs.state.store import Store


def places_for(
    store: Store, project: ProjectKey, entries: Sequence[Entry], held: pd.DataFrame
) -> Mapping[str, int]:
    """Return key → instance for each entry; what is new is committed before it is returned.

    ``held`` are the rows REDCap holds: columns record, instance, key (``str``). A key that stands
    there keeps its instance. Any other gets the one after the greatest that REDCap or the journal
    knows for the record, also where another key's row came to stand at the one chosen before; one
    transaction chooses for all, so two processes never choose the same. All attempts of a key
    share one instance.
    """
    in_redcap: dict[str, int] = {}
    greatest: dict[str, int] = {}
    others: dict[tuple[str, int], str] = {}
    for row in held.to_dict("records"):
        number = int(row["instance"] or 1)
        greatest[row["record"]] = max(number, greatest.get(row["record"], 0))
        if row["key"]:
            in_redcap.setdefault(row["key"], number)
            others[row["record"], number] = row["key"]
    places: dict[str, int] = {}
    with store.write() as connection:
        for entry in entries:
            if entry.key not in places:
                chosen = in_redcap.get(entry.key) or chosen_before(connection, entry.key)
                there = others.get((entry.record, chosen or 0), entry.key)
                if not is_same_text(there, entry.key):
                    chosen = None
                places[entry.key] = chosen or next_free(connection, project, entry.record, greatest)
                keep(connection, entry.key, places[entry.key])
    return places


def is_same_text(one: str, other: str) -> bool:
    """Tell whether two keys name one text, though its record or server has another name by now."""
    try:
        keys = [replace(MessageKey.parse(key), project="", record="") for key in (one, other)]
    except ValueError:
        return one == other
    return keys[0] == keys[1]


def chosen_before(connection: Connection, key: str) -> int | None:
    """Return the instance that the journal has for a key."""
    query = select(func.max(journal.c.log_instance)).where(journal.c.key == key)
    return connection.execute(query).scalar()


def next_free(
    connection: Connection, project: ProjectKey, record: str, greatest: Mapping[str, int]
) -> int:
    """Return the instance after all that REDCap or the journal knows for a record."""
    query = select(func.max(journal.c.log_instance)).where(
        journal.c.project == str(project), journal.c.record == record
    )
    return max(connection.execute(query).scalar() or 0, greatest.get(record, 0)) + 1


def keep(connection: Connection, key: str, instance: int) -> None:
    """Note the instance of a key, for all its attempts."""
    connection.execute(update(journal).where(journal.c.key == key).values(log_instance=instance))
