"""A two-arm study of three visits, small enough to read: its project, study file, and data.

``Study data`` are aligned tables: ``record | event | field | ...``; '' is a blank field. Events are
written short (``base``, ``m2``, ``m4``) with the arm's number: ``m2.1`` is ``month_2_arm_1``.
"""

from __future__ import annotations

import hashlib
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

import pandas as pd
from visit_tables import rows_of

from redcap_jobs.jobs import load_job
from redcap_jobs.plan import DECISION_COLUMNS, KEYS, Inputs, Plan, ReadDecisions, Table
from redcap_jobs.redcap.project import Event, Field, Project, ProjectInfo, parse_fields
from redcap_jobs.study.config import Study

JOB = load_job("compute-visit-windows")
EVENTS = {"base": "baseline", "m2": "month_2", "m4": "month_4"}

FORMS = {
    "enrolment": (
        "record_id text; anchor_date date_ymd; consent yesno; group text; protocol text; "
        "off_study yesno; off_study_date date_ymd; vt_pending text"
    ),
    "visit": "visit_date date_ymd; visit_missed yesno; visit_skipped yesno",
    "tracking": (
        "vt_target date_ymd; vt_opens date_ymd; vt_closes date_ymd; vt_state text; "
        "vt_flags text; vt_days integer; vt_stamp datetime_seconds_ymd"
    ),
}

STUDY = """
format = 1
[study]
id = "small"
name = "A small study"
time_zone = "America/New_York"
[redcap]
url = "https://redcap.example.org/api/"
[redcap.projects.REDCAP_API_SMALL]
project_id = 77
role = "production"
in_production = true
[arms.oht]
number = 1
when = "[group] = '1'"
[arms.cwt]
number = 2
when = "[group] = '2'"
[sites.west]
time_zone = "America/Los_Angeles"
[participants]
who = "[consent] = '1'"
anchors = { baseline = "[first-event-name][anchor_date]" }
write = { pending_visit = "[first-event-name][vt_pending]" }
[[participants.off_study]]
when = "[first-event-name][off_study] = '1'"
from = "[first-event-name][off_study_date]"
"""

VISIT = """
[[visits]]
id = "{id}"
name = "{id}"
at = {at}
anchor = {anchor}
target = {target}
windows = {windows}
done_on = "visit_date"
done_form = "visit"
missed = "[visit_missed] = '1'"
skipped = "[visit_skipped] = '1'"
{more}
[visits.write]
target = "vt_target"
opens = "vt_opens"
closes = "vt_closes"
state = "vt_state"
flags = "vt_flags"
days_from_target = "vt_days"
stamp = "vt_stamp"
"""


def visit(
    ident: str,
    target: str,
    windows: str,
    *,
    at: str | None = None,
    anchor: str = '"baseline"',
    more: str = "",
) -> str:
    """Write one visit of the study file."""
    name = EVENTS.get(ident, ident)
    place = at or f'["{name}_arm_1", "{name}_arm_2"]'
    return VISIT.format(
        id=ident, at=place, anchor=anchor, target=target, windows=windows, more=more
    )


BASE = visit("base", "{ days = 0 }", "[{ early = 0, late = 14 }]")
M2 = visit("m2", "{ months = 2 }", "[{ early = 14, late = 28 }]")
M4 = visit("m4", "{ months = 4 }", "[{ early = 14, late = 28 }]")


def study_of(*visits: str, head: str = STUDY) -> Study:
    """Give the study of a study file's text."""
    return Study.model_validate(tomllib.loads(head + "".join(visits)))


def fields() -> Mapping[str, Field]:
    """Give the data dictionary."""
    rows = []
    for form, members in FORMS.items():
        for member in members.split("; "):
            name, kind = member.split()
            validation = "" if kind in {"text", "yesno"} else kind
            rows.append(
                {
                    "field_name": name,
                    "form_name": form,
                    "field_type": "yesno" if kind == "yesno" else "text",
                    "text_validation_type_or_show_slider_number": validation,
                }
            )
    return parse_fields(rows)


def project_of(
    *,
    offsets: Mapping[str, tuple[int, int, int]] | None = None,
    missing_codes: Mapping[str, str] | None = None,
) -> Project:
    """Give the longitudinal project; ``offsets`` turn Scheduling on: event → day, min, max."""
    events = [
        Event(f"{name}_arm_{arm}", name, arm, *(offsets or {}).get(short, (None, None, None)))
        for arm in (1, 2)
        for short, name in EVENTS.items()
    ]
    mapping = {(event.unique_name, form) for event in events for form in ("visit", "tracking")}
    mapping |= {(f"baseline_arm_{arm}", "enrolment") for arm in (1, 2)}
    scheduling = bool(offsets)
    info = ProjectInfo(
        77, "Small", True, True, False, scheduling, False, False, missing_codes or {}
    )
    return Project(info, fields(), tuple(events), frozenset(mapping))


