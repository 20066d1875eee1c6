"""Rows as columns for REDCap logic: one entry per record, or one per row."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from copy import copy
from typing import Self, TypeAlias

import numpy as np
import numpy.typing as npt
import pandas as pd

from redcap_jobs.redcap.logic import SMART_EVENTS, Expression, Reference
from redcap_jobs.redcap.project import Project, checkbox_column
from redcap_jobs.redcap.record_cells import ABSENT, Cells, Whole, code_of
from redcap_jobs.redcap.record_places import (
    EventPlace,
    Place,
    RepeatPlace,
    events_meant,
    own_events,
    smart_event,
)

Marks: TypeAlias = npt.NDArray[np.bool_]


class _View:
    """What both views share: finding a reference's row for every entry, and the clock."""

    def __init__(
        self,
        cells: Cells,
        project: Project,
        index: pd.Index,
        record: Whole,
        missing_codes: Collection[str] | None,
        today: pd.Series,
    ) -> None:
        self.project = project
        self.index = index
        self._cells = cells
        self._record = record
        codes = project.missing_data_codes if missing_codes is None else missing_codes
        self._missing_codes = [code for code in codes if code]
        self.missing_reads_as = ""
        self._now = pd.Series(today.to_numpy(dtype="datetime64[s]"), index=index)

    @property
    def now(self) -> pd.Series:
        """Local time per entry as given, ``datetime64[s]``."""
        return self._now

    @property
    def today(self) -> pd.Series:
        """Local midnight per entry, ``datetime64[s]``."""
        return self._now.dt.floor("D")

    def values(self, reference: Reference) -> pd.Series:
        """Give a field as stored, ``str`` per entry; '' if blank, absent or a missing-data code.

        Raises DictionaryError for an unknown field or event, LookupError for a field not read.
        """
        stored = self._stored(reference)
        if not self._missing_codes:
            return stored
        return stored.mask(stored.isin(self._missing_codes), self.missing_reads_as)

    def coded_missing(self, reference: Reference) -> pd.Series:
        """Say per entry (``bool``) whether a missing-data code is stored."""
        return self._stored(reference).isin(self._missing_codes)

    def survey_stamps(self, form: str) -> pd.Series:
        """Give when a survey was completed as REDCap says it, ``str``; '' where nothing is known.

        ``[not completed]`` for a partial answer (REDCap API help, Export Records).
        """
        column = f"{form}_timestamp"
        if column not in self._cells.rows.columns:
            return pd.Series("", index=self.index, dtype="str")
        status = Reference(event=None, field=f"{form}_complete", code=None, instance=None)
        return self._take(column, self._positions(status))

    def first(self, references: Sequence[Reference]) -> pd.Series:
        """Give per entry the first value that is not blank, ``str``; '' if all are."""
        found = pd.Series("", index=self.index, dtype="str")
        for reference in references:
            found = found.where(found != "", self.values(reference))
        return found

    def _stored(self, reference: Reference) -> pd.Series:
        if reference.field == self.project.record_id_field:
            return self._record_names()
        return self._take(reference.column, self._positions(reference))

    def _take(self, column: str, positions: Whole) -> pd.Series:
        return self._cells.take(column, positions).set_axis(self.index)

    def _record_names(self) -> pd.Series:
        raise NotImplementedError

    def _targets(self, reference: Reference) -> Iterator[tuple[Marks, str]]:
        """Give which entries read the reference on which event; each entry once."""
        raise NotImplementedError

    def _own_instance(self, form: str) -> Whole:
        """Give the instance of a form that each entry stands on; ABSENT where on none."""
        raise NotImplementedError

    def _positions(self, reference: Reference) -> Whole:
        form = self.project.field(reference.field).form
        positions = np.full(len(self.index), ABSENT, dtype=np.int64)
        for entries, event in self._targets(reference):
            found = self._find(reference, form, event)
            positions = np.where(entries, found, positions)
        return positions

    def _find(self, reference: Reference, form: str, event: str) -> Whole:
        cells = self._cells
        instrument = form if (event, form) in self.project.repeating else ""
        repeats = bool(instrument) or (event, "") in self.project.repeating
        event_code, instrument_code = (
            code_of(event, cells.events),
            code_of(instrument, cells.instruments),
        )
        if repeats:
            own = self._own_instance(form)
            instance = self._instance(reference.instance, own, event_code, instrument_code)
        else:
            instance = np.array([0 if reference.instance is None else ABSENT])
        return cells.find(self._record, event_code, instrument_code, instance)

    def _instance(self, asked: str | None, own: Whole, event: Whole, instrument: Whole) -> Whole:
        """Turn ``[2]``, ``[last-instance]``, ... into numbers; without one, the own instance."""
        if asked is not None and asked.isdigit():
            return np.array([int(asked) or ABSENT])
        if asked in ("first-instance", "last-instance"):
            which = "min" if asked == "first-instance" else "max"
            return self._cells.extreme_instance(self._record, event, instrument, which)
        step = {"previous-instance": -1, "next-instance": 1}.get(asked or "", 0)
        return np.where(own > 0, own + step, ABSENT)

    def _dag(self) -> pd.Series:
        """Give each record's data access group: the first row that names one."""
        groups = self._cells.take("dag", np.arange(len(self._cells.rows), dtype=np.int64))
        named = np.flatnonzero((groups != "").to_numpy(dtype=bool))
        firsts = pd.Series(named).groupby(self._cells.record[named]).first()
        at = firsts.reindex(self._record).fillna(ABSENT).to_numpy(dtype=np.int64)
        return self._take("dag", at)

    def _column(self, values: npt.NDArray[np.object_]) -> pd.Series:
        return pd.Series(values, index=self.index, dtype="str")


