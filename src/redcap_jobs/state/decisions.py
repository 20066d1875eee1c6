"""The last decision about every record and subject, with its reasons, kept where it changed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from sqlalchemy import delete, insert, select, update
from sqlalchemy.sql import bindparam

from redcap_jobs.plan import DECISION_COLUMNS
from redcap_jobs.state.schema import decisions
from redcap_jobs.state.scope import ProjectKey

if TYPE_CHECKING:
    import pandas as pd
    from sqlalchemy import Connection

    from redcap_jobs.state.store import Store

KEY = ["record", "subject"]
VALUES = [column for column in DECISION_COLUMNS if column not in KEY]


@dataclass(frozen=True)
class Decision:
    """One decision as ``why`` shows it: words and dates of the study file, never a value."""

    job: str
    record: str
    subject: str
    decision: str
    reasons: str
    run_id: str
    changed_at: datetime


def load_decisions(store: Store, project: ProjectKey, job: str) -> pd.DataFrame:
    """Return a job's last decisions on a project: DECISION_COLUMNS, all ``str``, sorted by key."""
    import pandas as pd

    columns = [decisions.c[name] for name in DECISION_COLUMNS]
    query = (
        select(*columns)
        .where(decisions.c.project == str(project), decisions.c.job == job)
        .order_by(decisions.c.record, decisions.c.subject)
    )
    with store.read() as connection:
        rows = [tuple(row) for row in connection.execute(query)]
    return pd.DataFrame(rows, columns=DECISION_COLUMNS).astype("str")


def save_changed(
    store: Store, project: ProjectKey, job: str, frame: pd.DataFrame, run_id: str
) -> int:
    """Keep the decisions of ``frame`` that differ from the last ones; return how many did.

    ``frame`` has DECISION_COLUMNS, one row per record and subject. A row equal to what is kept
    leaves its run and time as they were: they say since when a decision stands. Decisions about
    records and subjects that ``frame`` does not name stay.
    """
    scope = {"project": str(project), "job": job}
    stamp = {"run_id": run_id, "changed_at": store.clock.now()}
    with store.write() as connection:
        known = stored(connection, scope)
        new, changed = [], []
        for row in frame[DECISION_COLUMNS].itertuples(index=False, name=None):
            key, values = row[: len(KEY)], row[len(KEY) :]
            if key not in known:
                new.append(dict(zip(DECISION_COLUMNS, row, strict=True)) | scope | stamp)
            elif known[key] != values:
                changed.append(dict(zip(VALUES, values, strict=True)) | stamp | keyed(key, scope))
        if new:
            connection.execute(insert(decisions), new)
        if changed:
            connection.execute(UPDATE_ONE, changed)
    return len(new) + len(changed)


def forget(store: Store, project: ProjectKey, job: str, records: Sequence[str]) -> None:
    """Drop a job's decisions about records that the project does not hold any more."""
    where = (decisions.c.project == str(project), decisions.c.job == job)
    with store.write() as connection:
        for record in records:
            connection.execute(delete(decisions).where(*where, decisions.c.record == record))


UPDATE_ONE = update(decisions).where(
    *(decisions.c[name] == bindparam(f"its_{name}") for name in ("project", "job", *KEY))
)


def keyed(key: tuple[str, ...], scope: dict[str, str]) -> dict[str, str]:
    """Return the parameters that find one row in :data:`UPDATE_ONE`."""
    named = scope | dict(zip(KEY, key, strict=True))
    return {f"its_{name}": value for name, value in named.items()}


def stored(connection: Connection, scope: dict[str, str]) -> dict[tuple[str, ...], tuple[str, ...]]:
    """Return what is kept for one project and job: (record, subject) → the other columns."""
    query = select(*(decisions.c[name] for name in DECISION_COLUMNS)).where(
        decisions.c.project == scope["project"], decisions.c.job == scope["job"]
    )
    rows = (tuple(row) for row in connection.execute(query))
    return {row[: len(KEY)]: row[len(KEY) :] for row in rows}


def decisions_of_record(store: Store, project: ProjectKey, record: str) -> Iterator[Decision]:
    """Yield every job's last decisions about one record, by job and subject."""
    columns = [decisions.c[name] for name in Decision.__dataclass_fields__]
    query = (
        select(*columns)
        .where(decisions.c.project == str(project), decisions.c.record == record)
        .order_by(decisions.c.job, decisions.c.subject)
    )
    with store.read() as connection:
        rows = connection.execute(query).all()
    for row in rows:
        yield Decision(*row)
