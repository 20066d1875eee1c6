"""A person says that a record gets no more texts, or gets them again: the record and its phone."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from redcap_jobs.errors import GuardRefused, UsageError

if TYPE_CHECKING:
    from redcap_jobs.open_study import OpenStudy
    from redcap_jobs.state.scope import ProjectKey
    from redcap_jobs.state.stops import StopState


LAST_DAY = date(2999, 12, 31)


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
        UsageError: No reason or no record was given; or the project is a development copy of a
            production one, whose records of that name are somebody else.
        GuardRefused: Leave was given while a reply of this phone waits to be read.

    """
    from redcap_jobs.state.reasons import checked
    from redcap_jobs.state.stops import Stop, say
    from redcap_jobs.state.text_lists import phone_of_record

    why = checked(reason)
    refuse_copy(opened, project)
    known = is_known(opened, project, record)
    if not known:
        refuse_no_record(record, opened.study.study.region)
    phone = ""
    if project.mode == "production":  # a development text went to a phone of the study's own
        phone = phone_of_record(opened.store, project, record)
    if state == "allowed":
        refuse_unread(opened, record, phone)
    say(opened.store, opened.id, Stop("record", record, state, "person", why, by))
    if phone:
        say(opened.store, opened.id, Stop("phone", phone, state, "person", why, by))
    return Said(bool(phone), known)


def refuse_copy(opened: OpenStudy, project: ProjectKey) -> None:
    """Refuse a word about a development copy: stops and leave hold for the study's participants."""
    modes = {each.mode for each in opened.projects().values()}
    if project.mode != "production" and "production" in modes:
        raise UsageError(
            "stops hold for the participants of the production project, not for a copy of it: "
            "leave --token out, or name production's; nothing was changed"
        )


def refuse_no_record(record: str, region: str) -> None:
    """Refuse what is no record id, above all somebody's phone: it would be kept, and stop nobody."""
    from redcap_jobs.messaging.phone import BadPhone, e164
    from redcap_jobs.notify.logs import REDACT

    if not record or record != record.strip():
        raise UsageError("RECORD is blank or has a blank around it; give the record id as it is")
    if REDACT(record) != record or not isinstance(e164(record, region), BadPhone):
        raise UsageError(
            "RECORD looks like a phone or an address, and is kept nowhere: give the record id; "
            "REDCap's search finds it"
        )


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


def paused_until(opened: OpenStudy) -> date | None:
    """Return the last day of the pause that a person said, in the study's zone; None: there is none.

    A pause of the study file is another matter.
    """
    from redcap_jobs.state.schema import INSTANT_FORMAT
    from redcap_jobs.state.stops import stops_of

    standing = stops_of(opened.store, opened.id)
    ends = standing[(standing["scope"] == "study") & (standing["state"] == "paused")]["until"]
    if ends.empty:
        return None
    end = datetime.strptime(ends.iloc[-1], INSTANT_FORMAT).replace(tzinfo=UTC)
    return (end.astimezone(ZoneInfo(opened.study.study.time_zone)) - timedelta(seconds=1)).date()


def pause(opened: OpenStudy, until: date, reason: str, by: str) -> date | None:
    """Pause the texts of a study through a day of its zone; return the last day of the pause before.

    Raises:
        UsageError: That day is over or too far away, or no reason was given.

    """
    from redcap_jobs.state.reasons import checked
    from redcap_jobs.state.stops import WHOLE_STUDY, Stop, say

    zone = ZoneInfo(opened.study.study.time_zone)
    if until > LAST_DAY:
        raise UsageError(f"--until {until} is too far away; {LAST_DAY} is the last day")
    ends = datetime.combine(until + timedelta(days=1), time(), zone)
    if ends <= opened.store.clock.now():
        raise UsageError(f"--until {until} lies in the past, so nothing would be paused")
    stop = Stop("study", WHOLE_STUDY, "paused", "person", checked(reason), by, until=ends)
    before = paused_until(opened)
    say(opened.store, opened.id, stop)
    return before


def resume(opened: OpenStudy, by: str) -> bool:
    """End a pause; return whether there was one. A pause of the study file is not touched."""
    from redcap_jobs.state.stops import WHOLE_STUDY, Stop, say

    paused = paused_until(opened) is not None
    if paused:
        say(opened.store, opened.id, Stop("study", WHOLE_STUDY, "allowed", "person", "", by))
    return paused
