"""From what is due to the texts themselves: rendered for every recipient before any is sent.

A missing language, a blank name, an unknown placeholder or a text that is too long is a Problem,
never half a sentence on a phone. A development run names nobody: its texts hold placeholders, and
go to the study file's development recipient only.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime, time

from redcap_jobs.jobs.survey_history import History
from redcap_jobs.jobs.survey_judged import Judged
from redcap_jobs.messaging.keys import MessageKey
from redcap_jobs.messaging.segments import segments
from redcap_jobs.messaging.text import TextProblem, compiled, render, variant_for
from redcap_jobs.messaging.text_names import RESENT
from redcap_jobs.plan import Inputs, Problem, ReadSurveyLinks, Skip, Text
from redcap_jobs.study.config import Study
from redcap_jobs.study.texts_config import ONLY_LANGUAGE

LINK = "link"
PLACEHOLDER_LINK = "https://example.org/survey"
DEVELOPMENT_TEXTS = 10
"""So many texts a development run sends to its recipient at most: enough to see, no flood."""
NOBODY = "development run: [development] names no recipients"
ENOUGH = f"development run: only {DEVELOPMENT_TEXTS} texts are sent to its recipient"


@dataclass
class Written:
    """The texts that are to go out, in order, and who gets none after all."""

    texts: list[Text] = field(default_factory=list)
    skips: list[Skip] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)


def link_reads(inputs: Inputs, judged: Sequence[Judged]) -> list[ReadSurveyLinks]:
    """Name the survey links that are needed: for those whose text goes out now, and no others."""
    if inputs.reaches == "development":
        return []
    wanted: dict[tuple[str, str], dict[str, None]] = {}
    for one in judged:
        if one.goes_out and not one.recipient.problem[0] and one.instrument:
            wanted.setdefault((one.instrument, one.event), {})[one.recipient.record] = None
    return [
        ReadSurveyLinks(form, event, tuple(records)) for (form, event), records in wanted.items()
    ]


def written(
    study: Study, inputs: Inputs, judged: Sequence[Judged], before: History, as_of: datetime
) -> Written:
    """Write the text of everybody who is due one, as far as turns and limits allow."""
    done = Written()
    links = {
        (read.instrument, read.event, row["record"]): str(row["link"])
        for read, table in inputs.tables.items()
        if isinstance(read, ReadSurveyLinks)
        for row in table.to_dict("records")
    }
    turns: Counter[str] = Counter()
    of_phone = records_by_phone(judged)
    for one in in_turn(judged):
        if one.recipient.problem[0]:
            done.problems.append(Problem(one.recipient.record, *one.recipient.problem))
            continue
        body = body_of(study, inputs, one, links)
        if isinstance(body, Problem):
            done.problems.append(body)
        elif reason := waits(study, inputs, one, before, as_of, turns, done):
            done.skips.append(Skip(one.recipient.record, one.subject, reason))
        else:
            turns[one.recipient.phone_hash] += 1
            kin = of_phone[one.recipient.phone] - {one.recipient.record}
            done.texts.append(replace(text_of(inputs, one, body), kin=tuple(sorted(kin))))
    done.problems = list(dict.fromkeys(done.problems))
    return done


def records_by_phone(judged: Sequence[Judged]) -> dict[str, set[str]]:
    """Give the records that each phone belongs to."""
    found: dict[str, set[str]] = {}
    for one in judged:
        found.setdefault(one.recipient.phone, set()).add(one.recipient.record)
    return found


def in_turn(judged: Sequence[Judged]) -> list[Judged]:
    """Give who is due a text, in the order in which they have their turn.

    Surveys keep their order. Of one survey a text that a person asked for comes first, then whoever
    was sent least of it: of two children with one parent's phone none waits for all the reminders
    of the other. Then the longest due, whatever the order of rows.
    """
    place = {name: number for number, name in enumerate(dict.fromkeys(j.subject for j in judged))}

    def turn(one: Judged) -> tuple[int, int, date, str]:
        sent = one.due.occurrence - len(one.due.superseded)
        asked_for = one.due.occurrence > RESENT
        due_on = one.due_on or date.max
        return place[one.subject], -1 if asked_for else sent, due_on, one.recipient.record

    return sorted((one for one in judged if one.goes_out), key=turn)


def waits(
    study: Study,
    inputs: Inputs,
    one: Judged,
    before: History,
    as_of: datetime,
    turns: Counter[str],
    done: Written,
) -> str:
    """Say why a text that could be sent waits for its turn, '' if it does not."""
    if inputs.reaches == "development":
        if not inputs.development:
            return NOBODY
        return ENOUGH if len(done.texts) >= DEVELOPMENT_TEXTS else ""
    limit = study.messages.per_phone_per_day if study.messages else 1
    midnight = datetime.combine(one.recipient.local(as_of).date(), time())
    local = one.recipient.local(as_of)
    since = midnight.replace(tzinfo=local.tzinfo)
    phone = one.recipient.phone_hash
    if turns[phone] + before.sent_since(phone, since) >= limit:
        return "waits its turn: this phone has had its texts for today"
    return ""


def body_of(
    study: Study, inputs: Inputs, one: Judged, links: dict[tuple[str, str, str], str]
) -> str | Problem:
    """Render one text, or say what hinders it."""
    who, survey = one.recipient, one.survey
    where = f"survey {survey.id}"
    reminds = one.due.occurrence <= RESENT and not one.due.comes_first
    texts = (survey.reminder_texts if reminds else None) or survey.texts
    variants = texts.get(who.language) or texts.get(ONLY_LANGUAGE)
    if not variants or not one.instrument:
        what = f'has no text or no instrument for the language "{who.language}"'
        return Problem(who.record, where, what, "add it to the study file")
    if inputs.reaches == "development":
        values = {name: name.upper() for name in who.values} | {LINK: PLACEHOLDER_LINK}
    else:
        link = links.get((one.instrument, one.event, who.record), "")
        if not link and not inputs.fresh:
            what = f"REDCap gave no link for {one.instrument}"
            return Problem(who.record, where, what, "open the survey's participant list in REDCap")
        values = {**who.values, LINK: link or PLACEHOLDER_LINK}
    most = study.messages.most_segments if study.messages else 1
    template = compiled(variant_for(who.record, variants))
    body = render(template, values, most_segments=most)
    if isinstance(body, TextProblem):
        return Problem(who.record, where, str(body), "correct the record, or the text")
    return body


def text_of(inputs: Inputs, one: Judged, body: str) -> Text:
    """Give the action of one text."""
    who, occurrence = one.recipient, str(one.due.occurrence)
    key = MessageKey(inputs.project, one.survey.id, who.record, one.place, occurrence=occurrence)
    return Text(
        key=str(key),
        record=who.record,
        kind="text",
        to=inputs.development[0] if inputs.reaches == "development" else who.phone,
        body=body,
        segments=segments(body).count,
        message=one.survey.id,
        occurrence=occurrence,
        zone=who.zone,
        latest=one.latest,
    )
