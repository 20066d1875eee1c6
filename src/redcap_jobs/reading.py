"""What a run reads: which project each token opens, its structure, and what the job asks for.

Requests are few and named: project, version, dictionary (metadata, and event, formEventMapping,
repeatingFormsEvents where they exist), the roster, then one export for all the job's reads of one
project. Where both tokens' names are the same, everything is read once.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from redcap_jobs.errors import DictionaryError, GuardRefused, RedcapJobsError, UsageError
from redcap_jobs.guards import check_identity
from redcap_jobs.plan import (
    LINK_COLUMNS,
    Inputs,
    Job,
    Read,
    ReadChanged,
    ReadRows,
    ReadSurveyLinks,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    import pandas as pd

    from redcap_jobs.redcap.client import RedcapClient
    from redcap_jobs.redcap.project import Project
    from redcap_jobs.study.check import CheckFinding
    from redcap_jobs.study.config import Study
    from redcap_jobs.study.uses import About

log = logging.getLogger(__name__)

NAME_IN_A_GROUP = re.compile(r"\d+-\d+")
"""The next record name that REDCap offers to a user in a data access group, e.g. ``20-1``."""


@dataclass
class Side:
    """One token's project: the client that reaches it, its structure and its roster.

    ``roster`` has the columns ``record, event, dag``, one row per record and event with data; it
    is read again when an export shows that it was not whole.
    """

    name: str
    client: RedcapClient
    project: Project
    version: str
    roster: pd.DataFrame

    def forget(self, records: Collection[str]) -> None:
        """Take records out of the roster that do not exist any more."""
        self.roster = self.roster[~self.roster["record"].isin(list(records))]


def open_side(
    study: Study,
    name: str,
    client: RedcapClient,
    *,
    target: bool,
    writes: bool,
    about: Collection[About],
) -> Side:
    """Ask the server which project the token opens, refuse a wrong one, then read its structure.

    Only what the job is ``about`` must be there.

    Raises:
        GuardRefused: Another project than the study file declares, or a token whose user is in a
            data access group that the study file does not declare.
        DictionaryError: The project lacks what the study file names.

    """
    info = client.project_info()
    check_identity(study, name, study.redcap.projects.get(name), info, writes=writes)
    version = client.version()
    project = client.read_project(info)
    if lacking(
        study, project, outputs=target, about=about
    ):  # rows were seen to be left out without a word
        project = client.read_project(info)
    check_dictionary(study, project, outputs=target, about=about)
    roster = read_roster(study, name, client, project)
    check_data_access_group(study, name, client, roster)
    return Side(name, client, project, version, roster)


def read_roster(study: Study, name: str, client: RedcapClient, project: Project) -> pd.DataFrame:
    """Read which rows there are, with each record's data access group where that is allowed.

    A server may refuse the groups to a user without the right to see them (recorded by redcapAPI
    and REDCapR); only a study with sites needs them.
    """
    from redcap_jobs.redcap.errors import RequestRefused, TokenRefused

    try:
        roster = roster_with_events(client, project, with_dag=True)
        group = study.redcap.projects[name].data_access_group
        if group is not None:  # REDCap does not name the one group that its user can see
            roster["dag"] = roster["dag"].mask(roster["dag"] == "", group)
        return roster
    except TokenRefused:
        raise
    except RequestRefused as error:
        if "Data Access Groups" not in str(error):
            raise
        if study.sites:
            raise GuardRefused(
                "data access group",
                f"{name}: the token's user may not see data access groups, by which the study "
                "file's [sites] are told apart; give the user the right, or remove [sites]",
            ) from error
        return roster_with_events(client, project, with_dag=False)


def read_roster_again(study: Study, side: Side) -> None:
    """Read a side's roster anew; what it lacks of before, a second reading must lack, too."""
    import pandas as pd

    now = read_roster(study, side.name, side.client, side.project)
    if not places(side.roster) <= places(now):
        again = read_roster(study, side.name, side.client, side.project)
        both = pd.concat([again, now], ignore_index=True)
        now = both.drop_duplicates(["record", "event"], ignore_index=True)
    side.roster = now


