"""ISMILE: the bundled study's project, in a production and a development copy.

A longitudinal trial of text messages to parents, two arms, five visits named in months after
baseline. The instruments are made for this sandbox; widths and contents are of no protocol.
"""

from __future__ import annotations

from datetime import date, datetime, time
from random import Random

from redcap_jobs.sandbox.dictionary import Field, parse_choices
from redcap_jobs.sandbox.ismile_participants import participants_store
from redcap_jobs.sandbox.project import SandboxProject, Settings
from redcap_jobs.sandbox.structure import Arm, Dag, Event, Form, Structure

TITLE = "ISMILE"
PRODUCTION_PID, DEVELOPMENT_PID = 3041, 3042
PRODUCTION_ENV, DEVELOPMENT_ENV = "REDCAP_API_ISMILE_PROD", "REDCAP_API_ISMILE_DEV"

ARMS = (Arm(1, "Oral Health Text (OHT)"), Arm(2, "Child Wellness Text (CWT)"))
VISIT_EVENTS = (
    ("baseline", "Baseline", 0),
    ("month_2", "Month 2", 61),
    ("month_4", "Month 4", 122),
    ("month_12", "Month 12", 365),
    ("month_24", "Month 24", 730),
)
"""Event, name, and the day offset that orders it on screen; Scheduling is off."""
DAGS = ("North Clinic", "South Clinic", "East Clinic", "West Clinic")

EVERYWHERE = tuple(event for event, _, _ in VISIT_EVENTS)
BASELINE = ("baseline",)
FORMS: dict[str, tuple[str, tuple[str, ...], bool]] = {
    "enrolment": ("Enrolment", BASELINE, False),
    "randomisation": ("Randomisation", BASELINE, False),
    "visit": ("Visit", EVERYWHERE, False),
    "exam": ("Dental Exam", ("baseline", "month_12", "month_24"), False),
    "parent_survey": ("Parent Survey", EVERYWHERE, True),
    "encuesta_padres": ("Encuesta Para Padres", EVERYWHERE, True),
    "off_study": ("Off Study", BASELINE, False),
    "texting": ("Texting", BASELINE, False),
    "partner": ("Texting Partner", BASELINE, False),
    "visit_tracking": ("Visit Tracking", EVERYWHERE, False),
    "message_log": ("Message Log", BASELINE, False),
}
"""Form → label, the visits it is filled at, whether it is a survey."""

YES_NO_SUGAR = "0, Never | 1, Some days | 2, Most days | 3, Every day"
NUNCA = "0, Nunca | 1, Algunos días | 2, Casi todos los días | 3, Todos los días"
STATES = (
    "not_applicable, Not applicable | completed_in_window, Completed in window | "
    "completed_early, Completed early | completed_late, Completed late | "
    "completed_undated, Completed, no date | completed_unclassified, Completed, no window | "
    "missed_recorded, Recorded as missed | not_applicable_off_study, Off study before the window | "
    "missed_before_off_study, Missed before going off study | "
    "off_study_in_window, Went off study in the window | not_scheduled, Not scheduled | "
    "upcoming, Upcoming | open, Open | overdue, Overdue | missed, Missed"
)
PARTNER_STATUSES = "1, Enrolled | 2, Active | 3, Completed | 4, Opted out | 5, Withdrawn"
LABELS_OF_REASONS = "1, Withdrew | 2, Lost to follow-up | 3, Moved away | 4, Died | 9, Other"
CONSENTS = "1, Study participation | 2, Dental exam of the child | 3, Text messages"

