"""What the journal knows of the exchange with the partner, for people: record and member ids."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from contextlib import closing
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from redcap_jobs.errors import UsageError
from redcap_jobs.grouped import grouped
from redcap_jobs.partner.answers import as_id
from redcap_jobs.plan import CALLS, Table
from redcap_jobs.state.journal import Journal
from redcap_jobs.state.journal_entry import IllegalTransition
from redcap_jobs.state.journal_evidence import settle
from redcap_jobs.state.partner_calls import (
    Confirmation,
    confirm,
    confirmed_records,
    entries_of_calls,
    record_of,
    unknown_calls,
)
from redcap_jobs.state.runs import last_good_run

if TYPE_CHECKING:
    from redcap_jobs.open_study import OpenStudy
    from redcap_jobs.state.journal_entry import Entry
    from redcap_jobs.state.scope import ProjectKey

RUN = "settled by hand"
JOBS = ("sync-agile", "poll-participants")
WORDS = {"enrol": "enrolment", "arm": "arm", "update": "update", "withdraw": "withdrawal"}


def overview(opened: OpenStudy, project: ProjectKey) -> tuple[list[Table], str]:
    """Return what waits for somebody, and a few lines that count everything and say what to type.

    What the last whole runs of both jobs told stands first, as they told it: most urgent first.
    """
    newest: dict[tuple[str, str], Entry] = {}
    for entry in entries_of_calls(opened.store, project, who(opened)):
        newest[entry.record, entry.message] = entry
    zone = ZoneInfo(opened.study.study.time_zone)
    waiting = [each for each in newest.values() if each.state == "unknown"]
    refused = [each for each in newest.values() if each.state == "rejected"]
    columns = ("record", "call", f"since ({zone.key})", "state", "what")
    tables = [told_by(opened, project, job, zone) for job in JOBS]
    tables += [
        Table(title, columns, tuple(row_of(each, zone) for each in several))
        for title, several in (
            ("Calls nobody knows about", waiting),
            ("Refused or not done", refused),
        )
    ]
    members = {
        entry.record
        for entry in newest.values()
        if (entry.message, entry.state) == ("enrol", "sent")
    }
    counts = Counter(
        CALLS[entry.message] if entry.state == "sent" else entry.state for entry in newest.values()
    )
    told = ", ".join(f"{count} {how}" for how, count in counts.items())
    confirmed = confirmed_records(opened.store, project)
    words = f"{project.words}: {len(members)} members; the last call of each kind: {told or 'none'}"
    words += f"; arms confirmed: {', '.join(confirmed)}" if confirmed else ""
    again = waiting_again(opened, project)
    words += f"; to be told again: {', '.join(again)}" if again else ""
    partner = opened.study.partner
    if waiting and partner is not None:
        words += (
            f"\nWhat nobody knows about is looked up by the next run {partner.settle_minutes} minutes "
            "after it was asked. To settle an enrolment that stays so: redcap-jobs partner settle STUDY "
            "RECORD --member ID, or --not-enrolled"
        )
    return [each for each in tables if each.rows], words


def waiting_again(opened: OpenStudy, project: ProjectKey) -> list[str]:
    """Return the records of which the partner is to be told once more, and was not yet."""
    from redcap_jobs.jobs.partner_history import UPDATE, history
    from redcap_jobs.state.partner_calls import partner_calls, told_again

    words = told_again(opened.store, project)
    if words.empty:
        return []
    known = history(partner_calls(opened.store, project), who(opened))
    return sorted(
        record
        for record, occurrence in words[["record", "occurrence"]].itertuples(index=False)
        if record in known and str(known[record].done[UPDATE]) == occurrence
    )


def tell_again(opened: OpenStudy, project: ProjectKey, record: str, reason: str, by: str) -> None:
    """Record that the partner is to be told once more what REDCap says of ``record``.

    Raises:
        UsageError: The record is no member, or the reason is blank.

    """
    from redcap_jobs.jobs.partner_history import UPDATE, history
    from redcap_jobs.state.partner_calls import FIELDS, member_of, partner_calls
    from redcap_jobs.state.reasons import checked

    if not member_of(opened.store, project, who(opened), record):
        raise UsageError(f"record {record} of {project.words} is no member; nothing to tell again")
    known = history(partner_calls(opened.store, project), who(opened))[record]
    word = Confirmation(record, str(known.done[UPDATE]), checked(reason), by, FIELDS)
    confirm(opened.store, project, [word])


def who(opened: OpenStudy) -> str:
    """Return whom the study's members are with. Raises StudyFileError without ``[partner]``."""
    from redcap_jobs.partner.desk import required

    return required(opened.study).who


