"""The nearest right name, for whoever mistyped one."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

FEW = 6


def nearest(name: str, known: Iterable[str]) -> str | None:
    """Return the known name most like ``name``, capitals aside, or None if none comes near."""
    by_folded = {each.casefold(): each for each in sorted(known)}
    near = difflib.get_close_matches(name.casefold(), list(by_folded), n=1)
    return by_folded[near[0]] if near else None


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """Return a hint: the nearest known name; else all of them where they are few; else ''."""
    names = sorted(set(known))
    near = nearest(name, names)
    if near:
        return f'did you mean "{near}"?'
    return f"known: {', '.join(names)}" if 0 < len(names) <= FEW else ""
