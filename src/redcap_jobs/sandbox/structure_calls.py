"""The calls that tell what a project is made of: settings, dictionary, arms, events, forms."""

from __future__ import annotations

from collections.abc import Iterable

from redcap_jobs.sandbox.answers import Answer, OneRow, Plain, Table
from redcap_jobs.sandbox.context import Context
from redcap_jobs.sandbox.dictionary import Field, status_field
from redcap_jobs.sandbox.import_rows import refuse_unknown
from redcap_jobs.sandbox.parameters import Refusal
from redcap_jobs.sandbox.structure import Structure
from redcap_jobs.sandbox.structure_log import noted

REDCAP_VERSION = "14.9.0"
STAMP = "%Y-%m-%d %H:%M:%S"

METADATA_COLUMNS = [
    "field_name",
    "form_name",
    "section_header",
    "field_type",
    "field_label",
    "select_choices_or_calculations",
    "field_note",
    "text_validation_type_or_show_slider_number",
    "text_validation_min",
    "text_validation_max",
    "identifier",
    "branching_logic",
    "required_field",
    "custom_alignment",
    "question_number",
    "matrix_group_name",
    "matrix_ranking",
    "field_annotation",
]


@noted("Export REDCap version (API)")
def version(context: Context) -> Answer:  # noqa: ARG001 - every call has this signature
    """Answer ``content=version``: plain text."""
    return Plain(REDCAP_VERSION)


@noted("Export project information (API)")
def project_info(context: Context) -> Answer:
    """Answer ``content=project``: the 27 settings recorded from a 14.x server."""
    project, structure, settings = context.project, context.structure, context.project.settings
    codes = structure.missing_data_codes
    production = project.moved_to_production or project.created
    purpose = settings.purpose
    info: dict[str, str | int] = {
        "project_id": project.pid,
        "project_title": project.title,
        "creation_time": project.created.strftime(STAMP),
        "production_time": production.strftime(STAMP) if settings.in_production else "",
        "in_production": int(settings.in_production),
        "project_language": settings.project_language,
        "purpose": int(purpose) if purpose.isdecimal() else purpose,
        "purpose_other": settings.purpose_other,
        "project_notes": settings.project_notes,
        "custom_record_label": settings.custom_record_label,
        "secondary_unique_field": settings.secondary_unique_field,
        "is_longitudinal": int(structure.is_longitudinal),
        "has_repeating_instruments_or_events": int(bool(structure.repeating)),
        "surveys_enabled": int(settings.surveys_enabled),
        "scheduling_enabled": int(settings.scheduling_enabled),
        "record_autonumbering_enabled": int(settings.record_autonumbering_enabled),
        "randomization_enabled": int(settings.randomization_enabled),
        "ddp_enabled": 0,
        "project_irb_number": settings.project_irb_number,
        "project_grant_number": settings.project_grant_number,
        "project_pi_firstname": settings.project_pi_firstname,
        "project_pi_lastname": settings.project_pi_lastname,
        "project_pi_email": settings.project_pi_email,
        "display_today_now_button": int(settings.display_today_now_button),
        "missing_data_codes": " | ".join(f"{code}, {label}" for code, label in codes.items()),
        "external_modules": settings.external_modules,
        "bypass_branching_erase_field_prompt": int(settings.bypass_branching_erase_field_prompt),
    }
    return OneRow(list(info), list(info.values()))


@noted("Download data dictionary (API)")
def metadata(context: Context) -> Answer:
    """Answer ``content=metadata``: the data dictionary, all of it or of some fields and forms.

    Forms that do not exist are passed over: asked for nothing else, a server sends everything
    (PyCap issue 234). Fields that do not exist are refused (redcapAPI issue 218; the words are
    those of a record export, own answer).
    """
    structure, parameters = context.structure, context.parameters
    wanted_fields = parameters.array("fields")
    refuse_unknown("fields", wanted_fields, known_fields(structure))
    wanted_forms = structure.form_order.keys() & set(parameters.array("forms"))
    everything = not wanted_fields and not wanted_forms
    rows = [
        metadata_row(one)
        for one in structure.fields
        if everything or one.name in wanted_fields or one.form in wanted_forms
    ]
    return Table(METADATA_COLUMNS, rows, root="records")


def known_fields(structure: Structure) -> set[str]:
    """Return the names of all fields, statuses of forms included."""
    return {*structure.field_by_name, *(status_field(form.name) for form in structure.forms)}


def metadata_row(one: Field) -> list[str]:
    """Return one field in the dictionary's 18 columns."""
    return [
        one.name,
        one.form,
        one.section_header,
        one.type,
        one.label,
        one.choices_or_calculations,
        one.note,
        one.validation,
        one.minimum,
        one.maximum,
        "y" if one.identifier else "",
        one.branching,
        "y" if one.required else "",
        one.alignment,
        one.question_number,
        one.matrix_group,
        "y" if one.matrix_ranking else "",
        one.annotation,
    ]


