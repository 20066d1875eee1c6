"""``filterLogic``: keep the rows for which an expression of REDCap's logic language is true.

The words of a refusal are this sandbox's own, and so is that every row is judged by itself: on the
row of a repeating instrument, a field of another form is blank.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import chain
from typing import TYPE_CHECKING

from redcap_jobs.errors import SetupError
from redcap_jobs.sandbox.dictionary import Field as SandboxField
from redcap_jobs.sandbox.dictionary import status_field
from redcap_jobs.sandbox.parameters import Refusal

if TYPE_CHECKING:
    import pandas as pd

    from redcap_jobs.redcap.logic import Expression
    from redcap_jobs.redcap.project import Field, Project
    from redcap_jobs.sandbox.context import Context
    from redcap_jobs.sandbox.project import SandboxProject
    from redcap_jobs.sandbox.records_export import ExportRow


ROWS_AT_ONCE = 5_000
"""So many rows, and the rest of their last record, are judged together and held in memory."""


def matching_rows(context: Context, rows: Iterable[ExportRow]) -> Iterator[ExportRow]:
    """Return those of ``rows`` for which the call's filterLogic is true, block by block.

    ``rows`` come record by record, with all rows that a reference to another event may read.

    Raises:
        Refusal: The logic cannot be parsed, or names what the project does not have. That is told
            before the first row.

    """
    blocks = blocks_of_records(rows)
    try:
        true_of = judge(context)
        first = true_of(next(blocks, []))
    except (SetupError, LookupError) as error:
        raise Refusal(
            400, f'The value of the parameter "filterLogic" is not valid: {error}'
        ) from None
    return chain(first, chain.from_iterable(map(true_of, blocks)))


def blocks_of_records(rows: Iterable[ExportRow]) -> Iterator[list[ExportRow]]:
    """Yield the rows in blocks that end with a record's last row."""
    block: list[ExportRow] = []
    for row in rows:
        if len(block) >= ROWS_AT_ONCE and row.record != block[-1].record:
            yield block
            block = []
        block.append(row)
    if block:
        yield block


def judge(context: Context) -> Callable[[Sequence[ExportRow]], list[ExportRow]]:
    """Return what keeps those of a block's rows for which the call's filterLogic is true.

    Raises:
        SetupError, LookupError: The logic cannot be parsed, or names what does not exist.

    """
    import pandas as pd

    from redcap_jobs.redcap.logic import parse
    from redcap_jobs.redcap.records import RowView

    project = project_view(context.project)
    expression = parse(context.parameters.text("filterLogic"))
    refuse_unknown_names(expression, project)

    def true_of(rows: Sequence[ExportRow]) -> list[ExportRow]:
        frame = rows_frame(expression, rows)
        now = pd.Series(pd.Timestamp(context.now), index=frame.index).astype("datetime64[s]")
        view = RowView(frame, project, tuple(project.missing_data_codes), today=now)
        truths = expression.truth(view).tolist()
        return [row for row, true in zip(rows, truths, strict=True) if true]

    return true_of


def refuse_unknown_names(expression: Expression, project: Project) -> None:
    """Look every field, option and event up.

    Raises:
        DictionaryError, LookupError: One does not exist.

    """
    from redcap_jobs.redcap.logic import SMART_EVENTS
    from redcap_jobs.redcap.project import checkbox_column

    for reference in expression.references:
        project.field(reference.field)
        columns = set(project.export_columns(reference.field))
        if project.field(reference.field).type == "checkbox":
            columns |= {
                checkbox_column(reference.field, code) for code in project.missing_data_codes
            }
        if reference.column not in columns:
            raise LookupError(f"{reference} is no column of an export")
        if reference.event is not None and reference.event not in SMART_EVENTS:
            project.event(reference.event)


def rows_frame(expression: Expression, rows: Sequence[ExportRow]) -> pd.DataFrame:
    """Return keys, group and the columns that the expression reads, all ``str``.

    Its names were looked up before. Half a letter (a lone surrogate) is ``?``, as on its way out.
    """
    import pandas as pd

    columns = {
        "record": [row.record for row in rows],
        "event": [row.key.event for row in rows],
        "repeat_instrument": [row.key.instrument for row in rows],
        "repeat_instance": [str(row.key.instance or "") for row in rows],
        "dag": [row.dag for row in rows],
    }
    for name in sorted({reference.column for reference in expression.references}):
        columns[name] = [row.stored.get(name, "") for row in rows]
    try:
        return pd.DataFrame(columns, dtype="str")
    except UnicodeEncodeError:
        whole = {
            name: [cell.encode(errors="replace").decode() for cell in cells]
            for name, cells in columns.items()
        }
        return pd.DataFrame(whole, dtype="str")


def project_view(project: SandboxProject) -> Project:
    """Return the project as the logic language wants it."""
    from redcap_jobs.redcap.project import Event, Project, ProjectInfo

    structure, settings = project.structure, project.settings
    return Project(
        ProjectInfo(
            project_id=project.pid,
            title=project.title,
            in_production=settings.in_production,
            is_longitudinal=structure.is_longitudinal,
            has_repeating=bool(structure.repeating),
            scheduling_enabled=settings.scheduling_enabled,
            surveys_enabled=settings.surveys_enabled,
            record_autonumbering=settings.record_autonumbering_enabled,
            missing_data_codes=structure.missing_data_codes,
        ),
        {one.name: one for one in fields_view(project)},
        tuple(
            Event(event.unique_name, event.name, event.arm, label=event.label)
            for event in structure.events
        ),
        structure.mapping,
        frozenset(structure.repeating),
    )


def fields_view(project: SandboxProject) -> Iterator[Field]:
    """Yield the fields in dictionary order, each form's status last."""
    from redcap_jobs.redcap.project import Field

    for form in project.structure.forms:
        for one in project.structure.fields:
            if one.form == form.name:
                yield field_view(one)
        yield Field(status_field(form.name), form.name, "dropdown")


def field_view(one: SandboxField) -> Field:
    """Return one field as the logic language wants it."""
    from redcap_jobs.redcap.project import Choice, Field

    choices = tuple(Choice(code, label) for code, label in one.labels.items())
    return Field(one.name, one.form, one.type, one.label, choices, validation=one.validation)
