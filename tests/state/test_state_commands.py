"""``redcap-jobs state`` and ``redcap-jobs runs`` through the real command line."""

from __future__ import annotations

import json
import stat
from datetime import UTC, datetime
from pathlib import Path

import pytest
from tests.state.conftest import Command

from redcap_jobs.state.runs import RunEnd, RunStart, finish_run, start_run
from redcap_jobs.state.scope import ProjectKey
from redcap_jobs.state.store import Store
from redcap_jobs.study.credentials import load_credentials


@pytest.fixture
def env_file(tmp_path: Path) -> Path:
    return tmp_path / "srv" / ".env"


@pytest.fixture
def made(redcap_jobs: Command, env_file: Path) -> Path:
    """Give the credentials file of a state that was just initialised."""
    env_file.parent.mkdir()
    assert redcap_jobs("state", "init", "--env-file", env_file)[0] == 0
    return env_file


def test_init_makes_state_and_credentials(redcap_jobs: Command, made: Path) -> None:
    """One command on a new server: a private .env with address and key, and the state beside it."""
    credentials = load_credentials(made)
    assert credentials.require("REDCAP_JOBS_STATE_URL") == f"sqlite:///{made.parent}/state/state.db"
    assert len(credentials.require("REDCAP_JOBS_HASH_KEY")) == 64
    assert stat.S_IMODE(made.stat().st_mode) == 0o600
    code, out, err = redcap_jobs("state", "info", "--env-file", made, "--output", "json")
    assert (code, err) == (0, "")
    assert json.loads(out)["fingerprint key"] == "known"


def test_init_again_changes_nothing(redcap_jobs: Command, made: Path) -> None:
    """It may be typed twice: key and address stay."""
    before = made.read_text()
    code, out, _ = redcap_jobs("state", "init", "--env-file", made)
    assert (code, made.read_text()) == (0, before)
    assert "written" not in out


def test_init_fills_in_the_blanks_of_an_env_file(redcap_jobs: Command, env_file: Path) -> None:
    """A copied .env.example keeps its comments, order and other values; the key is not printed."""
    env_file.parent.mkdir()
    env_file.touch(0o600)
    example = "# tokens\nREDCAP_API_X=1234\n\n# state\nREDCAP_JOBS_STATE_URL=\n# key\nREDCAP_JOBS_HASH_KEY="
    env_file.write_text(example)
    code, out, _ = redcap_jobs("state", "init", "--env-file", env_file)
    key = load_credentials(env_file).require("REDCAP_JOBS_HASH_KEY")
    assert env_file.read_text().splitlines() == [
        "# tokens", "REDCAP_API_X=1234", "", "# state",
        f"REDCAP_JOBS_STATE_URL=sqlite:///{env_file.parent}/state/state.db", "# key",
        f"REDCAP_JOBS_HASH_KEY={key}",
    ]  # fmt: skip
    assert code == 0
    assert key not in out


def test_init_does_not_make_a_second_state(redcap_jobs: Command, made: Path) -> None:
    """Two states would not know of each other's texts (exit 2)."""
    other = f"sqlite:///{made.parent}/other.db"
    code, _, err = redcap_jobs("state", "init", "--env-file", made, "--url", other)
    assert code == 2
    assert "one state is enough" in err
    assert not (made.parent / "other.db").exists()


def test_init_refuses_a_password_on_the_command_line(redcap_jobs: Command, env_file: Path) -> None:
    """It would show in the list of processes; it is not echoed either."""
    code, _, err = redcap_jobs("state", "init", "--url", "postgresql://u:hunter22@h/d")
    assert code == 2
    assert "list of processes" in err
    assert "hunter22" not in err


def test_init_does_not_replace_a_lost_key(redcap_jobs: Command, made: Path) -> None:
    """A fresh key would make every earlier fingerprint unrecognisable."""
    url = load_credentials(made).require("REDCAP_JOBS_STATE_URL")
    made.write_text(f"REDCAP_JOBS_STATE_URL={url}\n")
    code, _, err = redcap_jobs("state", "init", "--env-file", made)
    assert code == 3
    assert "take it from the credentials file that cron uses" in err
    assert "HASH_KEY" not in made.read_text()


def test_init_without_a_file_says_what_is_still_to_be_set(
    redcap_jobs: Command, tmp_path: Path
) -> None:
    """The state is made where XDG says; nothing secret is printed."""
    code, out, _ = redcap_jobs("state", "init")
    assert code == 0
    assert "still to be set: REDCAP_JOBS_STATE_URL, REDCAP_JOBS_HASH_KEY" in out
    assert (tmp_path / "xdg/redcap-jobs/state.db").exists()


def test_backup_and_restore_by_command(redcap_jobs: Command, made: Path) -> None:
    """A backup under cron prints nothing; restoring what is there needs --overwrite."""
    saved = made.parent / "saved.db"
    url = load_credentials(made).require("REDCAP_JOBS_STATE_URL")
    with Store.open(url) as store:
        a_run(store)
    assert redcap_jobs("state", "backup", "--env-file", made, saved) == (0, "", "")
    code, _, err = redcap_jobs("state", "restore", "--env-file", made, saved)
    assert code == 2
    assert "--overwrite" in err
    code, out, _ = redcap_jobs("state", "restore", "--env-file", made, saved, "--overwrite")
    assert code == 0
    assert "restored to" in out


