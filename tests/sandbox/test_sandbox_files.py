"""Files of file fields: export, upload, deletion, and who may."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
import requests
from file_uploads import upload
from sandbox_projects import Caller, trial

from redcap_jobs.sandbox.dictionary import Field
from redcap_jobs.sandbox.export_eav import document_number
from redcap_jobs.sandbox.keep import CREATED, Keeper
from redcap_jobs.sandbox.keep_folder import DATABASE
from redcap_jobs.sandbox.members import Rights, user
from redcap_jobs.sandbox.server import Sandbox
from redcap_jobs.sandbox.store import RowKey
from redcap_jobs.sandbox.stored_files import StoredFile

PHOTO = {"content": "file", "record": "2", "field": "photo", "event": "start_arm_2"}


def test_an_export_gives_the_bytes_and_names_the_file(caller: Caller) -> None:
    """The name stands in the content type, as PyCap's doctests show."""
    answer = caller.post(action="export", **PHOTO)
    assert (answer.status_code, answer.content) == (200, b"a photo")
    assert answer.headers["Content-Type"] == 'image/jpeg; name="me.jpg";charset=UTF-8'


def test_an_upload_takes_the_place_of_what_was_there(caller: Caller) -> None:
    """Success is an empty body; a flat export shows the new name."""
    answer = upload(caller, **PHOTO)
    assert (answer.status_code, answer.text) == (200, "")
    assert caller.post(action="export", **PHOTO).content == b"new bytes"
    assert caller.export(records=["2"], fields=["photo"])[0]["photo"] == "new.txt"


def test_a_deleted_file_is_gone(caller: Caller) -> None:
    """Empty body; then there is nothing to export and nothing to delete, in recorded words."""
    assert caller.post(action="delete", **PHOTO).text == ""
    for action, words in (("export", "download"), ("delete", "delete")):
        answer = caller.post(action=action, returnFormat="json", **PHOTO)
        assert answer.status_code == 400
        assert answer.json()["error"] == f"There is no file to {words} for this record"


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"field": "nothing"}, "The field 'nothing' does not exist or is not a 'file' field"),
        ({"field": "sex"}, "The field 'sex' does not exist or is not a 'file' field"),
        ({"event": "nowhere"}, "invalid event"),
        ({"record": "99"}, 'The record "99" does not exist'),
    ],
)
@pytest.mark.parametrize("action", ["export", "delete"])
def test_what_cannot_be_found_is_refused(
    caller: Caller, wrong: dict[str, str], message: str, action: str
) -> None:
    """400 with REDCapR's and PyCap's recorded texts."""
    answer = caller.post(action=action, returnFormat="json", **{**PHOTO, **wrong})
    assert (answer.status_code, answer.json()["error"]) == (400, message)


def test_an_upload_without_a_file_is_refused(caller: Caller) -> None:
    """Nothing changes then."""
    answer = caller.post(action="import", returnFormat="json", **PHOTO)
    assert answer.status_code == 400
    assert caller.post(action="export", **PHOTO).content == b"a photo"


@pytest.mark.parametrize(
    ("lock", "words"),
    [
        (
            (RowKey("start_arm_2"), "enrolment"),
            "located on a form that is locked. You must first unlock this form for this record.",
        ),
        (
            (RowKey(), ""),
            "locked at the record level. No value within this record can be modified.",
        ),
    ],
)
def test_a_lock_keeps_the_file(
    server: Sandbox, caller: Caller, lock: tuple[RowKey, str], words: str
) -> None:
    """Neither upload nor deletion gets past a lock, in the words recorded for record imports."""
    with server.project(901).store.writing(None) as draft:
        draft.set_locks("2", frozenset({lock}))
    for answer in (
        upload(caller, returnFormat="json", **PHOTO),
        caller.post(action="delete", returnFormat="json", **PHOTO),
    ):
        assert answer.status_code == 400
        assert answer.json()["error"].endswith(words)
    assert caller.post(action="export", **PHOTO).content == b"a photo"


