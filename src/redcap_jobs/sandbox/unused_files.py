"""Uploaded files that nothing names any more: they are taken away, and from the disk, too."""

from __future__ import annotations

from collections.abc import Iterable

from redcap_jobs.sandbox.project import SandboxProject
from redcap_jobs.sandbox.store import Record


def values_of(record: Record | None) -> frozenset[str]:
    """Return all stored values of a record, those of file fields among them."""
    rows = () if record is None else record.rows.values()
    return frozenset(value for row in rows for value in row.values())


def drop_unused(project: SandboxProject, keys: Iterable[str]) -> None:
    """Take those of these files away that neither a record nor the file repository names.

    Values that are no file's key are passed over. No upload comes between the look and the
    deletion: uploads hold one of the two locks from keeping the bytes to naming them.
    """
    candidates = project.files.all().keys() & frozenset(keys)
    if not candidates:
        return
    with project.lock, project.store.writing(None):
        unused = candidates - {one.key for one in project.repository.documents.values()}
        for record in project.store.current.records.values():
            for row in record.rows.values():
                if not unused:
                    return
                if not unused.isdisjoint(row.values()):
                    unused -= set(row.values())
        project.files.drop(unused)
