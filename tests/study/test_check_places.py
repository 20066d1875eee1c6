"""Offsets of REDCap, classic projects, identity and sites: what the server says, compared."""

from dataclasses import replace
from pathlib import Path

import pytest
from tests.study.conftest import without_line

from redcap_jobs.redcap.project import Project
from redcap_jobs.study.check import check_against, check_identity, check_sites
from redcap_jobs.study.config import Study
from redcap_jobs.study.loading import study_from_bytes

GOOD = (Path(__file__).parent / "snow_two_arms.toml").read_text(encoding="utf-8")


def read(text: str) -> Study:
    return study_from_bytes(text.encode(), Path("study.toml"))


def told(text: str, project: Project) -> list[str]:
    return [without_line(finding) for finding in check_against(read(text), project)]


@pytest.mark.parametrize(
    ("offsets", "expected"),
    [
        ((30, 7, 7), []),
        ((0, 0, 0), []),
        (
            (30, -7, 7),
            [
                f"warning: study.toml: visits[0].target: event month_1_arm_{arm} has a negative "
                "offset; its number of days is taken; REDCap counts days before and after as "
                "positive"
                for arm in (1, 2)
            ],
        ),
        (
            (None, None, None),
            [
                f"study.toml: visits[0].target: REDCap gives no offset for event "
                f"month_1_arm_{arm}; write target = {{ months = N }} or {{ days = N }}, or turn "
                'on Scheduling under "Main settings"'
                for arm in (1, 2)
            ],
        ),
    ],
)
def test_targets_from_redcap_need_scheduling_and_offsets(
    project: Project, offsets: tuple[int | None, ...], expected: list[str]
) -> None:
    """With Scheduling on, each of the visit's events has its offsets; absent is not zero."""
    day, least, most = offsets
    events = tuple(
        replace(event, day_offset=day, offset_min=least, offset_max=most)
        for event in project.events
    )
    scheduled = replace(project, info=replace(project.info, scheduling_enabled=True), events=events)
    assert told(GOOD.replace("target = { months = 1 }", 'target = "redcap"', 1), scheduled) == (
        expected
    )


def test_offsets_that_only_number_the_events_are_looked_at_askance(project: Project) -> None:
    """Offsets 0, 1, 2 with zero widths often only put events in order: a warning."""
    events = tuple(
        replace(event, day_offset=place % 3, offset_min=0, offset_max=0)
        for place, event in enumerate(project.events)
    )
    scheduled = replace(project, info=replace(project.info, scheduling_enabled=True), events=events)
    text = GOOD.replace("target = { months = 1 }", 'target = "redcap"', 1)
    assert told(text, scheduled) == [
        (
            "warning: study.toml: visits[0].target: the events' offsets count 0, 1, 2, … with no days "
            "before or after; if they only put the events in order, write the targets and windows here"
        )
    ]


def test_an_arm_lists_its_missing_visits_once(project: Project) -> None:
    """Visits that one arm lacks are one warning of that arm, not one warning per visit."""
    text = GOOD.replace(', "month_2_arm_2"', "") + (
        '[[visits]]\nid = "m6"\nname = "Month 6"\nat = "baseline_arm_1"\n'
        "target = { months = 6 }\nwindows = [{ early = 7, late = 7 }]\n"
    )
    assert [line for line in told(text, project) if "no event in" in line] == [
        (
            "warning: study.toml: visits: visits m2, m6 have no event in arm 2; right only if the "
            "schedule of that arm is meant to differ"
        )
    ]


def test_arms_with_schedules_of_their_own_are_no_finding(project: Project) -> None:
    """Where no visit has events in several arms, the arms differ by design."""
    text = GOOD.replace(', "month_2_arm_2"', "").replace('"month_1_arm_1", ', "")
    assert told(text, project) == []


