"""Where recorded servers differ from each other: switches of this one."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields

from redcap_jobs.errors import UsageError


def switch(meaning: str) -> bool:
    """Return a dataclass field that is off, with what switching it on means."""
    off: bool = field(default=False, metadata={"meaning": meaning})
    return off


@dataclass(frozen=True)
class Behaviour:
    """Each switch is off in the server that most recordings show."""

    strict_arrays: bool = switch(
        "comma lists (records=1,2) are refused: arrays only, as one release of 2023 did"
    )
    refusals_name_event: bool = switch(
        "a refused value is said to be of 'record (event)' instead of 'record', as before 2018"
    )
    delete_logging: bool = switch(
        "projects have the administrator's setting that lets delete_logging=1 take the log of a "
        "deleted record along"
    )


MEANINGS: Mapping[str, str] = {one.name: one.metadata["meaning"] for one in fields(Behaviour)}
"""Switch → what it does when it is on."""


def behaviour_of(names: Iterable[str]) -> Behaviour:
    """Return the behaviour with these switches on.

    Raises:
        UsageError: There is no such switch.

    """
    wanted = dict.fromkeys(names, True)
    unknown = [name for name in wanted if name not in MEANINGS]
    if unknown:
        raise UsageError(f"no behaviour {unknown[0]!r}; there are {', '.join(MEANINGS)}")
    return Behaviour(**wanted)
