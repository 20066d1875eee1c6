"""REDCap's logic language, evaluated over whole columns: one implementation for all who need it.

The study file's conditions and the sandbox's ``filterLogic`` go through here::

    parse("[consent(1)] = '1' and datediff([enrol_date], 'today', 'd') > 30").truth(context)

How values are treated, where REDCap's public documentation says so or leaves room:

* **Comparisons** are made as numbers where both sides look numeric ("1.0" equals "01"), else as
  text, capitals counting. ISO dates so compare rightly as text.
* **Blank** is the empty text and nothing else: not zero. ``[x] = ''`` and ``[x] <> '0'`` are true
  on a blank, ``[x] = 0`` is not. In an order a blank comes first: ``[x] < 5`` is true on a blank,
  ``[x] >= 0`` is not; add ``and [x] <> ''`` where a blank must not count.
* **Arithmetic** and date functions of a blank (or of what is no number, no date) are blank;
  so is a division by zero. Aggregates (``sum``, ``mean``, ...) skip blanks.
* A **checkbox option** never touched is ``'0'``, as unticked.
* **Missing-data codes** arrive as blanks (the context sees to it); functions that would tell them
  apart are refused when parsing.
* **'today'** and **'now'** are local to each entry; today is its midnight. A comparison such as
  ``[date] <= 'today'`` is refused: as text it would always be true.
* **and** binds tighter than **or**, **not** tighter than both; comparisons do not chain.

Vectorised: nothing here loops over records; distinct texts are read as numbers and dates once.
"""

from __future__ import annotations

from functools import cached_property, lru_cache

import numpy as np
import pandas as pd

from redcap_jobs.redcap.logic_nodes import (
    SMART_EVENTS,
    SMART_INSTANCES,
    SMART_VARIABLES,
    Context,
    FieldValue,
    Node,
    Reading,
    Reference,
    SmartValue,
    SmartVariable,
    walk,
)
from redcap_jobs.redcap.logic_parser import LogicSyntaxError, parse_node
from redcap_jobs.redcap.logic_values import Numbers, Truths, as_series

__all__ = [
    "SMART_EVENTS",
    "SMART_INSTANCES",
    "SMART_VARIABLES",
    "Context",
    "Expression",
    "LogicSyntaxError",
    "Reference",
    "SmartVariable",
    "parse",
    "parse_reference",
]


class Expression:
    """A parsed expression. Equal to another if it means the same, however it was spaced.

    ``str()`` writes it back with every parenthesis; ``text`` is what was parsed.
    """

    def __init__(self, text: str, node: Node) -> None:
        self.text = text
        self._node = node

    @cached_property
    def references(self) -> frozenset[Reference]:
        """The fields it reads."""
        return frozenset(
            node.reference for node in walk(self._node) if isinstance(node, FieldValue)
        )

    @cached_property
    def smart_variables(self) -> frozenset[SmartVariable]:
        """The smart variables that stand alone in it."""
        return frozenset(node.variable for node in walk(self._node) if isinstance(node, SmartValue))

    def evaluate(self, context: Context) -> pd.Series:
        """Give the value per entry: ``float64`` (NaN blank), ``bool``, or ``str`` ('' blank)."""
        value = self._node.evaluate(Reading(context))
        size = len(context.index)
        if isinstance(value, Numbers):
            return pd.Series(np.broadcast_to(value.numbers, size).copy(), index=context.index)
        if isinstance(value, Truths):
            return pd.Series(np.broadcast_to(value.truths, size).copy(), index=context.index)
        return as_series(np.broadcast_to(value.text, size), context.index)

    def truth(self, context: Context) -> pd.Series:
        """Give ``bool`` per entry: a number is true unless 0 or blank, text unless '' or zero."""
        truths = self._node.evaluate(Reading(context)).truths
        return pd.Series(np.broadcast_to(truths, len(context.index)).copy(), index=context.index)

    def any_blank(self, context: Context) -> pd.Series:
        """Say per entry (``bool``) whether a field it reads is blank.

        Checkbox options do not count: an untouched one is unticked.
        """
        found = np.zeros(len(context.index), dtype=bool)
        for reference in self.references:
            if reference.code is None:
                found |= (context.values(reference) == "").to_numpy(dtype=bool)
        return pd.Series(found, index=context.index)

    def __str__(self) -> str:
        return str(self._node)

    def __repr__(self) -> str:
        return f"parse({self.text!r})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Expression) and self._node == other._node

    def __hash__(self) -> int:
        return hash(self._node)


@lru_cache(maxsize=2048)
def parse(text: str) -> Expression:
    """Parse REDCap logic. Lines that begin with ``//`` or ``#`` are comments.

    Raises LogicSyntaxError, which says at which character what is wrong, and the nearest name.
    """
    return Expression(text, parse_node(text))


def parse_reference(text: str) -> Reference:
    """Parse one field: ``[event][field]``, ``[field]``, ``[field(3)]``, ``field``, ``field(3)``.

    Raises LogicSyntaxError.
    """
    written = text.strip()
    whole = written if written.startswith("[") else f"[{written}]"
    node = parse_node(whole)
    if not isinstance(node, FieldValue):
        raise LogicSyntaxError(text, 0, f'"{written}" is not one field', "write [event][field]")
    return node.reference
