"""The REDCap API, as far as jobs need it: typed methods over one POST."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self, TypeVar

from redcap_jobs.redcap.answers import Answer, read_json, read_text
from redcap_jobs.redcap.export_form import LineBreaks
from redcap_jobs.redcap.exports import RECORDS_PER_BATCH, Export, Exporter
from redcap_jobs.redcap.imports import (
    BYTES_PER_IMPORT,
    CELLS_PER_IMPORT,
    Importer,
    ImportResult,
    check_cells,
    read_count,
)
from redcap_jobs.redcap.project import (
    Arm,
    Event,
    Field,
    Project,
    ProjectInfo,
    parse_arm,
    parse_event,
    parse_fields,
    parse_info,
    parse_mapping,
    parse_repeating,
)
from redcap_jobs.redcap.transport import CONNECT_SECONDS, READ_SECONDS, Secret, Transport

if TYPE_CHECKING:
    import pandas as pd

    from redcap_jobs.clock import Clock
    from redcap_jobs.redcap.budget import RequestBudget

T = TypeVar("T")
Json = Mapping[str, Any]
VERSION = re.compile(r"\d+(\.\d+)+\w*")
LONGEST_LINE = 100


class RedcapClient:
    """A client for one project; a context manager that closes its connection.

    ``label`` is the name of the token's variable: messages use it for the project. ``budget``
    is asked before every request, ``clock`` waits between repetitions. Times are seconds. Every method may raise
    :class:`~redcap_jobs.redcap.errors.RedcapError`, whose messages hold neither token nor data.
    """

    def __init__(
        self,
        url: str,
        token: Secret | str,
        label: str,
        *,
        budget: RequestBudget,
        clock: Clock,
        connect_seconds: float = CONNECT_SECONDS,
        read_seconds: float = READ_SECONDS,
        records_per_batch: int = RECORDS_PER_BATCH,
        cells_per_import: int = CELLS_PER_IMPORT,
        bytes_per_import: int = BYTES_PER_IMPORT,
    ) -> None:
        self.label = label
        self._transport = Transport(
            url,
            token,
            label,
            budget=budget,
            clock=clock,
            connect_seconds=connect_seconds,
            read_seconds=read_seconds,
        )
        self._per_import = cells_per_import, bytes_per_import
        self._exporter = Exporter(self._export, label, records_per_batch)
        self._breaks = LineBreaks()

    def __repr__(self) -> str:
        return f"RedcapClient({self.label})"

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connection."""
        self._transport.close()

    def project_info(self) -> ProjectInfo:
        """Return which project the token opens, and its settings."""
        return self._parsed("project", dict, parse_info)

    def version(self) -> str:
        """Return REDCap's version, e.g. ``14.9.1``; '' where it is told in another form."""
        return self._post("version", read_version)

    def next_record_name(self) -> str:
        """Return the name REDCap would give the next record; ``20-1`` for a user in a group."""
        return self._post("generateNextRecordName", read_record_name)

    def metadata(self) -> dict[str, Field]:
        """Return the data dictionary by field name, in its order, form status fields included."""
        return self._parsed("metadata", list, parse_fields)

    def arms(self) -> tuple[Arm, ...]:
        """Return the arms that have events; NotSupported for a classic project."""
        return self._parsed("arm", list, lambda rows: tuple(map(parse_arm, rows)))

    def events(self) -> tuple[Event, ...]:
        """Return the events; their offsets are None where Scheduling is off."""
        return self._parsed("event", list, lambda rows: tuple(map(parse_event, rows)))

    def form_event_mapping(self) -> frozenset[tuple[str, str]]:
        """Return the pairs (unique event name, form) that are designated."""
        return self._parsed("formEventMapping", list, parse_mapping)

    def repeating(self) -> frozenset[tuple[str, str]]:
        """Return the pairs (event, form) that repeat; form '' if the whole event does."""
        return self._parsed("repeatingFormsEvents", list, parse_repeating)

    def read_project(self, info: ProjectInfo | None = None) -> Project:
        """Return a project's structure, with the calls that its settings say exist.

        With ``info`` already read: metadata; event and formEventMapping if longitudinal;
        repeatingFormsEvents if anything repeats.
        """
        info = info or self.project_info()
        return Project(
            info=info,
            fields=self.metadata(),
            events=self.events() if info.is_longitudinal else (),
            mapping=self.form_event_mapping() if info.is_longitudinal else frozenset(),
            repeating=self.repeating() if info.has_repeating else frozenset(),
        )

    def roster(self, record_id_field: str, *, with_dag: bool = False) -> pd.DataFrame:
        """Return which rows there are: ``record, event, dag``, one row per record and event.

        ``dag`` is the group's unique name; '' without one, without ``with_dag``, and where the
        token's user is in a group.
        """
        rows = self.export_rows([], record_id_field=record_id_field, with_dag=with_dag)
        if not with_dag:
            rows["dag"] = ""
        distinct: pd.DataFrame = rows[["record", "event", "dag"]].drop_duplicates(
            ["record", "event"], ignore_index=True
        )
        return distinct

    def export_rows(
        self,
        fields: Sequence[str],
        *,
        record_id_field: str,
        events: Sequence[str] = (),
        records: Sequence[str] = (),
        with_dag: bool = False,
    ) -> pd.DataFrame:
        """Export fields (dictionary names, ``<form>_complete`` too) as a rows frame.

        Without ``records`` the whole project is asked for at once, and in batches of records if
        the server cannot carry that. With them every one must come back, see
        :meth:`redcap_jobs.redcap.exports.Exporter.some`. Without ``events``: all of them.
        """
        export = Export(tuple(fields), record_id_field, tuple(events), with_dag)
        return self._exporter.some(export, records) if records else self._exporter.whole(export)

    def import_cells(
        self,
        changes: pd.DataFrame,
        record_id_field: str,
        *,
        overwrite: bool = False,
        stored: Callable[[int], None] = lambda cells: None,  # noqa: ARG005 - nobody asked to know
    ) -> ImportResult:
        """Import changed cells (KEYS, ``field``, ``new``; all ``str``), safe to repeat.

        Without ``overwrite`` every ``new`` is a value and nothing is erased; with it every
        ``new`` is '' and exactly these cells are. Values that REDCap refuses come back in the
        result with everything else of their record unsent; cells that it counted but did not
        store do, too. ``stored`` is told the number of cells whenever some are known to be stored:
        after an error it knows how far the import came.

        Raises:
            ValueError: The changes are not a plan's, see :func:`imports.check_cells`.
            NamesRefused: A field or event does not exist in the project.

        """
        check_cells(changes, record_id_field, overwrite=overwrite)
        importer = Importer(
            self._import,
            self._exporter.some,
            record_id_field,
            overwrite,
            stored,
            *self._per_import,
        )
        return importer.run(changes)

    def _export(self, export: Export, records: Sequence[str]) -> pd.DataFrame:
        return self._transport.post(
            "record",
            export.parameters(records),
            lambda answer: export.read(answer, self._breaks),
            repeatable=True,
            divisible=export.divisible(records),
        )

    def _import(self, form: dict[str, str], *, private: tuple[str, ...], divisible: bool) -> int:
        return self._transport.post(
            "record", form, read_count, repeatable=True, divisible=divisible, private=private
        )

    def _post(self, content: str, read: Callable[[Answer], T]) -> T:
        return self._transport.post(content, {"format": "json"}, read, repeatable=True)

    def _parsed(self, content: str, kind: type[Any], parse: Callable[[Any], T]) -> T:
        """Post a call whose JSON answer is a list of objects, or one object."""

        def read(answer: Answer) -> T:
            raw = read_json(answer)
            rows = raw if kind is list else [raw]
            if not isinstance(raw, kind) or not all(isinstance(row, dict) for row in rows):
                raise answer.call.unusable("the answer has another shape than documented")
            try:
                return parse(raw)
            except (KeyError, ValueError, TypeError) as error:
                lacking = f": no {error}" if isinstance(error, KeyError) else ""
                raise answer.call.unusable(
                    f"the answer has another shape than documented{lacking}", transient=False
                ) from None

        return self._post(content, read)


def read_version(answer: Answer) -> str:
    """Read a version; '' for another short plain text.

    A run only notes the version, so that one in an odd form must not end it; a page must.
    """
    text = read_text(answer).strip("\"' ")
    if VERSION.fullmatch(text):
        return text
    if not text or len(text) > LONGEST_LINE or set(text) & set("<{[\n"):
        raise answer.call.unusable("the answer is no version")
    return ""


def read_record_name(answer: Answer) -> str:
    """Read a record name: one short line."""
    text = read_text(answer).strip('"')
    if not text or len(text) > LONGEST_LINE or "\n" in text:
        raise answer.call.unusable("the answer is no record name")
    return text
