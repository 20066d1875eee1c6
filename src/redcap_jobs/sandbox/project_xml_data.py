"""The data in a project's XML: subjects, events, forms, groups of items.

As recorded: blanks are left out, both sides of a checkbox are written, so that a form with one is
there even if nobody opened it; other forms without data are left out. A classic project's forms
stand in their subject without an event. A group of items begins where one follows that has another
section header than the last one written, or none, and has its name only if that item is its first.
"""

from __future__ import annotations

import base64
from collections.abc import Iterator, Sequence
from itertools import groupby

from redcap_jobs.sandbox.project import SandboxProject
from redcap_jobs.sandbox.project_xml_dictionary import Item, Shown, items_of
from redcap_jobs.sandbox.records_export import ExportRow
from redcap_jobs.sandbox.xml_text import element, quoted

GROUP_END = "\t\t\t\t</ItemGroupData>"


def clinical_data(
    project: SandboxProject, rows: Sequence[ExportRow], shown: Shown
) -> Iterator[str]:
    """Yield the subjects one by one; ``rows`` come record by record."""
    writer = DataWriter(project, shown)
    for record, of_record in groupby(rows, key=lambda row: row.record):
        yield "".join(f"{line}\n" for line in writer.subject(record, list(of_record)))


class DataWriter:
    """Writes records; what it needs of the structure is worked out once."""

    def __init__(self, project: SandboxProject, shown: Shown) -> None:
        self._structure = structure = project.structure
        self._files = project.files.all()
        self._shown = shown
        self._id_form = structure.fields[0].form
        self._items = {form.name: items_of(structure, form, shown) for form in structure.forms}

    def subject(self, record: str, rows: list[ExportRow]) -> Iterator[str]:
        """Yield one record."""
        structure = self._structure
        attributes = {"SubjectKey": record, "redcap:RecordIdField": structure.record_id_field}
        yield f"\t{element('SubjectData', attributes)}"
        group = rows[0].dag if self._shown.groups else ""
        # A repeating form's instances stand in their event, behind the form's own place.
        for place, of_place in groupby(sorted(rows, key=self._place), key=self._event_of):
            event, instance = place
            lines: list[str] = []
            for row in of_place:
                for form in self._forms(row, with_group=bool(group)):
                    written = list(self._form(form, row, group))
                    group = "" if written and form == self._id_form else group
                    lines += written
            if not structure.is_longitudinal:
                yield from lines
            elif lines:
                attributes = {
                    "StudyEventOID": f"Event.{event}",
                    "StudyEventRepeatKey": str(instance),
                    "redcap:UniqueEventName": event,
                }
                yield f"\t\t{element('StudyEventData', attributes)}"
                yield from lines
                yield "\t\t</StudyEventData>"
        yield "\t</SubjectData>"

    def _place(self, row: ExportRow) -> tuple[int, int, int, int]:
        event, instrument, instance = row.key
        order = self._structure.event_order.get(event, 0)
        form = self._structure.form_order.get(instrument, -1)
        return order, 0 if instrument else instance, form, instance

    def _event_of(self, row: ExportRow) -> tuple[str, int]:
        return row.key.event, 1 if row.key.instrument else max(row.key.instance, 1)

    def _forms(self, row: ExportRow, *, with_group: bool) -> list[str]:
        """Return the forms to write: those with data, and the one that the group stands on."""
        living = self._structure.forms_on_row(row.key.event, row.key.instrument)
        here = [form for form in self._items if form in living]
        filled = [form for form in here if self._has_data(form, row)]
        if with_group and self._id_form in here:
            return list(dict.fromkeys([self._id_form, *filled]))
        return filled or ([] if row.key.instrument else here[:1])

    def _has_data(self, form: str, row: ExportRow) -> bool:
        return any(
            row.stored.get(item.name) or (item.field is not None and item.field.type == "checkbox")
            for item in self._items[form]
        )

    def _form(self, form: str, row: ExportRow, group: str) -> Iterator[str]:
        instance = row.key.instance if row.key.instrument else 1
        lines: list[str] = []
        once: set[str] = set()
        header = None
        for item in self._items[form]:
            values = [] if item.name in once else list(self._value(item, row, group))
            if values and item.header != header:
                oid = item.group if item.group == f"{form}.{item.name}" else ""
                attributes = {"ItemGroupOID": oid, "ItemGroupRepeatKey": "1"}
                lines += [GROUP_END] if lines else []
                lines.append(f"\t\t\t\t{element('ItemGroupData', attributes)}")
                header = item.header
            lines += values
            once.add(item.name)
        attributes = {"FormOID": f"Form.{form}", "FormRepeatKey": str(instance)}
        if lines:
            yield f"\t\t\t{element('FormData', attributes)}"
            yield from [*lines, GROUP_END]
            yield "\t\t\t</FormData>"

    def _value(self, item: Item, row: ExportRow, group: str) -> Iterator[str]:
        value = row.stored.get(item.name, "")
        field = item.field
        if item.name == "redcap_data_access_group":
            value = group
        elif item.name == self._structure.record_id_field:
            value = row.record
        elif not self._wanted(item):
            return
        elif field is not None and field.type == "checkbox":
            value = value or "0"
        if not value:
            return
        if field is not None and field.type == "file":
            yield from self._file(item.name, value)
            return
        yield f'\t\t\t\t\t<ItemData ItemOID="{item.name}" Value="{quoted(value)}"/>'
        if field is not None and field.columns and item.name == field.columns[-1].name:
            for column in self._structure.code_columns.get(field.name, ()):
                if row.stored.get(column.name):
                    yield f'\t\t\t\t\t<ItemData ItemOID="{column.name}" Value="1"/>'

    def _wanted(self, item: Item) -> bool:
        fields = self._shown.fields
        return fields is None or item.variable in fields

    def _file(self, name: str, key: str) -> Iterator[str]:
        if not self._shown.files:
            return
        try:
            file = self._files[key]
        except LookupError:
            return
        attributes = {
            "ItemOID": name,
            "redcap:DocName": file.name,
            "redcap:MimeType": file.mime,
        }
        content = base64.b64encode(file.content).decode()
        opening = element("ItemDataBase64Binary", attributes)
        yield f"\t\t\t\t\t{opening}<![CDATA[{content}]]></ItemDataBase64Binary>"
