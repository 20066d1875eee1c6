"""crontab.example: each line means something, and does its work the way cron calls it."""

from __future__ import annotations

import json
import os
import pwd
import re
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import time
from pathlib import Path

import pytest
from partnering import partnering
from study_home import DEV, PROD, Home
from tests.command_lines import Parsed, parsed
from tests.debian import program

from redcap_jobs.study.loading import load_bundled_or_file

CRONTAB = Path(__file__).parents[2] / "crontab.example"
INSTALLED = Path(sys.executable).with_name("redcap-jobs")
SETTING = re.compile(r"([A-Z_]+)=(.*)")
LIMITS = ((0, 59), (0, 23), (1, 31), (1, 12), (0, 7))
"""Least and greatest value of minute, hour, day, month and weekday: crontab(5)."""


@dataclass(frozen=True)
class Line:
    """One job of a crontab: its five fields of time, and the command as /bin/sh gets it."""

    fields: tuple[str, ...]
    command: str

    def __str__(self) -> str:
        return self.command


def read_crontab() -> tuple[dict[str, str], list[Line]]:
    """Return the settings and the jobs of crontab.example."""
    settings: dict[str, str] = {}
    lines: list[Line] = []
    for text in CRONTAB.read_text(encoding="utf-8").splitlines():
        setting = SETTING.fullmatch(text)
        if setting:
            settings[setting[1]] = setting[2]
        elif text and not text.startswith("#"):
            *fields, command = text.split(maxsplit=5)
            assert "%" not in command.replace("\\%", ""), "cron reads a bare % as a line's end"
            lines.append(Line(tuple(fields), command.replace("\\%", "%")))
    return settings, lines


SETTINGS, LINES = read_crontab()


def environment(**changed: str | Path) -> dict[str, str]:
    """Return what cron gives a job: its few variables, and the crontab's settings."""
    account = pwd.getpwuid(os.geteuid())
    given = {"HOME": account.pw_dir, "LOGNAME": account.pw_name, "PATH": "/usr/bin:/bin"}
    return given | SETTINGS | {name: str(value) for name, value in changed.items()}


