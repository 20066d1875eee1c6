"""Dictionary, events and set-up from the metadata half of a REDCap project XML file.

Expects elements without namespaces, see :class:`redcap_jobs.sandbox.odm.ProjectTarget`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from xml.etree.ElementTree import Element

from redcap_jobs.errors import SetupError
from redcap_jobs.sandbox.dictionary import Choice, Field, parse_choices, status_field, unique_names
from redcap_jobs.sandbox.structure import CLASSIC, Arm, Dag, Event, Form, Structure

FIELD_TYPES = {"textarea": "notes", "select": "dropdown"}
VALIDATIONS = {
    "int": "integer",
    "float": "number",
    "date": "date_ymd",
    "datetime": "datetime_ymd",
    "datetime_seconds": "datetime_seconds_ymd",
}
"""REDCap's inner words in the file → the words of the data dictionary; others are the same."""
CODED = frozenset({"radio", "dropdown"})
CHOICES_BETWEEN = "|"
"""What stands between a field's choices after a file was loaded, whatever stood there before."""
CLASSIC_EVENT = "event_1_arm_1"
"""What the file calls the one event that a classic project does not show."""


def structure_from(
    version: Element, settings: Element, *, first_event_id: int, where: str
) -> Structure:
    """Return the structure in ``MetaDataVersion`` and ``GlobalVariables``.

    Raises:
        SetupError: There is no form or no field.

    """
    fields, forms = dictionary_from(version, survey_forms(settings))
    if not fields:
        raise SetupError(f"{where}: no REDCap project: it defines no instrument with fields")
    events = list(events_from(version, first_event_id))
    longitudinal = bool(events)
    arms = {event.get("ArmNum", "1"): event.get("ArmName", "") for event in event_elements(version)}
    return Structure(
        fields=fields,
        forms=forms,
        arms=tuple(Arm(int(number), arms[number]) for number in sorted(arms, key=int)),
        events=tuple(events),
        mapping=frozenset(mapping_from(version)),
        repeating=repeating_from(settings, longitudinal=longitudinal),
        dags=dags_from(settings),
        missing_data_codes={
            choice.code: choice.label
            for choice in parse_choices(settings.findtext("MissingDataCodes") or "")
        },
    )


def survey_forms(settings: Element) -> dict[str, dict[str, str]]:
    """Return form name → attributes of the instruments that are surveys."""
    return {
        survey.get("form_name", ""): {
            name: value for name, value in survey.attrib.items() if name != "form_name"
        }
        for survey in settings.iter("Surveys")
    }


def dictionary_from(
    version: Element, surveys: Mapping[str, Mapping[str, str]]
) -> tuple[tuple[Field, ...], tuple[Form, ...]]:
    """Return fields and forms in dictionary order: form by form, as their groups list them."""
    items = {item.get("OID", ""): item for item in version.findall("ItemDef")}
    groups = {group.get("OID", ""): group for group in version.findall("ItemGroupDef")}
    codes = {one.get("OID", ""): one for one in version.findall("CodeList")}
    fields: dict[str, Field] = {}
    forms: list[Form] = []
    for form in version.findall("FormDef"):
        name = form.get("FormName") or form.get("OID", "").partition(".")[2]
        forms.append(Form(name, form.get("Name", name), name in surveys, surveys.get(name, {})))
        for item in items_of(form, groups, items):
            variable = item.get("Variable", "") or item.get("OID", "")
            if item.get("FieldType") and variable not in (*fields, status_field(name)):
                fields[variable] = field_from(item, variable, name, codes)
    return tuple(fields.values()), tuple(forms)


def items_of(
    form: Element, groups: dict[str, Element], items: dict[str, Element]
) -> Iterator[Element]:
    """Yield the item definitions that a form refers to through its groups."""
    for group_ref in form.findall("ItemGroupRef"):
        group = groups.get(group_ref.get("ItemGroupOID", ""))
        for item_ref in [] if group is None else group.findall("ItemRef"):
            item = items.get(item_ref.get("ItemOID", ""))
            if item is not None:
                yield item


