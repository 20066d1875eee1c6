"""What a coordinator looks at first: texts nobody knows about, replies, refusals, not delivered.

Record ids, ids of texts and Twilio's words only; no phone, name or body.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from redcap_jobs.messaging.statuses import DELIVERY_UNKNOWN, NEVER_ARRIVED, is_open
from redcap_jobs.messaging.text_names import names_of, occurrence_words
from redcap_jobs.messaging.twilio_codes import reaction
from redcap_jobs.plan import NOTHING_HAPPENED, Table

if TYPE_CHECKING:
    from redcap_jobs.state.inbound import Reply
    from redcap_jobs.state.journal_entry import Entry

COLUMNS = ("text", "record", "message", "occurrence", "at", "Twilio", "SID")
LIST_COLUMNS = (
    *("record", "message", "occurrence", "attempt", "posted_at", "state", "twilio_status"),
    *("twilio_code", "meaning", "sid", "segments", "status_at", "settled_by", "run"),
)
"""One row per attempt: what an ethics board asks for."""

AFTER_REFUSAL = {
    "fix_account": "once it is corrected",
    "content": "once the text in the study file is corrected",
    "invalid_number": "once the number in REDCap is corrected",
}
AFTER_OTHERS = "if Twilio's console shows that nothing was sent"


@dataclass(frozen=True)
class Section:
    """One of the lists: its table, and below it what the codes mean and what to do, each once."""

    table: Table
    told: tuple[str, ...]


@dataclass(frozen=True)
class Desk:
    """How the lists name things: the study's time zone, and key → typed name."""

    zone: str
    names: Mapping[str, str]

    def at(self, instant: datetime) -> str:
        """Give an instant on the study's clock."""
        return f"{instant.astimezone(ZoneInfo(self.zone)):%Y-%m-%d %H:%M}"

    def row(self, entry: Entry) -> tuple[str, ...]:
        """Give COLUMNS for one text."""
        return (
            self.names[entry.key],
            entry.record,
            entry.message,
            occurrence_words(entry.occurrence),
            self.at(entry.last_sign),
            twilio_words(entry),
            entry.reference or "",
        )


def overview(
    entries: Sequence[Entry],
    replies: Sequence[Reply],
    *,
    zone: str,
    since: datetime,
    is_dead: Callable[[Entry], bool],
) -> list[Section]:
    """Give the four lists, in the order in which they matter; one without rows is left out.

    ``entries`` are the last attempts; ``since`` is how far back texts that did not arrive are
    listed. ``is_dead`` tells whether the run that posts an entry is gone. Commands in what is told
    name STUDY, to be completed.
    """
    desk = Desk(zone, names_of(entries))
    sections = (
        unknown_section([each for each in entries if is_unknown(each, is_dead)], desk),
        reply_section(replies, desk),
        refused_section([each for each in entries if is_refused(each)], desk),
        undelivered_section(
            [each for each in entries if never_arrived(each) and each.last_sign >= since],
            desk,
            since,
        ),
    )
    return [section for section in sections if section.table.rows]


def unknown_section(entries: Sequence[Entry], desk: Desk) -> Section:
    """List the texts of which nobody knows whether they went out."""
    told = (
        "They may have arrived: none is repeated by itself, each is looked up again by every run.",
        (
            "Look a text up in Twilio's console by its time and the record's phone, then: "
            "redcap-jobs messages settle STUDY TEXT --sent SID, or --not-sent"
        ),
    )
    title = "Nobody knows whether these went out"
    return Section(Table(title, COLUMNS, tuple(map(desk.row, entries))), told)


def reply_section(replies: Sequence[Reply], desk: Desk) -> Section:
    """List the replies that wait for a person, by record id."""
    rows = tuple(
        (reply.sid, ", ".join(reply.records) or "unknown", desk.at(reply.received_at))
        for reply in replies
    )
    told = (
        (
            "Read a reply in Twilio's console under its SID, then: "
            "redcap-jobs messages read STUDY SID --stop, or --keep"
        ),
    )
    title = "Replies to read; these phones get no text until then"
    return Section(Table(title, ("SID", "records", "at"), rows), told)


