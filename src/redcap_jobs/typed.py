"""How a command is written that a person is told to type: for the very project it is about."""

from __future__ import annotations

import re
import shlex
import shutil
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from redcap_jobs.plan import Problem
    from redcap_jobs.state.scope import ProjectKey
    from redcap_jobs.study.config import Study

PROGRAM = "redcap-jobs"
COMMAND = re.compile(PROGRAM + r" ([a-z-]+(?: [a-z-]+)*) STUDY\b")
"""A command in a message, before the study is put into it."""
WITHOUT_TOKEN = frozenset({"messages read", "why", "pause", "resume"})
"""Commands about a study as a whole."""
WITH_TOKEN = frozenset({"state adopt"})
"""Commands that no project is meant in by itself."""


def called() -> str:
    """Return how this very program is called: by name alone where that means no other one."""
    own = Path(sys.argv[0])
    if own.name == "__main__.py":
        return shlex.join([sys.executable, "-m", "redcap_jobs"])
    found = shutil.which(PROGRAM)
    is_own = found is not None and Path(found).resolve() == own.resolve()
    return PROGRAM if is_own else shlex.quote(sys.argv[0])


def written_projects(study: Study) -> dict[str, ProjectKey]:
    """Return the projects that are written, by the name of their token's variable."""
    from redcap_jobs.state.scope import ProjectKey

    return {
        name: ProjectKey(study.redcap.url, identity.project_id, identity.mode)
        for name, identity in study.redcap.projects.items()
        if identity.role != "source"
    }


def meant_without_a_token(declared: Mapping[str, ProjectKey]) -> str:
    """Return the token of the only production project, else of the only one; '' for several."""
    likely = [each for each, key in declared.items() if key.mode == "production"]
    likely = likely or list(declared)
    return likely[0] if len({declared[each] for each in likely}) == 1 else ""


@dataclass(frozen=True)
class Typed:
    """A study as it is typed in a command, with the options that mean one of its projects.

    ``argument`` and ``env_file`` are how study and credentials file were named on the command line,
    ``token`` the name of the token's variable. A command copied from a run on the development copy
    must not act on production: where another project is meant without ``--token``, it is there.
    """

    argument: str
    token: str
    usual: bool
    env_file: Path | None = None

    @classmethod
    def of(cls, study: Study, argument: str, token: str, env_file: Path | None) -> Typed:
        """Put together how one of a study's projects is named."""
        declared = written_projects(study)
        usual = meant_without_a_token(declared)
        is_usual = usual != "" and declared.get(token) in (declared[usual], None)
        return cls(argument, token, is_usual, env_file)

    def study(self, command: str) -> str:
        """Return what stands for STUDY in a command (``messages settle``), with its options."""
        words = [self.argument]
        takes_one = command not in WITHOUT_TOKEN
        if self.token and takes_one and (command in WITH_TOKEN or not self.usual):
            words += ["--token", self.token]
        if self.env_file is not None:
            words += ["--env-file", str(self.env_file)]
        return shlex.join(words)

    def runs(self, run_id: str) -> str:
        """Return the command that shows all there is to know of a run."""
        words = [PROGRAM, "runs", run_id]
        if self.env_file is not None:
            words += ["--env-file", str(self.env_file)]
        return shlex.join(words)

    def complete(self, text: str) -> str:
        """Put the study for the STUDY of every command in a text."""
        return COMMAND.sub(lambda found: f"{PROGRAM} {found[1]} {self.study(found[1])}", text)

    def told(self, problems: Iterable[Problem]) -> list[Problem]:
        """Complete the commands that a run's problems name."""
        return [replace(each, hint=self.complete(each.hint)) for each in problems]