def test_commands_without_a_state_say_how_to_make_one(redcap_jobs: Command) -> None:
    """Exit 4 and the command to type, not an empty table."""
    for arguments in (("runs",), ("state", "info")):
        code, _, err = redcap_jobs(*arguments)
        assert code == 4
        assert "redcap-jobs state init" in err


def a_run(store: Store) -> str:
    project = ProjectKey("https://redcap.example.edu/api", 3041, "production")
    as_of = datetime(2026, 11, 22, 9, tzinfo=UTC)
    start = RunStart("ismile", "compute-visit-windows", project, "TOKEN", "TOKEN", as_of, "ab")
    run_id = start_run(store, start)
    problems = ["record 1007: visits[m2].done_on: lies in the future"]
    end = RunEnd("partial", 1, "4 cells [bold]written", {"cells": 4}, {"off study": 31}, problems)
    finish_run(store, run_id, end)
    return run_id


def test_runs_are_listed_and_shown(redcap_jobs: Command, made: Path) -> None:
    """A line per run; by id everything, problems and skip reasons too; plain without a terminal."""
    code, out, _ = redcap_jobs("runs", "--env-file", made)
    assert (code, out) == (0, "no runs yet\n")
    code, out, _ = redcap_jobs("runs", "--env-file", made, "--study", "ismle")
    assert (code, out) == (0, "no such runs; without --study and --job all show\n")
    with Store.open(load_credentials(made).require("REDCAP_JOBS_STATE_URL")) as store:
        run_id = a_run(store)
    code, out, _ = redcap_jobs("runs", "--env-file", made, "--study", "ismile")
    assert code == 0
    for part in (run_id, "3041 production", "partial", "4 cells [bold]written"):
        assert part in out
    code, out, _ = redcap_jobs("runs", "--env-file", made, run_id[:8])
    assert code == 0
    for part in (
        "off study: 31",
        "cells: 4",
        "record 1007: visits[m2].done_on: lies in the future",
    ):
        assert part in out
    assert "\x1b" not in out


def test_runs_as_json_are_for_programs(redcap_jobs: Command, made: Path) -> None:
    """A list without RUN_ID, one object with it; instants in ISO 8601 with a zone."""
    with Store.open(load_credentials(made).require("REDCAP_JOBS_STATE_URL")) as store:
        run_id = a_run(store)
    _, out, _ = redcap_jobs("runs", "--env-file", made, "--output", "json", "--job", "other")
    assert json.loads(out) == []
    _, out, _ = redcap_jobs("runs", "--env-file", made, "--output", "json", run_id)
    run = json.loads(out)
    assert run["project"] == "production:3041@https://redcap.example.edu/api"
    assert run["as_of"] == "2026-11-22T09:00:00+00:00"
    assert run["counts"] == {"cells": 4}


def test_an_unknown_run_is_a_usage_error(redcap_jobs: Command, made: Path) -> None:
    """Exit 2 and the command that lists them."""
    code, _, err = redcap_jobs("runs", "--env-file", made, "2025")
    assert code == 2
    assert "redcap-jobs runs" in err


def test_runs_say_which_state_they_read_when_none_is_named(
    redcap_jobs: Command, made: Path, tmp_path: Path
) -> None:
    """A line on stderr, so that JSON stays whole; none where the credentials name the state."""
    assert redcap_jobs("state", "init")[0] == 0
    for more in ((), ("--output", "json")):
        code, _, err = redcap_jobs("runs", *more)
        assert code == 0
        assert f"own state, sqlite:///{tmp_path}/xdg/redcap-jobs/state.db" in err
        assert "REDCAP_JOBS_STATE_URL is not set" in err
    assert redcap_jobs("runs", "--env-file", made)[2] == ""


def test_a_run_is_shown_in_words_with_zones(redcap_jobs: Command, made: Path) -> None:
    """Labels for people instead of column names; every time says that it is UTC."""
    with Store.open(load_credentials(made).require("REDCAP_JOBS_STATE_URL")) as store:
        run_id = a_run(store)
    _, out, _ = redcap_jobs("runs", "--env-file", made, run_id)
    lines = out.splitlines()
    assert "Project: 3041 (production) at https://redcap.example.edu/api" in lines
    assert "Planned for: 2026-11-22 09:00:00 UTC" in lines
    assert "Result: partial, exit code 1" in lines
    assert [
        line for line in lines if line.startswith(("Started", "Ended")) and "UTC" not in line
    ] == []
    assert len([line for line in lines if line.startswith(("Started", "Ended"))]) == 2
    assert "_" not in "".join(line.split(":")[0] for line in lines)


def test_runs_of_the_same_second_are_listed_newest_first(redcap_jobs: Command, made: Path) -> None:
    """An id ends with chance: what counts is the start."""
    with Store.open(load_credentials(made).require("REDCAP_JOBS_STATE_URL")) as store:
        started = [a_run(store) for _ in range(8)]
    _, out, _ = redcap_jobs("runs", "--env-file", made, "--output", "json")
    assert [run["id"] for run in json.loads(out)] == started[::-1]
    _, out, _ = redcap_jobs("runs", "--env-file", made, "--output", "json", "--limit", "1")
    assert [run["id"] for run in json.loads(out)] == started[-1:]
