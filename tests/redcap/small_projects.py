"""Small projects and rows frames written as aligned text, for tests about records."""

from __future__ import annotations

import pandas as pd

from redcap_jobs.plan import KEYS
from redcap_jobs.redcap.project import Choice, Event, Field, Project, ProjectInfo


def fields(**forms: str) -> dict[str, Field]:
    """Make a dictionary from ``form="field field:checkbox ..."``, form status fields included."""
    made = {}
    for form, names in forms.items():
        for name, _, kind in (each.partition(":") for each in [*names.split(), f"{form}_complete"]):
            choices = (Choice("1", "One"), Choice("2", "Two")) if kind == "checkbox" else ()
            made[name] = Field(name, form, kind or "text", choices=choices)
    return made


def info(*, longitudinal: bool) -> ProjectInfo:
    return ProjectInfo(
        project_id=1,
        title="Small",
        in_production=False,
        is_longitudinal=longitudinal,
        has_repeating=True,
        scheduling_enabled=False,
        surveys_enabled=False,
        record_autonumbering=False,
        missing_data_codes={"UNK": "Unknown", "-99": "Refused"},
    )


TWO_ARMS = Project(
    info(longitudinal=True),
    fields(
        enrolment="record_id enrol_date group consent:checkbox",
        visit="visit_date missed",
        exam="dmfs",
        log="sms",
        diary="mood",
    ),
    events=(
        *(
            Event(f"{name}_arm_{arm}", name.upper(), arm)
            for arm in (1, 2)
            for name in ("base", "m2", "m12")
        ),
        Event("diary_arm_1", "DIARY", 1),
    ),
    mapping=frozenset(
        [(f"base_arm_{arm}", form) for arm in (1, 2) for form in ("enrolment", "log", "visit")]
        + [(f"{name}_arm_{arm}", "visit") for arm in (1, 2) for name in ("m2", "m12")]
        + [("m12_arm_1", "exam"), ("base_arm_1", "exam"), ("m12_arm_2", "exam")]
        + [("diary_arm_1", "diary")]
    ),
    repeating=frozenset([("base_arm_1", "log"), ("base_arm_2", "log"), ("diary_arm_1", "")]),
)
"""Two arms of three events, a repeating log at baseline, a diary event that repeats whole."""

CLASSIC = Project(
    info(longitudinal=False),
    fields(enrolment="record_id enrol_date", visit="visit_date missed"),
    repeating=frozenset([("", "visit")]),
)
"""A classic project whose visits are instances of one repeating form."""


def rows(text: str) -> pd.DataFrame:
    """Read a rows frame from aligned columns: ``.`` is a blank; missing keys are blank."""
    lines = [line.split() for line in text.strip().splitlines()]
    frame = pd.DataFrame(lines[1:], columns=lines[0], dtype="str").replace(".", "")
    for key in KEYS:
        if key not in frame:
            frame[key] = pd.Series([""] * len(frame), dtype="str")
    return frame.astype("str")[[*KEYS, *(name for name in frame if name not in KEYS)]]