def classic_project() -> Project:
    """Give a classic project whose visits are instances of the repeating forms."""
    info = ProjectInfo(78, "Classic", True, False, True, False, False, False)
    repeating = frozenset({("", "visit"), ("", "tracking")})
    return Project(info, fields(), repeating=repeating)


def rows_frame(table: str, project: Project) -> pd.DataFrame:
    """Give the rows frame of a data table: every field of the dictionary, '' where not named."""
    rows = []
    for row in rows_of(table):
        full = dict.fromkeys([*KEYS, "dag", *project.fields], "")
        full |= {name: cell for name, cell in row.items() if name in full}
        short, _, arm = row.get("event", "").partition(".")
        full["event"] = f"{EVENTS[short]}_arm_{arm}" if arm else ""
        rows.append(full)
    return pd.DataFrame(rows).astype("str").drop(columns="record_id")


def fingerprint(frame: pd.DataFrame) -> pd.Series:
    """Hash each row; a test needs no key."""
    joined = frame.apply("|".join, axis=1) if len(frame) else pd.Series(dtype="str")
    return joined.map(lambda text: hashlib.sha256(text.encode()).hexdigest()[:10]).astype("str")


def instant(text: str) -> datetime:
    """Read an instant; a bare date is noon UTC, which is the same date in New York."""
    moment = datetime.fromisoformat(text)
    return moment if moment.tzinfo else moment.replace(hour=12, tzinfo=UTC)


def no_decisions() -> pd.DataFrame:
    """Give the decisions before any run."""
    return pd.DataFrame(columns=DECISION_COLUMNS, dtype="str")


@dataclass(frozen=True)
class World:
    """One project with its data and last decisions, and the study that looks at it."""

    study: Study
    project: Project
    rows: pd.DataFrame
    decisions: pd.DataFrame = field(default_factory=no_decisions)

    def plan(self, as_of: str, **options: bool) -> Plan:
        """Ask the job for its reads, answer them, and give its plan."""
        roster = self.rows[["record", "event", "dag"]].drop_duplicates()
        inputs = Inputs(self.project, self.project, roster, {}, fingerprint, options)
        tables = {
            read: self.decisions if isinstance(read, ReadDecisions) else self.rows
            for read in JOB.reads(self.study, inputs)
        }
        return JOB.plan(self.study, replace(inputs, tables=tables), instant(as_of))

    def after(self, plan: Plan) -> World:
        """Give the world once the plan was carried out."""
        blank = dict.fromkeys(self.rows.columns, "")
        rows = {tuple(row[name] for name in KEYS): row for row in self.rows.to_dict("records")}
        for change in plan.changes.to_dict("records"):
            key = tuple(change[name] for name in KEYS)
            row = rows.setdefault(key, blank | {name: change[name] for name in KEYS})
            assert row[change["field"]] == change["old"]
            row[change["field"]] = change["new"]
        frame = pd.DataFrame(list(rows.values()), columns=self.rows.columns).astype("str")
        return replace(self, rows=frame, decisions=plan.decisions)

    def edited(self, record: str, event: str, name: str, value: str) -> World:
        """Give the world after a person changed one field."""
        short, _, arm = event.partition(".")
        rows = self.rows.copy()
        at = (rows["record"] == record) & (rows["event"] == f"{EVENTS[short]}_arm_{arm}")
        assert at.sum() == 1
        rows.loc[at, name] = value
        return replace(self, rows=rows)


def world(table: str, *visits: str, head: str = STUDY, project: Project | None = None) -> World:
    """Give a world from a data table."""
    project = project or project_of()
    return World(study_of(*visits, head=head), project, rows_frame(table, project))


def states(plan: Plan) -> dict[str, str]:
    """Give the decisions as ``"record visit" → state``."""
    decided = plan.decisions
    return {f"{row.record} {row.subject}": row.decision for row in decided.itertuples(index=False)}


def changes(plan: Plan) -> set[str]:
    """Give the changes as ``record event field: old -> new``, the event written short."""
    return {
        f"{row.record} {_short(row.event)}{row.repeat_instance} {row.field}: {row.old}->{row.new}"
        for row in plan.changes.itertuples(index=False)
    }


def _short(event: str) -> str:
    for short, name in EVENTS.items():
        if event.startswith(name):
            return f"{short}.{event[-1]}"
    return event


def by_visit(table: Table) -> list[dict[str, str]]:
    """Turn the table of states, a column per visit, into one dictionary per visit."""
    names = [row[0] for row in table.rows]
    return [
        {"visit": visit, **dict(zip(names, (row[place] for row in table.rows), strict=True))}
        for place, visit in enumerate(table.columns[1:], start=1)
    ]
