"""A field of a repeating form is blank unless its instance is named: `check` says so."""

from dataclasses import replace
from pathlib import Path

import pytest
from tests.study.conftest import without_line

from redcap_jobs.redcap.project import Project
from redcap_jobs.study.check import check_against
from redcap_jobs.study.loading import study_from_bytes

GOOD = (Path(__file__).parent / "snow_two_arms.toml").read_text(encoding="utf-8")
ENROL = frozenset({("baseline_arm_1", "enrol"), ("baseline_arm_2", "enrol")})


def told(text: str, project: Project) -> list[str]:
    study = study_from_bytes(text.encode(), Path("study.toml"))
    return [
        without_line(each).removeprefix("study.toml: ") for each in check_against(study, project)
    ]


def repeating(project: Project, pairs: frozenset[tuple[str, str]]) -> Project:
    return replace(project, repeating=pairs)


def test_a_form_that_repeats_on_the_visits_event_needs_an_instance(project: Project) -> None:
    """Anything read at the own event is blank without one, so each place is an error."""
    visit = repeating(project, frozenset({("month_1_arm_1", "visit")}))
    on = "repeats on month_1_arm_1, and no instance is named"
    assert told(GOOD, visit) == [
        (
            f'defaults.visits.done_on: "visit_date" (instrument "visit") {on}; '
            'name it: "[visit_date][1]" or "[visit_date][last-instance]"'
        ),
        (
            f'defaults.visits.done_form: "visit_complete" (instrument "visit") {on}; done_form '
            "cannot name an instance: leave it out, or choose a form that does not repeat"
        ),
        (
            f'defaults.visits.missed: "missed" (instrument "visit") {on}; '
            'name it: "[missed][1]" or "[missed][last-instance]"'
        ),
    ]


@pytest.mark.parametrize("form", ["enrol", ""], ids=["the instrument", "the whole event"])
def test_smart_and_single_events_need_an_instance_too(project: Project, form: str) -> None:
    """Anchors, off-study dates, conditions and outputs; a written cell needs its number."""
    pairs = frozenset((event, form) for event, _ in ENROL)
    lines = told(GOOD, repeating(project, pairs))
    assert [line.split(": ")[0] for line in lines] == [
        "arms.drug.when",
        "arms.placebo.when",
        "participants.who",
        "participants.anchors.baseline",
        "participants.off_study[0].when",
        "participants.off_study[0].from",
        "participants.write.pending_visit",
    ]
    assert all("repeats on baseline_arm_1, baseline_arm_2, and no instance" in e for e in lines)
    assert lines[3].endswith(
        'name it: "[first-event-name][anchor_date][1]" or '
        '"[first-event-name][anchor_date][last-instance]"'
    )
    assert lines[-1].endswith('name it: "[first-event-name][vt_pending][1]"')


@pytest.mark.parametrize("instance", ["1", "first-instance", "last-instance"])
def test_a_named_instance_is_content(project: Project, instance: str) -> None:
    """A number, the first or the last instance stand for themselves."""
    anchor = f"[first-event-name][anchor_date][{instance}]"
    text = GOOD.replace("[first-event-name][anchor_date]", anchor)
    lines = told(text, repeating(project, ENROL))
    assert not [line for line in lines if "anchors" in line]


@pytest.mark.parametrize("instance", ["current-instance", "previous-instance", "next-instance"])
def test_an_instance_counted_from_none_is_not_named(project: Project, instance: str) -> None:
    """A visit at an event stands on no instance, so nothing is before, after or at it."""
    anchor = f"[first-event-name][anchor_date][{instance}]"
    text = GOOD.replace("[first-event-name][anchor_date]", anchor)
    lines = told(text, repeating(project, ENROL))
    assert [line for line in lines if "anchors" in line and "no instance is named" in line]


def test_an_output_needs_the_number_of_its_instance(project: Project) -> None:
    """Which cell is written must not depend on what stands there."""
    track = repeating(project, frozenset({("month_1_arm_1", "track"), ("month_1_arm_2", "track")}))
    text = GOOD.replace('state = "vt_state"', 'state = "[vt_state][last-instance]"')
    [line] = [each for each in told(text, track) if "write.state" in each and "month_1" in each]
    assert line.endswith('no instance is named; name it: "[vt_state][1]"')


def test_an_instance_where_nothing_repeats_is_an_error(project: Project) -> None:
    """Such a reference is blank for everybody as well."""
    text = GOOD.replace("[first-event-name][anchor_date]", "[first-event-name][anchor_date][1]")
    assert told(text, project) == [
        (
            'participants.anchors.baseline: "anchor_date" (instrument "enrol") does not repeat on '
            "baseline_arm_1, baseline_arm_2, so it has no instance 1; "
            'write "[first-event-name][anchor_date]"'
        )
    ]


def test_the_record_id_is_read_wherever_the_record_stands(project: Project) -> None:
    """It is a record's name, not a cell of an instance."""
    text = GOOD.replace("[first-event-name][consent(1)] = '1'", "[record_id] <> '1'")
    lines = told(text, repeating(project, ENROL))
    assert not [line for line in lines if "who" in line]


def test_a_misplaced_visit_with_a_smart_event_is_no_traceback(project: Project) -> None:
    """Where a visit's event does not exist, what comes before it cannot be judged."""
    text = GOOD.replace("[missed] = '1'", "[event-name][missed] = '1'")
    assert told(text.replace("month_2_arm_2", "month_22_arm_2"), project) == [
        'visits[1].at: no event "month_22_arm_2"; did you mean "month_2_arm_2"?'
    ]
