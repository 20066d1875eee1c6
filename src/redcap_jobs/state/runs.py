"""Run records: what was started, by whom, with what, and how it ended."""

from __future__ import annotations

import getpass
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from sqlalchemy import insert, select, update

from redcap_jobs import __version__
from redcap_jobs.errors import StateError
from redcap_jobs.notify.logs import REDACT
from redcap_jobs.state.process import Holder, is_alive, this_process
from redcap_jobs.state.schema import runs
from redcap_jobs.state.scope import ProjectKey

if TYPE_CHECKING:
    from sqlalchemy import Connection, RowMapping

    from redcap_jobs.state.store import Store

RunState: TypeAlias = Literal[
    "running", "done", "partial", "failed", "refused", "dry", "cancelled", "died"
]
"""``died`` is never stored: it is how a run shows whose process is gone without an end."""

GOOD_STATES = ("done", "partial")
PROBLEMS_KEPT = 1000
MESSAGE_KEPT = 500
LOOKED_BACK = 1000
STARTED_TOGETHER = 50
"""Ids are read in their order, which is indexed; within one second it is chance."""
RUN_OUT_OF_SIGHT = timedelta(days=1)
"""A run on another host without an end shows as running for this long."""


@dataclass(frozen=True)
class RunStart:
    """What is known of a run when it starts; tokens by the names of their variables.

    ``options`` is what the command line asked for: JSON values, no secret, no field's value.
    """

    study: str
    job: str
    project: ProjectKey
    export_token: str
    import_token: str
    as_of: datetime
    study_file_hash: str
    options: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class RunEnd:
    """How a run ended.

    ``counts`` and ``skip_reasons`` hold numbers; ``counts["records_read"]`` is what the next run's
    export is compared with. ``problems`` are sentences with record and place, never a value.
    """

    state: RunState
    exit_code: int
    message: str = ""
    counts: Mapping[str, int] = field(default_factory=dict)
    skip_reasons: Mapping[str, int] = field(default_factory=dict)
    problems: Sequence[str] = ()
    error_class: str = ""
    error_code: str = ""
    redcap_version: str = ""


@dataclass(frozen=True)
class RunRecord:
    """One run as it stands in the state; instants are aware UTC, ``ended_at`` None if open."""

    id: str
    study: str
    job: str
    project: ProjectKey
    export_token: str
    import_token: str
    as_of: datetime
    started_at: datetime
    ended_at: datetime | None
    holder: Holder
    unix_user: str
    version: str
    redcap_version: str
    study_file_hash: str
    options: Mapping[str, Any]
    state: RunState
    counts: Mapping[str, int]
    skip_reasons: Mapping[str, int]
    problems: tuple[str, ...]
    problem_count: int
    error_class: str
    error_code: str
    exit_code: int | None
    message: str


def start_run(store: Store, start: RunStart) -> str:
    """Record that a run starts in this process, and return its id: ``20261122T214455-7f3a``.

    Ids sort by their start (UTC) and are unique in the state.
    """
    now, holder = store.clock.now(), this_process()
    row = {
        "study": start.study,
        "job": start.job,
        "project": str(start.project),
        "export_token": start.export_token,
        "import_token": start.import_token,
        "as_of": start.as_of,
        "started_at": now,
        "host": holder.host,
        "pid": holder.pid,
        "process_start": holder.start,
        "unix_user": unix_user(),
        "version": __version__,
        "study_file_hash": start.study_file_hash,
        "options": dict(start.options),
        "state": "running",
        "counts": {},
        "skip_reasons": {},
        "problems": [],
    }
    with store.write() as connection:
        run_id = free_id(connection, now)
        connection.execute(insert(runs).values(id=run_id, **row))
    return run_id


def free_id(connection: Connection, now: datetime) -> str:
    """Return an id for a run that starts now and that no other run has."""
    while True:
        run_id = f"{now:%Y%m%dT%H%M%S}-{secrets.token_hex(2)}"
        if connection.execute(select(runs.c.id).where(runs.c.id == run_id)).first() is None:
            return run_id