DICTIONARY: tuple[tuple[str, str, str, str, str], ...] = (
    ("enrolment", "record_id", "text", "Record ID", ""),
    ("enrolment", "enrol_date", "date", "Date of enrolment", ""),
    ("enrolment", "consent", "checkbox", "Consent given to", CONSENTS),
    ("enrolment", "part_first_name", "text!", "Parent's first name", ""),
    ("enrolment", "part_last_name", "text!", "Parent's last name", ""),
    ("enrolment", "part_mobile_number", "phone!", "Parent's mobile phone", ""),
    ("enrolment", "part_email", "email!", "Parent's e-mail address", ""),
    ("enrolment", "part_language", "radio", "Language", "1, English | 2, Spanish"),
    ("enrolment", "household_id", "text", "Household", ""),
    ("enrolment", "child_name", "text!", "Child's first name", ""),
    ("enrolment", "child_dob", "date", "Child's date of birth", ""),
    ("enrolment", "child_gender", "radio", "Child", "1, Girl | 2, Boy | 3, Prefer not to say"),
    ("enrolment", "anchor_date", "date", "Baseline date (anchor of all visits)", ""),
    ("enrolment", "protocol_version", "radio", "Protocol", "1, Original | 2, Amendment 1"),
    ("randomisation", "rand_group", "radio", "Randomised to", "1, OHT | 2, CWT"),
    ("randomisation", "rand_date", "date", "Date of randomisation", ""),
    ("visit", "visit_date", "date", "Date of the visit", ""),
    ("visit", "visit_missed", "yesno", "Was this visit missed?", ""),
    ("visit", "visit_missed_reason", "notes", "Why it was missed", ""),
    ("visit", "visit_skipped", "yesno", "Skipped per protocol?", ""),
    ("exam", "exam_done", "yesno", "Was the child examined?", ""),
    ("exam", "exam_dmfs", "integer", "Decayed, missing and filled surfaces", "0..88"),
    ("parent_survey", "brush_days", "integer", "On how many days were teeth brushed?", "0..7"),
    ("parent_survey", "fluoride", "yesno", "Was fluoride toothpaste used?", ""),
    ("parent_survey", "sugar_drinks", "radio", "How often sugary drinks?", YES_NO_SUGAR),
    (
        "encuesta_padres",
        "brush_days_es",
        "integer",
        "¿Cuántos días se cepilló los dientes?",
        "0..7",
    ),
    ("encuesta_padres", "fluoride_es", "yesno", "¿Usó pasta de dientes con flúor?", ""),
    ("encuesta_padres", "sugar_drinks_es", "radio", "¿Con qué frecuencia bebidas dulces?", NUNCA),
    ("off_study", "off_study", "yesno", "Off study?", ""),
    ("off_study", "off_study_date", "date", "Off study since", ""),
    ("off_study", "off_study_reason", "dropdown", "Why", LABELS_OF_REASONS),
    ("texting", "sms_opted_out", "yesno", "Asked to get no more texts", ""),
    ("texting", "sms_bad_number", "yesno", "The mobile number takes no texts", ""),
    ("partner", "ag_member_id", "text", "Agile Health member id", ""),
    ("partner", "ag_status", "dropdown", "Status with Agile Health", PARTNER_STATUSES),
    ("partner", "ag_opted_out", "yesno", "Opted out with Agile Health", ""),
    ("partner", "ag_opted_out_on", "date", "Opted out on", ""),
    ("partner", "ag_completed_on", "date", "Completed the texting programme on", ""),
    ("partner", "ag_program_week", "integer", "Week of the texting programme", "0..120"),
    ("partner", "ag_synced_at", "seconds", "Last changed by the job", ""),
    ("partner", "ag_error", "notes", "What went wrong", ""),
    ("visit_tracking", "vt_target", "date", "Target date", ""),
    ("visit_tracking", "vt_opens", "date", "Window opens", ""),
    ("visit_tracking", "vt_closes", "date", "Window closes", ""),
    ("visit_tracking", "vt_state", "dropdown", "State", STATES),
    ("visit_tracking", "vt_flags", "text", "Flags", ""),
    ("visit_tracking", "vt_days_from_target", "integer", "Days from target", ""),
    ("visit_tracking", "vt_last_timestamp", "seconds", "Last changed by the job", ""),
    ("visit_tracking", "vt_pending_visit", "text", "Pending visit", ""),
    ("message_log", "sms_key", "text", "Key", ""),
    ("message_log", "sms_kind", "text", "Kind", ""),
    ("message_log", "sms_occurrence", "integer", "Occurrence", ""),
    ("message_log", "sms_sid", "text", "Message SID", ""),
    ("message_log", "sms_status", "text", "Status", ""),
    ("message_log", "sms_error", "text", "Error", ""),
    ("message_log", "sms_queued_at", "seconds", "Queued at", ""),
    ("message_log", "sms_updated_at", "seconds", "Updated at", ""),
)
"""Form, field, kind (``!``: an identifier), label, choices or range."""

