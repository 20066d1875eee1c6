"""Data access groups, who is in which, and switching between one's own.

Recorded: unique names cut at 18 signs, a renamed group's new unique name, the numbers that imports
and deletions answer. Refusals beyond the missing right are worded by this sandbox.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from redcap_jobs.sandbox.answers import Answer, Plain, Table
from redcap_jobs.sandbox.context import Context
from redcap_jobs.sandbox.dictionary import slug
from redcap_jobs.sandbox.import_rows import named, posted_rows
from redcap_jobs.sandbox.members import Members
from redcap_jobs.sandbox.parameters import Refusal
from redcap_jobs.sandbox.people_calls import NO_SUCH_GROUP
from redcap_jobs.sandbox.project import SandboxProject
from redcap_jobs.sandbox.role_calls import refuse_users
from redcap_jobs.sandbox.schedule import suffixes
from redcap_jobs.sandbox.structure import Dag
from redcap_jobs.sandbox.structure_log import noted

FIRST_GROUP_ID = 20
NO_NAME = "Every data access group needs a data_access_group_name"
NOT_YOURS = 'You are not assigned to the data access group "{}" and cannot switch to it.'


@noted("Export DAGs (API)")
def export_dags(context: Context) -> Answer:
    """Answer ``content=dag``: name, unique name, number."""
    rows: list[list[str | int]] = [
        [dag.name, dag.unique_name, dag.group_id] for dag in context.structure.dags
    ]
    columns = ["data_access_group_name", "unique_group_name", "data_access_group_id"]
    return Table(columns, rows, header_alone=True)


@noted("Import DAGs (API)")
def import_dags(context: Context) -> Answer:
    """Answer an import of ``content=dag``: a blank unique name makes a group, a known one renames it."""
    rows = posted_rows(context.parameters)
    project = context.project
    with project.lock:
        groups = {dag.unique_name: dag for dag in project.structure.dags}
        renamed: dict[str, str] = {}
        for row in rows:
            name = row.get("data_access_group_name", "").strip()
            unique = row.get("unique_group_name", "").strip()
            if not name:
                raise Refusal(400, NO_NAME)
            if unique and unique not in groups:
                raise Refusal(400, NO_SUCH_GROUP.format(unique))
            groups, now = put_group(groups, name, unique)
            if unique and now != unique:
                before = next((old for old, new in renamed.items() if new == unique), unique)
                renamed[before] = now
        change_groups(project, tuple(groups.values()), renamed)
    return Plain(str(len(rows)))


def put_group(groups: Mapping[str, Dag], name: str, unique: str) -> tuple[dict[str, Dag], str]:
    """Return the groups with one added, or renamed in its place, and its unique name."""
    others = groups.keys() - {unique}
    if unique and groups[unique].name == name:
        return dict(groups), unique
    base = slug(name) or "group"
    now = next(one for one in (base + letters for letters in suffixes()) if one not in others)
    if unique:
        return {
            now if key == unique else key: replace(dag, name=name, unique_name=now)
            if key == unique
            else dag
            for key, dag in groups.items()
        }, now
    number = max((dag.group_id for dag in groups.values()), default=FIRST_GROUP_ID - 1) + 1
    return {**groups, now: Dag(name, now, number)}, now


@noted("Delete DAGs (API)")
def delete_dags(context: Context) -> Answer:
    """Answer ``action=delete`` of groups: their users and records are in none afterwards."""
    project = context.project
    with project.lock:
        dags = project.structure.dags
        gone = named(context.parameters, "dags", (dag.unique_name for dag in dags))
        kept = tuple(dag for dag in dags if dag.unique_name not in gone)
        change_groups(project, kept, dict.fromkeys(gone, ""))
    return Plain(str(len(gone)))


def change_groups(project: SandboxProject, dags: tuple[Dag, ...], moved: Mapping[str, str]) -> None:
    """Take on other groups; ``moved`` maps unique names to new ones, '' for a group that is gone.

    Records, users, reports, folders and the log follow; a report that was limited to a group that is gone
    stays limited to it, and shows none of its rows. Hold the project's lock.
    """
    structure = replace(project.structure, dags=dags)
    if not moved:
        project.change(structure=structure)
        return
    reports = {
        number: replace(one, dags=tuple(moved.get(dag, dag) or dag for dag in one.dags))
        for number, one in project.reports.items()
    }
    folders = {
        number: replace(one, dag=moved.get(one.dag, one.dag))
        for number, one in project.repository.folders.items()
    }
    with project.store.writing(None) as draft:
        for record in draft.names():
            if draft.dag(record) in moved:
                draft.set_dag(record, moved[draft.dag(record)])
        project.change(
            structure=structure,
            members=moved_members(project.members, moved),
            reports=reports,
            repository=replace(project.repository, folders=folders),
        )
    project.log.regroup(moved)


def moved_members(members: Members, moved: Mapping[str, str]) -> Members:
    """Return the members with their groups under the new names."""
    return replace(
        members,
        users={
            name: replace(
                one,
                dag=moved.get(one.dag, one.dag),
                dags=tuple(now for dag in one.dags if (now := moved.get(dag, dag)) or not dag),
            )
            for name, one in members.users.items()
        },
    )


@noted("Switch DAG (API)")
def switch_dag(context: Context) -> Answer:
    """Answer ``action=switch``: 1; the user acts in another group of theirs from now on.

    A user may switch among the groups they were assigned by the DAG Switcher; to none only if none
    is among them (own answer).
    """
    project = context.project
    wanted = context.parameters.text("dag")
    with project.lock:
        members = project.members
        one = members.users.get(context.user.username, context.user)
        if wanted and wanted not in project.structure.dag_by_unique_name:
            raise Refusal(400, NO_SUCH_GROUP.format(wanted))
        if wanted not in (one.dag, *one.dags):
            raise Refusal(400, NOT_YOURS.format(wanted))
        project.change(members=members.put(replace(one, dag=wanted)))
    return Plain("1")


@noted("Export User-DAG assignments (API)")
def export_assignments(context: Context) -> Answer:
    """Answer ``content=userDagMapping``: everybody, without a group too."""
    rows = [[one.username, one.dag] for one in context.project.members.users.values()]
    return Table(["username", "redcap_data_access_group"], rows, header_alone=True)


@noted("Import User-DAG assignments (API)")
def import_assignments(context: Context) -> Answer:
    """Answer an import of ``content=userDagMapping``; no group takes the user out (API help)."""
    rows = posted_rows(context.parameters)
    project = context.project
    with project.lock:
        members, known = project.members, project.structure.dag_by_unique_name
        lines = refuse_users(rows, members)
        groups = [row.get("redcap_data_access_group", "") for row in rows]
        lines += [NO_SUCH_GROUP.format(dag) for dag in groups if dag and dag not in known]
        if lines:
            raise Refusal(400, "\n".join(lines))
        for row in rows:
            dag = row.get("redcap_data_access_group", "")
            members = members.put(replace(members.users[row["username"]], dag=dag))
        project.change(members=members)
    return Plain(str(len(rows)))
