"""Roles and reports in a REDCap project XML file, both ways; users are not in it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from xml.etree.ElementTree import Element

from redcap_jobs.sandbox.members import RIGHT_NAMES, Rights, Role
from redcap_jobs.sandbox.report import Report

ATTRIBUTES = {
    "lock_records": "lock_record",
    "lock_records_all_forms": "lock_record_multiform",
    "lock_records_customization": "lock_record_customize",
    "logging": "data_logging",
    "stats_and_charts": "graphical",
    "manage_survey_participants": "participants",
    "data_quality_create": "data_quality_design",
}
"""Names of rights in the API → in the file; the others are the same."""

ROLE_ORDER = (
    *("lock_record", "lock_record_multiform", "lock_record_customize", "data_export_tool"),
    *("data_export_instruments", "data_import_tool", "data_comparison_tool", "data_logging"),
    *("email_logging", "file_repository", "double_data", "user_rights", "data_access_groups"),
    *("graphical", "reports", "design", "alerts", "calendar", "data_entry", "api_export"),
    *("api_import", "api_modules", "mobile_app", "mobile_app_download_data", "record_create"),
    *("record_rename", "record_delete", "dts", "participants", "data_quality_design"),
    *("data_quality_execute", "data_quality_resolution", "random_setup", "random_dashboard"),
    *("random_perform", "realtime_webservice_mapping", "realtime_webservice_adjudicate"),
    *("external_module_config", "mycap_participants"),
)
"""A role's attributes after its names, in the order recorded from servers 14.6 and 14.7."""

NO_RIGHTS = {
    "data_export_tool": "",
    "double_data": "0",
    "dts": "0",
    "data_quality_resolution": "1",
    "realtime_webservice_mapping": "0",
    "realtime_webservice_adjudicate": "0",
    "external_module_config": "",
}
"""What every recorded role has for things that are not in this sandbox."""

FORM_RIGHT = re.compile(r"\[([^\],]+),(\d+)\]")


def roles_from(settings: Element) -> dict[str, Role]:
    """Return the roles by their unique names."""
    roles = {}
    for element in settings.iter("UserRoles"):
        unique = element.get("unique_role_name", "")
        if unique:
            roles[unique] = Role(unique, element.get("role_name", ""), rights_from(element))
    return roles


def rights_from(element: Element) -> Rights:
    """Return the rights in a role's attributes; what is not there is not granted."""
    granted = {
        name: int(text) if (text := element.get(ATTRIBUTES.get(name, name), "")).isdecimal() else 0
        for name in RIGHT_NAMES
    }
    forms, exports = (
        {form: int(code) for form, code in FORM_RIGHT.findall(element.get(name, ""))}
        for name in ("data_entry", "data_export_instruments")
    )
    return Rights(granted, forms, exports)


def role_attributes(role: Role, forms: tuple[str, ...]) -> dict[str, str]:
    """Return a role as the file's attributes."""
    rights = role.rights
    granted = {ATTRIBUTES.get(name, name): str(rights.granted.get(name, 0)) for name in RIGHT_NAMES}
    values = {
        **NO_RIGHTS,
        **granted,
        "data_export_instruments": form_rights(forms, rights.forms_export),
        "data_entry": form_rights(forms, rights.forms),
    }
    return {
        "role_name": role.label,
        "unique_role_name": role.unique_name,
        **{name: values[name] for name in ROLE_ORDER},
    }


def form_rights(forms: tuple[str, ...], codes: Mapping[str, int]) -> str:
    """Write ``[form,1][other,0]``; a form without a code has full access."""
    return "".join(f"[{form},{codes.get(form, 1)}]" for form in forms)


def reports_from(settings: Element, first_id: int) -> dict[int, Report]:
    """Return the reports under numbers of our own: the file has none."""
    reports = {}
    for place, element in enumerate(settings.iter("Reports")):
        report_id = first_id + place
        reports[report_id] = Report(
            report_id,
            element.get("title", ""),
            listed(element, "redcap_reports_fields"),
            element.get("advanced_logic", "") or element.get("limiter_logic", ""),
            listed(element, "redcap_reports_filter_events"),
            listed(element, "redcap_reports_filter_dags"),
            with_dag=element.get("output_dags") == "1",
            with_survey_fields=element.get("output_survey_fields") == "1",
            combine_checkboxes=element.get("combine_checkbox_values") == "1",
            attributes=dict(element.attrib),
        )
    return reports


def listed(element: Element, name: str) -> tuple[str, ...]:
    """Return the words of a comma list."""
    return tuple(word.strip() for word in element.get(name, "").split(",") if word.strip())


def report_attributes(report: Report) -> dict[str, str]:
    """Return a report as the file's attributes."""
    return {
        **report.attributes,
        "title": report.title,
        "user_access": "ALL",
        "combine_checkbox_values": str(int(report.combine_checkboxes)),
        "output_dags": str(int(report.with_dag)),
        "output_survey_fields": str(int(report.with_survey_fields)),
        "advanced_logic": report.filter_logic,
        "redcap_reports_fields": ",".join(report.fields),
        "redcap_reports_filter_dags": ",".join(report.dags),
        "redcap_reports_filter_events": ",".join(report.events),
    }
