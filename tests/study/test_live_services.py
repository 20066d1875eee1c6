"""``check --token``: do Twilio and the partner know who asks? Nothing is sent, nobody enrolled."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import pytest

from redcap_jobs.clock import SystemClock
from redcap_jobs.sandbox.ismile import ismile_projects
from redcap_jobs.sandbox.partner_account import made_up_partner
from redcap_jobs.sandbox.server import Sandbox
from redcap_jobs.sandbox.twilio_account import made_up_account
from redcap_jobs.study.config import Study
from redcap_jobs.study.credentials import Credentials
from redcap_jobs.study.live_services import check_services
from redcap_jobs.study.loading import bundled_study_text, study_from_bytes

DEV, PROD = "REDCAP_API_ISMILE_DEV", "REDCAP_API_ISMILE_PROD"


@pytest.fixture
def sandbox(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Sandbox]:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    projects = ismile_projects(participants=1, as_of=date(2026, 11, 22))
    with Sandbox(projects, twilio=made_up_account(), partner=made_up_partner()) as server:
        yield server


def study_of(sandbox: Sandbox, *changes: tuple[str, str]) -> Study:
    """Load the bundled study for this server, with some texts replaced."""
    text = re.sub(
        r'(?m)^url = ".*"$', f'url = "{sandbox.url}"', bundled_study_text("ismile"), count=1
    )
    text = text.replace("[sender]\n", f'[sender]\nurl = "{sandbox.twilio_url}"\n')
    text = re.sub(r"https://\w+\.agilehealth\.example", sandbox.partner_url, text)
    for old, new in changes:
        assert old in text, old
        text = text.replace(old, new)
    return study_from_bytes(text.encode(), Path("ismile.toml"))


def told(
    sandbox: Sandbox, token: str = PROD, *changes: tuple[str, str], **variables: str
) -> list[str]:
    """Ask the services with the sandbox's own credentials but for some; '' is not set."""
    credentials = Credentials(in_file={**sandbox.variables, **variables})
    study = study_of(sandbox, *changes)
    return [str(each) for each in check_services(study, token, credentials, SystemClock())]


@pytest.mark.parametrize("token", [PROD, DEV])
def test_credentials_that_open_are_no_finding(sandbox: Sandbox, token: str) -> None:
    """Both are asked; nothing is sent and nobody enrolled."""
    assert told(sandbox, token) == []
    assert {entry.action for entry in sandbox.partner_requests} == {"list"}
    assert len(sandbox.twilio_requests) >= 2
    assert sandbox.twilio.accepted() == []
    assert sandbox.partner.accepted() == sandbox.partner_development.accepted() == []


@pytest.mark.parametrize(
    ("variables", "said"),
    [
        ({"TWILIO_AUTH_TOKEN": "0" * 32}, "sender: .*[Cc]redentials|sender: .*refuse"),
        ({"TWILIO_NUMBER": "+12025550199"}, "sender: .*does not belong to this Twilio account"),
        ({"AGILE_TOKEN": "wrong"}, r"partner: .*refuses the credentials \(HTTP 401\)"),
    ],
)
def test_what_a_service_refuses_is_an_error(
    sandbox: Sandbox, variables: dict[str, str], said: str
) -> None:
    """Nothing could be sent with it; the finding stands at the table that names the variable."""
    (one,) = told(sandbox, **variables)
    assert re.match(rf"ismile\.toml:\d+: {said}", one), one
    assert not any(value in one for value in variables.values())


def test_a_suspended_account_is_an_error(sandbox: Sandbox) -> None:
    """It sends nothing."""
    sandbox.twilio.set_status("suspended")
    (one,) = told(sandbox)
    assert re.search("sender: .*the account is suspended", one), one


@pytest.mark.parametrize(
    ("variables", "said"),
    [
        (
            {"TWILIO_AUTH_TOKEN": ""},
            "TWILIO_AUTH_TOKEN is blank .*: Twilio was not asked, .* exit code 3",
        ),
        ({"AGILE_TOKEN": ""}, "AGILE_TOKEN is blank .*: the partner was not asked, .* exit code 3"),
    ],
)
def test_what_is_not_set_here_is_a_warning(
    sandbox: Sandbox, variables: dict[str, str], said: str
) -> None:
    """Who checks a study file need not hold the credentials of its texts; a run ends for want of them."""
    (one,) = told(sandbox, **variables)
    assert re.match(rf"warning: ismile\.toml:\d+: \w+: {said}", one), one


def test_a_development_token_of_productions_is_told(sandbox: Sandbox) -> None:
    """A run would be refused with it."""
    (one,) = told(sandbox, DEV, AGILE_DEV_TOKEN=sandbox.variables["AGILE_TOKEN"])
    assert "AGILE_DEV_TOKEN holds the same as AGILE_TOKEN" in one


def test_a_development_project_without_a_partner_is_told(sandbox: Sandbox) -> None:
    """Its runs do nothing, however right the rest is."""
    text = bundled_study_text("ismile")
    table = text[text.index("[partner.development]") :].partition("\n\n")[0]
    table = re.sub(r"https://\w+\.agilehealth\.example", sandbox.partner_url, table)
    (one,) = told(sandbox, DEV, (table, ""))
    assert re.match(
        r"warning: ismile\.toml:\d+: partner: runs on this project reach no partner", one
    )
    assert told(sandbox, PROD, (table, "")) == []


def test_a_service_that_does_not_answer_is_a_warning(sandbox: Sandbox) -> None:
    """The study file may be right all the same."""
    sandbox.fault("partner-503", rate=1.0, action="list")
    (one,) = told(sandbox)
    assert re.match(
        r"warning: ismile\.toml:\d+: partner: the partner was not asked .*HTTP 503", one
    )


def test_a_sandbox_with_the_real_sender_is_told(sandbox: Sandbox) -> None:
    """Jobs would refuse to text made-up participants for real: nobody is asked."""
    url = f'url = "{sandbox.twilio_url}"\naccount_sid'
    (one,) = told(sandbox, PROD, (url, "account_sid"))
    assert "REDCap is on this machine (a sandbox), but [sender] url is" in one
    assert one.startswith("warning: ")
    assert "exit code 4" in one
