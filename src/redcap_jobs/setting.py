"""What one run works with, put together and checked before a run exists.

What is wrong here (usage, study file, credentials, state) is raised: there is no run yet whose
record could tell of it.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from redcap_jobs.clock import Clock
from redcap_jobs.errors import CredentialsError, UsageError
from redcap_jobs.guards import check_pair
from redcap_jobs.plan import Job
from redcap_jobs.request import RunRequest, Terminal

if TYPE_CHECKING:
    from redcap_jobs.state.scope import ProjectKey
    from redcap_jobs.state.store import Store
    from redcap_jobs.study.config import Study
    from redcap_jobs.study.credentials import Credentials
    from redcap_jobs.typed import Typed


@dataclass(frozen=True)
class Setting:
    """What was asked and of whom, the job, and what it works on.

    ``project`` is the project that is written, ``store`` the open state.
    """

    request: RunRequest
    terminal: Terminal
    clock: Clock
    study: Study
    credentials: Credentials
    job: Job
    store: Store
    project: ProjectKey

    @property
    def is_dry(self) -> bool:
        """Whether nothing may be changed: asked for, or implied by ``--as-of``.

        Against a loopback address another instant than now may be acted on.
        """
        request = self.request
        return request.dry_run or (request.as_of is not None and not self.study.redcap.is_loopback)

    @property
    def typed(self) -> Typed:
        """How a command about the project that is written is typed, in answers to a person."""
        return self.request.typed(self.study)

    @property
    def scope(self) -> str:
        """What the job's decisions are kept under: the job, and the source if it is another one."""
        projects = self.study.redcap.projects
        source = projects[self.request.export_token].project_id
        target = projects[self.request.import_token].project_id
        return self.job.name if source == target else f"{self.job.name} from project {source}"


@contextmanager
def open_setting(request: RunRequest, terminal: Terminal, clock: Clock) -> Iterator[Setting]:
    """Read study file and credentials, open the state; lend the setting, close the state.

    Raises:
        UsageError: Without a terminal, neither ``--yes`` nor ``--dry-run`` was given; or both were.
        SetupError: Study file or credentials.
        StateMissing: A production project, and no state.

    """
    from redcap_jobs.jobs import load_job
    from redcap_jobs.state.fingerprint import KEY_VARIABLE, Fingerprinter
    from redcap_jobs.state.scope import ProjectKey
    from redcap_jobs.state.store import open_state
    from redcap_jobs.study.credentials import load_credentials
    from redcap_jobs.study.loading import load_bundled_or_file

    if request.yes and request.dry_run:
        raise UsageError("--yes acts and --dry-run does not: give one of them")
    if not (terminal.interactive or request.yes or request.dry_run):
        raise UsageError("no terminal to ask at: give --yes to act, or --dry-run to look")
    study = load_bundled_or_file(str(request.study))
    credentials = load_credentials(request.env_file)
    for name in (request.export_token, request.import_token):
        credentials.token(name)
        refuse_undeclared(study, name)
    check_pair(study, request.export_token, request.import_token)
    identity = study.redcap.projects[request.import_token]
    url = credentials.get("REDCAP_JOBS_STATE_URL")
    Fingerprinter(credentials.get(KEY_VARIABLE))  # before a state is made that could not be used
    with open_state(url, production=identity.role == "production", clock=clock) as store:
        project = ProjectKey(study.redcap.url, identity.project_id, identity.mode)
        job = load_job(request.job)
        yield Setting(request, terminal, clock, study, credentials, job, store, project)


def refuse_undeclared(study: Study, name: str) -> None:
    """Refuse a token of which the study file does not say which project it opens.

    Raises:
        CredentialsError: There is no ``[redcap.projects.NAME]``.

    """
    if name not in study.redcap.projects:
        known = ", ".join(sorted(study.redcap.projects)) or "none"
        raise CredentialsError(
            f"{study.path}: no [redcap.projects.{name}], so nothing says which project it "
            f"must open (declared: {known})"
        )
