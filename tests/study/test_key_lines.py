"""The line of a key: where an editor must go to mend a mistake."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

from redcap_jobs.errors import StudyFileError
from redcap_jobs.study.flaws import KeyPath
from redcap_jobs.study.key_lines import key_lines, place
from redcap_jobs.study.loading import bundled_study_text, study_from_bytes
from redcap_jobs.study.starter import Source, study_text

ODD = """\
# comment with [brackets] and = signs
a.b = 1
"quoted.key" = 'x # no comment'

[t]  # comment
text = \"\"\"
[no.header]
no_key = 1 \\\"\"\" still text \"\"\"\"
raw = \'\'\'
it\'s [text]\'\'\'
when = 2026-11-22 07:32:00.5+01:00
list = [
  { x = 1, y.z = [2,
    3] },  # ] }
  "]",
]
empty = []

[[items]]
k = 1
[items.sub]
deep = 1.5
[[items.more]]
k = 1
[[items]]
k = 2
[[items.more]]
k = 3
"""


def paths(table: object, above: KeyPath = ()) -> Iterator[KeyPath]:
    """Yield every key path of a parsed file."""
    steps: Iterator[tuple[str | int, object]] = iter(())
    if isinstance(table, dict):
        steps = iter(table.items())
    elif isinstance(table, list):
        steps = iter(enumerate(table))
    for step, inside in steps:
        yield (*above, step)
        yield from paths(inside, (*above, step))


SNOW = (Path(__file__).parent / "snow_two_arms.toml").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    "text",
    [ODD, SNOW, bundled_study_text("ismile"), study_text(Source())],
    ids=["odd", "snow", "ismile", "template"],
)
def test_every_key_has_a_line_and_stands_on_it(text: str) -> None:
    """All key paths that tomllib finds, no other, and each line holds the key's last word."""
    lines = key_lines(text)
    assert set(lines) == set(paths(tomllib.loads(text)))
    written = text.splitlines()
    for path, line in lines.items():
        if isinstance(path[-1], str):
            assert path[-1] in written[line - 1], path


def test_odd_places_are_found() -> None:
    """Text that looks like keys is none; items of arrays, inline tables and sub-tables count."""
    lines = key_lines(ODD)
    expected: dict[KeyPath, int] = {
        ("t", "raw"): 9,
        ("t", "when"): 11,
        ("t", "list", 0, "y", "z", 1): 14,
        ("t", "list", 1): 15,
        ("items", 0, "sub", "deep"): 22,
        ("items", 1): 25,
        ("items", 1, "more", 0, "k"): 28,
    }
    assert {path: lines[path] for path in expected} == expected


def test_a_missing_key_stands_where_its_table_begins() -> None:
    """The header of the table that lacks it; no line where the table is missing as well."""
    lines = key_lines(ODD)
    file = Path("study.toml")
    assert place(file, ("items", 1, "absent"), lines) == "study.toml:25: items[1].absent"
    assert place(file, ("absent", "key"), lines) == "study.toml: absent.key"


def test_a_mistake_is_told_with_its_line() -> None:
    """``file:line: key: what; hint``, which editors and terminals make a link of."""
    text = bundled_study_text("ismile").replace("\nshrink_to", "\nshrink_too")
    [number] = [n for n, line in enumerate(text.splitlines(), 1) if "shrink_too" in line]
    with pytest.raises(StudyFileError) as caught:
        study_from_bytes(text.encode(), Path("ismile.toml"))
    assert str(caught.value) == (
        f'ismile.toml:{number}: limits.shrink_too: no such key; did you mean "shrink_to"?'
    )
