"""``redcap-jobs sandbox`` as a person starts it."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import odm_texts
import pytest
import requests
from sandbox_projects import TIMEOUT, Caller

from redcap_jobs.errors import UsageError
from redcap_jobs.sandbox.env_file import with_variables, write_env_file

COMMAND = [sys.executable, "-m", "redcap_jobs", "sandbox", "--participants", "30"]


@contextmanager
def started(*options: str, **environment: str) -> Iterator[subprocess.Popen[str]]:
    """Start the command on a free port, and end it if the test did not."""
    process = subprocess.Popen(
        [*COMMAND, "--port", "0", *options],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, **environment},
    )
    try:
        yield process
    finally:
        if process.poll() is None:
            process.kill()
        process.communicate(timeout=TIMEOUT)


def shown(process: subprocess.Popen[str]) -> str:
    """Return what was printed up to the line that says how to stop."""
    assert process.stdout is not None
    lines = []
    for line in process.stdout:
        lines.append(line)
        if "Ctrl-C" in line:
            return "".join(lines)
    raise AssertionError(f"it ended early: {''.join(lines)}")


def refused(*options: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*COMMAND, *options], capture_output=True, text=True, timeout=TIMEOUT, check=False
    )


@pytest.mark.parametrize("stop", [signal.SIGTERM, signal.SIGINT])
def test_it_serves_until_it_is_told_to_stop(stop: signal.Signals) -> None:
    """It prints projects, address and tokens, answers, and ends with 0 and no word on stderr."""
    with started("--now", "2026-11-22T12:00:00-05:00") as process:
        text = shown(process)
        url = re.search(r"http://127\.0\.0\.1:\d+/api/", text)
        token = re.search(r"(?m)^REDCAP_API_ISMILE_PROD=([0-9A-F]{32})$", text)
        assert url is not None
        assert token is not None
        assert re.search(r"3041\D+ISMILE\D+production\D+30", text)
        caller = Caller(url[0], token[1])
        assert caller.post(content="version").text == "14.9.0"
        log = requests.get(url[0].replace("api/", "sandbox/requests"), timeout=TIMEOUT).json()
        assert log[0]["at"] == "2026-11-22T12:00:00"
        process.send_signal(stop)
        _, errors = process.communicate(timeout=TIMEOUT)
        assert (process.returncode, errors) == (0, "")


def test_projects_from_files_get_variables_of_their_own(tmp_path: Path) -> None:
    """Named after the title; a second one of the same title gets a number; tokens go to the file."""
    project, env_file = tmp_path / "p.xml", tmp_path / ".env"
    project.write_text(odm_texts.LONGITUDINAL, encoding="utf-8")
    env_file.write_text("# mine\nOTHER=1\nREDCAP_API_ISMILE_DEV=old\n", encoding="utf-8")
    files = ["--project", str(project), "--project", str(project)]
    with started(*files, "--write-env", str(env_file)) as process:
        text = shown(process)
        assert "REDCAP_API_HAND_MADE=" not in text
    written = env_file.read_text(encoding="utf-8")
    assert env_file.stat().st_mode & 0o777 == 0o600
    assert written.startswith("# mine\nOTHER=1\nREDCAP_API_ISMILE_DEV=")
    assert "=old" not in written
    names = re.findall(r"(?m)^(\w+)=[0-9A-F]{32}$", written)
    assert names == [
        "REDCAP_API_ISMILE_DEV",
        "REDCAP_API_ISMILE_PROD",
        "REDCAP_API_HAND_MADE",
        "REDCAP_API_HAND_MADE_2",
    ]


def test_a_super_token_comes_from_the_environment() -> None:
    """The variable's NAME is given; its token creates a project."""
    options = ["--study", "none", "--super-token-env", "MY_SUPER_TOKEN"]
    with started(*options, MY_SUPER_TOKEN="ab" * 32) as process:
        url = re.search(r"http://127\.0\.0\.1:\d+/api/", shown(process))
        assert url is not None
        made = Caller(url[0], "ab" * 32).post(
            content="project", format="json", data='[{"project_title":"New"}]'
        )
        assert len(made.text) == 32


@pytest.mark.parametrize(
    ("options", "code", "message"),
    [
        (["--project", "nowhere.xml"], 2, "nowhere.xml: cannot be read"),
        (["--now", "yesterday"], 2, "is no instant"),
        (["--now", "2026-11-22T12:00"], 2, "no time zone"),
        (["--super-token-env", "NOT_SET"], 2, "NOT_SET does not hold a super token"),
        (["--study", "none"], 2, "nothing to serve"),
        (["--participants", "0"], 2, "--participants"),
    ],
)
def test_bad_input_is_said_in_one_line(options: list[str], code: int, message: str) -> None:
    """Exit 2, no traceback."""
    result = refused(*options)
    assert result.returncode == code
    assert message in result.stderr
    assert "Traceback" not in result.stderr


def test_a_file_that_is_no_project_is_exit_3(tmp_path: Path) -> None:
    """One line that names the file."""
    path = tmp_path / "bad.xml"
    path.write_text("<ODM>", encoding="utf-8")
    result = refused("--project", str(path))
    assert result.returncode == 3
    assert len(result.stderr.splitlines()) == 1
    assert "bad.xml: no well-formed XML" in result.stderr


def test_a_port_in_use_is_exit_2() -> None:
    """One line that names the port, and nothing of the web server's own."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        result = refused("--port", str(port))
    assert result.returncode == 2
    assert len(result.stderr.splitlines()) == 1
    assert f"port {port} of 127.0.0.1 cannot be used" in result.stderr


def test_the_env_file_changes_in_one_step(tmp_path: Path) -> None:
    """A file open to others is closed to them; a name that stands twice is set once."""
    path = tmp_path / ".env"
    path.write_text("A=1\nexport B=2\nA=3\n", encoding="utf-8")
    path.chmod(0o644)
    write_env_file(path, {"A": "x", "C": "y"})
    assert path.read_text(encoding="utf-8") == "A=x\nexport B=2\nC=y\n"
    assert path.stat().st_mode & 0o777 == 0o600
    assert [one.name for one in tmp_path.iterdir()] == [".env"]
    assert with_variables("", {"A": "1"}) == "A=1\n"


def test_an_env_file_that_cannot_be_written(tmp_path: Path) -> None:
    """The path and the reason; nothing is left behind."""
    with pytest.raises(UsageError, match=r"\.env: the tokens cannot be written"):
        write_env_file(tmp_path / "missing" / ".env", {"A": "1"})
    folder = tmp_path / "folder"
    folder.mkdir()
    with pytest.raises(UsageError, match="the tokens cannot be written"):
        write_env_file(folder, {"A": "1"})
    assert list(tmp_path.iterdir()) == [folder]
