"""A broken rule between the tables of a study file is one line, at the key to correct."""

from pathlib import Path

import pytest
from tests.study.conftest import findings

GOOD = (Path(__file__).parent / "snow.toml").read_text(encoding="utf-8")


MISTAKES = [
    (
        "a target missing",
        ("target = { months = 1 }\n", ""),
        ['visits[0].target: is required; add target = { months = N }, { days = N } or "redcap"'],
    ),
    (
        "a development project in production",
        ('role = "production"', 'role = "development"'),
        [
            (
                "redcap.projects.REDCAP_API_SNOW.role: is development, but in_production = true: a "
                'project in production holds real data; write role = "production" (or "source" if '
                "it is only read), or correct in_production if REDCap says the project is in "
                "development"
            )
        ],
    ),
    (
        "windows missing",
        ("target = { months = 1 }\nwindows = [{ early = 7, late = 7 }]", "target = { months = 1 }"),
        ["visits[0].windows: is required; add windows = [{ early = N, late = N }]"],
    ),
    (
        "duplicate visit id",
        ('id = "m2"', 'id = "m1"'),
        ['visits[1].id: visits[0] has the id "m1" already'],
    ),
    (
        "unknown anchor",
        ('anchor = "baseline"', 'anchor = "basline"'),
        [
            (
                'defaults.visits.anchor: no anchor "basline" in [participants.anchors]; '
                'did you mean "baseline"?'
            )
        ],
    ),
    (
        "a visit named as if it were an anchor date",
        ('id = "m2"', 'id = "m2"\nanchor = "m1"'),
        [
            (
                'visits[1].anchor: no anchor "m1" in [participants.anchors]; for the date of that '
                'visit: { visit = "m1", if_missed = ... }'
            )
        ],
    ),
    (
        "an unknown visit as anchor",
        ('id = "m2"', 'id = "m2"\nanchor = { visit = "m11", if_missed = "planned" }'),
        ['visits[1].anchor: no visit "m11"; did you mean "m1"?'],
    ),
    (
        "a visit as anchor without a word on what happens if it was missed",
        ('id = "m2"', 'id = "m2"\nanchor = { visit = "m1" }'),
        [
            (
                'visits[1].anchor: does not say what happens if visit "m1" was missed; add if_missed '
                '= "planned" (count from its target date) or "not_scheduled"'
            )
        ],
    ),
    (
        "a later visit as anchor",
        ('id = "m1"', 'id = "m1"\nanchor = { visit = "m2", if_missed = "planned" }'),
        ['visits[0].anchor: visit "m2" stands later in the file; anchor on an earlier one'],
    ),
    (
        "a visit anchored on itself",
        ('id = "m1"', 'id = "m1"\nanchor = { visit = "m1", if_missed = "planned" }'),
        ["visits[0].anchor: visits anchor each other in a circle: m1 → m1"],
    ),
    (
        "a later visit planned before an earlier one",
        ("target = { months = 2 }", "target = { days = 27 }"),
        [
            (
                'visits[1].target: always lies before that of visits[0] ("m1"); list visits in the '
                "order in which they are planned"
            )
        ],
    ),
    (
        "windows that overlap for every participant",
        (
            "target = { months = 2 }\nwindows = [{ early = 7",
            "target = { months = 2 }\nwindows = [{ early = 24",
        ),
        [
            (
                'visits[1].windows: always overlaps the window of visits[0] ("m1"); make the windows '
                "narrower, or the targets further apart"
            )
        ],
    ),
    (
        "an output that is also the done date",
        ('target = "vt_target"', 'target = "visit_date"'),
        [
            (
                'defaults.visits.write.target: "visit_date" is also read, by visits[0].done_on; '
                "write to a field of its own"
            )
        ],
    ),
    (
        "an output that is also the anchor, though on another event",
        ('target = "vt_target"', 'target = "anchor_date"'),
        [
            (
                'defaults.visits.write.target: "anchor_date" is also read, by '
                "participants.anchors.baseline; write to a field of its own"
            )
        ],
    ),
    (
        "an output that a condition reads",
        ('target = "vt_target"', 'target = "off_study"'),
        [
            (
                'defaults.visits.write.target: "off_study" is also read, by '
                "participants.off_study[0].when; write to a field of its own"
            )
        ],
    ),
    (
        "an output that is the done form's status",
        (
            'target = "vt_target"',
            'target = "visit_complete" }\ndone_form = "visit"\nmissed = "[m] = \'1\'"\n#',
        ),
        [
            (
                'defaults.visits.write.target: "visit_complete" is also read, by '
                "visits[0].done_form; write to a field of its own"
            )
        ],
    ),
    (
        "two values in one field",
        ('state = "vt_state"', 'state = "vt_target"'),
        [
            (
                'defaults.visits.write.state: "vt_target" on month_1_arm_1 is also written by '
                "visits[0].write.target"
            ),
            (
                'defaults.visits.write.state: "vt_target" on month_2_arm_1 is also written by '
                "visits[1].write.target"
            ),
        ],
    ),
    (
        "two visits on one event write the same cells",
        ('at = "month_2_arm_1"', 'at = "month_1_arm_1"'),
        [
            (
                'defaults.visits.write.target: "vt_target" on month_1_arm_1 is also written by '
                "visits[0].write.target"
            ),
            (
                'defaults.visits.write.state: "vt_state" on month_1_arm_1 is also written by '
                "visits[0].write.state"
            ),
        ],
    ),
    (
        "an unknown arm",
        ("{ early = 7, late = 7 }]\n[[", '{ arm = "drugs", early = 7, late = 7 }]\n[['),
        ['visits[0].windows[0].arm: no arm "drugs" in [arms]; did you mean "drug"?'],
    ),
    (
        "an unknown site",
        ("{ early = 7, late = 7 }]\n[[", '{ site = "noth", early = 7, late = 7 }]\n[['),
        ['visits[0].windows[0].site: no site "noth" in [sites]; did you mean "north"?'],
    ),
    (
        "a window that is never used",
        (
            "{ early = 7, late = 7 }]\n[[",
            '{ early = 7, late = 7 }, { arm = "drug", early = 7, late = 9 }]\n[[',
        ),
        [
            "visits[0].windows[0]: fits everybody, so those after it are never used; put it last",
        ],
    ),
    (
        "a hard close before the window's own close",
        ('id = "m1"', 'id = "m1"\nhard_close = { days = 34 }'),
        ["visits[0].hard_close: lies before the close of the window itself"],
    ),
    (
        "two arms of one number",
        ("[sites.north]", "[arms.placebo]\nnumber = 1\n[sites.north]"),
        ['arms.placebo.number: arm "drug" has that number'],
    ),
    (
        "two tokens that say different things about one project",
        (
            "[arms.drug]",
            (
                "[redcap.projects.REDCAP_API_DEV]\nproject_id = 7\nrole = 'development'\n"
                "in_production = false\n[arms.drug]"
            ),
        ),
        [
            (
                "redcap.projects.REDCAP_API_DEV: says something else about project 7 than "
                "REDCAP_API_SNOW"
            )
        ],
    ),
]


@pytest.mark.parametrize(
    ("change", "expected"),
    [(change, expected) for _, change, expected in MISTAKES],
    ids=[name for name, _, _ in MISTAKES],
)
def test_one_mistake_gives_exactly_its_own_lines(
    change: tuple[str, str], expected: list[str]
) -> None:
    """Each mistake is reported where it stands, in plain words, and nothing else is."""
    old, new = change
    assert old in GOOD
    assert findings(GOOD.replace(old, new, 1)) == [f"study.toml: {line}" for line in expected]
