"""When a job last read its source project, in part and as a whole."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from sqlalchemy import delete, insert, select

from redcap_jobs.state.schema import source_reads

if TYPE_CHECKING:
    from redcap_jobs.state.scope import ProjectKey
    from redcap_jobs.state.store import Store


@dataclass(frozen=True)
class SourceRead:
    """The last good run's reading: when it began, when the last whole one began (aware UTC)."""

    read_at: datetime
    whole_at: datetime
    study_file_hash: str


def last_read(store: Store, project: ProjectKey, job: str) -> SourceRead | None:
    """Return what is known of a job's last good reading; None if there was none."""
    columns = (source_reads.c.read_at, source_reads.c.whole_at, source_reads.c.study_file_hash)
    query = select(*columns).where(
        source_reads.c.project == str(project), source_reads.c.job == job
    )
    with store.read() as connection:
        row = connection.execute(query).first()
    return SourceRead(*row) if row else None


def keep_read(store: Store, project: ProjectKey, job: str, read: SourceRead) -> None:
    """Keep a reading in place of the one before."""
    key = {"project": str(project), "job": job}
    values = {
        "read_at": read.read_at,
        "whole_at": read.whole_at,
        "study_file_hash": read.study_file_hash,
    }
    with store.write() as connection:
        own = (source_reads.c.project == key["project"], source_reads.c.job == job)
        connection.execute(delete(source_reads).where(*own))
        connection.execute(insert(source_reads).values(key | values))
