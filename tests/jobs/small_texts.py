"""A classic study of one survey, small enough to read: who is texted what, from aligned tables.

The message log is a repeating instrument; a row of a table without an instance is the record's own.
"""

from __future__ import annotations

import hashlib
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

import pandas as pd
from visit_tables import rows_of

from redcap_jobs.jobs import load_job
from redcap_jobs.plan import (
    KEYS,
    LINK_COLUMNS,
    MESSAGE_COLUMNS,
    STOP_COLUMNS,
    Inputs,
    Plan,
    Reaches,
    Read,
    ReadMessages,
    ReadRows,
    ReadStops,
    ReadSurveyLinks,
    Text,
)
from redcap_jobs.redcap.project import Project, ProjectInfo, parse_fields
from redcap_jobs.study.config import Study

JOB = load_job("send-surveys")
PROJECT = "production:5@https://redcap.example.org/api"
NOON = datetime(2026, 3, 2, 17, 0, tzinfo=UTC)
"""A Monday, noon in New York."""

FORMS = {
    "enrolment": (
        "record_id; anchor date_ymd; consent yesno; texts yesno; left yesno; left_on date_ymd; "
        "back_on date_ymd; name; mobile; lang radio; zone; opt_out yesno; bad_number yesno"
    ),
    "diary": "teeth integer",
    "diario": "dientes integer",
    "log": "l_key; l_kind; l_status; l_error",
}

STUDY = """
format = 1
[study]
id = "small"
name = "Small"
time_zone = "America/New_York"
[redcap]
url = "https://redcap.example.org/api/"
[redcap.projects.REDCAP_API_SMALL]
project_id = 5
role = "production"
in_production = true
[participants]
who = "[consent] = '1'"
first_name = "name"
mobile = "mobile"
language = "lang"
languages = { 1 = "en", 2 = "es" }
time_zone = "zone"
may_text = "[texts] = '1'"
opted_out = "[opt_out] = '1'"
anchors = { start = "anchor" }
write = { opted_out = "opt_out", invalid_number = "bad_number" }
[[participants.off_study]]
when = "[left] = '1'"
from = "left_on"
until = "back_on"
[sender]
account_sid = "S"
auth_token = "T"
number = "N"
[messages]
hours = "09:00-20:00"
[message_log]
form = "log"
[message_log.write]
message_key = "l_key"
message_kind = "l_kind"
status = "l_status"
error = "l_error"
[[surveys]]
id = "diary"
instrument = { en = "diary", es = "diario" }
anchor = "start"
due = { days = 7 }
starts_on = 2026-01-01
latest = { days = 10 }
remind = { days_apart = 2, count = 1 }
texts = { en = "Hi {{ first_name }}: {{ link }} STOP ends", es = "Hola {{ first_name }}: {{ link }} ALTO" }
reminder_texts = { en = "Again {{ link }}", es = "Otra vez {{ link }}" }
"""


def small_project(codes: Mapping[str, str] | None = None) -> Project:
    """Give the classic project."""
    rows = []
    for form, members in FORMS.items():
        for member in members.split("; "):
            name, _, kind = member.partition(" ")
            rows.append(
                {
                    "field_name": name,
                    "form_name": form,
                    "field_type": kind if kind in {"yesno", "radio"} else "text",
                    "select_choices_or_calculations": "1, English | 2, Spanish | 3, Other",
                    "text_validation_type_or_show_slider_number": kind
                    if kind not in {"yesno", "radio"}
                    else "",
                }
            )
    info = ProjectInfo(
        5, "Small", True, False, True, False, True, False, missing_data_codes=codes or {}
    )
    return Project(info, parse_fields(rows), repeating=frozenset({("", "log")}))


def keyed(text: str, kind: str) -> str:
    """Hash a text; a test needs no key."""
    return hashlib.sha256(f"{kind}:{text}".encode()).hexdigest()[:12]


