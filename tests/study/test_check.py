"""A study file against a project: every name, place and type that does not fit is one line."""

from dataclasses import replace
from pathlib import Path

import pytest
from tests.study.conftest import without_line

from redcap_jobs.redcap.project import Project
from redcap_jobs.study.check import check_against
from redcap_jobs.study.config import Study
from redcap_jobs.study.loading import study_from_bytes

GOOD = (Path(__file__).parent / "snow_two_arms.toml").read_text(encoding="utf-8")


def read(text: str) -> Study:
    return study_from_bytes(text.encode(), Path("study.toml"))


def told(text: str, project: Project) -> list[str]:
    return [without_line(finding) for finding in check_against(read(text), project)]


def test_the_fitting_file_has_no_findings(project: Project) -> None:
    """The file that all the tests below break fits its project."""
    assert told(GOOD, project) == []


MISFITS = [
    (
        "a field that does not exist, told once for all visits",
        ('done_on = "visit_date"', 'done_on = "visit_dat"'),
        [
            (
                'defaults.visits.done_on: no field "visit_dat" in the data dictionary; '
                'did you mean "visit_date"?'
            )
        ],
    ),
    (
        "an instrument that does not exist",
        ('done_form = "visit"', 'done_form = "visits"'),
        ['defaults.visits.done_form: no instrument "visits"; did you mean "visit"?'],
    ),
    (
        "a field of a condition that does not exist",
        ("[missed] = '1'", "[mised] = '1'"),
        ['defaults.visits.missed: no field "mised" in the data dictionary; did you mean "missed"?'],
    ),
    (
        "an event that does not exist",
        ('"month_2_arm_2"', '"month_22_arm_2"'),
        ['visits[1].at: no event "month_22_arm_2"; did you mean "month_2_arm_2"?'],
    ),
    (
        "two events of one arm",
        ('"month_2_arm_2"', '"baseline_arm_1", "month_2_arm_2"'),
        ["visits[1].at: 2 events of arm 1: a visit is one event per arm"],
    ),
    (
        "an arm without the visit",
        (', "month_2_arm_2"', ""),
        [
            (
                "warning: visits: visit m2 has no event in arm 2; right only if the schedule of that "
                "arm is meant to differ"
            ),
        ],
    ),
    (
        "an arm that does not exist",
        ("number = 2", "number = 3"),
        ["arms.placebo.number: the project has no arm 3; known: 1, 2"],
    ),
    (
        "a choice that does not exist",
        ("[group] = '2'", "[group] = '3'"),
        [
            (
                'warning: arms.placebo.when: compares "group" with "3", which is no choice of it; '
                "its choices: 1, 2"
            )
        ],
    ),
    (
        "a missing-data code is a value like a choice",
        ("[group] = '2'", "[group] = 'NA'"),
        [],
    ),
    (
        "a checkbox option that does not exist",
        ("[consent(1)]", "[consent(4)]"),
        ['participants.who: checkbox "consent" has no choice 4; its choices: 1, 2, 3'],
    ),
    (
        "a checkbox as if it were one value",
        ("[consent(1)]", "[consent]"),
        [
            (
                'participants.who: "consent" is a checkbox; say which of its choices is meant; such '
                'as "[consent(1)]"'
            )
        ],
    ),
    (
        "a choice of what is no checkbox",
        ("[group] = '2'", "[group(2)] = '1'"),
        ['arms.placebo.when: "group" is no checkbox (type radio); write "[group]"'],
    ),
    (
        "an anchor that is no date",
        ("[anchor_date]", "[group]"),
        ['participants.anchors.baseline: "group" is no date field (type radio)'],
    ),
    (
        "an anchor without a date validation",
        ("[first-event-name][anchor_date]", "[first-event-name][record_id]"),
        [
            (
                'participants.anchors.baseline: "record_id" is no date field (no validation); give it '
                "validation date_ymd"
            )
        ],
    ),
    (
        "a calculated date is only looked at askance",
        ('done_on = "visit_date"', 'done_on = "season"'),
        [
            (
                'warning: defaults.visits.done_on: "season" is calculated; check that it holds a date '
                "(YYYY-MM-DD)"
            )
        ],
    ),
    (
        "a field that is not on the event named",
        ("[first-event-name][anchor_date]", "[month_1_arm_1][anchor_date]"),
        [
            (
                'participants.anchors.baseline: "anchor_date" (instrument "enrol") is not on event '
                "month_1_arm_1; it is on baseline_arm_1, baseline_arm_2"
            )
        ],
    ),
    (
        "a field that is on no event of one arm",
        ("[first-event-name][anchor_date]", "[first-event-name][only_drug]"),
        [
            (
                'participants.anchors.baseline: "only_drug" (instrument "extra") is on no such event '
                "of arm 2; it is on month_1_arm_1"
            )
        ],
    ),
    (
        "the last event that has the instrument is the only one",
        ("[first-event-name][anchor_date]", "[last-event-name][anchor_date]"),
        [],
    ),
    (
        "the event itself where there is none",
        ("[first-event-name][anchor_date]", "[event-name][anchor_date]"),
        ["participants.anchors.baseline: [event-name] means nothing here; name the event"],
    ),
    (
        "an event named that does not exist",
        ("[first-event-name][anchor_date]", "[basline_arm_1][anchor_date]"),
        [
            (
                'participants.anchors.baseline: no event "basline_arm_1"; '
                'did you mean "baseline_arm_1"?'
            )
        ],
    ),
    (
        "a field on several events, and none said",
        ("[first-event-name][vt_pending]", "vt_state"),
        [
            (
                'participants.write.pending_visit: "vt_state" (instrument "track") is on several '
                'events, and which is meant is not said; write "[baseline_arm_1][vt_state]"'
            )
        ],
    ),
    (
        "an output that is not on the visit's own event",
        ('state = "vt_state"', 'state = "vt_pending"'),
        [
            f'defaults.visits.write.state: "vt_pending" (instrument "enrol") is not on event '
            f'{event}; designate "enrol" for it in REDCap'
            for event in ("month_1_arm_1", "month_1_arm_2", "month_2_arm_1", "month_2_arm_2")
        ],
    ),
    (
        "an output of the wrong type",
        ('state = "vt_state"', 'state = "visit_note"'),
        [
            (
                'defaults.visits.write.state: "visit_note" has the wrong type for this (notes); use a '
                "text field without validation, or a dropdown"
            )
        ],
    ),
    (
        "an output of the wrong validation",
        ('opens = "vt_opens"', 'opens = "vt_choice2"'),
        [
            (
                'defaults.visits.write.opens: no field "vt_choice2" in the data dictionary; '
                'did you mean "vt_choice"?'
            )
        ],
    ),
    (
        "a date written to a whole number",
        (
            'opens = "vt_opens"\nstate = "vt_state"\ndays_from_target = "vt_days"',
            'opens = "vt_days"',
        ),
        [
            (
                'defaults.visits.write.opens: "vt_days" has the wrong validation for this (integer); '
                "use a text field with date validation (date_ymd)"
            )
        ],
    ),
    (
        "a dropdown that lacks states",
        ('state = "vt_state"', 'state = "vt_choice"'),
        [
            (
                'defaults.visits.write.state: "vt_choice" lacks choices that will be written: '
                "not_applicable, completed_in_window, completed_early, completed_late, "
                "completed_undated, completed_unclassified, missed_recorded, not_applicable_off_study, "
                "missed_before_off_study, off_study_in_window, not_scheduled, upcoming, overdue; add "
                "them in REDCap, or use a text field"
            )
        ],
    ),
    (
        "a calculated output",
        ('days_from_target = "vt_days"', 'days_from_target = "season"'),
        [
            (
                'defaults.visits.write.days_from_target: "season" cannot be written (type calc); use '
                "a text field, best with integer validation"
            )
        ],
    ),
    (
        "a target from REDCap without Scheduling",
        ("target = { months = 1 }", 'target = "redcap"'),
        [
            (
                "visits[0].target: the project's Scheduling module is off, so REDCap gives no event "
                "offsets; write target = { months = N } or { days = N }, or turn on Scheduling under "
                '"Main settings"'
            )
        ],
    ),
    (
        "an instance in a longitudinal project",
        ('at = ["month_1_arm_1", "month_1_arm_2"]', 'at = { form = "visit", instance = 1 }'),
        [
            (
                "visits[0].at: the project is longitudinal: its visits are events; name the visit's "
                'event, or one event per arm: ["month_2_arm_1", "month_2_arm_2"]'
            ),
        ],
    ),
]


