"""Whether a project has what texts need: surveys and their events, languages, the message log."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from redcap_jobs.redcap.project import Project
from redcap_jobs.redcap.records import EventPlace
from redcap_jobs.study.check_places import arms_without, unknown_or_several
from redcap_jobs.study.check_types import ONE_CHOICE, YES_NO, output_flaws
from redcap_jobs.study.config import Study
from redcap_jobs.study.flaws import Flaw, KeyPath
from redcap_jobs.study.nearest import did_you_mean
from redcap_jobs.study.texts_config import MessageLog, Survey
from redcap_jobs.study.uses import log_fields


def text_flaws(study: Study, project: Project, *, outputs: bool = True) -> Iterator[Flaw]:
    """Yield what the project lacks of what the tables about texts name.

    ``outputs=False`` is for a project that is only read: its message log is not looked at. Whether
    the token's user may see survey links cannot be asked; the first run that needs one says so.
    """
    if study.surveys and not project.info.surveys_enabled:
        hint = 'turn on "Use surveys in this project" under Project Setup'
        yield Flaw(("surveys",), "surveys are not turned on in the project", hint)
    for index, survey in enumerate(study.surveys):
        yield from survey_place_flaws(index, survey, project)
        yield from instrument_flaws(index, survey, project)
        yield from survey_arm_flaws(study, index, survey, project)
    everybodys = {survey.id: survey.at for survey in study.surveys if survey.arm is None}
    yield from arms_without("survey", everybodys, project)
    yield from language_flaws(study, project)
    if outputs and study.message_log is not None:
        yield from log_flaws(study, study.message_log, project)


def survey_place_flaws(index: int, survey: Survey, project: Project) -> Iterator[Flaw]:
    """Yield why a survey's events cannot be those of its links."""
    at: KeyPath = ("surveys", index, "at")
    if isinstance(survey.at, EventPlace):
        yield from events_flaws(
            at, survey.at, project, "a survey is asked for on one event per arm"
        )
    elif project.is_longitudinal:
        known = [
            event.unique_name
            for event in project.events
            if (event.unique_name, next(iter(survey.instrument.values()))) in project.mapping
        ]
        hint = f"its instrument is on {', '.join(known)}" if known else ""
        yield Flaw(at, "is required: the project has events", hint)


def events_flaws(at: KeyPath, place: EventPlace, project: Project, one: str) -> Iterator[Flaw]:
    """Yield events that do not exist, several in one arm, any in a project without events."""
    if project.is_longitudinal:
        yield from unknown_or_several(at, place, project, one)
    else:
        yield Flaw(at, "the project has no events", "leave it out")


def instrument_flaws(index: int, survey: Survey, project: Project) -> Iterator[Flaw]:
    """Yield instruments that do not exist, are not on the survey's events, or repeat there."""
    for language, form in survey.instrument.items():
        at: KeyPath = ("surveys", index, "instrument")
        at = (*at, language) if language else at
        if form not in project.forms:
            yield Flaw(at, f'no instrument "{form}"', did_you_mean(form, project.forms))
            continue
        events = known_events(survey.at, project) if project.is_longitudinal else [""]
        for event in events:
            on = f" on event {event}" if event else ""
            if event and (event, form) not in project.mapping:
                hint = f'designate "{form}" for it in REDCap'
                yield Flaw(at, f'instrument "{form}" is not on event {event}', hint)
            elif {(event, form), (event, "")} & project.repeating:
                what = f'instrument "{form}" repeats{on}, so that no one link is the survey\'s'
                yield Flaw(at, what, "use an instrument and event that do not repeat")


def known_events(place: object, project: Project) -> list[str]:
    """Return those events of a place that the project has."""
    named = place.events if isinstance(place, EventPlace) else ()
    return [event.unique_name for event in project.events if event.unique_name in named]


def arms_on(events: Iterable[str], project: Project) -> set[int]:
    """Return the numbers of the arms that some events are of."""
    return {project.arm_of(event) for event in events}


