"""A study file together with its state and credentials, for commands that are no runs."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from redcap_jobs.errors import UsageError
from redcap_jobs.typed import Typed, meant_without_a_token, written_projects

if TYPE_CHECKING:
    from redcap_jobs.clock import Clock
    from redcap_jobs.state.scope import ProjectKey
    from redcap_jobs.state.store import Store
    from redcap_jobs.study.config import Study
    from redcap_jobs.study.credentials import Credentials


@dataclass(frozen=True)
class OpenStudy:
    """A study, the state its runs share, and the credentials that named it.

    ``argument`` and ``env_file`` are how both were named on the command line.
    """

    study: Study
    store: Store
    credentials: Credentials
    argument: str = ""
    env_file: Path | None = None

    @property
    def id(self) -> str:
        """The study's id, under which the state keeps stops and replies."""
        return self.study.study.id

    def projects(self) -> dict[str, ProjectKey]:
        """Return the projects that are written, by the name of their token's variable."""
        return written_projects(self.study)

    def typed(self, token: str | None) -> Typed:
        """Return how a command about the project behind one token's name is typed."""
        return Typed.of(self.study, self.argument, self.token(token), self.env_file)

    def project(self, token: str | None) -> ProjectKey:
        """Return the project behind one token's name; without one the only production project.

        Where no production project is declared, the only other one.

        Raises:
            UsageError: No such project is declared, or it must be said which one is meant.

        """
        return self.projects()[self.token(token)]

    def token(self, name: str | None) -> str:
        """Return the name of the token's variable that :meth:`project` goes by."""
        from redcap_jobs.study.credentials import GIVEN_LITERALLY, token_name_is_literal

        if name is not None and token_name_is_literal(name):
            raise UsageError(f"--token: {GIVEN_LITERALLY}")
        declared = self.projects()
        known = ", ".join(sorted(declared)) or "none"
        if name is not None:
            if name not in declared:
                raise UsageError(
                    f"--token {name}: {self.study.path} declares no such project that is "
                    f"written (declared: {known})"
                )
            return name
        likely = meant_without_a_token(declared)
        if not likely:
            raise UsageError(f"which project? Say --token with one of: {known}")
        return likely


@contextmanager
def open_study(
    study: str, env_file: Path | None, clock: Clock | None = None
) -> Iterator[OpenStudy]:
    """Load a study file and open its state; ``study`` is a path or the name of a bundled study.

    Raises what loading and opening raise: study file, credentials, a state that is missing.
    """
    from redcap_jobs.state.address import URL_VARIABLE
    from redcap_jobs.state.store import open_state
    from redcap_jobs.study.credentials import load_credentials
    from redcap_jobs.study.loading import load_bundled_or_file

    loaded = load_bundled_or_file(study)
    credentials = load_credentials(env_file)
    roles = {identity.role for identity in loaded.redcap.projects.values()}
    url = credentials.get(URL_VARIABLE)
    with open_state(url, production="production" in roles, clock=clock) as store:
        yield OpenStudy(loaded, store, credentials, study, env_file)