def roster_with_events(client: RedcapClient, project: Project, *, with_dag: bool) -> pd.DataFrame:
    """Read the roster; in a longitudinal project every row has its event, or none is believed.

    REDCap leaves out the events where the record ID field is not asked for: then another field was
    taken for it, because the data dictionary that came lacked its first row.
    """
    from redcap_jobs.redcap.errors import UnusableAnswer

    roster = client.roster(project.record_id_field, with_dag=with_dag)
    if project.is_longitudinal and (roster["event"] == "").any():
        raise UnusableAnswer(
            f"rows came without their events: {project.record_id_field} is not the record ID "
            "field; the data dictionary that came before lacked its first row, start it again",
            label=client.label,
            content="record",
        )
    return roster


def check_dictionary(
    study: Study, project: Project, *, outputs: bool, about: Collection[About]
) -> None:
    """Raise DictionaryError with everything the project lacks of what the study file names."""
    errors = lacking(study, project, outputs=outputs, about=about)
    if errors:
        raise DictionaryError(errors)


def lacking(
    study: Study, project: Project, *, outputs: bool, about: Collection[About]
) -> list[CheckFinding]:
    """Return everything the project lacks of what the study file names.

    Output fields are looked for in the project that is written only.
    """
    from redcap_jobs.study.check import check_against

    found = check_against(study, project, outputs=outputs, about=about)
    return [each for each in found if each.severity == "error"]


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
    asked: Inputs,
    *,
    known: Callable[[Read], pd.DataFrame],
    records: Sequence[str] = (),
) -> Inputs:
    """Answer the job's reads until it needs nothing more, and return its inputs.

    ``asked`` is what the inputs are besides roster and tables; ``known`` answers the reads that
    concern the state. ``records`` limits everything to those records. Raises what the client
    raises, and :class:`RedcapJobsError` when records of the roster do not come back.
    """
    absent = sorted(set(records) - set(source.roster["record"]))
    if absent:
        raise UsageError(f"--record: {source.name} holds no record {', '.join(absent)}")
    tables: dict[Read, pd.DataFrame] = {}
    while True:
        roster = source.roster
        if records:
            roster = roster[roster["record"].isin(records)]
        held = frozenset(source.roster["record"])
        inputs = replace(asked, roster=roster, tables=tables, held=held)
        missing = [read for read in job.reads(study, inputs) if read not in tables]
        if not missing:
            return inputs
        for read in missing:
            if not isinstance(read, ReadRows):
                tables[read] = answered(study, read, source, target, known)
        for side in (source, target):
            rows = [
                read
                for read in missing
                if isinstance(read, ReadRows)
                and read not in tables
                and serves(side, read, source, target)
            ]
            again = partial(read_roster, study, side.name, side.client, side.project)
            of_all = [read for read in rows if records and read.everybody]
            of_those = [read for read in rows if read not in of_all]
            for reads, ids in ((of_those, records), (of_all, ())):
                if reads:
                    tables.update(dict.fromkeys(reads, export(side, reads, ids, again)))


def answered(
    study: Study, read: Read, source: Side, target: Side, known: Callable[[Read], pd.DataFrame]
) -> pd.DataFrame:
    """Answer one read that is no export of rows."""
    if isinstance(read, ReadSurveyLinks):
        return survey_links(source, read)
    if isinstance(read, ReadChanged):
        return changed_records(study, source if read.side == "source" else target, read)
    return known(read)


def survey_links(side: Side, read: ReadSurveyLinks) -> pd.DataFrame:
    """Ask REDCap for the survey links of some records; a links frame."""
    import pandas as pd

    links = side.client.survey_links(read.instrument, read.event, read.records)
    return pd.DataFrame(list(links.items()), columns=LINK_COLUMNS, dtype="str")


def changed_records(study: Study, side: Side, read: ReadChanged) -> pd.DataFrame:
    """Ask REDCap who changed since an instant, told in the time of the server's clock."""
    import pandas as pd

    zone = ZoneInfo(study.redcap.time_zone or study.study.time_zone)
    local = read.since.astimezone(zone).replace(tzinfo=None)
    records = side.client.changed_records(local, side.project.record_id_field)
    return pd.DataFrame({"record": sorted(records)}, dtype="str")


def serves(side: Side, read: ReadRows, source: Side, target: Side) -> bool:
    """Tell whether a side answers a read; where both are one project the first does."""
    wanted = source if read.side == "source" else target
    return side is wanted or side.project.info.project_id == wanted.project.info.project_id


