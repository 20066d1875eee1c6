"""Where the job writes: events by arm, named events, and instances of a repeating form."""

from __future__ import annotations

import pandas as pd
import pytest
from small_study import (
    STUDY,
    changes,
    classic_project,
    project_of,
    rows_frame,
    states,
    visit,
    world,
)

from redcap_jobs.jobs.destinations import destination
from redcap_jobs.redcap.logic import parse_reference
from redcap_jobs.redcap.records import EventPlace, RepeatPlace

ARMS = pd.Series([1, 2, None], index=["a", "b", "c"], dtype="Int64")
OWN = EventPlace(("month_2_arm_1", "month_2_arm_2"))


def cells(written: str, own: object, project: object) -> list[str]:
    """Give each participant's cell as ``event/instrument/instance``, ``-`` where there is none."""
    found = destination(parse_reference(written), own, project, ARMS)
    places = zip(
        found.event, found.repeat_instrument, found.repeat_instance, found.exists, strict=True
    )
    return ["/".join(place) if exists else "-" for *place, exists in places]


@pytest.mark.parametrize(
    ("written", "own", "expected"),
    [
        ("vt_state", OWN, ["month_2_arm_1//", "month_2_arm_2//", "-"]),
        ("vt_state", EventPlace(("month_2_arm_1",)), ["month_2_arm_1//", "-", "-"]),
        ("vt_pending", OWN, ["baseline_arm_1//", "baseline_arm_2//", "-"]),
        ("[first-event-name][vt_pending]", None, ["baseline_arm_1//", "baseline_arm_2//", "-"]),
        ("[last-event-name][vt_state]", None, ["month_4_arm_1//", "month_4_arm_2//", "-"]),
        ("[month_4_arm_2][vt_state]", OWN, ["-", "month_4_arm_2//", "-"]),
        ("vt_state", None, ["-", "-", "-"]),
        ("[vt_state][2]", OWN, ["-", "-", "-"]),
    ],
)
def test_an_output_is_written_in_the_participants_own_arm(
    written: str, own: EventPlace | None, expected: list[str]
) -> None:
    """Never in another arm; not at all where the event, or which of several, cannot be told."""
    assert cells(written, own, project_of()) == expected


@pytest.mark.parametrize(
    ("written", "own", "expected"),
    [
        ("vt_state", RepeatPlace("tracking", 2), "/tracking/2"),
        ("[vt_state][3]", RepeatPlace("visit", 2), "/tracking/3"),
        ("vt_state", RepeatPlace("visit", 2), "-"),
        ("vt_state", None, "-"),
        ("vt_pending", RepeatPlace("visit", 2), "//"),
    ],
)
def test_an_output_on_a_repeating_form_needs_its_instance(
    written: str, own: RepeatPlace | None, expected: str
) -> None:
    """The visit's own instance of the same form, or one that is named; never a row without one."""
    assert cells(written, own, classic_project()) == [expected] * 3


HEAD = STUDY.replace("[first-event-name]", "")
HEAD = HEAD[: HEAD.index("[arms.oht]")] + HEAD[HEAD.index("[sites.west]") :]


def repeat(ident: str, instance: int, target: str) -> str:
    """Write a visit that is an instance of the form ``visit``, results on the same form."""
    place = f'{{ form = "visit", instance = {instance} }}'
    written = visit(ident, target, "[{ early = 3, late = 3 }]", at=place)
    for name in ("target", "opens", "closes", "state", "flags", "days", "stamp"):
        written = written.replace(f'"vt_{name}"', f'"[vt_{name}][{instance}]"')
    return written


def test_visits_as_instances_of_a_repeating_form_in_a_classic_project() -> None:
    """Dates are read from the visit's instance; a later instance is created for its state."""
    table = """
        record | repeat_instrument | repeat_instance | anchor_date | consent | visit_date
        1      |                   |                 | 2018-03-09  | 1       |
        1      | visit             | 1               |             |         | 2018-03-10
        2      |                   |                 | 2018-03-09  | 0       |
        2      | visit             | 1               |             |         | 2018-03-10
    """
    visits = [repeat("one", 1, "{ days = 0 }"), repeat("two", 2, "{ days = 30 }")]
    start = world(table, *visits, head=HEAD, project=classic_project())
    plan = start.plan("2018-04-08")
    assert states(plan) == {"1 one": "completed_in_window", "1 two": "open"}
    assert "1 1 vt_days: ->1" in changes(plan)
    assert "1 2 vt_target: ->2018-04-08" in changes(plan)
    assert "1  vt_pending: ->two" in changes(plan)
    written = plan.changes[plan.changes["repeat_instance"] == "2"]
    assert set(written["repeat_instrument"]) == {"tracking"}
    assert set(written["event"]) == {""}
    assert changes(start.after(plan).plan("2018-04-08")) == set()


def test_rows_of_the_small_study_are_strings_throughout() -> None:
    """The tests' own data have the shape the client gives: ``str``, '' for blank."""
    frame = rows_frame("record | event\n1 | base.1", project_of())
    assert all(str(dtype) == "str" for dtype in frame.dtypes)
