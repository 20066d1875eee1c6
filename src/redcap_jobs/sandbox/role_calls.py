"""User roles, and who has which: export, import, delete.

Recorded: rights as text but forms' codes as numbers in json (PyCap's docstrings), names of ``U-``
and ten signs, and the refusals of unknown forms and unknown roles (REDCap.jl's tests).
"""

from __future__ import annotations

import secrets
import string
from collections.abc import Mapping, Sequence
from dataclasses import replace

from redcap_jobs.sandbox.answers import Answer, Plain, Table
from redcap_jobs.sandbox.context import Context
from redcap_jobs.sandbox.import_formats import Row
from redcap_jobs.sandbox.import_rows import named, posted_rows
from redcap_jobs.sandbox.members import Members, Role
from redcap_jobs.sandbox.parameters import Refusal
from redcap_jobs.sandbox.people_calls import NO_SUCH_GROUP
from redcap_jobs.sandbox.people_rights import OF_ROLES, Forms, changed, columns, new_rights
from redcap_jobs.sandbox.people_rows import People, PersonRow, person_rows
from redcap_jobs.sandbox.structure import Structure
from redcap_jobs.sandbox.structure_log import noted

SIGNS = string.ascii_uppercase + string.digits
NO_LABEL = "Every user role needs a role_label"
INVALID_ROLES = "Invalid Unique Role Names: {}"
NO_SUCH_USER = 'The user "{}" does not exist in this project.'
TWICE = 'The user "{}" is named more than once.'
"""``INVALID_ROLES`` is recorded, the others are worded by this sandbox."""


@noted("Export user roles (API)")
def export_roles(context: Context) -> Answer:
    """Answer ``content=userRole``."""
    project = context.project
    names = columns(OF_ROLES, project.settings)
    forms = forms_of(context.structure)
    roles = list(project.members.roles.values())
    return People(
        ["unique_role_name", "role_label", *names],
        [
            [role.unique_name, role.label, *(str(role.rights.granted.get(n, 0)) for n in names)]
            for role in roles
        ],
        [(forms.shown(role.rights.forms), forms.shown(role.rights.forms_export)) for role in roles],
        root="userRoles",
    )


def forms_of(structure: Structure) -> Forms:
    """Return the project's forms for rows of roles."""
    return Forms([form.name for form in structure.forms], "user role")


def import_roles(context: Context) -> Answer:
    """Answer an import of ``content=userRole``: how many were made or changed.

    A row without ``unique_role_name`` makes a role under a new name.
    """
    rows = person_rows(context.parameters)
    project = context.project
    done = []
    with project.lock:
        forms, members = forms_of(project.structure), project.members
        refuse_roles(rows, members, forms)
        for row in rows:
            known = members.roles.get(row.cells.get("unique_role_name", ""))
            role = role_of(row, known, members, forms)
            members = replace(members, roles={**members.roles, role.unique_name: role})
            done.append(("Edit" if known else "Add", role))
        project.change(members=members)
    for verb, role in done:
        context.note("user", f"{verb} user role", f"role = '{role.label}'")
    return Plain(str(len(rows)))


def refuse_roles(rows: Sequence[PersonRow], members: Members, forms: Forms) -> None:
    """Refuse an import with mistakes, all of them at once, unknown roles last (as recorded)."""
    lines = []
    unknown = []
    for row in rows:
        unique, label = row.cells.get("unique_role_name", ""), row.cells.get("role_label", "")
        lines += forms.mistakes(row, unique or label)
        if unique and unique not in members.roles:
            unknown.append(unique)
        if not unique and not label:
            lines.append(NO_LABEL)
    if unknown:
        lines.append(INVALID_ROLES.format(", ".join(unknown)))
    if lines:
        raise Refusal(400, "\n".join(lines))


def role_of(row: PersonRow, known: Role | None, members: Members, forms: Forms) -> Role:
    """Return a new role, or a known one as the row changes it."""
    role = known or Role(new_name(members.roles), "", new_rights(forms))
    return replace(
        role,
        label=row.cells.get("role_label", "") or role.label,
        rights=changed(role.rights, row, forms),
    )


def new_name(taken: Mapping[str, Role]) -> str:
    """Return a unique role name that nobody has."""
    while True:
        name = "U-" + "".join(secrets.choice(SIGNS) for _ in range(10))
        if name not in taken:
            return name


def delete_roles(context: Context) -> Answer:
    """Answer ``action=delete`` of roles: who had one is left with their own rights (own answer)."""
    project = context.project
    with project.lock:
        members = project.members
        gone = named(context.parameters, "roles", members.roles)
        labels = [members.roles[name].label for name in gone]
        project.change(
            members=replace(
                members,
                roles={name: role for name, role in members.roles.items() if name not in gone},
                users={
                    name: replace(one, role="") if one.role in gone else one
                    for name, one in members.users.items()
                },
            )
        )
    for label in labels:
        context.note("user", "Delete user role", f"role = '{label}'")
    return Plain(str(len(gone)))


@noted("Export user-role assignments (API)")
def export_assignments(context: Context) -> Answer:
    """Answer ``content=userRoleMapping``: everybody, without a role too."""
    rows = [[one.username, one.role, one.dag] for one in context.project.members.users.values()]
    return Table(["username", "unique_role_name", "data_access_group"], rows)


@noted("Import user-role assignments (API)")
def import_assignments(context: Context) -> Answer:
    """Answer an import of ``content=userRoleMapping``: how many users were given or lost a role.

    No role takes it away; a group is changed only where one is sent (API help).
    """
    rows = posted_rows(context.parameters)
    project = context.project
    with project.lock:
        members = project.members
        refuse_assignments(rows, members, project.structure)
        for row in rows:
            one = members.users[row["username"]]
            dag = row.get("data_access_group", one.dag)
            members = members.put(replace(one, role=row.get("unique_role_name", ""), dag=dag))
        project.change(members=members)
    return Plain(str(len(rows)))


def refuse_assignments(rows: Sequence[Row], members: Members, structure: Structure) -> None:
    """Refuse users, roles and groups that do not exist, and a user named twice (API help)."""
    lines = refuse_users(rows, members)
    groups = [row.get("data_access_group", "") for row in rows]
    lines += [
        NO_SUCH_GROUP.format(group)
        for group in groups
        if group and group not in structure.dag_by_unique_name
    ]
    roles = [row.get("unique_role_name", "") for row in rows]
    unknown = [role for role in dict.fromkeys(roles) if role and role not in members.roles]
    if unknown:
        lines.append(INVALID_ROLES.format(", ".join(unknown)))
    if lines:
        raise Refusal(400, "\n".join(lines))


def refuse_users(rows: Sequence[Row], members: Members) -> list[str]:
    """Return a line per user that is not in the project or named twice."""
    names = [row.get("username", "") for row in rows]
    return [
        *(NO_SUCH_USER.format(name) for name in dict.fromkeys(names) if name not in members.users),
        *(TWICE.format(name) for name in dict.fromkeys(names) if names.count(name) > 1),
    ]
