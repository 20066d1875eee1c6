"""The people of a project: their rights, roles and groups, and whose token is whose.

Everything here is a value: a change makes new :class:`Members` and the project takes them on.
The names are those of the columns of ``content=user`` and ``content=userRole``.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import date

RIGHT_NAMES = (
    "design",
    "alerts",
    "user_rights",
    "data_access_groups",
    "reports",
    "stats_and_charts",
    "manage_survey_participants",
    "calendar",
    "data_import_tool",
    "data_comparison_tool",
    "logging",
    "email_logging",
    "file_repository",
    "data_quality_create",
    "data_quality_execute",
    "api_export",
    "api_import",
    "api_modules",
    "mobile_app",
    "mobile_app_download_data",
    "record_create",
    "record_rename",
    "record_delete",
    "lock_records_all_forms",
    "lock_records",
    "lock_records_customization",
    "mycap_participants",
    "random_setup",
    "random_dashboard",
    "random_perform",
)
"""Every right that is a number: 0 none, 1 granted (``lock_records`` also 2, with e-signature)."""

FULL_ACCESS = 1
"""A form's code for *view and edit* (``forms``) and for *full data set* (``forms_export``)."""


@dataclass(frozen=True)
class Rights:
    """What somebody may do.

    ``granted`` maps names of :data:`RIGHT_NAMES` to their number; ``forms`` (0 none, 1 edit,
    2 read only, 3 edit survey responses) and ``forms_export`` (0 none, 1 all, 2 de-identified,
    3 without identifiers) map a form's name; what is not in them is :data:`FULL_ACCESS`.
    """

    granted: Mapping[str, int] = field(default_factory=lambda: dict.fromkeys(RIGHT_NAMES, 1))
    forms: Mapping[str, int] = field(default_factory=dict)
    forms_export: Mapping[str, int] = field(default_factory=dict)

    def allow(self, name: str) -> bool:
        """Tell whether a right is granted."""
        return self.granted.get(name, 0) > 0

    def on_form(self, form: str) -> int:
        """Return the code of a form's viewing right."""
        return self.forms.get(form, FULL_ACCESS)

    def export_of(self, form: str) -> int:
        """Return the code of a form's export right."""
        return self.forms_export.get(form, FULL_ACCESS)


@dataclass(frozen=True)
class Role:
    """A set of rights under a label; ``unique_name`` is made by the server (``U-`` and 10 signs)."""

    unique_name: str
    label: str
    rights: Rights = field(default_factory=Rights)


@dataclass(frozen=True)
class User:
    """One user of a project. ``dag`` is the group they act in, ``dags`` those they may switch to."""

    username: str
    dag: str = ""
    rights: Rights = field(default_factory=Rights)
    role: str = ""
    email: str = ""
    first_name: str = ""
    last_name: str = ""
    expiration: date | None = None
    dags: tuple[str, ...] = ()


def user(username: str, *, dag: str = "", **granted: int) -> User:
    """Return a user with all rights but those that are given otherwise: ``api_export=0``."""
    unknown = granted.keys() - set(RIGHT_NAMES)
    if unknown:
        raise ValueError(f"no such rights: {', '.join(sorted(unknown))}")
    return User(username, dag, Rights(dict.fromkeys(RIGHT_NAMES, 1) | granted))


@dataclass(frozen=True)
class Members:
    """All users by name, all roles by unique name, and token → username."""

    users: Mapping[str, User] = field(default_factory=dict)
    roles: Mapping[str, Role] = field(default_factory=dict)
    tokens: Mapping[str, str] = field(default_factory=dict)

    def rights(self, username: str) -> Rights:
        """Return what a user may do: a role's rights stand before their own; who left has none."""
        one = self.users.get(username)
        if one is None:
            return Rights({}, {}, {})
        return self.roles[one.role].rights if one.role in self.roles else one.rights

    def put(self, one: User) -> Members:
        """Return the members with this user added or changed."""
        return replace(self, users={**self.users, one.username: one})

    def with_token(self, username: str) -> tuple[Members, str]:
        """Return the members with a new token for a user, and the token.

        The token is random; nothing else than this server accepts it.
        """
        token = secrets.token_hex(16).upper()
        return replace(self, tokens={**self.tokens, token: username}), token
