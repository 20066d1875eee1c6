"""Which columns of an export were asked for, and which of them the token's user may have."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from redcap_jobs.sandbox.context import Context
from redcap_jobs.sandbox.dictionary import Column
from redcap_jobs.sandbox.parameters import Refusal
from redcap_jobs.sandbox.rights import EXPORT, MISSING_RIGHT, exportable, nothing_exportable
from redcap_jobs.sandbox.structure import Structure

DAG_RIGHT_MISSING = (
    "Insufficient user privileges: You must have 'API Export' privileges and 'Data Access Groups' "
    "privileges in the project."
)


@dataclass(frozen=True)
class Selection:
    """The columns asked for, those of surveys' time stamps among them.

    ``everything``: no field or form was named. ``with_keys`` only if the record ID field is among
    the columns, ``with_dag`` and ``with_identifier`` (of survey participants) if asked for.
    """

    columns: tuple[Column, ...]
    with_keys: bool
    with_dag: bool = False
    with_identifier: bool = False
    everything: bool = True


def select(context: Context) -> Selection:
    """Work out the columns from ``fields``, ``forms`` and what may be exported beside them.

    Raises:
        Refusal: A field, form or event does not exist, the groups are not the user's to see, or no
            form is.

    """
    structure, parameters = context.structure, context.parameters
    fields, forms = parameters.array("fields"), parameters.array("forms")
    names = {one.name for one in structure.fields} | {
        column.field for column in structure.columns if column.kind == "status"
    }
    refuse_unknown("fields", fields, names)
    refuse_unknown("forms", forms, set(structure.form_order))
    events = parameters.array("events") if structure.is_longitudinal else []
    refuse_unknown("events", events, set(structure.event_by_name))
    if nothing_exportable(context):
        raise Refusal(403, MISSING_RIGHT[EXPORT])
    everything = not fields and not forms
    columns = tuple(
        column
        for column in structure.columns
        if (everything or column.field in fields or column.form in forms)
        and exportable(context, column)
    )
    with_dag = parameters.flag("exportDataAccessGroups") and not context.user.dag
    if with_dag and not context.rights.allow("data_access_groups"):
        raise Refusal(400, DAG_RIGHT_MISSING)
    enabled = context.project.settings.surveys_enabled
    surveys = parameters.flag("exportSurveyFields") and (
        enabled or any(form.survey for form in structure.forms)
    )
    return Selection(
        with_time_stamps(columns, structure) if surveys else columns,
        any(column.field == structure.record_id_field for column in columns),
        with_dag and bool(structure.dags),
        surveys,
        everything,
    )


def refuse_unknown(parameter: str, given: Sequence[str], known: set[str]) -> None:
    """Refuse values of a list parameter that do not exist.

    The text is recorded for ``fields`` since version 13.4.10; that it is the same for forms and
    events is this sandbox's own answer.
    """
    unknown = [value for value in given if value not in known]
    if unknown:
        listed = ", ".join(f"'{value}'" for value in unknown)
        raise Refusal(
            400, f'The following values in the parameter "{parameter}" are not valid: {listed}'
        )


def with_time_stamps(columns: Sequence[Column], structure: Structure) -> tuple[Column, ...]:
    """Put ``<form>_timestamp`` before each survey's first column, as recorded."""
    surveys = {form.name for form in structure.forms if form.survey}
    found: list[Column] = []
    for column in columns:
        if column.form in surveys and column.field != structure.record_id_field:
            surveys.discard(column.form)
            stamp = f"{column.form}_timestamp"
            found.append(Column(stamp, column.form, stamp, "timestamp"))
        found.append(column)
    return tuple(found)
