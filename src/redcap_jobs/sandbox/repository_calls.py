"""The file repository: ``content=fileRepository`` with createFolder, list, export, import, delete.

Recorded: the columns, folders before files, the number of a new folder, the text for a folder that
is not there. Names and texts for documents are own answers, and so is who may see what: a restricted
folder takes all that is in it along; a group's folder is open to users in no group, who see every
record too; a role's folder to that role only. Roles have no other number here than their unique name.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from redcap_jobs.sandbox.answers import Answer, FileAnswer, Plain, Table, php_json
from redcap_jobs.sandbox.call_places import number_of
from redcap_jobs.sandbox.context import Context
from redcap_jobs.sandbox.file_repository import TOP, Document, Folder, Repository
from redcap_jobs.sandbox.parameters import Refusal
from redcap_jobs.sandbox.structure_log import MANAGE
from redcap_jobs.sandbox.unused_files import drop_unused
from redcap_jobs.sandbox.uploads import uploaded_file

NO_FOLDER = (
    "The File Repository folder folder_id={} does not exist or else you do not have permission to "
    "that folder because it is DAG-restricted or Role-restricted."
)
NO_DOCUMENT = (
    "The File Repository file doc_id={} does not exist or else you do not have permission to it "
    "because its folder is DAG-restricted or Role-restricted."
)
NO_NAME = "The parameter 'name' is missing"
NAME_TAKEN = "A folder of that name already exists there"
NO_GROUP = "The parameter 'dag_id' names no data access group of this project"
NO_ROLE = "The parameter 'role_id' names no user role of this project"


class FolderList(Table):
    """The contents of a folder: in json each row has only the id that is its own."""

    def chunks(self, format_: str) -> Iterator[str]:
        """Yield the text."""
        if format_ != "json":
            yield from super().chunks(format_)
            return
        yield php_json(
            [
                {
                    name: cell
                    for name, cell in zip(self.columns, row, strict=True)
                    if cell != "" or name == "name"
                }
                for row in self.rows
            ]
        )


def create_folder(context: Context) -> Answer:
    """Answer with the new folder's number."""
    parameters = context.parameters
    name = parameters.text("name")
    if not name:
        raise Refusal(400, NO_NAME)
    with context.project.lock:
        repository = context.project.repository
        parent = folder_of(context, repository)
        if any((one.parent, one.name) == (parent, name) for one in repository.folders.values()):
            raise Refusal(400, NAME_TAKEN)
        number = next_number(repository)
        folder = Folder(number, name, parent, group_of(context), role_of(context))
        folders = {**repository.folders, number: folder}
        context.project.change(repository=replace(repository, folders=folders, last_number=number))
    context.note("manage", MANAGE, f"Create folder in File Repository (API) {name}")
    return Table(["folder_id"], [[number]])


def list_folder(context: Context) -> Answer:
    """Answer with a folder's contents: folders before files, each by name."""
    repository = context.project.repository
    here = folder_of(context, repository)
    folders = sorted(
        (one for one in repository.folders.values() if one.parent == here and may(context, one)),
        key=lambda one: one.name,
    )
    documents = sorted(
        (one for one in repository.documents.values() if one.folder == here),
        key=lambda one: one.name,
    )
    rows: list[list[str | int]] = [[one.folder_id, "", one.name] for one in folders]
    rows += [["", one.doc_id, one.name] for one in documents]
    return FolderList(["folder_id", "doc_id", "name"], rows, header_alone=True)


def export_document(context: Context) -> Answer:
    """Answer with a document's bytes."""
    document = document_of(context, context.project.repository)
    context.note("export", "Download file (API)", f"File Repository: {document.name}")
    return FileAnswer(context.project.files.get(document.key))


def import_document(context: Context) -> Answer:
    """Take an upload into a folder; the same name may stand there twice."""
    file = uploaded_file(context)
    with context.project.lock:
        repository = context.project.repository
        folder = folder_of(context, repository)
        number = next_number(repository)
        document = Document(number, file.name, folder, context.project.files.put(file))
        documents = {**repository.documents, number: document}
        context.project.change(
            repository=replace(repository, documents=documents, last_number=number)
        )
    context.note("manage", MANAGE, f"Upload file to File Repository (API) {file.name}")
    return Plain("")


def delete_document(context: Context) -> Answer:
    """Take a document away."""
    with context.project.lock:
        repository = context.project.repository
        document = document_of(context, repository)
        documents = {
            number: one for number, one in repository.documents.items() if number != document.doc_id
        }
        context.project.change(repository=replace(repository, documents=documents))
    drop_unused(context.project, [document.key])
    context.note("manage", MANAGE, f"Delete file from File Repository (API) {document.name}")
    return Plain("")


def folder_of(context: Context, repository: Repository) -> int:
    """Return the folder named by ``folder_id``, the top without it; Refusal if there is none."""
    text = context.parameters.text("folder_id")
    if not text:
        return TOP
    number = number_of(text)
    if number == TOP or not reachable(context, repository, number):
        raise Refusal(400, NO_FOLDER.format(text))
    return number


def document_of(context: Context, repository: Repository) -> Document:
    """Return the document named by ``doc_id``; Refusal if there is none for this user."""
    text = context.parameters.text("doc_id")
    document = repository.documents.get(number_of(text))
    if document is None or not reachable(context, repository, document.folder):
        raise Refusal(400, NO_DOCUMENT.format(text))
    return document


def reachable(context: Context, repository: Repository, number: int) -> bool:
    """Tell whether a folder exists and neither it nor one around it is closed to this user."""
    while number != TOP:
        folder = repository.folders.get(number)
        if folder is None or not may(context, folder):
            return False
        number = folder.parent
    return True


def may(context: Context, folder: Folder) -> bool:
    """Tell whether a folder's own restriction to a group or role leaves this user in.

    A role that was deleted restricts nobody any more, as a deleted group does.
    """
    in_group = folder.dag in ("", context.user.dag) or not context.user.dag
    roles = context.project.members.roles
    return in_group and (folder.role == context.user.role or folder.role not in roles)


def group_of(context: Context) -> str:
    """Return the unique name of the group named by its number in ``dag_id``, '' without it."""
    number = context.parameters.text("dag_id")
    for dag in context.structure.dags:
        if str(dag.group_id) == number:
            return dag.unique_name
    if number:
        raise Refusal(400, NO_GROUP)
    return ""


def role_of(context: Context) -> str:
    """Return the role named by its unique name in ``role_id``, '' without it."""
    role = context.parameters.text("role_id")
    if role and role not in context.project.members.roles:
        raise Refusal(400, NO_ROLE)
    return role


def next_number(repository: Repository) -> int:
    """Return the next number for a folder or document."""
    return max([repository.last_number, *repository.folders, *repository.documents]) + 1