@pytest.mark.parametrize("code", [0, 2])
def test_who_may_not_edit_the_form_changes_no_file(server: Sandbox, code: int) -> None:
    """No access and read only: 403 (own answer); the file stays."""
    project = server.project(901)
    nurse = replace(user("nurse"), rights=Rights(user("nurse").rights.granted, {"enrolment": code}))
    caller = Caller(server.url, project.add_user(nurse))
    assert upload(caller, **PHOTO).status_code == 403
    assert caller.post(action="delete", **PHOTO).status_code == 403
    assert caller.post(action="export", **PHOTO).content == b"a photo"


@pytest.mark.parametrize("code", [0, 2])
def test_who_may_not_export_the_field_gets_no_file(server: Sandbox, code: int) -> None:
    """Without the form's export, or de-identified: as if there were no file (own answer)."""
    project = server.project(901)
    rights = Rights(user("nurse").rights.granted, {}, {"enrolment": code})
    caller = Caller(server.url, project.add_user(replace(user("nurse"), rights=rights)))
    answer = caller.post(action="export", returnFormat="json", **PHOTO)
    assert answer.status_code == 400
    assert answer.json()["error"] == "There is no file to download for this record"


@pytest.mark.parametrize(
    ("sent", "kept", "mime"),
    [
        ("test.txt", "test.txt", "text/plain"),
        ("scan.pdf", "scan.pdf", "application/pdf"),
        ("blob", "blob", "application/octet-stream"),
        ("../up/down.txt", "down.txt", "text/plain"),
    ],
)
def test_name_and_type_of_an_upload(caller: Caller, sent: str, kept: str, mime: str) -> None:
    """A name has no folders; PyCap sends no type, and its doctests show text/plain for test.txt."""
    requests.post(
        caller.url,
        data={"token": caller.token, "action": "import", **PHOTO},
        files={"file": (sent, b"x")},
        timeout=10,
    )
    answer = caller.post(action="export", **PHOTO)
    assert answer.headers["Content-Type"] == f'{mime}; name="{kept}";charset=UTF-8'


def test_a_name_cannot_break_the_headers_of_an_export(caller: Caller) -> None:
    """A line's end in the name, as the form ``filename*`` may hold it, is left out."""
    lines = [
        *(
            f'--b\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}'
            for name, value in {"token": caller.token, "action": "import", **PHOTO}.items()
        ),
        "--b\r\nContent-Disposition: form-data; name=\"file\"; filename*=UTF-8''a%0D%0Ab%5Cc.txt\r\n\r\nx",
        "--b--\r\n",
    ]
    answer = requests.post(
        caller.url,
        data="\r\n".join(lines),
        headers={"Content-Type": "multipart/form-data; boundary=b"},
        timeout=10,
    )
    assert (answer.status_code, answer.text) == (200, "")
    answer = caller.post(action="export", **PHOTO)
    assert answer.headers["Content-Type"] == 'text/plain; name="c.txt";charset=UTF-8'


def test_a_repeating_form_has_a_file_per_instance() -> None:
    """The instance named is the one written; without one it is the first (API help)."""
    project = trial()
    fields = (*project.structure.fields, Field("label", "drugs", "file", "Label"))
    project.change(structure=replace(project.structure, fields=fields))
    label = {"content": "file", "record": "10", "field": "label", "event": "week_1_arm_1"}
    with Sandbox([project]) as server:
        caller = Caller(server.url, server.project(901).token)
        for number in ("", "2", "3"):
            upload(caller, f"no{number}.txt", repeat_instance=number, **label)
        rows = caller.export(fields=["record_id", "label"], events=["week_1_arm_1"])
        shown = {row["redcap_repeat_instance"]: row["label"] for row in rows}
        assert {number: shown[number] for number in (1, 2, 3)} == {
            1: "no.txt",
            2: "no2.txt",
            3: "no3.txt",
        }
        caller.post(action="delete", repeat_instance="2", **label)
        left = [caller.post(action="export", repeat_instance=str(n), **label) for n in (1, 2, 3)]
        assert [one.status_code for one in left] == [200, 400, 200]


