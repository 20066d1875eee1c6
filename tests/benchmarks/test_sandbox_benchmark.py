"""The sandbox with 10,000 records of 200 fields: loading, exporting and importing them.

The server is a process of its own, ``redcap-jobs sandbox --data``; a client on this machine reads
and writes over HTTP. What is asserted does not depend on the machine: what an export costs in
memory, and that ten times the records take about ten times as much work. The seconds are reported:
those of the clock, and the server's CPU, which other programs on the machine disturb less.
"""

from __future__ import annotations

import csv
import io
import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from random import Random
from urllib.parse import urlencode

import pytest
import requests
from pytest_benchmark.fixture import BenchmarkFixture

from redcap_jobs.sandbox.api import Api
from redcap_jobs.sandbox.dictionary import Choice, Field
from redcap_jobs.sandbox.keep import Keeper, Source
from redcap_jobs.sandbox.odm import read_project_xml
from redcap_jobs.sandbox.project import SandboxProject
from redcap_jobs.sandbox.replies import whole
from redcap_jobs.sandbox.store import Record, RowKey, Snapshot
from redcap_jobs.sandbox.structure import Structure, forms_from_fields

RECORDS, FIELDS, FIELDS_OF_A_FORM = 10_000, 200, 25
NOW = datetime(2026, 11, 22, 12, 0)  # noqa: DTZ001 - server time
ROUNDS = 3
SHARE_OF_AN_EXPORT = 0.25
"""How much of an export's size may stay in memory while it is streamed."""
STEEPER = 2.5
"""How many times more per record a tenfold import may take: it grows with the data, no faster."""

CHOICES = tuple(Choice(str(code), f"Option {code}") for code in range(1, 6))
KINDS: tuple[tuple[str, str, Callable[[Random], str]], ...] = (
    ("text", "", lambda _: "some words here"),
    ("text", "integer", lambda random: str(random.randrange(100))),
    (
        "text",
        "date_ymd",
        lambda random: f"20{random.randrange(10, 27)}-0{random.randrange(1, 9)}-17",
    ),
    ("radio", "", lambda random: str(random.randrange(1, 6))),
    ("text", "number", lambda random: f"{random.random() * 100:.2f}"),
)


def dictionary() -> tuple[Field, ...]:
    """Return a record ID and 199 fields of five kinds on eight forms."""
    fields = [Field("record_id", "form_1", "text", "Record ID")]
    for place in range(1, FIELDS):
        type_, validation, _ = KINDS[place % len(KINDS)]
        form = f"form_{1 + place // FIELDS_OF_A_FORM}"
        choices = CHOICES if type_ == "radio" else ()
        name = f"field_{place:03d}"
        fields.append(Field(name, form, type_, f"Field {place}", choices, validation=validation))
    return tuple(fields)


def rows(number: int, seed: int) -> Iterator[dict[str, str]]:
    """Yield one full row per record."""
    random = Random(seed)  # noqa: S311 - made-up values
    makers = [KINDS[place % len(KINDS)][2] for place in range(1, FIELDS)]
    for record in range(1, number + 1):
        values = {f"field_{place:03d}": make(random) for place, make in enumerate(makers, 1)}
        yield {"record_id": str(record), **values}


def filled() -> SandboxProject:
    """Return a project with all records."""
    fields = dictionary()
    structure = Structure(fields, forms_from_fields(fields, {}))
    project = SandboxProject(3101, "Large", structure, created=NOW)
    project.store.current = Snapshot(
        {row.pop("record_id"): Record({RowKey(): row}) for row in rows(RECORDS, seed=1)}
    )
    return project


@dataclass(frozen=True)
class Large:
    """The project as a file, and in a folder."""

    xml: Path
    folder: Path
    token: str


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> Large:
    """Write the project in both ways."""
    home = tmp_path_factory.mktemp("large")
    project = filled()
    call = {"token": project.token, "content": "project_xml", "returnMetadataOnly": "false"}
    reply = Api([project], lambda: NOW).reply(call.items())
    (home / "large.xml").write_bytes(b"".join(whole(reply)))
    with Keeper(home / "data") as keeper:
        keeper.add([(project, Source("created"))])
    return Large(home / "large.xml", home / "data", project.token)


