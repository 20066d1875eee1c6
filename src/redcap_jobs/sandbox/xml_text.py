"""XML as REDCap writes it by hand: attributes in their order, quotes as entities."""

from __future__ import annotations

from collections.abc import Mapping

QUOTED = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "'": "&#039;"})
"""Line breaks stay as they are, as recorded: readers of REDCap's files have to keep them."""


def quoted(value: str) -> str:
    """Return a text as an attribute's value."""
    return value.translate(QUOTED)


def element(name: str, attributes: Mapping[str, str], *, closed: bool = False) -> str:
    """Return an element's beginning, or with ``closed`` all of it."""
    written = "".join(f' {key}="{quoted(value)}"' for key, value in attributes.items())
    return f"<{name}{written}/>" if closed else f"<{name}{written}>"
