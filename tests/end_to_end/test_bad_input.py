"""Each kind of bad input: one clear message, the documented exit code, nothing half-written."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Callable

import pytest
from study_home import DEV, JOB, NOW, PROD, Done, Home

AS_OF = ("--as-of", NOW.isoformat())


def wrong_token(home: Home) -> Done:
    home.write(REDCAP_API_ISMILE_DEV="F" * 32)
    return home.job()


def token_of_another_project(home: Home) -> Done:
    home.write(REDCAP_API_ISMILE_DEV=home.sandbox.tokens[PROD])
    return home.job()


def missing_variable(home: Home) -> Done:
    home.write(REDCAP_API_ISMILE_DEV=None, REDCAP_API_ISMILE_DEVEL="F" * 32)
    return home.job()


def readable_env_file(home: Home) -> Done:
    home.env_file.chmod(0o644)
    return home.job()


def token_on_the_command_line(home: Home) -> Done:
    return home.job(token=home.sandbox.tokens[DEV])


def in_production_flag_differs(home: Home) -> Done:
    home.edit_study("in_production = true", "in_production = false")
    return home.job(token=PROD)


def undeclared_token_name(home: Home) -> Done:
    home.write(REDCAP_API_OTHER=home.sandbox.tokens[DEV])
    return home.job(token="REDCAP_API_OTHER")


def study_file_that_is_no_toml(home: Home) -> Done:
    home.study.write_text("format = = 1\n", encoding="utf-8")
    return home.job()


def field_missing_from_the_dictionary(home: Home) -> Done:
    home.edit_study('done_on = "visit_date"', 'done_on = "visit_dat"')
    return home.job()


def output_that_is_an_input(home: Home) -> Done:
    home.edit_study('target = "vt_target"', 'target = "visit_date"')
    return home.job()


def production_without_a_state(home: Home) -> Done:
    home.write(REDCAP_JOBS_STATE_URL=None)
    return home.job(token=PROD)


def state_never_created(home: Home) -> Done:
    home.write(REDCAP_JOBS_STATE_URL=f"sqlite:///{home.folder}/elsewhere.db")
    return home.job(token=PROD)


def missing_hash_key(home: Home) -> Done:
    home.write(REDCAP_JOBS_HASH_KEY=None)
    return home.job()


def no_terminal_and_no_yes(home: Home) -> Done:
    return home.job(yes=False)


def yes_and_dry_run(home: Home) -> Done:
    return home.job("--dry-run")


def unknown_allowance(home: Home) -> Done:
    return home.job("--allow", "everything=yes")


def as_of_without_a_zone(home: Home) -> Done:
    return home.job("--as-of", "2026-11-22T12:00:00")


def record_that_does_not_exist(home: Home) -> Done:
    return home.job("--record", "99999")


def production_from_the_development_export(home: Home) -> Done:
    names = ("--export-token", DEV, "--import-token", PROD)
    return home.call(JOB, "--study", home.study, "--env-file", home.env_file, *names, "--yes")


def outputs_that_somebody_else_wrote(home: Home) -> Done:
    home.enter(
        3042,
        {"record_id": "1001", "redcap_event_name": event_of(home), "vt_target": "2020-01-01"},
    )
    return home.job()


def too_many_rows(home: Home) -> Done:
    home.edit_study("rows = 5000", "rows = 3")
    return home.job()


def web_page_instead_of_data(home: Home) -> Done:
    home.sandbox.fault("html-200", rate=1.0, content="metadata")
    return home.job()


def event_of(home: Home) -> str:
    found = home.sandbox.project(3042).store.current.records["1001"]
    return next(place.event for place in found.rows if place.event.startswith("baseline"))


@pytest.mark.parametrize(
    ("mistake", "code", "words"),
    [
        (wrong_token, 3, ["REDCAP_API_ISMILE_DEV", "You do not have permissions to use the API"]),
        (token_of_another_project, 4, ["REDCAP_API_ISMILE_DEV", "3041", "3042"]),
        (missing_variable, 3, [DEV, "is not set", ".env"]),
        (readable_env_file, 3, ["chmod 600"]),
        (token_on_the_command_line, 3, ["name", "token"]),
        (in_production_flag_differs, 4, ["in production", "in_production = false"]),
        (undeclared_token_name, 3, ["[redcap.projects.REDCAP_API_OTHER]"]),
        (study_file_that_is_no_toml, 3, ["ismile.toml:1:", "column"]),
        (field_missing_from_the_dictionary, 3, ["visit_dat", "did you mean", "visit_date"]),
        (output_that_is_an_input, 3, ["visits", "visit_date"]),
        (production_without_a_state, 4, ["REDCAP_JOBS_STATE_URL", "state init"]),
        (state_never_created, 4, ["elsewhere.db", "state init"]),
        (missing_hash_key, 3, ["REDCAP_JOBS_HASH_KEY"]),
        (no_terminal_and_no_yes, 2, ["--yes", "--dry-run"]),
        (yes_and_dry_run, 2, ["--yes", "--dry-run", "one of them"]),
        (unknown_allowance, 2, ["everything=yes", "rows=900"]),
        (as_of_without_a_zone, 2, ["time zone"]),
        (record_that_does_not_exist, 2, ["99999"]),
        (production_from_the_development_export, 4, [PROD, "own export"]),
        (outputs_that_somebody_else_wrote, 4, ["vt_target", "--allow adopt=vt_target"]),
        (too_many_rows, 4, ["the limit is 3", "--allow rows="]),
        (web_page_instead_of_data, 1, ["content=metadata", "a web page instead of data"]),
    ],
    ids=lambda value: getattr(value, "__name__", None),
)
def test_bad_input_is_told_plainly_and_changes_nothing(
    home: Home, mistake: Callable[[Home], Done], code: int, words: list[str]
) -> None:
    """The message says what, where and what to do; the code is documented; REDCap is untouched."""
    before = {pid: home.sandbox.project(pid).digest() for pid in (3041, 3042)}
    done = mistake(home)
    assert done.code == code, done.err
    for word in words:
        assert word in done.err, done.err
    assert "Traceback" not in done.err
    for token in home.sandbox.tokens.values():
        assert token not in done.err + done.out
    after = {pid: home.sandbox.project(pid).digest() for pid in (3041, 3042)}
    assert after == before | home.entered


def test_five_mistakes_in_a_study_file_are_told_at_once(home: Home) -> None:
    """Every mistake with its key path, in one go."""
    home.edit_study('time_zone = "America/Los_Angeles"', 'time_zone = "America/LosAngeles"')
    home.edit_study("early = 14", "early = -14")
    home.edit_study('anchor = "baseline"', 'anchor = "basline"')
    home.edit_study('done_on = "visit_date"', 'done_onn = "visit_date"')
    home.edit_study("[limits]", "[limits]\nrowz = 3")
    done = home.job()
    assert done.code == 3
    for word in ("time_zone", "early", "basline", "done_onn", "rowz"):
        assert word in done.err, done.err


def test_an_unknown_command_names_the_nearest() -> None:
    """A typing mistake in a command is a usage error with a hint."""
    done = subprocess.run(
        [sys.executable, "-m", "redcap_jobs", "chekc"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert "check" in done.stderr


def test_verbose_shows_the_traceback_without_the_token(home: Home) -> None:
    """--verbose is for those who look for a fault; even then no token is shown."""
    home.write(REDCAP_API_ISMILE_DEV="F" * 32)
    done = home.job("--verbose")
    assert done.code == 3
    assert "Traceback" in done.err
    assert "F" * 32 not in done.err


@pytest.mark.parametrize("fault", ["empty-500", "html-200", "504", "cut-connection"])
def test_a_server_that_keeps_failing_leaves_a_next_step(home: Home, fault: str) -> None:
    """Before writing: nothing was written; while writing: how much is; and what to do next."""
    pid = home.sandbox.project(3042)
    before = pid.digest()
    home.sandbox.fault(fault, rate=1.0, content="record", action="export")
    done = home.job()
    assert done.code == 1
    assert "Nothing was written. Start it again when REDCap answers" in done.err
    home.sandbox.no_faults()
    home.sandbox.fault(fault, rate=1.0, content="record", action="import")
    done = home.job()
    assert done.code == 1
    assert re.search(r"\. 0 of \d{3,} cells are known to be written\. The next run", done.err)
    stored = pid.digest() != before
    assert stored == (fault == "cut-connection"), "there only the answer is lost"
    home.sandbox.no_faults()
    assert ("nothing to write" if stored else "cells of") in home.job().err


def test_a_refused_token_is_not_to_be_tried_again(home: Home) -> None:
    """What waiting does not mend says what to mend, and not to wait for cron."""
    done = wrong_token(home)
    assert "cron" not in done.err


def test_a_study_is_named_alike_everywhere(home: Home) -> None:
    """A file that is not there: the same message and exit 3 for `check`, `why` and the jobs."""
    gone = home.folder / "gone.toml"
    home.study.rename(home.folder / "elsewhere.toml")
    told = [
        home.job("--study", gone),
        home.call("check", gone),
        home.call("why", gone, "1001", "--env-file", home.env_file),
    ]
    assert [done.code for done in told] == [3, 3, 3]
    for done in told:
        assert f"{gone}: no such file, and no bundled study of that name" in done.out + done.err


def test_a_bundled_study_is_known_by_its_name_to_jobs(home: Home) -> None:
    """As for `check`: the bundled file is read, and its server asked, which no test can reach."""
    home.write(REDCAP_API_ISMILE_DEV=None)
    done = home.job("--study", "ismile")
    assert done.code == 3
    assert "REDCAP_API_ISMILE_DEV is not set" in done.err
    assert "no such file" not in done.err
