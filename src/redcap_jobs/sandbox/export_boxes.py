"""What the options of a checkbox show in a flat export where nothing is ticked."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from redcap_jobs.sandbox.dictionary import Column
from redcap_jobs.sandbox.structure import Structure

Settle = Callable[[list[str], Mapping[str, str]], None]
"""Blank the options among a row's cells that show no '0'; told what the row has stored."""


def settled_boxes(structure: Structure, columns: Sequence[Column], *, with_keys: bool) -> Settle:
    """Return what blanks options.

    All, where no column asked for holds a value and the record ID is not among them (recorded in
    redcapAPI issue 293); a field's options, where one of its missing-data codes is ticked (as a
    web export shows in Utah's guide).
    """
    names = [column.name for column in columns]
    boxes = [place for place, column in enumerate(columns) if column.kind == "checkbox"]
    coded = boxes_with_codes(structure, columns)

    def settle(cells: list[str], stored: Mapping[str, str]) -> None:
        if boxes and not with_keys and not any(map(stored.__contains__, names)):
            for box in boxes:
                cells[box] = ""
        for codes, options in coded:
            if not stored.keys().isdisjoint(codes):
                for option in options:
                    cells[option] = ""

    return settle


def boxes_with_codes(
    structure: Structure, columns: Sequence[Column]
) -> list[tuple[set[str], list[int]]]:
    """Return per checkbox its columns of missing-data codes, and the places of its options."""
    places: dict[str, list[int]] = {}
    for place, column in enumerate(columns):
        if column.kind == "checkbox" and column not in structure.code_columns.get(column.field, ()):
            places.setdefault(column.field, []).append(place)
    return [
        ({column.name for column in codes}, places[field])
        for field, codes in structure.code_columns.items()
        if codes and field in places
    ]