class ParticipantView(_View):
    """One entry per record, seen from one place (a visit's own): a logic Context.

    ``rows`` is a rows frame (with ``dag`` if ``[record-dag-name]`` is read); ``records`` the
    records to see, each once; ``arms`` maps record to arm number (``Int64``; ignored in a classic
    project). ``today`` gives per record, in the order of ``records``, the local date or date and
    time without a zone: 'now' is that, 'today' its midnight. ``missing_codes`` are read as blank;
    None: those of the project.

    What a reference means is told by :func:`events_meant`, in the record's own arm: an explicit
    event of another arm is blank. A record whose arm is <NA> is read wherever it has a row, in arm
    order. A field of a repeating instrument is blank without an instance, except at a RepeatPlace
    of its own instrument; one with an instance is blank where nothing repeats.
    """

    def __init__(
        self,
        rows: pd.DataFrame,
        records: pd.Index,
        project: Project,
        arms: pd.Series,
        own: Place | None = None,
        missing_codes: Collection[str] | None = None,
        *,
        today: pd.Series,
    ) -> None:
        cells = Cells(rows)
        record = cells.records.get_indexer(records).astype(np.int64)
        super().__init__(cells, project, records, record, missing_codes, today)
        self.own = own
        by_record = arms.reindex(records).astype("Int64")
        self._arm = by_record.to_numpy(dtype=np.int64, na_value=ABSENT)

    def at(self, own: Place | None) -> Self:
        """Give the same records seen from another place."""
        other = copy(self)
        other.own = own
        return other

    def stops(self, expression: Expression) -> pd.Series:
        """Say per entry (``bool``) whether a condition that stops something holds.

        A missing-data code in a field that it reads stops, too: "unknown" is no leave to go on.
        A checkbox has a column of its own for each of them, where they are exported.
        """
        stopped = expression.truth(self)
        for reference in expression.references:
            if reference.code is None:
                stopped |= self.coded_missing(reference)
                continue
            for code in self._missing_codes:
                column = checkbox_column(reference.field, code)
                if column in self._cells.rows.columns:
                    stopped |= self._take(column, self._positions(reference)) == "1"
        return stopped

    def surely(self, expression: Expression) -> pd.Series:
        """Say per entry (``bool``) whether a condition holds, whatever a missing-data code stands for.

        "Unknown" may be any choice of its field: it gives no leave that one of them would refuse.
        """
        found = expression.truth(self)
        coded = [each for each in expression.references if self.coded_missing(each).any()]
        choices = {
            choice.code for each in coded for choice in self.project.field(each.field).choices
        }
        for choice in {"0", "1"} | choices if coded else ():
            other = copy(self)
            other.missing_reads_as = choice
            found &= expression.truth(other)
        return found

    def smart(self, name: str, args: tuple[str, ...] = ()) -> pd.Series:  # noqa: ARG002 - Context
        """Give a smart variable; '' where there is no event, arm or group."""
        if name == "record-name":
            return self._record_names()
        if name == "record-dag-name":
            return self._dag()
        if name == "arm-number":
            arms = self._arm if self.project.is_longitudinal else np.ones(len(self.index))
            known = pd.Series(arms, index=self.index).astype("int64").astype("str")
            return known.mask(known == str(ABSENT), "")
        if name == "current-instance":
            instance = str(self.own.instance) if isinstance(self.own, RepeatPlace) else ""
            return pd.Series(instance, index=self.index, dtype="str")
        return self._smart_event(name)

    def _smart_event(self, name: str) -> pd.Series:
        own = own_events(self.own, self.project)
        found = np.full(len(self.index), "", dtype=object)
        for arm in dict.fromkeys(event.arm for event in self.project.events):
            event = _event_or_label(name, own.get(arm), arm, self.project)
            found[self._arm == arm] = event
        return self._column(found)

    def _record_names(self) -> pd.Series:
        return pd.Series(self.index.to_numpy(dtype=object), index=self.index, dtype="str")

    def _own_instance(self, form: str) -> Whole:
        if isinstance(self.own, RepeatPlace) and self.own.form == form:
            return np.array([self.own.instance])
        return np.array([ABSENT])

    def _targets(self, reference: Reference) -> Iterator[tuple[Marks, str]]:
        if not self.project.is_longitudinal:
            yield np.full(len(self.index), reference.event is None), ""
            return
        unread = self._arm == ABSENT
        for arm, event in events_meant(reference, self.own, self.project).items():
            here = self._cells.events.get_indexer(pd.Index([event], dtype="str"))[0]
            has_row = np.zeros(len(self._cells.records) + 1, dtype=bool)
            has_row[self._cells.record[self._cells.event == here]] = True
            stray = unread & has_row[self._record] & (self._record >= 0)
            unread &= ~stray
            yield (self._arm == arm) | stray, event


