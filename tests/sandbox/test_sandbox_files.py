"""Files of file fields, and the file repository."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import requests
from sandbox_projects import Caller, trial

from redcap_jobs.sandbox.members import user
from redcap_jobs.sandbox.server import Sandbox
from redcap_jobs.sandbox.store import RowKey

PHOTO = {"content": "file", "record": "2", "field": "photo", "event": "start_arm_2"}


@pytest.fixture
def server() -> Iterator[Sandbox]:
    with Sandbox([trial()]) as sandbox:
        yield sandbox


@pytest.fixture
def caller(server: Sandbox) -> Caller:
    return Caller(server.url, server.project(901).token)


def upload(caller: Caller, name: str = "new.txt", **parameters: str) -> requests.Response:
    return requests.post(
        caller.url,
        data={"token": caller.token, "action": "import", **parameters},
        files={"file": (name, b"new bytes", "text/plain")},
        timeout=10,
    )


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


def test_a_locked_form_keeps_its_file(server: Sandbox, caller: Caller) -> None:
    """Neither upload nor deletion gets past a lock."""
    project = server.project(901)
    with project.store.writing(None) as draft:
        draft.set_locks("2", frozenset({(RowKey("start_arm_2"), "enrolment")}))
    assert upload(caller, **PHOTO).status_code == 400
    assert caller.post(action="delete", **PHOTO).status_code == 400
    assert caller.post(action="export", **PHOTO).content == b"a photo"


def test_a_user_of_another_group_finds_no_record(server: Sandbox) -> None:
    """Record 2 is the south clinic's."""
    nurse = Caller(server.url, server.project(901).add_user(user("nurse", dag="north_clinic")))
    assert nurse.post(action="export", **PHOTO).status_code == 400


def repository(caller: Caller, action: str, **parameters: str) -> requests.Response:
    return caller.post(content="fileRepository", action=action, format="json", **parameters)


def new_folder(caller: Caller, name: str, **parameters: str) -> str:
    return str(repository(caller, "createFolder", name=name, **parameters).json()[0]["folder_id"])


def test_folders_and_files_of_the_repository(caller: Caller) -> None:
    """Folders before files, each by name; in json each has only its own kind of number."""
    outer = new_folder(caller, "b")
    new_folder(caller, "a")
    inner = new_folder(caller, "inside", folder_id=outer)
    for name in ("z.txt", "a.txt"):
        assert upload(caller, name, content="fileRepository").text == ""
    upload(caller, "deep.txt", content="fileRepository", folder_id=inner)
    top = repository(caller, "list").json()
    assert [row["name"] for row in top] == ["a", "b", "a.txt", "z.txt"]
    assert [set(row) for row in top] == [{"folder_id", "name"}] * 2 + [{"doc_id", "name"}] * 2
    (deep,) = repository(caller, "list", folder_id=inner).json()
    got = repository(caller, "export", doc_id=str(deep["doc_id"]))
    assert got.content == b"new bytes"
    assert got.headers["Content-Type"] == 'text/plain; name="deep.txt";charset=UTF-8'
    assert repository(caller, "delete", doc_id=str(deep["doc_id"])).text == ""
    assert repository(caller, "list", folder_id=inner).json() == []


def test_a_folder_that_is_not_there(caller: Caller) -> None:
    """The text is REDCapR's recording."""
    answer = repository(caller, "list", folder_id="99")
    assert answer.status_code == 400
    assert answer.json()["error"] == (
        "The File Repository folder folder_id=99 does not exist or else you do not have permission "
        "to that folder because it is DAG-restricted or Role-restricted."
    )


def test_a_restricted_folder_is_not_there_for_others(server: Sandbox, caller: Caller) -> None:
    """A folder of one group is neither listed nor opened by a user of another."""
    folder = new_folder(caller, "north only", dag_id="20")
    tokens = {
        dag: server.project(901).add_user(user(dag, dag=dag))
        for dag in ("north_clinic", "south_clinic")
    }
    north, south = (Caller(server.url, token) for token in tokens.values())
    assert [row["name"] for row in repository(north, "list").json()] == ["north only"]
    assert repository(south, "list").json() == []
    assert repository(south, "list", folder_id=folder).status_code == 400


def test_a_document_that_is_not_there(caller: Caller) -> None:
    """Own words, status 400."""
    assert repository(caller, "export", doc_id="7").status_code == 400
    assert repository(caller, "delete", doc_id="x").status_code == 400


def test_the_repository_needs_its_right(server: Sandbox) -> None:
    """Without ``file_repository`` nothing of it is answered."""
    token = server.project(901).add_user(user("guest", file_repository=0))
    assert repository(Caller(server.url, token), "list").status_code == 403
