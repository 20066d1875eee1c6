"""Everybody and every survey: what is due to whom now, and why not to the others."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd

from redcap_jobs.jobs.month_arithmetic import Dates, add_months
from redcap_jobs.jobs.participants import People, people
from redcap_jobs.jobs.survey_due import Due, due
from redcap_jobs.jobs.survey_history import History, history
from redcap_jobs.jobs.survey_reads import logged_rows, source_rows
from redcap_jobs.jobs.survey_recipients import Recipient, recipients
from redcap_jobs.jobs.window_facts import DateReader
from redcap_jobs.plan import Inputs, Problem, ReadMessages, Skip
from redcap_jobs.redcap.logic import Reference
from redcap_jobs.redcap.record_places import EventPlace, own_events
from redcap_jobs.study.config import Study
from redcap_jobs.study.texts_config import ONLY_LANGUAGE, Pause, Survey

QUIET = frozenset({"undated", "upcoming", "completed", "before_start", "asked", "waiting"})
"""Decisions that nobody waits for: told by ``why`` and ``due``, not counted as skips."""


@dataclass(frozen=True)
class Judged:
    """One survey of one participant: ``due`` says what, ``no`` why it is not sent all the same.

    ``event`` is the unique event name ('' in a classic project), ``place`` its name in keys;
    ``due_on`` is the survey's due date.
    """

    survey: Survey
    recipient: Recipient
    event: str
    place: str
    due_on: date | None
    due: Due
    no: str = ""

    @property
    def goes_out(self) -> bool:
        """Tell whether a text is to be sent now."""
        return self.due.decision == "due" and not self.no

    @property
    def decision(self) -> str:
        """The decision's word: that of the due text, or ``skipped`` where something hinders it."""
        return "skipped" if self.due.decision == "due" and self.no else self.due.decision

    @property
    def reason(self) -> str:
        """Why, in words of the study file and dates only."""
        return self.no or self.due.why

    @property
    def subject(self) -> str:
        """What the decision is about."""
        return self.survey.id

    @property
    def instrument(self) -> str:
        """The survey's instrument in the recipient's language, '' if it has none."""
        by_language = self.survey.instrument
        return by_language.get(self.recipient.language) or by_language.get(ONLY_LANGUAGE, "")

    @property
    def latest(self) -> datetime:
        """The aware instant after which it must not be sent: the end of its last day."""
        last = (self.due_on or date.min) + timedelta(days=self.survey.latest.days)
        return datetime.combine(last + timedelta(days=1), time(), ZoneInfo(self.recipient.zone))


@dataclass(frozen=True)
class Everything:
    """What was judged, in the order in which texts go out, and what was found on the way.

    ``known`` are the recipients by record, ``arms`` their arm numbers (Int64).
    """

    judged: tuple[Judged, ...]
    known: Mapping[str, Recipient]
    arms: pd.Series
    skips: tuple[Skip, ...]
    problems: tuple[Problem, ...]
    history: History


def judge(study: Study, inputs: Inputs, as_of: datetime) -> Everything:
    """Judge every survey of every participant at an aware instant."""
    persons = people(study, inputs, inputs.tables[source_rows(study, inputs)], as_of)
    known = recipients(study, inputs, persons, as_of)
    before = history(inputs.tables[ReadMessages()], logged_rows(study, inputs), inputs.project)
    reader = DateReader(persons.records)
    judged: list[Judged] = []
    for survey in in_order(study):
        judged += of_survey(study, inputs, as_of, survey, persons, known, before, reader)
    return Everything(
        tuple(judged),
        known,
        persons.arms,
        persons.skips,
        (*persons.problems, *dict.fromkeys(reader.problems)),
        before,
    )


def in_order(study: Study) -> list[Survey]:
    """Give the surveys as ``[messages] order`` has them; those it does not name come last."""
    order = study.messages.order if study.messages else ()
    place = {name: number for number, name in enumerate(order)}
    return sorted(study.surveys, key=lambda survey: place.get(survey.id, len(place)))


