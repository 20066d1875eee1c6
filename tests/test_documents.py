"""Documents kept true: what README, crontab, .env.example and --help say exists and is complete."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
import tomllib
from io import StringIO
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, cast
from unittest.mock import patch

import click
import pytest
from rich.console import Console
from tests.command_lines import commands, parsed, shown
from tests.debian import lacking, program

from redcap_jobs.cli import COMMANDS
from redcap_jobs.demo import conclude
from redcap_jobs.errors import ExitCode
from redcap_jobs.jobs import JOBS
from redcap_jobs.study.loading import bundled_study_text, load_bundled_or_file, load_study

if TYPE_CHECKING:
    from redcap_jobs.sandbox.server import Sandbox

ROOT = Path(__file__).parent.parent
SOURCES = sorted((ROOT / "src").rglob("*.py"))
README = (ROOT / "README.md").read_text(encoding="utf-8")
PAGES = [str(page.relative_to(ROOT)) for page in sorted((ROOT / "src").rglob("*.md"))]
"""The documents beside the code they are about."""
TOP_LEVEL = {
    ".ci", ".env.example", ".gitignore", "CHANGELOG.md", "LICENSE", "README.md",
    "crontab.example", "deploy.sh", "pyproject.toml", "src", "tests",
}  # fmt: skip
NOT_YET: set[str] = set()
"""Dependencies that later jobs need and no code imports yet; empty once they do."""
MODULES = {"python-dotenv": "dotenv", "fpdf2": "fpdf"}
"""Distribution → its module, where the names differ."""
DATA_ONLY = {"tzdata"}
"""Read by zoneinfo when the host ships no time zones; nobody imports it."""
HELP = {path or "redcap-jobs": command for path, command in commands()}


def tracked() -> list[Path]:
    """Return every file that belongs to the repository."""
    git = program("git", "git")
    done = subprocess.run(
        [git, "-C", ROOT, "ls-files", "-z"], capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        lacking("this folder is no git checkout, so nothing says which files belong to it")
    return [path for name in done.stdout.split("\0") if name and (path := ROOT / name).is_file()]


def marked_commands(text: str) -> dict[str, str]:
    """Return the commands between README's marks, by the mark's name."""
    found = re.findall(r"<!-- (\w+) -->\n```sh\n(.*?)```\n<!-- /\1 -->", text, flags=re.DOTALL)
    return {name: command.strip() for name, command in found}


def strings(path: Path) -> list[str]:
    """Return every string constant of a source file, parts of f-strings and docstrings too."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return [
        node.value
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    ]


def help_of(command: click.Command) -> str:
    """Return a command's --help, wide enough that no line is folded."""
    context = click.Context(command, info_name="redcap-jobs", max_content_width=1000)
    context.terminal_width = 1000
    return command.get_help(context)


def demo_text() -> str:
    """Return what the demo says at its end, without running it."""
    out = StringIO()
    server = cast("Sandbox", SimpleNamespace(url="http://127.0.0.1:8123/api/"))
    with patch.object(sys, "argv", ["redcap-jobs"]):
        conclude(Console(file=out, width=1000), Path("/folder"), server, [], 20, 1)
    return out.getvalue()


def documents() -> dict[str, str]:
    """Return every text that shows command lines, by name."""
    files = ("README.md", ".env.example", "crontab.example", *PAGES)
    texts = {name: (ROOT / name).read_text(encoding="utf-8") for name in files}
    texts |= {f"{name} --help": help_of(command) for name, command in HELP.items()}
    texts |= {str(path.relative_to(ROOT)): "\n".join(strings(path)) for path in SOURCES}
    return texts | {"the demo's end": demo_text()}


SHOWN = [(name, words) for name, text in documents().items() for words in shown(text)]


def test_readme_has_exactly_two_marked_commands_that_need_only_python() -> None:
    """Each makes its own virtual environment, in one line that can be pasted."""
    marked = marked_commands(README)
    assert list(marked) == ["demo", "tests"]
    assert README.count("<!-- ") == 4
    for command in marked.values():
        assert command.startswith("python3 -m venv .venv && ")
        assert len(command.splitlines()) == 1


