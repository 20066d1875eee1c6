"""A throw-away PostgreSQL server for the tests: made by initdb, on a free loopback port."""

from __future__ import annotations

import os
import pwd
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import psycopg

NOT_FOUND = (
    "PostgreSQL's initdb was not found; the state's tests run on a real server. "
    "Install it: apt-get install postgresql (no server needs to be running)"
)


def binaries() -> Path:
    """Return the folder of the newest PostgreSQL server's programs."""
    found = sorted(
        Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: int(path.parts[-3])
    )
    on_path = shutil.which("initdb")
    if found:
        return found[-1].parent
    if on_path:
        return Path(on_path).resolve().parent
    raise FileNotFoundError(NOT_FOUND)


def as_server_account(folder: Path) -> list[str]:
    """Return the prefix that runs a command as who may run a server: never root."""
    if os.geteuid() != 0:
        return []
    account = pwd.getpwnam("postgres")
    os.chown(folder, account.pw_uid, account.pw_gid)
    return ["setpriv", "--reuid=postgres", "--regid=postgres", "--init-groups"]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@dataclass
class Server:
    """A running server; ``new_database()`` returns the URL of an empty database.

    Databases are used again after ``recycle()``: making and removing one is slow.
    """

    port: int
    idle: list[str] = field(default_factory=list)
    busy: list[str] = field(default_factory=list)

    def new_database(self) -> str:
        if self.idle:
            name = self.idle.pop()
            with psycopg.connect(self.dsn(name), autocommit=True) as connection:
                connection.execute("drop schema public cascade")
                connection.execute("create schema public")
        else:
            name = f"state_{len(self.busy) + len(self.idle)}"
            with psycopg.connect(self.dsn("postgres"), autocommit=True) as connection:
                connection.execute(f'create database "{name}"')
        self.busy.append(name)
        return f"postgresql+psycopg://postgres@127.0.0.1:{self.port}/{name}"

    def recycle(self) -> None:
        """Take back every database; whoever is still connected is cut off."""
        with psycopg.connect(self.dsn("postgres"), autocommit=True) as connection:
            connection.execute(
                "select pg_terminate_backend(pid, 5000) from pg_stat_activity "
                "where datname like 'state_%' and pid <> pg_backend_pid()"
            )
        self.idle += self.busy
        self.busy.clear()

    def dsn(self, database: str) -> str:
        return f"host=127.0.0.1 port={self.port} user=postgres dbname={database}"


@contextmanager
def running_server() -> Iterator[Server]:
    """Start a server in a temporary folder; stop it and remove the folder at the end."""
    programs = binaries()
    folder = Path(tempfile.mkdtemp(prefix="redcap-jobs-postgresql-"))
    prefix = as_server_account(folder)
    port = free_port()
    data = folder / "data"

    def run(*arguments: str) -> None:
        done = subprocess.run(
            [*prefix, *arguments], cwd=folder, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, f"{arguments[0]}: {done.stdout}{done.stderr}"

    try:
        run(
            str(programs / "initdb"), "--pgdata", str(data), "--auth=trust", "--username=postgres",
            "--encoding=UTF8", "--locale=C", "--no-sync",
        )  # fmt: skip
        settings = (
            f"-p {port} -c listen_addresses=127.0.0.1 -c unix_socket_directories={folder} "
            "-c fsync=off -c full_page_writes=off -c max_connections=60 -c shared_buffers=16MB"
        )
        control = [str(programs / "pg_ctl"), "--pgdata", str(data), "--wait"]
        log = str(folder / "log")
        # stdout of the server must not be our pipe, or run() would wait for it for ever
        run(*control, "--log", log, "--options", settings, "start")
        try:
            yield Server(port)
        finally:
            run(*control, "--mode", "immediate", "stop")
    finally:
        shutil.rmtree(folder, ignore_errors=True)
