"""Mistakes in the study file's ``[partner]``: all told at once, each with its place."""

from __future__ import annotations

from pathlib import Path

import pytest

from redcap_jobs.clock import SystemClock
from redcap_jobs.errors import StudyFileError
from redcap_jobs.sandbox.ismile import ismile_projects
from redcap_jobs.sandbox.server import Sandbox
from redcap_jobs.study.check import check_against
from redcap_jobs.study.config import Study
from redcap_jobs.study.credentials import Credentials
from redcap_jobs.study.live import open_client
from redcap_jobs.study.loading import bundled_study_text, study_from_bytes


def loaded(*changes: tuple[str, str]) -> Study:
    """Load the bundled study with some texts replaced."""
    text = bundled_study_text("ismile")
    for old, new in changes:
        assert old in text, old
        text = text.replace(old, new, 1)
    return study_from_bytes(text.encode(), Path("ismile.toml"))


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("requests_per_minute = 120", "requests_per_minute = 601", "at most 600"),
        ('token = "AGILE_TOKEN"', 'password = "AGILE_TOKEN"', "needs token, or user"),
        ('adapter = "agile"', 'adapter = "agil"', "agile"),
        ('values = { 1 = "OHT", 2 = "CWT" }', 'values = { 1 = "OHT", 2 = "OHT" }', "two codes"),
        ('role = "arm"', 'role = "arm"\nowner = "partner"', "owned by REDCap"),
        ('date = "%m/%d/%Y"', 'date = "%m/%d"', "date format"),
        ('partner = "lastName"', 'partner = "firstName"', "already"),
        ('partner = "lastName"', 'partner = "last name"', "letters, digits"),
        ('partner = "lastName"', 'partner = "study_id"', "member's own id"),
        ('partner = "lastName"', 'partner = "studyId"', "record's own name"),
        ('partner = "lastName"', 'partner = "memberId"', "the partner gives it"),
        ('partner = "lastName"', 'partner = "status"', "withdrawals"),
        ('role = "arm"', 'urgent = true', 'needs role = "arm"'),
        ('partner = "arm"', 'partner = "group"', 'is named "arm"'),
        ('url = "https://api.agilehealth.example"', 'url = "http://api.agilehealth.example"', "https"),
        (
            'url = "https://sandbox.agilehealth.example"\ntoken = "AGILE_DEV_TOKEN"',
            'url = "https://api.agilehealth.example"\ntoken = "AGILE_TOKEN"',
            "production address",
        ),
        ('required = true\nurgent = true', 'requiered = true\nurgent = true', "required"),
    ],
)  # fmt: skip
def test_each_mistake_is_told_with_what_to_do(old: str, new: str, said: str) -> None:
    """The place is that of the table; nothing is loaded."""
    with pytest.raises(StudyFileError) as raised:
        loaded((old, new))
    assert any(said in str(each) and "partner" in str(each) for each in raised.value.findings)


def test_a_partner_on_this_machine_may_be_asked_faster() -> None:
    """The limit is the real partner's; both addresses must be here."""
    local = "http://127.0.0.1:8021"
    both = [(f"https://{name}.agilehealth.example", local) for name in ("api", "sandbox")]
    fast = ("requests_per_minute = 120", "requests_per_minute = 6000")
    study = loaded(fast, *both)
    assert study.partner is not None
    assert study.partner.requests_per_minute == 6000
    with pytest.raises(StudyFileError, match="at most 600"):
        loaded(fast, both[1])


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        (', 3 = "X" }', ' }', 'choice 3 ("Prefer not to say") of "child_gender" has no translation'),
        ('3 = "X" }', '3 = "X", 4 = "Y" }', 'no choice 4'),
        ('[child_name]', '[child_nam]', 'no field "child_nam"'),
        ('[first-event-name][ag_program_week]', '[first-event-name][part_email]', "part_email"),
        ('withdrawn = "5"', 'withdrawn = "9"', "has no choice 9"),
        ('values = { 1 = "en", 2 = "es" }\nrequired', 'required', "translates none"),
    ],
)  # fmt: skip
def test_check_finds_what_does_not_fit_the_dictionary(
    old: str, new: str, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before any run: a choice nobody translated, a field that does not exist, a wrong type."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    study = loaded((old, new))
    with Sandbox(projects=ismile_projects(participants=1)) as sandbox:
        name = "REDCAP_API_ISMILE_PROD"
        credentials = Credentials(in_environment={name: sandbox.tokens[name]})
        with open_client(sandbox.url, name, credentials, SystemClock()) as client:
            findings = check_against(study, client.read_project())
    assert any(said in str(each) for each in findings), [str(each) for each in findings]


def test_the_bundled_study_fits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is found in the study that comes with the package."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    with Sandbox(projects=ismile_projects(participants=1)) as sandbox:
        name = "REDCAP_API_ISMILE_PROD"
        credentials = Credentials(in_environment={name: sandbox.tokens[name]})
        with open_client(sandbox.url, name, credentials, SystemClock()) as client:
            assert check_against(loaded(), client.read_project()) == []
