"""A project as the sandbox keeps it: structure, settings, the people with tokens, and the data."""

from __future__ import annotations

import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from redcap_jobs.sandbox.store import Store
from redcap_jobs.sandbox.structure import Structure


@dataclass(frozen=True)
class Settings:
    """The project's switches and texts, as ``content=project`` names them."""

    in_production: bool = False
    surveys_enabled: bool = False
    scheduling_enabled: bool = False
    record_autonumbering_enabled: bool = False
    randomization_enabled: bool = False
    secondary_unique_field: str = ""
    custom_record_label: str = ""
    purpose: str = "0"
    purpose_other: str = ""
    project_notes: str = ""


@dataclass(frozen=True)
class ApiUser:
    """The user behind a token, with the rights that the API asks about."""

    username: str
    dag: str = ""
    api_export: bool = True
    api_import: bool = True
    record_delete: bool = True
    data_access_groups: bool = True


@dataclass(repr=False)
class SandboxProject:
    """One project of the sandbox; ``users`` maps a token to the user whose token it is.

    ``env_name`` is the variable under which the first token is handed out.
    """

    pid: int
    title: str
    structure: Structure
    settings: Settings = field(default_factory=Settings)
    created: datetime = datetime(2026, 1, 5, 9, 0)  # noqa: DTZ001 - REDCap's stamps are naive server time
    env_name: str = ""
    store: Store = field(default_factory=Store)
    users: dict[str, ApiUser] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not self.env_name:
            self.env_name = env_name_of(self.title)
        if not self.users:
            self.add_user(ApiUser("data_manager"))

    def __repr__(self) -> str:
        return f"SandboxProject({self.pid}, {self.title!r})"

    @property
    def token(self) -> str:
        """Return the first user's token."""
        return next(iter(self.users))

    def add_user(self, user: ApiUser) -> str:
        """Add a user and return the new token, which nothing else than this server accepts."""
        token = secrets.token_hex(16).upper()
        self.users[token] = user
        return token

    def digest(self) -> str:
        """Return the SHA-256 of everything stored."""
        return self.store.current.digest()

    def values(self, record: str, event: str = "") -> Mapping[str, str]:
        """Return the stored values of a record's non-repeating row ({} if there is none)."""
        found = self.store.current.records.get(record)
        if found is None:
            return {}
        return next(
            (
                values
                for key, values in found.rows.items()
                if key.event == event and not key.instrument and key.instance <= 1
            ),
            {},
        )


def env_name_of(title: str) -> str:
    """Return the variable for a project's token: ``REDCAP_API_`` and the title in capitals."""
    return "REDCAP_API_" + (re.sub(r"[^A-Z0-9]+", "_", title.upper()).strip("_") or "PROJECT")
