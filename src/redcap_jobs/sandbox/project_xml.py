"""``content=project_xml``: a project as REDCap's XML (CDISC ODM 1.3.1), with or without its data.

Elements, attributes and their order are those of files recorded from servers 14.6 to 14.9. What
:mod:`~redcap_jobs.sandbox.odm` reads back makes an equal project again.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from xml.sax.saxutils import escape

from redcap_jobs.sandbox.answers import CONTENT_TYPES, XML_HEAD
from redcap_jobs.sandbox.context import Context
from redcap_jobs.sandbox.odm_people import report_attributes, role_attributes
from redcap_jobs.sandbox.odm_settings import setting_texts
from redcap_jobs.sandbox.project import SandboxProject
from redcap_jobs.sandbox.project_xml_data import clinical_data
from redcap_jobs.sandbox.project_xml_dictionary import Shown, dictionary_lines
from redcap_jobs.sandbox.records_export import ExportRow, rows_asked_for, select
from redcap_jobs.sandbox.structure import Event, Structure
from redcap_jobs.sandbox.structure_calls import REDCAP_VERSION
from redcap_jobs.sandbox.structure_log import MANAGE
from redcap_jobs.sandbox.xml_text import element

ROOT = {
    "xmlns": "http://www.cdisc.org/ns/odm/v1.3",
    "xmlns:ds": "http://www.w3.org/2000/09/xmldsig#",
    "xmlns:xsi": "http://www.w3.org/2001/XMLSchema-instance",
    "xmlns:redcap": "https://projectredcap.org",
    "xsi:schemaLocation": "http://www.cdisc.org/ns/odm/v1.3 schema/odm/ODM1-3-1.xsd",
    "ODMVersion": "1.3.1",
    "FileOID": "000-00-0000",
    "FileType": "Snapshot",
}
CLASSIC_EVENT = "event_1_arm_1"
"""What the file calls the one event that a classic project does not show."""
OID_LENGTH = 30
METADATA_LOGGED = "Export project XML (API)"
DATA_LOGGED = "export_format: ODM, project XML with data"
"""Own answers: the log's rows are not recorded, only that every export leaves one."""


@dataclass(frozen=True)
class ProjectXml:
    """A project's XML as an answer: the same in every format."""

    project: SandboxProject
    shown: Shown
    rows: tuple[ExportRow, ...] | None
    now: datetime

    def body(self, format_: str) -> tuple[str, str]:
        """Return the text and its content type."""
        return "".join(self.chunks(format_)), self.content_type(format_)

    def content_type(self, format_: str) -> str:  # noqa: ARG002 - every answer's signature
        """Return the content type of the text."""
        return CONTENT_TYPES["xml"]

    def chunks(self, format_: str) -> Iterator[str]:  # noqa: ARG002 - every answer's signature
        """Yield the text in pieces."""
        project = self.project
        oid, stamp = study_oid(project.title), self.now.strftime("%Y-%m-%dT%H:%M:%S")
        version = f"Metadata.{oid}_{self.now.strftime('%Y-%m-%d_%H%M')}"
        root = {
            **ROOT,
            "Description": project.title,
            "AsOfDateTime": stamp,
            "CreationDateTime": stamp,
            "SourceSystem": "REDCap",
            "SourceSystemVersion": REDCAP_VERSION,
        }
        yield f"{XML_HEAD}\n{element('ODM', root)}\n"
        yield element("Study", {"OID": f"Project.{oid}"}) + "\n"
        yield from (f"{line}\n" for line in global_variables(project))
        attributes = {
            "OID": version,
            "Name": project.title,
            "redcap:RecordIdField": project.structure.record_id_field,
        }
        yield element("MetaDataVersion", attributes) + "\n"
        yield from (f"\t{line}\n" for line in event_lines(project.structure))
        yield from (f"\t{line}\n" for line in dictionary_lines(project.structure, self.shown))
        yield "</MetaDataVersion>\n</Study>\n"
        if self.rows is not None:
            names = {"StudyOID": f"Project.{oid}", "MetaDataVersionOID": version}
            yield element("ClinicalData", names) + "\n"
            yield from clinical_data(project, self.rows, self.shown)
            yield "</ClinicalData>\n"
        yield "</ODM>"


def export_project_xml(context: Context) -> ProjectXml:
    """Answer ``content=project_xml``; records, fields, events and filterLogic choose the data."""
    parameters, structure = context.parameters, context.structure
    wanted = set(parameters.array("fields"))
    shown = Shown(
        groups=parameters.flag("exportDataAccessGroups") and bool(structure.dags),
        survey_fields=parameters.flag("exportSurveyFields"),
        files=parameters.flag("exportFiles"),
        fields=frozenset(wanted) or None,
    )
    rows = (
        None
        if parameters.flag("returnMetadataOnly")
        else tuple(rows_asked_for(context, select(context)))
    )
    if rows is None:
        context.note("manage", MANAGE, METADATA_LOGGED)
    else:
        context.note("export", "Data export (API)", DATA_LOGGED)
    return ProjectXml(context.project, shown, rows, context.now)


