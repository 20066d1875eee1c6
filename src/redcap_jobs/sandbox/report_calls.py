"""``content=report``: a stored selection of fields, rows and options, exported as records are.

Recorded: the columns in the report's own order behind the keys, none of form status unless chosen,
and two blanks for a line's end where the report removes them (REDCapR, phpcap). The refusal of an
unknown report is worded by this sandbox.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

from redcap_jobs.sandbox.answers import Answer
from redcap_jobs.sandbox.call_places import number_of
from redcap_jobs.sandbox.context import Context
from redcap_jobs.sandbox.export_columns import Selection, with_time_stamps
from redcap_jobs.sandbox.filter_logic import matching_rows
from redcap_jobs.sandbox.parameters import Parameters, Refusal
from redcap_jobs.sandbox.records_export import (
    ExportRow,
    as_shown,
    flat_table,
    rows_chosen,
    select,
    selected_rows,
    visible_rows,
)
from redcap_jobs.sandbox.report import Report
from redcap_jobs.sandbox.report_order import in_report_order
from redcap_jobs.sandbox.rights import GROUPS

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
FILTER_TYPE, WHOLE_RECORD = "filter_type", "RECORD"
REMOVE_LINE_ENDS = "remove_line_breaks_in_values"
"""What a project XML says of a report beside what :class:`Report` names."""
LINE_END = re.compile(r"\r\n?|\n")


def export_report(context: Context) -> Answer:
    """Answer ``content=report``."""
    report = context.project.reports.get(number_of(context.parameters.text("report_id")))
    if report is None:
        raise Refusal(400, NO_REPORT)
    within = replace(context, parameters=parameters_of(report, context))
    selection = in_order(within, select(within), report)
    table = flat_table(within, selection, report_rows(within, selection, report))
    if report.attributes.get(REMOVE_LINE_ENDS) == "1":
        table = replace(table, rows=without_line_ends(table.rows))
    context.note("export", "Data export (API)", f"report_id: {report.report_id}")
    return table


def report_rows(context: Context, selection: Selection, report: Report) -> Iterable[ExportRow]:
    """Return the rows that pass the report's logic and lie in its groups and events, in its order.

    With filter type RECORD the logic chooses records, of which all rows are shown (the words of
    REDCap's report page). A report whose groups or events are all gone has no rows: own answer.
    """
    gone = report.events and not context.parameters.array("events")
    if gone and context.structure.is_longitudinal:
        return []
    if report.filter_logic and report.attributes.get(FILTER_TYPE) == WHOLE_RECORD:
        chosen = {row.record for row in matching_rows(context, visible_rows(context))}
        rows: Iterable[ExportRow] = (
            row for row in selected_rows(context, selection) if row.record in chosen
        )
    else:
        rows = rows_chosen(context, selection)
    if report.dags:
        rows = (row for row in rows if row.dag in report.dags)
    return as_shown(context, in_report_order(context.structure, report, rows))


def without_line_ends(rows: Iterable[Sequence[str | int]]) -> Iterator[list[str | int]]:
    """Yield the rows with two blanks for each line's end within a cell."""
    for row in rows:
        yield [LINE_END.sub("  ", cell) if isinstance(cell, str) else cell for cell in row]


def parameters_of(report: Report, context: Context) -> Parameters:
    """Return the record export that a report stands for."""
    with_dag = report.with_dag and context.rights.allow(GROUPS)  # else left out: own answer
    plain = {name: context.parameters.text(name) for name in TAKEN_OVER}
    plain |= {
        "filterLogic": report.filter_logic,
        "exportDataAccessGroups": "1" if with_dag else "",
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


def in_order(context: Context, selection: Selection, report: Report) -> Selection:
    """Put the columns into the report's order, a survey's time stamp before the survey's first."""
    structure = context.structure
    fields = [structure.record_id_field, *report.fields]
    order = {name: place for place, name in enumerate(dict.fromkeys(fields))}
    chosen = [column for column in selection.columns if column.field in order]
    columns = tuple(sorted(chosen, key=lambda column: order[column.field]))
    if selection.with_identifier:
        columns = with_time_stamps(columns, structure)
    return replace(selection, columns=columns)
