"""A small project written as a table, and the study file that fits it without a finding."""

import re
from dataclasses import replace
from pathlib import Path

import pytest

from redcap_jobs.errors import Finding, StudyFileError
from redcap_jobs.redcap.project import Event, Project, ProjectInfo, parse_fields
from redcap_jobs.study.loading import study_from_bytes

DICTIONARY = """
form      field             type      validation            choices
enrol     record_id         text      -                     -
enrol     anchor_date       text      date_mdy              -
enrol     consent           checkbox  -                     1, Study | 2, Exam | 3, Texts
enrol     group             radio     -                     1, Drug | 2, Placebo
enrol     off_study         yesno     -                     -
enrol     off_date          text      date_ymd              -
enrol     photo             file      -                     -
enrol     vt_pending        text      -                     -
visit     visit_date        text      date_ymd              -
visit     visit_note        notes     -                     -
visit     missed            yesno     -                     -
visit     season            calc      -                     month([visit_date])
extra     only_drug         text      date_ymd              -
track     vt_target         text      date_ymd              -
track     vt_opens          text      date_ymd              -
track     vt_state          text      -                     -
track     vt_days           text      integer               -
track     vt_stamp          text      datetime_seconds_ymd  -
track     vt_choice         dropdown  -                     open, Open | missed, Missed
"""
TEXTS = """
form      field             type      validation            choices
enrol     given             text      -                     -
enrol     child             text      -                     -
enrol     mobile            text      phone                 -
enrol     lang              radio     -                     1, English | 2, Spanish
enrol     told_us           yesno     -                     -
enrol     no_texts          yesno     -                     -
enrol     bad_number        radio     -                     0, No | 1, Yes
diary     mood              text      integer               -
diary     left_early        yesno     -                     -
diario    humor             text      integer               -
log       l_key             text      -                     -
log       l_kind            dropdown  -                     m1, Month 1 | m2, Month 2
log       l_number          text      integer               -
log       l_sid             text      -                     -
log       l_status          text      -                     -
log       l_error           notes     -                     -
log       l_posted          text      datetime_seconds_ymd  -
log       l_updated         text      datetime_seconds_mdy  -
"""
EVENTS = "baseline_arm_1 month_1_arm_1 month_2_arm_1 baseline_arm_2 month_1_arm_2 month_2_arm_2"


def without_line(finding: Finding) -> str:
    """Write a finding as it is told, but for its line: tests of key lines see to that."""
    return re.sub(r"^((?:warning: )?study\.toml):\d+: ", r"\1: ", str(finding))


def findings(text: str) -> list[str]:
    """Return what is told of a study file's text, one line each; none where it is good."""
    try:
        study_from_bytes(text.encode(), Path("study.toml"))
    except StudyFileError as error:
        return [without_line(finding) for finding in error.findings]
    return []


def dictionary(table: str) -> list[dict[str, str]]:
    """Read an aligned table: columns are split at two spaces or more, ``-`` is blank."""
    names = (
        "form_name",
        "field_name",
        "field_type",
        "text_validation_type_or_show_slider_number",
        "select_choices_or_calculations",
    )
    lines = table.strip().splitlines()[1:]
    rows = [[cell.strip() for cell in line.split("  ") if cell.strip()] for line in lines]
    blank = {"-": ""}
    return [dict(zip(names, [blank.get(cell, cell) for cell in row], strict=True)) for row in rows]


INFO = ProjectInfo(
    project_id=7,
    title="Snow",
    in_production=True,
    is_longitudinal=True,
    has_repeating=False,
    scheduling_enabled=False,
    surveys_enabled=False,
    record_autonumbering=False,
    missing_data_codes={"NA": "Refused"},
)


@pytest.fixture
def project() -> Project:
    """Return two arms of three events; ``enrol`` on the first only, ``visit`` and ``track`` on all.

    ``extra`` is on one event of the first arm.
    """
    events = tuple(
        Event(
            name, name.split("_arm_")[0], int(name[-1]), day_offset=30, offset_min=7, offset_max=7
        )
        for name in EVENTS.split()
    )
    forms = {(event.unique_name, form) for event in events for form in ("visit", "track")}
    forms |= {("baseline_arm_1", "enrol"), ("baseline_arm_2", "enrol"), ("month_1_arm_1", "extra")}
    return Project(INFO, parse_fields(dictionary(DICTIONARY)), events, frozenset(forms))


@pytest.fixture
def classic_project() -> Project:
    """Return the same fields without events; ``visit`` repeats."""
    return Project(
        replace(INFO, is_longitudinal=False, has_repeating=True),
        parse_fields(dictionary(DICTIONARY.replace("track  ", "visit  "))),
        repeating=frozenset({("", "visit")}),
    )


@pytest.fixture
def texting_project(project: Project) -> Project:
    """Return the same project with what texts need: surveys on later events, a log on the first."""
    later = [event.unique_name for event in project.events if not event.name.startswith("base")]
    first = {"baseline_arm_1", "baseline_arm_2"}
    surveys = {(event, form) for event in later for form in ("diary", "diario")}
    return Project(
        replace(INFO, surveys_enabled=True, has_repeating=True),
        parse_fields(dictionary(DICTIONARY + TEXTS.split("\n", 2)[2])),
        project.events,
        project.mapping | surveys | {(event, "log") for event in first},
        frozenset((event, "log") for event in first),
    )


@pytest.fixture
def classic_texting_project(texting_project: Project) -> Project:
    """Return the same fields without events; only the log repeats."""
    return Project(
        replace(texting_project.info, is_longitudinal=False),
        texting_project.fields,
        repeating=frozenset({("", "log")}),
    )
