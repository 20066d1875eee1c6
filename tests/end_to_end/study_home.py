"""A study on disk, a sandbox, and the real command line as people and cron call it."""

from __future__ import annotations

import json
import os
import re
import resource
import subprocess
import sys
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import requests

from redcap_jobs.clock import SystemClock
from redcap_jobs.sandbox.server import Sandbox
from redcap_jobs.state.store import Store
from redcap_jobs.study.loading import bundled_study_text

JOB = "compute-visit-windows"
DEV, PROD = "REDCAP_API_ISMILE_DEV", "REDCAP_API_ISMILE_PROD"
NOW = datetime(2026, 11, 22, 17, 0, tzinfo=UTC)
WRAPPED = Path(__file__).with_name("wrapped.py")


@dataclass
class Done:
    """What a command left behind."""

    code: int
    out: str
    err: str


@dataclass
class Home:
    """A study's folder: study file, ``.env``, state; and the server its study file names."""

    folder: Path
    sandbox: Sandbox
    entered: dict[int, str] = field(default_factory=dict)
    """Project id → digest of the data after the last entry made by :meth:`enter`."""

    @property
    def study(self) -> Path:
        return self.folder / "ismile.toml"

    @property
    def env_file(self) -> Path:
        return self.folder / ".env"

    @property
    def state_url(self) -> str:
        return f"sqlite:///{self.folder / 'state.db'}"

    def write(self, **changed: str | None) -> None:
        """Write ``.env`` with the sandbox's tokens, some changed or (None) left out."""
        values: dict[str, str | None] = {
            **self.sandbox.tokens,
            "REDCAP_JOBS_STATE_URL": self.state_url,
            "REDCAP_JOBS_HASH_KEY": "0f" * 20,
            **changed,
        }
        lines = [f"{name}={value}\n" for name, value in values.items() if value is not None]
        self.env_file.unlink(missing_ok=True)
        self.env_file.touch(mode=0o600)
        self.env_file.write_text("".join(lines), encoding="utf-8")

    def edit_study(self, old: str, new: str, count: int = 1) -> None:
        """Replace a text of the study file; fail where it does not stand."""
        text = self.study.read_text(encoding="utf-8")
        assert old in text, f"the study file has no {old!r}"
        self.study.write_text(text.replace(old, new, count), encoding="utf-8")

    def environment(self) -> dict[str, str]:
        """Return an environment like cron's: hardly anything in it."""
        return {
            "PATH": os.environ["PATH"],
            "HOME": str(self.folder),
            "XDG_STATE_HOME": str(self.folder / "xdg"),
        }

    def call(
        self, *arguments: str | Path, kill_at: str = "", most_bytes: int | None = None
    ) -> Done:
        """Call the command line without a terminal, without pauses between tries.

        With ``most_bytes`` no file can grow beyond that, as on a full disk.
        """

        def limited() -> None:
            if most_bytes is not None:
                resource.setrlimit(resource.RLIMIT_FSIZE, (most_bytes, most_bytes))

        program = [sys.executable, str(WRAPPED), kill_at]
        done = subprocess.run(
            [*program, *map(str, arguments)],
            env=self.environment(),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
            preexec_fn=limited,
        )
        return Done(done.returncode, done.stdout, done.stderr)

    def job(self, *more: str | Path, token: str = DEV, yes: bool = True, kill_at: str = "") -> Done:
        """Run the job on one project for both reading and writing."""
        arguments = [
            JOB,
            *("--study", self.study),
            *("--env-file", self.env_file),
            *("--export-token", token, "--import-token", token),
            *(["--yes"] if yes else []),
            *more,
        ]
        return self.call(*arguments, kill_at=kill_at)

    def enter(self, pid: int, *rows: Mapping[str, str], erase: bool = False) -> None:
        """Enter data as a person would, by a flat import; with ``erase`` blanks erase."""
        project = self.sandbox.project(pid)
        form = {
            "token": project.token,
            "content": "record",
            "action": "import",
            "format": "json",
            "type": "flat",
            "overwriteBehavior": "overwrite" if erase else "normal",
            "data": json.dumps(rows),
        }
        answer = requests.post(self.sandbox.url, data=form, timeout=30)
        assert answer.status_code == 200, answer.text
        self.entered[pid] = project.digest()

    def calls(self) -> Counter[str]:
        """Count what was asked of the server since the last look, by name."""
        counted = Counter(entry.call for entry in self.sandbox.requests)
        self.sandbox.forget_requests()
        return counted


def new_home(folder: Path, sandbox: Sandbox) -> Home:
    """Write the bundled study for this server, its ``.env``, and create the state."""
    home = Home(folder, sandbox)
    text = re.sub(
        r'(?m)^url = ".*"$', f'url = "{sandbox.url}"', bundled_study_text("ismile"), count=1
    )
    home.study.write_text(text, encoding="utf-8")
    home.write()
    Store.create(home.state_url, clock=SystemClock()).close()
    return home
