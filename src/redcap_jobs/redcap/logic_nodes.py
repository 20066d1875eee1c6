"""The parsed form of an expression: a tree of frozen nodes that evaluate themselves.

``str(node)`` writes a node back as REDCap logic; parsing that gives an equal tree.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol, TypeAlias, cast

import numpy as np
import pandas as pd

from redcap_jobs.redcap.logic_functions import FUNCTIONS
from redcap_jobs.redcap.logic_values import (
    Dates,
    Moments,
    Numbers,
    Strings,
    Texts,
    Truths,
    Value,
    as_strings,
    calculate,
    compare,
)
from redcap_jobs.redcap.project import checkbox_column

SMART_EVENTS = (
    "event-name",
    "first-event-name",
    "last-event-name",
    "previous-event-name",
    "next-event-name",
)
SMART_INSTANCES = (
    "first-instance",
    "last-instance",
    "current-instance",
    "previous-instance",
    "next-instance",
)
SMART_VARIABLES = (
    "record-name",
    "record-dag-name",
    "arm-number",
    "event-label",
    "current-instance",
    *SMART_EVENTS,
)
"""The smart variables that mean something without a person at a browser."""


@dataclass(frozen=True)
class Reference:
    """One field: on which event, which checkbox option, which repeating instance.

    ``event`` is a unique event name, one of :data:`SMART_EVENTS`, or None (where the expression
    is evaluated); ``code`` a checkbox option; ``instance`` a number, one of
    :data:`SMART_INSTANCES`, or None.
    """

    event: str | None
    field: str
    code: str | None = None
    instance: str | None = None

    @property
    def column(self) -> str:
        """Name the column of an export: ``field``, or ``field___code`` of a checkbox option."""
        return self.field if self.code is None else checkbox_column(self.field, self.code)

    def __str__(self) -> str:
        event = f"[{self.event}]" if self.event else ""
        code = f"({self.code})" if self.code is not None else ""
        instance = f"[{self.instance}]" if self.instance else ""
        return f"{event}[{self.field}{code}]{instance}"


@dataclass(frozen=True)
class SmartVariable:
    """A smart variable that stands alone, such as ``[record-name]``."""

    name: str
    args: tuple[str, ...] = ()

    def __str__(self) -> str:
        return f"[{':'.join((self.name, *self.args))}]"


class Context(Protocol):
    """What an expression is evaluated over: one entry per record, or per row."""

    @property
    def index(self) -> pd.Index:
        """One label per entry."""

    @property
    def now(self) -> pd.Series:
        """Local wall-clock time per entry, ``datetime64[s]`` without a zone."""

    @property
    def today(self) -> pd.Series:
        """Local midnight per entry, ``datetime64[s]`` without a zone."""

    def values(self, reference: Reference) -> pd.Series:
        """Give a field as stored, ``str``, one per entry; '' where blank or a missing-data code."""

    def smart(self, name: str, args: tuple[str, ...] = ()) -> pd.Series:
        """Give a smart variable, ``str``, one per entry; '' where it has no value."""


class Reading:
    """One evaluation: every field is asked of the context once, however often it is named."""

    def __init__(self, context: Context) -> None:
        self.context = context
        self._values: dict[Reference, Texts] = {}

    def field(self, reference: Reference) -> Texts:
        """Give a field's column; a checkbox option that was never touched is '0', as unticked."""
        if reference not in self._values:
            stored = as_strings(self.context.values(reference))
            if reference.code is not None:
                stored = cast("Strings", np.where(stored == "", "0", stored))
            self._values[reference] = Texts(stored)
        return self._values[reference]


def constant(text: str) -> Texts:
    """Give text that is the same in every row."""
    return Texts(cast("Strings", np.array([text], dtype=np.dtypes.StringDType())))


@dataclass(frozen=True)
class Text:
    """Text in quotes."""

    text: str

    def evaluate(self, _reading: Reading) -> Value:
        """Give the text."""
        return constant(self.text)

    def __str__(self) -> str:
        return f'"{self.text}"' if "'" in self.text else f"'{self.text}'"


