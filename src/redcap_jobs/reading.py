"""What a run reads: which project each token opens, its structure, and what the job asks for.

Requests are few and named: project, version, dictionary (metadata, and event, formEventMapping,
repeatingFormsEvents where they exist), the roster, then one export for all the job's reads of one
project. Where both tokens' names are the same, everything is read once.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from redcap_jobs.errors import GuardRefused, RedcapJobsError
from redcap_jobs.guards import check_identity
from redcap_jobs.plan import Inputs, Job, Read, ReadDecisions, ReadRows

if TYPE_CHECKING:
    from collections.abc import Callable

    import pandas as pd

    from redcap_jobs.redcap.client import RedcapClient
    from redcap_jobs.redcap.project import Project
    from redcap_jobs.study.config import Study

log = logging.getLogger(__name__)

NAME_IN_A_GROUP = re.compile(r"\d+-\d+")
"""The next record name that REDCap offers to a user in a data access group, e.g. ``20-1``."""


@dataclass(frozen=True)
class Side:
    """One token's project: the client that reaches it, its structure and its roster.

    ``roster`` has the columns ``record, event, dag``, one row per record and event with data.
    """

    name: str
    client: RedcapClient
    project: Project
    version: str
    roster: pd.DataFrame


def open_side(study: Study, name: str, client: RedcapClient, *, writes: bool) -> Side:
    """Ask the server which project the token opens, refuse a wrong one, then read its structure.

    Raises:
        GuardRefused: Another project than the study file declares, or a token whose user is in a
            data access group that the study file does not declare.

    """
    info = client.project_info()
    check_identity(study, name, study.redcap.projects.get(name), info, writes=writes)
    version = client.version()
    project = client.read_project(info)
    roster = client.roster(project.record_id_field, with_dag=True)
    check_data_access_group(study, name, client, roster)
    return Side(name, client, project, version, roster)


def check_data_access_group(
    study: Study, name: str, client: RedcapClient, roster: pd.DataFrame
) -> None:
    """Refuse a token whose user sees one data access group only, unless that is declared.

    REDCap ignores the wish for the group column when the token's user is in a group, and offers
    such a user record names like ``20-1``; a column with a group in it settles it for free.
    """
    identity = study.redcap.projects[name]
    if identity.data_access_group is not None or (roster["dag"] != "").any():
        return
    if NAME_IN_A_GROUP.fullmatch(client.next_record_name()):
        raise GuardRefused(
            "data access group",
            f"{name}: the token's user is in a data access group and sees only its records; use "
            f"a user outside the groups, or declare data_access_group in [redcap.projects.{name}]",
        )


def gather(
    job: Job,
    study: Study,
    source: Side,
    target: Side,
    *,
    decisions: Callable[[], pd.DataFrame],
    fingerprint: Callable[[pd.DataFrame], pd.Series],
    options: Mapping[str, bool],
    records: Sequence[str] = (),
) -> Inputs:
    """Answer the job's reads until it needs nothing more, and return its inputs.

    ``records`` limits everything to those records. Raises what the client raises, and
    :class:`RedcapJobsError` when records of the roster do not come back.
    """
    roster = source.roster
    if records:
        roster = roster[roster["record"].isin(records)]
        absent = sorted(set(records) - set(roster["record"]))
        if absent:
            raise RedcapJobsError(f"--record: {source.name} holds no record {', '.join(absent)}")
    tables: dict[Read, pd.DataFrame] = {}
    while True:
        inputs = Inputs(source.project, target.project, roster, tables, fingerprint, options)
        missing = [read for read in job.reads(study, inputs) if read not in tables]
        if not missing:
            return inputs
        for read in missing:
            if isinstance(read, ReadDecisions):
                tables[read] = decisions()
        for side in (source, target):
            asked = [
                read
                for read in missing
                if isinstance(read, ReadRows)
                and read not in tables
                and serves(side, read, source, target)
            ]
            if asked:
                tables.update(dict.fromkeys(asked, export(side, asked, records)))


def serves(side: Side, read: ReadRows, source: Side, target: Side) -> bool:
    """Tell whether a side answers a read; where both are one project the first does."""
    wanted = source if read.side == "source" else target
    return side is wanted or side.project.info.project_id == wanted.project.info.project_id


def export(side: Side, reads: Sequence[ReadRows], records: Sequence[str]) -> pd.DataFrame:
    """Export in one go what several reads ask of one project, and check that all came back."""
    fields = sorted({field for read in reads for field in read.fields})
    events: set[str] = {event for read in reads for event in read.events}
    if any(not read.events for read in reads):
        events = set()
    wanted = {record for read in reads for record in read.records} or set(records)
    rid = side.project.record_id_field
    rows = side.client.export_rows(
        fields, events=sorted(events), records=sorted(wanted), record_id_field=rid
    )
    expected = side.roster[side.roster["event"].isin(events)] if events else side.roster
    due = set(expected["record"]) & (wanted or set(expected["record"]))
    lost = sorted(due - set(rows["record"]))
    if lost:
        log.debug("%s: %d records did not come back, asking again", side.name, len(lost))
        again = side.client.export_rows(
            fields, events=sorted(events), records=lost, record_id_field=rid
        )
        still = sorted(set(lost) - set(again["record"]))
        if still:
            raise RedcapJobsError(
                f"{side.name}: {len(still)} of {len(due)} records did not come back in the export, "
                f"though the project holds them (first: {', '.join(still[:5])}); nothing was written"
            )
        import pandas as pd

        rows = pd.concat([rows, again], ignore_index=True)
    return rows
