"""Survey links and codes, and who may answer: ``surveyLink``, ``participantList`` and the like.

Recorded: lengths of the codes, the form of the links, columns and types of the participant list,
and the text for a record that does not exist. Links and codes are derived from the project's
secret: the same call always gives the same, and nobody guesses another's. The other texts are own
answers.
"""

from __future__ import annotations

import hmac
from collections.abc import Iterator, Mapping
from typing import NamedTuple

from redcap_jobs.sandbox.answers import Answer, Plain, Table
from redcap_jobs.sandbox.call_places import existing_record, form_place, stored_record
from redcap_jobs.sandbox.context import Context
from redcap_jobs.sandbox.dictionary import status_field
from redcap_jobs.sandbox.parameters import Refusal
from redcap_jobs.sandbox.project import SandboxProject
from redcap_jobs.sandbox.store import Record, RowKey
from redcap_jobs.sandbox.structure import Structure
from redcap_jobs.sandbox.structure_log import MANAGE, noted

NOT_A_SURVEY = "The instrument '{}' is not enabled as a survey"
NO_RETURN_CODE = "The survey '{}' does not allow participants to save and return later"
QUEUE_OFF = "Surveys are not enabled in this project"
LIST_COLUMNS = [
    "email",
    "email_occurrence",
    "identifier",
    "record",
    "invitation_sent_status",
    "invitation_send_time",
    "response_status",
    "survey_access_code",
    "survey_link",
]
CODE_SIGNS = "34789ACDEFHJKLMNPRTWXY"
"""Letters and digits that nobody takes for another."""
LINK_SIGNS = "34789ACDEFHJKLMNPRTWXYacdefhjkmnpqrtwxy"
CODE_TABLE, LINK_TABLE = (
    bytes(ord(signs[octet % len(signs)]) for octet in range(256))
    for signs in (CODE_SIGNS, LINK_SIGNS)
)
LINK_LENGTH, ACCESS_LENGTH, RETURN_LENGTH = 16, 9, 8
PARTIAL = "[not completed]"
COMPLETE = "2"
INSTANCES_AHEAD = 20
"""So many instances beyond a record's last one have a link: own limit, links are found by trying."""
TOO_FAR = 'The value of the parameter "repeat_instance" must not be greater than {}'


class Response(NamedTuple):
    """One survey of one record."""

    record: str
    key: RowKey
    form: str


def code_of(project: SandboxProject, use: str, length: int, *parts: object) -> str:
    """Return the code for a use of a survey response, or of a record's queue."""
    text = "\0".join(map(str, (project.pid, use, *parts)))
    digest = hmac.digest(project.secret.encode(), text.encode(), "sha256")
    signs = LINK_TABLE if use in ("link", "queue") else CODE_TABLE
    return digest[:length].translate(signs).decode()


def link_of(project: SandboxProject, public_url: str, response: Response) -> str:
    """Return the address of a survey response."""
    code = code_of(project, "link", LINK_LENGTH, response.record, *response.key, response.form)
    return f"{public_url}/surveys/?s={code}"


def queue_link_of(project: SandboxProject, public_url: str, record: str) -> str:
    """Return the address of a record's queue of surveys."""
    return f"{public_url}/surveys/?sq={code_of(project, 'queue', LINK_LENGTH, record)}"


def response_named(context: Context) -> Response:
    """Return the response that record, instrument, event and instance name; Refusal if none."""
    form = survey_named(context)
    record, key = existing_record(context), form_place(context, form)
    most = last_instance(context.project, record, key) + INSTANCES_AHEAD
    if key.instance > most:
        raise Refusal(400, TOO_FAR.format(most))
    return Response(record, key, form)


def last_instance(project: SandboxProject, record: str, like: RowKey) -> int:
    """Return the last stored instance of the form or event that repeats there; 0 for none."""
    rows = project.store.current.records.get(record, Record()).rows
    place = like.event, like.instrument
    return max((key.instance for key in rows if (key.event, key.instrument) == place), default=0)


def survey_named(context: Context) -> str:
    """Return the survey named by ``instrument``; Refusal if it is none."""
    name = context.parameters.text("instrument")
    if not any(form.name == name and form.survey for form in context.structure.forms):
        raise Refusal(400, NOT_A_SURVEY.format(name))
    return name


def survey_link(context: Context) -> Answer:
    """Answer ``content=surveyLink``: plain text."""
    response = response_named(context)
    note_about(context, "Export survey link (API)")
    return Plain(link_of(context.project, context.public_url, response))


def access_code(context: Context) -> Answer:
    """Answer ``content=surveyAccessCode``: nine signs."""
    record, key, form = response_named(context)
    note_about(context, "Export survey access code (API)")
    return Plain(code_of(context.project, "access", ACCESS_LENGTH, record, *key, form))