class RowView(_View):
    """One entry per row of a rows frame: a logic Context, as an export's ``filterLogic`` needs.

    A field without an event is read on the row itself; with an explicit or smart event on the same
    record's row of that event, whatever its arm. ``today`` is aligned to the rows.
    """

    def __init__(
        self,
        rows: pd.DataFrame,
        project: Project,
        missing_codes: Collection[str] | None = None,
        *,
        today: pd.Series,
    ) -> None:
        cells = Cells(rows)
        super().__init__(cells, project, rows.index, cells.record, missing_codes, today)

    def smart(self, name: str, args: tuple[str, ...] = ()) -> pd.Series:  # noqa: ARG002 - Context
        """Give a smart variable of each row's record, event or instance."""
        if name == "record-name":
            return self._record_names()
        if name == "record-dag-name":
            return self._dag()
        if name == "current-instance":
            return self._cells.rows["repeat_instance"]
        events = self._cells.rows["event"]
        if name == "event-name":
            return events
        known = {event.unique_name: event.arm for event in self.project.events}
        if name == "arm-number":
            words = {event: str(arm) for event, arm in known.items()} | {"": "1"}
        else:
            words = {
                event: _event_or_label(name, event, arm, self.project)
                for event, arm in known.items()
            }
        return events.map(words).fillna("").astype("str")

    def _record_names(self) -> pd.Series:
        return self._cells.rows["record"]

    def _own_instance(self, form: str) -> Whole:
        cells = self._cells
        on_form = cells.instrument == code_of(form, cells.instruments)
        whole_event = cells.instrument == code_of("", cells.instruments)
        return np.where((on_form | whole_event) & (cells.instance > 0), cells.instance, ABSENT)

    def _positions(self, reference: Reference) -> Whole:
        if reference.event is None and reference.instance is None:
            return np.arange(len(self.index), dtype=np.int64)
        return super()._positions(reference)

    def _targets(self, reference: Reference) -> Iterator[tuple[Marks, str]]:
        if reference.event is not None and reference.event not in SMART_EVENTS:
            yield np.ones(len(self.index), dtype=bool), reference.event
            return
        for code, own in enumerate(self._cells.events):
            on_event = self._cells.event == code
            if reference.event is None:
                yield on_event, own
            elif own:
                arm = self.project.arm_of(own)
                meant = events_meant(reference, EventPlace((own,)), self.project).get(arm)
                if meant is not None:
                    yield on_event, meant


def _event_or_label(name: str, own: str | None, arm: int, project: Project) -> str:
    """Give a smart event's unique name, or the own event's label, seen from one event of an arm."""
    if name == "event-label":
        return project.event(own).name if own else ""
    events = tuple(event.unique_name for event in project.events if event.arm == arm)
    return smart_event(name, own, events) or ""