@noted("Export instruments (API)")
def instruments(context: Context) -> Answer:
    """Answer ``content=instrument``."""
    rows = [[form.name, form.label] for form in context.structure.forms]
    return Table(
        ["instrument_name", "instrument_label"],
        rows,
        header_alone=True,
        quoted=("instrument_label",),
    )


@noted("Export field names (API)")
def export_field_names(context: Context) -> Answer:
    """Answer ``content=exportFieldNames``: every export column but file and descriptive ones."""
    wanted = context.parameters.text("field")
    refuse_unknown("field", [wanted] if wanted else [], known_fields(context.structure))
    rows = [
        [column.field, column.code, column.name]
        for column in context.structure.columns
        if column.kind != "file" and wanted in ("", column.field)
    ]
    columns = ["original_field_name", "choice_value", "export_field_name"]
    return Table(columns, rows, root="fields", header_alone=True)


def longitudinal_only(context: Context, what: str) -> None:
    """Refuse a call that a classic project cannot answer."""
    if not context.structure.is_longitudinal:
        raise Refusal(400, f"You cannot export {what} for classic projects")


def wanted_arms(context: Context) -> set[int]:
    """Return the numbers of the arms asked for; all that have events where none are named."""
    named = context.parameters.array("arms")
    known = {arm.number for arm in context.structure.used_arms()}
    return {int(one) for one in named if one.isdecimal()} & known if named else known


@noted("Export arms (API)")
def arms(context: Context) -> Answer:
    """Answer ``content=arm``: arms without events are not shown."""
    longitudinal_only(context, "arms")
    wanted = wanted_arms(context)
    rows: list[list[str | int]] = [
        [arm.number, arm.name] for arm in context.structure.arms if arm.number in wanted
    ]
    return Table(["arm_num", "name"], rows, root="arms", header_alone=True, ends_line=False)


@noted("Export events (API)")
def events(context: Context) -> Answer:
    """Answer ``content=event``; the three offsets appear only where Scheduling is on."""
    longitudinal_only(context, "events")
    wanted = wanted_arms(context)
    scheduling = context.project.settings.scheduling_enabled
    columns = ["event_name", "arm_num"]
    if scheduling:
        columns += ["day_offset", "offset_min", "offset_max"]
    columns += ["unique_event_name", "custom_event_label", "event_id"]
    rows: list[list[str | int]] = []
    for event in context.structure.events:
        if event.arm in wanted:
            offsets = [event.day_offset, event.offset_min, event.offset_max] if scheduling else []
            label = event.label
            rows.append([event.name, event.arm, *offsets, event.unique_name, label, event.event_id])
    return Table(columns, rows, root="events", header_alone=True, ends_line=False)


@noted("Export instrument-event mappings (API)")
def form_event_mapping(context: Context) -> Answer:
    """Answer ``content=formEventMapping``, event by event; an unknown arm gives nothing."""
    longitudinal_only(context, "form/event mappings")
    wanted = wanted_arms(context)
    rows: list[list[str | int]] = [
        [event.arm, event.unique_name, form]
        for event in context.structure.events
        if event.arm in wanted
        for form in context.structure.forms_on(event.unique_name)
    ]
    columns = ["arm_num", "unique_event_name", "form"]
    return Table(columns, rows, header_alone=True, ends_line=False)


@noted("Export repeating instruments and events (API)")
def repeating_forms_events(context: Context) -> Answer:
    """Answer ``content=repeatingFormsEvents``; a blank form means that the whole event repeats."""
    structure = context.structure
    if not structure.repeating:
        raise Refusal(
            400,
            "You cannot export repeating instruments and events because the project does not "
            "contain any repeating instruments and events",
        )
    pairs = sorted(
        structure.repeating,
        key=lambda pair: (
            structure.event_order.get(pair[0], 0),
            structure.form_order.get(pair[1], -1),
        ),
    )
    rows = [[event, form, structure.repeating[event, form]] for event, form in pairs]
    if structure.is_longitudinal:
        return Table(["event_name", "form_name", "custom_form_label"], rows)
    return Table(["form_name", "custom_form_label"], [row[1:] for row in rows])


def next_record_name(context: Context) -> Answer:
    """Answer ``content=generateNextRecordName``: plain text."""
    prefix, number = next_number(context, context.project.store.current.records)
    return Plain(f"{prefix}{number}")


def next_number(context: Context, names: Iterable[str]) -> tuple[str, int]:
    """Return prefix and number of the next record name: the largest number + 1.

    Names that are no numbers do not count. A user in a data access group is given
    ``<group id>-<number>``, numbered within the group.
    """
    prefix = ""
    if context.user.dag:
        prefix = f"{context.structure.dag_by_unique_name[context.user.dag].group_id}-"
    numbers = [
        int(name.removeprefix(prefix))
        for name in names
        if name.startswith(prefix) and name.removeprefix(prefix).isdecimal()
    ]
    return prefix, max(numbers, default=0) + 1
