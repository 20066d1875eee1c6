"""What a study file says, as frozen models: one class per table of the TOML file.

Everything that differs between studies stands here and nowhere in code. A condition or field is
written as in REDCap; without an event a field is on the visit's own event, or on its only one.
Load a file with :func:`redcap_jobs.study.loading.load_study`, which reports every mistake at once.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, PrivateAttr, model_validator

from redcap_jobs.redcap.logic import Reference
from redcap_jobs.redcap.records import EventPlace, RepeatPlace
from redcap_jobs.study.addresses import api_address, is_loopback_url
from redcap_jobs.study.partner_config import Partner
from redcap_jobs.study.texts_config import (
    Development,
    Language,
    MessageLog,
    Messages,
    Notify,
    Pause,
    Sender,
    Survey,
)
from redcap_jobs.study.values import (
    Anchor,
    Condition,
    Fields,
    Flag,
    HardClose,
    Offset,
    Output,
    Part,
    Place,
    Share,
    Target,
    Text,
    When,
    Whole,
    WholeFromOne,
    WholeFromZero,
    Zone,
    problem,
)

__all__ = [
    "Anchor",
    "Arm",
    "Condition",
    "EventPlace",
    "HardClose",
    "Limits",
    "OffStudy",
    "Offset",
    "Participants",
    "ProjectIdentity",
    "Reference",
    "RepeatPlace",
    "Site",
    "Study",
    "Visit",
    "VisitWrite",
    "Window",
]

FORMAT = 1
VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


def variable_names(projects: Mapping[str, Any]) -> Mapping[str, Any]:
    """Let names of environment variables pass."""
    if not projects:
        raise problem("names no project", "add [redcap.projects.NAME_OF_THE_TOKENS_VARIABLE]")
    for name in projects:
        if not VARIABLE.fullmatch(name):
            raise problem("every key must be the name of an environment variable")
    return projects


Id = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_-]*$")]


class StudyTable(Part):
    """``[study]``: the id never changes; the time zone says which date it is."""

    id: Id
    name: Text
    time_zone: Zone
    region: Annotated[str, Field(pattern="^[A-Z]{2}$")] = "US"


class ProjectIdentity(Part):
    """``[redcap.projects.NAME]``: what the server must say about the project behind a token."""

    project_id: WholeFromOne
    role: Literal["production", "development", "source"]
    in_production: Flag
    data_access_group: Text | None = None
    """The unique name of the token user's data access group; undeclared, such a token is refused."""

    @property
    def mode(self) -> Literal["production", "development"]:
        """Under which mode the state files what concerns this project."""
        return "production" if self.role == "production" else "development"


class Redcap(Part):
    """``[redcap]``: the server, and the projects by the name of their token's variable."""

    url: Annotated[str, AfterValidator(api_address)]
    projects: Annotated[dict[str, ProjectIdentity], AfterValidator(variable_names)]
    time_zone: Zone | None = None
    """That of the server's clock, by which REDCap knows when a record changed; else the study's."""

    @property
    def is_loopback(self) -> bool:
        """Tell whether the server is on this machine: a sandbox."""
        return is_loopback_url(self.url)


class Arm(Part):
    """``[arms.ID]``: the arm's number, and who is assigned to it (default: who has rows in it)."""

    number: WholeFromOne
    when: When | None = None


class Site(Part):
    """``[sites.UNIQUE_NAME]`` of a data access group: its own zone and addressees."""

    time_zone: Zone | None = None
    mail_to: tuple[Text, ...] = ()


class OffStudy(Part):
    """``[[participants.off_study]]``: who is off study, and from when until when.

    ``scope = "study"`` ends visits and texts, ``"texts"`` only the texts. A ticked flag without a
    date counts from always for texts; for visits a date is needed.
    """

    when: When | None = None
    from_: Annotated[Fields, Field(alias="from")] = ()
    until: Fields = ()
    scope: Literal["study", "texts"] = "study"

    @model_validator(mode="after")
    def says_who(self) -> OffStudy:
        """Refuse a table that would fit everybody."""
        if self.when is None and not self.from_:
            raise problem('needs "when", "from" or both: without either everybody is off study')
        return self


class ParticipantWrite(Part):
    """``[participants.write]``: what is written once per participant.

    ``opted_out`` and ``invalid_number`` are set to '1' and are also read: a coordinator may.
    """

    pending_visit: Output = ()
    opted_out: Output = ()
    invalid_number: Output = ()


class Participants(Part):
    """``[participants]``: who takes part, their anchor dates, and where their details stand."""

    who: When | None = None
    anchors: dict[Id, Fields] = Field(default_factory=dict)
    off_study: tuple[OffStudy, ...] = ()
    write: ParticipantWrite = ParticipantWrite()
    first_name: Fields = ()
    mobile: Fields = ()
    household: Fields = ()
    language: Fields = ()
    languages: dict[Text, Language] = Field(default_factory=dict)
    """Choice of the language field → language of the texts."""
    time_zone: Fields = ()
    text_hours: Fields = ()
    may_text: When | None = None
    opted_out: When | None = None
    placeholders: dict[Id, Fields] = Field(default_factory=dict)


