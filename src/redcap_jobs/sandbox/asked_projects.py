"""Which projects a sandbox serves: what its folder holds, and what the command line asks for.

In a folder a project is known again: each copy of the bundled study by its name, a project loaded
from a file by the file's content or its path. What is known is served as the folder has it and not
loaded again; what is not known yet is added.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from redcap_jobs.errors import UsageError
from redcap_jobs.sandbox.ismile import ismile_projects
from redcap_jobs.sandbox.keep import Keeper, Source
from redcap_jobs.sandbox.odm import project_from_xml
from redcap_jobs.sandbox.project import SandboxProject

FIRST_OWN_PID = 3101
"""Projects loaded from files are numbered from here."""


@dataclass(frozen=True)
class Asked:
    """What the command line asks for; ``study_named``: not merely by default."""

    ismile: bool
    study_named: bool
    participants: int
    seed: int
    files: tuple[Path, ...]
    now: datetime | None

    @property
    def server_time(self) -> datetime:
        """Return the server's clock as it starts."""
        return (self.now or datetime.now().astimezone()).replace(tzinfo=None)

    @property
    def made_of(self) -> str:
        """Return how the bundled study is made."""
        return f"{self.participants} participants, seed {self.seed}"


Sourced = tuple[SandboxProject, Source]


def projects_to_serve(asked: Asked) -> list[SandboxProject]:
    """Return ISMILE's two copies if they are asked for, and one project per file.

    Raises:
        UsageError: A file cannot be read.
        SetupError: A file is no REDCap project.

    """
    found = [*study_of(asked), *projects_of(asked.files, asked, FIRST_OWN_PID)]
    projects = [project for project, _ in found]
    name_apart(projects)
    return projects


def add_projects(asked: Asked, keeper: Keeper) -> list[str]:
    """Add to a folder what it does not know yet; return what there is to say about the rest.

    The bundled study is added by default to an empty folder only.

    Raises:
        UsageError: A file that is not known cannot be read.
        SetupError: A file is no REDCap project.
        StateError: The folder cannot be written.

    """
    notices: list[str] = []
    new: list[Sourced] = []
    if asked.study_named or not keeper.projects:
        for project, source in study_of(asked):
            before = keeper.sources.get(project.pid)
            if before is None:
                new.append((project, source))
            elif before.made_of != source.made_of:
                notices.append(f"{project.title}: kept as it was made, of {before.made_of}")
    known = known_files(asked.files, keeper.sources)
    for place, pid in known.items():
        changed = digest_of(asked.files[place]) not in ("", keeper.sources[pid].made_of)
        told = "; the file has changed since, a new folder would load it anew" if changed else ""
        notices.append(f"{asked.files[place]}: kept as project {pid}, not loaded again{told}")
    files = [path for place, path in enumerate(asked.files) if place not in known]
    pids = [project.pid for project in keeper.projects]
    new += projects_of(files, asked, max([FIRST_OWN_PID - 1, *pids]) + 1)
    name_apart([*keeper.projects, *(project for project, _ in new)])
    keeper.add(new)
    return notices


def study_of(asked: Asked) -> list[Sourced]:
    """Return both copies of the bundled study, if it is asked for."""
    if not asked.ismile:
        return []
    copies = ismile_projects(asked.participants, asked.seed, asked.server_time.date())
    return [(one, Source("study", one.env_name, asked.made_of)) for one in copies]


def projects_of(files: Sequence[Path], asked: Asked, first_pid: int) -> list[Sourced]:
    """Return one project per file, numbered from ``first_pid`` on."""
    found = []
    for place, path in enumerate(files):
        text = read(path)
        project = project_from_xml(text, first_pid + place, asked.server_time, str(path))
        digest = hashlib.sha256(text).hexdigest()
        found.append((project, Source("file", str(path.resolve()), digest)))
    return found


def known_files(files: Sequence[Path], sources: Mapping[int, Source]) -> dict[int, int]:
    """Return the places of the files that a folder knows, each with its project's id.

    A file given twice is known twice only if the folder has two projects of it. Equal content
    comes before an equal path.
    """
    unclaimed = {pid: source for pid, source in sources.items() if source.kind == "file"}
    known: dict[int, int] = {}
    for told_by in ("made_of", "name"):
        for place, path in enumerate(files):
            told = digest_of(path) if told_by == "made_of" else str(path.resolve())
            for pid, source in unclaimed.items():
                if place not in known and told == getattr(source, told_by):
                    known[place] = pid
            unclaimed.pop(known.get(place, 0), None)
    return dict(sorted(known.items()))


def digest_of(path: Path) -> str:
    """Return the SHA-256 of a file, '' if it cannot be read."""
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError:
        return ""


def read(path: Path) -> bytes:
    """Return a file's bytes.

    Raises:
        UsageError: It cannot be read.

    """
    try:
        return path.read_bytes()
    except OSError as error:
        raise UsageError(f"{path}: cannot be read: {error.strerror}") from None


def name_apart(projects: Sequence[SandboxProject]) -> None:
    """Give projects of one title different variables: the second gets ``_2`` at its end."""
    taken: set[str] = set()
    for project in projects:
        base, number = project.env_name, 1
        while project.env_name in taken:
            number += 1
            project.env_name = f"{base}_{number}"
        taken.add(project.env_name)
