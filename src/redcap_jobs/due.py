"""Who will be texted what in the coming days, and what lapses, as far as it is known today.

The same pure rules that a run uses are asked for each day to come, as if every text of the days
before had gone out and arrived. Who completes a survey in between, or is hindered by then, gets
less. The limits of a phone and of a day keep texts back as they do in a run; that of a run, past
which nothing goes out, is told. Nothing is written and nobody is asked for survey links.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, time, timedelta
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from redcap_jobs.jobs.survey_judged import Judged, judge
from redcap_jobs.jobs.survey_texts import Written, written
from redcap_jobs.messaging.text_names import occurrence_words
from redcap_jobs.plan import Inputs, Problem, ReadMessages, ReadStops, Skip, Text
from redcap_jobs.state.schema import INSTANT_FORMAT

if TYPE_CHECKING:
    import pandas as pd

    from redcap_jobs.messaging.hours import Hours
    from redcap_jobs.open_study import OpenStudy
    from redcap_jobs.redcap.client import RedcapClient
    from redcap_jobs.study.config import Study
    from redcap_jobs.study.texts_config import Messages

OUTSIDE = "outside the sending hours"
DAY_IS_FULL = "waits its turn: the study has had its texts for today"


@dataclass(frozen=True)
class Expected:
    """One text to come, or (``why``) one that waits or lapses; ``day`` is the recipient's."""

    day: date
    record: str
    message: str
    occurrence: str = ""
    segments: int = 0
    why: str = ""


@dataclass
class Forecast:
    """What is expected, in the order in which it comes, and what is wrong with the data.

    ``waits`` are kept back on a day by a limit and come later; ``limits`` says what a limit does,
    with its numbers.
    """

    texts: list[Expected] = field(default_factory=list)
    waits: list[Expected] = field(default_factory=list)
    limits: list[str] = field(default_factory=list)
    lapses: list[Expected] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)


def read_due(opened: OpenStudy, token: str, client: RedcapClient, days: int) -> Forecast:
    """Read what a run would read, and look ahead; ``days`` counts today.

    Raises what a run raises before it plans: study file, credentials, identity of the project.
    """
    from redcap_jobs.jobs import load_job
    from redcap_jobs.messaging.desk import Reach, required
    from redcap_jobs.reading import open_side
    from redcap_jobs.sources import Sources
    from redcap_jobs.state.fingerprint import KEY_VARIABLE, Fingerprinter, check_key

    required(opened.study)
    key = Fingerprinter(opened.credentials.get(KEY_VARIABLE))
    check_key(opened.store, key)
    now = opened.store.clock.now()
    job = load_job("send-surveys")
    side = open_side(opened.study, token, client, target=True, writes=False, about=job.about)
    sources = Sources(
        job=job,
        study=opened.study,
        store=opened.store,
        project=opened.project(token),
        scope=job.name,
        run_id="",
        options={},
        as_of=now,
        credentials=opened.credentials,
        key=key,
        clock=opened.store.clock,
        reach=Reach("participants"),
    )
    return forecast(opened.study, sources.gather(side, side, (), fresh=True), now, days)


def forecast(study: Study, inputs: Inputs, now: datetime, days: int) -> Forecast:
    """Look ahead from an aware instant; ``inputs`` are those of a run that reads afresh. Pure."""
    found = Forecast()
    if study.messages is None:
        return found
    waits: dict[tuple[date, str, str], Expected] = {}
    messages = inputs.tables[ReadMessages()]
    hindered: dict[tuple[str, str, str], tuple[Judged, str]] = {}
    known = judge(study, inputs, now).known
    zones = {who.zone for who in known.values()} or {study.study.time_zone}
    for instant in openings(study.messages.hours, zones, now, days):
        at = replace(
            inputs,
            tables={
                **inputs.tables,
                ReadMessages(): messages,
                ReadStops(): standing(inputs.tables[ReadStops()], instant),
            },
            as_of=instant,
            fresh=True,
        )
        everything = judge(study, at, instant)
        wanted = written(study, at, everything.judged, everything.history, instant)
        found.limits += past_run(study, study.messages, instant, len(wanted.texts))
        texts = within_day(study, study.messages, messages, wanted, instant)
        found.texts += [expected(text, instant) for text in texts.texts]
        for skip in texts.skips:
            day = known[skip.record].local(instant).date()
            each = Expected(day, skip.record, skip.subject, why=skip.reason)
            waits.setdefault((day, skip.record, skip.subject), each)
        found.problems += [*everything.problems, *texts.problems]
        messages = with_sent(messages, texts.texts, instant, inputs)
        note_hindered(hindered, everything.judged, texts)
    end = now + timedelta(days=days)
    found.lapses = sorted(lapsing(hindered, end), key=lambda each: (each.day, each.record))
    found.waits = sorted(waits.values(), key=lambda each: each.day)
    found.limits += past_day(study.messages, found.waits)
    found.problems = list(dict.fromkeys(found.problems))
    return found


