"""Every mistake in a study file is one line: its key path, what is wrong, the nearest right name."""

import tomllib
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from copy import deepcopy
from pathlib import Path
from random import Random
from typing import Any

import pytest
from tests.study.conftest import without_line

from redcap_jobs.errors import Finding, StudyFileError
from redcap_jobs.redcap.records import EventPlace, RepeatPlace
from redcap_jobs.study.config import Study
from redcap_jobs.study.flaws import in_file_order
from redcap_jobs.study.loading import (
    bundled_studies,
    bundled_study_text,
    judge,
    load_bundled_or_file,
    load_study,
    study_from_bytes,
    with_defaults,
)

GOOD = (Path(__file__).parent / "snow.toml").read_text(encoding="utf-8")


def read(text: str) -> Study:
    return study_from_bytes(text.encode(), Path("study.toml"))


def findings(text: str, told: Callable[[Finding], str] = without_line) -> list[str]:
    try:
        read(text)
    except StudyFileError as error:
        return [told(finding) for finding in error.findings]
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
    told = findings(GOOD.replace('id = "snow"', 'id = "snow"\n' + place.format(token)), str)
    assert told[0] == (
        "study.toml:4: holds what looks like a token; a study file names variables, never "
        "their values; take it out, and have it regenerated (in REDCap, or with Twilio or the "
        "partner)"
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
        (tmp_path, "is a directory; give the path of the study file, such as .*/study.toml"),
        (tmp_path / "latin.toml", 'is not UTF-8 text; save it as "UTF-8"'),
    ]:
        with pytest.raises(StudyFileError, match=words):
            load_study(path)


@pytest.mark.parametrize("content", [b"", b" \r\n\t\n", b"\xef\xbb\xbf"])
def test_an_empty_file_is_one_finding(tmp_path: Path, content: bytes) -> None:
    """A file without a word is empty, which is said instead of every key that it lacks."""
    path = tmp_path / "study.toml"
    path.write_bytes(content)
    with pytest.raises(StudyFileError) as told:
        load_study(path)
    assert [str(each) for each in told.value.findings] == [
        f"{path}: is empty; for a first study file type: redcap-jobs init --help"
    ]


@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"], ids=["no mark", "byte order mark"])
@pytest.mark.parametrize("line_end", ["\n", "\r\n"], ids=["LF", "CRLF"])
def test_what_editors_of_windows_write_is_accepted(
    tmp_path: Path, mark: bytes, line_end: str
) -> None:
    """A byte order mark and CRLF change nothing: not the study, not the line of a TO-DO."""
    path = tmp_path / "study.toml"
    text = GOOD.replace('id = "snow"', 'id = "snow" # TO-DO: is that its id?')
    path.write_bytes(mark + text.replace("\n", line_end).encode())
    study = load_study(path)
    assert study.model_dump(mode="json") == read(text).model_dump(mode="json")
    assert study.to_do == ((3, "is that its id?"),)


def test_lines_are_counted_as_an_editor_does() -> None:
    """A line separator inside a value ends no line of the file."""
    text = GOOD.replace('name = "Snow"', 'name = "Snow\u2028\x85" # TO-DO: a better name')
    assert read(text).to_do == ((4, "a better name"),)


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


JUNK = [
    *(0, -1, 1.5, True, "", "x", "[a", [], {}, [1], ["x"], {"x": 1}, [[]], [{}], 10**30),
    *("redcap", {"days": 1}, {"visit": "m2"}),
]


def key_paths(written: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    if path:
        yield path
    pairs: Iterable[tuple[Any, Any]] = ()
    if isinstance(written, dict):
        pairs = written.items()
    elif isinstance(written, list):
        pairs = enumerate(written)
    for key, value in pairs:
        yield from key_paths(value, (*path, key))


@pytest.mark.parametrize("seed", range(40))
def test_no_value_anywhere_breaks_the_checking_itself(seed: int) -> None:
    """Whatever stands in a key's place, or is missing, there are findings and never a traceback."""
    dice = Random(seed)  # noqa: S311 - repeatable, no secret
    written = tomllib.loads(bundled_study_text("ismile"))
    for *table, key in dice.sample(list(key_paths(written)), 3):
        place = written
        with suppress(KeyError, IndexError, TypeError):
            for step in table:
                place = place[step]
            place[key] = deepcopy(dice.choice(JUNK))
    study, flaws = judge(with_defaults(written))
    assert (study is None) == bool(flaws)
    assert len(in_file_order(flaws, written)) == len(set(in_file_order(flaws, written)))
