"""A project from a REDCap project XML file (CDISC ODM 1.3 with REDCap's extensions).

Files come from strangers: they are parsed with defusedxml, which refuses entities and external
references. The data are read while they stream by, so that a large file needs no tree in memory.
What belongs to other features (alerts, languages, MyCap) is passed over.
"""

from __future__ import annotations

import re
from datetime import datetime
from pathlib import Path
from xml.etree.ElementTree import Element, ParseError, TreeBuilder
from xml.parsers.expat import XMLParserType

import defusedxml.ElementTree as SafeTree
from defusedxml.common import DefusedXmlException

from redcap_jobs.errors import SetupError, UsageError
from redcap_jobs.sandbox.members import Members
from redcap_jobs.sandbox.odm_data import DataReader
from redcap_jobs.sandbox.odm_people import reports_from, roles_from
from redcap_jobs.sandbox.odm_settings import settings_from
from redcap_jobs.sandbox.odm_structure import structure_from
from redcap_jobs.sandbox.project import SandboxProject

LINES_IN_ATTRIBUTE = re.compile(rb'="[^"<\t\r\n]*+[\t\r\n][^"<]*"')
"""An attribute over several lines: REDCap writes the values of notes fields that way.

The pattern begins with plain signs, which is what makes the search through a large file quick.
"""

FORBIDDEN_IN_XML = bytes(code for code in range(32) if code not in (9, 10, 13))
"""Control characters: XML has none, and exports of what people pasted do."""


def keep_lines(attribute: re.Match[bytes]) -> bytes:
    """Write line ends as references: XML would turn them into blanks, and the data would change."""
    before = attribute.string[attribute.start() - 1 : attribute.start()]
    if not before.isalnum() and before != b"_":  # in a text, not in an attribute
        return attribute[0]
    kept = attribute[0].replace(b"\t", b"&#9;")
    return kept.replace(b"\r", b"&#13;").replace(b"\n", b"&#10;")


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
    target = ProjectTarget(pid, now, where)
    parser = SafeTree.DefusedXMLParser(target=target)
    target.listen_to(parser.parser)
    try:
        parser.feed(well_formed(text))
        parser.close()
    except ParseError as error:
        raise SetupError(f"{where}: no well-formed XML: {error}") from None
    except DefusedXmlException:
        raise SetupError(
            f"{where}: XML with entities or external references is not read; export it from "
            "REDCap again"
        ) from None
    return target.project()


def well_formed(text: bytes) -> bytes:
    """Return the text without what REDCap's exports have and XML forbids."""
    text = text.translate(None, FORBIDDEN_IN_XML)
    try:
        text.decode("utf-8")
    except UnicodeDecodeError:  # half a letter, where a long text was cut
        text = text.decode("utf-8", errors="replace").encode()
    return LINES_IN_ATTRIBUTE.sub(keep_lines, text)


class ProjectTarget:
    """What the parser reports to: a tree up to ``ClinicalData``, its data as they come."""

    def __init__(self, pid: int, now: datetime, where: str) -> None:
        self._pid, self._now, self._where = pid, now, where
        self._tree: TreeBuilder | None = TreeBuilder()
        self._open: list[str] = []
        self._data: DataReader | None = None
        self._local: dict[str, str] = {}
        self._expat: XMLParserType | None = None

    def listen_to(self, expat: XMLParserType) -> None:
        """Be called by expat itself: the library's step in between takes longer than both."""
        self._expat = expat
        expat.ordered_attributes = False
        expat.StartElementHandler = self.start
        self._listen(to_all=True)

    def _listen(self, *, to_all: bool) -> None:
        """Be told of ends and texts, too; millions of values have none that matter."""
        if self._expat is not None:
            self._expat.EndElementHandler = self.end if to_all else None
            self._expat.CharacterDataHandler = self.data if to_all else None

    def start(self, tag: str, attributes: dict[str, str]) -> None:
        """Take an element's beginning."""
        tag = self._local.get(tag) or self._plain(tag)
        if tag == "ItemData" and self._data is not None:  # millions of them, without namespaces
            self._data.value(attributes.get("ItemOID", ""), attributes.get("Value", ""))
        elif self._data is not None:
            self._data.start(tag, {self._plain(name): attributes[name] for name in attributes})
            self._listen(to_all=self._data.in_file)
        elif tag == "ClinicalData" and self._tree is not None:
            self._data = DataReader(self._head_ends(), self._now)
            self._listen(to_all=False)
        elif self._tree is not None:
            self._open.append(tag)
            self._tree.start(tag, {self._plain(name): attributes[name] for name in attributes})

    def data(self, text: str) -> None:
        """Take text between elements."""
        if self._data is not None:
            self._data.data(text)
        elif self._tree is not None:
            self._tree.data(text)

    def end(self, tag: str) -> None:
        """Take an element's end."""
        tag = self._local.get(tag) or self._plain(tag)
        if self._data is not None:
            self._data.end(tag)
            self._listen(to_all=self._data.in_file)
        elif self._tree is not None:
            self._open.pop()
            self._tree.end(tag)

    def close(self) -> None:
        """Take the end of the file."""

    def project(self) -> SandboxProject:
        """Return the project that was read."""
        if self._data is None:
            return self._head_ends()
        return self._data.project()

    def _plain(self, name: str) -> str:
        """Take the namespace off a name: files give it as http or https, or without a prefix."""
        if name not in self._local:
            self._local[name] = name.rpartition("}")[2]
        return self._local[name]

    def _head_ends(self) -> SandboxProject:
        tree, self._tree = self._tree, None
        if tree is None:
            raise AssertionError("the head ends once")
        for tag in reversed(self._open):
            tree.end(tag)
        return project_of(tree.close(), self._pid, self._now, self._where)


def project_of(root: Element, pid: int, now: datetime, where: str) -> SandboxProject:
    """Return the project without data that the head of a file describes."""
    version = root.find("Study/MetaDataVersion")
    if root.tag != "ODM" or version is None:
        raise SetupError(
            f"{where}: no REDCap project: ODM/Study/MetaDataVersion is missing; export it with "
            "Project Setup, Other Functionality, Download metadata & data (XML)"
        )
    settings = root.find("Study/GlobalVariables")
    if settings is None:
        settings = Element("GlobalVariables")
    return SandboxProject(
        pid,
        settings.findtext("StudyName") or root.get("Description") or "Project",
        structure_from(version, settings, first_event_id=pid * 10, where=where),
        settings_from(settings),
        created=now,
        members=Members(roles=roles_from(settings)),
        reports=reports_from(settings, first_id=pid * 10),
    )