@dataclass(frozen=True)
class Server:
    """A running server and a project's token."""

    pid: int
    url: str
    token: str

    def peak_bytes(self) -> int:
        """Return the most memory that the process ever held (proc(5), VmHWM)."""
        status = Path(f"/proc/{self.pid}/status").read_text(encoding="utf-8")
        found = re.search(r"VmHWM:\s+(\d+) kB", status)
        assert found is not None
        return int(found[1]) * 1024

    def cpu_seconds(self) -> float:
        """Return how long the process has computed (proc(5), utime and stime)."""
        words = (
            Path(f"/proc/{self.pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
        )
        return (int(words[11]) + int(words[12])) / os.sysconf("SC_CLK_TCK")

    def post(self, form: bytes) -> int:
        """Post a call and read the answer as it comes; returns its length."""
        headers = {
            "Accept-Encoding": "identity",
            "Content-Type": "application/x-www-form-urlencoded",
        }
        with requests.post(self.url, form, headers=headers, stream=True, timeout=600) as answer:
            assert answer.status_code == 200
            return sum(len(part) for part in answer.iter_content(1 << 16))


@contextmanager
def served(folder: Path, token: str) -> Iterator[Server]:
    """Run the command on a folder."""
    command = [sys.executable, "-m", "redcap_jobs", "sandbox", "--port", "0", "--study", "none"]
    with subprocess.Popen(
        [*command, "--data", str(folder)], stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        text = ""
        while "Ctrl-C" not in text:
            text += process.stdout.readline()
        url = re.search(r"http://\S+/api/", text)
        assert url is not None
        try:
            yield Server(process.pid, url[0], token)
        finally:
            process.terminate()


@pytest.fixture(scope="module")
def server(large: Large) -> Iterator[Server]:
    with served(large.folder, large.token) as one:
        yield one


def test_load_from_odm(benchmark: BenchmarkFixture, large: Large) -> None:
    """A project XML of some hundred megabytes."""
    project = benchmark.pedantic(read_project_xml, args=(large.xml, 3101, NOW), rounds=ROUNDS)  # type: ignore[no-untyped-call] # has no types
    assert project.store.current.value_count() == RECORDS * (FIELDS - 1)
    benchmark.extra_info["megabytes"] = large.xml.stat().st_size // 10**6


def test_load_from_a_folder(benchmark: BenchmarkFixture, large: Large, tmp_path: Path) -> None:
    """What a restart with --data takes."""
    with Keeper(tmp_path / "data") as keeper:
        keeper.add([(filled(), Source("created"))])

    def load() -> int:
        with Keeper(tmp_path / "data") as keeper:
            return keeper.projects[0].store.current.value_count()

    count = benchmark.pedantic(load, rounds=ROUNDS)  # type: ignore[no-untyped-call] # has no types
    assert count == RECORDS * (FIELDS - 1)


@pytest.mark.parametrize("type_", ["flat", "eav"])
@pytest.mark.parametrize("format_", ["csv", "json", "xml"])
def test_export(benchmark: BenchmarkFixture, server: Server, format_: str, type_: str) -> None:
    """All records, streamed: the server's memory does not grow with the export."""
    call = {"content": "record", "format": format_, "type": type_}
    server.post(encoded(server.token, **call, records="1"))  # the first call loads what all need
    before = server.peak_bytes()

    form = encoded(server.token, **call)
    spent = server.cpu_seconds()

    def export() -> int:
        return server.post(form)

    length = benchmark.pedantic(export, rounds=ROUNDS)  # type: ignore[no-untyped-call] # has no types
    grown = server.peak_bytes() - before
    benchmark.extra_info.update(
        megabytes=length // 10**6,
        grown_megabytes=grown // 10**6,
        cpu=round((server.cpu_seconds() - spent) / ROUNDS, 2),
    )
    assert length > RECORDS * FIELDS
    assert grown < SHARE_OF_AN_EXPORT * length


@pytest.mark.parametrize("format_", ["csv", "json"])
def test_import(benchmark: BenchmarkFixture, tmp_path: Path, format_: str) -> None:
    """All records in one request, into a new project; a tenth of them before, for comparison."""
    spent: dict[int, list[tuple[float, float]]] = {RECORDS // 10: [], RECORDS: []}
    bodies = {number: written(list(rows(number, seed=2)), format_) for number in spent}
    fields = dictionary()
    structure = Structure(fields, forms_from_fields(fields, {}))

    def both() -> None:
        project = SandboxProject(3101, "Large", structure, created=NOW)
        folder = tmp_path / f"data{len(spent[RECORDS])}"
        with Keeper(folder) as keeper:
            keeper.add([(project, Source("created"))])
        with served(folder, project.token) as one:
            for number, body in bodies.items():
                form = encoded(project.token, content="record", format=format_, data=body)
                cpu, begun = one.cpu_seconds(), time.perf_counter()
                one.post(form)
                took = time.perf_counter() - begun
                spent[number].append((one.cpu_seconds() - cpu, took))
            benchmark.extra_info["peak_megabytes"] = one.peak_bytes() // 10**6

    benchmark.pedantic(both, rounds=ROUNDS)  # type: ignore[no-untyped-call] # has no types
    best = {number: min(found) for number, found in spent.items()}
    for number, (cpu, took) in best.items():
        benchmark.extra_info[f"{number} records"] = f"{took:.2f} s, {cpu:.2f} s of CPU"
    assert best[RECORDS][0] / best[RECORDS // 10][0] < 10 * STEEPER


def encoded(token: str, **form: str) -> bytes:
    """Return a call as it is posted."""
    return urlencode({"token": token, **form}).encode()


def written(table: list[dict[str, str]], format_: str) -> str:
    """Return rows as csv or json."""
    if format_ == "json":
        return json.dumps(table)
    text = io.StringIO()
    writer = csv.DictWriter(text, table[0])
    writer.writeheader()
    writer.writerows(table)
    return text.getvalue()
