"""Where a state may live: reads its URL and judges the disk, without opening anything."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import TYPE_CHECKING

from redcap_jobs.errors import StateMissing, StateUnusable

if TYPE_CHECKING:
    from sqlalchemy import URL

URL_VARIABLE = "REDCAP_JOBS_STATE_URL"
EXAMPLES = "sqlite:////srv/redcap-jobs/state/state.db or postgresql+psycopg://user@host/database"
MOUNTINFO = Path("/proc/self/mountinfo")
NETWORK_FILE_SYSTEMS = re.compile(
    r"nfs\d?|cifs|smb\w*|ncpfs|afs|9p|lustre|gpfs|ceph|glusterfs|beegfs|orangefs|ocfs2|gfs2?|"
    r"pvfs2|panfs|virtiofs|vboxsf|prl_fs|davfs|coda|fuse\.(?!lxcfs$|fuse-overlayfs$).*"
)
"""Types of mount on which SQLite's locks cannot be trusted (sqlite.org, "How To Corrupt", 2.1).
FUSE is refused as a whole (sshfs, s3fs, rclone, gvfs) but for two that are a local disk."""


def parse_url(text: str) -> URL:
    """Return a state's URL with the driver filled in.

    Raises:
        StateUnusable: No URL, another database than SQLite or PostgreSQL, an SQLite file that is not
            named by its whole path. The message never holds the URL's password.

    """
    from sqlalchemy import make_url
    from sqlalchemy.exc import ArgumentError

    try:
        url = make_url(text.strip())
    except (ArgumentError, ValueError):
        raise StateUnusable(f"{URL_VARIABLE} holds no database URL; write {EXAMPLES}") from None
    if url.get_backend_name() == "sqlite":
        return check_sqlite(url)
    if url.get_backend_name() == "postgresql":
        if not url.database:
            raise StateUnusable(f"{shown(url)} names no database; write {EXAMPLES}")
        return url.set(drivername="postgresql+psycopg")
    raise StateUnusable(f"a state cannot live in {url.get_backend_name()}; write {EXAMPLES}")


def check_sqlite(url: URL) -> URL:
    """Refuse an SQLite URL that is not one file, named by its whole path, on this host."""
    database = url.database or ""
    if database in ("", ":memory:") or database.startswith("file:") or url.query or url.host:
        raise StateUnusable(
            f"{shown(url)}: a state is one file named by its path; write {EXAMPLES}"
        )
    if not database.startswith("/"):
        raise StateUnusable(
            f"{shown(url)}: the path is relative, so cron would use another state than you; "
            f"write it whole, with four slashes: sqlite:////{Path.cwd().as_posix()[1:]}/{database}"
        )
    return url.set(drivername="sqlite+pysqlite")


def shown(url: URL) -> str:
    """Return a state's URL for people and logs: without password and without driver."""
    return url.set(drivername=url.get_backend_name()).render_as_string(hide_password=True)


def state_home() -> Path:
    """Return this account's folder for state: ``$XDG_STATE_HOME/redcap-jobs``.

    Without the variable, or with one that is no whole path, ``~/.local/state`` (XDG Base
    Directory Specification).
    """
    base = os.environ.get("XDG_STATE_HOME") or ""
    home = Path(base) if base.startswith("/") else Path.home() / ".local" / "state"
    return home / "redcap-jobs"


def default_url() -> str:
    """Return where a development state lives when none is named."""
    return f"sqlite:///{state_home() / 'state.db'}"


def file_system_of(path: Path, mountinfo: str) -> str:
    r"""Return the type of the file system that ``path`` (absolute, resolved) stands on.

    ``mountinfo`` is the text of ``/proc/self/mountinfo`` (proc(5)): field 5 is the mount point with
    blanks as ``\040``, the type follows the lone ``-``. The longest mount point wins, and of two
    on the same point the later one, which covers the earlier.
    """
    best, kind = -1, ""
    for line in mountinfo.splitlines():
        fields = line.split()
        if len(fields) < 10 or "-" not in fields:
            continue
        mount = re.sub(r"\\(\d{3})", lambda match: chr(int(match[1], 8)), fields[4])
        inside = mount == "/" or path == Path(mount) or Path(mount) in path.parents
        if inside and len(mount) >= best:
            best, kind = len(mount), fields[fields.index("-") + 1]
    return kind


def check_disk(path: Path) -> None:
    """Refuse a folder for an SQLite state that lies on a network file system.

    Raises:
        StateUnusable: It does; the message names the type and the two ways out.

    """
    try:
        mountinfo = MOUNTINFO.read_text(errors="surrogateescape")
    except OSError:
        return
    kind = file_system_of(path.resolve(), mountinfo)
    if NETWORK_FILE_SYSTEMS.fullmatch(kind):
        raise StateUnusable(
            f"{path} lies on a network file system ({kind}), where SQLite's locks cannot be "
            "trusted; put the state on a local disk, or use PostgreSQL for several hosts"
        )


def missing(what: str) -> StateMissing:
    """Say what stands in the way and how a state is made."""
    return StateMissing(
        f"{what}; runs by hand and cron must share one state, its lock and its journal (for a "
        "production project always). Name the credentials file that cron uses with --env-file, or "
        f"set {URL_VARIABLE} to the state that cron uses; only where there never was one: "
        "redcap-jobs state init --env-file .env"
    )
