"""Finding rows by where they stand, whole columns of questions at a time."""

from __future__ import annotations

from functools import cached_property
from typing import TypeAlias, cast

import numpy as np
import numpy.typing as npt
import pandas as pd

from redcap_jobs.plan import CHANGE_COLUMNS, KEYS
from redcap_jobs.redcap.project import Project

Whole: TypeAlias = npt.NDArray[np.int64]

ABSENT = -1


class Cells:
    """A rows frame with an index over its four key columns, held as one number per row.

    Of rows with the same keys (REDCap has none) the first counts.
    """

    def __init__(self, rows: pd.DataFrame) -> None:
        self.rows = rows
        self.record, self.records = _coded(rows["record"])
        self.event, self.events = _coded(rows["event"])
        self.instrument, self.instruments = _coded(rows["repeat_instrument"])
        self.instance = instance_numbers(rows["repeat_instance"])
        self._most = int(self.instance.max(initial=0))

    def _group(self, record: Whole, event: Whole, instrument: Whole) -> Whole:
        return (record * len(self.events) + event) * len(self.instruments) + instrument

    @cached_property
    def _group_of_row(self) -> Whole:
        return self._group(self.record, self.event, self.instrument)

    @cached_property
    def _by_key(self) -> tuple[pd.Index, Whole]:
        """Give the keys and their rows' positions; ABSENT stands last, where -1 finds it."""
        keys = pd.Index(self._group_of_row * (self._most + 1) + self.instance)
        first = ~keys.duplicated()
        return keys[first], np.append(np.flatnonzero(first), ABSENT)

    def find(self, record: Whole, event: Whole, instrument: Whole, instance: Whole) -> Whole:
        """Give the position of the row with these codes and this instance; ABSENT if none.

        Codes are positions in ``records``, ``events`` and ``instruments``; ABSENT finds nothing.
        """
        record, event, instrument, instance = np.broadcast_arrays(
            record, event, instrument, instance
        )
        possible = (record >= 0) & (event >= 0) & (instrument >= 0)
        possible &= (instance >= 0) & (instance <= self._most)
        key = self._group(record, event, instrument) * (self._most + 1) + instance
        keys, positions = self._by_key
        found = keys.get_indexer(pd.Index(np.where(possible, key, ABSENT)))
        return positions[found]

    @cached_property
    def _instances(self) -> pd.DataFrame:
        repeats = self.instance > 0
        grouped = pd.Series(self.instance[repeats]).groupby(self._group_of_row[repeats])
        return grouped.agg(["min", "max"])

    def extreme_instance(self, record: Whole, event: Whole, instrument: Whole, which: str) -> Whole:
        """Give the lowest (``min``) or highest (``max``) instance there is; ABSENT if none."""
        record, event, instrument = np.broadcast_arrays(record, event, instrument)
        possible = (record >= 0) & (event >= 0) & (instrument >= 0)
        group = np.where(possible, self._group(record, event, instrument), ABSENT)
        found = self._instances[which].reindex(group).to_numpy(dtype=np.float64)
        numbers: Whole = np.nan_to_num(found, nan=ABSENT).astype(np.int64)
        return numbers

    def take(self, column: str, positions: Whole) -> pd.Series:
        """Give a column's values at row positions, '' where ABSENT.

        Raises LookupError for a column that was not exported: reads and plan disagree.
        """
        if column not in self.rows.columns:
            raise LookupError(f'column "{column}" was not among the fields that were read')
        values = self.rows[column].array
        if not len(values):
            return pd.Series([""] * len(positions), dtype="str")
        return pd.Series(values.take(positions, allow_fill=True, fill_value=""), dtype="str")


def _coded(column: pd.Series) -> tuple[Whole, pd.Index]:
    codes, distinct = pd.factorize(column)
    return codes.astype(np.int64), pd.Index(distinct)


def instance_numbers(column: pd.Series) -> Whole:
    """Read repeat instances: 0 where '' (not repeating)."""
    codes, distinct = pd.factorize(column)
    numbers = pd.to_numeric(pd.Series(distinct, dtype="str"), errors="coerce")
    return cast("Whole", numbers.fillna(0).to_numpy(dtype=np.int64)[codes])


def code_of(name: str, known: pd.Index) -> Whole:
    """Give the position of one name, as an array of one; ABSENT if there is none."""
    return known.get_indexer(pd.Index([name], dtype="str")).astype(np.int64)


def changed_cells(desired: pd.DataFrame, current: pd.DataFrame) -> pd.DataFrame:
    """Give the cells that must be written, and only those: a changes frame (CHANGE_COLUMNS).

    ``desired`` has the four keys, ``field`` (as REDCap imports it) and ``new``, one row per cell;
    ``current`` is a rows frame with at least those fields as columns. A row missing there counts
    as blank. An untouched checkbox counts as unticked, so '' and '0' are the same in a
    ``field___code`` column. Everything else is compared as text: "2" and "2.0" differ.

    Raises LookupError if ``current`` was read without a desired field, ValueError if a cell is
    desired twice.
    """
    if desired.duplicated([*KEYS, "field"]).any():
        raise ValueError("a cell is desired twice")
    cells = Cells(current)
    positions = cells.find(
        cells.records.get_indexer(pd.Index(desired["record"])).astype(np.int64),
        cells.events.get_indexer(pd.Index(desired["event"])).astype(np.int64),
        cells.instruments.get_indexer(pd.Index(desired["repeat_instrument"])).astype(np.int64),
        instance_numbers(desired["repeat_instance"]),
    )
    old = np.full(len(desired), "", dtype=object)
    for field, at in desired.groupby("field", sort=False).indices.items():
        old[at] = cells.take(str(field), positions[at]).to_numpy(dtype=object)
    cell = desired.assign(old=pd.Series(old, index=desired.index, dtype="str"))
    checkbox = cell["field"].str.contains("___", regex=False)
    unticked = checkbox & cell["old"].isin(["", "0"]) & cell["new"].isin(["", "0"])
    changed = (cell["old"] != cell["new"]) & ~unticked
    return cell.loc[changed, CHANGE_COLUMNS].reset_index(drop=True)


def record_arms(roster: pd.DataFrame, project: Project) -> pd.DataFrame:
    """Give each record's arm by the events it has rows on.

    ``roster`` has ``record`` and ``event``. The result is indexed by record: ``arm`` (``Int64``,
    <NA> for rows in more than one arm or in none) and ``contradictory`` (``bool``, in more than
    one). In a classic project the arm is 1.
    """
    pairs = roster[["record"]].assign(
        arm=roster["event"].map({event.unique_name: event.arm for event in project.events})
        if project.is_longitudinal
        else 1
    )
    by_record = pairs.groupby("record", sort=False)["arm"]
    arms = pd.DataFrame(
        {"arm": by_record.min(), "contradictory": by_record.min() < by_record.max()}
    )
    arms["arm"] = arms["arm"].astype("Int64").mask(arms["contradictory"])
    return arms
