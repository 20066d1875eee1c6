"""What a first study file says about texts: all of it commented out, the guesses marked."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence

from redcap_jobs.redcap.project import Field, Project
from redcap_jobs.study.guesses import GuessedVisit

TODO = "# TO-DO:"
LINE = re.compile(r"(?m)^# (?=\[|\w+ = )")
"""How a line begins that is TOML but for its mark of a comment."""
ENDING = {"en": "Reply STOP to get no more texts.", "es": "Responda ALTO para no recibir mensajes."}


def participants_lines(project: Project | None) -> str:
    """Write the keys of ``[participants]`` that texts need."""
    event = on_first_event(project)
    mobile = guess(project, ("mobile", "cell", "phone")) or "part_mobile_number"
    name = guess(project, ("first_name", "given")) or "part_first_name"
    language = guess(project, ("language", "lang"), kinds=("radio", "dropdown"))
    field = project.fields[language] if project is not None and language else None
    codes = [each.code for each in field.choices] if field else ["1", "2"]
    pairs = zip(codes, ("en", "es"), strict=False)
    languages = ", ".join(f"{quoted(code)} = {quoted(each)}" for code, each in pairs)
    return f"""\
first_name = "{event}[{name}]"  {TODO} the field that texts greet by
mobile = "{event}[{mobile}]"  {TODO} the field that holds the phone
language = "{event}[{language or "part_language"}]"  {TODO} the field of the language of texts
languages = {{ {languages} }}  {TODO} the language of each of its choices
may_text = "{event}[consent(3)] = '1'"  {TODO} who agreed to texts; nobody else gets one
opted_out = "{event}[sms_opted_out] = '1'"
"""


def write_lines(project: Project | None) -> str:
    """Write the keys of ``[participants.write]`` about texts."""
    event = on_first_event(project)
    return f"""\
opted_out = "{event}[sms_opted_out]"
invalid_number = "{event}[sms_bad_number]"
"""


def texts_section(project: Project | None, visits: Sequence[GuessedVisit]) -> str:
    """Write every table about texts, with one survey: at the last of some visits, at least one."""
    first, last = visits[0], visits[-1]
    log_at = at = ""
    if project is None or project.is_longitudinal:
        log_at = f"at = {listed(first.events)}  {TODO} the event of the log, one per arm\n"
        at = f"at = {listed(last.events)}  {TODO} the survey's event, one per arm\n"
    return f"""\
[sender]
account_sid = "TWILIO_ACCOUNT_SID"
auth_token = "TWILIO_AUTH_TOKEN"
number = "TWILIO_NUMBER"

[messages]
hours = "09:00-20:00"  {TODO} the hours of texts, within 08:00-21:00 of the recipient's day
per_phone_per_day = 1
seconds_between = 1.05

[development]
recipients = ["TEXTS_TO_ME"]  {TODO} variables with phones of yours: development runs text them only

[message_log]
form = "message_log"
{log_at}
[message_log.write]
message_key = "sms_key"
message_kind = "sms_kind"
occurrence = "sms_occurrence"
sid = "sms_sid"
status = "sms_status"
error = "sms_error"
posted_at = "sms_queued_at"
updated_at = "sms_updated_at"

[defaults.surveys]
anchor = "baseline"
instrument = {{ en = "parent_survey", es = "encuesta_padres" }}  {TODO} the survey in each language
starts_on = 2026-01-01  {TODO} the first day: nothing due before it is ever sent
latest = {{ days = 21 }}  {TODO} so many days after its due date a survey is still asked for
remind = {{ days_apart = 3, count = 2 }}  {TODO} as in the protocol

[defaults.surveys.texts]  {TODO} the words, as your review board approved them
en = "Hi {{{{ first_name }}}}, it is time for your survey: {{{{ link }}}} {ENDING["en"]}"
es = "Hola {{{{ first_name }}}}, es hora de su encuesta: {{{{ link }}}} {ENDING["es"]}"

[defaults.surveys.reminder_texts]  {TODO} the words of reminders
en = "Hi {{{{ first_name }}}}, your survey is still open: {{{{ link }}}} {ENDING["en"]}"
es = "Hola {{{{ first_name }}}}, su encuesta sigue abierta: {{{{ link }}}} {ENDING["es"]}"

[[surveys]]
id = "{last.id}-survey"  {TODO} the survey's id; it never changes
{at}due = {{ {last.target or "months = 1"} }}  {TODO} as in the protocol
"""


def on_first_event(project: Project | None) -> str:
    """Write what stands before a field of the first event: nothing in a classic project."""
    return "" if project is not None and not project.is_longitudinal else "[first-event-name]"


def commented(section: str) -> str:
    """Put a ``#`` before every line; blank lines stay."""
    return "".join(
        f"# {line}" if line.strip() else line for line in section.splitlines(keepends=True)
    )


def uncommented(text: str) -> str:
    """Take the ``#`` away from the lines of a first study file that are TOML but for it."""
    return LINE.sub("", text)


def guess(
    project: Project | None, words: Iterable[str], kinds: Iterable[str] = ("text",)
) -> str | None:
    """Return the first field of some types whose name holds the earliest of some words."""
    if project is None:
        return None
    fields: list[Field] = [each for each in project.fields.values() if each.type in set(kinds)]
    found = (each.name for word in words for each in fields if word in each.name)
    return next(found, None)


def listed(events: Iterable[str]) -> str:
    """Write unique event names as a TOML list."""
    return "[" + ", ".join(quoted(event) for event in events) + "]"


def quoted(text: str) -> str:
    """Write text as a TOML string (JSON's strings are TOML's)."""
    return json.dumps(text, ensure_ascii=False)
