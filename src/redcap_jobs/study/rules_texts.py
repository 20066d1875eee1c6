"""What must hold between the tables about texts; each rule yields the flaws it finds.

Like those of :mod:`redcap_jobs.study.rules` a rule may be given a study with mistakes. What is only
to be looked at is in :mod:`redcap_jobs.study.doubts_texts`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from operator import attrgetter

from redcap_jobs.messaging.text import FaultyTemplate, TextProblem, check_template, compiled, render
from redcap_jobs.redcap.records import RepeatPlace
from redcap_jobs.study.config import Study
from redcap_jobs.study.flaws import Flaw, KeyPath
from redcap_jobs.study.nearest import did_you_mean
from redcap_jobs.study.salvage import ABSENT, judged, known
from redcap_jobs.study.texts_config import FLOOR_SECONDS, ONLY_LANGUAGE, Survey, Texts
from redcap_jobs.study.uses import log_fields

LINK, FIRST_NAME = "link", "first_name"
GIVEN = frozenset({LINK, FIRST_NAME})
"""What a text may name without a placeholder of the study file's own."""
SHORTEST = "x"
NEEDED: tuple[tuple[tuple[str, ...], str], ...] = (
    (("sender",), "surveys need [sender]: who sends"),
    (("messages",), "surveys need [messages]: the hours and how many texts"),
    (("message_log",), "surveys need [message_log]: REDCap's own memory of what was sent"),
    (("participants", "mobile"), "surveys need the field that holds the phone"),
    (("participants", "may_text"), "surveys need the condition of who agreed to texts"),
)


def surveys_have_what_they_need(study: Study) -> Iterator[Flaw]:
    """Surveys need a sender, hours, a log, a phone and consent."""
    if not study.surveys:
        return
    for path, hint in NEEDED:
        if known(lambda p=path: attrgetter(".".join(p))(study) in {None, ()}):  # type: ignore[misc]  # bound early
            yield Flaw(path, "is required", hint)


def one_project_is_texted_from(study: Study) -> Iterator[Flaw]:
    """Let the participants of one project get texts: those of a copy are the same people."""
    first: int | None = None
    for name, project in study.redcap.projects.items() if study.surveys else ():
        if known(lambda p=project: p.role == "production"):  # type: ignore[misc]  # bound early
            at = ("redcap", "projects", name, "role")
            first = first or project.project_id
            if project.project_id != first:
                what = "a second project of role production, whose participants are texted, too"
                hint = 'write role = "development" for a copy; another cohort has a file of its own'
                yield Flaw(at, what, hint)


def order_names_surveys(study: Study) -> Iterator[Flaw]:
    """Names in the order of texts are surveys of the file, each once."""
    ids = [survey.id for survey in study.surveys]
    for index, name in enumerate(study.messages.order if study.messages else ()):
        at = ("messages", "order", index)
        if name not in ids:
            yield Flaw(at, f'no survey "{name}"', did_you_mean(name, ids))
        elif study.messages and name in study.messages.order[:index]:
            yield Flaw(at, f'names "{name}" a second time')


def segments_keep_their_distance(study: Study) -> Iterator[Flaw]:
    """Closer spacing than the floor is for sandboxes: carriers take one segment per second."""
    close = study.messages is not None and study.messages.seconds_between < FLOOR_SECONDS
    if close and study.sender is not None and not study.sender.is_loopback:
        what = f"must be {FLOOR_SECONDS} or more; less is for a sandbox on this machine"
        yield Flaw(("messages", "seconds_between"), what)


def variables_differ(study: Study) -> Iterator[Flaw]:
    """Each of a sender's values has a variable of its own; no developer's phone is the sender's."""
    sender = study.sender
    if sender is None:
        return
    first: dict[str, str] = {}
    for key in ("account_sid", "auth_token", "api_key", "api_secret", "number"):
        name = known(lambda k=key: getattr(sender, k))  # type: ignore[misc]  # bound early
        if isinstance(name, str) and first.setdefault(name, key) != key:
            yield Flaw(("sender", key), f"names the same variable as {first[name]}")
    for index, name in enumerate(study.development.recipients):
        if name in first:
            what = f"names the variable of sender.{first[name]}"
            yield Flaw(("development", "recipients", index), what, "name one with a phone of yours")