def survey_arm_flaws(study: Study, index: int, survey: Survey, project: Project) -> Iterator[Flaw]:
    """Yield a survey for an arm in which it has no event: nobody would ever be asked."""
    events = known_events(survey.at, project)
    if survey.arm is None or survey.arm not in study.arms or not events:
        return
    number = study.arms[survey.arm].number
    if number not in arms_on(events, project):
        what = f"no event of arm {number}, so that nobody of {survey.arm} would ever be asked"
        yield Flaw(("surveys", index, "at"), what, "name its event in that arm")


def language_flaws(study: Study, project: Project) -> Iterator[Flaw]:
    """Yield languages of no choice, and (a warning) choices of which no language is known."""
    fields = [project.fields.get(each.field) for each in study.participants.language]
    if not all(each is not None and each.type in ONE_CHOICE | YES_NO for each in fields):
        return
    labels = {choice.code: choice.label for each in fields if each for choice in each.choices}
    names = ", ".join(f'"{each.name}"' for each in fields if each)
    languages = study.participants.languages
    for code in languages:
        if code not in labels:
            hint = f"its choices: {', '.join(labels)}"
            yield Flaw(("participants", "languages", code), f"is no choice of {names}", hint)
    uncovered = [f"{code} ({label})" for code, label in labels.items() if code not in languages]
    if languages and labels and uncovered:
        what = f"lacks choices of {names}: {', '.join(uncovered)}; who has one of them gets no text"
        hint = "name the language of their texts"
        yield Flaw(("participants", "languages"), what, hint, warning=True)


def log_flaws(study: Study, log: MessageLog, project: Project) -> Iterator[Flaw]:
    """Yield why the message log cannot remember every text."""
    if log.form not in project.forms:
        hint = did_you_mean(log.form, project.forms)
        yield Flaw(("message_log", "form"), f'no instrument "{log.form}"', hint)
    else:
        yield from log_place_flaws(study, log, project)
    for use in log_fields(study):
        name = use.reference.field
        field = project.fields.get(name)
        own = [each for each in project.fields.values() if each.form == log.form]
        if field is None:
            hint = did_you_mean(name, [each.name for each in own])
            yield Flaw(use.path, f'no field "{name}" in the data dictionary', hint)
        elif field.form != log.form:
            what = f'"{name}" is on instrument "{field.form}", not on "{log.form}"'
            yield Flaw(use.path, what, "every field of the log is on its instrument")
        else:
            yield from output_flaws(use, field, study)


def log_place_flaws(study: Study, log: MessageLog, project: Project) -> Iterator[Flaw]:
    """Yield where the log does not repeat, and arms that are texted and have none."""
    at: KeyPath = ("message_log", "at")
    form = f'instrument "{log.form}"'
    if not project.is_longitudinal:
        if isinstance(log.at, EventPlace):
            yield from events_flaws(at, log.at, project, "")
        if ("", log.form) not in project.repeating:
            hint = "turn it on as a repeating instrument under Project Setup"
            yield Flaw(("message_log", "form"), f"{form} is not a repeating instrument", hint)
        return
    place = log.at if isinstance(log.at, EventPlace) else None
    place = place or EventPlace(project.events_of_form(log.form))
    yield from events_flaws(at, place, project, "a text has one row, on one event per arm")
    events = known_events(place, project)
    for event in events:
        if (event, log.form) not in project.mapping:
            hint = f'designate "{log.form}" for it in REDCap'
            yield Flaw(at, f"{form} is not on event {event}", hint)
        elif (event, log.form) not in project.repeating:
            hint = "let the instrument repeat there (not the whole event), under Project Setup"
            yield Flaw(at, f"{form} is not a repeating instrument on event {event}", hint)
    for arm in sorted(arms_texted(study, project) - arms_on(events, project)):
        what = f"names no event of arm {arm}, in which surveys are asked for by text"
        yield Flaw(at, what, f'name an event of that arm, and designate "{log.form}" for it')


def arms_texted(study: Study, project: Project) -> set[int]:
    """Return the numbers of the arms in which some survey has an event."""
    found: set[int] = set()
    for survey in study.surveys:
        arms = arms_on(known_events(survey.at, project), project)
        own = study.arms.get(survey.arm) if survey.arm is not None else None
        found |= arms & {own.number} if own else arms
    return found
