"""``redcap-jobs check`` and ``init`` through the real command line, against the local sandbox."""

import json
import logging
import re
import shlex
import sys
from collections.abc import Callable, Iterator
from datetime import date
from pathlib import Path

import pytest

from redcap_jobs.cli import main
from redcap_jobs.sandbox.ismile import ismile_projects
from redcap_jobs.sandbox.members import user
from redcap_jobs.sandbox.partner_account import made_up_partner
from redcap_jobs.sandbox.server import Sandbox
from redcap_jobs.sandbox.twilio_account import made_up_account
from redcap_jobs.study.loading import bundled_study_text, load_bundled_or_file
from redcap_jobs.study.starter_texts import uncommented
from redcap_jobs.study.uses import conditions

DEV = "REDCAP_API_ISMILE_DEV"
PROD = "REDCAP_API_ISMILE_PROD"
BUNDLED = load_bundled_or_file("ismile")
CONDITIONS, VISITS = len(list(conditions(BUNDLED))), len(BUNDLED.visits)
Run = Callable[..., tuple[int, str, str]]


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    projects = ismile_projects(participants=60, as_of=date(2026, 11, 22))
    accounts = {"twilio": made_up_account(), "partner": made_up_partner()}
    with Sandbox(projects=projects, **accounts) as server:
        yield server