def unix_user() -> str:
    """Return the name of the account this process runs as, or its number if it has none."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        import os

        return str(os.getuid())


def finish_run(store: Store, run_id: str, end: RunEnd) -> None:
    """Record how a run ended; its message is redacted, one line, at most 500 characters.

    Raises:
        StateError: There is no such run, or it has ended already.

    """
    values = {
        "ended_at": store.clock.now(),
        "state": end.state,
        "exit_code": int(end.exit_code),
        "message": one_line(end.message),
        "counts": dict(end.counts),
        "skip_reasons": dict(end.skip_reasons),
        "problems": [one_line(problem) for problem in end.problems[:PROBLEMS_KEPT]],
        "problem_count": len(end.problems),
        "error_class": end.error_class,
        "error_code": end.error_code,
        "redcap_version": end.redcap_version,
    }
    query = update(runs).where(runs.c.id == run_id, runs.c.state == "running").values(values)
    with store.write() as connection:
        if connection.execute(query).rowcount != 1:
            raise StateError(f"run {run_id} is not running, so its end cannot be recorded")


def one_line(text: str) -> str:
    """Return a text on one line, redacted and cut to what is kept."""
    return REDACT(" ".join(text.split()))[:MESSAGE_KEPT]


def get_run(store: Store, run_id: str) -> RunRecord | None:
    """Return one run by its id, or by the beginning of it if only one run has that."""
    matches = runs.c.id.startswith(run_id, autoescape=True)
    query = select(runs).where(matches).order_by(runs.c.id).limit(2)
    with store.read() as connection:
        found = connection.execute(query).mappings().all()
    exact = [row for row in found if row["id"] == run_id]
    if not exact and len(found) != 1:
        return None
    return record_of((exact or found)[0], store.clock.now())


def list_runs(
    store: Store, *, study: str | None = None, job: str | None = None, limit: int = 20
) -> list[RunRecord]:
    """Return the newest runs first, of one study or one job if asked."""
    query = select(runs).order_by(runs.c.id.desc()).limit(limit + STARTED_TOGETHER)
    if study is not None:
        query = query.where(runs.c.study == study)
    if job is not None:
        query = query.where(runs.c.job == job)
    now = store.clock.now()
    with store.read() as connection:
        rows = connection.execute(query).mappings().all()
    newest = sorted(rows, key=lambda row: (row["started_at"], row["id"]), reverse=True)
    return [record_of(row, now) for row in newest[:limit]]


def last_good_run(
    store: Store, project: ProjectKey, job: str, export_token: str | None = None
) -> RunRecord | None:
    """Return the newest run of a job on a project that acted and ended done or partial.

    With ``export_token`` only runs that read through it: another project's size says nothing.
    Dry, refused and failed runs are no yardstick; neither are runs for single records, which
    must not make the next export look large.
    """
    query = (
        select(runs.c.id, runs.c.options)
        .where(runs.c.project == str(project), runs.c.job == job, runs.c.state.in_(GOOD_STATES))
        .order_by(runs.c.started_at.desc(), runs.c.id.desc())
        .limit(LOOKED_BACK)
    )
    if export_token is not None:
        query = query.where(runs.c.export_token == export_token)
    with store.read() as connection:
        newest = connection.execute(query).all()
    whole = next((row.id for row in newest if not row.options.get("records")), None)
    return get_run(store, whole) if whole else None


def said_since(store: Store, run_id: str, since: datetime) -> bool:
    """Tell whether a run of the same job ended with the very same problems since an instant."""
    with store.read() as connection:
        row = connection.execute(select(runs).where(runs.c.id == run_id)).mappings().first()
        if row is None:
            return False
        query = select(runs.c.problems).where(
            runs.c.id != run_id,
            runs.c.project == row["project"],
            runs.c.job == row["job"],
            runs.c.state == row["state"],
            runs.c.problem_count == row["problem_count"],
            runs.c.started_at >= since,
        )
        earlier = connection.execute(query).scalars().all()
    return any(sorted(each) == sorted(row["problems"]) for each in earlier)


def record_of(row: RowMapping, now: datetime) -> RunRecord:
    """Build the record of one row; a run without an end whose process is gone has died."""
    holder = Holder(row["host"], row["pid"], row["process_start"])
    state: RunState = row["state"]
    if state == "running" and not is_alive(holder, now - row["started_at"], RUN_OUT_OF_SIGHT):
        state = "died"
    same = {name: row[name] for name in RunRecord.__dataclass_fields__ if name in row}
    return RunRecord(
        **same
        | {
            "project": ProjectKey.parse(row["project"]),
            "holder": holder,
            "state": state,
            "problems": tuple(row["problems"]),
        }
    )
