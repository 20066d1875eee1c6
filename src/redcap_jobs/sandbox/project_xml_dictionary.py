"""The data dictionary in a project's XML: forms, groups of items, items, code lists."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from html import unescape
from itertools import groupby
from xml.sax.saxutils import escape

from redcap_jobs.sandbox.dictionary import STATUS_CHOICES, Column, Field, status_field
from redcap_jobs.sandbox.structure import Form, Structure
from redcap_jobs.sandbox.xml_text import element, quoted

FIELD_TYPES = {"notes": "textarea", "dropdown": "select"}
VALIDATIONS = {
    "integer": "int",
    "number": "float",
    "date_ymd": "date_ymd",
}
"""Words of the data dictionary → REDCap's inner words; others are the same."""
BOOLEAN = frozenset({"yesno", "truefalse", "checkbox"})
TAG = re.compile(r"<[A-Za-z/][^>]*>")
STATUS = "Form Status"
OWN_ITEMS = {
    "redcap_data_access_group": ("text", "Data Access Group"),
    "redcap_survey_identifier": ("text", "Survey Identifier"),
}
"""Items that are no fields → type and label; time stamps are the others."""
STAMP = ("datetime", "Survey Timestamp")
STAMP_GROUP = "\0stamp"
"""Parts a time stamp's nameless group from those of the fields, whose key is a section header."""
SOFT_LIMITS = (
    "The value you provided is outside the suggested range ({} - {}). This value is admissible, "
    "but you may wish to double check it."
)


@dataclass(frozen=True)
class Shown:
    """What the file holds beside the dictionary's fields; ``fields`` None: all of them."""

    groups: bool = False
    survey_fields: bool = False
    files: bool = False
    fields: frozenset[str] | None = None

    def shows(self, column: Column) -> bool:
        """Tell whether values of a column go into the file."""
        return self.fields is None or column.field in self.fields


@dataclass(frozen=True)
class Item:
    """One item of a form: a field, an option of a checkbox, a status, or a column of its own.

    ``group`` is the OID of the item group it stands in, ``heading`` that group's name, and
    ``header`` what made the group: one section header, or none.
    """

    name: str
    variable: str
    field: Field | None
    group: str
    heading: str
    header: str = STATUS


def items_of(structure: Structure, form: Form, shown: Shown) -> list[Item]:
    """Return a form's items in order.

    A new group begins where a section header begins or ends, as recorded; a group that begins
    with a checkbox or a time stamp has no name. The first form's time stamp is there twice, as
    recorded: beside the record ID, and in a group of its own.
    """
    drafts: list[tuple[str, str, str, Field | None]] = []
    surveys = any(one.survey for one in structure.forms)
    for one in structure.fields:
        if one.form != form.name:
            continue
        names = [column.name for column in one.columns] or [one.name]
        drafts += [(one.section_header, name, one.name, one) for name in names]
        if one.name == structure.record_id_field:
            header = one.section_header
            own = ["redcap_data_access_group"] if shown.groups else []
            own += ["redcap_survey_identifier"] if shown.survey_fields and surveys else []
            drafts += [(header, name, name, None) for name in own]
    if shown.survey_fields and form.survey:
        stamp = f"{form.name}_timestamp"
        at = 1 + sum(field is None for *_, field in drafts) if has_id(structure, form) else 0
        drafts.insert(at, (STAMP_GROUP, stamp, stamp, None))
        if at:
            drafts.insert(at, (drafts[0][0], stamp, stamp, None))
    status = status_field(form.name)
    items: list[Item] = []
    for header, run in groupby(drafts, key=lambda draft: draft[0]):
        members = list(run)
        first = members[0]
        nameless = first[3] is None or first[3].type == "checkbox"
        heading = header.replace(STAMP_GROUP, "") or ("" if nameless else form.label)
        group = f"{form.name}.{first[1]}"
        items += [
            Item(name, variable, one, group, heading, key) for key, name, variable, one in members
        ]
    field = Field(status, form.name, "dropdown", "Complete?", section_header=STATUS)
    return [*items, Item(status, status, field, f"{form.name}.{status}", STATUS)]


def has_id(structure: Structure, form: Form) -> bool:
    """Tell whether the record ID is on this form."""
    return structure.fields[0].form == form.name


def dictionary_lines(structure: Structure, shown: Shown) -> Iterator[str]:
    """Yield the definitions: all forms, then all groups, all items, all code lists."""
    by_form = {form.name: items_of(structure, form, shown) for form in structure.forms}
    for form in structure.forms:
        attributes = {
            "OID": f"Form.{form.name}",
            "Name": form.label,
            "Repeating": "No",
            "redcap:FormName": form.name,
        }
        yield element("FormDef", attributes)
        for group in dict.fromkeys(item.group for item in by_form[form.name]):
            reference = {"ItemGroupOID": group, "Mandatory": "No"}
            yield f"\t{element('ItemGroupRef', reference, closed=True)}"
        yield "</FormDef>"
    for items in by_form.values():
        for group, members in groupby(items, key=lambda item: item.group):
            yield from group_definition(group, list(members))
    everything = [item for items in by_form.values() for item in items]
    for item in everything:
        yield from item_definition(item)
    for item in everything:
        yield from code_list(item)


