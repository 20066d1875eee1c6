"""Bringing a state's tables up to this release, and refusing a state that is too new."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import inspect, select, table
from sqlalchemy.sql import column

from redcap_jobs import __version__
from redcap_jobs.errors import StateUnusable
from redcap_jobs.state import schema

if TYPE_CHECKING:
    from alembic.config import Config
    from sqlalchemy import Connection

VERSION_TABLE = "redcap_jobs_version"
"""Alembic's own table, under a name of ours: a shared PostgreSQL database may hold another one."""


def revision_of(connection: Connection) -> str | None:
    """Return the revision a database is at; None when it holds no state."""
    if not inspect(connection).has_table(VERSION_TABLE):
        return None
    version = table(VERSION_TABLE, column("version_num"))
    return connection.execute(select(version.c.version_num)).scalar()


def oldest_release(connection: Connection) -> str:
    """Return the oldest release that may use this state, as the state itself says."""
    query = select(schema.meta.c.value).where(schema.meta.c.name == "oldest_release")
    return connection.execute(query).scalar() or "0"


def release_number(text: str) -> tuple[int, ...]:
    """Return the leading numbers of a release: ``"1.4.0rc1"`` → ``(1, 4, 0)``."""
    match = re.match(r"\d+(\.\d+)*", text)
    return tuple(int(part) for part in match[0].split(".")) if match else ()


def check_release(connection: Connection, running: str = __version__) -> None:
    """Refuse a state that says this release is too old for it.

    Raises:
        StateUnusable: It does; the message names the release needed.

    """
    needed = oldest_release(connection)
    if release_number(running) < release_number(needed):
        raise StateUnusable(
            f"this state needs redcap-jobs {needed} or newer, this is {running}; install that "
            "release, or restore a backup made before the state was brought forward"
        )


def is_known(revision: str) -> bool:
    """Tell whether this release holds the revision a state is at."""
    from alembic.script import ScriptDirectory

    scripts = ScriptDirectory.from_config(configuration())
    return revision in {script.revision for script in scripts.walk_revisions()}


def upgrade(connection: Connection, to: str = "head") -> None:
    """Apply what is lacking, inside the transaction that ``connection`` is in."""
    from alembic import command

    config = configuration()
    config.attributes["connection"] = connection
    command.upgrade(config, to)


def configuration() -> Config:
    """Return Alembic's configuration; the revisions lie beside this file, in the wheel too."""
    from alembic.config import Config

    config = Config()
    folder = str(Path(__file__).with_name("migrations")).replace("%", "%%")
    config.set_main_option("script_location", folder)
    config.set_main_option("path_separator", "os")
    return config