def field_from(item: Element, variable: str, form: str, codes: dict[str, Element]) -> Field:
    """Return one field; a checkbox is defined once per option, all with the same facts."""
    kind = FIELD_TYPES.get(item.get("FieldType", ""), item.get("FieldType", ""))
    validation = item.get("TextValidationType", "")
    code_ref = item.find("CodeListRef")
    code_list = None if code_ref is None else codes.get(code_ref.get("CodeListOID", ""))
    limits = {
        check.get("Comparator", ""): check.findtext("CheckValue") or ""
        for check in item.findall("RangeCheck")
    }
    choices = choices_from(code_list, kind)
    return Field(
        variable,
        form,
        type=kind,
        label=item.findtext("Question/FormattedTranslatedText")
        or item.findtext("Question/TranslatedText")
        or "",
        choices=choices,
        choices_text=CHOICES_BETWEEN.join(f"{choice.code}, {choice.label}" for choice in choices),
        calculation=item.get("Calculation", "") if kind in ("calc", "sql") else "",
        validation=VALIDATIONS.get(validation, validation),
        minimum=limits.get("GE", ""),
        maximum=limits.get("LE", ""),
        note=item.get("FieldNote", ""),
        section_header=item.get("SectionHeader", ""),
        slider_labels=item.get("SliderLabels", ""),
        identifier=item.get("Identifier") == "y",
        branching=item.get("BranchingLogic", ""),
        required=item.get("RequiredField") == "y",
        alignment=item.get("CustomAlignment", ""),
        question_number=item.get("QuestionNumber", ""),
        matrix_group=item.get("MatrixGroupName", ""),
        matrix_ranking=item.get("MatrixRanking") == "y",
        annotation=item.get("FieldAnnotation", ""),
    )


def choices_from(code_list: Element | None, kind: str) -> tuple[Choice, ...]:
    """Return the choices of a radio, dropdown or checkbox field."""
    if code_list is None:
        return ()
    if kind == "checkbox":
        return parse_choices(code_list.get("CheckboxChoices", ""))
    if kind not in CODED:
        return ()
    return tuple(
        Choice(item.get("CodedValue", ""), item.findtext("Decode/TranslatedText") or "")
        for item in code_list.findall("CodeListItem")
    )


def event_elements(version: Element) -> list[Element]:
    """Return the event definitions in the protocol's order."""
    defined = {event.get("OID", ""): event for event in version.findall("StudyEventDef")}
    order = [ref.get("StudyEventOID", "") for ref in version.findall("Protocol/StudyEventRef")]
    return [defined[oid] for oid in dict.fromkeys([*order, *defined]) if oid in defined]


def event_name(event: Element) -> str:
    """Return the unique event name of a definition."""
    return event.get("UniqueEventName") or event.get("OID", "").partition(".")[2]


def events_from(version: Element, first_event_id: int) -> Iterator[Event]:
    """Yield the events; offsets are in the file whether Scheduling is on or not."""
    for place, event in enumerate(event_elements(version)):
        yield Event(
            event_name(event),
            event.get("EventName", "") or event.get("Name", ""),
            int(event.get("ArmNum", "1")),
            days(event, "DayOffset"),
            days(event, "OffsetMin"),
            days(event, "OffsetMax"),
            event.get("CustomEventLabel", ""),
            first_event_id + place,
        )


def days(event: Element, name: str) -> int:
    """Return an offset in whole days, 0 where it is missing."""
    return int(float(event.get(name) or 0))


def mapping_from(version: Element) -> Iterator[tuple[str, str]]:
    """Yield (event, form) for every form that an event refers to."""
    for event in event_elements(version):
        for ref in event.findall("FormRef"):
            form = ref.get("FormName") or ref.get("FormOID", "").partition(".")[2]
            yield event_name(event), form


def repeating_from(settings: Element, *, longitudinal: bool) -> dict[tuple[str, str], str]:
    """Return (event, form) → custom label; form '' is a repeating event."""
    repeating: dict[tuple[str, str], str] = {}
    for element in settings.iter("RepeatingInstrument"):
        event = element.get("UniqueEventName", CLASSIC_EVENT) if longitudinal else CLASSIC
        repeating[event, element.get("RepeatInstrument", "")] = element.get("CustomLabel", "")
    for element in settings.iter("RepeatingEvent"):
        repeating[element.get("UniqueEventName", CLASSIC_EVENT), ""] = ""
    return repeating


def dags_from(settings: Element) -> tuple[Dag, ...]:
    """Return the data access groups with the unique names REDCap gives them."""
    names = [group.get("group_name", "") for group in settings.iter("DataAccessGroups")]
    unique = unique_names(names)
    return tuple(
        Dag(name, unique_name, 20 + place)
        for place, (name, unique_name) in enumerate(zip(names, unique, strict=True))
    )
