"""At a terminal: the plan is shown, a question is asked, values appear only there."""

from __future__ import annotations

import sys
from datetime import UTC, datetime, timedelta

import pexpect
import pytest
from study_home import DEV, JOB, NOW, Home

from redcap_jobs.clock import SystemClock
from redcap_jobs.render import console_for
from redcap_jobs.request import RunRequest, Terminal
from redcap_jobs.run import run_job


def at_a_terminal(home: Home, *more: str) -> pexpect.spawn:
    arguments = [
        *("-m", "redcap_jobs", JOB, "--study", str(home.study), "--env-file", str(home.env_file)),
        *("--export-token", DEV, "--import-token", DEV, "--as-of", NOW.isoformat()),
        *more,
    ]
    return pexpect.spawn(
        sys.executable,
        arguments,
        env=home.environment() | {"TERM": "xterm", "COLUMNS": "160"},
        encoding="utf-8",
        timeout=60,
        dimensions=(50, 160),
    )


@pytest.mark.parametrize(("answer", "imports"), [("n", 0), ("y", 1)])
def test_the_plan_is_shown_and_asked_for(home: Home, answer: str, imports: int) -> None:
    """Without --yes nothing is written before the person said so."""
    child = at_a_terminal(home)
    child.expect("Visits by state")
    child.expect(r"Do this on .*\?")
    assert home.calls()["record import"] == 0
    child.sendline(answer)
    child.expect(pexpect.EOF)
    child.close()
    assert child.exitstatus == 1  # the planted problems
    assert home.calls()["record import"] == imports


def test_values_are_shown_at_a_terminal_only_when_asked_for(home: Home) -> None:
    """--verbose adds each change as old → new; without a terminal it never does."""
    record = home.sandbox.project(3042).store.current.ordered[0]
    child = at_a_terminal(home, "--verbose", "--record", record)
    child.expect("old → new")
    child.expect("vt_target")
    child.expect(r"\(blank\) → 20")
    child.expect(r"Do this on")
    child.sendline("n")
    child.expect(pexpect.EOF)
    child.close()
    piped = home.job(
        "--as-of", NOW.isoformat(), "--verbose", "--dry-run", "--record", record, yes=False
    )
    assert "Visits by state" in piped.out
    assert "old → new" not in piped.out


class MovableClock(SystemClock):
    """A clock that a test moves."""

    def __init__(self) -> None:
        self.instant = datetime.now(UTC)

    def now(self) -> datetime:
        return self.instant


def test_a_plan_older_than_five_minutes_is_made_again(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The person went for lunch: the plan is read and shown anew, and asked about again."""
    monkeypatch.setenv("XDG_STATE_HOME", str(home.folder / "xdg"))
    clock = MovableClock()
    questions: list[str] = []

    def answer_late_then_at_once(question: str) -> bool:
        questions.append(question)
        if len(questions) == 1:
            clock.instant += timedelta(minutes=5, seconds=1)
        return True

    terminal = Terminal(
        interactive=True,
        watched=False,
        console=console_for(terminal=False),
        confirm=answer_late_then_at_once,
    )
    request = RunRequest(JOB, home.study, DEV, DEV, env_file=home.env_file, as_of=NOW)
    run_job(request, terminal, clock)
    assert len(questions) == 2
    calls = home.calls()
    assert calls["metadata export"] == 2
    assert calls["record import"] == 1


def test_a_second_run_is_refused_while_the_first_waits_for_its_answer(home: Home) -> None:
    """The lock is held from before the reads to the end; the second names the holder, exit 75."""
    child = at_a_terminal(home)
    child.expect(r"Do this on .*\?")
    second = home.job("--as-of", NOW.isoformat())
    assert second.code == 75
    assert str(child.pid) in second.err
    child.sendline("n")
    child.expect(pexpect.EOF)
    child.close()
    assert home.job("--as-of", NOW.isoformat()).code == 1
