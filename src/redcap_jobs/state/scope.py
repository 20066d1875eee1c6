"""Under which key the state keeps what belongs to one REDCap project."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias
from urllib.parse import urlsplit, urlunsplit

Mode: TypeAlias = Literal["production", "development"]

DEFAULT_PORTS = {"http": 80, "https": 443}


def canonical_url(url: str) -> str:
    """Return the one spelling of a REDCap API address under which the state files things.

    Scheme and host in lower case, no default port, no slash at the end, no query, no user: the
    same server written in two ways must not become two journals.
    """
    parts = urlsplit(url.strip())
    host = (parts.hostname or "").lower()
    if ":" in host:
        host = f"[{host}]"
    scheme = parts.scheme.lower()
    if parts.port is not None and parts.port != DEFAULT_PORTS.get(scheme):
        host = f"{host}:{parts.port}"
    return urlunsplit((scheme, host, parts.path.rstrip("/"), "", ""))


@dataclass(frozen=True, order=True)
class ProjectKey:
    """One REDCap project in one mode; ``str()`` is its stable form in the state.

    ``url`` is brought to :func:`canonical_url`; ``mode`` is the role of the project written.
    """

    url: str
    project_id: int
    mode: Mode

    def __post_init__(self) -> None:
        object.__setattr__(self, "url", canonical_url(self.url))

    def __str__(self) -> str:
        return f"{self.mode}:{self.project_id}@{self.url}"

    @property
    def words(self) -> str:
        """The same for people: ``production project 3041 at https://redcap.example.edu/api``."""
        return f"{self.mode} project {self.project_id} at {self.url}"

    @classmethod
    def parse(cls, text: str) -> ProjectKey:
        """Read back what ``str()`` wrote; ``ValueError`` for anything else."""
        mode, _, rest = text.partition(":")
        number, at, url = rest.partition("@")
        if not at or not number.isdigit() or mode not in ("production", "development"):
            raise ValueError(f"{text!r} is no project key; expected MODE:PROJECT_ID@URL")
        return cls(url, int(number), "production" if mode == "production" else "development")


@dataclass(frozen=True, order=True)
class JobScope:
    """One job on one project: what a lock, a run and the decisions belong to."""

    project: ProjectKey
    job: str

    def __str__(self) -> str:
        return f"{self.job} on {self.project}"
