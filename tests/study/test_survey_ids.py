"""Ids that texts went out under stay in the study file: else everybody would be texted again."""

import logging
import re
import sys
from collections.abc import Callable, Iterator
from datetime import date
from pathlib import Path

import pytest
from tests.state.journal_steps import a_text, posted, taken

from redcap_jobs.cli import main
from redcap_jobs.sandbox.ismile import ismile_projects
from redcap_jobs.sandbox.server import Sandbox
from redcap_jobs.state.journal import Journal
from redcap_jobs.state.scope import ProjectKey
from redcap_jobs.state.store import Store
from redcap_jobs.study.loading import bundled_study_text, load_bundled_or_file
from redcap_jobs.study.survey_ids import check_ids, texted_ids, vanished_ids

DEV = "REDCAP_API_ISMILE_DEV"
IDS = {"m2-survey", "m4-survey", "m12-survey", "m24-survey"}


def test_an_id_that_is_there_or_was_renamed_has_not_vanished() -> None:
    """``formerly`` says what became of an id; an id that nothing went out under may go at will."""
    study = load_bundled_or_file("ismile")
    assert vanished_ids(study, set()) == []
    assert vanished_ids(study, IDS) == []
    assert vanished_ids(study, [*IDS, "m6-survey", "exit", "exit"]) == ["exit", "m6-survey"]
    first = study.surveys[0].model_copy(update={"formerly": ("exit",)})
    renamed = study.model_copy(update={"surveys": (first, *study.surveys[1:])})
    assert vanished_ids(renamed, [*IDS, "exit"]) == []


def test_a_vanished_id_is_an_error_that_says_how_to_keep_it() -> None:
    """It is told at the surveys, with the words to write."""
    study = load_bundled_or_file("ismile")
    [told] = check_ids(study, ["month_two"])
    assert told.severity == "error"
    assert re.fullmatch(r"ismile\.toml:\d+: surveys", told.where)
    assert told.what == '"month_two" was texted before, and no survey of the file has that id'
    assert told.hint.startswith('write formerly = ["month_two"] in the survey it became;')


@pytest.fixture
def study(tmp_path: Path) -> Iterator[tuple[Path, Path, Store]]:
    """Serve ISMILE; write its study file, credentials that name a new state, and open that."""
    with Sandbox(projects=ismile_projects(participants=5, as_of=date(2026, 11, 22))) as sandbox:
        path, env_file = tmp_path / "ismile.toml", tmp_path / "credentials.env"
        text = bundled_study_text("ismile")
        path.write_text(re.sub(r'(?m)^url = ".*"$', f'url = "{sandbox.url}"', text, count=1))
        url = f"sqlite:///{tmp_path}/state.db"
        variables = {**sandbox.tokens, "REDCAP_JOBS_STATE_URL": url}
        env_file.touch(0o600)
        env_file.write_text("".join(f"{name}={value}\n" for name, value in variables.items()))
        with Store.create(url) as store:
            yield path, env_file, store


@pytest.fixture
def check(
    study: tuple[Path, Path, Store],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Iterator[Callable[[], tuple[int, str]]]:
    """Run check against the live project with the state named; return exit code and stdout."""
    path, env_file, _ = study
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level

    def run() -> tuple[int, str]:
        words = ["check", path, "--token", DEV, "--env-file", env_file]
        monkeypatch.setattr(sys, "argv", ["redcap-jobs", *map(str, words)])
        with pytest.raises(SystemExit) as stop:
            main()
        return int(stop.value.code or 0), capsys.readouterr().out

    yield run
    root.handlers[:] = handlers
    root.setLevel(level)


def test_check_asks_the_state_that_is_named(
    study: tuple[Path, Path, Store], check: Callable[[], tuple[int, str]]
) -> None:
    """What began to go out in this project counts; claims, and other projects' texts, do not."""
    path, _, store = study
    url = load_bundled_or_file(str(path)).redcap.url
    dev, prod = ProjectKey(url, 3042, "development"), ProjectKey(url, 3041, "production")
    journal = Journal(store, "run-1")
    posted(journal, a_text(dev, "k1", message="m2-survey"))
    posted(journal, a_text(prod, "k2", message="of-production"))
    taken(journal, a_text(dev, "k3", message="only-claimed"))
    assert check()[0] == 0
    posted(journal, a_text(dev, "k4", message="month_two"))
    code, out = check()
    assert code == 3
    assert '"month_two" was texted before' in out
    assert texted_ids(load_bundled_or_file(str(path)), DEV, str(store.url)) == {
        "m2-survey",
        "month_two",
    }
    path.write_text(
        path.read_text().replace('id = "m2-survey"', 'id = "m2-survey"\nformerly = ["month_two"]')
    )
    assert check()[0] == 0


def test_a_state_that_cannot_be_asked_is_said(
    study: tuple[Path, Path, Store], check: Callable[[], tuple[int, str]], tmp_path: Path
) -> None:
    """The rest is checked all the same; nobody takes it for more than it was."""
    (_, env_file, _), other = study, tmp_path / "elsewhere.db"
    env_file.write_text(env_file.read_text().replace("state.db", "elsewhere.db"))
    code, out = check()
    assert code == 0
    assert "warning: REDCAP_JOBS_STATE_URL: the ids of texts that went out were not looked" in out
    assert not other.exists()
