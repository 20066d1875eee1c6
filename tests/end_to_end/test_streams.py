"""A command whose terminal or output is not there: it runs, or says what is the matter."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest


def called(*arguments: str, redirected: str, home: Path) -> subprocess.CompletedProcess[str]:
    """Call the command line from a shell with its streams redirected."""
    return subprocess.run(
        ["sh", "-c", f'"$0" -m redcap_jobs "$@" {redirected}', sys.executable, *arguments],
        env={"PATH": os.environ["PATH"], "HOME": str(home)},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def test_closed_streams_are_no_mistake(tmp_path: Path) -> None:
    """A crontab line may end in ``<&- >&-``: the command does its work and ends as ever."""
    done = called("check", "ismile", redirected="<&- >&-", home=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="the system has no /dev/full")
def test_an_output_that_cannot_be_written_is_told_with_its_reason(tmp_path: Path) -> None:
    """``messages list --output csv > FILE`` on a full disk: no silent half of a list."""
    done = called("check", "ismile", redirected="> /dev/full", home=tmp_path)
    assert done.returncode == 1
    assert done.stderr == ("unexpected OSError (No space left on device); --verbose shows where\n")


def test_a_reader_that_has_enough_is_no_news(tmp_path: Path) -> None:
    """``... | true``: nothing is printed about it, and no code that --help does not name."""
    done = called("check", "ismile", redirected="| true; exit 7", home=tmp_path)
    assert (done.returncode, done.stderr) == (7, "")
