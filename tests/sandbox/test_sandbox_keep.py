"""``--data DIR``: what a folder keeps over a restart, and which folders are refused."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from datetime import date, datetime
from pathlib import Path

import pytest
from sandbox_projects import Caller, registry, trial

from redcap_jobs.errors import AnotherRunActive, StateError, StateUnusable
from redcap_jobs.sandbox.activity_log import Activity
from redcap_jobs.sandbox.file_repository import Document, Folder, Repository
from redcap_jobs.sandbox.keep import CREATED, FORMAT, Keeper, Source
from redcap_jobs.sandbox.keep_rows import KEPT_ELSEWHERE, NOT_KEPT, PARTS
from redcap_jobs.sandbox.members import Role, user
from redcap_jobs.sandbox.plain_values import plain, value_of
from redcap_jobs.sandbox.project import SandboxProject
from redcap_jobs.sandbox.report import Report
from redcap_jobs.sandbox.server import Sandbox
from redcap_jobs.sandbox.store import Record, RowKey
from redcap_jobs.sandbox.stored_files import StoredFile

MADE = Source("file", "/p.xml", "0a")
WHEN = datetime(2026, 11, 22, 12, 30, 0, 123)  # noqa: DTZ001 - server time


def kept(folder: Path) -> SandboxProject:
    """Return the one project of a folder as a new process finds it."""
    with Keeper(folder) as keeper:
        (project,) = keeper.projects
        return project


def parts(project: SandboxProject) -> dict[str, object]:
    return {name: getattr(project, name) for name in PARTS}


def test_everything_of_a_project_comes_back(tmp_path: Path) -> None:
    """Structure, settings, people with tokens, repository, reports, secret, records, files, log."""
    project = trial()
    project.add_user(replace(user("north", dag="north_clinic", api_import=0), expiration=date.max))
    role = Role("U-0123456789", "Reader")
    project.change(
        title="Другое имя",
        settings=replace(project.settings, in_production=True, project_notes='a "note"\n'),
        moved_to_production=WHEN,
        members=replace(project.members, roles={role.unique_name: role}),
        repository=Repository({1: Folder(1, "Plans")}, {7: Document(7, "p.pdf", 1, "key")}),
        reports={5: Report(5, "All", ("record_id", "born"), attributes={"a": "b"})},
    )
    with project.store.writing(WHEN) as draft:
        draft.row("10", RowKey("start_arm_1"))["born"] = 'a\n"b",\\ \x00 é 🙂 \ud800'
        draft.set_locks("2", frozenset({(RowKey(), ""), (RowKey("start_arm_2"), "enrolment")}))
    project.log.add(Activity(WHEN, "north", "record_edit", "Update record 10", "born", "10"))
    with Keeper(tmp_path) as keeper:
        keeper.add([(project, MADE)])
    found = kept(tmp_path)
    assert parts(found) == parts(project)
    assert found.store.current == project.store.current
    assert list(found.store.current.records) == list(project.store.current.records)
    assert found.files.all() == project.files.all()
    assert found.log.all() == project.log.all()
    assert found.token == project.token


def test_no_field_of_a_project_is_forgotten() -> None:
    """A field that is added to the model is kept, or named as one that is not."""
    names = {one.name for one in fields(SandboxProject)}
    assert set(PARTS) | KEPT_ELSEWHERE | NOT_KEPT == names
    assert {"changed", "lock"} == NOT_KEPT


def test_every_change_is_written_as_it_happens(tmp_path: Path) -> None:
    """Nothing is written at the end: another reader of the file sees each change at once."""
    project = trial()
    with Keeper(tmp_path) as keeper:
        keeper.add([(project, MADE)])
        reader = sqlite3.connect(keeper.path)

        def found(what: str) -> object:
            return reader.execute(f"select {what}").fetchone()[0]

        project.change(title="Another")
        assert found("value from parts where name = 'title'") == '"Another"'
        token = project.add_user(user("north"))
        assert token in str(found("value from parts where name = 'members'"))
        with project.store.writing(WHEN) as draft:
            draft.row("11", RowKey("start_arm_1"))["sex"] = "2"
            draft.delete("2")
        assert found("count(*) from records") == 2
        assert found("rows from records where name = '11'") == '[["start_arm_1","",0,{"sex":"2"}]]'
        project.files.put(StoredFile("a.txt", "text/plain", b"\x00\xff"))
        assert found("content from files where name = 'a.txt'") == b"\x00\xff"
        project.log.add(Activity(WHEN, "north", "manage", "x", "y"))
        assert found("action from activities") == "x"
        reader.close()
    assert kept(tmp_path).digest() == project.digest()


def test_only_what_changed_is_written(tmp_path: Path) -> None:
    """An import of one record writes that record, a new title no structure."""
    project = trial()
    with Keeper(tmp_path) as keeper:
        keeper.add([(project, MADE)])
        changes = sqlite3.connect(keeper.path)
        changes.execute("update records set dag = 'untouched' where name = '2'")
        changes.execute("update parts set value = '\"untouched\"' where name = 'structure'")
        changes.commit()
        with project.store.writing(WHEN) as draft:
            draft.row("10", RowKey("start_arm_1"))["sex"] = "2"
        project.change(title="Another")
        left = changes.execute("select dag from records where name = '2'").fetchone()
        structure = changes.execute("select value from parts where name = 'structure'").fetchone()
        changes.close()
    assert (left, structure) == (("untouched",), ('"untouched"',))


def test_what_cannot_be_written_did_not_happen(tmp_path: Path) -> None:
    """The disk fails: data and values stay as they were, and readers never see the others."""
    project = trial()
    with Keeper(tmp_path) as keeper:
        keeper.add([(project, MADE)])
    before, title, members = project.digest(), project.title, project.members
    with pytest.raises(StateError, match="cannot be written"), project.store.writing(WHEN) as draft:
        draft.row("10", RowKey("start_arm_1"))["sex"] = "2"
    with pytest.raises(StateError, match="cannot be written"):
        project.change(title="Another")
    with pytest.raises(StateError, match="cannot be written"):
        project.add_user(user("north"))
    with pytest.raises(StateError, match="cannot be written"):
        project.files.put(StoredFile("a.txt", "text/plain", b""))
    assert (project.digest(), project.title, project.members) == (before, title, members)
    assert len(project.files.all()) == 1
    assert kept(tmp_path).digest() == before


def test_a_call_that_cannot_be_kept_is_500(tmp_path: Path) -> None:
    """An error in the format asked for, which says that nothing was stored."""
    keeper = Keeper(tmp_path)
    keeper.add([(trial(), MADE)])
    with Sandbox(keeper.projects, super_token="AB" * 32, created=keeper.created) as sandbox:
        caller = Caller(sandbox.url, sandbox.tokens["REDCAP_API_SMALL_TRIAL"])
        admin = Caller(sandbox.url, "AB" * 32)
        keeper.close()
        row = {"record_id": "10", "redcap_event_name": "start_arm_1", "sex": "2"}
        answer = caller.send([row])
        assert answer.status_code == 500
        assert answer.json()["error"].endswith("; nothing was stored")
        new = admin.post(content="project", format="json", data='[{"project_title":"New"}]')
        assert new.status_code == 500
        assert len(sandbox.api.projects) == 1
        assert sandbox.project(901).values("10", "start_arm_1")["sex"] == "1"


def test_projects_made_with_the_super_token_are_kept(tmp_path: Path) -> None:
    """Their token still opens them after a restart."""
    with (
        Keeper(tmp_path) as keeper,
        Sandbox(keeper.projects, super_token="AB" * 32, created=keeper.created) as sandbox,
    ):
        admin = Caller(sandbox.url, "AB" * 32)
        made = admin.post(content="project", format="json", data='[{"project_title":"New"}]')
    with Keeper(tmp_path) as keeper, Sandbox(keeper.projects) as sandbox:
        assert keeper.sources == {sandbox.api.projects[0].pid: CREATED}
        info = Caller(sandbox.url, made.text).post(content="project", format="json")
        assert info.json()["project_title"] == "New"


def test_projects_come_whole_or_not_at_all(tmp_path: Path) -> None:
    """One that cannot be written keeps the others out."""
    with Keeper(tmp_path) as keeper:
        with pytest.raises(StateError):
            keeper.add([(registry(), MADE), (trial(), MADE), (trial(), MADE)])
        assert keeper.projects == []
    with Keeper(tmp_path) as keeper:
        assert keeper.projects == []
        keeper.add([(registry(), MADE), (trial(), MADE)])
    with Keeper(tmp_path) as keeper:
        assert [project.pid for project in keeper.projects] == [901, 902]


def test_folder_and_files_are_private(tmp_path: Path) -> None:
    """0700 and 0600, SQLite's own files included, whatever the account's mask."""
    folder = tmp_path / "a" / "sandbox"
    mask = os.umask(0)
    try:
        with Keeper(folder) as keeper:
            keeper.add([(trial(), MADE)])
            modes = {one.name: one.stat().st_mode & 0o777 for one in folder.iterdir()}
    finally:
        os.umask(mask)
    assert folder.stat().st_mode & 0o777 == 0o700
    assert modes.keys() >= {"sandbox.sqlite3", "sandbox.sqlite3-wal", "sandbox.lock"}
    assert set(modes.values()) == {0o600}


def test_a_second_sandbox_on_the_same_folder_is_refused(tmp_path: Path) -> None:
    """The message names folder and process; the folder is free again afterwards."""
    with (
        Keeper(tmp_path),
        pytest.raises(AnotherRunActive, match=rf"another sandbox .*process {os.getpid()}, since"),
    ):
        Keeper(tmp_path)
    Keeper(tmp_path).close()


def test_the_file_of_a_newer_program_is_refused(tmp_path: Path) -> None:
    """It is left as it is; the message says what to do."""
    Keeper(tmp_path).close()
    with sqlite3.connect(tmp_path / "sandbox.sqlite3") as db:
        db.execute(f"pragma user_version = {FORMAT + 1}")
    db.close()
    for _ in range(2):
        with pytest.raises(StateUnusable, match=r"newer redcap-jobs .*upgrade"):
            Keeper(tmp_path)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"no database at all" * 100, "cannot be used: file is not a database"),
        (None, "is no sandbox's file"),
    ],
)
def test_another_programs_file_is_refused(
    tmp_path: Path, content: bytes | None, message: str
) -> None:
    """Whatever has that name is not written to."""
    path = tmp_path / "sandbox.sqlite3"
    if content is None:
        with sqlite3.connect(path) as db:
            db.execute("create table mine (a)")
        db.close()
    else:
        path.write_bytes(content)
    path.chmod(0o600)
    tmp_path.chmod(0o700)
    before = path.read_bytes()
    with pytest.raises(StateUnusable, match=message):
        Keeper(tmp_path)
    assert path.read_bytes() == before


def test_a_damaged_part_is_told(tmp_path: Path) -> None:
    """Not served half; the folder is free for whoever mends it."""
    with Keeper(tmp_path) as keeper:
        keeper.add([(trial(), MADE)])
    with sqlite3.connect(tmp_path / "sandbox.sqlite3") as db:
        db.execute("update parts set value = '{\"is\": \"other\"}' where name = 'structure'")
    db.close()
    for _ in range(2):
        with pytest.raises(StateUnusable, match="cannot be read"):
            Keeper(tmp_path)


def test_a_folder_with_other_things_is_left_alone(tmp_path: Path) -> None:
    """``--data .`` by mistake must not close a home folder to others."""
    (tmp_path / "thesis.txt").write_text("mine", encoding="utf-8")
    tmp_path.chmod(0o755)
    with pytest.raises(StateUnusable, match="holds other things"):
        Keeper(tmp_path)
    assert [one.name for one in tmp_path.iterdir()] == ["thesis.txt"]
    assert tmp_path.stat().st_mode & 0o777 == 0o755


@pytest.mark.parametrize(("name", "mode"), [("", "700"), ("sandbox.sqlite3", "600")])
def test_what_others_can_read_is_refused(tmp_path: Path, name: str, mode: str) -> None:
    """The message is a command that mends it."""
    Keeper(tmp_path).close()
    (tmp_path / name).chmod(0o755)
    with pytest.raises(StateUnusable, match=f"chmod {mode} {tmp_path / name}$"):
        Keeper(tmp_path)


def test_a_file_is_no_folder(tmp_path: Path) -> None:
    """One line with path and reason."""
    path = tmp_path / "file"
    path.write_text("", encoding="utf-8")
    with pytest.raises(StateUnusable, match=f"{path}: cannot be used to keep data"):
        Keeper(path)


@dataclass(frozen=True)
class Holds:
    """One value of each kind that a project is made of."""

    pairs: Mapping[tuple[str, str], str]
    numbers: Mapping[int, tuple[str, ...]]
    texts: Mapping[str, bool]
    keys: frozenset[tuple[RowKey, str]]
    when: datetime | None
    day: date | None
    more: int = 3


def test_values_as_json_and_back() -> None:
    """Keys that are tuples or numbers survive; what is missing has its default."""
    value = Holds(
        {("a,b", ""): "c"},
        {1: ("x",), 2: ()},
        {"t": True},
        frozenset({(RowKey("e", "f", 2), "f"), (RowKey(), "")}),
        WHEN,
        None,
        4,
    )
    data = plain(value)
    assert value_of(Holds, data) == value
    assert data["pairs"] == [[["a,b", ""], "c"]]
    del data["more"]
    assert value_of(Holds, data) == replace(value, more=3)


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({"unknown": 1}, KeyError),
        ({"texts": {"t": "yes"}}, TypeError),
        ({"when": "yesterday"}, ValueError),
        ({"pairs": [[["a"], "c"]]}, ValueError),
    ],
)
def test_json_of_another_shape_is_refused(
    change: dict[str, object], error: type[Exception]
) -> None:
    """A value of the wrong type never gets into the model."""
    data = plain(Holds({}, {}, {}, frozenset(), None, None)) | change
    with pytest.raises(error):
        value_of(Holds, data)


def test_what_json_cannot_hold_is_refused() -> None:
    """A new kind of value in the model is noticed when it is first kept."""
    with pytest.raises(TypeError, match="a list cannot be kept"):
        plain(Record(touched=[WHEN]))  # type: ignore[arg-type] # that is the mistake
