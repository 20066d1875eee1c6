"""Rows about users and roles: flat but for ``forms`` and ``forms_export``, which hold a code per form.

In csv these two are ``form_1:1,form_2:0``, in json objects, in xml one element per form.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from xml.etree.ElementTree import Element, ParseError

import defusedxml.ElementTree as SafeTree
from defusedxml.common import DefusedXmlException

from redcap_jobs.sandbox.answers import CONTENT_TYPES, XML_HEAD, Table, xml_cell
from redcap_jobs.sandbox.import_formats import (
    JSON_MALFORMED,
    NOT_THAT_FORMAT,
    Row,
    csv_rows,
    json_text,
)
from redcap_jobs.sandbox.parameters import Parameters, Refusal

FORM_COLUMNS = ("forms", "forms_export")


@dataclass(frozen=True)
class PersonRow:
    """One user or role: plain cells, and of :data:`FORM_COLUMNS` those that were sent."""

    cells: Row
    forms: Mapping[str, Mapping[str, str]]


@dataclass(frozen=True)
class People:
    """An answer of users or roles; ``forms`` holds the two form columns of each row."""

    columns: Sequence[str]
    rows: Sequence[Sequence[str | int]]
    forms: Sequence[tuple[Mapping[str, int], Mapping[str, int]]]
    root: str

    def body(self, format_: str) -> tuple[str, str]:
        """Return the rows' text and content type."""
        writers = {"csv": self._csv, "json": self._json, "xml": self._xml}
        return writers[format_](), CONTENT_TYPES[format_]

    def _csv(self) -> str:
        rows = [
            [*row, *(joined(codes) for codes in forms)]
            for row, forms in zip(self.rows, self.forms, strict=True)
        ]
        return Table([*self.columns, *FORM_COLUMNS], rows).body("csv")[0]

    def _json(self) -> str:
        objects = [
            {
                **dict(zip(self.columns, row, strict=True)),
                **{name: dict(codes) for name, codes in zip(FORM_COLUMNS, forms, strict=True)},
            }
            for row, forms in zip(self.rows, self.forms, strict=True)
        ]
        return json.dumps(objects, separators=(",", ":")).replace("/", "\\/")

    def _xml(self) -> str:
        parts = [XML_HEAD, f"<{self.root}>"]
        for row, forms in zip(self.rows, self.forms, strict=True):
            cells = "".join(map(xml_cell, self.columns, row))
            for name, codes in zip(FORM_COLUMNS, forms, strict=True):
                inner = "".join(xml_cell(form, code) for form, code in codes.items())
                cells += f"<{name}>{inner}</{name}>"
            parts.append(f"<item>{cells}</item>")
        parts.append(f"</{self.root}>")
        return "\n".join(parts)


def joined(codes: Mapping[str, int]) -> str:
    """Return a csv cell of form codes."""
    return ",".join(f"{form}:{code}" for form, code in codes.items())


def person_rows(parameters: Parameters) -> list[PersonRow]:
    """Return the posted users or roles.

    Raises:
        Refusal: They are not in the format the call names.

    """
    data = parameters.text("data")
    if parameters.format == "json":
        return from_json(data)
    if parameters.format == "xml":
        return from_xml(data)
    return [
        PersonRow(plain(row), {name: split(row[name]) for name in FORM_COLUMNS if name in row})
        for row in csv_rows(data, parameters.text("csvDelimiter", ","))
    ]


def from_json(data: str) -> list[PersonRow]:
    """Read a JSON list of objects, or a single one."""
    try:
        parsed = json.loads(data)
    except ValueError:
        raise Refusal(400, JSON_MALFORMED) from None
    objects = [parsed] if isinstance(parsed, dict) else parsed
    if not isinstance(objects, list) or not all(isinstance(one, dict) for one in objects):
        raise Refusal(400, JSON_MALFORMED)
    return [
        PersonRow(
            plain({str(name): json_text(value) for name, value in one.items()}),
            {name: codes_of(one[name]) for name in FORM_COLUMNS if name in one},
        )
        for one in objects
    ]


def codes_of(value: object) -> dict[str, str]:
    """Return form codes from JSON: an object, the text of csv, or an empty list for none."""
    if isinstance(value, dict):
        return {str(form): json_text(code) for form, code in value.items()}
    return split(value) if isinstance(value, str) else {}


def from_xml(data: str) -> list[PersonRow]:
    """Read ``<users><item><username>…</username><forms><form_1>1</form_1></forms></item></users>``."""
    try:
        root: Element = SafeTree.fromstring(data)
    except (ParseError, DefusedXmlException, ValueError):
        raise Refusal(400, NOT_THAT_FORMAT) from None
    items = [root] if root.tag == "item" else root.findall("item")
    rows = []
    for item in items:
        cells = {cell.tag: cell.text or "" for cell in item}
        forms = {
            cell.tag: {form.tag: (form.text or "").strip() for form in cell}
            or split(cell.text or "")
            for cell in item
            if cell.tag in FORM_COLUMNS
        }
        rows.append(PersonRow(plain(cells), forms))
    return rows


def plain(cells: Mapping[str, str]) -> Row:
    """Return the cells that are no form columns, without blanks around their values."""
    return {name: value.strip() for name, value in cells.items() if name not in FORM_COLUMNS}


def split(text: str) -> dict[str, str]:
    """Read ``form_1:1,form_2:0``."""
    pairs = (part.partition(":") for part in text.split(",") if part.strip())
    return {form.strip(): code.strip() for form, _, code in pairs}