@pytest.mark.parametrize("instance", ["0", "-1", "x", "9" * 5000])
def test_an_instance_is_a_positive_number(caller: Caller, instance: str) -> None:
    """Own words, status 400."""
    answer = caller.post(action="export", repeat_instance=instance, **PHOTO)
    assert answer.status_code == 400


def test_what_is_done_to_files_is_in_the_log_of_the_records_group(
    server: Sandbox, caller: Caller
) -> None:
    """Changed and downloaded files leave rows, read by users of the record's group."""
    upload(caller, **PHOTO)
    caller.post(action="export", **PHOTO)
    caller.post(action="delete", **PHOTO)
    south = Caller(server.url, server.project(901).add_user(user("s", dag="south_clinic")))
    number = document_number(StoredFile("new.txt", "text/plain", b"new bytes").key)
    rows = south.post(content="log", format="json", record="2").json()
    assert [(row["action"], row["details"]) for row in rows] == [
        ("Update record (API) 2", "photo = ''"),
        ("Manage/Design ", "Download file (API)"),
        ("Update record (API) 2", f"photo = '{number}'"),
    ]


def test_a_user_of_another_group_finds_no_record(server: Sandbox) -> None:
    """Record 2 is the south clinic's."""
    nurse = Caller(server.url, server.project(901).add_user(user("nurse", dag="north_clinic")))
    assert nurse.post(action="export", **PHOTO).status_code == 400


def content_of(folder: Path) -> list[bytes]:
    """Return the bytes of all files that a folder of ``--data`` holds."""
    with closing(sqlite3.connect(folder / DATABASE)) as db:
        return [content for (content,) in db.execute("select content from files order by name")]


def test_bytes_that_nothing_names_leave_the_disk(tmp_path: Path) -> None:
    """A file that is replaced or deleted, alone or with its record, is not kept any longer."""
    with Keeper(tmp_path) as keeper:
        keeper.add([(trial(), CREATED)])
        with Sandbox(keeper.projects) as server:
            caller = Caller(server.url, server.project(901).token)
            assert content_of(tmp_path) == [b"a photo"]
            upload(caller, **PHOTO)
            assert content_of(tmp_path) == [b"new bytes"]
            assert caller.post(action="delete", **PHOTO).text == ""
            assert content_of(tmp_path) == []
            upload(caller, **PHOTO)
            assert caller.post(content="record", action="delete", records=["2"]).text == "1"
            assert content_of(tmp_path) == []
            assert server.project(901).files.all() == {}


def test_bytes_that_something_else_names_stay(tmp_path: Path) -> None:
    """The same file of another record, or in the file repository, is still there to be exported."""
    start = {**PHOTO, "record": "10", "event": "start_arm_1"}
    with Keeper(tmp_path) as keeper:
        keeper.add([(trial(), CREATED)])
        with Sandbox(keeper.projects) as server:
            caller = Caller(server.url, server.project(901).token)
            for place in (PHOTO, start, {"content": "fileRepository"}):
                assert upload(caller, **place).text == ""
            caller.post(content="record", action="delete", records=["2"])
            assert caller.post(action="export", **start).content == b"new bytes"
            caller.post(action="delete", **start)
            assert content_of(tmp_path) == [b"new bytes"]
            listed = caller.post(content="fileRepository", action="list", format="json").json()
            document = {"content": "fileRepository", "doc_id": str(listed[0]["doc_id"])}
            assert caller.post(action="export", **document).content == b"new bytes"
            caller.post(action="delete", **document)
            assert content_of(tmp_path) == []


def test_bytes_left_over_go_at_the_next_start(tmp_path: Path) -> None:
    """A process that was killed between a deletion and its file leaves nothing for ever."""
    project = trial()
    project.files.put(StoredFile("old.txt", "text/plain", b"of nothing"))
    with Keeper(tmp_path) as keeper:
        keeper.add([(project, CREATED)])
    assert content_of(tmp_path) == [b"a photo", b"of nothing"]
    with Keeper(tmp_path) as keeper:
        assert len(keeper.projects[0].files.all()) == 1
    assert content_of(tmp_path) == [b"a photo"]