def past_run(study: Study, messages: Messages, instant: datetime, count: int) -> Iterator[str]:
    """Say that a run at an aware instant would be refused for its many texts."""
    if count > messages.per_run:
        day = instant.astimezone(ZoneInfo(study.study.time_zone)).date()
        yield (
            f"{day}: {count} texts are due at once and [messages] per_run is {messages.per_run}: "
            f"that run sends nothing (exit 4) until somebody allows it once, --allow texts={count}, "
            "or raises the limit; the days after it are told as if that was done"
        )


def within_day(
    study: Study, messages: Messages, sent: pd.DataFrame, wanted: Written, instant: datetime
) -> Written:
    """Keep the texts for which the study's day has room; the others are skipped for it."""
    from redcap_jobs.state.journal_entry import COUNTED

    local = instant.astimezone(ZoneInfo(study.study.time_zone))
    midnight = datetime.combine(local.date(), time(), local.tzinfo)
    since = midnight.astimezone(UTC).strftime(INSTANT_FORMAT)
    used = int((sent["state"].isin(COUNTED) & (sent["at"] >= since)).sum())
    room = max(messages.per_day - used, 0)
    later = [Skip(text.record, text.message, DAY_IS_FULL) for text in wanted.texts[room:]]
    return Written(wanted.texts[:room], [*wanted.skips, *later], wanted.problems)


def past_day(messages: Messages, waits: Sequence[Expected]) -> Iterator[str]:
    """Say for each day how many texts its limit keeps back."""
    from collections import Counter

    full = Counter(each.day for each in waits if each.why == DAY_IS_FULL)
    for day, count in sorted(full.items()):
        yield f"{day}: {count} texts wait for a later day, [messages] per_day is {messages.per_day}"


def openings(hours: Hours, zones: Iterable[str], now: datetime, days: int) -> list[datetime]:
    """Return the aware instants at which somebody's hours begin, today's from now on."""
    found = set()
    for zone in zones:
        today = now.astimezone(ZoneInfo(zone)).date()
        for ahead in range(days):
            day = today + timedelta(days=ahead)
            start = max(now, datetime.combine(day, time(), ZoneInfo(zone)))
            opens = hours.opens_next(start, zone)
            if opens is not None and opens.astimezone(ZoneInfo(zone)).date() == day:
                found.add(opens)
    return sorted(found)


def standing(stops: pd.DataFrame, instant: datetime) -> pd.DataFrame:
    """Return the stops that still hold at an aware instant."""
    then = instant.astimezone(UTC).strftime(INSTANT_FORMAT)
    return stops[(stops["until"] == "") | (stops["until"] > then)]


def expected(text: Text, instant: datetime) -> Expected:
    """Give a text as it is expected; its day is that of its recipient."""
    day = instant.astimezone(ZoneInfo(text.zone)).date()
    occurrence = occurrence_words(text.occurrence)
    return Expected(day, text.record, text.message, occurrence, text.segments)


def with_sent(
    messages: pd.DataFrame, texts: Sequence[Text], instant: datetime, inputs: Inputs
) -> pd.DataFrame:
    """Return a messages frame in which texts have arrived at an aware instant."""
    import pandas as pd

    from redcap_jobs.plan import MESSAGE_COLUMNS

    if not texts:
        return messages
    attempts = messages["key"].value_counts()
    rows = [
        {
            "key": text.key,
            "attempt": str(int(attempts.get(text.key, 0)) + 1),
            "message": text.message,
            "record": text.record,
            "occurrence": text.occurrence,
            "state": "sent",
            "not_sent": "false",
            "status": "delivered",
            "code": "",
            "reference": "",
            "at": instant.astimezone(UTC).strftime(INSTANT_FORMAT),
            "phone_hash": inputs.keyed(text.to, "phone"),
        }
        for text in texts
    ]
    added = pd.DataFrame(rows, columns=MESSAGE_COLUMNS, dtype="str")
    return pd.concat([messages, added], ignore_index=True)


def note_hindered(
    hindered: dict[tuple[str, str, str], tuple[Judged, str]],
    judged: Sequence[Judged],
    texts: Written,
) -> None:
    """Note what is due and does not go out, with the reason; drop what went out or is done."""
    sent = {(text.record, text.message) for text in texts.texts}
    waits = {(skip.record, skip.subject): skip.reason for skip in texts.skips}
    wrong = {problem.record: f"{problem.where}: {problem.what}" for problem in texts.problems}
    for one in judged:
        record, subject = one.recipient.record, one.subject
        key = (record, subject, one.event)
        if (record, subject) in sent or one.due.decision not in ("due", "too_late"):
            hindered.pop(key, None)
        elif one.due.decision == "due":
            reason = one.no or waits.get((record, subject)) or wrong.get(record, "")
            if not (reason.startswith(OUTSIDE) and key in hindered):
                hindered[key] = (one, reason)


def lapsing(
    hindered: Mapping[tuple[str, str, str], tuple[Judged, str]], end: datetime
) -> Iterator[Expected]:
    """Yield what is hindered until it is too late, before an aware instant; the day is its last."""
    for one, reason in hindered.values():
        if one.latest <= end:
            last = one.latest.date() - timedelta(days=1)
            yield Expected(last, one.recipient.record, one.subject, why=reason)