@pytest.mark.parametrize(
    ("change", "expected"),
    [(change, expected) for _, change, expected in MISFITS],
    ids=[name for name, _, _ in MISFITS],
)
def test_one_misfit_gives_exactly_its_own_lines(
    project: Project, change: tuple[str, str], expected: list[str]
) -> None:
    """Each misfit is reported where it stands, errors and warnings told apart."""
    old, new = change
    assert old in GOOD
    warnings = [line.startswith("warning: ") for line in expected]
    lines = [line.removeprefix("warning: ") for line in expected]
    assert told(GOOD.replace(old, new, 1), project) == [
        f"{'warning: ' if warning else ''}study.toml: {line}"
        for warning, line in zip(warnings, lines, strict=True)
    ]


def test_a_project_that_is_only_read_needs_no_output_fields(project: Project) -> None:
    """Where one project is exported and another written, outputs are looked for in the latter."""
    text = GOOD.replace('done_on = "visit_date"', 'done_on = "visit_dat"')
    lacking = replace(
        project,
        fields={name: field for name, field in project.fields.items() if field.form != "track"},
    )
    study = read(text)
    assert len(check_against(study, lacking)) > 1
    assert [without_line(each) for each in check_against(study, lacking, outputs=False)] == [
        (
            'study.toml: defaults.visits.done_on: no field "visit_dat" in the data dictionary; '
            'did you mean "visit_date"?'
        )
    ]
