"""What a survey's page takes from its record: branching logic and piped values.

Both read what is stored, over it what was just posted. In a label, ``[field]`` stands for the
field's value: a choice's label, for a checkbox the ticked ones, and six underscores for a blank.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime
from functools import cached_property
from typing import TYPE_CHECKING

from redcap_jobs.errors import SetupError
from redcap_jobs.sandbox.dictionary import STATUS_CHOICES, status_field
from redcap_jobs.sandbox.export_rows import ExportRow, ordered_rows
from redcap_jobs.sandbox.filter_logic import project_view, refuse_unknown_names, rows_frame
from redcap_jobs.sandbox.project import SandboxProject
from redcap_jobs.sandbox.store import Record, RowKey
from redcap_jobs.sandbox.survey_calls import Response
from redcap_jobs.sandbox.survey_items import asked, fields_of

if TYPE_CHECKING:
    from redcap_jobs.redcap.project import Project

BLANK = "______"
"""What REDCap shows for a value that is not there yet."""
BRACKETS = re.compile(r"\[[\w():-]+\]")
RUN = re.compile(rf"(?:{BRACKETS.pattern})+")
OPTION = re.compile(r":([\w-]+)")
OPTIONS = {"label", "value", "hideunderscore"}


class SurveyView:
    """One survey response as its page sees it: ``values`` are those of its row, as shown.

    On an instance of a repeating form, fields of forms that do not repeat are read on their event.
    """

    def __init__(
        self, project: SandboxProject, response: Response, record: Record, now: datetime
    ) -> None:
        self.structure = project.structure
        self._sandbox_project = project
        self._record, self._dag, self._now = response.record, record.dag, now
        self._key = response.key
        base = record.rows.get(RowKey(response.key.event), {}) if response.key.instrument else {}
        self.stored: Mapping[str, str] = {**base, **record.rows.get(response.key, {})}
        self.values = dict(self.stored)
        self._others = [
            ExportRow(self._record, key, self._dag, record.rows[key])
            for key in ordered_rows(record, self.structure)
            if key != response.key
        ]

    @cached_property
    def _project(self) -> Project:
        """Return the project as the logic language wants it; many pages need none."""
        return project_view(self._sandbox_project)

    def take(self, form: str, posted: Mapping[str, str], names: frozenset[str] | None) -> None:
        """Lay what was posted over what is stored, for the fields ``names`` (None: for all)."""
        for field in asked(self.structure, form):
            if names is None or field.name in names:
                for column in field.columns:
                    self.values[column.name] = posted.get(column.name, "").strip()

    def hide(self, form: str) -> frozenset[str]:
        """Return the fields that their branching logic hides, read in the dictionary's order.

        What was posted for them counts no more: neither for the logic of others, nor on the page.
        """
        hidden = set()
        for field in fields_of(self.structure, form):
            if field.branching and not self.true(field.branching):
                hidden.add(field.name)
                for column in field.columns:
                    self.values[column.name] = self.stored.get(column.name, "")
        return frozenset(hidden)

    def true(self, logic: str) -> bool:
        """Tell whether logic is true here. Logic that cannot be read hides nothing: own answer."""
        try:
            return self._evaluated(logic, truth=True) == "True"
        except (SetupError, LookupError):
            return True

    def piped(self, text: str) -> str:
        """Return a text with values in place of ``[field]``, ``[event][field]`` and so on.

        Brackets that name nothing here stay as they are.
        """
        return RUN.sub(lambda found: self._piped_run(found[0]), text) if "[" in text else text

    def _piped_run(self, run: str) -> str:
        """Replace brackets side by side: one reference, or else several."""
        whole = self._piped_value(run)
        if whole is not None:
            return whole
        return BRACKETS.sub(
            lambda found: found[0] if (value := self._piped_value(found[0])) is None else value,
            run,
        )

    def _piped_value(self, brackets: str) -> str | None:
        """Return what stands for a reference; None if it is none."""
        options = set(OPTION.findall(brackets))
        if options - OPTIONS:
            return None
        try:
            value = self._in_words(OPTION.sub("", brackets), raw="value" in options)
        except (SetupError, LookupError):
            return None
        return value or ("" if "hideunderscore" in options else BLANK)

    def _in_words(self, text: str, *, raw: bool) -> str:
        """Return a value, in words unless ``raw``; LookupError for what holds none to be shown."""
        from redcap_jobs.redcap.logic import Reference, parse

        references = parse(text).references
        if not references:
            return self._evaluated(text)
        (reference,) = references
        field = self.structure.field_by_name.get(reference.field)
        if field is None:
            value = self._evaluated(text)
            is_status = reference.field in map(status_field, self.structure.form_order)
            return STATUS_CHOICES.get(value or "0", value) if is_status and not raw else value
        if field.type in ("file", "descriptive"):
            raise LookupError(f"{reference.field} has nothing to be shown")
        if field.type != "checkbox":
            value = self._evaluated(text)
            return value if raw else field.labels.get(value, value)
        if reference.code is not None:
            return "Checked" if self._evaluated(text) == "1" else "Unchecked"
        event, instance = reference.event, reference.instance
        return ", ".join(
            code if raw else label
            for code, label in field.labels.items()
            if self._evaluated(str(Reference(event, field.name, code, instance))) == "1"
        )

    def _evaluated(self, logic: str, *, truth: bool = False) -> str:
        """Return what logic gives on the response's row, as text.

        Raises:
            SetupError, LookupError: It cannot be read, or names what does not exist.

        """
        import pandas as pd

        from redcap_jobs.redcap.logic import parse
        from redcap_jobs.redcap.records import RowView

        expression = parse(logic)
        refuse_unknown_names(expression, self._project)
        own = ExportRow(self._record, self._key, self._dag, self.values)
        frame = rows_frame(expression, [own, *self._others])
        now = pd.Series(pd.Timestamp(self._now), index=frame.index).astype("datetime64[s]")
        view = RowView(frame, self._project, tuple(self._project.missing_data_codes), today=now)
        given = expression.truth(view) if truth else expression.evaluate(view)
        return str(given.iloc[0])
