"""Which text of a survey is due: the invitation or one of its reminders, and on which day.

The question is always "what is due and not done", never "what happens now": a missed run catches
up, a second run does nothing. After an outage only the latest due text goes out; those before it
are superseded. Reminders count from the text that was last accepted and not undelivered; nothing
follows one of which nobody knows whether it went out.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Literal, TypeAlias

from redcap_jobs.messaging.statuses import NEVER_ARRIVED
from redcap_jobs.messaging.text_names import RESENT, occurrence_words
from redcap_jobs.plan import NOTHING_HAPPENED
from redcap_jobs.study.texts_config import Survey

Decision: TypeAlias = Literal[
    "completed",
    "undated",
    "before_start",
    "upcoming",
    "due",
    "waiting",
    "asked",
    "logged",
    "too_late",
    "unknown",
    "refused",
    "not_delivered",
]
LOGGED = "logged"
"""State of a text that only REDCap's message log remembers: nothing follows it by itself."""
UNKNOWN = frozenset({"unknown", "posting"})
SETTLE_FIRST = "nobody knows whether the last text went out; settle it first"
NOT_IN_STATE = (
    "it stands in REDCap's message log and not in the state: redcap-jobs state adopt reads it there"
)
MAY_BE_REPEATED = frozenset({"asked", "logged", "waiting", "not_delivered"})
"""Decisions after which a person may have a text sent once more."""


@dataclass(frozen=True)
class Attempt:
    """The last attempt of one occurrence; ``on`` is its date where the participant is.

    ``at`` is the aware instant of its post, else of its claim; None where nobody knows.
    """

    occurrence: int
    state: str
    status: str
    not_sent: bool
    on: date
    at: datetime | None = None

    @property
    def is_free(self) -> bool:
        """Tell whether nothing went out, so that this occurrence may still be sent."""
        return self.state in NOTHING_HAPPENED or (self.state == "rejected" and self.not_sent)

    @property
    def arrived(self) -> bool:
        """Tell whether it was accepted and nothing says that it did not arrive."""
        return self.state == "sent" and self.status not in NEVER_ARRIVED


@dataclass(frozen=True)
class Due:
    """What is to be done about one survey of one person.

    ``occurrence`` is the text that is due (0: the invitation); ``superseded`` those before it that
    will never be sent; ``on`` the date on which the next one is due, or fell due, where there is one:
    that of the survey for the first text that goes out.
    """

    decision: Decision
    occurrence: int = 0
    superseded: tuple[int, ...] = ()
    on: date | None = None
    why: str = ""

    @property
    def comes_first(self) -> bool:
        """Tell whether the text that is due is the first of its survey that goes out."""
        return self.occurrence == len(self.superseded)


def due(survey: Survey, due_on: date, today: date, attempts: Sequence[Attempt]) -> Due:
    """Say what is due of a survey, given its due date, the local date and what went out before.

    ``attempts`` holds the last attempt of each occurrence. Completion, consent and opt-out are
    not judged here. A text that a person asked to be resent is due where nothing else is and it is
    not too late; it changes nothing about the reminders.
    """
    by_hand = [each for each in attempts if each.occurrence > RESENT]
    found = _by_schedule(
        survey, due_on, today, [each for each in attempts if each.occurrence <= RESENT]
    )
    if found.decision in {"before_start", "upcoming"}:
        return found
    if any(each.state in UNKNOWN for each in by_hand):
        return Due("unknown", why=SETTLE_FIRST)
    open_until = due_on + timedelta(days=survey.latest.days)
    if found.decision in MAY_BE_REPEATED and today <= open_until:
        return _asked_again(attempts, by_hand, today) or found
    return found


