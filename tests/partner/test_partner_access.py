"""Which address a run may call: production's, the development one, a sandbox's, or none."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest
from partner_doubles import URL
from partner_journal import PROJECT, new_partner

from redcap_jobs.errors import GuardRefused, StudyFileError
from redcap_jobs.partner.desk import access_of, refuse_production_credentials
from redcap_jobs.study.credentials import Credentials
from redcap_jobs.study.partner_config import Partner

HERE, TESTING = "http://127.0.0.1:8021", "https://sandbox.agilehealth.example"
DEVELOPMENT = replace(PROJECT, mode="development")
DEV = {"url": TESTING, "token": "AGILE_DEV_TOKEN"}


def study(partner: Partner | None, *, loopback: bool = False) -> Any:
    """Return a study file's part that decides."""
    redcap = SimpleNamespace(is_loopback=loopback)
    return SimpleNamespace(partner=partner, redcap=redcap, path="small.toml")


def test_production_calls_the_partner() -> None:
    """At its own address, with its own credentials."""
    access = access_of(study(new_partner(development=DEV)), PROJECT)
    assert access is not None
    assert (access.url, access.token) == (URL, "AGILE_TOKEN")


def test_a_development_run_calls_the_development_address() -> None:
    """Never the real partner."""
    access = access_of(study(new_partner(development=DEV)), DEVELOPMENT)
    assert access is not None
    assert (access.url, access.token) == (TESTING, "AGILE_DEV_TOKEN")


def test_a_development_run_without_one_calls_nobody() -> None:
    """It reaches nobody."""
    assert access_of(study(new_partner()), DEVELOPMENT) is None


@pytest.mark.parametrize("project", [PROJECT, DEVELOPMENT])
def test_a_redcap_on_this_machine_never_reaches_the_partner(project: Any) -> None:
    """Made-up participants would be enrolled for real."""
    with pytest.raises(GuardRefused, match="made-up"):
        access_of(study(new_partner(development=DEV), loopback=True), project)


def test_a_real_redcap_never_enrols_at_a_sandbox() -> None:
    """Participants would count as enrolled and never be; a development run may."""
    here = new_partner(url=HERE, development={"url": HERE, "token": "AGILE_DEV_TOKEN"})
    with pytest.raises(GuardRefused, match="sandbox"):
        access_of(study(here), PROJECT)
    assert access_of(study(here), DEVELOPMENT) is not None
    assert access_of(study(here, loopback=True), PROJECT) is not None


def test_a_job_for_the_partner_needs_one() -> None:
    """The study file says so."""
    with pytest.raises(StudyFileError, match="is missing"):
        access_of(study(None), PROJECT)


@pytest.mark.parametrize(
    ("url", "values", "refused"),
    [
        (URL, ("one", "one"), True),
        ("https://API.agilehealth.example", ("one", "one"), True),
        ("https://api.agilehealth.example:443", ("one", "one"), True),
        ("https://api.agilehealth.example:8443", ("one", "one"), False),
        (URL, ("one", "two"), False),
        (TESTING, ("one", "one"), False),
    ],
)
def test_productions_token_under_another_name_is_refused(
    url: str, values: tuple[str, str], *, refused: bool
) -> None:
    """At the same host: a slip in ``.env`` would enrol for real."""
    partner = new_partner(development={"url": url, "token": "AGILE_DEV_TOKEN"})
    credentials = Credentials(
        in_file=dict(zip(("AGILE_TOKEN", "AGILE_DEV_TOKEN"), values, strict=True))
    )
    assert partner.development is not None
    if not refused:
        refuse_production_credentials(partner, partner.development, credentials)
        return
    with pytest.raises(GuardRefused, match="AGILE_DEV_TOKEN"):
        refuse_production_credentials(partner, partner.development, credentials)