def languages_are_whole(study: Study) -> Iterator[Flaw]:
    """Languages need the field whose choices they are, and it needs them."""
    field, languages = study.participants.language, study.participants.languages
    if field and not languages:
        hint = 'name the language of each choice: languages = { 1 = "en", 2 = "es" }'
        yield Flaw(("participants", "languages"), "is required", hint)
    if languages and not field:
        hint = "name the field whose choices participants.languages speaks of"
        yield Flaw(("participants", "language"), "is required", hint)


def placeholders_can_be_named(study: Study) -> Iterator[Flaw]:
    """Placeholders are names that a text can hold, and none that is given already."""
    for name in study.participants.placeholders:
        at = ("participants", "placeholders", name)
        if name in GIVEN:
            yield Flaw(at, f"a text has {{{{ {name} }}}} already", "choose another name")
        elif not can_be_named(name):
            hint = "small letters, digits and _, and no word of the language of texts"
            yield Flaw(at, "cannot be named in a text", hint)


def can_be_named(name: str) -> bool:
    """Tell whether ``{{ name }}`` means the value of that name."""
    try:
        return compiled(f"{{{{ {name} }}}}").names == {name}
    except FaultyTemplate:
        return False


def pauses_do_not_overlap(study: Study) -> Iterator[Flaw]:
    """Of two pauses on one day it would be open whether texts wait or lapse."""
    for index, pause in enumerate(study.pauses):
        for earlier, other in enumerate(study.pauses[:index]):
            both = known(lambda p=pause, o=other: p.from_ <= o.until and o.from_ <= p.until)  # type: ignore[misc]  # bound early
            if both:
                hint = "let one end before the other begins"
                yield Flaw(("pauses", index), f"overlaps pauses[{earlier}]", hint)


def nobody_has_hours_of_their_own(study: Study) -> Iterator[Flaw]:
    """Refuse wishes that nothing heeds: somebody entered them, and they would be broken daily."""
    if study.surveys and study.participants.text_hours:
        what = "is not heeded: everybody is texted within messages.hours of their own time zone"
        yield Flaw(("participants", "text_hours"), what, "leave it out")


def log_is_found_again(study: Study) -> Iterator[Flaw]:
    """Fields of the log are named alone: ``at`` says the event, a text has its own instance."""
    log = study.message_log
    if log is None:
        return
    if isinstance(known(lambda: log.at), RepeatPlace):
        hint = "an instance is chosen for every text: leave at out in a project without events"
        yield Flaw(("message_log", "at"), "must be an event, or one event per arm", hint)
    for use in log_fields(study):
        if use.reference.event is not None or use.reference.instance is not None:
            what = "names an event or instance, which message_log.at and the text decide"
            yield Flaw(use.path, what, f'write "{use.reference.field}"')


def survey_ids_differ(study: Study, index: int, survey: Survey) -> Iterator[Flaw]:
    """No id, present or former, belongs to two surveys: the second would pass for the first."""
    at = ("surveys", index)
    ids = survey_index(study)
    if ids.get(survey.id, index) != index:
        what = f'surveys[{ids[survey.id]}] has the id "{survey.id}" already'
        yield Flaw((*at, "id"), what)
    for number, name in enumerate(survey.formerly):
        path = (*at, "formerly", number)
        if name == survey.id:
            yield Flaw(path, "is the id that it has now", "leave it out")
        elif name in ids:
            what = f'"{name}" is the id of surveys[{ids[name]}]'
            yield Flaw(path, what, "only one survey may count what was sent under it")
        elif formerly_of(study, name) < index:
            what = f'"{name}" was an id of surveys[{formerly_of(study, name)}], too'
            yield Flaw(path, what, "only one survey may count what was sent under it")


def formerly_of(study: Study, name: str) -> int:
    """Return the position of the first survey that once had an id; behind the last if none."""
    former = (known(lambda s=each: name in s.formerly) for each in study.surveys)  # type: ignore[misc]  # bound early
    return next((index for index, had in enumerate(former) if had), len(study.surveys))


def survey_anchors_exist(study: Study, index: int, survey: Survey) -> Iterator[Flaw]:
    """Surveys are counted from a name of [participants.anchors]."""
    names = study.participants.anchors
    if survey.anchor not in names:
        what = f'no anchor "{survey.anchor}" in [participants.anchors]'
        yield Flaw(("surveys", index, "anchor"), what, did_you_mean(survey.anchor, names))


def survey_arms_exist(study: Study, index: int, survey: Survey) -> Iterator[Flaw]:
    """Arms of surveys are those of [arms]."""
    if survey.arm is not None and survey.arm not in study.arms:
        hint = did_you_mean(survey.arm, study.arms)
        yield Flaw(("surveys", index, "arm"), f'no arm "{survey.arm}" in [arms]', hint)


