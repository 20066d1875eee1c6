"""The key under which the journal knows a text: what is sent to whom, never when."""

from __future__ import annotations

from dataclasses import astuple, dataclass
from urllib.parse import quote, unquote

BETWEEN = "|"
AS_WRITTEN = " :@/"
"""Kept as it is: the parts stay readable in lists, and a project is ``mode:id@url``."""


@dataclass(frozen=True, order=True)
class MessageKey:
    """One text to be sent at most once; ``str()`` is its stable form in the journal and in REDCap.

    ``project`` is the project's name in the state (mode, id and address), ``message`` the id in
    the study file, ``event`` and ``instance`` '' where they do not apply, ``occurrence`` '0' for
    an invitation and n for the n-th reminder.
    """

    project: str
    message: str
    record: str
    event: str = ""
    instance: str = ""
    occurrence: str = ""

    def __str__(self) -> str:
        return BETWEEN.join(quote(part, safe=AS_WRITTEN) for part in astuple(self))

    @classmethod
    def parse(cls, text: str) -> MessageKey:
        """Read back what ``str()`` wrote. Raises ValueError for anything else.

        A second spelling of a key would be a second text, so only the one spelling is read.
        """
        parts = text.split(BETWEEN)
        if len(parts) == len(cls.__dataclass_fields__):
            key = cls(*map(unquote, parts))
            if str(key) == text:
                return key
        raise ValueError(
            f"{text!r} is no message key; expected six parts joined by |: project, message, "
            "record, event, instance, occurrence"
        )