def refused_section(entries: Sequence[Entry], desk: Desk) -> Section:
    """List the texts that Twilio refused, and that a person may clear for another try."""
    command = "redcap-jobs messages settle STUDY TEXT --not-sent"
    steps = [
        f"{meaning(entry.code)} Then, {AFTER_REFUSAL.get(reaction(entry.code).kind, AFTER_OTHERS)}: "
        f"{command}"
        for entry in entries
    ]
    title = "Refused; nothing more is tried by itself"
    return Section(
        Table(title, COLUMNS, tuple(map(desk.row, entries))), tuple(dict.fromkeys(steps))
    )


def undelivered_section(entries: Sequence[Entry], desk: Desk, since: datetime) -> Section:
    """List the texts that did not arrive; nothing follows them by itself."""
    steps = [meaning(entry.code) for entry in entries]
    title = f"Not delivered since {desk.at(since)[:10]}; no reminder follows"
    return Section(
        Table(title, COLUMNS, tuple(map(desk.row, entries))), tuple(dict.fromkeys(steps))
    )


def is_unknown(entry: Entry, is_dead: Callable[[Entry], bool]) -> bool:
    """Tell whether nobody knows about a text: its answer was lost, or its run died posting it."""
    return entry.state == "unknown" or (entry.state == "posting" and is_dead(entry))


def is_refused(entry: Entry) -> bool:
    """Tell whether a text was refused, so that a person may clear it; opted-out ones stay."""
    final = entry.state == "rejected" and not entry.not_sent
    return final and reaction(entry.code).kind != "opted_out"


def never_arrived(entry: Entry) -> bool:
    """Tell whether a text did not reach the phone, for good."""
    opted_out = reaction(entry.code).kind == "opted_out" and not entry.not_sent
    failed = entry.state == "sent" and entry.status in NEVER_ARRIVED
    return failed or (entry.state == "rejected" and opted_out)


def twilio_words(entry: Entry) -> str:
    """Give Twilio's word on a text, with its code."""
    if entry.state in ("unknown", "posting"):
        return "no answer"
    word = "refused" if entry.state == "rejected" and not entry.reference else entry.status
    return f"{word} ({entry.code})" if entry.code else word or "accepted"


def meaning(code: str) -> str:
    """Give a code and what it means, in a sentence."""
    return f"{code or 'Without a code'}: {reaction(code).sentence}"


def summary(entries: Sequence[Entry]) -> str:
    """Say in one line how all texts stand."""
    told = Counter(word_of(entry) for entry in entries)
    told.pop("", None)
    if not told:
        return "no texts yet"
    words = ", ".join(f"{count} {word}" for word, count in told.most_common())
    return f"{told.total()} text{'' if told.total() == 1 else 's'}: {words}"


def word_of(entry: Entry) -> str:
    """Say in one word how a text stands; '' for one that nothing was done about yet."""
    if entry.state in NOTHING_HAPPENED:
        return ""
    if entry.state == "posting":
        return "being sent"
    if entry.state == "rejected":
        return "not sent, to be tried again" if entry.not_sent else "refused"
    if entry.state == "unknown":
        return "unknown"
    if entry.status == DELIVERY_UNKNOWN:
        return "without a receipt"
    return "under way" if is_open(entry.status) else entry.status


def attempt_rows(entries: Sequence[Entry], zone: str) -> Iterator[tuple[str, ...]]:
    """Give LIST_COLUMNS for each attempt; instants in ISO 8601 on the study's clock."""

    def iso(instant: datetime | None) -> str:
        if instant is None:
            return ""
        return instant.astimezone(ZoneInfo(zone)).isoformat(timespec="seconds")

    for entry in entries:
        yield (
            entry.record,
            entry.message,
            entry.occurrence,
            str(entry.attempt),
            iso(entry.posting_at),
            "not sent" if entry.not_sent else entry.state,
            entry.status,
            entry.code,
            reaction(entry.code).sentence if entry.code else "",
            entry.reference or "",
            str(entry.units),
            iso(entry.status_at),
            entry.settled_by,
            entry.run_id,
        )
