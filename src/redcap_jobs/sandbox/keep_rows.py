"""How a project lies in the database of ``--data``: its parts as JSON, a row per record."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import fields
from datetime import datetime
from sys import intern
from typing import Any

from redcap_jobs.sandbox.activity_log import Activity
from redcap_jobs.sandbox.plain_values import hints_of, plain, value_of
from redcap_jobs.sandbox.project import SandboxProject
from redcap_jobs.sandbox.store import Record, RowKey

KEPT_ELSEWHERE = frozenset({"pid", "store", "files", "log"})
"""Fields of a project with columns or tables of their own."""
NOT_KEPT = frozenset({"changed", "lock"})
"""Fields of a project that belong to the running process."""
PARTS = tuple(
    one.name for one in fields(SandboxProject) if one.name not in KEPT_ELSEWHERE | NOT_KEPT
)

SCHEMA = """
create table projects (
  pid integer primary key,
  source text not null
);
create table parts (
  pid integer not null references projects on delete cascade,
  name text not null,
  value text not null,
  primary key (pid, name)
) without rowid;
create table records (
  id integer primary key,
  pid integer not null references projects on delete cascade,
  name text not null,
  dag text not null,
  touched text not null,
  locks text not null,
  rows text not null,
  unique (pid, name)
);
create table files (
  pid integer not null references projects on delete cascade,
  key text not null,
  name text not null,
  mime text not null,
  content blob not null,
  primary key (pid, key)
);
create table activities (
  id integer primary key,
  pid integer not null references projects on delete cascade,
  at text not null,
  username text not null,
  kind text not null,
  action text not null,
  details text not null,
  record text not null,
  dag text not null
);
create index activities_of_project on activities (pid);
"""

Locks = frozenset[tuple[RowKey, str]]


def part_text(value: object) -> str:
    """Return one part of a project as it is kept."""
    return json.dumps(plain(value))


def part_of(name: str, text: str) -> Any:
    """Return the value of one part.

    Raises:
        KeyError, TypeError, ValueError: The text is not that of such a part.

    """
    return value_of(hints_of(SandboxProject)[name], json.loads(text))


def record_row(pid: int, name: str, record: Record) -> tuple[int, str, str, str, str, str]:
    """Return a record as it is kept: project, name, group, moments, locks, rows."""
    rows = [[*key, dict(values)] for key, values in record.rows.items()]
    return (
        pid,
        name,
        record.dag,
        json.dumps([one.isoformat() for one in record.touched]),
        json.dumps(plain(record.locks)),
        json.dumps(rows, separators=(",", ":")),
    )


def record_of(dag: str, touched: str, locks: str, rows: str) -> Record:
    """Return a record from what was kept; equal column names share their memory."""
    return Record(
        {
            RowKey(intern(event), intern(instrument), instance): shared(values)
            for event, instrument, instance, values in json.loads(rows)
        },
        intern(dag),
        tuple(datetime.fromisoformat(one) for one in json.loads(touched)),
        value_of(Locks, json.loads(locks)) if locks != "[]" else frozenset(),
    )


def shared(values: Mapping[str, str]) -> dict[str, str]:
    """Return the values under names that all rows share."""
    return {intern(name): value for name, value in values.items()}


def activity_row(pid: int, one: Activity) -> tuple[int | str, ...]:
    """Return a row of the log as it is kept."""
    return (pid, *(plain(getattr(one, name.name)) for name in fields(Activity)))


def activity_of(values: tuple[str, ...]) -> Activity:
    """Return a row of the log from what was kept."""
    names = (one.name for one in fields(Activity))
    kept: Activity = value_of(Activity, dict(zip(names, values, strict=True)))
    return kept
