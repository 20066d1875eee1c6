"""The data half of a REDCap project XML file, read as it streams by."""

from __future__ import annotations

import base64
import binascii
from datetime import datetime

from redcap_jobs.sandbox.project import SandboxProject
from redcap_jobs.sandbox.store import Record, RowKey, Snapshot
from redcap_jobs.sandbox.stored_files import StoredFile
from redcap_jobs.sandbox.structure import CLASSIC

GROUP = "redcap_data_access_group"
IDENTIFIER = "redcap_survey_identifier"


class DataReader:
    """Takes ``ClinicalData``'s elements; names come without namespaces.

    In a classic project forms stand in their subject without an event. An instance counts only
    where something repeats. A subject that comes twice is one record.
    """

    def __init__(self, project: SandboxProject, now: datetime) -> None:
        self._project = project
        self._structure = structure = project.structure
        self._touched = (now,)
        self._rows: dict[str, dict[RowKey, dict[str, str]]] = {}
        self._dags: dict[str, str] = {}
        self._record = self._event = self._event_repeat = self._item = ""
        self._row: dict[str, str] = {}
        self._file: tuple[str, str] | None = None
        self._text: list[str] = []
        columns = structure.columns
        self._ticks = {column.name for column in columns if column.kind == "checkbox"}
        known = {column.name for column in columns} - {structure.record_id_field}
        known |= {IDENTIFIER} | {f"{form.name}_timestamp" for form in structure.forms}
        self._known = {name: name for name in known}
        """Name → the one copy of it that all rows share."""

    def start(self, tag: str, attributes: dict[str, str]) -> None:
        """Take an element's beginning, values apart."""
        if tag == "FormData":
            key = self._row_key(attributes)
            rows = self._rows.setdefault(self._record, {})
            self._row = rows.setdefault(key, {})
        elif tag == "StudyEventData":
            oid = attributes.get("StudyEventOID", "").partition(".")[2]
            self._event = attributes.get("UniqueEventName") or oid
            self._event_repeat = attributes.get("StudyEventRepeatKey", "1")
        elif tag == "SubjectData":
            self._record = attributes.get("SubjectKey", "")
            self._event, self._event_repeat = CLASSIC, "1"
            self._rows.setdefault(self._record, {})
        elif tag == "ItemDataBase64Binary":
            self._item = attributes.get("ItemOID", "")
            name = attributes.get("DocName", "") or "document"
            self._file = (name, attributes.get("MimeType", "") or "application/octet-stream")
            self._text = []

    @property
    def in_file(self) -> bool:
        """Tell whether a file is open: only its text and its end are of interest."""
        return self._file is not None

    def data(self, text: str) -> None:
        """Take text: a file's bytes, or blanks between elements."""
        if self._file is not None:
            self._text.append(text)

    def end(self, tag: str) -> None:
        """Take an element's end."""
        if tag != "ItemDataBase64Binary" or self._file is None:
            return
        name, mime = self._file
        self._file = None
        try:
            content = base64.b64decode("".join(self._text))
        except binascii.Error:
            content = b""
        if self._item in self._known:
            self._row[self._item] = self._project.files.put(StoredFile(name, mime, content))

    def project(self) -> SandboxProject:
        """Return the project with all records that were read."""
        self._rows.pop("", None)
        records = {
            name: Record(rows, self._dags.get(name, ""), self._touched)
            for name, rows in self._rows.items()
        }
        self._project.store.current = Snapshot(records)
        return self._project

    def value(self, name: str, value: str) -> None:
        """Take one value of the form that is open."""
        known = self._known.get(name)
        if known is not None:
            if value and (value != "0" or name not in self._ticks):
                self._row[known] = value
        elif name == GROUP:
            self._dags[self._record] = value

    def _row_key(self, form: dict[str, str]) -> RowKey:
        event = self._event if self._structure.is_longitudinal else CLASSIC
        name = form.get("FormName") or form.get("FormOID", "").partition(".")[2]
        if self._structure.repeats(event, name):
            return RowKey(event, name, whole(form.get("FormRepeatKey", "1")))
        if self._structure.event_repeats(event):
            return RowKey(event, "", whole(self._event_repeat))
        return RowKey(event)


def whole(text: str) -> int:
    """Return an instance number; 1 for what is none."""
    return int(text) if text.isdecimal() else 1
