"""Calls that change what a project is made of: the data dictionary, forms on events.

As the API help says: the dictionary can be imported in development only and replaces the whole
one; so does the mapping. REDCap's words for refusals here are not recorded: they are our own.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from redcap_jobs.sandbox.answers import Answer, Plain
from redcap_jobs.sandbox.context import Context
from redcap_jobs.sandbox.dictionary import Field, parse_choices
from redcap_jobs.sandbox.import_formats import csv_rows, json_rows, xml_rows
from redcap_jobs.sandbox.parameters import Parameters, Refusal
from redcap_jobs.sandbox.structure import forms_from_fields

WITH_CHOICES = {"radio", "dropdown", "checkbox"}
ONLY_IN_DEVELOPMENT = "The data dictionary can only be imported while the project is in development"


def rows_of(parameters: Parameters) -> list[dict[str, str]]:
    """Return the posted rows, in whatever format they came."""
    data = parameters.text("data")
    if parameters.format == "json":
        return json_rows(data)
    return csv_rows(data, ",") if parameters.format == "csv" else xml_rows(data)


def import_metadata(context: Context) -> Answer:
    """Answer an import of ``content=metadata``: replace the dictionary, return its size.

    Values of fields that are no longer there stay stored, as in REDCap, and come back with them.
    """
    if context.project.settings.in_production:
        raise Refusal(400, ONLY_IN_DEVELOPMENT)
    rows = rows_of(context.parameters)
    if not rows:
        raise Refusal(400, "The data dictionary has no fields")
    fields = tuple(field_of(row) for row in rows)
    names = [field.name for field in fields]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise Refusal(400, f"The following fields are duplicated: {', '.join(twice)}")
    labels = {form.name: form.label for form in context.structure.forms}
    surveys = {form.name for form in context.structure.forms if form.survey}
    forms = forms_from_fields(fields, labels | new_labels(fields, labels))
    context.project.change(
        structure=replace(
            context.structure,
            fields=fields,
            forms=tuple(replace(form, survey=form.name in surveys) for form in forms),
        )
    )
    return Plain(str(len(fields)))


def new_labels(fields: tuple[Field, ...], known: Mapping[str, str]) -> dict[str, str]:
    """Name new forms as REDCap does: ``visit_tracking`` becomes ``Visit Tracking``."""
    return {
        field.form: field.form.replace("_", " ").title()
        for field in fields
        if field.form not in known
    }


def field_of(row: Mapping[str, str]) -> Field:
    """Build a field from one row of the dictionary's 18 columns."""
    name, form = row.get("field_name", ""), row.get("form_name", "")
    if not name or not form:
        raise Refusal(400, "Every field needs a field_name and a form_name")
    kind = row.get("field_type", "") or "text"
    options = row.get("select_choices_or_calculations", "")
    return Field(
        name=name,
        form=form,
        type=kind,
        label=row.get("field_label", ""),
        choices=parse_choices(options) if kind in WITH_CHOICES else (),
        calculation=options if kind == "calc" else "",
        validation=row.get("text_validation_type_or_show_slider_number", ""),
        minimum=row.get("text_validation_min", ""),
        maximum=row.get("text_validation_max", ""),
        note=row.get("field_note", ""),
        section_header=row.get("section_header", ""),
        slider_labels=options if kind == "slider" else "",
        identifier=row.get("identifier", "") == "y",
        branching=row.get("branching_logic", ""),
        required=row.get("required_field", "") == "y",
        alignment=row.get("custom_alignment", ""),
        question_number=row.get("question_number", ""),
        matrix_group=row.get("matrix_group_name", ""),
        matrix_ranking=row.get("matrix_ranking", "") == "y",
        annotation=row.get("field_annotation", ""),
    )


def import_form_event_mapping(context: Context) -> Answer:
    """Answer an import of ``content=formEventMapping``: replace all pairs, return their number."""
    structure = context.structure
    if not structure.is_longitudinal:
        raise Refusal(400, "You cannot import form/event mappings for classic projects")
    rows = rows_of(context.parameters)
    pairs = frozenset((row.get("unique_event_name", ""), row.get("form", "")) for row in rows)
    wrong = sorted(
        f"{event}: {form}"
        for event, form in pairs
        if event not in structure.event_by_name or form not in structure.form_order
    )
    if wrong:
        raise Refusal(400, f"The following mappings are not valid: {', '.join(wrong)}")
    context.project.change(structure=replace(structure, mapping=pairs))
    return Plain(str(len(pairs)))