def _asked_again(
    attempts: Sequence[Attempt], by_hand: Sequence[Attempt], today: date
) -> Due | None:
    """Give the text that a person asked for and that has not gone out yet, if there is one.

    Any text that went out after it was asked for answers it.
    """
    waiting = [each for each in by_hand if each.is_free]
    if not waiting:
        return None
    asked = max(waiting, key=lambda each: each.occurrence)
    answered = any(
        not each.is_free and (each.at is None or asked.at is None or each.at > asked.at)
        for each in attempts
    )
    return (
        None if answered else Due("due", asked.occurrence, on=today, why=_named(asked.occurrence))
    )


def _by_schedule(survey: Survey, due_on: date, today: date, attempts: Sequence[Attempt]) -> Due:
    """Say what is due by the study file alone."""
    happened = [each for each in attempts if not each.is_free]
    if due_on < survey.starts_on:
        return Due("before_start", on=due_on, why=f"it was due before {survey.starts_on}")
    if due_on > today:
        return Due("upcoming", on=due_on, why=f"due on {due_on}")
    open_until = due_on + timedelta(days=survey.latest.days)
    last_done = max((each.occurrence for each in happened), default=-1)
    reminders = survey.remind.count if survey.remind else 0
    blocked = _blocked(happened, is_over=today > open_until or last_done >= reminders)
    if blocked is not None:
        return blocked
    base, counted_from = _base(happened, due_on)
    latest = _latest_due(survey, base, counted_from, min(today, open_until))
    if latest <= last_done:
        return _after(survey, base, counted_from, last_done, open_until)
    if today > open_until:
        return Due("too_late", on=due_on, why=f"more than {survey.latest.days} days late")
    since = due_on if last_done < 0 else _date_of(survey, base, counted_from, latest)
    return Due("due", latest, tuple(range(last_done + 1, latest)), since, _named(latest))


def _blocked(happened: Sequence[Attempt], *, is_over: bool) -> Due | None:
    """Say what hinders any further text: an unknown one, a refusal, an invitation that failed.

    A text that the state has lost does, too; that is told while another one would follow.
    """
    if any(each.state in UNKNOWN for each in happened):
        return Due("unknown", why=SETTLE_FIRST)
    if any(each.state == "rejected" for each in happened):
        return Due("refused", why="the last text was refused; see redcap-jobs messages")
    if any(each.state == LOGGED for each in happened):
        return Due("asked" if is_over else "logged", why=NOT_IN_STATE)
    if happened and not any(each.arrived for each in happened):
        why = "the invitation was not delivered, so no reminder counts from it"
        return Due("not_delivered", why=why)
    return None


def _base(happened: Sequence[Attempt], due_on: date) -> tuple[int, date]:
    """Return from which occurrence the next ones are counted, and its date."""
    arrived = [each for each in happened if each.arrived]
    if not arrived:
        return 0, due_on
    last = max(arrived, key=lambda each: each.occurrence)
    return last.occurrence, last.on


def _latest_due(survey: Survey, base: int, counted_from: date, today: date) -> int:
    """Return the number of the latest occurrence that is due by today."""
    if survey.remind is None:
        return base
    passed = max((today - counted_from).days, 0) // survey.remind.days_apart
    return min(base + passed, survey.remind.count)


def _after(survey: Survey, base: int, counted_from: date, last_done: int, open_until: date) -> Due:
    """Say when the next reminder is due, if there is one."""
    following = last_done + 1
    if survey.remind is None or following > survey.remind.count:
        return Due("asked", why="every text of it was sent")
    on = _date_of(survey, base, counted_from, following)
    if on > open_until:
        return Due("asked", why="no further text is due in its time")
    return Due("waiting", following, on=on, why=f"{_named(following)} on {on}")


def _date_of(survey: Survey, base: int, counted_from: date, occurrence: int) -> date:
    """Say on which day an occurrence is due."""
    apart = survey.remind.days_apart if survey.remind else 0
    return counted_from + timedelta(days=apart * (occurrence - base))


def _named(occurrence: int) -> str:
    """Name an occurrence for a person."""
    return occurrence_words(str(occurrence))
