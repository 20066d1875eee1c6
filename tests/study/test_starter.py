"""``init``: files that load, guesses that are marked, nothing overwritten, nothing left lacking."""

import csv
import io
import re
import stat
import zipfile
from dataclasses import replace
from pathlib import Path

import pytest

from redcap_jobs.errors import UsageError
from redcap_jobs.redcap.project import Event, Project
from redcap_jobs.study.check import check_against, check_doubts, check_to_do
from redcap_jobs.study.config import Study
from redcap_jobs.study.guesses import guess_visits, slug
from redcap_jobs.study.loading import bundled_study_text, draft_study, study_from_bytes
from redcap_jobs.study.output_fields import (
    HEADER,
    as_csv,
    as_instrument_zip,
    instrument_zips,
    missing_rows,
)
from redcap_jobs.study.starter import TODO, Source, env_text, starter_files, study_text, write_files
from redcap_jobs.study.starter_texts import uncommented
from redcap_jobs.study.visit_state_names import VISIT_STATES

TIMES = ("sms_queued_at", "sms_updated_at")


def read(text: str) -> Study:
    return study_from_bytes(text.encode(), Path("study.toml"))


def test_the_template_loads_and_every_guess_is_marked() -> None:
    """A fresh study file has no mistake but its TO-DO marks, which check reports by line."""
    text = study_text(Source())
    marks = [number for number, line in enumerate(text.splitlines(), 1) if "# TO-DO: " in line]
    findings = check_to_do(read(text))
    assert [finding.where for finding in findings] == [f"study.toml:{n}" for n in marks]
    assert {finding.severity for finding in findings} == {"error"}
    assert "America/Los_Angeles" in findings[2].what


def test_every_line_that_only_the_study_can_fill_in_carries_a_mark() -> None:
    """Of the template's lines, also those to be uncommented; nothing else is the study's own."""
    own = re.compile(
        r"^(# )?(id|name|time_zone|url|project_id|role|in_production|who|when|from|baseline|at|"
        r"target|windows|done_on|done_form|first_name|mobile|language|languages|may_text|hours|"
        r"recipients|instrument|starts_on|latest|remind|due) = |# \[defaults.surveys..*texts"
    )
    visits = study_text(Source()).partition("[[visits]]")
    lines = [line for line in (visits[0]).splitlines() if own.match(line)]
    lines += [
        line for line in visits[2].splitlines() if line.startswith(("id", "at =", "target", "wind"))
    ]
    texts = visits[2].partition("# [sender]")[2].splitlines()
    lines += [line for line in texts if own.match(line)]
    unmarked = [line for line in lines if TODO not in line]
    assert unmarked == ['target = "vt_target"']
    assert len(lines) > 30


def test_without_the_marks_of_comments_the_template_texts() -> None:
    """Nothing but the ``#`` keeps a first file from texting: taken away, it has no mistake."""
    text = study_text(Source())
    assert read(text).surveys == ()
    assert read(text).message_log is None
    study = read(uncommented(text))
    assert [survey.id for survey in study.surveys] == ["m1-survey"]
    assert check_doubts(study) == []
    assert uncommented(uncommented(text)) == uncommented(text)


def test_a_projects_text_tables_fit_the_project(
    texting_project: Project, classic_texting_project: Project
) -> None:
    """From the live structure: phone, name and language by their fields, and their choices."""
    for project in (texting_project, classic_texting_project):
        study = draft_study(uncommented(study_text(Source(project=project))), Path("study.toml"))
        people = study.participants
        assert [each.field for each in (*people.mobile, *people.first_name, *people.language)] == [
            "mobile",
            "given",
            "lang",
        ]
        assert people.languages == {"1": "en", "2": "es"}
        assert (study.surveys[0].at is None) == (not project.is_longitudinal)
    text = uncommented(study_text(Source(project=texting_project)))
    for guess, right in {
        "rand_group": "group",
        "off_study_date": "off_date",
        "parent_survey": "diary",
        "encuesta_padres": "diario",
        'form = "message_log"': 'form = "log"',
    }.items():
        text = text.replace(guess, right)
    study = draft_study(text, Path("study.toml"))
    lacking = {row["Variable / Field Name"] for row in missing_rows(study, texting_project)}
    errors = [each for each in check_against(study, texting_project) if each.severity == "error"]
    assert {each.what.split('"')[1] for each in errors} == lacking
    assert lacking >= {"sms_opted_out", "sms_bad_number", "sms_key"}


def test_a_visits_instances_are_not_those_of_the_log(classic_texting_project: Project) -> None:
    """Without events the repeating instrument that holds the visit date is guessed, if one does."""
    both = replace(classic_texting_project, repeating=frozenset({("", "log"), ("", "visit")}))
    study = read(study_text(Source(project=both)))
    assert {getattr(visit.at, "form", "") for visit in study.visits} == {"visit"}