def every_language_is_there(study: Study, index: int, survey: Survey) -> Iterator[Flaw]:
    """Whatever a participant's language, there is an instrument, a text and a reminder in it."""
    for key, each in parts_by_language(survey):
        for language in languages_of(study):
            if language in each or ONLY_LANGUAGE in each:
                continue
            at = ("surveys", index, key)
            if language == ONLY_LANGUAGE:
                what = "is given by language, and nothing says which is whose"
                yield Flaw(at, what, "name participants.language, or give one for everybody")
            else:
                what = f'lacks "{language}", a language of participants.languages'
                nobodys = ", ".join(f'"{name}"' for name in each if name not in languages_of(study))
                hint = f"add {language} = ..." + (f"; nobody has {nobodys}" if nobodys else "")
                yield Flaw(at, what, hint)


def parts_by_language(survey: Survey) -> Iterator[tuple[str, dict[str, object]]]:
    """Yield what a survey has in each language, by its key; what was refused is left out."""
    for key in ("instrument", "texts", "reminder_texts"):
        each = getattr(survey, key, None)
        if isinstance(each, dict):
            yield key, each


def languages_of(study: Study) -> list[str]:
    """Return the languages that participants have, in the file's order."""
    people = study.participants
    if not people.language and not people.languages:
        return [ONLY_LANGUAGE]
    return list(dict.fromkeys(people.languages.values()))


def texts_can_be_rendered(study: Study, index: int, survey: Survey) -> Iterator[Flaw]:
    """Every text can be read, and names nothing that nobody has."""
    names = GIVEN | set(study.participants.placeholders)
    for path, text in written_texts(index, survey):
        faults = check_template(text, names)
        yield from (Flaw(path, fault) for fault in faults)
        most = known(lambda: study.messages and study.messages.most_segments)
        if most and not faults:
            body = render(compiled(text), dict.fromkeys(names, SHORTEST), most)
            if isinstance(body, TextProblem):
                yield Flaw(
                    path, f"nobody could get it: {body}, with the shortest names", "shorten it"
                )
        if named(text, FIRST_NAME) and study.participants.first_name == ():
            hint = "texts name first_name: name the field that holds it"
            yield Flaw(("participants", "first_name"), "is required", hint)


def named(text: str, name: str) -> bool:
    """Tell whether a text holds a name; one that cannot be read holds none."""
    try:
        return name in compiled(text).names
    except FaultyTemplate:
        return False


def written_texts(index: int, survey: Survey) -> Iterator[tuple[KeyPath, str]]:
    """Yield each text of a survey, and where it stands."""
    for key in ("texts", "reminder_texts"):
        texts: Texts | None = getattr(survey, key, None)
        if not isinstance(texts, dict):
            continue
        for language, variants in texts.items():
            at: KeyPath = ("surveys", index, key)
            at = (*at, language) if language else at
            for number, text in enumerate(variants):
                yield (*at, number) if len(variants) > 1 else at, text


def survey_index(study: Study) -> dict[str, int]:
    """Map each survey's id to its first place in the file."""
    places: dict[str, int] = {}
    for index, survey in enumerate(study.surveys if study.surveys is not ABSENT else ()):
        name = known(lambda s=survey: s.id)  # type: ignore[misc]  # bound early
        if isinstance(name, str):
            places.setdefault(name, index)
    return places


TEXT_RULES: tuple[Callable[[Study], Iterator[Flaw]], ...] = (
    surveys_have_what_they_need,
    one_project_is_texted_from,
    order_names_surveys,
    segments_keep_their_distance,
    variables_differ,
    languages_are_whole,
    placeholders_can_be_named,
    pauses_do_not_overlap,
    nobody_has_hours_of_their_own,
    log_is_found_again,
)
SURVEY_RULES: tuple[Callable[[Study, int, Survey], Iterator[Flaw]], ...] = (
    survey_ids_differ,
    survey_anchors_exist,
    survey_arms_exist,
    every_language_is_there,
    texts_can_be_rendered,
)


def broken_text_rules(study: Study) -> Iterator[Flaw]:
    """Yield the flaws of every rule that can be judged."""
    for rule in TEXT_RULES:
        yield from judged(rule(study))
    for index, survey in enumerate(study.surveys if study.surveys is not ABSENT else ()):
        for each in SURVEY_RULES:
            yield from judged(each(study, index, survey))