def return_code(context: Context) -> Answer:
    """Answer ``content=surveyReturnCode``: eight signs; needs *save and return* if that is told."""
    record, key, name = response_named(context)
    form = next(form for form in context.structure.forms if form.name == name)
    if form.survey_attributes.get("save_and_return", "1") == "0":
        raise Refusal(400, NO_RETURN_CODE.format(name))
    note_about(context, "Export survey return code (API)")
    return Plain(code_of(context.project, "return", RETURN_LENGTH, record, *key, name))


def queue_link(context: Context) -> Answer:
    """Answer ``content=surveyQueueLink``: plain text."""
    if not any(form.survey for form in context.structure.forms):
        raise Refusal(400, QUEUE_OFF)
    record = existing_record(context)
    note_about(context, "Export survey queue link (API)")
    return Plain(queue_link_of(context.project, context.public_url, record))


def note_about(context: Context, details: str) -> None:
    """Note a call about the record that it names; never the link or code itself."""
    record = stored_record(context)
    context.note("manage", MANAGE, details, context.parameters.text("record"), record.dag)


@noted("Export survey participant list (API)")
def participant_list(context: Context) -> Answer:
    """Answer ``content=participantList``: a row per record that can answer the survey there."""
    form = survey_named(context)
    key = form_place(context, form)
    return Table(LIST_COLUMNS, list(participants(context, form, key)), header_alone=True)


def participants(context: Context, form: str, key: RowKey) -> Iterator[list[str | int]]:
    """Yield the rows in the records' order.

    A record is in the list if it stands in the event's arm. Nobody is invited by e-mail from here:
    all invitations are "not sent".
    """
    project, snapshot = context.project, context.project.store.current
    structure = context.structure
    seen: dict[str, int] = {}
    for name in snapshot.ordered:
        record = snapshot.records[name]
        if not context.visible(record.dag) or not in_arm_of(structure, record, key.event):
            continue
        response = Response(name, key, form)
        email = email_of(context, record)
        seen[email] = seen.get(email, 0) + 1
        row = record.rows.get(key, {})
        yield [
            email,
            seen[email] if email else 1,
            row.get("redcap_survey_identifier", ""),
            name,
            0,
            "",
            response_status(row, form),
            code_of(project, "access", ACCESS_LENGTH, name, *key, form),
            link_of(project, context.public_url, response),
        ]


def response_status(row: Mapping[str, str], form: str) -> int:
    """Return 0 for no response, 1 for a partial one, 2 for a complete one.

    A form that is *Complete* without a time stamp counts as answered, too: imports cannot set the
    stamp (own answer).
    """
    stamp = row.get(f"{form}_timestamp", "")
    if stamp == PARTIAL:
        return 1
    return 2 if stamp or row.get(status_field(form)) == COMPLETE else 0


def in_arm_of(structure: Structure, record: Record, event: str) -> bool:
    """Tell whether a record has a row in the event's arm."""
    events = structure.event_by_name
    if event not in events:
        return True
    arms = {events[key.event].arm for key in record.rows if key.event in events}
    return events[event].arm in arms


def email_of(context: Context, record: Record) -> str:
    """Return the value of the project's designated e-mail field, wherever it stands first."""
    name = context.project.settings.survey_invitation_email_field
    return next((row[name] for row in record.rows.values() if row.get(name)), "") if name else ""


def find_response(project: SandboxProject, code: str) -> Response | None:
    """Return the response behind the code of a link; None if there is none."""
    given = code.encode(errors="replace")
    for response in all_responses(project):
        mine = code_of(project, "link", LINK_LENGTH, response.record, *response.key, response.form)
        if hmac.compare_digest(mine.encode(), given):
            return response
    return None


def find_queue(project: SandboxProject, code: str) -> str | None:
    """Return the record behind the code of a queue's link; None if there is none."""
    given = code.encode(errors="replace")
    for record in project.store.current.ordered:
        if hmac.compare_digest(code_of(project, "queue", LINK_LENGTH, record).encode(), given):
            return record
    return None


def all_responses(project: SandboxProject) -> Iterator[Response]:
    """Yield every response that a record has or could begin."""
    for record in project.store.current.ordered:
        yield from responses_of(project, record, INSTANCES_AHEAD)


def responses_of(project: SandboxProject, record: str, ahead: int) -> Iterator[Response]:
    """Yield one record's surveys, event by event, with ``ahead`` instances that are not begun."""
    structure = project.structure
    for event in structure.event_order:
        for form in structure.forms:
            if not form.survey or form.name not in structure.forms_on(event):
                continue
            instrument = form.name if structure.repeats(event, form.name) else ""
            if not instrument and not structure.event_repeats(event):
                yield Response(record, RowKey(event), form.name)
                continue
            last = last_instance(project, record, RowKey(event, instrument))
            for instance in range(1, last + ahead + 1):
                yield Response(record, RowKey(event, instrument, instance), form.name)


def queue_of(project: SandboxProject, record: str) -> list[Response]:
    """Return a record's queue: the surveys of its own arm, and the next one of what repeats."""
    stored = project.store.current.records.get(record, Record())
    return [
        one
        for one in responses_of(project, record, 1)
        if in_arm_of(project.structure, stored, one.key.event)
    ]