@dataclass(frozen=True)
class Number:
    """A number as written."""

    text: str

    def evaluate(self, _reading: Reading) -> Value:
        """Give the number."""
        return Numbers(np.array([float(self.text)]))

    def __str__(self) -> str:
        return self.text


@dataclass(frozen=True)
class Constant:
    """The bare words ``true`` and ``false``."""

    truth: bool

    def evaluate(self, _reading: Reading) -> Value:
        """Give the truth."""
        return Truths(np.array([self.truth]))

    def __str__(self) -> str:
        return "true" if self.truth else "false"


@dataclass(frozen=True)
class Clock:
    """``'today'`` or ``'now'`` as a date function's argument."""

    word: str

    def evaluate(self, reading: Reading) -> Value:
        """Give each entry's own local date or time."""
        moments = reading.context.now if self.word == "now" else reading.context.today
        return Moments(cast("Dates", moments.to_numpy(dtype="datetime64[s]")))

    def __str__(self) -> str:
        return f"'{self.word}'"


@dataclass(frozen=True)
class FieldValue:
    """A field's value."""

    reference: Reference

    def evaluate(self, reading: Reading) -> Value:
        """Give the column."""
        return reading.field(self.reference)

    def __str__(self) -> str:
        return str(self.reference)


@dataclass(frozen=True)
class SmartValue:
    """A smart variable's value."""

    variable: SmartVariable

    def evaluate(self, reading: Reading) -> Value:
        """Give the column."""
        values = reading.context.smart(self.variable.name, self.variable.args)
        return Texts(as_strings(values))

    def __str__(self) -> str:
        return str(self.variable)


@dataclass(frozen=True)
class Not:
    """``not``."""

    operand: Node

    def evaluate(self, reading: Reading) -> Value:
        """Turn true and false round; not of a blank is true."""
        return Truths(~self.operand.evaluate(reading).truths)

    def __str__(self) -> str:
        return f"(not {self.operand})"


@dataclass(frozen=True)
class Minus:
    """A minus sign."""

    operand: Node

    def evaluate(self, reading: Reading) -> Value:
        """Negate; blank stays blank."""
        return Numbers(-self.operand.evaluate(reading).numbers)

    def __str__(self) -> str:
        return f"(-{self.operand})"


@dataclass(frozen=True)
class Binary:
    """Two operands: ``and``, ``or``, a comparison or a calculation."""

    operator: str
    left: Node
    right: Node

    def evaluate(self, reading: Reading) -> Value:
        """Evaluate both sides, then the operator."""
        left, right = self.left.evaluate(reading), self.right.evaluate(reading)
        if self.operator == "and":
            return Truths(left.truths & right.truths)
        if self.operator == "or":
            return Truths(left.truths | right.truths)
        if self.operator in "+-*/^":
            return calculate(self.operator, left, right)
        return compare(self.operator, left, right)

    def __str__(self) -> str:
        return f"({self.left} {self.operator} {self.right})"


@dataclass(frozen=True)
class Call:
    """A function and its arguments."""

    name: str
    arguments: tuple[Node, ...]

    def evaluate(self, reading: Reading) -> Value:
        """Evaluate the arguments, then the function."""
        return FUNCTIONS[self.name].apply([each.evaluate(reading) for each in self.arguments])

    def __str__(self) -> str:
        return f"{self.name}({', '.join(str(each) for each in self.arguments)})"


Node: TypeAlias = (
    Text | Number | Constant | Clock | FieldValue | SmartValue | Not | Minus | Binary | Call
)


def walk(node: Node) -> Iterator[Node]:
    """Give a node and everything below it."""
    yield node
    children: tuple[Node, ...] = ()
    if isinstance(node, Not | Minus):
        children = (node.operand,)
    elif isinstance(node, Binary):
        children = (node.left, node.right)
    elif isinstance(node, Call):
        children = node.arguments
    for child in children:
        yield from walk(child)
