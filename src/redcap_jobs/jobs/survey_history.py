"""What went out before, by participant and survey: from the journal, and from REDCap's own log.

Either memory is enough for a text to count as sent: a key that stands in REDCap's message log and
not in the journal (a state restored from a backup) is never sent again. An id that a survey had
before (``formerly``) and an event's older name count as the same.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime
from zoneinfo import ZoneInfo

import pandas as pd

from redcap_jobs.jobs.survey_due import LOGGED, UNKNOWN, Attempt
from redcap_jobs.messaging.keys import MessageKey
from redcap_jobs.messaging.text_names import same_project
from redcap_jobs.plan import NOTHING_HAPPENED


@dataclass(frozen=True)
class Sent:
    """One text that the journal or the log knows; ``at`` is None for one of the log only."""

    key: MessageKey
    attempt: int
    state: str
    status: str
    code: str
    not_sent: bool
    at: datetime | None
    phone_hash: str


@dataclass(frozen=True)
class History:
    """Everything that was sent, or may have been, to the participants of one project."""

    by_subject: Mapping[tuple[str, str], tuple[Sent, ...]]
    """(record, message id) → the last attempt of each key."""

    def attempts(self, record: str, ids: tuple[str, ...], zone: str) -> list[Attempt]:
        """Give the last attempt of each occurrence of one survey, on whichever event it was sent.

        ``ids`` are the survey's; dates are those of ``zone``. A person is asked for a survey on one
        event only: whose event was renamed, or who was moved to another arm, was asked all the same.
        """
        found: dict[int, Attempt] = {}
        for message in reversed(ids):
            for sent in self.by_subject.get((record, message), ()):
                if sent.key.occurrence.isdigit():
                    one = attempt_of(sent, zone)
                    found[one.occurrence] = weightier(found.get(one.occurrence), one)
        return list(found.values())

    def sent_since(self, phone_hash: str, since: datetime) -> int:
        """Count what went out, or may have, to one phone since an aware instant."""
        return sum(
            sent.phone_hash == phone_hash
            and sent.at is not None
            and sent.at >= since
            and sent.state in {"sent", "unknown", "posting"}
            for each in self.by_subject.values()
            for sent in each
        )


def history(messages: pd.DataFrame, logged: pd.DataFrame, project: str) -> History:
    """Give the history out of a messages frame and the rows of REDCap's log (record, key, sid).

    A record that was renamed in REDCap keeps its rows and they their keys, so a text counts for
    both names.
    """
    last: dict[str, Sent] = {}
    references: dict[str, set[str]] = {}
    for row in messages.sort_values("attempt", key=lambda each: each.astype("int64")).to_dict(
        "records"
    ):
        one = {str(name): str(value) for name, value in row.items()}
        references.setdefault(one["key"], set()).add(one["reference"])
        last[one["key"]] = Sent(
            MessageKey.parse(one["key"]),
            int(one["attempt"]),
            one["state"],
            one["status"],
            one["code"],
            one["not_sent"] == "true",
            datetime.fromisoformat(one["at"]) if one["at"] else None,
            one["phone_hash"],
        )
    for record, text, sid in zip(logged["record"], logged["key"], logged["sid"], strict=True):
        key = key_of(text, project)
        for each in () if key is None else (key, replace(key, record=record)):
            name = str(each)
            if name not in last or sent_elsewhere(last[name], sid, references.get(name, ())):
                at = last[name].at if name in last else None
                last[name] = Sent(each, 1, LOGGED, "", "", not_sent=False, at=at, phone_hash="")
    by_subject: dict[tuple[str, str], list[Sent]] = {}
    for sent in last.values():
        by_subject.setdefault((sent.key.record, sent.key.message), []).append(sent)
    return History({subject: tuple(each) for subject, each in by_subject.items()})


def sent_elsewhere(known: Sent, sid: str, references: Collection[str]) -> bool:
    """Tell whether the log speaks of a later text than a journal that says nothing went out.

    So it is where the state was restored from a backup: the log has a SID that the journal lacks,
    or a row although nothing of this key was ever written back.
    """
    untouched = known.state in NOTHING_HAPPENED
    if not untouched and not (known.state == "rejected" and known.not_sent):
        return False
    return sid not in references if sid else untouched and known.attempt == 1


def key_of(text: str, project: str) -> MessageKey | None:
    """Read a key of the log; None for one of another project (a copy) or what is no key.

    A key from before the server had its present address is the project's own.
    """
    try:
        key = MessageKey.parse(text)
    except ValueError:
        return None
    return replace(key, project=project) if same_project(key.project, project) else None


def attempt_of(sent: Sent, zone: str) -> Attempt:
    """Give an attempt with its date in the participant's zone."""
    at = sent.at or datetime.fromisoformat("1970-01-01T00:00:00+00:00")
    on = at.astimezone(ZoneInfo(zone)).date()
    return Attempt(int(sent.key.occurrence), sent.state, sent.status, sent.not_sent, on, sent.at)


def weightier(one: Attempt | None, other: Attempt) -> Attempt:
    """Of two attempts of one occurrence under different names give the one that decides.

    One of which nobody knows outweighs all, then what went out, then what was refused; of two
    alike the later, whichever is told first.
    """
    return other if one is None else max(one, other, key=weight)


def weight(one: Attempt) -> tuple[int, bool, date, str]:
    """Say how much an attempt counts beside another of its occurrence."""
    states = ("rejected", "sent", LOGGED, *sorted(UNKNOWN))
    place = 0 if one.is_free or one.state not in states else 1 + states.index(one.state)
    return place, one.arrived, one.on, one.status