def run_as_cron(line: Line, cwd: Path, **changed: str | Path) -> subprocess.CompletedProcess[str]:
    """Run a line through /bin/sh with cron's environment, without a terminal."""
    return subprocess.run(
        [SETTINGS["SHELL"], "-c", line.command],
        env=environment(**changed), cwd=cwd, input="", start_new_session=True,
        capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip


def arguments(line: Line, folder: Path) -> Parsed:
    """Let the shell expand a line; return what redcap-jobs would get."""
    show = folder / "show"
    show.write_text(f"#!{sys.executable}\nimport json, sys\nprint(json.dumps(sys.argv[1:]))\n")
    show.chmod(0o755)
    done = run_as_cron(line, folder, JOBS=show)
    assert done.returncode == 0, done.stderr
    return parsed(json.loads(done.stdout))


def study_server(home: Home) -> None:
    """Lay a home's files where deploy.sh puts them."""
    for name in ("studies", "backups"):
        (home.folder / name).mkdir()
    shutil.copy(home.study, home.folder / "studies" / "ismile.toml")


def line_for(*texts: str) -> Line:
    """Return the only line that holds every text."""
    (found,) = (line for line in LINES if all(text in line.command for text in texts))
    return found


def test_there_are_jobs_and_their_times_are_valid() -> None:
    """Five fields each, of numbers, lists, ranges, steps or *, within crontab(5)'s limits."""
    assert len(LINES) >= 3
    for line in LINES:
        assert len(line.fields) == 5, line
        for field, (least, greatest) in zip(line.fields, LIMITS, strict=True):
            for part in field.split(","):
                match = re.fullmatch(r"(?:\*|(\d+)(?:-(\d+))?)(?:/([1-9]\d*))?", part)
                assert match, f"{line}: {field}"
                numbers = [int(number) for number in match.groups()[:2] if number]
                assert all(least <= number <= greatest for number in numbers), f"{line}: {field}"
                assert numbers == sorted(numbers), f"{line}: {field}"


def test_cron_itself_accepts_the_file() -> None:
    """`crontab -n` finds no mistake, and does find one in a file that has one."""
    crontab = program("crontab", "cron")
    good = subprocess.run([crontab, "-n", CRONTAB], capture_output=True, text=True, check=False)
    assert good.returncode == 0, good.stderr
    broken = CRONTAB.read_text() + "61 * * * * true\n"
    bad = subprocess.run(
        [crontab, "-n", "-"], input=broken, capture_output=True, text=True, check=False
    )
    assert bad.returncode != 0


@pytest.mark.parametrize("line", LINES, ids=str)
def test_each_line_calls_a_command_that_exists(line: Line, tmp_path: Path) -> None:
    """Command and options exist, what is required is there, and cron is never asked a question."""
    assert line.command.startswith("$JOBS ")
    found = arguments(line, tmp_path)
    assert found.values["env_file"] == f"{SETTINGS['DIR']}/.env"
    if "study" in found.values:
        assert found.values["yes"] is True
        assert found.values["study"] == f"{SETTINGS['DIR']}/studies/ismile.toml"


@pytest.mark.parametrize("line", LINES, ids=str)
def test_tokens_are_given_by_names_that_the_study_file_declares(line: Line, tmp_path: Path) -> None:
    """Every --export-token and --import-token is a NAME of [redcap.projects]; nothing is a token."""
    declared = set(load_bundled_or_file("ismile").redcap.projects)
    values = arguments(line, tmp_path).values
    names = {values[name] for name in ("export_token", "import_token") if name in values}
    assert names <= declared
    assert not re.search(r"[0-9A-Fa-f]{32}", CRONTAB.read_text())


def test_both_copies_of_the_study_are_served() -> None:
    """The development copy goes first, production a few minutes later."""
    development, production = line_for(DEV), line_for("compute-visit-windows", PROD)
    assert LINES.index(development) < LINES.index(production)
    assert development.fields[1:] == production.fields[1:]
    assert int(development.fields[0]) < int(production.fields[0])


def test_texts_are_polled_every_quarter_of_an_hour_and_sent_by_day() -> None:
    """Sending needs replies that were read lately; it comes at an hour at which all may be texted."""
    polled, sent = line_for("poll-messages"), line_for("send-surveys")
    assert polled.fields == ("*/15", "*", "*", "*", "*")
    hours = load_bundled_or_file("ismile").messages
    assert hours is not None
    spans = [span for span in hours.hours.spans if span]
    for hour in map(int, sent.fields[1].split(",")):
        at = time(hour, int(sent.fields[0]))
        assert all(opens <= at < closes for opens, closes in spans)
    assert PROD in polled.command
    assert PROD in sent.command


def test_the_paths_are_those_that_deploy_makes() -> None:
    """DIRECTORY/current/bin/redcap-jobs, studies, backups and .env, as deploy.sh --help says."""
    deploy = (CRONTAB.parent / "deploy.sh").read_text(encoding="utf-8")
    assert f"DIRECTORY{SETTINGS['JOBS'].removeprefix(SETTINGS['DIR'])} " in deploy
    for word in re.findall(r"\$DIR(/[a-z.]+)", "\n".join(map(str, LINES))):
        assert f"DIRECTORY{word}" in deploy


def test_a_job_line_does_its_work_as_cron_calls_it(home: Home) -> None:
    """No terminal and hardly any environment: the cells are written, one line tells of problems."""
    study_server(home)
    before = home.sandbox.project(3042).digest()
    done = run_as_cron(line_for(DEV), home.folder, JOBS=INSTALLED, DIR=home.folder)
    assert (done.returncode, done.stdout) == (1, "")
    assert len(done.stderr.splitlines()) == 1
    assert "[run 2" in done.stderr
    assert home.sandbox.project(3042).digest() != before
    assert home.calls()["record import"] > 0
    run_as_cron(line_for(DEV), home.folder, JOBS=INSTALLED, DIR=home.folder)
    assert home.calls()["record import"] == 0


def test_the_backup_line_saves_the_state_without_a_word(home: Home) -> None:
    """A good night is a quiet one: a file named by the day, mode 600, which the next month replaces."""
    study_server(home)
    for _ in range(2):
        done = run_as_cron(line_for("state backup"), home.folder, JOBS=INSTALLED, DIR=home.folder)
        assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    (saved,) = (home.folder / "backups").iterdir()
    assert re.fullmatch(r"state-day-\d\d\.db", saved.name)
    assert saved.stat().st_mode & 0o077 == 0


def test_the_partners_lines_do_their_work_and_repeat_nothing(tmp_path: Path) -> None:
    """Members are made and REDCap has their ids and status; the next quarter of an hour is silent."""
    with partnering(tmp_path, participants=20) as study:
        home = study.home
        study_server(home)

        def run(job: str) -> tuple[int, str, int]:
            done = run_as_cron(line_for(job), tmp_path, JOBS=INSTALLED, DIR=tmp_path)
            return done.returncode, done.stdout, len(done.stderr.splitlines())

        first = run("poll-participants")
        members = {one["studyId"]: one["memberId"] for one in study.sandbox.partner.all()}
        assert members
        assert first in ((0, "", 0), (1, "", 1))
        assert {record: study.baseline(record)["ag_member_id"] for record in members} == members
        run("sync-agile")
        assert {study.baseline(record)["ag_status"] for record in members} == {"1"}
        writes, imports = study.writes, study.imports()
        again = [run("poll-participants"), run("sync-agile")]
        assert [(out, lines) for _, out, lines in again] == [("", 0), ("", 0)]
        assert (study.writes, study.imports()) == (writes, imports)


@contextmanager
def crontab_of_root(text: str) -> Iterator[None]:
    """Install a crontab for a while; put back what was there."""
    crontab = [program("crontab", "cron"), "-u", "root"]
    kept = subprocess.run([*crontab, "-l"], capture_output=True, text=True, check=False)
    subprocess.run([*crontab, "-"], input=text, text=True, check=True)
    try:
        yield
    finally:
        if kept.returncode == 0:
            subprocess.run([*crontab, "-"], input=kept.stdout, text=True, check=True)
        else:
            subprocess.run([*crontab, "-r"], check=True)


@pytest.mark.skipif(
    not os.environ.get("REDCAP_JOBS_LONG_TESTS"),
    reason="waits up to a minute for the real cron; set REDCAP_JOBS_LONG_TESTS=1 to run it",
)
@pytest.mark.skipif(os.geteuid() != 0, reason="only root can start cron")
def test_the_real_cron_runs_the_line(home: Home) -> None:
    """Debian's cron reads the crontab and calls the job at the next minute: the cells are written."""
    study_server(home)
    settings = SETTINGS | {"MAILTO": '""', "JOBS": str(INSTALLED), "DIR": str(home.folder)}
    command = line_for(DEV).command.replace("%", "\\%")
    text = "".join(f"{name}={value}\n" for name, value in settings.items())
    before = home.sandbox.project(3042).digest()
    with (
        crontab_of_root(f"{text}* * * * * {command}\n"),
        subprocess.Popen(
            [program("cron", "cron"), "-f"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        ) as cron,
    ):
        try:
            look_again = threading.Event()
            ended = (finished_runs(home) or look_again.wait(1) for _ in range(80))
            assert any(ended), f"cron (exit {cron.poll()}) has not done: {command}"
        finally:
            cron.terminate()
    assert home.sandbox.project(3042).digest() != before


def finished_runs(home: Home) -> bool:
    """Tell whether a run has ended with some participants' planted mistakes listed."""
    listed = home.call("runs", "--env-file", home.env_file, "--output", "json").out
    return any(run["state"] == "partial" for run in json.loads(listed))
