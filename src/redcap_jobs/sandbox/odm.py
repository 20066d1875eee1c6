"""A project from a REDCap project XML file (CDISC ODM 1.3 with REDCap's extensions).

Files come from strangers: they are parsed with defusedxml, which refuses entities and external
references. What belongs to other features (reports, survey settings, languages) is passed over.
"""

from __future__ import annotations

import re
from datetime import datetime
from pathlib import Path
from xml.etree.ElementTree import Element, ParseError

import defusedxml.ElementTree as SafeTree
from defusedxml.common import DefusedXmlException

from redcap_jobs.errors import SetupError, UsageError
from redcap_jobs.sandbox.odm_structure import structure_from
from redcap_jobs.sandbox.project import SandboxProject, Settings
from redcap_jobs.sandbox.store import Record, RowKey, Snapshot
from redcap_jobs.sandbox.structure import CLASSIC, Structure

DOCUMENT = "[document]"
"""What an export shows for a file field that holds a file."""

LINES_IN_ATTRIBUTE = re.compile(rb'\w="[^"<\n]*\n[^"<]*"')
"""An attribute over several lines: REDCap writes the values of notes fields that way."""


def keep_lines(attribute: re.Match[bytes]) -> bytes:
    """Write line ends as references: XML would turn them into blanks, and the data would change."""
    return attribute[0].replace(b"\r\n", b"\n").replace(b"\n", b"&#10;")


def read_project_xml(path: Path, pid: int, now: datetime) -> SandboxProject:
    """Return the project that a file describes, its data included.

    Raises:
        UsageError: The file cannot be read.
        SetupError: It is no XML, or no REDCap project.

    """
    try:
        text = path.read_bytes()
    except OSError as error:
        raise UsageError(f"{path}: cannot be read: {error.strerror}") from None
    return project_from_xml(text, pid, now, str(path))


def project_from_xml(text: bytes, pid: int, now: datetime, where: str) -> SandboxProject:
    """Return the project that an ODM text describes; ``where`` names it in messages.

    Raises:
        SetupError: It is no XML, or no REDCap project.

    """
    try:
        root: Element = SafeTree.fromstring(LINES_IN_ATTRIBUTE.sub(keep_lines, text))
    except ParseError as error:
        raise SetupError(f"{where}: no well-formed XML: {error}") from None
    except DefusedXmlException:
        raise SetupError(
            f"{where}: XML with entities or external references is not read; export it from "
            "REDCap again"
        ) from None
    strip_namespaces(root)
    version = root.find("Study/MetaDataVersion")
    if root.tag != "ODM" or version is None:
        raise SetupError(
            f"{where}: no REDCap project: ODM/Study/MetaDataVersion is missing; export it with "
            "Project Setup, Other Functionality, Download metadata & data (XML)"
        )
    settings = root.find("Study/GlobalVariables")
    if settings is None:
        settings = Element("GlobalVariables")
    structure = structure_from(version, settings, first_event_id=pid * 10, where=where)
    project = SandboxProject(
        pid,
        settings.findtext("StudyName") or root.get("Description") or "Project",
        structure,
        settings_from(settings),
        created=now,
    )
    data = root.find("ClinicalData")
    if data is not None:
        project.store.current = snapshot_from(data, structure, now)
    return project


def strip_namespaces(root: Element) -> None:
    """Take namespaces off all names: files give them as http or https, with or without prefix."""
    for element in root.iter():
        element.tag = element.tag.rpartition("}")[2]
        if any("}" in name for name in element.attrib):
            plain = {name.rpartition("}")[2]: value for name, value in element.attrib.items()}
            element.attrib.clear()
            element.attrib.update(plain)


def settings_from(variables: Element) -> Settings:
    """Return the switches; a project made from a file starts in development."""

    def on(name: str) -> bool:
        return variables.findtext(name) == "1"

    return Settings(
        surveys_enabled=on("SurveysEnabled"),
        scheduling_enabled=on("SchedulingEnabled"),
        record_autonumbering_enabled=on("RecordAutonumberingEnabled"),
        randomization_enabled=on("RandomizationEnabled"),
        secondary_unique_field=variables.findtext("SecondaryUniqueField") or "",
        custom_record_label=variables.findtext("CustomRecordLabel") or "",
        purpose=variables.findtext("Purpose") or "0",
        purpose_other=variables.findtext("PurposeOther") or "",
        project_notes=variables.findtext("ProjectNotes") or "",
    )


def snapshot_from(data: Element, structure: Structure, now: datetime) -> Snapshot:
    """Return the records of ``ClinicalData``; in a classic project forms stand without an event."""
    records: dict[str, Record] = {}
    for subject in data.iter("SubjectData"):
        rows: dict[RowKey, dict[str, str]] = {}
        dag = ""
        events = subject.findall("StudyEventData")
        for event in events or [subject]:
            for form in event.findall("FormData"):
                key = row_key(event, form, structure)
                dag = read_items(form, rows.setdefault(key, {}), structure) or dag
        records[subject.get("SubjectKey", "")] = Record(rows, dag, (now,))
    records.pop("", None)
    return Snapshot(records)


def row_key(event: Element, form: Element, structure: Structure) -> RowKey:
    """Return where a form's values go: an instance counts only where something repeats."""
    name = CLASSIC
    if structure.is_longitudinal:
        name = event.get("UniqueEventName") or event.get("StudyEventOID", "").partition(".")[2]
    form_name = form.get("FormOID", "").partition(".")[2]
    if structure.repeats(name, form_name):
        return RowKey(name, form_name, int(form.get("FormRepeatKey", "1")))
    if structure.event_repeats(name):
        return RowKey(name, "", int(event.get("StudyEventRepeatKey", "1")))
    return RowKey(name)


def read_items(form: Element, row: dict[str, str], structure: Structure) -> str:
    """Read a form's values into a row, and return the data access group if one stands there."""
    dag = ""
    columns = structure.column_by_name
    for item in form.iter("ItemData"):
        name, value = item.get("ItemOID", ""), item.get("Value", "")
        column = columns.get(name)
        if name == "redcap_data_access_group":
            dag = value
        elif column is None or not value or name == structure.record_id_field:
            continue
        elif column.kind != "checkbox" or value != "0":
            row[name] = value
    for item in form.iter("ItemDataBase64Binary"):
        if item.get("ItemOID", "") in columns:
            row[item.get("ItemOID", "")] = DOCUMENT
    return dag