def group_definition(group: str, members: list[Item]) -> Iterator[str]:
    """Yield a group of items."""
    yield element("ItemGroupDef", {"OID": group, "Name": members[0].heading, "Repeating": "No"})
    for item in members:
        required = item.field is not None and item.field.required
        reference = {
            "ItemOID": item.name,
            "Mandatory": "Yes" if required else "No",
            "redcap:Variable": item.variable,
        }
        yield f"\t{element('ItemRef', reference, closed=True)}"
    yield "</ItemGroupDef>"


def item_definition(item: Item) -> Iterator[str]:
    """Yield an item with its question, its code list's name and its limits."""
    field = item.field
    kind, label = OWN_ITEMS.get(item.name, STAMP)
    attributes = {"OID": item.name, "Name": item.name, "DataType": kind, "Length": "999"}
    attributes["redcap:Variable"] = item.variable
    if field is not None:
        attributes = {"OID": item.name, "Name": item.name, "DataType": data_type(field)}
        attributes["Length"] = length(field)
        if field.type != "calc" and attributes["DataType"] == "float":
            attributes["SignificantDigits"] = "1"
        attributes |= {"redcap:Variable": item.variable, **facts(field)}
        label = field.label
    yield element("ItemDef", attributes)
    plain = quoted(unescape(TAG.sub("", label)))
    question = f"<TranslatedText>{plain}</TranslatedText>"
    if plain != quoted(label):
        formatted = f"<redcap:FormattedTranslatedText>{quoted(label)}"
        question += f"{formatted}</redcap:FormattedTranslatedText>"
    yield f"\t<Question>{question}</Question>"
    if field is not None:
        if choices(field):
            reference = {"CodeListOID": f"{item.name}.choices"}
            yield f"\t{element('CodeListRef', reference, closed=True)}"
        yield from limits(field)
    yield "</ItemDef>"


def facts(field: Field) -> dict[str, str]:
    """Return REDCap's own attributes of a field, blank ones left out."""
    found = {
        "redcap:FieldType": FIELD_TYPES.get(field.type, field.type),
        "redcap:TextValidationType": VALIDATIONS.get(field.validation, field.validation),
        "redcap:SliderLabels": field.slider_labels,
        "redcap:FieldNote": field.note,
        "redcap:SectionHeader": field.section_header,
        "redcap:Calculation": field.calculation,
        "redcap:Identifier": "y" if field.identifier else "",
        "redcap:RequiredField": "y" if field.required else "",
        "redcap:BranchingLogic": field.branching,
        "redcap:MatrixGroupName": field.matrix_group,
        "redcap:MatrixRanking": "y" if field.matrix_ranking else "",
        "redcap:CustomAlignment": field.alignment,
        "redcap:QuestionNumber": field.question_number,
        "redcap:FieldAnnotation": field.annotation,
    }
    always = "redcap:SliderLabels" if field.type == "slider" else "redcap:FieldType"
    return {name: value for name, value in found.items() if value or name == always}


def data_type(field: Field) -> str:
    """Return ODM's word for what the field holds."""
    if field.type in BOOLEAN:
        return "boolean"
    if field.type == "calc" or field.validation.startswith("number"):
        return "float"
    if field.type == "slider" or field.validation == "integer":
        return "integer"
    for beginning, word in (
        ("datetime_seconds", "datetime"),
        ("datetime", "partialDatetime"),
        ("date", "date"),
    ):
        if field.validation.startswith(beginning):
            return word
    return "partialTime" if field.validation == "time" else "text"


def length(field: Field) -> str:
    """Return the longest code of a field with choices, else 999."""
    codes = [code for code, _ in choices(field)]
    return str(max(map(len, codes))) if codes else "999"


def choices(field: Field) -> list[tuple[str, str]]:
    """Return the code list's codes and labels; an option of a checkbox is ticked or not."""
    if field.type == "checkbox":
        return [("1", "Checked"), ("0", "Unchecked")]
    if field.section_header == STATUS and field.name == status_field(field.form):
        return list(STATUS_CHOICES.items())
    return list(field.labels.items())


def limits(field: Field) -> Iterator[str]:
    """Yield the range, which is a suggestion."""
    words = SOFT_LIMITS.format(field.minimum or "no limit", field.maximum or "no limit")
    for comparator, value in (("GE", field.minimum), ("LE", field.maximum)):
        if value:
            yield f"\t{element('RangeCheck', {'Comparator': comparator, 'SoftHard': 'Soft'})}"
            yield f"\t\t<CheckValue>{escape(value)}</CheckValue>"
            yield (
                f"\t\t<ErrorMessage><TranslatedText>{escape(words)}</TranslatedText></ErrorMessage>"
            )
            yield "\t</RangeCheck>"


def code_list(item: Item) -> Iterator[str]:
    """Yield an item's codes and labels, if it has any."""
    field = item.field
    if field is None or not choices(field):
        return
    attributes = {
        "OID": f"{item.name}.choices",
        "Name": item.name,
        "DataType": data_type(field),
        "redcap:Variable": item.variable,
    }
    if field.type == "checkbox":
        listed = "|".join(f"{choice.code}, {choice.label}" for choice in field.choices)
        attributes["redcap:CheckboxChoices"] = field.choices_text or listed
    yield element("CodeList", attributes)
    for code, label in choices(field):
        decode = f"<Decode><TranslatedText>{escape(label)}</TranslatedText></Decode>"
        yield f"\t{element('CodeListItem', {'CodedValue': code})}{decode}</CodeListItem>"
    yield "</CodeList>"
