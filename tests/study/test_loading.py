"""Every mistake in a study file is one line: its key path, what is wrong, the nearest right name."""

from pathlib import Path

import pytest

from redcap_jobs.errors import StudyFileError
from redcap_jobs.redcap.records import EventPlace, RepeatPlace
from redcap_jobs.study.config import Study
from redcap_jobs.study.loading import (
    bundled_studies,
    bundled_study_text,
    load_bundled_or_file,
    load_study,
    study_from_bytes,
)

GOOD = """\
format = 1
[study]
id = "snow"
name = "Snow"
time_zone = "America/Los_Angeles"
[redcap]
url = "https://redcap.example.edu/api/"
[redcap.projects.REDCAP_API_SNOW]
project_id = 7
role = "production"
in_production = true
[arms.drug]
number = 1
when = "[baseline_arm_1][group] = '1'"
[sites.north]
[participants]
who = "[baseline_arm_1][consent(1)] = '1'"
[participants.anchors]
baseline = "[baseline_arm_1][anchor_date]"
[[participants.off_study]]
when = "[baseline_arm_1][off_study] = '1'"
from = "[baseline_arm_1][off_date]"
[defaults.visits]
anchor = "baseline"
done_on = "visit_date"
write = { target = "vt_target", state = "vt_state" }
[[visits]]
id = "m1"
name = "Month 1"
at = "month_1_arm_1"
target = { months = 1 }
windows = [{ early = 7, late = 7 }]
[[visits]]
id = "m2"
name = "Month 2"
at = "month_2_arm_1"
target = { months = 2 }
windows = [{ early = 7, late = 7 }]
"""


def read(text: str) -> Study:
    return study_from_bytes(text.encode(), Path("study.toml"))


def findings(text: str) -> list[str]:
    try:
        read(text)
    except StudyFileError as error:
        return [str(finding) for finding in error.findings]
    return []


def test_a_good_file_loads() -> None:
    """The file that all the tests below break is itself without a mistake."""
    study = read(GOOD)
    assert [(visit.id, visit.anchor, visit.if_anchor_missed) for visit in study.visits] == [
        ("m1", "baseline", None),
        ("m2", "baseline", None),
    ]
    assert study.path == Path("study.toml")
    assert len(study.sha256) == 64


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
        "a target missing",
        ("target = { months = 1 }\n", ""),
        ['visits[0].target: is required; add target = { months = N }, { days = N } or "redcap"'],
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
        "a value written to a list of fields",
        ('state = "vt_state"', 'state = ["vt_state", "vt_other"]'),
        ["defaults.visits.write.state: a value is written to one field, not to a list"],
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
        ["line 3, column 11: is not TOML: illegal character '\\n'"],
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


def test_five_mistakes_are_told_at_once_in_file_order() -> None:
    """A broken value hides neither another broken value nor a broken rule between tables."""
    text = (
        GOOD.replace("America/Los_Angeles", "Los Angeles")
        .replace('"[baseline_arm_1][anchor_date]"', '"[baseline_arm_1][anchor_date"')
        .replace('name = "Month 1"', 'name = "Month 1"\ndone_form = 3')
        .replace('id = "m2"', 'id = "m1"')
        .replace("target = { months = 2 }", "target = { months = 2 }\nhard_clos = { days = 1 }")
    )
    told = findings(text)
    assert [line.split(": ")[1] for line in told] == [
        "study.time_zone",
        "participants.anchors.baseline",
        "visits[0].done_form",
        "visits[1].id",
        "visits[1].hard_clos",
    ]
    assert told[0].endswith('did you mean "America/Los_Angeles"?')


@pytest.mark.parametrize(
    ("condition", "character"),
    [("[consent(1)] = ", 15), ("[consent(1) = '1'", 13), ("consent ==", 10)],
)
def test_a_condition_that_does_not_parse_says_where(condition: str, character: int) -> None:
    """A syntax error of REDCap's logic is one finding at its key path, with its position."""
    [told] = findings(GOOD.replace("[baseline_arm_1][consent(1)] = '1'", condition))
    assert told.startswith(f"study.toml: participants.who: character {character}: ")


def test_visits_in_a_circle_are_told_once() -> None:
    """Three visits that anchor each other give one line, at the first of them."""
    text = GOOD.replace(
        'id = "m1"', 'id = "m1"\nanchor = { visit = "m2", if_missed = "planned" }'
    ).replace('id = "m2"', 'id = "m2"\nanchor = { visit = "m1", if_missed = "planned" }')
    assert findings(text) == [
        "study.toml: visits[0].anchor: visits anchor each other in a circle: m1 → m2 → m1"
    ]


@pytest.mark.parametrize("length", [32, 64])
@pytest.mark.parametrize(
    "place", ['name = "{}"', "# token: {}", "[redcap.projects.{}]", '"{}" = 1', "id = {}"]
)
def test_a_literal_token_is_refused_without_showing_it(place: str, length: int) -> None:
    """Wherever a token stands, comment, key or broken TOML, its line is named and not it."""
    token = ("0123456789abcdefABCDEF" * 3)[:length]
    told = findings(GOOD.replace('id = "snow"', 'id = "snow"\n' + place.format(token)))
    assert told[0] == (
        "study.toml: line 4: holds what looks like a token; a study file names variables, never "
        "their values; take it out and have it regenerated in REDCap"
    )
    assert token.casefold() not in "\n".join(told).casefold()


