"""Windows of REDCap's own offsets that overlap, and numbers that REDCap would read as missing."""

from dataclasses import replace
from pathlib import Path

import pytest
from tests.study.conftest import without_line

from redcap_jobs.redcap.project import Project
from redcap_jobs.study.check import check_against
from redcap_jobs.study.loading import study_from_bytes

GOOD = (Path(__file__).parent / "snow_two_arms.toml").read_text(encoding="utf-8")
WINDOWS = "windows = [{ early = 7, late = 7 }]\n"
BOTH = (
    GOOD.replace(WINDOWS, "")
    .replace("target = { months = 1 }", 'target = "redcap"')
    .replace("target = { months = 2 }", 'target = "redcap"')
)


def told(text: str, project: Project) -> list[str]:
    study = study_from_bytes(text.encode(), Path("study.toml"))
    return [without_line(each) for each in check_against(study, project)]


def scheduled(project: Project, **days: tuple[int, int, int]) -> Project:
    """Give the events of both arms offsets by the beginning of their names."""
    events = tuple(
        replace(event, day_offset=day, offset_min=least, offset_max=most)
        for event in project.events
        for day, least, most in [days.get(event.unique_name, days[event.unique_name[:7]])]
    )
    return replace(project, info=replace(project.info, scheduling_enabled=True), events=events)


def overlapping(text: str, project: Project) -> list[str]:
    return [line for line in told(text, project) if "overlaps" in line]


@pytest.mark.parametrize(
    ("second", "expected"),
    [((45, 7, 7), False), ((44, 7, 7), True), ((44, -7, 7), True), ((45, 8, 0), True)],
)
def test_windows_of_redcaps_offsets_overlap(
    project: Project,
    second: tuple[int, int, int],
    expected: bool,
) -> None:
    """Both ends belong to a window; widths count as positive, as a run takes them."""
    offsets = scheduled(project, baselin=(0, 0, 0), month_1=(30, 7, 7), month_2=second)
    assert (
        overlapping(BOTH, offsets)
        == [
            (
                'warning: study.toml: visits[1].target: the window of visit "m2" overlaps that of visit '
                '"m1" for every record; correct days offset and range under Define My Events, or write '
                "them here"
            )
        ]
        * expected
    )


def test_an_arm_without_overlap_keeps_quiet(project: Project) -> None:
    """It is told only where every record would overlap."""
    offsets = scheduled(
        project,
        baselin=(0, 0, 0),
        month_1=(30, 7, 7),
        month_2=(44, 7, 7),
        month_2_arm_2=(60, 7, 7),
    )
    assert overlapping(BOTH, offsets) == []


def test_other_anchors_are_not_compared(project: Project) -> None:
    """What is counted from different dates cannot be compared."""
    offsets = scheduled(project, baselin=(0, 0, 0), month_1=(30, 7, 7), month_2=(30, 7, 7))
    text = BOTH.replace('id = "m2"', 'id = "m2"\nanchor = { visit = "m1", if_missed = "planned" }')
    assert overlapping(BOTH, offsets)
    assert overlapping(text, offsets) == []


def test_widths_and_targets_of_the_file_come_first(project: Project) -> None:
    """A visit of the file's own is compared with one of REDCap's; own widths replace REDCap's."""
    offsets = scheduled(project, baselin=(0, 0, 0), month_1=(30, 7, 7), month_2=(60, 30, 30))
    mixed = BOTH.replace('target = "redcap"', "target = { months = 1 }\n" + WINDOWS, 1)
    assert overlapping(mixed, offsets)
    narrow = BOTH.replace('target = "redcap"', 'target = "redcap"\n' + WINDOWS)
    assert overlapping(narrow, offsets) == []


def test_an_offset_beyond_all_dates_is_no_traceback(project: Project) -> None:
    """REDCap's number of days is not limited; one beyond a century is not compared."""
    offsets = scheduled(project, baselin=(0, 0, 0), month_1=(30, 7, 7), month_2=(9**9, 7, 7))
    assert overlapping(BOTH, offsets) == []


def with_codes(project: Project, *codes: str) -> Project:
    info = replace(project.info, missing_data_codes=dict.fromkeys(codes, "Missing"))
    return replace(project, info=info)


def test_a_whole_number_that_means_missing_is_warned_of(project: Project) -> None:
    """99 days before the target would be "missing" in a project with the code -99."""
    assert told(GOOD, with_codes(project, "NA", "-99", "999")) == [
        (
            'warning: study.toml: defaults.visits.write.days_from_target: "vt_days" may be given a '
            "number that is a missing-data code of the project (-99, 999), which REDCap reads as "
            "missing; give the field @NOMISSING"
        )
    ]
    assert told(GOOD, with_codes(project, "NA", "-9.5")) == []


def test_no_missing_code_is_meant_where_none_is_taken_or_written(project: Project) -> None:
    """A field with @NOMISSING takes no codes; without days_from_target none is written."""
    coded = with_codes(project, "-99")
    field = replace(coded.fields["vt_days"], annotation="@READONLY @NOMISSING")
    assert told(GOOD, replace(coded, fields={**coded.fields, "vt_days": field})) == []
    assert told(GOOD.replace('days_from_target = "vt_days"\n', ""), coded) == []
