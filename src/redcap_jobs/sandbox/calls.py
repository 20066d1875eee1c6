"""The table of calls: content and action → the function that answers, and the right it needs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from redcap_jobs.sandbox import (
    records_delete,
    records_export,
    records_import,
    structure_calls,
    structure_import,
)
from redcap_jobs.sandbox.answers import Answer
from redcap_jobs.sandbox.context import Context
from redcap_jobs.sandbox.members import Rights, User
from redcap_jobs.sandbox.parameters import Parameters, Refusal
from redcap_jobs.sandbox.project import SandboxProject

UNKNOWN_USER = "You do not have permissions to use the API"
NO_CONTENT = 'The value of the parameter "content" is not valid'
NOT_IMPLEMENTED = "The requested method is not implemented."

MISSING_RIGHT = {
    "api_export": "You do not have API Export privileges",
    "api_import": "You do not have API Import/Update privileges",
    "record_delete": "You do not have Delete Record privileges",
}
OTHER_RIGHT = "You do not have {} privileges"
"""For rights whose refusal is not recorded: this sandbox's own words."""

EXPORT, IMPORT = "api_export", "api_import"


@dataclass(frozen=True)
class Call:
    """One method of the API: the function that answers, and the rights without which it does not."""

    answer: Callable[[Context], Answer]
    rights: tuple[str, ...] = (EXPORT,)


CALLS: dict[tuple[str, str], Call] = {
    ("project", "export"): Call(structure_calls.project_info),
    ("version", "export"): Call(structure_calls.version),
    ("metadata", "export"): Call(structure_calls.metadata),
    ("instrument", "export"): Call(structure_calls.instruments),
    ("exportFieldNames", "export"): Call(structure_calls.export_field_names),
    ("arm", "export"): Call(structure_calls.arms),
    ("event", "export"): Call(structure_calls.events),
    ("formEventMapping", "export"): Call(structure_calls.form_event_mapping),
    ("repeatingFormsEvents", "export"): Call(structure_calls.repeating_forms_events),
    ("metadata", "import"): Call(structure_import.import_metadata, (IMPORT,)),
    ("formEventMapping", "import"): Call(structure_import.import_form_event_mapping, (IMPORT,)),
    ("generateNextRecordName", "export"): Call(structure_calls.next_record_name),
    ("record", "export"): Call(records_export.export_records),
    ("record", "import"): Call(records_import.import_records, (IMPORT,)),
    ("record", "delete"): Call(records_delete.delete_records, ("record_delete",)),
}
CONTENTS = frozenset(content for content, _ in CALLS)


def action_of(parameters: Parameters) -> str:
    """Return the action: as named, else import where ``data`` was sent, else export."""
    named = parameters.text("action")
    return named or ("import" if parameters.given("data") else "export")


def find_call(parameters: Parameters, rights: Rights) -> Call:
    """Return the call that was asked for.

    Raises:
        Refusal: Unknown content (400), unknown action (501), or a missing right (403).

    """
    content = parameters.text("content")
    if content not in CONTENTS:
        raise Refusal(400, NO_CONTENT)
    call = CALLS.get((content, action_of(parameters)))
    if call is None:
        raise Refusal(501, NOT_IMPLEMENTED)
    for right in call.rights:
        if not rights.allow(right):
            words = right.replace("_", " ").title()
            raise Refusal(403, MISSING_RIGHT.get(right, OTHER_RIGHT.format(words)))
    return call


def find_user(projects: list[SandboxProject], token: str) -> tuple[SandboxProject, User]:
    """Return the project and user behind a token.

    Raises:
        Refusal: Nobody has that token. Recorded servers answer 403 (the help page says 401).

    """
    for project in projects:
        members = project.members
        if token in members.tokens:
            return project, members.users[members.tokens[token]]
    raise Refusal(403, UNKNOWN_USER)