def of_survey(
    study: Study,
    inputs: Inputs,
    as_of: datetime,
    survey: Survey,
    persons: People,
    known: dict[str, Recipient],
    before: History,
    reader: DateReader,
) -> Iterator[Judged]:
    """Judge one survey for everybody it is meant for."""
    view = persons.view.at(survey.at)
    anchors = study.participants.anchors[survey.anchor]
    due_on = due_dates(survey, reader.dates(view, anchors, f"anchor {survey.anchor}"))
    completed = is_completed(survey, persons)
    wanted = pd.Series(data=True, index=persons.records)
    if survey.only_when is not None:
        wanted = survey.only_when.expression.truth(view)
    events = events_by_arm(survey, inputs)
    for place, record in enumerate(persons.records):
        arm = None if pd.isna(persons.arms.iloc[place]) else int(persons.arms.iloc[place])
        event = "" if not inputs.source.is_longitudinal or arm is None else events.get(arm, "")
        other_arm = survey.arm is not None and study.arms[survey.arm].number != arm
        if other_arm or (inputs.source.is_longitudinal and not event):
            continue
        one = Judged(
            survey,
            known[record],
            event,
            place_of(event, inputs),
            to_date(due_on[place]),
            Due("upcoming"),
        )
        yield with_reasons(
            study,
            as_of,
            one,
            before,
            completed=bool(completed.iloc[place]),
            wanted=bool(wanted.iloc[place]),
        )


def with_reasons(
    study: Study, as_of: datetime, one: Judged, before: History, *, completed: bool, wanted: bool
) -> Judged:
    """Fill in what is due of a survey, and what hinders it."""
    who = one.recipient
    if completed:
        return replace(one, due=Due("completed", why="the survey is complete"))
    if one.due_on is None:
        return replace(one, due=Due("undated", why="no anchor date"))
    local = who.local(as_of)
    done = before.attempts(who.record, one.survey.ids, who.zone)
    found = due(one.survey, one.due_on, local.date(), done)
    no = ""
    if found.decision == "due":
        no = who.no or ("" if wanted else "its condition (only_when) does not hold")
        no = no or hindered(study, as_of, who, found.on or one.due_on)
    return replace(one, due=found, no=no)


def hindered(study: Study, as_of: datetime, who: Recipient, due_on: date) -> str:
    """Say which pause or hour of the day stands against a text, '' for none.

    ``due_on`` is the day on which this very text fell due.
    """
    today = who.local(as_of).date()
    for pause in study.pauses:
        if pause.from_ <= today <= pause.until:
            return f"paused until {pause.until}: {pause.why}"
        if dropped(pause, due_on, today):
            return f"lapsed in the pause of {pause.from_} to {pause.until}: {pause.why}"
    if study.messages is None or study.messages.hours.is_open(as_of, who.zone):
        return ""
    return "outside the sending hours; the next run within them sends it"


def dropped(pause: Pause, due_on: date, today: date) -> bool:
    """Tell whether a pause that is over took what fell due in it along."""
    return pause.texts == "drop" and pause.from_ <= due_on <= pause.until < today


def due_dates(survey: Survey, anchors: Dates) -> Dates:
    """Give each participant's due date (datetime64[D]); NaT without an anchor date.

    A date before or after all that a calendar has (9999-12-31 stands for "never" in many projects)
    is the first or last of it.
    """
    if survey.due.days is not None:
        moved: Dates = anchors + np.timedelta64(survey.due.days, "D")
    else:
        moved = add_months(anchors, np.timedelta64(survey.due.months or 0, "M"))  # type: ignore[arg-type]  # numpy broadcasts a single span
    within: Dates = np.clip(moved, np.datetime64(date.min), np.datetime64(date.max))
    return within


def to_date(day: np.datetime64) -> date | None:
    """Give a datetime64[D] as a date; None for NaT."""
    return None if np.isnat(day) else day.astype(object)


def is_completed(survey: Survey, persons: People) -> pd.Series:
    """Say who has completed the survey, in whichever language (``bool`` per record).

    A form that is complete counts, whoever filled it in; so does a survey that was submitted, even
    if somebody set its form back since: nobody is asked for the same answers twice.
    """
    view = persons.view.at(survey.at)
    done = pd.Series(data=False, index=persons.records)
    for form in survey.instrument.values():
        status = Reference(event=None, field=f"{form}_complete", code=None, instance=None)
        done |= view.values(status) == "2"
        done |= view.survey_stamps(form).str.match(r"\d{4}-\d{2}-\d{2}")
    return done


def events_by_arm(survey: Survey, inputs: Inputs) -> dict[int, str]:
    """Give the survey's event in each arm it has one in."""
    place = survey.at if isinstance(survey.at, EventPlace) else None
    return dict(own_events(place, inputs.source))


def place_of(event: str, inputs: Inputs) -> str:
    """Name an event as keys do: by the id that a renaming leaves alone, else by its name."""
    if not event:
        return ""
    known = inputs.target.event(event) if event in names(inputs) else inputs.source.event(event)
    return known.event_id or event


def names(inputs: Inputs) -> set[str]:
    """Give the unique event names of the target project."""
    return {event.unique_name for event in inputs.target.events}
