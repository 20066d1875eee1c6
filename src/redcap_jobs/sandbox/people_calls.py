"""Users: export, import, delete.

Recorded: order and types of the columns, new users with no rights but those that are sent, the
refusal for users in roles, and that an import without a group takes the user out of theirs
(redcapAPI issues 499, 500). The username need not exist on the server: PyCap and REDCap.jl import
invented ones.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from datetime import date

from redcap_jobs.sandbox.answers import Answer, Plain
from redcap_jobs.sandbox.context import Context
from redcap_jobs.sandbox.import_rows import named
from redcap_jobs.sandbox.members import Members, User
from redcap_jobs.sandbox.parameters import Refusal
from redcap_jobs.sandbox.people_rights import (
    OF_USERS,
    Forms,
    changed,
    columns,
    names_rights,
    new_rights,
)
from redcap_jobs.sandbox.people_rows import People, PersonRow, person_rows
from redcap_jobs.sandbox.structure import Structure
from redcap_jobs.sandbox.structure_log import noted

USERNAME = re.compile(r"[A-Za-z0-9_\-. '@]+")

ABOUT = (
    *("username", "email", "firstname", "lastname", "expiration"),
    *("data_access_group", "data_access_group_id"),
)
IN_A_ROLE = (
    'The user "{}" cannot have their user privileges modified because the user belongs to a user '
    "role. Users in roles cannot have their privileges modified via the 'Import User' API method."
)
NO_USERNAME = "Every user needs a username"
BAD_USERNAME = (
    'The username "{}" may hold only letters, digits, underscores, hyphens, periods, spaces, '
    "apostrophes and @"
)
NO_SUCH_GROUP = 'The data access group "{}" does not exist in this project.'
BAD_DATE = 'The expiration date "{}" of the user "{}" is not in the format YYYY-MM-DD.'
NOT_YOURSELF = "You cannot remove yourself from the project"
"""The last five are worded by this sandbox; which signs are refused is in redcapAPI issue 334."""


@noted("Export users (API)")
def export_users(context: Context) -> Answer:
    """Answer ``content=user``: everybody, a user in a role with the role's rights (API help)."""
    project, structure = context.project, context.structure
    members = project.members
    names = columns(OF_USERS, project.settings)
    forms = forms_of(structure)
    rows, codes = [], []
    for one in members.users.values():
        rights = members.rights(one.username)
        rows.append([*about(one, structure), *(rights.granted.get(name, 0) for name in names)])
        codes.append((forms.shown(rights.forms), forms.shown(rights.forms_export)))
    return People([*ABOUT, *names], rows, codes, root="users")


def forms_of(structure: Structure) -> Forms:
    """Return the project's forms for rows of users."""
    return Forms([form.name for form in structure.forms], "user")


def about(one: User, structure: Structure) -> list[str | int]:
    """Return the cells of :data:`ABOUT`: the group by its unique name and its number."""
    group = structure.dag_by_unique_name.get(one.dag)
    expiration = one.expiration.isoformat() if one.expiration else ""
    return [
        *(one.username, one.email, one.first_name, one.last_name, expiration),
        *((group.unique_name, group.group_id) if group else ("", "")),
    ]


def import_users(context: Context) -> Answer:
    """Answer an import of ``content=user``: the number of users added or changed."""
    rows = person_rows(context.parameters)
    project = context.project
    with project.lock:
        structure, before = project.structure, project.members
        refuse_rows(rows, before, structure)
        members = before
        for row in rows:
            members = members.put(user_of(row, members, structure))
        project.change(members=members)
    for row in rows:
        name = row.cells["username"]
        verb = "Edit" if name in before.users else "Add"
        context.note("user", f"{verb} user {name}", f"user = '{name}'")
    return Plain(str(len(rows)))


def refuse_rows(rows: Sequence[PersonRow], members: Members, structure: Structure) -> None:
    """Refuse an import with mistakes, all of them at once."""
    forms = forms_of(structure)
    lines = []
    for row in rows:
        name = row.cells.get("username", "")
        if not USERNAME.fullmatch(name):
            lines.append(BAD_USERNAME.format(name) if name else NO_USERNAME)
        lines += forms.mistakes(row, name)
        known = members.users.get(name)
        if known and known.role in members.roles and names_rights(row):
            lines.append(IN_A_ROLE.format(name))
        group = row.cells.get("data_access_group", "")
        if group and group not in structure.dag_by_unique_name:
            lines.append(NO_SUCH_GROUP.format(group))
    if lines:
        raise Refusal(400, "\n".join(lines))


def user_of(row: PersonRow, members: Members, structure: Structure) -> User:
    """Return a new user, or a known one as the row changes them."""
    name = row.cells["username"]
    forms = forms_of(structure)
    known = members.users.get(name) or User(name, rights=new_rights(forms))
    expiration = known.expiration
    if "expiration" in row.cells:
        expiration = date_of(row.cells["expiration"], name)
    return replace(
        known,
        rights=changed(known.rights, row, forms),
        dag=row.cells.get("data_access_group", ""),
        expiration=expiration,
    )


def date_of(text: str, name: str) -> date | None:
    """Return an expiration date, None for a blank one."""
    if not text:
        return None
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise Refusal(400, BAD_DATE.format(text, name)) from None


def delete_users(context: Context) -> Answer:
    """Answer ``action=delete`` of users: their number; their tokens are nobody's from then on."""
    project = context.project
    with project.lock:
        members = project.members
        gone = named(context.parameters, "users", members.users)
        if context.user.username in gone:
            raise Refusal(400, NOT_YOURSELF)
        project.change(
            members=replace(
                members,
                users={name: one for name, one in members.users.items() if name not in gone},
                tokens={token: name for token, name in members.tokens.items() if name not in gone},
            )
        )
    for name in gone:
        context.note("user", f"Delete user {name}", f"user = '{name}'")
    return Plain(str(len(gone)))
