"""A study file against the live project: what is read for it, in which order, and the result."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from redcap_jobs.errors import Finding, GuardRefused
from redcap_jobs.redcap.project import ProjectInfo
from redcap_jobs.study.check import CheckFinding, check_against, check_identity, check_sites
from redcap_jobs.study.config import Study
from redcap_jobs.study.counts import (
    ConditionCount,
    all_records,
    condition_counts,
    fields_to_count,
)
from redcap_jobs.study.key_lines import key_lines, place
from redcap_jobs.study.uses import conditions

if TYPE_CHECKING:
    import pandas as pd

    from redcap_jobs.clock import Clock
    from redcap_jobs.redcap.client import RedcapClient
    from redcap_jobs.redcap.project import Project
    from redcap_jobs.study.credentials import Credentials


@dataclass(frozen=True)
class Checked:
    """What a check found; without a token only ``findings`` is filled, and empty.

    ``not_asked`` is the token whose project was to be compared and was not, since the file itself
    has mistakes. ``study`` is None where the file has mistakes of its own; ``records`` is None where nothing was exported: the file alone, or another project.
    """

    study: Study | None
    findings: tuple[Finding, ...] = ()
    counts: tuple[ConditionCount, ...] = ()
    info: ProjectInfo | None = None
    version: str = ""
    records: int | None = None
    not_asked: str = ""

    @property
    def errors(self) -> int:
        """How many findings stop the jobs."""
        return len(self.findings) - self.warnings

    @property
    def warnings(self) -> int:
        """How many findings only want to be looked at."""
        return sum(
            isinstance(each, CheckFinding) and each.severity == "warning" for each in self.findings
        )


def check_live(study: Study, name: str, client: RedcapClient, now: datetime) -> Checked:
    """Compare a study file with the project behind the token called ``name``.

    The server is asked first which project it is; another than declared is reported and not read
    any further. Nothing is written. Raises what the client raises, and RedcapJobsError if records
    that the project holds do not come back.
    """
    from redcap_jobs.plan import ReadRows
    from redcap_jobs.reading import Side, export

    info = client.project_info()
    version = client.version()
    wrong_project = check_identity(study, name, info)
    if wrong_project:
        return Checked(study, tuple(wrong_project), info=info, version=version)
    project = client.read_project(info)
    findings = check_against(study, project)
    roster, told = roster_and_groups(study, name, client, project)
    findings += told
    counts: tuple[ConditionCount, ...] = ()
    if any(conditions(study)):
        wanted = fields_to_count(study, project)
        side = Side(name, client, project, version, roster)
        rows = export(side, [ReadRows("source", wanted)], records=())
        counts = tuple(condition_counts(study, all_records(study, project, rows, roster, now)))
    return Checked(study, tuple(findings), counts, info, version, roster["record"].nunique())


def roster_and_groups(
    study: Study, name: str, client: RedcapClient, project: Project
) -> tuple[pd.DataFrame, list[CheckFinding]]:
    """Read the roster as a run does, and judge the groups in it and those the token may see.

    What would refuse a run is an error here, and the check goes on without groups.
    """
    from redcap_jobs.reading import read_roster

    try:
        roster = read_roster(study, name, client, project)
    except GuardRefused as refused:
        told = [CheckFinding(token_place(study, name), str(refused))]
        return client.roster(project.record_id_field), told
    sites = check_sites(study, set(roster["dag"]) - {""})
    return roster, [*sites, *restricted_token(study, name, client, roster)]


def restricted_token(
    study: Study, name: str, client: RedcapClient, roster: pd.DataFrame
) -> list[CheckFinding]:
    """Say that the token's user sees one data access group only, where that is not declared."""
    from redcap_jobs.reading import check_data_access_group

    try:
        check_data_access_group(study, name, client, roster)
    except GuardRefused as refused:
        return [CheckFinding(token_place(study, name), str(refused))]
    return []


def token_place(study: Study, name: str) -> str:
    """Write where a token's project is declared."""
    return place(study.path, ("redcap", "projects", name), key_lines(study.text))


def open_client(
    url: str, name: str, credentials: Credentials, clock: Clock, per_minute: int = 300
) -> RedcapClient:
    """Return a client for the project behind the token called ``name``.

    Raises:
        CredentialsError: The variable is missing or holds no token.

    """
    from redcap_jobs.redcap.budget import RequestBudget
    from redcap_jobs.redcap.client import RedcapClient
    from redcap_jobs.state.address import state_home

    token = credentials.token(name)
    budget = RequestBudget(state_home() / "requests", url, per_minute=per_minute, clock=clock)
    return RedcapClient(url, token, name, budget=budget, clock=clock)
