"""The tables about texts against a project: what is lacking or does not fit is one line each."""

import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tests.study.conftest import without_line

from redcap_jobs.redcap.project import Choice, Project
from redcap_jobs.study.check import check_against
from redcap_jobs.study.loading import study_from_bytes

GOOD = (Path(__file__).parent / "snow_texts.toml").read_text(encoding="utf-8")
CLASSIC = re.sub(r"(?m)^at = .*\n", "", GOOD.replace("[first-event-name]", ""))
CLASSIC = CLASSIC.replace("[arms.placebo]\nnumber = 2\n", "")
BOTH_LOG = 'at = ["baseline_arm_1", "baseline_arm_2"]'
BOTH_M2 = 'at = ["month_2_arm_1", "month_2_arm_2"]'


def told(text: str, project: Project, *, outputs: bool = True) -> list[str]:
    study = study_from_bytes(text.encode(), Path("study.toml"))
    lines = [without_line(each) for each in check_against(study, project, outputs=outputs)]
    return [line.replace("study.toml: ", "", 1) for line in lines]


def changed(project: Project, name: str, **changes: Any) -> Project:
    """Return a project with one field changed."""
    field = replace(project.fields[name], **changes)
    return replace(project, fields={**project.fields, name: field})


def test_the_fitting_file_has_no_findings(
    texting_project: Project, classic_texting_project: Project
) -> None:
    """The file that all the tests below break fits its project, with events or without."""
    assert told(GOOD, texting_project) == []
    assert told(CLASSIC, classic_texting_project) == []


MISFITS = [
    ("a survey on an event that does not exist", ('"month_2_arm_2"', '"month_22_arm_2"'), 'surveys[1].at: no event "month_22_arm_2"; did you mean "month_2_arm_2"?'),
    ("two events of one arm", (BOTH_M2, 'at = ["month_2_arm_1", "month_1_arm_1", "month_2_arm_2"]'), "surveys[1].at: 2 events of arm 1: a survey is asked for on one event per arm"),
    ("no event at all", (BOTH_M2 + "\n", ""), "surveys[1].at: is required: the project has events; its instrument is on month_1_arm_1, month_2_arm_1, month_1_arm_2, month_2_arm_2"),
    ("an instrument that does not exist", ('es = "diario"', 'es = "diaro"'), 'defaults.surveys.instrument.es: no instrument "diaro"; did you mean "diario"?'),
    ("an instrument that is not there", (BOTH_M2, 'at = ["baseline_arm_1", "month_2_arm_2"]'), 'defaults.surveys.instrument.en: instrument "diary" is not on event baseline_arm_1; designate "diary" for it in REDCap|defaults.surveys.instrument.es: instrument "diario" is not on event baseline_arm_1; designate "diario" for it in REDCap|surveys[1].only_when: "left_early" (instrument "diary") is not on event baseline_arm_1; designate "diary" for it in REDCap'),
    ("an arm without the survey", (', "month_2_arm_2"', ""), "warning: surveys: survey m2 has no event in arm 2; right only if the schedule of that arm is meant to differ"),
    ("a survey for the other arm", (BOTH_M2, 'at = "month_2_arm_1"\narm = "placebo"'), "surveys[1].at: no event of arm 2, so that nobody of placebo would ever be asked; name its event in that arm"),
    ("a survey for one arm only", (BOTH_M2, 'at = "month_2_arm_1"\narm = "drug"'), ""),
    ("a condition of what does not exist", ("[left_early]", "[left_erly]"), 'surveys[1].only_when: no field "left_erly" in the data dictionary; did you mean "left_early"?'),
    ("a phone that does not exist", ("[mobile]", "[mobil]"), 'participants.mobile: no field "mobil" in the data dictionary; did you mean "mobile"?'),
    ("a language of no choice", ('2 = "es" }', '2 = "es", 3 = "en" }'), 'participants.languages.3: is no choice of "lang"; its choices: 1, 2'),
    ("a choice without a language", ('1 = "en", 2 = "es" }', '1 = "en" }'), 'warning: participants.languages: lacks choices of "lang": 2 (Spanish); who has one of them gets no text; name the language of their texts'),
    ("languages by a field of any text", ("[lang]", "[given]"), ""),
    ("no such log", ('form = "log"', 'form = "lgo"'), 'message_log.form: no instrument "lgo"; did you mean "log"?|' + "|".join(f'message_log.write.{key}: "{name}" is on instrument "log", not on "lgo"; every field of the log is on its instrument' for key, name in (("message_key", "l_key"), ("message_kind", "l_kind"), ("occurrence", "l_number"), ("sid", "l_sid"), ("status", "l_status"), ("error", "l_error"), ("posted_at", "l_posted"), ("updated_at", "l_updated")))),
    ("a log on an event that does not exist", ('"baseline_arm_1", ', '"basline_arm_1", '), 'message_log.at: no event "basline_arm_1"; did you mean "baseline_arm_1"?|message_log.at: names no event of arm 1, in which surveys are asked for by text; name an event of that arm, and designate "log" for it'),
    ("a log on an event that lacks it", ('"baseline_arm_1", ', '"month_1_arm_1", '), 'message_log.at: instrument "log" is not on event month_1_arm_1; designate "log" for it in REDCap'),
    ("two logs in one arm", ('"baseline_arm_1", ', '"month_1_arm_2", "baseline_arm_1", '), 'message_log.at: 2 events of arm 2: a text has one row, on one event per arm|message_log.at: instrument "log" is not on event month_1_arm_2; designate "log" for it in REDCap'),
    ("an arm without a log", (BOTH_LOG, 'at = "baseline_arm_1"'), 'message_log.at: names no event of arm 2, in which surveys are asked for by text; name an event of that arm, and designate "log" for it'),
    ("a log on all its events", (BOTH_LOG + "\n", ""), ""),
    ("a field of the log that does not exist", ('"l_sid"', '"l_sd"'), 'message_log.write.sid: no field "l_sd" in the data dictionary; did you mean "l_sid"?'),
    ("a field of another instrument", ('sid = "l_sid"', 'sid = "vt_state"'), 'message_log.write.sid: "vt_state" is on instrument "track", not on "log"; every field of the log is on its instrument'),
]  # fmt: skip


