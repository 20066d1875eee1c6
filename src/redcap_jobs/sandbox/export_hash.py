"""Record names that an export must not tell: a hash stands in their place.

Recorded (REDCapR issues 74 and 75): with a de-identified export right, a record ID field that is
tagged as an identifier comes as 32 signs, which ``records`` does not find again. Own answers: that
it is the right to the record ID's own form which counts, and how the hash is made.
"""

from __future__ import annotations

import hmac
from collections.abc import Iterable, Iterator
from dataclasses import replace
from functools import cache

from redcap_jobs.sandbox.context import Context
from redcap_jobs.sandbox.export_rows import ExportRow
from redcap_jobs.sandbox.project import SandboxProject
from redcap_jobs.sandbox.rights import DEIDENTIFIED

HASH_LENGTH = 32


def as_shown(context: Context, rows: Iterable[ExportRow]) -> Iterable[ExportRow]:
    """Return the rows under the names that the token's user may see."""
    return hashed_rows(context.project, rows) if names_are_hidden(context) else rows


def names_are_hidden(context: Context) -> bool:
    """Tell whether records are shown to the token's user under a hash only."""
    field = context.structure.field_by_name[context.structure.record_id_field]
    return field.identifier and context.rights.export_of(field.form) == DEIDENTIFIED


def hashed_rows(project: SandboxProject, rows: Iterable[ExportRow]) -> Iterator[ExportRow]:
    """Yield the rows with a hash for each record's name."""
    named = cache(lambda record: record_hash(project, record))
    for row in rows:
        yield replace(row, record=named(row.record))


def record_hash(project: SandboxProject, record: str) -> str:
    """Return the hash of a record's name: always the same in a project, another in each project."""
    text = f"{project.pid}\0record\0{record}"
    digest = hmac.digest(project.secret.encode(), text.encode(errors="surrogatepass"), "sha256")
    return digest.hex()[:HASH_LENGTH]