def test_months_are_compared_over_every_anchor_date() -> None:
    """A gap of one month is 28 to 31 days: widths that touch for some only are no file error."""
    sometimes = GOOD.replace(
        "target = { months = 2 }\nwindows = [{ early = 7",
        "target = { months = 2 }\nwindows = [{ early = 23",
    )
    assert findings(sometimes) == []
    assert "always overlaps" in findings(sometimes.replace("early = 23", "early = 24"))[0]


def test_windows_of_different_arms_never_overlap() -> None:
    """Two visits whose events lie in different arms are never compared."""
    text = GOOD.replace("target = { months = 2 }", "target = { months = 1 }")
    assert "always overlaps" in findings(text)[0]
    assert findings(text.replace('"month_2_arm_1"', '"month_2_arm_2"')) == []


def test_a_variant_that_does_not_overlap_keeps_the_file_right() -> None:
    """It is an error only where every record would overlap."""
    wide = "{ early = 24, late = 7 }"
    text = GOOD.replace(
        "target = { months = 2 }\nwindows = [{ early = 7, late = 7 }]",
        f"target = {{ months = 2 }}\nwindows = [{{ arm = 'drug', early = 7, late = 7 }}, {wide}]",
    )
    assert findings(text) == []


def test_places_offsets_and_anchors_are_read_as_written() -> None:
    """The written forms of one value all lead to the same models."""
    study = read(
        GOOD.replace('at = "month_1_arm_1"', 'at = ["month_1_arm_1", "month_1_arm_2"]')
        .replace('at = "month_2_arm_1"', 'at = { form = "visit", instance = 2 }')
        .replace('id = "m2"', 'id = "m2"\nanchor = { visit = "m1", if_missed = "not_scheduled" }')
        .replace("target = { months = 2 }", 'target = "redcap"')
        .replace('done_on = "visit_date"', 'done_on = ["visit_date", "[m_arm_1][other_date]"]')
    )
    first, second = study.visits
    assert first.at == EventPlace(("month_1_arm_1", "month_1_arm_2"))
    assert second.at == RepeatPlace("visit", 2)
    assert (second.anchor, second.if_anchor_missed) == ("visit:m1", "not_scheduled")
    assert second.target == "redcap"
    assert [str(reference) for reference in first.done_on] == [
        "[visit_date]",
        "[m_arm_1][other_date]",
    ]


def test_a_visits_own_key_replaces_the_default_and_write_is_merged() -> None:
    """``[defaults.visits]`` lies under each visit; only ``write`` is merged key by key."""
    study = read(
        GOOD.replace("[defaults.visits]", "[defaults.visits]\nhard_close = { days = 90 }").replace(
            'id = "m2"', 'id = "m2"\nhard_close = { months = 4 }\nwrite = { state = "other" }'
        )
    )
    first, second = study.visits
    assert first.hard_close is not None
    assert first.hard_close.days == 90
    assert second.hard_close is not None
    assert (second.hard_close.days, second.hard_close.months) == (None, 4)
    assert [str(each) for each in (*second.write.target, *second.write.state)] == [
        "[vt_target]",
        "[other]",
    ]


def test_a_study_can_be_written_out_again() -> None:
    """Every value has a written form, so that parts of a study can be compared between runs."""
    study = read(GOOD)
    dumped = study.model_dump(mode="json", by_alias=True, exclude_defaults=True)
    assert dumped["visits"][0]["done_on"] == ["[visit_date]"]
    assert dumped["participants"]["who"] == "[baseline_arm_1][consent(1)] = '1'"
    again = Study.model_validate(dumped)
    assert again.model_dump(mode="json", by_alias=True, exclude_defaults=True) == dumped


def test_what_cannot_be_read_says_why(tmp_path: Path) -> None:
    """A missing file, a folder and bytes that are no text are findings, not tracebacks."""
    (tmp_path / "latin.toml").write_bytes(b'name = "\xe9"')
    for path, words in [
        (tmp_path / "none.toml", "No such file"),
        (tmp_path, "Is a directory"),
        (tmp_path / "latin.toml", "is not UTF-8 text"),
    ]:
        with pytest.raises(StudyFileError, match=words):
            load_study(path)


@pytest.mark.parametrize("name", bundled_studies())
def test_every_bundled_study_is_right(name: str) -> None:
    """What comes with the package passes its own check, by its name alone."""
    study = load_bundled_or_file(name)
    assert study.study.id == name
    assert study.redcap.url in bundled_study_text(name)


def test_an_unknown_bundled_study_names_the_nearest() -> None:
    """A name that is neither file nor bundled study says both."""
    with pytest.raises(StudyFileError, match=r'ismle: no such file.*did you mean "ismile"\?'):
        load_bundled_or_file("ismle")


@pytest.mark.parametrize(
    ("url", "loopback"),
    [
        ("http://127.0.0.1:8071/api/", True),
        ("http://localhost:8071/api/", True),
        ("http://[::1]:8071/api/", True),
        ("https://127.0.0.1.example.edu/api/", False),
        ("https://redcap.example.edu/api/", False),
    ],
)
def test_only_this_machine_is_loopback(url: str, loopback: bool) -> None:
    """Plain http is allowed to this machine only, and a name that begins like it is not it."""
    assert read(GOOD.replace("https://redcap.example.edu/api/", url)).redcap.is_loopback is loopback
    if not loopback:
        plain = url.replace("https", "http")
        assert findings(GOOD.replace("https://redcap.example.edu/api/", plain)) == [
            "study.toml: redcap.url: http would send the token in the clear; use https"
        ]