CLASSIC = (
    GOOD.replace('at = ["month_1_arm_1", "month_1_arm_2"]', 'at = { form = "visit", instance = 1 }')
    .replace('at = ["month_2_arm_1", "month_2_arm_2"]', 'at = { form = "visit", instance = 2 }')
    .replace("[first-event-name]", "")
    .replace("number = 2", "number = 1 # two")
)
CLASSIC = CLASSIC[: CLASSIC.index("[arms.drug]")] + CLASSIC[CLASSIC.index("[participants]") :]


def test_a_classic_projects_visits_are_instances(classic_project: Project) -> None:
    """Fields of the repeating form are the visit's own; the others stand once per record."""
    assert told(CLASSIC, classic_project) == []


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (
            ('form = "visit", instance = 1', 'form = "vist", instance = 1'),
            ['visits[0].at: no instrument "vist"; did you mean "visit"?'],
        ),
        (
            ('{ form = "visit", instance = 1 }', '"visit"'),
            [
                (
                    "visits[0].at: the project has no events; a visit is an instance of a repeating "
                    'form: { form = "visit", instance = 1 }'
                ),
            ],
        ),
        (
            ('"[anchor_date]"', '"[baseline_arm_1][anchor_date]"'),
            [
                (
                    "participants.anchors.baseline: names event baseline_arm_1, but the project has "
                    'no events; write "[anchor_date]"'
                )
            ],
        ),
        (
            ('"[anchor_date]"', '"visit_date"'),
            [
                (
                    'participants.anchors.baseline: "visit_date" (instrument "visit") repeats, and '
                    'no instance is named; name it: "[visit_date][1]" or '
                    '"[visit_date][last-instance]"'
                )
            ],
        ),
        (
            ('opens = "vt_opens"', 'opens = "vt_pending2"'),
            [
                (
                    'defaults.visits.write.opens: no field "vt_pending2" in the data dictionary; did '
                    'you mean "vt_pending"?'
                )
            ],
        ),
    ],
)
def test_misfits_of_a_classic_project(
    classic_project: Project, change: tuple[str, str], expected: list[str]
) -> None:
    """What does not fit a project without events is said in its own words."""
    old, new = change
    assert old in CLASSIC
    assert told(CLASSIC.replace(old, new, 1), classic_project) == [
        f"study.toml: {line}" for line in expected
    ]


def test_a_form_that_does_not_repeat_is_no_place_for_instances(classic_project: Project) -> None:
    """An instance needs a repeating instrument."""
    project = replace(classic_project, repeating=frozenset())
    assert told(CLASSIC, project) == [
        f'study.toml: visits[{index}].at: instrument "visit" is not a repeating instrument'
        for index in (0, 1)
    ]


def test_the_server_says_which_project_it_is(project: Project) -> None:
    """Project id and production flag are compared; an undeclared token is named."""
    study, info = read(GOOD), project.info
    assert check_identity(study, "REDCAP_API_SNOW", info) == []
    other = replace(info, project_id=8, in_production=False)
    assert [without_line(each) for each in check_identity(study, "REDCAP_API_SNOW", other)] == [
        (
            "study.toml: redcap.projects.REDCAP_API_SNOW.project_id: the token opens project 8, not "
            "7; correct the token or the file"
        ),
        (
            "study.toml: redcap.projects.REDCAP_API_SNOW.in_production: the server says project 8 is "
            "in development; correct whichever is wrong"
        ),
    ]
    assert [without_line(each) for each in check_identity(study, "REDCAP_API_SNOV", info)] == [
        (
            "study.toml: redcap.projects.REDCAP_API_SNOV: is missing: nothing says which project "
            'REDCAP_API_SNOV belongs to; the server says project 7; did you mean "REDCAP_API_SNOW"?'
        )
    ]


def test_a_site_without_records_is_a_warning() -> None:
    """A data access group may be empty, or mistyped: the nearest is named."""
    study = read(GOOD.replace("[participants]", "[sites.nort]\n[sites.south]\n[participants]", 1))
    [finding] = check_sites(study, {"north", "south"})
    assert finding.severity == "warning"
    assert without_line(finding) == (
        "warning: study.toml: sites.nort: no record is in a data access group of that unique "
        'name; did you mean "north"?'
    )
