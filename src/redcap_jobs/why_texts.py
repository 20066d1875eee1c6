"""Why a record was texted or not: its texts with Twilio's word, what stops it, its next chance."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from redcap_jobs.messaging.lists import twilio_words
from redcap_jobs.messaging.text_names import occurrence_words
from redcap_jobs.messaging.twilio_codes import reaction
from redcap_jobs.plan import HINDERS, Table
from redcap_jobs.state.journal_entry import COUNTED

if TYPE_CHECKING:
    from redcap_jobs.state.decisions import Decision
    from redcap_jobs.state.journal_entry import Entry
    from redcap_jobs.state.scope import ProjectKey
    from redcap_jobs.state.store import Store
    from redcap_jobs.study.config import Study

JOB = "send-surveys"
WHEN = "%Y-%m-%d %H:%M"
NO_CHANCE = {
    "completed": "none: it is complete",
    "asked": "none",
    "undated": "once its anchor date is entered",
    "logged": "once the state knows its texts again: redcap-jobs state adopt",
    "before_start": "none: its date lies before starts_on",
    "too_late": "none: it is too late",
    "not_delivered": "none by itself; to send it again: redcap-jobs messages resend",
    "unknown": "once the last text is settled: redcap-jobs messages",
    "refused": "once the refusal is cleared: redcap-jobs messages",
}
LATER = ("upcoming", "waiting")
PASSES = ("outside the sending hours", "paused")
"""How reasons begin that pass by themselves."""
LAPSED = "lapsed in the pause"
"""How the reason begins of a text that is never made up for."""
SENT = "its text went out; the next run says what follows"


def journal_table(entries: Sequence[Entry], record: str, name: str) -> Table:
    """List what left the house for a record: texts, partner calls, mails."""
    rows = tuple(
        (
            entry.kind,
            entry.message,
            occurrence_words(entry.occurrence) if entry.kind == "text" else entry.occurrence,
            str(entry.attempt),
            entry.state,
            words_of(entry),
            entry.reference or "",
            f"{entry.last_sign:{WHEN}}",
            entry.note,
        )
        for entry in entries
    )
    columns = ("kind", "message", "occurrence", "attempt", "state", "answer", "id", "at (UTC)")
    return Table(f"Record {record} in {name}: journal", (*columns, "note"), rows)


def words_of(entry: Entry) -> str:
    """Give what the other side said of a call or text that it answered."""
    if entry.state not in ("sent", "rejected"):
        return ""
    return twilio_words(entry) if entry.kind == "text" else entry.code or entry.status


def codes_explained(entries: Sequence[Entry]) -> dict[str, str]:
    """Give each code of Twilio's that occurs with its sentence."""
    return {
        entry.code: reaction(entry.code).sentence
        for entry in entries
        if entry.code and entry.kind == "text"
    }


def stops_table(store: Store, study: Study, project: ProjectKey, record: str, name: str) -> Table:
    """List every word on the record, the phone of its last text and the study, and its replies."""
    from redcap_jobs.state.inbound import replies_to_read
    from redcap_jobs.state.stops import stops_of
    from redcap_jobs.state.text_lists import phone_of_record

    phone = phone_of_record(store, project, record)
    about = {("record", record), ("study", "")} | ({("phone", phone)} if phone else set())
    rows = [
        (row["scope"], row["state"], row["source"], row["reason"], minute(row["at"]), row["until"])
        for row in stops_of(store, study.study.id, project).to_dict("records")
        if (row["scope"], row["subject"]) in about
    ]
    shown = [(*row[:5], minute(row[5])) for row in rows]
    shown += [
        ("reply", "to read", "reply", reply.sid, f"{reply.received_at:{WHEN}}", "")
        for reply in replies_to_read(store, study.study.id)
        if record in reply.records
    ]
    columns = ("about", "state", "from", "because", "since (UTC)", "until (UTC)")
    return Table(f"Record {record} in {name}: stops", columns, tuple(shown))


def hindered(stops: Table) -> bool:
    """Tell whether a stops table holds anything that keeps texts away."""
    return any(state in (*HINDERS, "to read") for _, state, *_ in stops.rows)


def of_record(stops: Table) -> bool:
    """Tell whether a stops table holds more than words on the whole study."""
    return any(about != "study" for about, *_ in stops.rows)


def minute(instant: str) -> str:
    """Shorten an instant of a stops frame to the minute; '' stays."""
    return instant[:16].replace("T", " ")


def chances_table(
    decisions: Sequence[Decision],
    entries: Sequence[Entry],
    study: Study,
    record: str,
    name: str,
    *,
    stopped: bool,
    now: datetime,
) -> Table:
    """Say for each survey when it may be texted next, as far as the state knows."""
    done = {
        (entry.message, occurrence_words(entry.occurrence))
        for entry in entries
        if entry.state in COUNTED
    }
    rows = tuple(
        (
            each.subject,
            each.decision,
            SENT
            if (each.subject, each.reasons) in done
            else next_chance(each, study, stopped=stopped, now=now),
        )
        for each in decisions
        if each.job == JOB
    )
    columns = ("about", "decision", "next chance")
    return Table(f"Record {record} in {name}: next texts", columns, rows)


def next_chance(decision: Decision, study: Study, *, stopped: bool, now: datetime) -> str:
    """Say in words when a survey may be texted next; times are on the study's clock."""
    if decision.decision in NO_CHANCE:
        return NO_CHANCE[decision.decision]
    if stopped:
        return "once its stop is ended: redcap-jobs messages allow, or read"
    if decision.decision == "skipped" and decision.reasons.startswith(LAPSED):
        return f"none: {decision.reasons}"
    if decision.decision == "skipped" and not decision.reasons.startswith(PASSES):
        return f"once this is no longer so: {decision.reasons}"
    if decision.decision in LATER:
        return f"{decision.reasons}, within the sending hours" if decision.reasons else "not known"
    zone = study.study.time_zone
    start = after_pauses(study, now)
    opens = study.messages.hours.opens_next(start, zone) if study.messages else None
    if opens is None:
        return "none: [messages] hours are lacking"
    local = opens.astimezone(ZoneInfo(zone))
    return f"the next run from {local:{WHEN}} on, if nothing else speaks against it"


def after_pauses(study: Study, now: datetime) -> datetime:
    """Return the first aware instant from ``now`` on that no pause of the study file covers."""
    zone = ZoneInfo(study.study.time_zone)
    instant = now.astimezone(zone)
    for pause in sorted(study.pauses, key=lambda each: each.from_):
        if pause.from_ <= instant.date() <= pause.until:
            first = pause.until + timedelta(days=1)
            instant = datetime(first.year, first.month, first.day, tzinfo=zone)
    return instant
