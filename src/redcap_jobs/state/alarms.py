"""How each job of a study stands, and what of that its people were told last."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Literal, TypeAlias

from sqlalchemy import delete, insert, select

from redcap_jobs.state.schema import alarms

if TYPE_CHECKING:
    from redcap_jobs.state.store import Store

Standing: TypeAlias = Literal["ok", "partly", "failing"]


@dataclass(frozen=True)
class Alarm:
    """How a job stands and since when; ``told`` is the standing its people know of, and since."""

    state: Standing
    since: datetime
    told: Standing = "ok"
    told_at: datetime | None = None


def load_alarm(store: Store, study: str, job: str) -> Alarm | None:
    """Return how a job stood after its last run; None: it never ended."""
    query = select(alarms).where(alarms.c.study == study, alarms.c.job == job)
    with store.read() as connection:
        row = connection.execute(query).mappings().first()
    if row is None:
        return None
    return Alarm(row["state"], row["since"], row["told"] or "ok", row["told_at"])


def keep_alarm(store: Store, study: str, job: str, alarm: Alarm) -> None:
    """Keep how a job stands."""
    values = {
        "study": study,
        "job": job,
        "state": alarm.state,
        "since": alarm.since,
        "told": alarm.told,
        "told_at": alarm.told_at,
    }
    with store.write() as connection:
        connection.execute(delete(alarms).where(alarms.c.study == study, alarms.c.job == job))
        connection.execute(insert(alarms).values(values))