VALIDATIONS = {
    "date": "date_ymd",
    "seconds": "datetime_seconds_ymd",
    "integer": "integer",
    "phone": "phone",
    "email": "email",
}


def dictionary_field(form: str, name: str, kind: str, label: str, extra: str) -> Field:
    """Return one field of :data:`DICTIONARY`."""
    plain = kind.rstrip("!")
    minimum, _, maximum = extra.partition("..") if ".." in extra else ("", "", "")
    return Field(
        name,
        form,
        type="text" if plain in VALIDATIONS else plain,
        label=label,
        choices=parse_choices(extra) if "," in extra else (),
        validation=VALIDATIONS.get(plain, ""),
        minimum=minimum,
        maximum=maximum,
        identifier=kind.endswith("!"),
    )


def ismile_structure(first_event_id: int = 12041) -> Structure:
    """Return forms, fields, arms, events, mapping, repeating set-up and groups of ISMILE."""
    events = [
        Event(f"{event}_arm_{arm.number}", name, arm.number, day_offset=offset)
        for arm in ARMS
        for event, name, offset in VISIT_EVENTS
    ]
    return Structure(
        fields=tuple(dictionary_field(*row) for row in DICTIONARY),
        forms=tuple(Form(name, label, survey) for name, (label, _, survey) in FORMS.items()),
        arms=ARMS,
        events=tuple(
            Event(
                event.unique_name,
                event.name,
                event.arm,
                event.day_offset,
                event_id=first_event_id + place,
            )
            for place, event in enumerate(events)
        ),
        mapping=frozenset(
            (f"{visit}_arm_{arm.number}", form)
            for form, (_, visits, _) in FORMS.items()
            for visit in visits
            for arm in ARMS
        ),
        repeating={(f"baseline_arm_{arm.number}", "message_log"): "[sms_kind]" for arm in ARMS},
        dags=tuple(
            Dag(name, name.lower().replace(" ", "_"), 20 + place) for place, name in enumerate(DAGS)
        ),
    )


def ismile_projects(
    participants: int = 850, seed: int = 1, as_of: date | None = None
) -> list[SandboxProject]:
    """Return the production and the development copy, filled alike.

    The data depend on ``participants``, ``seed`` and ``as_of`` (default: today) only. Both copies
    start with equal data and then go their own ways.
    """
    as_of = as_of or datetime.now().astimezone().date()
    copies = (
        (PRODUCTION_PID, TITLE, PRODUCTION_ENV, True),
        (DEVELOPMENT_PID, f"{TITLE} (development)", DEVELOPMENT_ENV, False),
    )
    data = participants_store(participants, Random(seed), as_of)  # noqa: S311 - repeatable, no secret
    projects = []
    for place, (pid, title, env_name, in_production) in enumerate(copies):
        project = SandboxProject(
            pid,
            title,
            ismile_structure(12041 + 100 * place),
            Settings(in_production=in_production, surveys_enabled=True, randomization_enabled=True),
            created=datetime.combine(as_of, time(9)).replace(day=1),
            env_name=env_name,
        )
        project.store.current = data
        projects.append(project)
    return projects
