"""A person says that a record gets no more texts, or gets them again: the record and its phone."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from redcap_jobs.errors import GuardRefused, UsageError

if TYPE_CHECKING:
    from redcap_jobs.open_study import OpenStudy
    from redcap_jobs.state.scope import ProjectKey
    from redcap_jobs.state.stops import StopState


@dataclass(frozen=True)
class Said:
    """What was said about a record: whether its phone was known, and whether the record was."""

    phone: bool
    record: bool


def say_of_record(
    opened: OpenStudy, project: ProjectKey, record: str, state: StopState, reason: str, by: str
) -> Said:
    """Stop a record, or allow it again; so for the phone that its last text went to.

    Raises:
        UsageError: No reason was given.
        GuardRefused: Leave was given while a reply of this phone waits to be read.

    """
    from redcap_jobs.state.stops import Stop, say
    from redcap_jobs.state.text_lists import phone_of_record

    why = checked(reason)
    phone = ""
    if project.mode == "production":  # a development text went to a phone of the study's own
        phone = phone_of_record(opened.store, project, record)
    if state == "allowed":
        refuse_unread(opened, record, phone)
    say(opened.store, opened.id, Stop("record", record, state, "person", why, by))
    if phone:
        say(opened.store, opened.id, Stop("phone", phone, state, "person", why, by))
    return Said(bool(phone), is_known(opened, project, record))


def refuse_unread(opened: OpenStudy, record: str, phone: str) -> None:
    """Refuse leave for a phone with a reply that nobody has read: it may ask for the contrary."""
    from redcap_jobs.state.inbound import replies_to_read

    for reply in replies_to_read(opened.store, opened.id):
        if reply.phone_hash == phone or record in reply.records:
            raise GuardRefused(
                "reply",
                f"a reply of record {record} waits to be read and may ask for no more texts; read "
                f"it first: redcap-jobs messages read STUDY {reply.sid} --stop, or --keep",
            )


def is_known(opened: OpenStudy, project: ProjectKey, record: str) -> bool:
    """Tell whether the state knows anything of a record: a text, or a decision."""
    from redcap_jobs.state.decisions import decisions_of_record
    from redcap_jobs.state.journal_evidence import entries_of_record

    return bool(
        entries_of_record(opened.store, project, record)
        or next(iter(decisions_of_record(opened.store, project, record)), None)
    )


def checked(reason: str) -> str:
    """Return a reason on one line and redacted. Raises UsageError for a blank one."""
    from redcap_jobs.state.runs import one_line

    if not reason.strip():
        raise UsageError("--reason is blank; say in a few words why, without naming anybody")
    return one_line(reason)


def pause(opened: OpenStudy, until: date, reason: str, by: str) -> datetime:
    """Pause the texts of a study through a day of its time zone; return when that ends (aware).

    Raises:
        UsageError: That day is over, or no reason was given.

    """
    from redcap_jobs.state.stops import WHOLE_STUDY, Stop, say

    zone = ZoneInfo(opened.study.study.time_zone)
    ends = datetime.combine(until + timedelta(days=1), time(), zone)
    if ends <= opened.store.clock.now():
        raise UsageError(f"--until {until} lies in the past, so nothing would be paused")
    stop = Stop("study", WHOLE_STUDY, "paused", "person", checked(reason), by, until=ends)
    say(opened.store, opened.id, stop)
    return ends


def resume(opened: OpenStudy, by: str) -> bool:
    """End a pause; return whether there was one. A pause of the study file is not touched."""
    from redcap_jobs.state.stops import WHOLE_STUDY, Stop, say, stops_of

    standing = stops_of(opened.store, opened.id)
    paused = bool(((standing["scope"] == "study") & (standing["state"] == "paused")).any())
    if paused:
        say(opened.store, opened.id, Stop("study", WHOLE_STUDY, "allowed", "person", "", by))
    return paused
