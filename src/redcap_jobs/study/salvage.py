"""What can still be used of a study file with mistakes, so that one mistake hides no other.

Validation stops at the first broken value of each table; the rules between tables (duplicate ids,
circles of anchors, overlapping windows) need the rest. :func:`salvage` builds the same models with
:data:`ABSENT` where a value was refused; a rule that touches it is left aside by :func:`known`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from types import NoneType
from typing import Annotated, Any, NoReturn, TypeVar, get_args, get_origin

from pydantic import BaseModel, TypeAdapter, ValidationError

T = TypeVar("T")


class NotSalvaged(Exception):
    """A value was asked for that the study file gives wrongly, which is reported already."""


class Absent:
    """Stands for a refused value: any use raises :class:`NotSalvaged`."""

    def _refuse(self, *_: object) -> NoReturn:
        raise NotSalvaged

    __getattr__ = __iter__ = __bool__ = __eq__ = __hash__ = __len__ = __str__ = _refuse
    __contains__ = __getitem__ = __lt__ = __le__ = __gt__ = __ge__ = _refuse
    __add__ = __radd__ = __sub__ = __rsub__ = __neg__ = __int__ = __index__ = _refuse


ABSENT: Any = Absent()


def known(get: Callable[[], T], otherwise: T | None = None) -> T | None:
    """Return what ``get`` returns, or ``otherwise`` if it needs a value that was refused."""
    try:
        return get()
    except NotSalvaged:
        return otherwise


def judged(flaws: Iterator[T]) -> Iterator[T]:
    """Yield what a rule finds until it needs a value that was refused."""
    try:
        yield from flaws
    except NotSalvaged:
        return


def salvage(model: type[T], written: object) -> T:
    """Build a model from a table with mistakes; what was refused becomes :data:`ABSENT`."""
    made: T = _salvage(model, written)
    return made


def _salvage(annotation: Any, written: object) -> Any:
    try:
        return TypeAdapter(annotation).validate_python(written)
    except ValidationError as error:
        refused_as_a_whole = any(not flaw["loc"] for flaw in error.errors(include_url=False))
    inner = bare(annotation)
    if isinstance(inner, type) and issubclass(inner, BaseModel):
        if isinstance(written, dict) and not refused_as_a_whole:
            return _salvage_model(inner, written)
    elif get_origin(inner) is dict and isinstance(written, dict):
        return {key: _salvage(get_args(inner)[1], value) for key, value in written.items()}
    elif get_origin(inner) is tuple and isinstance(written, list):
        return tuple(_salvage(get_args(inner)[0], each) for each in written)
    return ABSENT


def _salvage_model(model: type[BaseModel], written: Mapping[str, object]) -> BaseModel:
    values: dict[str, Any] = {}
    for name, field in model.model_fields.items():
        key = field.alias or name
        if key in written:
            annotation: Any = field.annotation
            if field.metadata:
                annotation = Annotated[(annotation, *field.metadata)]
            values[key] = _salvage(annotation, written[key])
        elif field.is_required():
            values[key] = ABSENT
    return model.model_construct(**values)


def bare(annotation: Any) -> Any:
    """Take ``Annotated`` and ``| None`` off an annotation."""
    if get_origin(annotation) is Annotated:
        return bare(get_args(annotation)[0])
    choices = [each for each in get_args(annotation) if each is not NoneType]
    if len(choices) == 1 and NoneType in get_args(annotation):
        return bare(choices[0])
    return annotation
