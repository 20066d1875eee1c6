"""What a token may do: which call, which form, which column of an export.

Recorded are the refusals of the API rights, of record deletion and of data access groups; those of
project design and user rights are worded after the latter (own answer).
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import date

from redcap_jobs.sandbox.context import Context
from redcap_jobs.sandbox.dictionary import Column, Field
from redcap_jobs.sandbox.members import Rights, User
from redcap_jobs.sandbox.parameters import Refusal

UNKNOWN_USER = "You do not have permissions to use the API"

EXPORT, IMPORT, DELETE = "api_export", "api_import", "record_delete"
DESIGN, USERS, GROUPS = "design", "user_rights", "data_access_groups"

MISSING_RIGHT = {
    EXPORT: "You do not have API Export privileges",
    IMPORT: "You do not have API Import/Update privileges",
    DELETE: "You do not have Delete Record privileges",
}
OTHER_RIGHT = "You do not have {} privileges"
"""For rights whose refusal is not recorded: own answer."""

SECOND_RIGHT = {
    DESIGN: "Project Design/Setup",
    USERS: "User Rights",
    GROUPS: "Data Access Groups",
}
INSUFFICIENT = (
    "Insufficient user privileges: You must have '{first}' privileges and '{second}' privileges in "
    "the project."
)

READ_ONLY = 2
"""Of user rights: they may be seen, not changed."""

FULL, DEIDENTIFIED, NO_IDENTIFIERS = 1, 2, 3
"""Codes of a form's export right; 0 is no access."""
EDIT_CODES = frozenset({1, 3})
MOMENTS = ("date", "time")


def require(rights: Rights, needed: Collection[str]) -> None:
    """Refuse a call for which rights are missing.

    User rights may be 2, to be read only: that is enough for an export, as the API help says.

    Raises:
        Refusal: 403 for API rights and deletion, 400 for a right that is needed beside them; the
            status of the latter is recorded for data access groups.

    """
    if not rights.allow(EXPORT) and not rights.allow(IMPORT):
        raise Refusal(403, UNKNOWN_USER)
    changing = IMPORT in needed
    for name in needed:
        level = rights.granted.get(name, 0)
        if level == 0 or (name == USERS and changing and level == READ_ONLY):
            raise refusal_for(name, changing=changing)


def refusal_for(name: str, *, changing: bool) -> Refusal:
    """Return the refusal of a call for want of one right."""
    if name in SECOND_RIGHT:
        first = "API Import/Update" if changing else "API Export"
        return Refusal(400, INSUFFICIENT.format(first=first, second=SECOND_RIGHT[name]))
    words = name.replace("_", " ").title()
    return Refusal(403, MISSING_RIGHT.get(name, OTHER_RIGHT.format(words)))


def expired(user: User, today: date) -> bool:
    """Tell whether a user's access has ended; the day of expiration is the first without it.

    What their token is answered then is not recorded: as a token nobody has (own answer).
    """
    return user.expiration is not None and user.expiration <= today


def editable(context: Context, form: str) -> bool:
    """Tell whether the token's user may edit a form: view and edit, or edit survey responses.

    That imports keep to it is this sandbox's own answer.
    """
    return context.rights.on_form(form) in EDIT_CODES


def exportable(context: Context, column: Column) -> bool:
    """Tell whether a column may leave in an export of the token's user.

    A form without export right loses all its columns (recorded). *Remove identifiers* drops fields
    tagged as such; *de-identified* besides them unvalidated text, notes, dates and times, and
    files (REDCap's words on the rights page). The record ID field always stays (own answer), if need be
    as a hash, see :mod:`~redcap_jobs.sandbox.export_hash`.
    """
    structure = context.structure
    if column.field == structure.record_id_field:
        return True
    code = context.rights.export_of(column.form)
    if code == FULL:
        return True
    field = structure.field_by_name.get(column.field)
    if code not in (DEIDENTIFIED, NO_IDENTIFIERS):
        return False
    if field is None:
        return True
    return not field.identifier and (code == NO_IDENTIFIERS or not could_identify(field))


def could_identify(field: Field) -> bool:
    """Tell whether a field that nobody tagged may still say who somebody is."""
    if field.type == "text":
        return not field.validation or field.validation.startswith(MOMENTS)
    return field.type in ("notes", "file")


def nothing_exportable(context: Context) -> bool:
    """Tell whether no form at all may be exported: then a data export is refused (API help)."""
    return all(context.rights.export_of(form.name) == 0 for form in context.structure.forms)