def test_fields_are_on_the_instrument_that_needs_them() -> None:
    """Computed for a visit, ticked for a person, logged for a text: three instruments, one ZIP each.

    Ticks can be set by people on the page; whatever else jobs write is read-only there.
    """
    rows = missing_rows(read(uncommented(study_text(Source()))), None)
    assert set(instrument_zips(rows)) == {"visit_tracking.zip", "texting.zip", "message_log.zip"}
    forms = [row["Form Name"] for row in rows]
    assert forms == sorted(forms, key=["visit_tracking", "texting", "message_log"].index)
    by_name = {row["Variable / Field Name"]: row for row in rows}
    assert len(by_name) == len(rows) == 18
    editable = {name for name, row in by_name.items() if not row["Field Annotation"]}
    assert editable == {"sms_opted_out", "sms_bad_number"}
    assert by_name["sms_opted_out"]["Field Type"] == "yesno"
    assert by_name["sms_key"]["Form Name"] == "message_log"
    times = {by_name[name]["Text Validation Type OR Show Slider Number"] for name in TIMES}
    assert times == {"datetime_seconds_ymd"}


def test_only_what_is_lacking_comes(texting_project: Project) -> None:
    """A project that has the log and the ticks gets neither again."""
    text = (Path(__file__).parent / "snow_texts.toml").read_text(encoding="utf-8")
    assert missing_rows(read(text), texting_project) == []
    fields = {name: each for name, each in texting_project.fields.items() if name != "l_sid"}
    [row] = missing_rows(read(text), replace(texting_project, fields=fields))
    assert (row["Variable / Field Name"], row["Form Name"]) == ("l_sid", "log")


def test_the_env_file_names_what_texts_need() -> None:
    """Variables of sender, development recipients and mail server come blank, each once."""
    text = (Path(__file__).parent / "snow_texts.toml").read_text(encoding="utf-8")
    text = text.replace("[notify.smtp]", '[notify.smtp]\nuser = "SMTP"\npassword = "SMTP_PASSWORD"')
    lines = str(starter_files(text, read(text), None)[".env"]).splitlines()
    blank = [line for line in lines if line.endswith("=")]
    assert blank == [
        "REDCAP_API_SNOW=",
        "TWILIO_ACCOUNT_SID=",
        "TWILIO_AUTH_TOKEN=",
        "TWILIO_NUMBER=",
        "TEXTS_TO_ME=",
        "SMTP=",
        "SMTP_PASSWORD=",
        "REDCAP_JOBS_STATE_URL=",
    ]
    assert "Who texts" not in env_text(["REDCAP_API_SNOW"])


def test_the_env_file_names_what_opens_the_partner() -> None:
    """Both copies' variables, blank; a study without a partner hears nothing of one."""
    whole = read(bundled_study_text("ismile"))
    lines = str(starter_files(bundled_study_text("ismile"), whole, None)[".env"]).splitlines()
    at = lines.index("AGILE_TOKEN=")
    assert lines[at + 1] == "AGILE_DEV_TOKEN="
    assert "partner" in lines[at - 1]
    assert "partner" not in env_text(["REDCAP_API_SNOW"])


def test_a_projects_study_file_fits_the_project(project: Project) -> None:
    """From the live structure: ids, arms, events and likely date fields, all of which exist.

    (The project's offsets are all the same, so that its windows overlap: a draft all the same.)
    """
    text = study_text(Source("https://redcap.example.edu/api/", "REDCAP_API_SNOW", project))
    study = draft_study(text, Path("study.toml"))
    assert study.redcap.projects["REDCAP_API_SNOW"].model_dump() == {
        "project_id": 7,
        "role": "production",
        "in_production": True,
        "data_access_group": None,
    }
    assert [arm.number for arm in study.arms.values()] == [1, 2]
    assert [str(each) for each in study.participants.anchors["baseline"]] == [
        "[first-event-name][anchor_date]"
    ]
    assert {str(each) for visit in study.visits for each in visit.done_on} == {"[visit_date]"}
    assert [visit.id for visit in study.visits] == ["baseline", "month_1", "month_2"]
    lacking = {finding.what.split('"')[1] for finding in check_against(study, project)}
    rows = {row["Variable / Field Name"] for row in missing_rows(study, project)}
    assert (
        lacking
        == rows
        == {"vt_closes", "vt_flags", "vt_last_timestamp", "vt_pending_visit"}
        | {"vt_days_from_target"}
    )


def test_a_classic_projects_visits_are_instances(classic_project: Project) -> None:
    """Without events the visits are instances of the repeating instrument, marked as guesses."""
    study = read(study_text(Source(project=classic_project)))
    assert [visit.model_dump()["at"] for visit in study.visits] == [
        {"form": "visit", "instance": 1},
        {"form": "visit", "instance": 2},
    ]
    assert "event-name" not in study_text(Source(project=classic_project)).split("[defaults")[0]