@pytest.mark.parametrize(
    ("change", "expected"), [case[1:] for case in MISFITS], ids=[case[0] for case in MISFITS]
)
def test_one_misfit_gives_exactly_its_own_lines(
    texting_project: Project, change: tuple[str, str], expected: str
) -> None:
    """Each misfit is told where it stands, once for all surveys, errors and warnings apart."""
    old, new = change
    assert old in GOOD
    lines = expected.split("|") if expected else []
    assert told(GOOD.replace(old, new, 1), texting_project) == lines


Change = Callable[[Project], Project]
CHOICES = (Choice("m1", "Month 1"),)
PROJECTS: list[tuple[str, Change, str]] = [
    ("surveys are off", lambda p: replace(p, info=replace(p.info, surveys_enabled=False)), 'surveys: surveys are not turned on in the project; turn on "Use surveys in this project" under Project Setup'),
    ("a survey that repeats", lambda p: replace(p, repeating=p.repeating | {("month_1_arm_2", "diario")}), 'defaults.surveys.instrument.es: instrument "diario" repeats on event month_1_arm_2, so that no one link is the survey\'s; use an instrument and event that do not repeat'),
    ("a log that does not repeat", lambda p: replace(p, repeating=frozenset({("baseline_arm_1", "log")})), 'message_log.at: instrument "log" is not a repeating instrument on event baseline_arm_2; let the instrument repeat there (not the whole event), under Project Setup'),
    ("a key with a validation", lambda p: changed(p, "l_key", validation="integer"), 'message_log.write.message_key: "l_key" has the wrong validation for this (integer); use a text field without validation'),
    ("a key of choices", lambda p: changed(p, "l_key", type="dropdown", choices=CHOICES), 'message_log.write.message_key: "l_key" has the wrong type for this (dropdown); use a text field without validation'),
    ("a kind that lacks a survey", lambda p: changed(p, "l_kind", choices=CHOICES), 'message_log.write.message_kind: "l_kind" lacks choices that will be written: m2; add them in REDCap, or use a text field'),
    ("an occurrence that is a date", lambda p: changed(p, "l_number", validation="date_ymd"), 'message_log.write.occurrence: "l_number" has the wrong validation for this (date_ymd); use a text field, best with integer validation'),
    ("an occurrence without validation", lambda p: changed(p, "l_number", validation=""), ""),
    ("a time without seconds", lambda p: changed(p, "l_posted", validation="datetime_ymd"), 'message_log.write.posted_at: "l_posted" has the wrong validation for this (datetime_ymd); use a text field with validation datetime_seconds_ymd'),
    ("a calculated status", lambda p: changed(p, "l_status", annotation="@CALCTEXT('x')"), 'message_log.write.status: "l_status" is calculated by REDCap (@CALC...); use a text field without validation'),
    ("an opt-out that cannot be ticked", lambda p: changed(p, "bad_number", choices=(Choice("0", "No"), Choice("2", "Yes"))), 'participants.write.invalid_number: "bad_number" lacks choices that will be written: 1; add them in REDCap, or use a text field'),
    ("an opt-out that is a date", lambda p: changed(p, "no_texts", type="text", validation="date_ymd"), 'participants.write.opted_out: "no_texts" has the wrong validation for this (date_ymd); use a yes-no field'),
    ("an opt-out that is a checkbox", lambda p: changed(p, "no_texts", type="checkbox", choices=(Choice("1", "Yes"),)), 'participants.write.opted_out: "no_texts" is a checkbox; say which of its choices is meant; such as "[no_texts(1)]"'),
    ("an opt-out that is a number", lambda p: changed(p, "no_texts", type="text", validation="integer"), ""),
]  # fmt: skip


