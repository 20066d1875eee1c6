"""A value of the study file that cannot be is one line: its key path, what is wrong, a nearer one."""

from pathlib import Path

import pytest
from tests.study.conftest import findings

GOOD = (Path(__file__).parent / "snow.toml").read_text(encoding="utf-8")


MISTAKES = [
    (
        "unknown key, nearest name, and no second line for the key it was meant to be",
        ('name = "Month 1"', 'nam = "Month 1"'),
        ['visits[0].nam: no such key; did you mean "name"?'],
    ),
    (
        "unknown table",
        ("[study]", "[limit]\n[study]"),
        ['limit: no such key; did you mean "limits"?'],
    ),
    (
        "unknown key inside a list of tables",
        ("{ early = 7, late = 7 }]\n[[", "{ early = 7, late = 7, erly = 1 }]\n[["),
        ['visits[0].windows[0].erly: no such key; did you mean "early"?'],
    ),
    (
        "a mistake in the defaults is told once and there",
        ('done_on = "visit_date"', 'done_no = "visit_date"'),
        ['defaults.visits.done_no: no such key; did you mean "done_on"?'],
    ),
    (
        "missing key",
        ('name = "Month 1"\n', ""),
        ["visits[0].name: is required"],
    ),
    (
        "missing table",
        ('[study]\nid = "snow"\nname = "Snow"\ntime_zone = "America/Los_Angeles"\n', ""),
        ["study: is required"],
    ),
    (
        "negative width",
        ("{ early = 7, late = 7 }]\n[[", "{ early = -7, late = 7 }]\n[["),
        ["visits[0].windows[0].early: must be 0 or more"],
    ),
    (
        "a number in quotes is no number",
        ("project_id = 7", 'project_id = "7"'),
        ["redcap.projects.REDCAP_API_SNOW.project_id: must be a whole number"],
    ),
    (
        "a flag must be a flag",
        ("in_production = true", "in_production = 1"),
        ["redcap.projects.REDCAP_API_SNOW.in_production: must be true or false"],
    ),
    (
        "unknown word of a list",
        ('role = "production"', 'role = "prodution"'),
        [
            (
                'redcap.projects.REDCAP_API_SNOW.role: must be "production", "development" or '
                '"source"; did you mean "production"?'
            )
        ],
    ),
    (
        "unknown time zone by its city",
        ("America/Los_Angeles", "US/Los_Angeles"),
        [
            'study.time_zone: no time zone "US/Los_Angeles"; did you mean "America/Los_Angeles"?',
        ],
    ),
    (
        "unknown time zone, mistyped",
        ("America/Los_Angeles", "America/Los_Angles"),
        [
            (
                'study.time_zone: no time zone "America/Los_Angles"; '
                'did you mean "America/Los_Angeles"?'
            ),
        ],
    ),
    (
        "an id that cannot be a key",
        ('id = "snow"', 'id = "Snow 1"'),
        [
            'study.id: must be small letters, digits, "_" and "-", beginning with a letter',
        ],
    ),
    (
        "an address without encryption",
        ("https://redcap", "http://redcap"),
        ["redcap.url: http would send the token in the clear; use https"],
    ),
    (
        "an address that is not the API's",
        ("example.edu/api/", "example.edu/api"),
        ['redcap.url: must end with "/api/"; REDCap redirects otherwise, which is refused'],
    ),
    (
        "a target that is two",
        ("target = { months = 1 }", "target = { months = 1, days = 3 }"),
        ["visits[0].target: must be either { days = N } or { months = N }"],
    ),
    (
        "a value written to a list of fields",
        ('state = "vt_state"', 'state = ["vt_state", "vt_other"]'),
        ["defaults.visits.write.state: a value is written to one field, not to a list"],
    ),
    (
        "a hard close in two ways",
        ('id = "m1"', 'id = "m1"\nhard_close = { days = 60, days_after_close = 3 }'),
        [
            (
                "visits[0].hard_close: must be one of { days_after_close = N }, { days = N } or "
                "{ months = N } (the last two counted from the anchor)"
            )
        ],
    ),
    (
        "nowhere to find a visit's data",
        ('at = "month_1_arm_1"', 'at = { form = "visit" }'),
        [
            (
                'visits[0].at: must say where the visit\'s data stand; an event "baseline_arm_1", '
                'one event per arm ["baseline_arm_1", "baseline_arm_2"], or an instance '
                '{ form = "visit", instance = 2 }'
            )
        ],
    ),
    (
        "everybody off study",
        (
            'when = "[baseline_arm_1][off_study] = \'1\'"\nfrom = "[baseline_arm_1][off_date]"',
            'scope = "texts"',
        ),
        [
            (
                'participants.off_study[0]: needs "when", "from" or both: without either everybody '
                "is off study"
            )
        ],
    ),
    (
        "a newer format is told alone: the rest may be right in it",
        ("format = 1", "format = 2\nnew_key = 1"),
        [
            "format: format 2 is newer than this release, which knows format 1; update redcap-jobs",
        ],
    ),
    (
        "an older or unknown format",
        ("format = 1", "format = 0"),
        ["format: must be 1"],
    ),
    (
        "broken TOML, by line and column",
        ('id = "snow"', 'id = "snow'),
        ["column 11: is not TOML: illegal character '\\n'"],
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