def told_by(opened: OpenStudy, project: ProjectKey, job: str, zone: ZoneInfo) -> Table:
    """Return what the last whole run of a job told, with the records of each sentence."""
    run = last_good_run(opened.store, project, job)
    if run is None:
        return Table(job, ("what",), ())
    title = f"{job}, {run.started_at.astimezone(zone):%Y-%m-%d %H:%M} ({zone.key})"
    rows = tuple((each.whom(), each.what) for each in grouped(run.problems))
    return Table(title, ("record", "what"), rows)


def row_of(entry: Entry, zone: ZoneInfo) -> tuple[str, ...]:
    """Return one call as people read it."""
    at = f"{entry.last_sign.astimezone(zone):%Y-%m-%d %H:%M}"
    what = entry.note or (f"code {entry.code}" if entry.code else "")
    return (entry.record, WORDS.get(entry.message, entry.message), at, entry.state, what)


def settle_enrolment(
    opened: OpenStudy, project: ProjectKey, record: str, member: str | None, by: str
) -> None:
    """Record that a participant is ``member`` with the partner, or (None) is not enrolled there.

    Raises:
        UsageError: Nothing about this participant's enrolment is to be settled, or the member is
            somebody else's, or no member's id.

    """
    if member is not None:
        if not as_id(member):
            raise UsageError(f"--member {member!r}: no member's id; as the partner writes it")
        owner = record_of(opened.store, project, who(opened), member)
        if owner:
            raise UsageError(f"--member {member}: that is the member of record {owner} already")
    journal = Journal(opened.store, RUN)
    journal.recover()
    keys = [
        entry.key
        for entry in unknown_calls(opened.store, project, who(opened))
        if (entry.record, entry.message) == (record, "enrol")
    ]
    if not keys:
        raise UsageError(f"no enrolment of record {record} of {project.words} waits to be settled")
    try:
        settle(journal, keys[-1], "not_sent" if member is None else "sent", by, member or "")
    except IllegalTransition as error:
        raise UsageError(f"{record} cannot be settled so: {error}") from error


def refuse_stranger(opened: OpenStudy, project: ProjectKey, record: str, member: str) -> None:
    """Ask the partner whether a member is this participant: an id mistyped would count for ever.

    Raises:
        UsageError: The partner has no such member, or it has another study id.
        CredentialsError, GuardRefused, PartnerUnreachable: The partner cannot be asked.

    """
    from redcap_jobs.partner.answers import as_text
    from redcap_jobs.partner.desk import client_of

    client = client_of(opened.study, opened.credentials, project, opened.store.clock)
    if client is None:
        return
    with closing(client):
        found = client.member(member)
        if found is None:
            raise UsageError(f"--member {member}: the partner has no such member")
        if as_text(found.get(client.adapter.study_id)) != record:
            raise UsageError(
                f"--member {member}: the partner has it under another study id than {record}; have it "
                "corrected there first"
            )


def confirm_arm(
    opened: OpenStudy, project: ProjectKey, record: str, arm: str, reason: str, by: str
) -> None:
    """Record that ``record`` is rightly in ``arm`` now, as the partner names it.

    Raises:
        UsageError: There is no such arm, the record is no member, or the reason is blank.

    """
    from redcap_jobs.jobs.partner_history import arm_text
    from redcap_jobs.state.fingerprint import KEY_VARIABLE, Fingerprinter
    from redcap_jobs.state.partner_calls import member_of
    from redcap_jobs.state.reasons import checked

    partner = opened.study.partner
    known: Sequence[str] = ()
    if partner is not None and partner.arm is not None and partner.arm.values is not None:
        known = list(partner.arm.values.values())
    if arm not in known:
        raise UsageError(
            f"--arm {arm}: no such arm; the study file has {', '.join(known) or 'none'}"
        )
    if not member_of(opened.store, project, who(opened), record):
        raise UsageError(f"record {record} of {project.words} is no member; nothing to confirm")
    keyed = Fingerprinter(opened.credentials.get(KEY_VARIABLE)).one
    value = keyed(arm_text(arm), "partner")
    confirm(opened.store, project, [Confirmation(record, value, checked(reason), by)])