class Window(Part):
    """``[[visits.windows]]``: the widths in days; of several the first that fits a record counts.

    ``when``, ``arm`` (an ID of ``[arms]``) and ``site`` (a name of ``[sites]``) say whom it fits.
    """

    when: When | None = None
    arm: Text | None = None
    site: Text | None = None
    target: Offset | None = None
    early: WholeFromZero
    late: WholeFromZero
    hard_close: HardClose | None = None


class VisitWrite(Part):
    """``[visits.write]``: the fields that hold what was computed for the visit."""

    target: Output = ()
    opens: Output = ()
    closes: Output = ()
    state: Output = ()
    flags: Output = ()
    days_from_target: Output = ()
    stamp: Output = ()


class Visit(Part):
    """``[[visits]]``: one planned visit, in schedule order."""

    id: Id
    name: Text
    at: Place
    anchored: Annotated[Anchor, Field(alias="anchor")]
    target: Target | None = None
    windows: tuple[Window, ...] = ()
    hard_close: HardClose | None = None
    done_on: Fields
    done_form: Text | None = None
    missed: When | None = None
    skipped: When | None = None
    write: VisitWrite = VisitWrite()

    @property
    def anchor(self) -> str:
        """``NAME`` of ``[participants.anchors]``, or ``visit:ID``."""
        return self.anchored.key

    @property
    def if_anchor_missed(self) -> str | None:
        """``planned`` or ``not_scheduled`` where the anchor is a visit."""
        return self.anchored.if_missed


class WindowFlags(Part):
    """``[windows]``: how many days ahead a window is flagged as opening or closing soon."""

    opens_soon_days: WholeFromZero = 14
    closing_soon_days: WholeFromZero = 7


class Limits(Part):
    """``[limits]``: how much one run may change before it is refused."""

    rows: WholeFromOne = 5000
    share_overwritten: Share = 0.2
    """Of the filled output cells; filling blanks does not count."""
    shrink_to: Share = 0.9
    """Fewer records than this share of the last good export is an error: studies grow."""
    rows_shrink_to: Share = 0.98
    """The same for rows (record and event); up to five rows fewer are listed, not refused."""
    requests_per_minute: Annotated[Whole, Field(ge=1, le=600)] = 300
    """REDCap bans an address above 600 a minute."""


class Defaults(Part):
    """``[defaults]``: what is laid under every visit, or survey, before it is judged."""

    visits: dict[str, Any] = Field(default_factory=dict)
    surveys: dict[str, Any] = Field(default_factory=dict)


class Study(Part):
    """A whole study file."""

    format: Literal[1]
    study: StudyTable
    redcap: Redcap
    arms: dict[Id, Arm] = Field(default_factory=dict)
    sites: dict[Text, Site] = Field(default_factory=dict)
    participants: Participants = Participants()
    defaults: Defaults = Defaults()
    visits: tuple[Visit, ...] = ()
    windows: WindowFlags = WindowFlags()
    sender: Sender | None = None
    messages: Messages | None = None
    surveys: tuple[Survey, ...] = ()
    pauses: tuple[Pause, ...] = ()
    message_log: MessageLog | None = None
    partner: Partner | None = None
    development: Development = Development()
    notify: Notify = Notify()
    limits: Limits = Limits()

    _path: Path = PrivateAttr(default=Path("study.toml"))
    _written: Mapping[str, Any] = PrivateAttr(default_factory=dict)
    _sha256: str = PrivateAttr(default="")
    _to_do: tuple[tuple[int, str], ...] = PrivateAttr(default=())
    _text: str = PrivateAttr(default="")

    def read_from(
        self,
        path: Path,
        written: Mapping[str, Any],
        sha256: str,
        to_do: tuple[tuple[int, str], ...],
        text: str,
    ) -> Study:
        """Note where the study was read from: the loader's last step."""
        self._path, self._written, self._sha256, self._to_do = path, written, sha256, to_do
        self._text = text
        return self

    @property
    def path(self) -> Path:
        """The file it was read from, as it was named."""
        return self._path

    @property
    def text(self) -> str:
        """The file's text; '' for a study that was not read from a file."""
        return self._text

    @property
    def written(self) -> Mapping[str, Any]:
        """The parsed file before the defaults were laid under the visits."""
        return self._written

    @property
    def to_do(self) -> tuple[tuple[int, str], ...]:
        """The guesses nobody has confirmed yet: line number and text of each TO-DO comment."""
        return self._to_do

    @property
    def sha256(self) -> str:
        """The hash of the file's bytes, in hexadecimal."""
        return self._sha256
