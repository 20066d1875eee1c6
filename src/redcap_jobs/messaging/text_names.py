"""What people call a text instead of its key: ``RECORD/KIND/OCCURRENCE``, invitation, reminder."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from redcap_jobs.state.journal_entry import Entry

RESENT = 100
"""Occurrences above this were asked for by a person: 101 is the first text that was resent.

A number, since REDCap's log may keep the occurrence in a field that takes nothing else.
"""


def occurrence_words(occurrence: str) -> str:
    """Name an occurrence for a person."""
    if not occurrence.isdigit():
        return occurrence
    number = int(occurrence)
    if number > RESENT:
        return f"resend {number - RESENT}"
    return f"reminder {number}" if number else "invitation"


def short_name(entry: Entry) -> str:
    """Return the short name of a text, such as ``1001/m2-survey/0`` for an invitation."""
    return f"{entry.record}/{entry.message}/{entry.occurrence}"


def names_of(entries: Sequence[Entry]) -> dict[str, str]:
    """Return key → what a person may type: the short name, or the key where two share that."""
    owners: dict[str, set[str]] = {}
    for entry in entries:
        owners.setdefault(short_name(entry), set()).add(entry.key)
    return {
        entry.key: short_name(entry) if len(owners[short_name(entry)]) == 1 else entry.key
        for entry in entries
    }


def same_project(one: str, other: str) -> bool:
    """Tell whether two projects' names (``MODE:ID@URL``) mean one, wherever its server is now."""
    return one.partition("@")[0] == other.partition("@")[0]
