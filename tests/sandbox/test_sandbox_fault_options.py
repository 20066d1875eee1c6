"""``--fault``, ``--behaviour`` and ``--public-url`` on the command line."""

from __future__ import annotations

import re

import pytest
import requests
from sandbox_projects import TIMEOUT, registry
from test_sandbox_command import refused, shown, started

from redcap_jobs.commands.sandbox import BEHAVIOURS
from redcap_jobs.commands.sandbox import command as sandbox_command
from redcap_jobs.errors import UsageError
from redcap_jobs.sandbox.behaviour import MEANINGS
from redcap_jobs.sandbox.fault_options import fault_of
from redcap_jobs.sandbox.faults import FAULTS, FaultRule
from redcap_jobs.sandbox.server import Sandbox


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ("504=0.1", FaultRule("504", 0.1)),
        ("504=10%", FaultRule("504", 0.1)),
        ("login-page=1", FaultRule("login-page", 1)),
        ("slow = 20% , seconds = 3", FaultRule("slow", 0.2, seconds=3)),
        (
            "html-200=0.5,after,content=record,action=import",
            FaultRule("html-200", 0.5, content="record", action="import", after=True),
        ),
        ("ban=600", FaultRule("ban", requests=600)),
    ],
)
def test_faults_as_they_are_written(text: str, rule: FaultRule) -> None:
    """A share or a percentage, and what narrows it."""
    assert fault_of(text) == rule


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("505=0.1", "no fault '505'; there are html-200"),
        ("504", "--fault 504: write NAME=RATE"),
        ("504=", "'' is no number"),
        ("504=often", "'often' is no number"),
        ("504=2", "between 0 and 1"),
        ("504=nan", "between 0 and 1"),
        ("504=150%", "between 0 and 1"),
        ("504=0.1,later", "no 'later'; there are after, seconds"),
        ("504=0.1,after=yes", "no 'after=yes'"),
        ("504=0.1,content", "no 'content'"),
        ("slow=1,seconds=inf", "seconds lie between"),
        ("504=0.1,content=recrod", "no content 'recrod'; there are arm, dag"),
        ("504=0.1,action=imprt", "no action 'imprt'; there are createFolder, delete"),
        ("504=0.1,content=version,action=import", "no action 'import' of version; .* export$"),
        ("ban=0", "requests .1 or more"),
        ("ban=0.5", "whole number"),
    ],
)
def test_faults_that_make_no_sense(text: str, message: str) -> None:
    """A usage error that says what would be right."""
    with pytest.raises(UsageError, match=message):
        fault_of(text)


def test_a_fault_of_no_call_is_refused_while_it_runs_too() -> None:
    """A fault that strikes nothing would let a test pass that meant to be disturbed."""
    with Sandbox([registry()]) as sandbox:
        rule = {"name": "504", "rate": 1, "content": "records"}
        answer = requests.post(f"{sandbox.control_url}faults", json=rule, timeout=TIMEOUT)
        assert answer.status_code == 400
        assert "no content 'records'" in answer.text
        assert requests.get(f"{sandbox.control_url}faults", timeout=TIMEOUT).json()["on"] == []


def test_they_are_on_from_the_start() -> None:
    """What is on is said, and answered by; the sandbox's own pages can switch it off."""
    options = ["--fault", "login-page=100%", "--fault", "ban=600", "--behaviour", "strict_arrays"]
    with started(*options) as process:
        text = shown(process)
        assert "Fault on: login-page, 100% of calls" in text
        assert "Fault on: ban, 600 requests a minute" in text
        url = re.search(r"http://127\.0\.0\.1:\d+/api/", text)
        assert url is not None
        page = requests.post(url[0], data={"content": "version"}, timeout=TIMEOUT)
        assert 'type="password"' in page.text
        control = url[0].replace("api/", "sandbox/")
        on = requests.get(f"{control}behaviour", timeout=TIMEOUT).json()["on"]
        assert on["strict_arrays"] is True
        assert requests.delete(f"{control}faults", timeout=TIMEOUT).json() == []
        answer = requests.post(url[0], data={"content": "version"}, timeout=TIMEOUT)
        assert answer.status_code == 403


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--fault", "505=0.1"], "--fault 505=0.1: no fault '505'"),
        (["--behaviour", "kind"], "no behaviour 'kind'"),
        (["--public-url", "example.org"], "example.org is no address"),
    ],
)
def test_mistakes_are_said_in_one_line(options: list[str], message: str) -> None:
    """Exit 2, no traceback."""
    result = refused(*options)
    assert result.returncode == 2
    assert message in result.stderr
    assert len(result.stderr.splitlines()) == 1


def test_the_help_names_all_of_them() -> None:
    """Every fault, every switch and every address of its own."""
    assert tuple(MEANINGS) == BEHAVIOURS
    text = sandbox_command.get_help(
        sandbox_command.make_context("sandbox", ["--port", "0"], resilient_parsing=True)
    )
    words = set(re.findall(r"[\w-]+", text))
    assert set(FAULTS) <= words
    for path in ("faults", "bans", "behaviour", "projects/PID/locks", "projects/PID/users"):
        assert f"/sandbox/{path}" in text
    assert not re.search(r"\n {60,}-H", text)


def test_a_public_address_leads_to_api_and_surveys_only() -> None:
    """A proxy passes its own name on: it is let in, but not to the sandbox's own pages."""
    with Sandbox([registry()], public_url="https://tunnel.example.org/") as sandbox:
        here = f"http://127.0.0.1:{sandbox.port}"
        for host, path, status in (
            ("tunnel.example.org", "api/", 403),
            ("tunnel.example.org", "sandbox/projects", 404),
            ("other.example.org", "api/", 404),
            ("localhost:1234", "sandbox/projects", 200),
        ):
            method = "POST" if path == "api/" else "GET"
            found = requests.request(
                method, f"{here}/{path}", headers={"Host": host}, timeout=TIMEOUT
            )
            assert found.status_code == status
        assert sandbox.api.public_url == "https://tunnel.example.org"


@pytest.mark.parametrize(
    "text", ["example.org", "ftp://x", "https://", "http://[", "https://x/?s=1"]
)
def test_what_links_cannot_begin_with(text: str) -> None:
    """A scheme and a host are needed, a question is not."""
    with pytest.raises(UsageError, match="is no address"):
        Sandbox([registry()], public_url=text)
