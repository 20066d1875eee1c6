"""What a study file may say about texts and somebody should look at; it stops nothing.

Given are studies without mistakes; ``redcap-jobs check`` tells what is found as warnings.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from urllib.parse import urljoin

from redcap_jobs.messaging.reply_words import STOP
from redcap_jobs.messaging.segments import segments
from redcap_jobs.messaging.text import compiled, render
from redcap_jobs.study.config import Study
from redcap_jobs.study.flaws import Flaw
from redcap_jobs.study.rules_texts import (
    FIRST_NAME,
    LINK,
    languages_of,
    named,
    parts_by_language,
    written_texts,
)
from redcap_jobs.study.texts_config import ONLY_LANGUAGE, Survey

LONG_NAME = "í" + "a" * 19
"""A long name with a letter outside of GSM-7, which leaves 67 characters to a segment."""
LINK_CODE = "A" * 20
"""At least as long as the code at the end of a survey link."""
WORD = re.compile(r"[^\W\d_]+")
TAGS = re.compile(r"\{\{.*?\}\}|\{%.*?%\}", re.DOTALL)


def text_doubts(study: Study) -> Iterator[Flaw]:
    """Yield what should be looked at in the tables about texts, as warnings."""
    if study.surveys:
        yield from unfinished_production(study)
        yield from stops_of_one_phone(study)
    for index, survey in enumerate(study.surveys):
        yield from late_reminders(index, survey)
        yield from languages_of_nobody(study, index, survey)
        for path, text in written_texts(index, survey):
            for what, hint in text_faults(study, text):
                yield Flaw(path, what, hint, warning=True)


def unfinished_production(study: Study) -> Iterator[Flaw]:
    """Yield projects whose people are texted in earnest and that REDCap calls in development."""
    for name, identity in study.redcap.projects.items():
        if identity.role == "production" and not identity.in_production:
            what = 'is false, and role = "production" texts the participants themselves'
            hint = 'a copy for trying things out is role = "development"'
            at = ("redcap", "projects", name, "in_production")
            yield Flaw(at, what, hint, warning=True)


def stops_of_one_phone(study: Study) -> Iterator[Flaw]:
    """Yield that nothing in REDCap remembers who asked for no more texts."""
    if not study.participants.write.opted_out:
        what = "is not given: a STOP then holds for the phone it came from, not for a new one"
        hint = "name a yes-no field, which is ticked and read again"
        yield Flaw(("participants", "write", "opted_out"), what, hint, warning=True)


def late_reminders(index: int, survey: Survey) -> Iterator[Flaw]:
    """Yield reminders that come too late to be sent, and texts of reminders that there are not."""
    at = ("surveys", index)
    remind, latest = survey.remind, survey.latest.days
    if remind is None and survey.reminder_texts is not None:
        what = "are never sent, for there is no remind"
        yield Flaw((*at, "reminder_texts"), what, "add remind, or leave them out", warning=True)
    if remind is not None and remind.count * remind.days_apart > latest:
        last = remind.count * remind.days_apart
        what = (
            f"the last reminder would be due {last} days after the survey, but latest is {latest}"
        )
        yield Flaw((*at, "remind"), what, "fewer, closer together, or a later latest", warning=True)


def languages_of_nobody(study: Study, index: int, survey: Survey) -> Iterator[Flaw]:
    """Yield languages of a survey that no participant can have."""
    have = {ONLY_LANGUAGE, *languages_of(study)}
    for key, each in parts_by_language(survey):
        for language in (name for name in each if name not in have):
            what = "is for a language that participants.languages gives nobody"
            yield Flaw(("surveys", index, key, language), what, "", warning=True)


def text_faults(study: Study, text: str) -> Iterator[tuple[str, str]]:
    """Yield what is doubtful about one text, and how to mend it."""
    if not named(text, LINK):
        yield "holds no {{ link }}", "without it nobody can answer"
    if STOP.isdisjoint(WORD.findall(TAGS.sub(" ", text).casefold())):
        hint = "such as: Reply STOP to get no more texts (Spanish: Responda ALTO ...)"
        yield "does not say how to get no more texts", hint
    most = study.messages.most_segments if study.messages else None
    longest = longest_segments(study, text)
    if most is not None and longest > most:
        what = f"takes up to {longest} segments with a long name, more than most_segments = {most}"
        yield what, "shorten it: an accent in a name leaves 67 characters to a segment"


def longest_segments(study: Study, text: str) -> int:
    """Return how many segments a text may take, with long names and a link of this REDCap."""
    names = (FIRST_NAME, *study.participants.placeholders)
    link = urljoin(study.redcap.url, f"../surveys/?s={LINK_CODE}")
    body = render(compiled(text), {**dict.fromkeys(names, LONG_NAME), LINK: link}, 1_000)
    return segments(body).count if isinstance(body, str) else 0
