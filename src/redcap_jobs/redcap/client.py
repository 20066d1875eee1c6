"""The REDCap API, as far as jobs need it: typed methods over one POST.

Frames hold strings exactly as stored. Arrays are always sent as ``records[0]=…``: comma lists were
refused by one release and silently misread by another (redcapAPI issue 59, PyCap pull request 110).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from redcap_jobs.redcap.errors import Overloaded, RedcapError, UnusableAnswer
from redcap_jobs.redcap.imports import ImportResult, import_cells
from redcap_jobs.redcap.project import (
    Project,
    ProjectInfo,
    parse_event,
    parse_fields,
    parse_info,
)
from redcap_jobs.redcap.transport import Answer, Transport, parse_json

if TYPE_CHECKING:
    import pandas as pd

    from redcap_jobs.clock import Clock
    from redcap_jobs.redcap.budget import RequestBudget

RECORDS_PER_BATCH = 500
"""Records per request once an export goes in parts: PHP takes 1,000 form variables unless told
otherwise, and servers give up after 120 s or when memory runs out. A whole project is asked for in
one request first, without naming records; parts begin where that proves too much."""
CELLS_PER_IMPORT = 10_000
"""Cells per import; REDCap writes each in a statement of its own, within its 120 s."""


class RedcapClient:
    """A client for one project; ``label`` is its token's variable name, used in messages."""

    def __init__(
        self, url: str, token: str, label: str, *, budget: RequestBudget, clock: Clock
    ) -> None:
        self.transport = Transport(url, token, label, budget=budget, clock=clock)
        self.label = label

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
        self.transport.close()

    def project_info(self) -> ProjectInfo:
        """Return which project the token opens, and its settings (``content=project``)."""
        raw = self._json("project", dict)
        if "project_id" not in raw:
            raise UnusableAnswer(f"{self.label}: content=project: the answer names no project")
        return parse_info(raw)

    def version(self) -> str:
        """Return REDCap's version, e.g. ``14.9.1``."""
        text = self._read("version").text
        if not text[:1].isdigit() or len(text) > 20:
            raise UnusableAnswer(f"{self.label}: content=version: the answer is no version")
        return text

    def next_record_name(self) -> str:
        """Return the name REDCap would give the next record; ``20-1`` for a user in a group."""
        return self._read("generateNextRecordName").text

    def metadata(self) -> list[dict[str, Any]]:
        """Return the data dictionary's rows (18 columns, REDCap API help)."""
        return self._rows("metadata")

    def arms(self) -> list[dict[str, Any]]:
        """Return the arms that have events; refused for a classic project."""
        return self._rows("arm")

    def events(self) -> list[dict[str, Any]]:
        """Return the events; offsets are there only where Scheduling is on."""
        return self._rows("event")

    def form_event_mapping(self) -> list[dict[str, Any]]:
        """Return which form is designated for which event."""
        return self._rows("formEventMapping")

    def repeating(self) -> list[dict[str, Any]]:
        """Return the repeating instruments and events; refused where there are none."""
        return self._rows("repeatingFormsEvents")

    def read_project(self, info: ProjectInfo | None = None) -> Project:
        """Read a project's structure with the calls that its settings say exist."""
        info = info or self.project_info()
        fields = parse_fields(self.metadata())
        events = tuple(parse_event(row) for row in self.events()) if info.is_longitudinal else ()
        mapping = self.form_event_mapping() if info.is_longitudinal else []
        repeating = self.repeating() if info.has_repeating else []
        return Project(
            info=info,
            fields=fields,
            events=events,
            mapping=frozenset((row["unique_event_name"], row["form"]) for row in mapping),
            repeating=frozenset(
                (row.get("event_name", ""), row.get("form_name") or "") for row in repeating
            ),
        )

    def roster(self, record_id_field: str, *, with_dag: bool = False) -> pd.DataFrame:
        """Return which rows there are: ``record, event, dag``, one row per record and event."""
        rows = self.export_rows(
            [record_id_field], record_id_field=record_id_field, with_dag=with_dag
        )
        if not with_dag:
            rows["dag"] = ""
        return rows[["record", "event", "dag"]].drop_duplicates(ignore_index=True)

    def export_rows(
        self,
        fields: Sequence[str],
        *,
        record_id_field: str,
        events: Sequence[str] = (),
        records: Sequence[str] = (),
        with_dag: bool = False,
    ) -> pd.DataFrame:
        """Export fields as a rows frame; every record named must come back.

        Without ``records`` the whole project is asked for at once; where the server cannot carry
        that, and for more than 500 records, in batches that halve by themselves.

        Raises:
            RedcapError: A record that was named has no row in the answer, or the call failed.

        """
        import pandas as pd

        from redcap_jobs.redcap.frames import empty_rows

        if not records:
            try:
                return self._export_once(fields, record_id_field, events, (), with_dag=with_dag)
            except Overloaded:
                if list(fields) == [record_id_field] and not events:
                    raise
                records = list(self.roster(record_id_field)["record"].unique())
            named = False
        else:
            named = True
        parts = [
            self._export_halving(fields, record_id_field, events, batch, with_dag=with_dag)
            for batch in batches(records, RECORDS_PER_BATCH)
        ]
        parts = [part for part in parts if len(part)]
        if not parts:
            rows = empty_rows(list(fields), with_dag=with_dag)
        else:
            rows = pd.concat(parts, ignore_index=True)
        lost = sorted(set(records) - set(rows["record"]))
        if lost and (named or not events):
            raise RedcapError(
                f"{self.label}: content=record: {len(lost)} of {len(records)} records did not "
                f"come back (first: {', '.join(lost[:5])})"
            )
        return rows

    def _export_halving(
        self,
        fields: Sequence[str],
        record_id_field: str,
        events: Sequence[str],
        records: Sequence[str],
        *,
        with_dag: bool,
    ) -> pd.DataFrame:
        """Export some records; halve where that is too much, down to a single one."""
        import pandas as pd

        try:
            return self._export_once(fields, record_id_field, events, records, with_dag=with_dag)
        except Overloaded:
            if len(records) == 1:
                raise
        middle = len(records) // 2
        halves = [
            self._export_halving(fields, record_id_field, events, half, with_dag=with_dag)
            for half in (records[:middle], records[middle:])
        ]
        return pd.concat([half for half in halves if len(half)] or halves[:1], ignore_index=True)

    def _export_once(
        self,
        fields: Sequence[str],
        record_id_field: str,
        events: Sequence[str],
        records: Sequence[str],
        *,
        with_dag: bool,
    ) -> pd.DataFrame:
        from redcap_jobs.redcap.frames import empty_rows, read_csv, rows_frame

        asked = list(dict.fromkeys([record_id_field, *fields]))
        parameters: dict[str, Any] = {"action": "export", "format": "csv", "type": "flat"}
        parameters |= array("fields", asked) | array("events", events) | array("records", records)
        if with_dag:
            parameters["exportDataAccessGroups"] = "true"
        answer = self._read("record", parameters)
        try:
            exported = read_csv(answer.body)
        except ValueError as error:
            raise UnusableAnswer(
                f"{self.label}: content=record: the answer is cut off or no CSV"
            ) from error.__cause__
        if exported.columns.empty:
            return empty_rows(list(fields), with_dag=with_dag)
        if record_id_field not in exported.columns:
            raise UnusableAnswer(
                f"{self.label}: content=record: the answer has no record ID column"
            )
        return rows_frame(exported, record_id_field, with_dag=with_dag)

    def import_cells(
        self, changes: pd.DataFrame, record_id_field: str, *, overwrite: bool = False
    ) -> ImportResult:
        """Import changed cells, see :func:`redcap_jobs.redcap.imports.import_cells`."""
        return import_cells(
            self, changes, record_id_field, overwrite=overwrite, most=CELLS_PER_IMPORT
        )

    def _read(self, content: str, parameters: dict[str, Any] | None = None) -> Answer:
        return self.transport.post(content, parameters or {}, repeatable=True)

    def _json(self, content: str, kind: type[Any]) -> Any:
        where = f"{self.label}: content={content}"
        answer = self._read(content, {"format": "json"})
        parsed = parse_json(answer, where)
        if not isinstance(parsed, kind):
            raise UnusableAnswer(f"{where}: the answer has another shape than documented")
        return parsed

    def _rows(self, content: str) -> list[dict[str, Any]]:
        rows: list[dict[str, Any]] = self._json(content, list)
        return rows


def array(name: str, values: Iterable[str]) -> dict[str, str]:
    """Return the form variables of one array parameter."""
    return {f"{name}[{number}]": value for number, value in enumerate(values)}


def batches(values: Sequence[str], size: int) -> list[Sequence[str]]:
    """Cut a list into parts of at most ``size``."""
    return [values[start : start + size] for start in range(0, len(values), size)]
