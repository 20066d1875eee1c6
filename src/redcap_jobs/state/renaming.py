"""A record that has another name in REDCap now: everything the state keeps of it follows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from sqlalchemy import delete, select, update

from redcap_jobs.errors import UsageError
from redcap_jobs.messaging.keys import MessageKey
from redcap_jobs.plan import HINDERS
from redcap_jobs.state.schema import confirmations, decisions, inbound, journal, stops

if TYPE_CHECKING:
    from sqlalchemy import ColumnElement, Connection, RowMapping

    from redcap_jobs.state.scope import ProjectKey
    from redcap_jobs.state.store import Store


def rename_record(store: Store, study: str, project: ProjectKey, old: str, new: str) -> int:
    """Give everything of record ``old`` to ``new``; return how many journal rows that were.

    One transaction: journal rows with their keys (texts and calls to the partner), decisions, arm
    switches that were confirmed, and of a production project stops
    and the records of replies (those belong to the study). Rows of REDCap's message log moved
    along when REDCap renamed the record; since their keys still name ``old``, every journal row
    counts as changed and is written back once more.

    Raises:
        UsageError: The journal knows nothing of ``old`` and nobody stopped it, or the journal has
            texts of ``new``; a text of one of them is being sent; or the names are the same.

    """
    if old == new or not new or new != new.strip():
        raise UsageError(f"{old!r} cannot be renamed to {new!r}: give two different record ids")
    with store.write() as connection:
        rows = rows_of(connection, project, old)
        if not rows and not (project.mode == "production" and has_word(connection, study, old)):
            raise UsageError(f"the journal knows nothing of record {old} of {project.words}")
        drop_empty(connection, rows_of(connection, project, new), f"{new} of {project.words}")
        for row in rows:
            refuse_busy(row, old)
            values = {"key": renamed(row["key"], new), "record": new, "version": row["version"] + 1}
            connection.execute(update(journal).where(*exactly(row)).values(values))
        rename_decisions(connection, project, old, new)
        rename_confirmations(connection, project, old, new)
        if project.mode == "production":
            rename_stop(connection, study, old, new)
            rename_replies(connection, study, old, new)
    return len(rows)


def rows_of(connection: Connection, project: ProjectKey, record: str) -> Sequence[RowMapping]:
    """Return the journal rows of a record."""
    columns = (journal.c.key, journal.c.attempt, journal.c.state, journal.c.version)
    query = select(*columns).where(journal.c.project == str(project), journal.c.record == record)
    return connection.execute(query).mappings().all()


def exactly(row: RowMapping) -> tuple[ColumnElement[bool], ...]:
    """Return the conditions that find one journal row."""
    return (journal.c.key == row["key"], journal.c.attempt == row["attempt"])


def refuse_busy(row: RowMapping, record: str) -> None:
    """Refuse a row that a run is at work on."""
    if row["state"] in ("claimed", "posting"):
        raise UsageError(f"a text of record {record} is being sent; try again after that run")


def drop_empty(connection: Connection, rows: Sequence[RowMapping], record: str) -> None:
    """Drop rows that stand for nothing, left by a run under the new name; refuse any other."""
    for row in rows:
        refuse_busy(row, record)
        if row["state"] not in ("released", "withheld"):
            raise UsageError(
                f"the journal has texts of record {record} already; two records are not made into "
                "one"
            )
        connection.execute(delete(journal).where(*exactly(row)))


def rename_decisions(connection: Connection, project: ProjectKey, old: str, new: str) -> None:
    """Move the decisions, where a run has not made newer ones under the new name."""
    of_old = (decisions.c.project == str(project), decisions.c.record == old)
    newer = select(decisions.c.job).where(
        decisions.c.project == str(project), decisions.c.record == new
    )
    jobs = set(connection.execute(newer).scalars())
    connection.execute(delete(decisions).where(*of_old, decisions.c.job.in_(jobs)))
    connection.execute(update(decisions).where(*of_old).values(record=new))


def rename_confirmations(connection: Connection, project: ProjectKey, old: str, new: str) -> None:
    """Move what a person confirmed, in place of what was confirmed under the new name."""
    where = confirmations.c.project == str(project)
    of_old = select(confirmations.c.subject).where(where, confirmations.c.record == old)
    subjects = list(connection.execute(of_old).scalars())
    own = (where, confirmations.c.record == new, confirmations.c.subject.in_(subjects))
    connection.execute(delete(confirmations).where(*own))
    connection.execute(
        update(confirmations).where(where, confirmations.c.record == old).values(record=new)
    )


def has_word(connection: Connection, study: str, record: str) -> bool:
    """Tell whether a person said anything of a record: also of one that no text went to yet."""
    query = select(stops.c.state).where(stops.c.study == study, stops.c.subject == record)
    return connection.execute(query.where(stops.c.scope == "record")).first() is not None


def rename_stop(connection: Connection, study: str, old: str, new: str) -> None:
    """Move the word on the record; of two the one that hinders stays, else the new name's own."""

    def of(record: str) -> tuple[ColumnElement[bool], ...]:
        return (stops.c.study == study, stops.c.scope == "record", stops.c.subject == record)

    state = {
        record: connection.execute(select(stops.c.state).where(*of(record))).scalar()
        for record in (old, new)
    }
    if state[old] is None:
        return
    if state[new] is not None:
        less = old if state[new] in HINDERS or state[old] not in HINDERS else new
        connection.execute(delete(stops).where(*of(less)))
    connection.execute(update(stops).where(*of(old)).values(subject=new))


def renamed(key: str, record: str) -> str:
    """Give a key with another record; one that is no text's key stays."""
    try:
        return str(replace(MessageKey.parse(key), record=record))
    except ValueError:
        return key


def rename_replies(connection: Connection, study: str, old: str, new: str) -> None:
    """Rename the record where a reply is said to be its."""
    query = select(inbound.c.sid, inbound.c.records).where(inbound.c.study == study)
    for row in connection.execute(query).all():
        if old in row.records:
            records = [new if each == old else each for each in row.records]
            connection.execute(
                update(inbound)
                .where(inbound.c.study == study, inbound.c.sid == row.sid)
                .values(records=records)
            )