@pytest.fixture
def run(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> Iterator[Run]:
    """Run the command line in this process; return exit code, stdout and stderr."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level

    def run_command(*arguments: object) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["redcap-jobs", *map(str, arguments)])
        with pytest.raises(SystemExit) as stop:
            main()
        out, err = capsys.readouterr()
        return int(stop.value.code or 0), out, err

    yield run_command
    root.handlers[:] = handlers
    root.setLevel(level)


@pytest.fixture
def study(sandbox: Sandbox, tmp_path: Path) -> Path:
    """Write the bundled study for this server."""
    path = tmp_path / "ismile.toml"
    text = re.sub(
        r'(?m)^url = ".*"$', f'url = "{sandbox.url}"', bundled_study_text("ismile"), count=1
    )
    text = text.replace("[sender]\n", f'[sender]\nurl = "{sandbox.twilio_url}"\n')
    text = re.sub(r"https://\w+\.agilehealth\.example", sandbox.partner_url, text)
    path.write_text(text, encoding="utf-8")
    return path


@pytest.fixture
def env_file(sandbox: Sandbox, tmp_path: Path) -> Path:
    path = tmp_path / "credentials.env"
    path.touch(0o600)
    path.write_text("".join(f"{name}={token}\n" for name, token in sandbox.variables.items()))
    return path


def replace_in(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


def line_of(path: Path, words: str, occurrence: int = 0) -> int:
    """Return the number of the line on which some words stand in a file."""
    lines = path.read_text(encoding="utf-8").splitlines()
    return [number for number, line in enumerate(lines, 1) if words in line][occurrence]


def test_a_file_alone_is_checked_without_any_request(run: Run) -> None:
    """The bundled study is checked by its name; exit 0 and one line."""
    assert run("check", "ismile") == (
        0,
        "ismile: no problems (the file alone; --token NAME compares it with the project)\n",
        "",
    )


def test_mistakes_are_listed_and_end_with_exit_3(run: Run, study: Path) -> None:
    """Every mistake is a line of stdout; the last line counts them."""
    replace_in(study, "\nshrink_to", "\nshrink_too")
    replace_in(study, 'id = "m4"', 'id = "m2"')
    second = line_of(study, 'id = "m2"', 1)
    code, out, err = run("check", study)
    assert (code, err) == (3, "")
    assert out.splitlines()[:-1] == [
        f'{study}:{second}: visits[2].id: visits[1] has the id "m2" already',
        f'{study}:{line_of(study, "shrink_too")}: limits.shrink_too: no such key; did you mean "shrink_to"?',
    ]
    assert ": 2 problems (" in out.splitlines()[-1]


def test_a_file_with_mistakes_is_not_compared_and_that_is_said(
    run: Run, sandbox: Sandbox, study: Path, env_file: Path
) -> None:
    """With a token, too, a broken file is all that is checked; nobody takes it for more."""
    replace_in(study, "\nshrink_to", "\nshrink_too")
    sandbox.forget_requests()
    options = ("--token", DEV, "--env-file", env_file)
    code, out, _ = run("check", study, *options)
    assert code == 3
    assert "1 problem (the file alone: correct it first" in out.splitlines()[-1]
    assert f"the project behind {DEV} is compared; it was not asked" in out.splitlines()[-1]
    assert list(sandbox.requests) == []
    result = json.loads(run("check", study, *options, "--output", "json")[1])
    assert (result["project"], result["not_asked"]) == (None, DEV)


def test_the_counts_say_what_they_count(run: Run, study: Path, env_file: Path) -> None:
    """The heads and a legend: blanks are counted among the true and the false, not beside them."""
    _, out, _ = run("check", study, "--token", DEV, "--env-file", env_file)
    [head] = [line for line in out.splitlines() if "condition  " in line]
    assert re.split(r"\s{2,}", head.strip())[2:] == [
        "true",
        "false",
        "with a blank",
        "true with a blank",
    ]
    assert "Every record is either true or false." in out
    assert "counted as true or false as well" in out


def test_the_live_project_is_compared_and_conditions_counted(
    run: Run, sandbox: Sandbox, study: Path, env_file: Path
) -> None:
    """The bundled study fits the sandbox; true and false add up to the records."""
    sandbox.forget_requests()
    code, out, err = run("check", study, "--token", DEV, "--env-file", env_file, "--output", "json")
    result = json.loads(out)
    assert (code, err, result["findings"]) == (0, "", [])
    assert result["project"]["project_id"] == 3042
    assert result["project"]["records"] == 60
    counts = {each["where"]: each for each in result["conditions"]}
    assert len(counts) == CONDITIONS
    assert {each["true"] + each["false"] for each in counts.values()} == {60}
    off_study = counts["participants.off_study[0].when"]
    assert off_study["true"] + off_study["blank"] == 60
    assert off_study["true_on_blank"] == 0
    assert {entry.action for entry in sandbox.requests} <= {"export", ""}


def test_a_condition_true_on_blanks_shows_it(run: Run, study: Path, env_file: Path) -> None:
    """``<> '0'`` is true on a blank: that is what the counts are for."""
    replace_in(study, "[off_study] = '1'", "[off_study] <> '0'")
    code, out, _ = run("check", study, "--token", DEV, "--env-file", env_file)
    assert code == 0
    [line] = [each for each in out.splitlines() if "off_study[0]" in each]
    numbers = [int(cell) for cell in line.split()[-4:]]
    assert numbers[0] + numbers[1] == 60
    assert numbers[2] == numbers[3] > 0


def test_misfits_are_told_and_what_can_be_counted_is(run: Run, study: Path, env_file: Path) -> None:
    """A field that does not exist is a problem; the other conditions are counted all the same."""
    replace_in(study, "[visit_missed]", "[visit_mised]")
    replace_in(study, "[sites.north_clinic]", "[sites.nord_clinic]")
    code, out, _ = run("check", study, "--token", DEV, "--env-file", env_file, "--output", "json")
    result = json.loads(out)
    assert code == 3
    assert [(each["severity"], each["where"]) for each in result["findings"]] == [
        ("error", f"{study}:{line_of(study, 'missed = ')}: defaults.visits.missed"),
        ("warning", f"{study}:{line_of(study, '[sites.nord')}: sites.nord_clinic"),
    ]
    assert result["findings"][0]["hint"] == 'did you mean "visit_missed"?'
    assert result["findings"][1]["hint"] == 'did you mean "north_clinic"?'
    assert len(result["conditions"]) == CONDITIONS - VISITS


def test_warnings_alone_end_with_exit_0(run: Run, study: Path, env_file: Path) -> None:
    """A warning wants to be looked at and stops nothing."""
    replace_in(study, "[sites.north_clinic]", "[sites.nord_clinic]")
    code, out, _ = run("check", study, "--token", DEV, "--env-file", env_file)
    assert code == 0
    assert out.startswith(f"warning: {study}:{line_of(study, '[sites.nord')}: sites.nord_clinic: ")
    assert ": 1 warning (project 3042, REDCap " in out


def without_right_to_groups(sandbox: Sandbox, env_file: Path) -> None:
    """Put a token in place whose user may not see data access groups."""
    token = sandbox.project(3042).add_user(user("guest", data_access_groups=False))
    lines = env_file.read_text().splitlines()
    kept = [line for line in lines if not line.startswith(f"{DEV}=")]
    env_file.write_text("\n".join([*kept, f"{DEV}={token}", ""]))


def test_a_token_that_may_not_see_groups_needs_none_without_sites(
    run: Run, sandbox: Sandbox, study: Path, env_file: Path
) -> None:
    """Groups matter to a study with sites only: the check reads the roster as a run does."""
    without_right_to_groups(sandbox, env_file)
    study.write_text(re.sub(r"(?m)^\[sites\..*\n", "", study.read_text()))
    code, out, err = run("check", study, "--token", DEV, "--env-file", env_file)
    assert (code, err) == (0, "")
    assert "Conditions, over 60 records" in out


def test_a_token_that_may_not_see_groups_is_a_finding_with_sites(
    run: Run, sandbox: Sandbox, study: Path, env_file: Path
) -> None:
    """What would refuse a run is one problem among the others, and the conditions are counted."""
    without_right_to_groups(sandbox, env_file)
    replace_in(study, "[visit_missed]", "[visit_mised]")
    code, out, _ = run("check", study, "--token", DEV, "--env-file", env_file, "--output", "json")
    result = json.loads(out)
    assert code == 3
    assert [each["where"] for each in result["findings"]] == [
        f"{study}:{line_of(study, 'missed = ')}: defaults.visits.missed",
        f"{study}:{line_of(study, f'projects.{DEV}')}: redcap.projects.{DEV}",
    ]
    assert "may not see data access groups" in result["findings"][1]["what"]
    assert len(result["conditions"]) == CONDITIONS - VISITS


def test_a_condition_on_the_group_is_counted(run: Run, study: Path, env_file: Path) -> None:
    """``[record-dag-name]`` is known for every record: the sites' counts add up to all records."""
    sites = ("north_clinic", "south_clinic", "east_clinic", "west_clinic")
    true = []
    for site in sites:
        text = re.sub(
            r'(?m)^who = ".*"', f"who = \"[record-dag-name] = '{site}'\"", study.read_text()
        )
        study.write_text(text)
        code, out, _ = run(
            "check", study, "--token", DEV, "--env-file", env_file, "--output", "json"
        )
        counts = {each["where"]: each for each in json.loads(out)["conditions"]}
        true.append(counts["participants.who"]["true"])
        assert code == 0
    assert all(true)
    assert sum(true) == 60


def test_a_token_of_another_project_is_told_and_nothing_else_read(
    run: Run, sandbox: Sandbox, study: Path, env_file: Path
) -> None:
    """The server says which project it is; with the wrong one, nothing further is read."""
    tokens = sandbox.tokens
    env_file.write_text(f"{DEV}={tokens[PROD]}\n")
    sandbox.forget_requests()
    code, out, _ = run("check", study, "--token", DEV, "--env-file", env_file)
    assert code == 3
    assert "project_id: the token opens project 3041, not 3042" in out
    assert "in_production: the server says project 3041 is in production" in out
    assert {entry.content for entry in sandbox.requests} <= {"project", "version"}


def test_credentials_that_do_not_help_end_with_exit_3(
    run: Run, sandbox: Sandbox, study: Path, env_file: Path
) -> None:
    """A wrong token, a missing or mistyped variable, an undeclared name, a readable file."""
    check = ("check", study, "--env-file", env_file, "--token")
    code, _, err = run(*check, "REDCAP_API_ISMILE_DEF")
    assert (code, f'did you mean "{DEV}"?' in err) == (3, True)
    env_file.write_text(f"REDCAP_API_ISMILE_DEVEL={sandbox.tokens[DEV]}\n")
    code, _, err = run(*check, DEV)
    assert (code, "did you mean REDCAP_API_ISMILE_DEVEL?" in err) == (3, True)
    wrong = "0" * 32
    env_file.write_text(f"{DEV}={wrong}\n")
    code, out, err = run(*check, DEV)
    assert code == 3
    assert wrong not in out + err
    env_file.chmod(0o644)
    code, _, err = run(*check, DEV)
    assert (code, err.strip().endswith(f"type: chmod 600 {env_file}")) == (3, True)


@pytest.mark.parametrize("command", ["check", "init"])
def test_a_literal_token_is_refused_and_not_echoed(run: Run, command: str, study: Path) -> None:
    """It would show in the list of processes: exit 2, and the message does not repeat it."""
    token = "0123456789ABCDEF" * 2
    arguments = [study] if command == "check" else ["--url", "https://redcap.example.edu/api/"]
    code, out, err = run(command, *arguments, "--token", token)
    assert code == 2
    assert "NAME" in err or "name of its variable" in err
    assert token not in out + err


def test_init_from_a_bundled_study_is_ready_to_check(run: Run, tmp_path: Path) -> None:
    """The bundled study and its fields are written, next steps are said, and check is content."""
    code, out, _ = run("init", tmp_path / "new", "--from", "ismile")
    assert code == 0
    assert f"fill in {PROD} and {DEV} in {tmp_path}/new/.env" in out
    assert "Never upload those rows alone" in out
    zips = sorted(path.name for path in (tmp_path / "new").glob("*.zip"))
    assert zips == ["message_log.zip", "partner.zip", "texting.zip", "visit_tracking.zip"]
    assert [name for name in zips if f"{tmp_path}/new/{name}" not in out] == []
    assert "TO-DO" not in out
    assert run("check", tmp_path / "new" / "study.toml")[0] == 0
    code, _, err = run("init", tmp_path / "new")
    assert (code, "not overwritten" in err) == (2, True)


def test_what_init_says_to_type_next_works_in_that_order(
    run: Run, sandbox: Sandbox, tmp_path: Path
) -> None:
    """State, check, dry run: pasted as they stand; a folder's name with a blank is quoted."""
    folder = tmp_path / "a study"
    code, out, _ = run("init", folder, "--from", "ismile")
    assert code == 0
    study, credentials = folder / "study.toml", folder / ".env"
    replace_in(
        study, re.findall(r'(?m)^url = ".*"$', study.read_text())[0], f'url = "{sandbox.url}"'
    )
    for name, token in sandbox.tokens.items():
        replace_in(credentials, f"{name}=\n", f"{name}={token}\n")
    typed = [shlex.split(line)[1:] for line in re.findall(r"(?m)^ +(redcap-jobs .+)$", out)]
    assert [words[0] for words in typed] == ["state", "check", "compute-visit-windows"]
    assert typed[-1][-1] == "--dry-run"
    before = sandbox.project(3042).digest()
    state, check, job = (run(*words) for words in typed)
    assert (state[0], check[0]) == (0, 0)
    assert "cells in" in job[1]
    assert (folder / "state" / "state.db").exists()
    assert sandbox.project(3042).digest() == before


def test_init_from_the_live_project_lists_its_guesses_only(
    run: Run, sandbox: Sandbox, env_file: Path, tmp_path: Path
) -> None:
    """Everything written exists in the project: check finds nothing but the TO-DO marks."""
    options = ("--token", DEV, "--env-file", env_file)
    code, out, _ = run("init", tmp_path / "new", "--url", sandbox.url, *options)
    assert code == 0
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["study.toml"]
    assert "upload" not in out
    assert "TO-DO marks" in out
    study = tmp_path / "new" / "study.toml"
    code, out, _ = run("check", study, *options, "--output", "json")
    findings = json.loads(out)["findings"]
    assert code == 3
    assert {each["what"].split(":")[0] for each in findings} == {
        "a guess that nobody has confirmed"
    }
    study.write_text(re.sub(r"  # TO-DO:.*", "", study.read_text()))
    assert run("check", study, *options)[0] == 0
    study.write_text(uncommented(study.read_text()))
    assert run("check", study, *options)[0] == 0


def test_init_needs_both_token_and_url(run: Run, tmp_path: Path) -> None:
    """A token without a server, an address without encryption, two sources: exit 2."""
    code, _, err = run("init", tmp_path, "--token", DEV)
    assert (code, "belong together" in err) == (2, True)
    code, _, err = run("init", tmp_path, "--token", DEV, "--url", "http://redcap.example.edu/api/")
    assert (code, "in the clear" in err) == (2, True)
    code, _, err = run("init", tmp_path, "--token", DEV, "--from", "ismile")
    assert (code, "exclude each other" in err) == (2, True)
