"""One export: what is asked for, and how its answer becomes a rows frame or an error.

CSV is asked for: it is small and fast to parse. What it cannot say is whether it is whole: an
empty body is an empty project or a server that gave up, and half a body may end where a row does.
Two things help. Every export of records that was recorded ends with a line break (the fixtures of
REDCapTidieR), so one that does not was cut; and JSON says ``[]`` where there is nothing.

Nor can CSV say what a backslash before a quote means: PHP's ``fputcsv``, whose habits recorded
answers have, leaves such a quote undoubled, against RFC 4180. Where one stands, JSON is asked for.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

from redcap_jobs.redcap.answers import OUT_OF_MEMORY, Answer, read_json
from redcap_jobs.redcap.errors import NotAsCsv, RedcapError

if TYPE_CHECKING:
    import pandas as pd

VARIABLES_PER_REQUEST = 900
"""PHP drops what exceeds 1,000 form variables (max_input_vars) without a word."""
OTHER_VARIABLES = 10
"""Token, content, formats and the like."""
LAST_ROWS = 20


@dataclass
class LineBreaks:
    """Whether a server's CSV ends with a line break, as learned from its answers.

    ``known`` is None before the first answer. A first one without a break is asked for again:
    from then on a server that never sends one is believed.
    """

    known: bool | None = None

    def believed(self, last: bytes) -> bool:
        """Tell whether an answer that ends with this byte can be whole."""
        if last == b"\n":
            self.known = True
            return True
        first, self.known = self.known is None, bool(self.known)
        return not self.known and not first


class Watched:
    """The chunks of a body: what its last byte is, and whether a quote follows a backslash."""

    def __init__(self, chunks: Iterable[bytes]) -> None:
        self._chunks = chunks
        self.last = b""
        self.ambiguous = False

    def __iter__(self) -> Iterator[bytes]:
        for chunk in self._chunks:
            divided = self.last == b"\\" and chunk[:1] == b'"'
            self.ambiguous = self.ambiguous or divided or b'\\"' in chunk
            self.last = chunk[-1:] or self.last
            yield chunk


@dataclass(frozen=True)
class Export:
    """What is asked of every row: fields by dictionary name, events, the group.

    ``rows_exist``: there are rows, so that an empty answer is none. ``stamps``: instruments whose
    survey time stamps are wanted; blank where the server sends none. ``since`` (server time,
    ``YYYY-MM-DD HH:MM:SS``) limits it to records created or changed from then on.
    """

    fields: tuple[str, ...]
    record_id_field: str
    events: tuple[str, ...] = ()
    with_dag: bool = False
    format: Literal["csv", "json"] = "csv"
    rows_exist: bool = False
    stamps: tuple[str, ...] = ()
    since: str = ""

    def parameters(self, records: Sequence[str] = ()) -> dict[str, str]:
        """Return the form of one request.

        The record ID field always goes along: without it REDCap leaves out all key columns
        (observed in REDCapR and phpcap). Arrays are sent as arrays: comma lists were refused by
        one release and misread by another (redcapAPI issue 59, PyCap pull request 110).
        """
        form = {"format": self.format, "type": "flat"}
        form |= {"rawOrLabel": "raw", "rawOrLabelHeaders": "raw"}
        if self.with_dag:
            form["exportDataAccessGroups"] = "true"
        if self.stamps:
            form["exportSurveyFields"] = "true"
        if self.since:
            form["dateRangeBegin"] = self.since
        fields = dict.fromkeys([self.record_id_field, *self.fields])
        return (
            form
            | array("fields", fields)
            | array("events", self.events)
            | array("records", records)
        )

    def read(self, answer: Answer, breaks: LineBreaks) -> pd.DataFrame:
        """Read an answer into a rows frame; raises what an answer of the wrong shape means."""
        import pandas as pd

        from redcap_jobs.redcap.frames import blank_rows, rows_frame

        read = self._table if self.format == "json" else self._columns
        exported = read(answer, breaks)
        if exported is None and self.rows_exist:
            raise answer.call.overloaded("an empty answer came where rows must be")
        if exported is None:
            return blank_rows([*self.fields, *self.stamp_columns], with_dag=self.with_dag)
        if (exported[self.record_id_field] == "").any():
            raise answer.call.unusable(
                f"rows came without a record: {self.record_id_field} is not the record ID field, "
                "or the data dictionary that came before lacked its first row",
                transient=False,
            )
        fields = [*self.fields, *self.stamp_columns]
        for lacking in set(self.stamp_columns) - set(exported.columns):
            exported[lacking] = pd.Series("", index=exported.index, dtype="str")
        return rows_frame(exported, self.record_id_field, fields, with_dag=self.with_dag)

    def _columns(self, answer: Answer, breaks: LineBreaks) -> pd.DataFrame | None:
        """Read CSV; None if the body is blank."""
        from redcap_jobs.redcap.csv_columns import MalformedCsv, read_columns

        call = answer.call
        if answer.content_type in {"application/json", "text/xml", "application/xml"}:
            raise call.unusable(f"{answer.content_type} came instead of CSV", transient=False)
        chunks = Watched(answer.chunks())
        malformed: RedcapError | None = None
        exported = None
        try:
            exported = read_columns(chunks, self._wanted(answer))
        except MalformedCsv as error:
            malformed = call.unusable(f"the answer is cut off, or no CSV: {error}")
            if OUT_OF_MEMORY.search(error.tail):
                malformed = call.out_of_memory()
        if chunks.ambiguous:
            malformed = NotAsCsv(
                "a quote follows a backslash", label=call.label, content=call.content
            )
        if malformed:
            raise malformed  # not within the except: the original holds rows
        if exported is None:
            return None
        # A line of one cell fits any header of one column: then it is taken for a record.
        last = "\n".join(exported[self.record_id_field].tail(LAST_ROWS)).encode()
        if OUT_OF_MEMORY.search(last):
            raise call.out_of_memory()
        if not breaks.believed(chunks.last):
            raise call.unusable("the answer is cut off: it does not end with a line break")
        return exported

    def _table(self, answer: Answer, breaks: LineBreaks) -> pd.DataFrame | None:  # noqa: ARG002 - as for CSV
        """Read JSON, which is whole or none; None if there are no rows."""
        import pandas as pd

        rows: Any = read_json(answer)
        if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
            raise answer.call.unusable("the answer has another shape than documented")
        if not rows:
            return None
        names = self._wanted(answer)(list(rows[0]))
        if any(row.keys() != rows[0].keys() for row in rows):
            raise answer.call.unusable("rows of the answer have different columns")
        return pd.DataFrame(
            {name: pd.Series([text_of(row[name]) for row in rows], dtype="str") for name in names}
        )

    def _wanted(self, answer: Answer) -> Callable[[list[str]], list[str]]:
        """Return a function that takes the names that came and returns those wanted."""
        from redcap_jobs.redcap.frames import exported_columns

        def wanted(names: list[str]) -> list[str]:
            lacking = [name for name in self.expected if not exported_columns(names, [name])]
            if lacking:
                raise answer.call.unusable(
                    f"the answer lacks {len(lacking)} of the columns asked for "
                    f"(first: {', '.join(lacking[:5])})"
                )
            keep = {*exported_columns(names, self.expected), *self.stamp_columns}
            return [name for name in names if name in keep or name.startswith("redcap_")]

        return wanted

    @property
    def expected(self) -> tuple[str, ...]:
        """The fields whose columns must come back."""
        return (self.record_id_field, *self.fields)

    @property
    def stamp_columns(self) -> tuple[str, ...]:
        """The columns of the time stamps (REDCap API help, Export Records, exportSurveyFields)."""
        return tuple(f"{form}_timestamp" for form in self.stamps)

    def divisible(self, records: Sequence[str]) -> bool:
        """Tell whether less can be asked for: not of one record, nor of the roster itself."""
        asked = replace(self, format="csv", rows_exist=False)
        return len(records) > 1 or (not records and asked != self.roster)

    def batch(self, most: int) -> int:
        """Return how many records one request can name beside the fields and events: 1 to most."""
        others = len({self.record_id_field, *self.fields}) + len(self.events) + OTHER_VARIABLES
        return max(1, min(most, VARIABLES_PER_REQUEST - others))

    @property
    def roster(self) -> Export:
        """The same rows with nothing but their keys."""
        return replace(self, fields=(), with_dag=False, format="csv", rows_exist=False, stamps=())


def text_of(value: object) -> str:
    """Return a JSON cell as CSV has it: repeat instances come as numbers."""
    return "" if value is None else str(value)


def array(name: str, values: Iterable[str]) -> dict[str, str]:
    """Return the form variables of one array parameter (``name[0]``, ``name[1]``, and so on)."""
    return {f"{name}[{number}]": value for number, value in enumerate(values)}
