"""``content=report``: a stored selection of fields, rows and options, exported as records are.

Recorded: the columns in the report's own order behind the keys (REDCapR, phpcap). The refusal of
an unknown report is worded by this sandbox.
"""

from __future__ import annotations

from dataclasses import replace

from redcap_jobs.sandbox.answers import Answer
from redcap_jobs.sandbox.context import Context
from redcap_jobs.sandbox.export_columns import Selection
from redcap_jobs.sandbox.parameters import Parameters, Refusal
from redcap_jobs.sandbox.records_export import flat_table, rows_asked_for, select
from redcap_jobs.sandbox.report import Report

NO_REPORT = 'The value of the parameter "report_id" is not valid'
TAKEN_OVER = (
    "format",
    "returnFormat",
    "rawOrLabel",
    "rawOrLabelHeaders",
    "exportCheckboxLabel",
    "csvDelimiter",
    "decimalCharacter",
)


def export_report(context: Context) -> Answer:
    """Answer ``content=report``."""
    text = context.parameters.text("report_id")
    report = context.project.reports.get(int(text)) if text.isdecimal() else None
    if report is None:
        raise Refusal(400, NO_REPORT)
    within = replace(context, parameters=parameters_of(report, context))
    selection = in_order(select(within), report, context.structure.record_id_field)
    context.note("export", "Data export (API)", f"report_id: {report.report_id}")
    return flat_table(within, selection, rows_asked_for(within, selection))


def parameters_of(report: Report, context: Context) -> Parameters:
    """Return the record export that a report stands for."""
    plain = {name: context.parameters.text(name) for name in TAKEN_OVER}
    plain |= {
        "filterLogic": report.filter_logic,
        "exportDataAccessGroups": "1" if report.with_dag else "",
        "exportSurveyFields": "1" if report.with_survey_fields else "",
        "combineCheckboxOptions": "1" if report.combine_checkboxes else "",
    }
    known = {
        *context.structure.field_by_name,
        *(column.field for column in context.structure.columns),
    }
    fields = [context.structure.record_id_field, *report.fields]
    arrays = {
        "fields": [name for name in dict.fromkeys(fields) if name in known],
        "events": [name for name in report.events if name in context.structure.event_by_name],
    }
    return Parameters(plain, arrays)


def in_order(selection: Selection, report: Report, id_field: str) -> Selection:
    """Put the columns into the report's order."""
    order = {name: place for place, name in enumerate([id_field, *report.fields])}
    columns = sorted(selection.columns, key=lambda column: order.get(column.field, len(order)))
    return replace(selection, columns=tuple(columns))