@pytest.mark.parametrize(
    ("name", "target"),
    [
        ("Month 12", "months = 12"),
        ("Week 4 call", "days = 28"),
        ("Day-7", "days = 7"),
        ("Year 2", "months = 24"),
        ("Baseline", "days = 0"),
        ("Screening", "days = 0"),
        ("Final", None),
    ],
)
def test_targets_are_guessed_from_names(project: Project, name: str, target: str | None) -> None:
    """Take "Month 12" for twelve calendar months, a week seven days; other names say nothing."""
    [visit] = guess_visits(replace(project, events=(Event("x_arm_1", name, 1),)))
    assert (visit.target, visit.widths, visit.sure) == (target, None, False)


def test_redcaps_own_offsets_come_first(project: Project) -> None:
    """With Scheduling on, offsets are taken as they are, widths as positive numbers of days."""
    event = Event("month_1_arm_1", "Month 1", 1, day_offset=30, offset_min=-3, offset_max=5)
    [visit] = guess_visits(replace(project, events=(event,)))
    assert (visit.target, visit.widths, visit.sure) == ("days = 30", (3, 5), True)


def test_events_of_one_name_are_one_visit_and_like_ids_are_numbered(project: Project) -> None:
    """One visit is one event per arm; names that make the same id get a number."""
    events = (
        Event("visit_1_arm_1", "Visit 1", 1),
        Event("visit_1_arm_1b", "Visit: 1", 1),
        Event("visit_1_arm_2", "Visit 1", 2),
    )
    visits = guess_visits(replace(project, events=events))
    assert [(visit.id, visit.events) for visit in visits] == [
        ("visit_1", ("visit_1_arm_1", "visit_1_arm_2")),
        ("visit_1_2", ("visit_1_arm_1b",)),
    ]


@pytest.mark.parametrize(("text", "made"), [("A  b-C", "a_b_c"), ("12 weeks", "v_12_weeks")])
def test_slugs_can_be_ids(text: str, made: str) -> None:
    """An id is small letters, digits and underscores, a letter first."""
    assert slug(text) == made


def test_dictionary_rows_are_in_redcaps_upload_wording() -> None:
    """The CSV has REDCap's 18 columns; state lists every state; the page shows them read-only."""
    rows = missing_rows(read(study_text(Source())), None)
    parsed = list(csv.DictReader(io.StringIO(as_csv(rows))))
    assert tuple(parsed[0]) == HEADER
    assert len(HEADER) == 18
    by_name = {row["Variable / Field Name"]: row for row in parsed}
    states = by_name["vt_state"]["Choices, Calculations, OR Slider Labels"].split(" | ")
    assert [state.split(", ")[0] for state in states] == list(VISIT_STATES)
    assert by_name["vt_target"]["Text Validation Type OR Show Slider Number"] == "date_ymd"
    assert {row["Form Name"] for row in parsed} == {"visit_tracking"}
    assert {row["Field Annotation"] for row in parsed} == {"@READONLY"}


def test_the_instrument_zip_holds_the_same_rows() -> None:
    """The Online Designer reads ``instrument.csv`` from an instrument ZIP and adds it."""
    rows = missing_rows(read(study_text(Source())), None)
    with zipfile.ZipFile(io.BytesIO(as_instrument_zip(rows))) as archive:
        assert archive.namelist() == ["instrument.csv"]
        assert archive.read("instrument.csv").decode() == as_csv(rows)


def test_files_are_never_overwritten_without_force(tmp_path: Path) -> None:
    """All files that exist are named, and none is written; with force the old are kept."""
    text = study_text(Source())
    files = starter_files(text, read(text), None)
    (tmp_path / "study.toml").write_text("mine")
    (tmp_path / ".env").write_text("secret")
    with pytest.raises(UsageError) as caught:
        write_files(tmp_path, files, force=False)
    assert str(tmp_path / "study.toml") in str(caught.value)
    assert str(tmp_path / ".env") in str(caught.value)
    assert not (tmp_path / "output_fields.csv").exists()
    write_files(tmp_path, files, force=True)
    write_files(tmp_path, files, force=True)
    assert (tmp_path / "study.toml").read_text() == text
    assert (tmp_path / "study.toml.old").read_text() == "mine"
    assert (tmp_path / "study.toml.old2").read_text() == text
    assert (tmp_path / ".env.old").read_text() == "secret"


def test_the_env_file_is_private_from_its_first_byte(tmp_path: Path) -> None:
    """Mode 600, tokens blank, a hash key of its own each time."""
    write_files(tmp_path, {".env": env_text(["REDCAP_API_A", "REDCAP_API_B"])}, force=False)
    path = tmp_path / ".env"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    lines = path.read_text().splitlines()
    assert {"REDCAP_API_A=", "REDCAP_API_B=", "REDCAP_JOBS_STATE_URL="} <= set(lines)
    keys = {env_text([]).split("REDCAP_JOBS_HASH_KEY=")[1] for _ in range(2)}
    assert len(keys) == 2
    assert min(len(key.strip()) for key in keys) >= 32
