"""Frozen dataclasses as JSON and back, by their type hints.

For what a project is made of: dataclasses and named tuples of texts, numbers, dates, tuples,
frozen sets and mappings. A mapping whose keys are no texts becomes a list of pairs.
"""

from __future__ import annotations

import json
import types
import typing
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from datetime import date, datetime
from functools import cache
from typing import Any


def plain(value: Any) -> Any:
    """Return a value as JSON knows it.

    Raises:
        TypeError: It is, or holds, something else than said above.

    """
    if value is None or isinstance(value, str | int | float):
        return value
    if isinstance(value, date):
        return value.isoformat()
    if is_dataclass(value):
        return {one.name: plain(getattr(value, one.name)) for one in fields(value)}
    if isinstance(value, Mapping):
        if all(isinstance(key, str) for key in value):
            return {key: plain(one) for key, one in value.items()}
        return [[plain(key), plain(one)] for key, one in value.items()]
    if isinstance(value, tuple):
        return [plain(one) for one in value]
    if isinstance(value, frozenset):
        return sorted((plain(one) for one in value), key=json.dumps)
    raise TypeError(f"a {type(value).__name__} cannot be kept as JSON")


def value_of(kind: Any, data: Any) -> Any:
    """Return the value of that type that :func:`plain` wrote; what a dataclass lacks is its default.

    Raises:
        KeyError, TypeError, ValueError: The data are not of that type.

    """
    if isinstance(kind, type) and is_dataclass(kind):
        hints = hints_of(kind)
        return kind(**{name: value_of(hints[name], one) for name, one in data.items()})
    origin, inner = typing.get_origin(kind), typing.get_args(kind)
    if origin in (typing.Union, types.UnionType):
        (some,) = (one for one in inner if one is not type(None))
        return None if data is None else value_of(some, data)
    if origin in (tuple, frozenset):
        return collected(origin, inner, data)
    if origin is Mapping:
        pairs = data.items() if isinstance(data, dict) else data
        return {value_of(inner[0], key): value_of(inner[1], one) for key, one in pairs}
    if origin is typing.Literal:
        if data not in inner:
            raise ValueError(f"{data!r} is none of {inner}")
        return data
    return single(kind, data)


def collected(origin: Any, inner: tuple[Any, ...], data: list[Any]) -> Any:
    """Return the tuple or frozen set of a list."""
    if origin is tuple and inner[-1] is not Ellipsis:
        return tuple(value_of(kind, one) for kind, one in zip(inner, data, strict=True))
    return origin(value_of(inner[0], one) for one in data)


def single(kind: Any, data: Any) -> Any:
    """Return a value that is no collection, or a named tuple."""
    if kind in (datetime, date):
        return kind.fromisoformat(data)
    if issubclass(kind, tuple):
        hints = hints_of(kind)
        return kind(*(value_of(hints[name], one) for name, one in zip(hints, data, strict=True)))
    if not isinstance(data, (int, float) if kind is float else kind):
        raise TypeError(f"{data!r} is no {kind.__name__}")
    return data


@cache
def hints_of(kind: type) -> dict[str, Any]:
    """Return name → type of a dataclass's fields or a named tuple's places."""
    return typing.get_type_hints(kind)
