"""The REDCap API, as far as jobs need it: typed methods over one POST."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self, TypeVar

from redcap_jobs.plan import KEYS
from redcap_jobs.redcap.answers import Answer, read_json
from redcap_jobs.redcap.errors import UnusableAnswer
from redcap_jobs.redcap.export_form import LineBreaks
from redcap_jobs.redcap.exports import RECORDS_PER_BATCH, Export, Exporter
from redcap_jobs.redcap.files import Files, RedcapFile, place_of
from redcap_jobs.redcap.imports import (
    BYTES_PER_IMPORT,
    CELLS_PER_IMPORT,
    Importer,
    ImportResult,
    check_cells,
    read_count,
)
from redcap_jobs.redcap.plain_text import read_record_name, read_version
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
from redcap_jobs.redcap.surveys import Surveys
from redcap_jobs.redcap.transport import CONNECT_SECONDS, READ_SECONDS, Secret, Transport

if TYPE_CHECKING:
    import pandas as pd

    from redcap_jobs.clock import Clock
    from redcap_jobs.redcap.budget import RequestBudget

T = TypeVar("T")


class RedcapClient:
    """A client for one project; a context manager that closes its connection.

    ``label`` is the name of the token's variable: messages use it for the project. ``budget``
    is asked before every request, ``clock`` waits between repetitions. Times are seconds. Every
    method may raise :class:`~redcap_jobs.redcap.errors.RedcapError`, whose messages hold neither
    token nor data.
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
        self._surveys = Surveys(self._transport)
        self._files = Files(self._transport)

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
        token's user is in a group. Raises UnusableAnswer where rows cannot be told apart.
        """
        rows = self.export_rows([], record_id_field=record_id_field, with_dag=with_dag)
        if rows.duplicated(KEYS).any():
            raise UnusableAnswer(
                f"several rows have the same keys: {record_id_field} is not the record ID field, or "
                "the data dictionary that came before lacked its first row",
                label=self.label,
                content="record",
            )
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
        stamps: Sequence[str] = (),
    ) -> pd.DataFrame:
        """Export fields (dictionary names, ``<form>_complete`` too) as a rows frame.

        ``stamps`` are surveys whose ``<instrument>_timestamp`` is wanted, too: '' where the survey
        was never opened or the server sends none, ``[not completed]`` for a partial answer, else
        the server's local time of completion. The form status must be among the fields: REDCap
        sends the time stamp with a field of its instrument only.

        Without ``records`` the whole project is asked for at once, and in batches of records if
        the server cannot carry that. With them every one must come back, see
        :meth:`redcap_jobs.redcap.exports.Exporter.some`. Without ``events``: all of them.
        """
        export = Export(
            tuple(fields), record_id_field, tuple(events), with_dag, stamps=tuple(stamps)
        )
        return self._exporter.some(export, records) if records else self._exporter.whole(export)

    def changed_records(self, since: datetime, record_id_field: str) -> frozenset[str]:
        """Return the records that were created or changed since a time of the server's clock.

        ``since`` is naive: what the server's own clock showed (REDCap API help, Export Records,
        dateRangeBegin). Asked for in JSON, which says ``[]`` where nothing changed.
        """
        begin = since.strftime("%Y-%m-%d %H:%M:%S")
        export = Export((), record_id_field, format="json", since=begin)
        return frozenset(self._export(export, ())["record"])

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

    def survey_links(self, instrument: str, event: str, records: Sequence[str]) -> dict[str, str]:
        """Return record → link of one survey in one event ('' in a classic project).

        Several at once come from the participant list in one request, where the token's user has
        the right to it; else, and for those whom the list does not name, in one request each
        within the request budget. Whom REDCap does not know is left out. A link opens the survey
        in the participant's name: it is never logged, and no error holds it.
        """
        return self._surveys.links(instrument, event, records)

    def survey_queue_link(self, record: str) -> str:
        """Return the link of a participant's survey queue; as private as a survey link."""
        return self._surveys.queue_link(record)

    def survey_return_code(
        self, record: str, instrument: str, event: str, repeat_instance: str = ""
    ) -> str:
        """Return the code with which a participant goes on with an answer begun before."""
        return self._surveys.return_code(record, instrument, event, repeat_instance)

    def export_file(
        self, record: str, field: str, event: str = "", repeat_instance: str = ""
    ) -> RedcapFile | None:
        """Return the file of a file field; None if there is none.

        Raises:
            FileTooLarge: It has more bytes than :data:`redcap_jobs.redcap.files.MOST_BYTES`.

        """
        return self._files.export(place_of(record, field, event, repeat_instance))

    def import_file(
        self, record: str, field: str, file: RedcapFile, event: str = "", repeat_instance: str = ""
    ) -> None:
        """Put a file into a file field, in the place of one that is there; safe to repeat.

        It is read back, which needs the right to export: an import is answered with nothing, as
        a failure may be.

        Raises:
            FileTooLarge: It has more bytes than :data:`redcap_jobs.redcap.files.MOST_BYTES`.

        """
        self._files.import_(place_of(record, field, event, repeat_instance), file)

    def delete_file(
        self, record: str, field: str, event: str = "", repeat_instance: str = ""
    ) -> bool:
        """Delete the file of a file field, and see that it is gone; False if there was none."""
        return self._files.delete(place_of(record, field, event, repeat_instance))

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
