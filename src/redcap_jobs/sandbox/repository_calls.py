"""The file repository: ``content=fileRepository`` with createFolder, list, export, import, delete.

Recorded: the columns, folders before files, the number of a new folder, the text for a folder that
is not there. Names and texts for documents are own answers.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from redcap_jobs.sandbox.answers import Answer, FileAnswer, Plain, Table, php_json
from redcap_jobs.sandbox.context import Context
from redcap_jobs.sandbox.file_repository import TOP, Document, Folder, Repository
from redcap_jobs.sandbox.parameters import Refusal
from redcap_jobs.sandbox.stored_files import StoredFile

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
NO_UPLOAD = "No valid file was uploaded"


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
        folder = Folder(number, name, parent, group_of(context), parameters.text("role_id"))
        folders = {**repository.folders, number: folder}
        context.project.change(repository=replace(repository, folders=folders))
    context.note("manage", "Manage/Design ", f"Create folder in File Repository (API) {name}")
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
    upload = context.parameters.files.get("file")
    if upload is None:
        raise Refusal(400, NO_UPLOAD)
    file = StoredFile(upload.name or "file", upload.mime, upload.content)
    key = context.project.files.put(file)
    with context.project.lock:
        repository = context.project.repository
        folder = folder_of(context, repository)
        number = next_number(repository)
        documents = {**repository.documents, number: Document(number, file.name, folder, key)}
        context.project.change(repository=replace(repository, documents=documents))
    context.note("manage", "Manage/Design ", f"Upload file to File Repository (API) {file.name}")
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
    context.note(
        "manage", "Manage/Design ", f"Delete file from File Repository (API) {document.name}"
    )
    return Plain("")


def folder_of(context: Context, repository: Repository) -> int:
    """Return the folder named by ``folder_id``, the top without it; Refusal if there is none."""
    text = context.parameters.text("folder_id")
    if not text:
        return TOP
    folder = repository.folders.get(int(text)) if text.isdecimal() else None
    while folder is not None and may(context, folder):
        if folder.parent == TOP:
            return int(text)
        folder = repository.folders.get(folder.parent)
    raise Refusal(400, NO_FOLDER.format(text))


def document_of(context: Context, repository: Repository) -> Document:
    """Return the document named by ``doc_id``; Refusal if there is none for this user."""
    text = context.parameters.text("doc_id")
    document = repository.documents.get(int(text)) if text.isdecimal() else None
    folder = repository.folders.get(document.folder) if document else None
    if document is None or (folder is not None and not may(context, folder)):
        raise Refusal(400, NO_DOCUMENT.format(text))
    return document


def may(context: Context, folder: Folder) -> bool:
    """Tell whether a folder's restriction to a group or role leaves this user in."""
    return folder.dag in ("", context.user.dag) and folder.role in ("", context.user.role)


def group_of(context: Context) -> str:
    """Return the unique name of the group named by its number in ``dag_id``."""
    number = context.parameters.text("dag_id")
    for dag in context.structure.dags:
        if str(dag.group_id) == number:
            return dag.unique_name
    return ""


def next_number(repository: Repository) -> int:
    """Return the next number; folders and documents share them."""
    return max([0, *repository.folders, *repository.documents]) + 1