def export(
    side: Side,
    reads: Sequence[ReadRows],
    records: Sequence[str],
    again: Callable[[], pd.DataFrame] | None = None,
) -> pd.DataFrame:
    """Export in one go what several reads ask of one project, and check that all came back.

    With ``again``, which reads the roster, the side's roster grows by what the export holds and it
    lacks: an entry of the last seconds, or rows that the server left out of it.
    """
    fields = sorted({field for read in reads for field in read.fields})
    events: set[str] = {event for read in reads for event in read.events}
    if any(not read.events for read in reads):
        events = set()
    wanted = {record for read in reads for record in read.records} or set(records)
    stamps = sorted({stamp for read in reads for stamp in read.stamps})

    def ask(ids: Collection[str]) -> pd.DataFrame:
        return side.client.export_rows(
            fields,
            events=sorted(events),
            records=sorted(ids),
            record_id_field=side.project.record_id_field,
            stamps=stamps,
        )

    rows = ask(wanted)
    if again and not wanted and not places(rows) <= places(side.roster):
        log.debug("%s: the export holds rows that the roster lacks, reading it again", side.name)
        side.roster = settled(side.roster, again)
    expected = side.roster[side.roster["event"].isin(events)] if events else side.roster
    if wanted:
        expected = expected[expected["record"].isin(wanted)]
    rows = without_newcomers(side, rows)
    return with_dag(completed(side, rows, expected, ask), side.roster)


def without_newcomers(side: Side, rows: pd.DataFrame) -> pd.DataFrame:
    """Leave out records that were created after the roster was read: the next run sees them."""
    listed = rows["record"].isin(side.roster["record"])
    if not listed.all():
        log.debug("%s: %d rows of records not in the roster left out", side.name, (~listed).sum())
    return rows[listed]


def settled(roster: pd.DataFrame, again: Callable[[], pd.DataFrame]) -> pd.DataFrame:
    """Return a roster with what it lacked: read again until that adds nothing, three times at most.

    For each record the group is that of the last answer that held the row.
    """
    import pandas as pd

    for _ in range(3):
        both = pd.concat([again(), roster], ignore_index=True)
        known = len(roster)
        roster = both.drop_duplicates(["record", "event"], ignore_index=True)
        if len(roster) == known:
            break
    return roster


def with_dag(rows: pd.DataFrame, roster: pd.DataFrame) -> pd.DataFrame:
    """Give a rows frame the column ``dag``: each record's data access group, '' if in none."""
    groups = roster.drop_duplicates("record").set_index("record")["dag"]
    return rows.assign(dag=rows["record"].map(groups).fillna("").astype("str"))


def completed(
    side: Side,
    rows: pd.DataFrame,
    expected: pd.DataFrame,
    ask: Callable[[Collection[str]], pd.DataFrame],
) -> pd.DataFrame:
    """Return rows in which every expected record and event stands, asking once more for the rest.

    Servers were seen to leave rows out without a word (REDCapR issue 400). What a second answer
    leaves out in the very same way is taken as the server's view (a row that exists for other
    fields only); a record without any row, or answers that differ, are an error.
    """
    import pandas as pd

    due, got = places(expected), places(rows)
    if due <= got:
        return rows
    lost = {record for record, _ in due - got}
    log.debug("%s: rows of %d records did not come back, asking again", side.name, len(lost))
    again = ask(lost)
    second = places(again)
    still = sorted(lost - {record for record, _ in second})
    due_of_lost = {place for place in due if place[0] in lost}
    settled = due_of_lost <= second or second == {place for place in got if place[0] in lost}
    if still or not settled:
        named = ", ".join((still or sorted(lost))[:5])
        raise RedcapJobsError(
            f"{side.name}: rows of {len(still or lost)} of {len(expected['record'].unique())} "
            f"records did not come back in the export, though the project holds them (first: "
            f"{named}); nothing was written"
        )
    return pd.concat([rows[~rows["record"].isin(lost)], again], ignore_index=True)


def places(rows: pd.DataFrame) -> set[tuple[str, str]]:
    """Return the pairs of record and event in which rows stand."""
    return set(zip(rows["record"], rows["event"], strict=True))
