"""A command that a person is told to type acts on the project it was told about, and no other."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from redcap_jobs.cli import cli
from redcap_jobs.plan import Problem
from redcap_jobs.study.loading import bundled_study_text, load_bundled_or_file, study_from_bytes
from redcap_jobs.typed import Typed, called

DEV, PROD = "REDCAP_API_ISMILE_DEV", "REDCAP_API_ISMILE_PROD"
STUDY = load_bundled_or_file("ismile")


def typed(token: str = PROD, env_file: str | None = ".env", argument: str = "ismile.toml") -> Typed:
    return Typed.of(STUDY, argument, token, Path(env_file) if env_file else None)


@pytest.mark.parametrize(
    ("token", "env_file", "said"),
    [
        (PROD, None, "redcap-jobs partner confirm-arm ismile.toml 7 --arm ARM"),
        (PROD, ".env", "redcap-jobs partner confirm-arm ismile.toml --env-file .env 7 --arm ARM"),
        (
            DEV,
            ".env",
            f"redcap-jobs partner confirm-arm ismile.toml --token {DEV} --env-file .env 7 --arm ARM",
        ),
    ],
)
def test_what_was_told_of_development_names_development(
    token: str, env_file: str | None, said: str
) -> None:
    """Production is what is meant without a word; of the copy the word is in the command."""
    text = "to push it: redcap-jobs partner confirm-arm STUDY 7 --arm ARM"
    assert typed(token, env_file).complete(text) == f"to push it: {said}"


def test_a_command_about_the_whole_study_takes_no_project() -> None:
    """Replies are the study's: `messages read` has no --token."""
    said = typed(DEV).complete("redcap-jobs messages read STUDY SID --stop, or --keep")
    assert said == "redcap-jobs messages read ismile.toml --env-file .env SID --stop, or --keep"


def test_a_command_that_needs_the_project_gets_it_always() -> None:
    """`state adopt` asks for --token, for production, too."""
    said = typed(PROD, None).complete("address is new: redcap-jobs state adopt STUDY")
    assert said == f"address is new: redcap-jobs state adopt ismile.toml --token {PROD}"


def test_with_one_project_no_word_is_needed() -> None:
    """A study with a development project only."""
    text = bundled_study_text("ismile")
    table = text[text.index(f"[redcap.projects.{PROD}]") :].partition("\n\n")[0]
    study = study_from_bytes(text.replace(table, "").encode(), Path("ismile.toml"))
    made = Typed.of(study, "ismile.toml", DEV, None)
    assert made.complete("redcap-jobs partner STUDY") == "redcap-jobs partner ismile.toml"


def test_a_path_with_a_blank_is_quoted() -> None:
    """So that it can be copied as it stands."""
    said = typed(PROD, "my files/.env", "my files/ismile.toml").complete(
        "redcap-jobs partner STUDY"
    )
    assert said == "redcap-jobs partner 'my files/ismile.toml' --env-file 'my files/.env'"


def test_only_the_hint_of_a_problem_is_completed() -> None:
    """Data are not searched for commands, and a STUDY elsewhere is a word like others."""
    before = Problem(
        "7", "arm", "redcap-jobs partner STUDY", "ask the STUDY team; redcap-jobs why STUDY"
    )
    (after,) = typed(PROD, None).told([before])
    assert after.what == before.what
    assert after.hint == "ask the STUDY team; redcap-jobs why ismile.toml"


@pytest.mark.parametrize(
    "words",
    [
        ("partner", "confirm-arm"),
        ("partner", "settle"),
        ("messages", "settle"),
        ("messages", "resend"),
        ("messages", "rename-record"),
        ("state", "adopt"),
    ],
)
def test_commands_take_the_options_that_are_put_into_them(words: tuple[str, ...]) -> None:
    """--token and --env-file are known to each."""
    told = CliRunner().invoke(cli, [*words, "--help"]).output
    assert ("--token" in told, "--env-file" in told) == (True, True)


def test_reading_replies_takes_the_credentials_only() -> None:
    """As the completed command has it."""
    told = CliRunner().invoke(cli, ["messages", "read", "--help"]).output
    assert ("--token" in told, "--env-file" in told) == (False, True)


def test_a_runs_own_page_needs_no_study() -> None:
    """It is found by its id, in the state that the credentials file names."""
    assert Typed("s.toml", "T", usual=False).runs("R-1") == "redcap-jobs runs R-1"
    with_file = Typed("s.toml", "T", usual=True, env_file=Path("a b/.env"))
    assert with_file.runs("R-1") == "redcap-jobs runs R-1 --env-file 'a b/.env'"


def test_a_program_is_named_so_that_no_other_one_is_meant(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """By its name only where the PATH leads to this very installation; beside another, by path."""
    for name in ("own", "other"):
        program = tmp_path / name / "redcap-jobs"
        program.parent.mkdir()
        program.write_text("#!/bin/sh\n", encoding="utf-8")
        program.chmod(0o755)
    own = tmp_path / "own" / "redcap-jobs"
    monkeypatch.setattr(sys, "argv", [str(own), "demo"])
    monkeypatch.setenv("PATH", str(own.parent))
    assert called() == "redcap-jobs"
    monkeypatch.setenv("PATH", str(tmp_path / "other"))
    assert called() == str(own)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert called() == str(own)
    monkeypatch.setattr(sys, "argv", [str(tmp_path / "redcap_jobs" / "__main__.py"), "demo"])
    assert called() == f"{sys.executable} -m redcap_jobs"
