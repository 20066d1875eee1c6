"""The table of calls: content and action → the function that answers, and the right it needs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date

from redcap_jobs.sandbox import (
    dag_calls,
    file_calls,
    log_calls,
    metadata_import,
    pdf_calls,
    people_calls,
    project_settings,
    project_xml,
    records_delete,
    records_export,
    records_import,
    records_rename,
    report_calls,
    repository_calls,
    role_calls,
    structure_calls,
    structure_import,
    survey_calls,
)
from redcap_jobs.sandbox.answers import Answer
from redcap_jobs.sandbox.context import Context
from redcap_jobs.sandbox.members import Rights, User
from redcap_jobs.sandbox.parameters import Parameters, Refusal
from redcap_jobs.sandbox.project import SandboxProject
from redcap_jobs.sandbox.rights import (
    DELETE,
    DESIGN,
    EXPORT,
    GROUPS,
    IMPORT,
    UNKNOWN_USER,
    USERS,
    expired,
    require,
)

NO_CONTENT = 'The value of the parameter "content" is not valid'
NOT_IMPLEMENTED = "The requested method is not implemented."
REPOSITORY = "file_repository"


@dataclass(frozen=True)
class Call:
    """One method of the API: the function that answers, and the rights without which it does not."""

    answer: Callable[[Context], Answer]
    rights: tuple[str, ...] = (EXPORT,)


CALLS: dict[tuple[str, str], Call] = {
    ("project", "export"): Call(structure_calls.project_info),
    ("project_xml", "export"): Call(project_xml.export_project_xml),
    ("version", "export"): Call(structure_calls.version),
    ("metadata", "export"): Call(structure_calls.metadata),
    ("instrument", "export"): Call(structure_calls.instruments),
    ("exportFieldNames", "export"): Call(structure_calls.export_field_names),
    ("arm", "export"): Call(structure_calls.arms),
    ("event", "export"): Call(structure_calls.events),
    ("formEventMapping", "export"): Call(structure_calls.form_event_mapping),
    ("repeatingFormsEvents", "export"): Call(structure_calls.repeating_forms_events),
    ("arm", "import"): Call(structure_import.arms_import, (IMPORT, DESIGN)),
    ("arm", "delete"): Call(structure_import.arms_delete, (DELETE, IMPORT, DESIGN)),
    ("event", "import"): Call(structure_import.events_import, (IMPORT, DESIGN)),
    ("event", "delete"): Call(structure_import.events_delete, (DELETE, IMPORT, DESIGN)),
    ("metadata", "import"): Call(metadata_import.import_metadata, (IMPORT, DESIGN)),
    ("formEventMapping", "import"): Call(
        structure_import.import_form_event_mapping, (IMPORT, DESIGN)
    ),
    ("repeatingFormsEvents", "import"): Call(structure_import.import_repeating, (IMPORT, DESIGN)),
    ("project_settings", "import"): Call(project_settings.import_settings, (IMPORT, DESIGN)),
    ("user", "export"): Call(people_calls.export_users, (EXPORT, USERS)),
    ("user", "import"): Call(people_calls.import_users, (IMPORT, USERS)),
    ("user", "delete"): Call(people_calls.delete_users, (DELETE, IMPORT, USERS)),
    ("userRole", "export"): Call(role_calls.export_roles, (EXPORT, USERS)),
    ("userRole", "import"): Call(role_calls.import_roles, (IMPORT, USERS)),
    ("userRole", "delete"): Call(role_calls.delete_roles, (DELETE, IMPORT, USERS)),
    ("userRoleMapping", "export"): Call(role_calls.export_assignments, (EXPORT, USERS)),
    ("userRoleMapping", "import"): Call(role_calls.import_assignments, (IMPORT, USERS)),
    ("dag", "export"): Call(dag_calls.export_dags, (EXPORT, GROUPS)),
    ("dag", "import"): Call(dag_calls.import_dags, (IMPORT, GROUPS)),
    ("dag", "delete"): Call(dag_calls.delete_dags, (DELETE, IMPORT, GROUPS)),
    ("dag", "switch"): Call(dag_calls.switch_dag, (IMPORT,)),
    ("userDagMapping", "export"): Call(dag_calls.export_assignments, (EXPORT, GROUPS)),
    ("userDagMapping", "import"): Call(dag_calls.import_assignments, (IMPORT, GROUPS)),
    ("generateNextRecordName", "export"): Call(structure_calls.next_record_name),
    ("record", "export"): Call(records_export.export_records),
    ("record", "import"): Call(records_import.import_records, (IMPORT,)),
    ("record", "delete"): Call(records_delete.delete_records, ("record_delete",)),
}
CALLS |= {
    ("record", "rename"): Call(records_rename.rename_record, ("record_rename", IMPORT)),
    ("record", "randomize"): Call(records_rename.randomize_record, ("random_perform", IMPORT)),
    ("file", "export"): Call(file_calls.export_file),
    ("file", "import"): Call(file_calls.import_file, (IMPORT,)),
    ("file", "delete"): Call(file_calls.delete_file, (IMPORT,)),
    ("fileRepository", "createFolder"): Call(repository_calls.create_folder, (IMPORT, REPOSITORY)),
    ("fileRepository", "list"): Call(repository_calls.list_folder, (EXPORT, REPOSITORY)),
    ("fileRepository", "export"): Call(repository_calls.export_document, (EXPORT, REPOSITORY)),
    ("fileRepository", "import"): Call(repository_calls.import_document, (IMPORT, REPOSITORY)),
    ("fileRepository", "delete"): Call(repository_calls.delete_document, (IMPORT, REPOSITORY)),
    ("surveyLink", "export"): Call(survey_calls.survey_link),
    ("surveyAccessCode", "export"): Call(survey_calls.access_code),
    ("surveyReturnCode", "export"): Call(survey_calls.return_code),
    ("surveyQueueLink", "export"): Call(survey_calls.queue_link),
    ("participantList", "export"): Call(
        survey_calls.participant_list, (EXPORT, "manage_survey_participants")
    ),
    ("pdf", "export"): Call(pdf_calls.export_pdf),
    ("log", "export"): Call(log_calls.export_log, (EXPORT, "logging")),
    ("report", "export"): Call(report_calls.export_report, (EXPORT, "reports")),
}
CONTENTS = frozenset(content for content, _ in CALLS)


def action_of(parameters: Parameters) -> str:
    """Return the action: as named, else import where ``data`` was sent, else export."""
    named = parameters.text("action")
    return named or ("import" if parameters.given("data") else "export")


def find_call(parameters: Parameters, rights: Rights) -> Call:
    """Return the call that was asked for.

    Raises:
        Refusal: Unknown content (400), unknown action (501), or a missing right, see ``rights``.

    """
    content = parameters.text("content")
    if content not in CONTENTS:
        raise Refusal(400, NO_CONTENT)
    call = CALLS.get((content, action_of(parameters)))
    if call is None:
        raise Refusal(501, NOT_IMPLEMENTED)
    require(rights, call.rights)
    return call


def find_user(
    projects: list[SandboxProject], token: str, today: date
) -> tuple[SandboxProject, User]:
    """Return the project and user behind a token.

    Raises:
        Refusal: Nobody has that token, or their access has expired. Recorded servers answer 403
            (the help page says 401).

    """
    for project in projects:
        members = project.members
        if token in members.tokens:
            user = members.users[members.tokens[token]]
            if expired(user, today):
                break
            return project, user
    raise Refusal(403, UNKNOWN_USER)