def study_oid(title: str) -> str:
    """Return the title as a name: words with a capital, letters and digits only, cut at 30."""
    words = re.sub(r"[^A-Za-z0-9 ]", "", title).split(" ")
    return "".join(word[:1].upper() + word[1:] for word in words)[:OID_LENGTH]


def global_variables(project: SandboxProject) -> Iterator[str]:
    """Yield the settings, and what of the set-up stands among them."""
    structure = project.structure
    described = f'events, and data for REDCap project "{project.title}".'
    codes = structure.missing_data_codes.items()
    texts = {
        "StudyName": project.title,
        "StudyDescription": f"This file contains the metadata, {described}",
        "ProtocolName": project.title,
    }
    settings = setting_texts(
        project.settings, "\n".join(f"{code}, {label}" for code, label in codes)
    )
    texts |= {f"redcap:{name}": text for name, text in settings}
    yield "<GlobalVariables>"
    for name, text in texts.items():
        yield f"\t<{name}>{escape(text)}</{name}>"
    yield from repeating_lines(structure)
    yield from group_lines(
        "Surveys",
        [
            {"form_name": form.name, **form.survey_attributes}
            for form in structure.forms
            if form.survey
        ],
    )
    yield from group_lines("DataAccessGroups", [{"group_name": dag.name} for dag in structure.dags])
    forms = tuple(form.name for form in structure.forms)
    roles = [role_attributes(role, forms) for role in project.members.roles.values()]
    yield from group_lines("UserRoles", roles)
    yield from group_lines("Reports", [report_attributes(one) for one in project.reports.values()])
    yield "</GlobalVariables>"


def group_lines(name: str, elements: list[dict[str, str]]) -> Iterator[str]:
    """Yield a group of the set-up, unless it is empty."""
    if not elements:
        return
    yield f"\t<redcap:{name}Group>"
    for attributes in elements:
        yield f"\t\t{element(f'redcap:{name}', attributes, closed=True)}"
    yield f"\t</redcap:{name}Group>"


def repeating_lines(structure: Structure) -> Iterator[str]:
    """Yield which forms and events repeat."""
    if not structure.repeating:
        return
    yield "\t<redcap:RepeatingInstrumentsAndEvents>"
    order = structure.event_order
    for event in sorted({event for event, _ in structure.repeating}, key=lambda one: order[one]):
        name = event or CLASSIC_EVENT
        forms = [form for form in structure.form_order if structure.repeats(event, form)]
        if structure.event_repeats(event):
            attributes = {"redcap:UniqueEventName": name}
            yield f"\t\t{element('redcap:RepeatingEvent', attributes, closed=True)}"
        if forms:
            yield "\t\t<redcap:RepeatingInstruments>"
            for form in forms:
                attributes = {
                    "redcap:UniqueEventName": name,
                    "redcap:RepeatInstrument": form,
                    "redcap:CustomLabel": structure.repeating[event, form],
                }
                yield f"\t\t\t{element('redcap:RepeatingInstrument', attributes, closed=True)}"
            yield "\t\t</redcap:RepeatingInstruments>"
    yield "\t</redcap:RepeatingInstrumentsAndEvents>"


def event_lines(structure: Structure) -> Iterator[str]:
    """Yield the protocol and the events with their forms; nothing for a classic project."""
    if not structure.is_longitudinal:
        return
    yield "<Protocol>"
    for number, event in enumerate(structure.events, start=1):
        attributes = {
            "StudyEventOID": f"Event.{event.unique_name}",
            "OrderNumber": str(number),
            "Mandatory": "No",
        }
        yield f"\t{element('StudyEventRef', attributes, closed=True)}"
    yield "</Protocol>"
    arms = {arm.number: arm.name for arm in structure.arms}
    for event in structure.events:
        yield from event_definition(structure, event, arms)


def event_definition(structure: Structure, event: Event, arms: Mapping[int, str]) -> Iterator[str]:
    """Yield one event."""
    attributes = {
        "OID": f"Event.{event.unique_name}",
        "Name": structure.event_label(event.unique_name),
        "Type": "Common",
        "Repeating": "No",
        "redcap:EventName": event.name,
        "redcap:CustomEventLabel": event.label,
        "redcap:UniqueEventName": event.unique_name,
        "redcap:ArmNum": str(event.arm),
        "redcap:ArmName": arms.get(event.arm, ""),
        "redcap:DayOffset": str(event.day_offset),
        "redcap:OffsetMin": str(event.offset_min),
        "redcap:OffsetMax": str(event.offset_max),
    }
    yield element("StudyEventDef", attributes)
    for number, form in enumerate(structure.forms_on(event.unique_name), start=1):
        reference = {
            "FormOID": f"Form.{form}",
            "OrderNumber": str(number),
            "Mandatory": "No",
            "redcap:FormName": form,
        }
        yield f"\t{element('FormRef', reference, closed=True)}"
    yield "</StudyEventDef>"