@pytest.mark.parametrize(
    ("change", "expected"), [case[1:] for case in PROJECTS], ids=[case[0] for case in PROJECTS]
)
def test_a_project_that_does_not_fit_is_told_at_the_key_that_wants_it(
    texting_project: Project, change: Change, expected: str
) -> None:
    """What the project lacks, or cannot hold, is one line at the key of the study file."""
    assert told(GOOD, change(texting_project)) == ([expected] if expected else [])


def test_a_whole_event_that_repeats_is_no_repeating_instrument(texting_project: Project) -> None:
    """Rows of a repeating event have no instrument's instances: the log would not be found."""
    whole = texting_project.repeating - {("baseline_arm_1", "log")} | {("baseline_arm_1", "")}
    lines = told(GOOD, replace(texting_project, repeating=whole))
    assert any(
        line.startswith("message_log.at: ") and "on event baseline_arm_1; let the" in line
        for line in lines
    )


def test_in_a_project_without_events_no_event_can_be_named(
    classic_texting_project: Project,
) -> None:
    """Surveys and log are said to name events for nothing, and nothing else fails over it."""
    text = CLASSIC.replace('id = "m1"', 'id = "m1"\nat = "month_1_arm_1"')
    text = text.replace('form = "log"', f'form = "log"\n{BOTH_LOG}')
    assert told(text, classic_texting_project) == [
        "message_log.at: the project has no events; leave it out",
        "surveys[0].at: the project has no events; leave it out",
    ]


def test_without_events_the_log_must_repeat_and_the_surveys_must_not(
    classic_texting_project: Project,
) -> None:
    """In a classic project, too, a text has a row of its own, and a link one survey."""
    repeating = frozenset({("", "diary")})
    text = CLASSIC.split("only_when")[0]
    assert told(text, replace(classic_texting_project, repeating=repeating)) == [
        (
            'message_log.form: instrument "log" is not a repeating instrument; turn it on as a '
            "repeating instrument under Project Setup"
        ),
        (
            'defaults.surveys.instrument.en: instrument "diary" repeats, so that no one link is the '
            "survey's; use an instrument and event that do not repeat"
        ),
    ]


def test_a_project_that_is_only_read_needs_no_log(texting_project: Project) -> None:
    """Where one project is exported and another written, the log is looked for in the latter."""
    fields = {name: each for name, each in texting_project.fields.items() if each.form != "log"}
    without = replace(texting_project, fields=fields)
    assert len(told(GOOD, without)) == 9
    assert told(GOOD, without, outputs=False) == []
