"""Files of file fields: ``content=file`` with export, import and delete.

Recorded: the texts for a field that is no file field and for nothing there to be deleted or
downloaded (clients compare with them; their status 400 is our own), an empty body on success, and
the name in the content type of an export; in the log a download is ``Manage/Design`` and an upload
shows the document's number (REDCapR's log-read). A lock is refused in the words of record imports,
and a file that the user may not export is as good as none (own answers).
"""

from __future__ import annotations

from redcap_jobs.sandbox.answers import Answer, FileAnswer, Plain
from redcap_jobs.sandbox.call_places import existing_record, form_place, stored_record
from redcap_jobs.sandbox.context import Context
from redcap_jobs.sandbox.dictionary import Field
from redcap_jobs.sandbox.export_eav import document_number
from redcap_jobs.sandbox.import_checks import LOCKED_FORM, LOCKED_RECORD
from redcap_jobs.sandbox.parameters import Refusal
from redcap_jobs.sandbox.rights import editable, exportable
from redcap_jobs.sandbox.store import Draft, RowKey
from redcap_jobs.sandbox.structure_log import MANAGE
from redcap_jobs.sandbox.unused_files import drop_unused
from redcap_jobs.sandbox.uploads import uploaded_file

NO_FILE_FIELD = "The field '{}' does not exist or is not a 'file' field"
NOTHING_TO_DOWNLOAD = "There is no file to download for this record"
NOTHING_TO_DELETE = "There is no file to delete for this record"
READ_ONLY = "You do not have edit rights to the instrument of the field '{}'"
"""Own answer."""


def file_field(context: Context) -> Field:
    """Return the file field named by ``field``; Refusal if it is none."""
    name = context.parameters.text("field")
    field = context.structure.field_by_name.get(name)
    if field is None or field.type != "file":
        raise Refusal(400, NO_FILE_FIELD.format(name))
    return field


def export_file(context: Context) -> Answer:
    """Answer an export: the bytes, under the name the file was uploaded with."""
    field = file_field(context)
    record, key = stored_record(context), form_place(context, field.form)
    row = record.rows.get(key, {})
    allowed = all(exportable(context, column) for column in field.columns)
    try:
        file = context.project.files.get(row[field.name] if allowed else "")
    except LookupError:
        raise Refusal(400, NOTHING_TO_DOWNLOAD) from None
    name = context.parameters.text("record")
    context.note("manage", MANAGE, "Download file (API)", name, record.dag)
    return FileAnswer(file)


def import_file(context: Context) -> Answer:
    """Answer an upload: it takes the place of what was there."""
    field = file_field(context)
    file = uploaded_file(context)
    with context.project.store.writing(context.now) as draft:
        name, key = place_to_write(context, field, draft)
        row = draft.row(name, key)
        before = row.get(field.name, "")
        row[field.name] = stored = context.project.files.put(file)
        dag = draft.dag(name)
    drop_unused(context.project, [before])
    note_change(context, name, f"{field.name} = '{document_number(stored)}'", dag)
    return Plain("")


def delete_file(context: Context) -> Answer:
    """Answer a deletion; Refusal if nothing is there."""
    field = file_field(context)
    with context.project.store.writing(context.now) as draft:
        name, key = place_to_write(context, field, draft)
        before = draft.rows(name).get(key, {}).get(field.name, "")
        if not before:
            raise Refusal(400, NOTHING_TO_DELETE)
        del draft.row(name, key)[field.name]
        dag = draft.dag(name)
    drop_unused(context.project, [before])
    note_change(context, name, f"{field.name} = ''", dag)
    return Plain("")


def note_change(context: Context, name: str, details: str, dag: str) -> None:
    """Note in the project's log that a record changed."""
    context.note("record_edit", f"Update record (API) {name}", details, name, dag)


def place_to_write(context: Context, field: Field, draft: Draft) -> tuple[str, RowKey]:
    """Return record and row that may be changed.

    Raises:
        Refusal: There is no such record or event, or the form is locked or not the user's to edit.

    """
    name, key = existing_record(context), form_place(context, field.form)
    if not editable(context, field.form):
        raise Refusal(403, READ_ONLY.format(field.name))
    locks = draft.locks(name)
    if any(form == "" for _, form in locks):
        raise Refusal(400, LOCKED_RECORD)
    if (key, field.form) in locks:
        raise Refusal(400, LOCKED_FORM)
    return name, key
