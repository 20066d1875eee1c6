"""A flaw: something wrong at a key path of a study file; its order, its words, its place."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from redcap_jobs.study.nearest import did_you_mean, nearest
from redcap_jobs.study.salvage import bare

KeyPath: TypeAlias = tuple[str | int, ...]
"""Keys and zero-based positions from the top of the file: ``("visits", 1, "done_on")``."""


@dataclass(frozen=True)
class Flaw:
    """What is wrong at a key path, and how to mend it; a warning stops nothing."""

    path: KeyPath
    what: str
    hint: str = ""
    warning: bool = False


def written_path(path: KeyPath) -> str:
    """Write a key path for a person: ``visits[1].done_on``."""
    text = ""
    for step in path:
        text += f"[{step}]" if isinstance(step, int) else f".{step}" if text else step
    return text


def in_file_order(flaws: Iterable[Flaw], written: Mapping[str, Any]) -> list[Flaw]:
    """Sort flaws by where they stand in the parsed file, each told once.

    A missing key stands at its table's end. What a visit or survey has from ``[defaults]`` stands
    there, so that one mistake in the defaults is told once and not once for each.
    """
    told_once = dict.fromkeys(to_defaults(flaw, written) for flaw in flaws)
    return sorted(told_once, key=lambda flaw: position(flaw.path, written))


def to_defaults(flaw: Flaw, written: Mapping[str, Any]) -> Flaw:
    """Point a flaw at ``defaults.visits`` where the visit has the broken key from there."""
    match flaw.path:
        case ("visits" | "surveys" as name, int() as index, *steps) if steps:
            own = steps_found(step_into(written.get(name), index), steps)
            if steps_found(step_into(written.get("defaults"), name), steps) > own:
                return replace(flaw, path=("defaults", name, *steps))
    return flaw


def steps_found(table: object, steps: Iterable[str | int]) -> int:
    """Return how many steps of a key path lead somewhere."""
    found = 0
    for step in steps:
        table = step_into(table, step)
        if table is None:
            break
        found += 1
    return found


def position(path: KeyPath, raw: object) -> list[int]:
    """Return the ordinal of every step of a path in the parsed file."""
    ordinals = []
    for step in path:
        keys = list(raw) if isinstance(raw, dict) else []
        ordinals.append(step if isinstance(step, int) else (*keys, step).index(step))
        raw = step_into(raw, step)
    return ordinals


def step_into(table: object, step: str | int) -> object:
    """Return what a table or list holds under a key or position; None where it holds nothing."""
    if isinstance(table, dict):
        return table.get(step)
    if isinstance(table, list) and isinstance(step, int) and step < len(table):
        return table[step]
    return None


PLAIN_WORDS = {
    "missing": "is required",
    "int_type": "must be a whole number",
    "float_type": "must be a number",
    "float_parsing": "must be a number",
    "string_type": "must be text in quotes",
    "bool_type": "must be true or false",
    "model_type": "must be a table",
    "model_attributes_type": "must be a table",
    "dict_type": "must be a table",
    "tuple_type": "must be a list",
    "string_too_short": "must not be blank",
    "finite_number": "must be a number",
    "greater_than": "must be more than {gt:g}",
    "greater_than_equal": "must be {ge} or more",
    "less_than_equal": "must be {le} or less",
}
PATTERNS = {
    "^[A-Z]{2}$": "must be two capital letters, such as US",
    "^[a-z][a-z0-9_-]*$": 'must be small letters, digits, "_" and "-", beginning with a letter',
    "^[a-z]{2,3}(-[A-Za-z0-9]+)?$": "must be the code of a language, such as en or es",
    "^[A-Za-z_][A-Za-z0-9_]*$": 'must be letters, digits and "_", beginning with a letter',
    "^[A-Z_][A-Z0-9_]*$": (
        'must be the name of an environment variable (capital letters, digits and "_"), never its '
        "value"
    ),
}


def flaws_of(error: ValidationError, model: type[BaseModel]) -> list[Flaw]:
    """Turn what pydantic found into flaws in plain words, with the nearest right name."""
    details = error.errors(include_url=False)
    strangers: dict[KeyPath, set[str]] = {}
    for detail in details:
        if detail["type"] == "extra_forbidden":
            *table, key = detail["loc"]
            near = nearest(str(key), keys_at(model, tuple(table)))
            strangers.setdefault(tuple(table), set()).add(near or "")
    flaws = []
    for detail in details:
        *table, key = detail["loc"] or ("",)
        mistyped = key in strangers.get(tuple(table), set())
        if not (detail["type"] == "missing" and mistyped):
            flaws.append(flaw_of(detail, model))
    return flaws


def flaw_of(detail: ErrorDetails, model: type[BaseModel]) -> Flaw:
    """Turn one of pydantic's errors into a flaw."""
    path = tuple(step for step in detail["loc"] if step != "[key]")
    context = detail.get("ctx", {})
    match detail["type"]:
        case "problem":
            return Flaw(path, context["what"], context["hint"])
        case "extra_forbidden":
            return Flaw(path, "no such key", did_you_mean(str(path[-1]), keys_at(model, path[:-1])))
        case "literal_error":
            choices = context["expected"].replace("'", '"')
            names = context["expected"].replace(" or ", ", ").replace("'", "").split(", ")
            near = nearest(str(detail["input"]), names) if len(names) > 1 else ""
            return Flaw(path, f"must be {choices}", f'did you mean "{near}"?' if near else "")
        case "string_pattern_mismatch":
            return Flaw(path, PATTERNS[context["pattern"]])
        case kind if kind in PLAIN_WORDS:
            return Flaw(path, PLAIN_WORDS[kind].format(**context))
    return Flaw(path, detail["msg"])


def keys_at(model: type[BaseModel], path: KeyPath) -> list[str]:
    """Name the keys that a table of the study file may have."""
    annotation: Any = model
    for step in path:
        annotation = bare(annotation)
        if isinstance(annotation, type) and issubclass(annotation, BaseModel):
            fields = annotation.model_fields
            by_key = {field.alias or name: field for name, field in fields.items()}
            if step not in by_key:
                return []
            annotation = by_key[str(step)].annotation
        else:
            annotation = annotation.__args__[-1 if isinstance(step, str) else 0]
    annotation = bare(annotation)
    if not (isinstance(annotation, type) and issubclass(annotation, BaseModel)):
        return []
    return [field.alias or name for name, field in annotation.model_fields.items()]