@dataclass(frozen=True)
class Texts:
    """Participants, what was sent before, and who asked for no more."""

    rows: pd.DataFrame
    study: str = STUDY
    messages: Sequence[Mapping[str, str]] = ()
    stops: Sequence[Mapping[str, str]] = ()
    links: Mapping[str, str] = field(default_factory=dict)
    reaches: Reaches = "participants"
    development: tuple[str, ...] = ()
    codes: Mapping[str, str] = field(default_factory=dict)

    def inputs(self, as_of: datetime) -> Inputs:
        """Answer the job's reads until it needs nothing more."""
        project = small_project(self.codes)
        study = self.loaded
        roster = self.rows[["record", "event", "dag"]].drop_duplicates()
        inputs = Inputs(
            project, project, roster, {}, lambda frame: frame.iloc[:, 0],
            keyed=keyed, project=PROJECT, reaches=self.reaches,
            development=self.development, as_of=as_of,
        )  # fmt: skip
        while missing := [r for r in JOB.reads(study, inputs) if r not in inputs.tables]:
            tables = {**inputs.tables, **{read: self.answer(read) for read in missing}}
            inputs = replace(inputs, tables=tables)
        return inputs

    def answer(self, read: Read) -> pd.DataFrame:
        """Answer one read."""
        if isinstance(read, ReadRows):
            return self.rows
        if isinstance(read, ReadMessages):
            blank = dict.fromkeys(MESSAGE_COLUMNS, "") | {"attempt": "1", "not_sent": "false"}
            rows = [blank | dict(message) for message in self.messages]
            return pd.DataFrame(rows, columns=MESSAGE_COLUMNS, dtype="str")
        if isinstance(read, ReadStops):
            rows = [dict.fromkeys(STOP_COLUMNS, "") | dict(stop) for stop in self.stops]
            return pd.DataFrame(rows, columns=STOP_COLUMNS, dtype="str")
        assert isinstance(read, ReadSurveyLinks)
        pairs = [(record, self.links.get(record, f"L{record}")) for record in read.records]
        links = [pair for pair in pairs if pair[1]]
        return pd.DataFrame(links, columns=LINK_COLUMNS, dtype="str")

    @property
    def loaded(self) -> Study:
        """The study of the text."""
        return Study.model_validate(tomllib.loads(self.study))

    def plan(self, as_of: datetime = NOON) -> Plan:
        """Give the job's plan."""
        return JOB.plan(self.loaded, self.inputs(as_of), as_of)


def people(table: str, **more: object) -> Texts:
    """Read participants; what a table does not name is right: due today, reachable, English."""
    project = small_project()
    good = {
        "anchor": "2026-02-23", "consent": "1", "texts": "1", "name": "Ana", "lang": "1",
        "mobile": "(202) 555-0100",
    }  # fmt: skip
    rows = []
    for number, row in enumerate(rows_of(table)):
        base = {} if row.get("repeat_instrument") else good
        phone = {"mobile": f"(202) 555-01{number:02d}"} if base else {}
        columns = [*KEYS, "dag", *project.fields, "diary_timestamp", "diario_timestamp"]
        full = dict.fromkeys(columns, "") | base | phone
        rows.append(full | {name: cell for name, cell in row.items() if name in full})
    frame = pd.DataFrame(rows).astype("str").drop(columns="record_id")
    return Texts(frame, **more)  # type: ignore[arg-type] - named fields of Texts


def inputs_at_once(texts: Texts, as_of: datetime) -> Inputs:
    """Answer everything at once, every link too: one look at the data is quicker than three."""
    study, project = texts.loaded, small_project(texts.codes)
    roster = texts.rows[["record", "event", "dag"]].drop_duplicates()
    inputs = Inputs(
        project, project, roster, {}, lambda frame: frame.iloc[:, 0],
        keyed=keyed, project=PROJECT, reaches="participants", as_of=as_of,
    )  # fmt: skip
    reads = [*JOB.reads(study, inputs)]
    reads += [ReadSurveyLinks(form, "", tuple(roster["record"])) for form in ("diary", "diario")]
    return replace(inputs, tables={read: texts.answer(read) for read in reads})


def texts_at_once(texts: Texts, as_of: datetime) -> list[Text]:
    """Give the texts of the plan, all answered at once."""
    plan = JOB.plan(texts.loaded, inputs_at_once(texts, as_of), as_of)
    return [each for each in plan.actions if isinstance(each, Text)]


def bodies(plan: Plan) -> dict[str, str]:
    """Give record → the text that goes out."""
    return {text.record: text.body for text in plan.actions if isinstance(text, Text)}


def why(plan: Plan) -> dict[str, str]:
    """Give record → why it gets none, from skips and problems."""
    told = {skip.record: skip.reason for skip in plan.skips}
    return told | {each.record: f"{each.where}: {each.what}" for each in plan.problems}
