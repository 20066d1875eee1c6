"""The file repository: folders within folders, and the files in them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

TOP = 0
"""The folder id that stands for the top level; the API leaves it blank."""


@dataclass(frozen=True)
class Folder:
    """A folder; ``dag`` and ``role`` restrict it to a group or role ('' for everybody)."""

    folder_id: int
    name: str
    parent: int = TOP
    dag: str = ""
    role: str = ""


@dataclass(frozen=True)
class Document:
    """A file in a folder; ``key`` is that of :class:`~redcap_jobs.sandbox.stored_files.FileStore`."""

    doc_id: int
    name: str
    folder: int
    key: str


@dataclass(frozen=True)
class Repository:
    """All folders and documents by their ids; a change makes a new repository.

    Both are numbered in one row, and ``last_number`` is the last that was given: the number of what
    was deleted does not come again.
    """

    folders: Mapping[int, Folder] = field(default_factory=dict)
    documents: Mapping[int, Document] = field(default_factory=dict)
    last_number: int = 0
