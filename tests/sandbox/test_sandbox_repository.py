"""The file repository: folders, the files in them, and who sees which."""

from __future__ import annotations

from dataclasses import replace

import pytest
import requests
from file_uploads import upload
from sandbox_projects import Caller

from redcap_jobs.sandbox.file_repository import Document, Folder, Repository
from redcap_jobs.sandbox.members import Role, user
from redcap_jobs.sandbox.server import Sandbox


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


def of_group(server: Sandbox, dag: str) -> Caller:
    return Caller(server.url, server.project(901).add_user(user(f"of {dag}", dag=dag)))


def test_a_restricted_folder_is_not_there_for_others(server: Sandbox, caller: Caller) -> None:
    """A folder of one group is neither listed nor opened by a user of another (recorded text)."""
    folder = new_folder(caller, "north only", dag_id="20")
    north, south = of_group(server, "north_clinic"), of_group(server, "south_clinic")
    assert [row["name"] for row in repository(north, "list").json()] == ["north only"]
    assert repository(south, "list").json() == []
    assert repository(south, "list", folder_id=folder).status_code == 400
    assert upload(south, content="fileRepository", folder_id=folder).status_code == 400


def test_who_is_in_no_group_sees_every_groups_folders(caller: Caller) -> None:
    """As they see every group's records (own answer)."""
    folder = new_folder(caller, "north only", dag_id="20")
    assert repository(caller, "list").json() == [{"folder_id": int(folder), "name": "north only"}]
    assert upload(caller, content="fileRepository", folder_id=folder).status_code == 200


def test_what_lies_deep_in_a_restricted_folder_is_restricted(
    server: Sandbox, caller: Caller
) -> None:
    """Neither the folder within nor its file is there for a user of another group (own answer)."""
    inner = new_folder(caller, "inner", folder_id=new_folder(caller, "north only", dag_id="20"))
    upload(caller, content="fileRepository", folder_id=inner)
    (row,) = repository(caller, "list", folder_id=inner).json()
    north, south = of_group(server, "north_clinic"), of_group(server, "south_clinic")
    assert repository(south, "list", folder_id=inner).status_code == 400
    for action in ("export", "delete"):
        assert repository(south, action, doc_id=str(row["doc_id"])).status_code == 400
    assert repository(north, "export", doc_id=str(row["doc_id"])).content == b"new bytes"


def test_a_roles_folder_is_for_that_role(server: Sandbox, caller: Caller) -> None:
    """Named by its unique name; once the role is deleted, everybody sees the folder (own answer)."""
    project = server.project(901)
    role = Role("U-0123456789", "Nurses")
    project.change(members=replace(project.members, roles={role.unique_name: role}))
    nurse = Caller(server.url, project.add_user(replace(user("nurse"), role=role.unique_name)))
    new_folder(caller, "for nurses", role_id=role.unique_name)
    assert [row["name"] for row in repository(nurse, "list").json()] == ["for nurses"]
    assert repository(caller, "list").json() == []
    project.change(members=replace(project.members, roles={}))
    assert len(repository(caller, "list").json()) == 1


@pytest.mark.parametrize("wrong", [{"dag_id": "999"}, {"role_id": "U-none"}, {"name": ""}])
def test_a_folder_for_nobody_is_not_made(caller: Caller, wrong: dict[str, str]) -> None:
    """An unknown group or role, or no name: own words, status 400."""
    assert repository(caller, "createFolder", **{"name": "new", **wrong}).status_code == 400
    assert repository(caller, "list").json() == []


def test_two_folders_of_one_name_in_one_place(caller: Caller) -> None:
    """Refused (own answer); elsewhere the name is free."""
    outer = new_folder(caller, "plans")
    assert repository(caller, "createFolder", name="plans").status_code == 400
    assert repository(caller, "createFolder", name="plans", folder_id=outer).status_code == 200


def test_numbers_of_deleted_files_do_not_come_again(caller: Caller) -> None:
    """A number kept by somebody never leads to another file."""
    numbers = []
    for _ in range(2):
        upload(caller, content="fileRepository")
        (row,) = repository(caller, "list").json()
        numbers.append(row["doc_id"])
        repository(caller, "delete", doc_id=str(row["doc_id"]))
    assert numbers[0] < numbers[1]


def test_numbers_go_on_after_those_that_are_there(server: Sandbox, caller: Caller) -> None:
    """A repository that was kept by an older sandbox does not say which number was last."""
    key = server.project(901).files.all().popitem()[0]
    held = Repository({4: Folder(4, "old")}, {9: Document(9, "old.txt", 4, key)})
    server.project(901).change(repository=held)
    assert new_folder(caller, "new") == "10"


def test_the_list_as_csv(caller: Caller) -> None:
    """Recorded columns; the header stands there also without a row (REDCapR)."""
    listed = {"content": "fileRepository", "action": "list", "format": "csv"}
    assert caller.post(**listed).text.splitlines() == ["folder_id,doc_id,name"]
    folder = new_folder(caller, "b")
    upload(caller, content="fileRepository")
    lines = caller.post(**listed).text.splitlines()
    assert lines[1:] == [f"{folder},,b", f",{int(folder) + 1},new.txt"]


def test_a_new_folder_as_csv(caller: Caller) -> None:
    """Its number under folder_id, as recorded."""
    answer = caller.post(content="fileRepository", action="createFolder", name="a", format="csv")
    assert answer.text.split() == ["folder_id", "1"]


def test_reading_needs_the_export_right_too(server: Sandbox) -> None:
    """403 with the text recorded for record exports."""
    half = Caller(server.url, server.project(901).add_user(user("half", api_export=0)))
    for action in ("list", "export"):
        answer = repository(half, action, doc_id="1")
        assert answer.status_code == 403
        assert answer.json()["error"] == "You do not have API Export privileges"


def test_changing_needs_the_import_right_too(server: Sandbox) -> None:
    """403 with the text recorded for record imports."""
    half = Caller(server.url, server.project(901).add_user(user("half", api_import=0)))
    for action in ("createFolder", "import", "delete"):
        answer = repository(half, action, name="a", doc_id="1")
        assert answer.status_code == 403
        assert answer.json()["error"] == "You do not have API Import/Update privileges"


@pytest.mark.parametrize("number", ["x", "0", "-1", "9" * 5000])
def test_what_is_no_number_is_no_folder_and_no_file(caller: Caller, number: str) -> None:
    """400 as for any number that is not there."""
    assert repository(caller, "list", folder_id=number).status_code == 400
    assert repository(caller, "export", doc_id=number).status_code == 400


def test_an_upload_without_a_file_adds_nothing(caller: Caller) -> None:
    """Own words, status 400."""
    assert repository(caller, "import").status_code == 400
    assert repository(caller, "list").json() == []


def test_a_document_that_is_not_there(caller: Caller) -> None:
    """Own words, status 400."""
    assert repository(caller, "export", doc_id="7").status_code == 400
    assert repository(caller, "delete", doc_id="x").status_code == 400


def test_the_repository_needs_its_right(server: Sandbox) -> None:
    """Without ``file_repository`` nothing of it is answered."""
    token = server.project(901).add_user(user("guest", file_repository=0))
    assert repository(Caller(server.url, token), "list").status_code == 403