def test_the_tables_that_a_page_shows_can_be_added_to_a_study_file(tmp_path: Path) -> None:
    """What the page on texts says to add is taken word for word."""
    page = (ROOT / "src" / "redcap_jobs" / "messaging" / "README.md").read_text(encoding="utf-8")
    (shown_there,) = re.findall(r"```toml\n(.*?)```", page, re.DOTALL)
    study = tmp_path / "study.toml"
    study.write_text(f"{bundled_study_text('ismile')}\n{shown_there}", encoding="utf-8")
    found = load_study(study)
    assert found.notify.mail_to
    assert found.notify.smtp is not None
    assert found.pauses


def test_ci_runs_readmes_test_command_word_for_word() -> None:
    """.ci/run takes the command out of README with its own text, and that text finds all of it."""
    script = (ROOT / ".ci" / "run").read_text(encoding="utf-8")
    (assignment,) = re.findall(r"(?m)^test_command=\$\(.*\)$", script)
    done = subprocess.run(
        ["bash", "-c", f'{assignment}; printf %s "$test_command"'],
        cwd=ROOT, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert done.stdout == marked_commands(README)["tests"]
    last = script.strip().splitlines()[-1]
    assert re.search(r'\bbash\b.* -c "\$test_command"$', last)


@pytest.mark.parametrize(("where", "words"), SHOWN, ids=lambda value: str(value)[:60])
def test_command_lines_that_are_shown_exist(where: str, words: list[str]) -> None:
    """Each command line of a document, a --help or a message is one that can be typed.

    A command's bare name in backquotes only has to be one.
    """
    if " ".join(words) not in HELP:
        parsed(words)


@pytest.mark.parametrize(
    "line",
    [
        "chek study.toml",
        "check study.toml --tokn NAME",
        "check study.toml --token",
        "check study.toml another.toml",
        "compute-visit-windows --export-token NAME",
        "state initialise",
        "state init --force",
    ],
)
def test_command_lines_that_do_not_exist_are_noticed(line: str) -> None:
    """An unknown command or option, a missing value, one argument too many or too few."""
    with pytest.raises(click.UsageError):
        parsed(line.split())


def test_command_lines_are_found_in_every_place() -> None:
    """The search itself works: README, messages, help and the demo all show some."""
    found = {name for name, _ in SHOWN}
    assert {"README.md", *PAGES, "the demo's end", "state init --help", "why --help"} <= found
    assert {"src/redcap_jobs/state/fingerprint.py", "src/redcap_jobs/study/starter.py"} <= found
    assert list(shown("a `redcap-jobs state init` b")) == [["state", "init"]]


def test_commands_named_in_messages_exist() -> None:
    """`redcap-jobs NAME` in any string of the source, options after it included, is a real one."""
    known = {name: {option for param in command.params for option in param.opts}
             for name, command in HELP.items()}  # fmt: skip
    mentions = [
        (path.name, match[1], match[2])
        for path in SOURCES
        for text in strings(path)
        for match in re.finditer(
            r"redcap-jobs ((?:state |(?:messages|partner) (?!study\b))?[a-z][a-z-]+)\b([^;:)`\n]*)",
            text,
        )
    ]
    assert len(mentions) > 20
    for where, name, rest in mentions:
        assert name in known, f"{where}: redcap-jobs {name}"
        options = re.findall(r"(?<!\S)--[a-z-]+", rest.split(". ")[0])
        if default := getattr(HELP[name], "default_command", ""):
            name = f"{name} {default}"
        assert set(options) <= known[name] | {"--help"}, f"{where}: redcap-jobs {name}{rest}"


def test_readmes_table_lists_exactly_the_commands() -> None:
    """Every command has its row; no row names one that is gone."""
    table = README[README.index("| command |") :].split("\n\n")[0]
    rows = [line.split("|")[1] for line in table.splitlines()[2:]]
    named = [name for row in rows for name in re.findall(r"`([a-z-]+)`", row)]
    assert sorted(named) == sorted([*COMMANDS, *JOBS])


def test_readmes_folders_exist() -> None:
    """Every package is in README's table of the code, and every row is a package."""
    packages = {path.parent.name for path in (ROOT / "src" / "redcap_jobs").glob("*/__init__.py")}
    assert set(re.findall(r"(?m)^\| `(\w+)/` \|", README)) == packages
    for name in re.findall(r"`(\w+\.py)`", README):
        assert (ROOT / "src" / "redcap_jobs" / name).exists(), name


@pytest.mark.parametrize("name", [name for name in HELP if name != "redcap-jobs"])
def test_every_command_explains_itself(name: str) -> None:
    """A help text, help for every option, and an example (the group `state` lists its own)."""
    command = HELP[name]
    assert command.help
    assert "\\b" not in help_of(command), "click needs the backspace itself, not its escape"
    for param in command.params:
        if isinstance(param, click.Option) and param.name != "output":
            assert param.help, f"{name}: {param.opts}"
    if not isinstance(command, click.Group):
        assert f"redcap-jobs {name}" in help_of(command)


@pytest.mark.parametrize("text", [*(f"{name} --help" for name in HELP), "README.md"])
def test_exit_codes_are_documented_everywhere(text: str) -> None:
    """Every number of ExitCode, and no other, is in README and in each command's --help."""
    document = " ".join(documents()[text].split())
    sentence = document[document.index("Exit codes:") :].split(". ")[0]
    numbers = {int(number) for number in re.findall(r"(?<![\d-])\b\d+\b", sentence)}
    assert numbers == {int(code) for code in ExitCode}


def test_every_module_says_what_it_is() -> None:
    """A docstring at the head of each source file."""
    assert [
        str(path.relative_to(ROOT))
        for path in SOURCES
        if not ast.get_docstring(ast.parse(path.read_text(encoding="utf-8")))
    ] == []


def test_top_level_holds_what_was_agreed_on_and_nothing_else() -> None:
    """A clone shows twelve names."""
    assert {path.relative_to(ROOT).parts[0] for path in tracked()} == TOP_LEVEL


def test_no_file_names_a_machine_or_a_registry() -> None:
    """Nothing in the repository depends on where it was written: no registry, no work folder."""
    words = ["pypi" + ".org", "deb.debian" + ".org", "npm" + "js", "/wo" + "rk/", "/tm" + "p/v/"]
    found = [
        f"{path.relative_to(ROOT)}: {word}"
        for path in tracked()
        for word in words
        if word in path.read_text(encoding="utf-8", errors="replace")
    ]
    assert found == []


def test_env_example_names_exactly_the_variables_the_code_reads() -> None:
    """Our own variables, as they stand in the source, and the tokens of the bundled study."""
    text = (ROOT / ".env.example").read_text(encoding="utf-8")
    named = re.findall(r"(?m)^([A-Z_]+)=$", text)
    ours = {
        text for path in SOURCES for text in strings(path) if re.fullmatch(r"REDCAP_JOBS_\w+", text)
    }
    assert ours
    study = load_bundled_or_file("ismile")
    assert study.sender is not None
    assert study.partner is not None
    assert study.partner.development is not None
    partners = {*study.partner.variables, *study.partner.development.variables}
    assert sorted(named) == sorted(
        {*ours, *study.redcap.projects, *study.sender.variables, *partners}
    )


def test_dependencies_are_those_that_are_imported() -> None:
    """Each is imported somewhere, or is on the list of what later jobs need; so is each import."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    wanted = {name_of(text) for text in project["dependencies"]} - DATA_ONLY
    extras = {
        name_of(text) for texts in project["optional-dependencies"].values() for text in texts
    }
    third_party = imported() - set(sys.stdlib_module_names) - {"redcap_jobs"}
    assert wanted - third_party == NOT_YET
    # werkzeug comes with flask, pydantic_core with pydantic
    carried = {"werkzeug", "pydantic_core"}
    assert third_party - wanted - extras == carried


def name_of(requirement: str) -> str:
    """Return the module that a requirement of pyproject.toml brings."""
    name = re.split(r"[\[><=~ ]", requirement, maxsplit=1)[0].lower()
    return MODULES.get(name, name)


def imported() -> set[str]:
    """Return the top-level modules that the source imports, wherever the statement stands."""
    found: set[str] = set()
    for path in SOURCES:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                found |= {alias.name.split(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
                found.add(node.module.split(".")[0])
    return found
