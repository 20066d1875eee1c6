"""A project as the sandbox keeps it: structure, settings, the people with tokens, and the data."""

from __future__ import annotations

import re
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from threading import RLock

from redcap_jobs.sandbox.activity_log import ActivityLog
from redcap_jobs.sandbox.file_repository import Repository
from redcap_jobs.sandbox.members import Members, User
from redcap_jobs.sandbox.report import Report
from redcap_jobs.sandbox.store import Store
from redcap_jobs.sandbox.stored_files import FileStore
from redcap_jobs.sandbox.structure import Structure


@dataclass(frozen=True)
class Settings:
    """The project's switches and texts, as ``content=project`` names them.

    ``others`` are those of a project XML that mean nothing here, by the file's names.
    """

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
    project_language: str = "English"
    project_irb_number: str = ""
    project_grant_number: str = ""
    project_pi_firstname: str = ""
    project_pi_lastname: str = ""
    project_pi_email: str = ""
    display_today_now_button: bool = True
    bypass_branching_erase_field_prompt: bool = False
    external_modules: str = ""
    survey_invitation_email_field: str = ""
    others: Mapping[str, str] = field(default_factory=dict)


@dataclass(repr=False)
class SandboxProject:
    """One project of the sandbox.

    ``env_name`` is the variable under which the first token is handed out. Whatever is not data of
    records is a value that :meth:`change` replaces; ``changed`` is told of it (see ``Store`` for
    the data). ``secret`` is what survey links and codes are derived from.
    """

    pid: int
    title: str
    structure: Structure
    settings: Settings = field(default_factory=Settings)
    created: datetime = datetime(2026, 1, 5, 9, 0)  # noqa: DTZ001 - REDCap's stamps are naive server time
    moved_to_production: datetime | None = None
    env_name: str = ""
    store: Store = field(default_factory=Store)
    members: Members = field(default_factory=Members)
    files: FileStore = field(default_factory=FileStore)
    repository: Repository = field(default_factory=Repository)
    reports: Mapping[int, Report] = field(default_factory=dict)
    log: ActivityLog = field(default_factory=ActivityLog)
    secret: str = field(default_factory=secrets.token_hex)
    changed: Callable[[SandboxProject], None] | None = None
    lock: RLock = field(default_factory=RLock)

    def __post_init__(self) -> None:
        if not self.env_name:
            self.env_name = env_name_of(self.title)
        if not self.members.tokens:
            self.add_user(User("data_manager"))

    def __repr__(self) -> str:
        return f"SandboxProject({self.pid}, {self.title!r})"

    @property
    def token(self) -> str:
        """Return the first user's token."""
        return next(iter(self.members.tokens))

    def change(
        self,
        *,
        title: str | None = None,
        structure: Structure | None = None,
        settings: Settings | None = None,
        moved_to_production: datetime | None = None,
        members: Members | None = None,
        repository: Repository | None = None,
        reports: Mapping[int, Report] | None = None,
    ) -> None:
        """Take on new values; hold ``lock`` from reading the old ones on.

        If ``changed`` raises, the old values stand.
        """
        given = {
            "title": title,
            "structure": structure,
            "settings": settings,
            "moved_to_production": moved_to_production,
            "members": members,
            "repository": repository,
            "reports": reports,
        }
        with self.lock:
            before = {name: getattr(self, name) for name in given}
            for name, value in given.items():
                if value is not None:
                    setattr(self, name, value)
            try:
                if self.changed is not None:
                    self.changed(self)
            except BaseException:
                for name, value in before.items():
                    setattr(self, name, value)
                raise

    def add_user(self, one: User) -> str:
        """Add a user and return a new token of theirs."""
        with self.lock:
            members, token = self.members.put(one).with_token(one.username)
            self.change(members=members)
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
