"""Users with other rights, and their tokens, which REDCap hands out in its web pages only."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from flask import Blueprint, Response, jsonify

from redcap_jobs.errors import UsageError
from redcap_jobs.sandbox.api import Api
from redcap_jobs.sandbox.control_json import checked, posted_json, project_of
from redcap_jobs.sandbox.members import RIGHT_NAMES, Members, Rights, User
from redcap_jobs.sandbox.rights import USERS, expired
from redcap_jobs.sandbox.structure import Structure

EXAMPLE = (
    '{"token": "<yours>", "username": "north", "dag": "north_clinic", "rights": {"api_import": 0}}'
)
KEYS: dict[str, type] = {
    **dict.fromkeys(("token", "username", "dag", "role"), str),
    **dict.fromkeys(("rights", "forms", "forms_export"), dict),
}
HIGHEST_CODE = 3


def add_user_routes(control: Blueprint, api: Api) -> None:
    """Add ``/projects/PID/users``."""

    @control.post("/projects/<int:pid>/users")
    def put_user(pid: int) -> Response:
        """Add or change a user and return their token; "token" is yours, with User Rights."""
        project = project_of(api, pid)
        given = checked(posted_json(), KEYS, EXAMPLE)
        with project.lock:
            members = project.members
            refuse_strangers(given.pop("token", ""), members, api)
            one = user_of(given, members, project.structure)
            members = members.put(one)
            token = next((key for key, name in members.tokens.items() if name == one.username), "")
            if not token:
                members, token = members.with_token(one.username)
            project.change(members=members)
        answer = jsonify({"username": one.username, "token": token})
        answer.headers["Cache-Control"] = "no-store"
        return answer


def refuse_strangers(token: str, members: Members, api: Api) -> None:
    """Refuse whoever holds no token of this project with the right to change users.

    Others on this machine reach the port as well: a token is handed out to whom could get one.
    """
    if api.super_token and token == api.super_token:
        return
    name = members.tokens.get(token, "")
    one = members.users.get(name)
    if (
        one is None
        or expired(one, api.now().date())
        or members.rights(name).granted.get(USERS) != 1
    ):
        raise UsageError(
            "token must be that of one of this project's users who has the right user_rights, or "
            "the super token"
        )


def user_of(given: dict[str, Any], members: Members, structure: Structure) -> User:
    """Return the user that a body describes; what it does not name stays, or is granted.

    Raises:
        UsageError: There is no such group, role, right or form.

    """
    username = given.get("username", "").strip()
    if not username:
        raise UsageError("username is missing")
    before = members.users.get(username, User(username))
    numbers(given.get("rights", {}), "rights", RIGHT_NAMES)
    for key in ("forms", "forms_export"):
        numbers(given.get(key, {}), key, structure.form_order)
    one_of(given.get("dag", ""), "dag", structure.dag_by_unique_name)
    one_of(given.get("role", ""), "role", members.roles)
    return replace(
        before,
        dag=given.get("dag", before.dag),
        role=given.get("role", before.role),
        rights=Rights(
            {**before.rights.granted, **given.get("rights", {})},
            {**before.rights.forms, **given.get("forms", {})},
            {**before.rights.forms_export, **given.get("forms_export", {})},
        ),
    )


def numbers(given: dict[str, Any], key: str, known: Iterable[str]) -> None:
    """Refuse names that are unknown and rights that are no small number."""
    for name, value in given.items():
        one_of(name, key, known)
        if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= 3:
            raise UsageError(f"{key}: {name} is a number from 0 to 3")


def one_of(name: str, key: str, known: Iterable[str]) -> None:
    """Refuse a name that is not known; '' is none."""
    if name and name not in known:
        raise UsageError(f"no {key} {name!r}; there are {', '.join(known) or 'none'}")
