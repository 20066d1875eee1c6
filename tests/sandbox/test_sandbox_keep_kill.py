"""A sandbox with ``--data`` as a process: killed at any moment, started again."""

from __future__ import annotations

import os
import re
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from random import Random
from threading import Thread
from time import sleep

import odm_texts
import pytest
import requests
from sandbox_projects import TIMEOUT, Caller

COMMAND = [sys.executable, "-m", "redcap_jobs", "sandbox", "--port", "0"]
TOKEN_LINE = re.compile(r"(?m)^(REDCAP_API_\w+)=([0-9A-F]{32})$")
ROUNDS = 4
CLIENTS = 3


class Served:
    """One process: its pid, what it printed, and callers for its projects."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process
        assert process.stdout is not None
        lines = []
        for line in process.stdout:
            lines.append(line)
            if "Ctrl-C" in line:
                break
        self.text = "".join(lines)
        found = re.search(r"http://127\.0\.0\.1:\d+/api/", self.text)
        assert found is not None, self.text
        self.url = found[0]
        self.tokens = dict(TOKEN_LINE.findall(self.text))

    def caller(self, name: str) -> Caller:
        return Caller(self.url, self.tokens[name])

    def projects(self) -> list[dict[str, object]]:
        shown = requests.get(self.url.replace("api/", "sandbox/projects"), timeout=TIMEOUT)
        found: list[dict[str, object]] = shown.json()
        return found


@contextmanager
def served(folder: Path, *options: str) -> Iterator[Served]:
    """Start the command on a folder; it is killed at the end if it still runs."""
    with subprocess.Popen(
        [*COMMAND, "--data", str(folder), *options],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "COLUMNS": "200"},
    ) as process:
        try:
            yield Served(process)
        finally:
            if process.poll() is None:
                process.kill()


def import_until_it_ends(caller: Caller, prefix: str, answered: list[str]) -> None:
    """Import two records at a time under new names; note the name of each answered import."""
    for number in range(100_000):
        name = f"{prefix}-{number}"
        rows = [{"sid": f"{name}{half}", "notes": "one\ntwo", "weight": "70.5"} for half in "ab"]
        try:
            sent = caller.send(rows)
        except requests.RequestException:
            return
        assert sent.status_code == 200, sent.text
        answered.append(name)


def test_kill_9_loses_no_answered_import(tmp_path: Path) -> None:
    """Whatever was answered is there afterwards, and of each import both records or none."""
    xml = tmp_path / "p.xml"
    xml.write_text(odm_texts.CLASSIC, encoding="utf-8")
    folder = tmp_path / "data"
    options = ["--study", "none", "--project", str(xml)]
    answered: list[str] = []
    random = Random(3)  # noqa: S311 - moments, no secrets
    for round_ in range(ROUNDS):
        with served(folder, *options) as one:
            caller = one.caller(next(iter(one.tokens)))
            threads = [
                Thread(target=import_until_it_ends, args=(caller, f"r{round_}c{client}", answered))
                for client in range(CLIENTS)
            ]
            for thread in threads:
                thread.start()
            begun = len(answered)
            while len(answered) < begun + 5 and threads[0].is_alive():
                sleep(0.001)
            sleep(random.uniform(0, 0.05))
            one.process.send_signal(signal.SIGKILL)
            for thread in threads:
                thread.join(TIMEOUT)
    with served(folder, *options) as one:
        rows = one.caller(next(iter(one.tokens))).export()
    found = {row["sid"] for row in rows}
    assert {f"{name}{half}" for name in answered for half in "ab"} <= found
    halves = {name[:-1] for name in found if name.startswith("r")}
    assert all({f"{name}a", f"{name}b"} <= found for name in halves)
    assert len(answered) >= 5 * ROUNDS
    with sqlite3.connect(folder / "sandbox.sqlite3") as db:
        assert db.execute("pragma integrity_check").fetchone() == ("ok",)
    db.close()


def test_a_second_process_on_the_folder_is_exit_75(tmp_path: Path) -> None:
    """One line that names the folder and the process that has it."""
    folder = tmp_path / "data"
    with served(folder, "--participants", "5") as one:
        second = subprocess.run(
            [*COMMAND, "--data", str(folder)],
            capture_output=True,
            text=True,
            timeout=TIMEOUT,
            check=False,
        )
        assert second.returncode == 75
        assert len(second.stderr.splitlines()) == 1
        assert f"(process {one.process.pid}, since " in second.stderr


def test_the_folders_content_wins(tmp_path: Path) -> None:
    """Data, tokens and project ids stay; what was asked for again is told and not loaded again."""
    folder, xml = tmp_path / "data", tmp_path / "p.xml"
    xml.write_text(odm_texts.LONGITUDINAL, encoding="utf-8")
    with served(folder, "--participants", "20", "--project", str(xml)) as one:
        assert str(folder) in one.text.replace("\n", "")
        first = (one.tokens, one.projects())
        caller = one.caller("REDCAP_API_HAND_MADE")
        name = caller.export()[0]["sid"]
        assert caller.post(content="record", action="delete", **{"records[0]": name}).text == "1"
        one.process.send_signal(signal.SIGTERM)
        assert one.process.wait(TIMEOUT) == 0
    with served(folder, "--project", str(xml)) as one:
        assert one.tokens == first[0]
        assert f"{xml}: kept as project 3101, not loaded again" in one.text
        assert "changed" not in one.text
        left = one.caller("REDCAP_API_HAND_MADE").export()
        assert name not in {row["sid"] for row in left}
        assert [found["project_id"] for found in one.projects()] == [3041, 3042, 3101]
    with served(folder, "--study", "ismile", "--participants", "30") as one:
        assert "kept as it was made, of 20 participants, seed 1" in one.text
        records = [found["records"] for found in one.projects()]
        assert records[:2] == [20, 20]


def test_a_file_is_known_by_content_or_path(tmp_path: Path) -> None:
    """Moved or changed, it is the same project; given twice at first, it is two."""
    folder, xml, moved = tmp_path / "data", tmp_path / "p.xml", tmp_path / "moved.xml"
    xml.write_text(odm_texts.CLASSIC, encoding="utf-8")
    options = ["--study", "none"]
    with served(folder, *options, "--project", str(xml), "--project", str(xml)) as one:
        assert [found["project_id"] for found in one.projects()] == [3101, 3102]
    moved.write_text(odm_texts.CLASSIC, encoding="utf-8")
    xml.write_text(odm_texts.CLASSIC + "\n", encoding="utf-8")
    with served(folder, "--project", str(moved), "--project", str(xml)) as one:
        assert f"{moved}: kept as project 3101, not loaded again\n" in one.text
        assert f"{xml}: kept as project 3102, not loaded again; the file has changed" in one.text
        assert [found["project_id"] for found in one.projects()] == [3101, 3102]
    xml.unlink()
    with served(folder, "--project", str(moved), "--project", str(xml)) as one:
        assert len(one.projects()) == 2
    with served(folder, *(["--project", str(moved)] * 3)) as one:
        assert [found["project_id"] for found in one.projects()] == [3101, 3102, 3103]
        assert len(set(one.tokens)) == 3


def test_the_study_is_not_added_to_what_is_there(tmp_path: Path) -> None:
    """By default an empty folder gets it; one with a project only when it is asked for by name."""
    folder, xml = tmp_path / "data", tmp_path / "p.xml"
    xml.write_text(odm_texts.CLASSIC, encoding="utf-8")
    with served(folder, "--study", "none", "--project", str(xml)) as one:
        assert len(one.projects()) == 1
    with served(folder, "--participants", "5") as one:
        assert len(one.projects()) == 1
    with served(folder, "--participants", "5", "--study", "ismile") as one:
        assert [found["project_id"] for found in one.projects()] == [3101, 3041, 3042]
    with served(folder, "--study", "none") as one:
        assert len(one.projects()) == 3


@pytest.mark.parametrize("option", ["--data", "--project"])
def test_what_cannot_be_used_is_exit_3(tmp_path: Path, option: str) -> None:
    """One line, no traceback; nothing was made of a folder that holds other things."""
    (tmp_path / "bad.xml").write_text("<ODM>", encoding="utf-8")
    value = tmp_path if option == "--data" else tmp_path / "bad.xml"
    folder = [] if option == "--data" else ["--data", str(tmp_path / "data")]
    result = subprocess.run(
        [*COMMAND, option, str(value), *folder],
        capture_output=True,
        text=True,
        timeout=TIMEOUT,
        check=False,
    )
    assert result.returncode == 3
    assert len(result.stderr.splitlines()) == 1
