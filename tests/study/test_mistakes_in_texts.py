"""A mistake in the tables about texts is one line: where it stands, what is wrong, how to mend it."""

import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import Any

import pytest
from tests.study.conftest import findings, without_line
from tests.study.test_loading import JUNK, key_paths

from redcap_jobs.errors import StudyFileError
from redcap_jobs.study.check import check_doubts
from redcap_jobs.study.config import Study
from redcap_jobs.study.flaws import in_file_order
from redcap_jobs.study.loading import (
    bundled_study_text,
    judge,
    load_bundled_or_file,
    study_from_bytes,
    with_defaults,
)

GOOD = (Path(__file__).parent / "snow_texts.toml").read_text(encoding="utf-8")
TABLES = (
    "sender", "messages", "surveys", "pauses", "message_log", "development", "notify", "participants",
)  # fmt: skip
SENDER = 'auth_token = "TWILIO_AUTH_TOKEN"\nnumber = "TWILIO_NUMBER"'
VARIABLE = (
    'must be the name of an environment variable (capital letters, digits and "_"), never its value'
)


def doubts(text: str) -> list[str]:
    study = study_from_bytes(text.encode(), Path("study.toml"))
    return [without_line(finding) for finding in check_doubts(study)]


def without_table(name: str) -> str:
    """Return the good file without a table and those inside it."""
    return re.sub(rf"(?ms)^\[+{name}(\.\w+)?\]+\n.*?(?=^\[)", "", GOOD)


def test_the_good_file_has_neither_mistakes_nor_doubts() -> None:
    """The file that all the tests below break is itself right, as is the bundled study."""
    assert findings(GOOD) == []
    assert doubts(GOOD) == []
    assert check_doubts(load_bundled_or_file("ismile")) == []


VALUES = [
    ("sender: a credential", (SENDER, 'number = "N"'), "sender: needs auth_token, or api_key with api_secret"),
    ("sender: two credentials", ('number = "TWILIO_NUMBER"', 'number = "N"\napi_key = "K"'), "sender: needs auth_token, or api_key with api_secret"),
    ("sender: half a key", ('auth_token = "TWILIO_AUTH_TOKEN"', 'api_key = "K"'), "sender: api_key and api_secret belong together"),
    ("sender: no number", ('number = "TWILIO_NUMBER"\n', ""), "sender: needs number or messaging_service, one of them"),
    ("sender: unknown key", ("account_sid =", "acount_sid ="), 'sender.acount_sid: no such key; did you mean "account_sid"?'),
    ("sender: plain http", ("[sender]", '[sender]\nurl = "http://api.twilio.com"'), "sender.url: http would send the token in the clear; use https"),
    ("sender: a path", ("[sender]", '[sender]\nurl = "https://api.twilio.com/2010-04-01"'), "sender.url: must hold nothing but scheme, host and port"),
    ("sender: no address", ("[sender]", '[sender]\nurl = "api.twilio.com"'), "sender.url: must be a web address, such as https://api.twilio.com"),
    ("sender: a value", ('"TWILIO_NUMBER"', '"+12025550123"'), f"sender.number: {VARIABLE}"),
    ("messages: hours beyond the law's", ('"09:00-20:00"', '"07:00-20:00"'), 'messages.hours: "07:00-20:00" lies outside 08:00-21:00, in which alone texts may go out'),
    ("messages: hours of no day", ('hours = "09:00-20:00"', 'hours = { sundays = "" }'), 'messages.hours: "sundays" is no weekday; known: every_day, weekdays, weekend, monday, tuesday, wednesday, thursday, friday, saturday, sunday'),
    ("messages: no hours at all", ('hours = "09:00-20:00"\n', ""), "messages.hours: is required"),
    ("messages: none a day", ("[messages]", "[messages]\nper_phone_per_day = 0"), "messages.per_phone_per_day: must be 1 or more"),
    ("messages: a flag as a number", ("[messages]", "[messages]\nseconds_between = true"), "messages.seconds_between: must be a number"),
    ("messages: no pause at all", ("[messages]", "[messages]\nseconds_between = 0"), "messages.seconds_between: must be more than 0"),
    ("messages: too many segments", ("[messages]", "[messages]\nmost_segments = 11"), "messages.most_segments: must be 10 or less"),
    ("surveys: no start", ("starts_on = 2026-01-01\n", ""), "surveys[0].starts_on: is required|surveys[1].starts_on: is required"),
    ("surveys: a start that is a number", ("starts_on = 2026-01-01", "starts_on = 0"), "defaults.surveys.starts_on: must be a date, such as 2026-01-31"),
    ("surveys: a start with an hour", ("starts_on = 2026-01-01", "starts_on = 2026-01-01T08:00:00"), "defaults.surveys.starts_on: must be a date, such as 2026-01-31"),
    ("surveys: no end", ("latest = { days = 10 }\n", ""), "surveys[0].latest: is required|surveys[1].latest: is required"),
    ("surveys: an end in months", ("latest = { days = 10 }", "latest = { month = 1 }"), 'defaults.surveys.latest.month: no such key; known: days|defaults.surveys.latest.days: is required'),
    ("surveys: reminders without end", ("count = 2 }", "count = 6 }"), "defaults.surveys.remind.count: must be 5 or less"),
    ("surveys: an id", ('id = "m1"', 'id = "Month 1"'), 'surveys[0].id: must be small letters, digits, "_" and "-", beginning with a letter'),
    ("surveys: two offsets", ("due = { months = 1 }", "due = { months = 1, days = 1 }"), "surveys[0].due: must be either { days = N } or { months = N }"),
    ("surveys: an instance", ('at = ["month_1_arm_1", "month_1_arm_2"]', 'at = { form = "diary", instance = 1 }'), "surveys[0]: at must be an event, or one event per arm"),
    ("surveys: a condition", ("[left_early] <> '1'", "[left_early] <> "), "surveys[1].only_when: character 16: found the end, expected \"(\", a field in brackets, + or -, a number, text in quotes or a function"),
    ("surveys: a mistyped key of the defaults", ("remind =", "remnd ="), 'defaults.surveys.remnd: no such key; did you mean "remind"?'),
    ("surveys: a blank text", ('en = "Hi {{ first_name }}, still open: {{ link }} STOP ends texts."', 'en = " "'), "defaults.surveys.reminder_texts: en must be a text in quotes, or a list of texts"),
    ("participants: no language", ('2 = "es"', '2 = "Spanish"'), "participants.languages.2: must be the code of a language, such as en or es"),
    ("message_log: no key", ('message_key = "l_key"\n', ""), "message_log.write.message_key: is required"),
    ("message_log: no such key", ('sid = "l_sid"', 'sdi = "l_sid"'), 'message_log.write.sdi: no such key; did you mean "sid"?'),
    ("message_log: two fields", ('sid = "l_sid"', 'sid = ["l_sid", "l_x"]'), "message_log.write.sid: a value is written to one field, not to a list"),
    ("development: a phone", ('["TEXTS_TO_ME"]', '["+12025550123"]'), f"development.recipients[0]: {VARIABLE}"),
    ("notify: no server", ('[notify.smtp]\nhost = "mail.example.edu"\nsender = "jobs@example.edu"\n', ""), "notify: mail_to needs [notify.smtp]"),
    ("notify: no address", ('"data@example.edu"', '"data.example.edu"'), "notify.mail_to[0]: is no mail address; such as data-manager@example.edu"),
    ("notify: half a credential", ("[notify.smtp]", '[notify.smtp]\nuser = "SMTP_USER"'), "notify.smtp: user and password belong together"),
    ("notify: a password", ("[notify.smtp]", '[notify.smtp]\nuser = "SMTP_USER"\npassword = "hunter2"'), f"notify.smtp.password: {VARIABLE}"),
    ("pauses: back to front", ("until = 2027-01-03", "until = 2026-12-03"), "pauses[0]: until lies before from"),
    ("pauses: neither", ("why =", 'texts = "later"\nwhy ='), 'pauses[0].texts: must be "wait" or "drop"'),
]  # fmt: skip

RULES = [
    ("a copy that is called production", ("[arms.drug]", '[redcap.projects.REDCAP_API_COPY]\nproject_id = 8\nrole = "production"\nin_production = false\n[arms.drug]'), 'redcap.projects.REDCAP_API_COPY.role: a second project of role production, whose participants are texted, too; write role = "development" for a copy; another cohort has a file of its own'),
    ("two surveys of one id", ('id = "m2"', 'id = "m1"'), 'messages.order[0]: no survey "m2"; known: m1|surveys[1].id: surveys[0] has the id "m1" already'),
    ("a former id of another survey", ('id = "m2"', 'id = "m2"\nformerly = ["m1"]'), 'surveys[1].formerly[0]: "m1" is the id of surveys[0]; only one survey may count what was sent under it'),
    ("its own id", ('id = "m2"', 'id = "m2"\nformerly = ["m2"]'), "surveys[1].formerly[0]: is the id that it has now; leave it out"),
    ("one anchor", ('anchor = "baseline"', 'anchor = "basline"'), 'defaults.surveys.anchor: no anchor "basline" in [participants.anchors]; did you mean "baseline"?'),
    ("an unknown arm", ('id = "m1"', 'id = "m1"\narm = "drugs"'), 'surveys[0].arm: no arm "drugs" in [arms]; did you mean "drug"?'),
    ("an unknown survey in the order", ('order = ["m2", "m1"]', 'order = ["m2", "m11"]'), 'messages.order[1]: no survey "m11"; did you mean "m1"?'),
    ("a survey twice in the order", ('order = ["m2", "m1"]', 'order = ["m2", "m1", "m2"]'), 'messages.order[2]: names "m2" a second time'),
    ("no phone", ('mobile = "[first-event-name][mobile]"\n', ""), "participants.mobile: is required; surveys need the field that holds the phone"),
    ("nobody's consent", ("may_text = \"[first-event-name][consent(3)] = '1'\"\n", ""), "participants.may_text: is required; surveys need the condition of who agreed to texts"),
    ("a choice lost", ('languages = { 1 = "en", 2 = "es" }', 'languages = { 1 = "en", 2 = "es", 3 = "pt" }'), 'defaults.surveys.instrument: lacks "pt", a language of participants.languages; add pt = ...|defaults.surveys.texts: lacks "pt", a language of participants.languages; add pt = ...|defaults.surveys.reminder_texts: lacks "pt", a language of participants.languages; add pt = ...'),
    ("a text by another name", ('es = "Hola {{ first_name }}: ', 'sp = "Hola {{ first_name }}: '), 'defaults.surveys.texts: lacks "es", a language of participants.languages; add es = ...; nobody has "sp"'),
    ("a survey's own texts are not all", ('id = "m2"', 'id = "m2"\ntexts = { en = "Now: {{ link }} STOP" }'), 'surveys[1].texts: lacks "es", a language of participants.languages; add es = ...'),
    ("languages of no field", ('language = "[first-event-name][lang]"\n', ""), "participants.language: is required; name the field whose choices participants.languages speaks of"),
    ("a field without languages", ('languages = { 1 = "en", 2 = "es" }\n', ""), 'participants.languages: is required; name the language of each choice: languages = { 1 = "en", 2 = "es" }'),
    ("texts by language, and none is known", ('language = "[first-event-name][lang]"\nlanguages = { 1 = "en", 2 = "es" }\n', ""), "|".join(f"defaults.surveys.{key}: is given by language, and nothing says which is whose; name participants.language, or give one for everybody" for key in ("instrument", "texts", "reminder_texts"))),
    ("a mistyped name", ("how is {{ child }}", "how is {{ chld }}"), 'defaults.surveys.texts.en: line 1: nothing is called chld; did you mean "child"?'),
    ("half a name", ("how is {{ child }}", "how is {{ child }"), "defaults.surveys.texts.en: line 1: it cannot be read: unexpected '}'; a text may hold {{ name }}, {% if name %} ... {% endif %} and the filters capitalize, lower, title, trim, upper"),
    ("a name from REDCap", ("how is {{ child }}", "how is [child]"), "defaults.surveys.texts.en: line 1: [child] is not filled in here; write {{ child }}"),
    ("a mistake in one of several", ('es = "Hola {{ first_name }}: {{ link }} Responda ALTO para terminar."', 'es = ["{{ link }} ALTO", "{{ lnk }} ALTO"]'), 'defaults.surveys.texts.es[1]: line 1: nothing is called lnk; did you mean "link"?'),
    ("a first name that stands nowhere", ('first_name = "[first-event-name][given]"\n', ""), "participants.first_name: is required; texts name first_name: name the field that holds it"),
    ("a text for nobody", ("how is {{ child }}?", "how is it? " + "la " * 160), "defaults.surveys.texts.en: nobody could get it: the text takes 4 segments, more than 3, with the shortest names; shorten it"),
    ("a placeholder that no text can name", ("child = ", 'first-born = "[dob]"\nchild = '), "participants.placeholders.first-born: cannot be named in a text; small letters, digits and _, and no word of the language of texts"),
    ("a placeholder of the language", ("child = ", 'not = "[dob]"\nchild = '), "participants.placeholders.not: cannot be named in a text; small letters, digits and _, and no word of the language of texts"),
    ("a placeholder that is given", ("child = ", 'link = "[dob]"\nchild = '), "participants.placeholders.link: a text has {{ link }} already; choose another name"),
    ("closer than carriers allow", ("[messages]", "[messages]\nseconds_between = 1.0"), "messages.seconds_between: must be 1.05 or more; less is for a sandbox on this machine"),
    ("one variable for two values", ('"TWILIO_NUMBER"', '"TWILIO_ACCOUNT_SID"'), "sender.number: names the same variable as account_sid"),
    ("texts to the sender", ('"TEXTS_TO_ME"', '"TWILIO_NUMBER"'), "development.recipients[0]: names the variable of sender.number; name one with a phone of yours"),
    ("two pauses on one day", ("[defaults.surveys]\n", '[[pauses]]\nfrom = 2027-01-03\nuntil = 2027-01-05\nwhy = "move"\n[defaults.surveys]\n'), "pauses[1]: overlaps pauses[0]; let one end before the other begins"),
    ("hours of each participant's own", ("may_text =", 'text_hours = "[first-event-name][given]"\nmay_text ='), "participants.text_hours: is not heeded: everybody is texted within messages.hours of their own time zone; leave it out"),
    ("an event of a log's field", ('"l_key"', '"[baseline_arm_1][l_key]"'), 'message_log.write.message_key: names an event or instance, which message_log.at and the text decide; write "l_key"'),
    ("an instance of the log", ('at = ["baseline_arm_1", "baseline_arm_2"]', 'at = { form = "log", instance = 1 }'), "message_log.at: must be an event, or one event per arm; an instance is chosen for every text: leave at out in a project without events"),
    ("two values in one field of the log", ('sid = "l_sid"', 'sid = "l_status"'), 'message_log.write.status: "l_status" on baseline_arm_1 is also written by message_log.write.sid'),
    ("a field of the log that decides", ('sid = "l_sid"', 'sid = "left_early"'), 'message_log.write.sid: "left_early" is also read, by surveys[1].only_when; write to a field of its own'),
    ("an opt-out that is written where a name stands", ('opted_out = "[first-event-name][no_texts]"', 'opted_out = "[first-event-name][given]"'), 'participants.write.opted_out: "given" is also read, by participants.first_name; write to a field of its own'),
    ("an instrument's status that is written", ('sid = "l_sid"', 'sid = "diary_complete"'), 'message_log.write.sid: "diary_complete" is also read, by surveys[0].instrument.en; write to a field of its own'),
]  # fmt: skip


def test_what_is_said_of_texts_can_be_written_out_again() -> None:
    """Hours, dates, places and texts have a written form, so that parts can be compared."""
    study = study_from_bytes(GOOD.encode(), Path("study.toml"))
    dumped = study.model_dump(mode="json", by_alias=True, exclude_defaults=True)
    assert dumped["messages"]["hours"] == {"every_day": "09:00-20:00"}
    assert dumped["pauses"][0]["from"] == "2026-12-20"
    assert dumped["surveys"][1]["texts"]["es"] == [
        "Hola {{ first_name }}: {{ link }} Responda ALTO para terminar."
    ]
    again = Study.model_validate(dumped)
    assert again.model_dump(mode="json", by_alias=True, exclude_defaults=True) == dumped


def named(cases: list[Any]) -> Any:
    return pytest.mark.parametrize(
        ("change", "expected"), [case[1:] for case in cases], ids=[case[0] for case in cases]
    )


@named(VALUES + RULES)
def test_one_mistake_gives_exactly_its_own_lines(change: tuple[str, str], expected: str) -> None:
    """Each mistake is told where it stands, once for all surveys that have it, and nothing else."""
    old, new = change
    assert old in GOOD
    told = findings(GOOD.replace(old, new, 1))
    assert told == [f"study.toml: {line}" for line in expected.split("|")]


@named(VALUES + RULES)
def test_every_mistake_names_its_line(change: tuple[str, str], expected: str) -> None:
    """Each is told with a line of the file: its own, or that of the table which lacks it."""
    with pytest.raises(StudyFileError) as error:
        study_from_bytes(GOOD.replace(*change, 1).encode(), Path("study.toml"))
    for finding in error.value.findings:
        assert re.match(r"study\.toml:[1-9]\d*: ", str(finding)), expected


@pytest.mark.parametrize("table", ["sender", "messages", "message_log"])
def test_surveys_need_whole_tables(table: str) -> None:
    """Without sender, hours or log no survey can be asked for, and the table to add is named."""
    [told] = findings(without_table(table))
    assert told.startswith(f"study.toml: {table}: is required; surveys need [{table}]: ")


def test_a_study_without_surveys_needs_nothing_of_texts() -> None:
    """Who does not text yet may leave out every table about texts, or prepare some of them."""
    without = re.sub(r"(?s)\[\[surveys\]\].*", "", GOOD).replace('order = ["m2", "m1"]', "")
    assert findings(without) == []
    start = without.index("[sender]"), without.index("[defaults.surveys]")
    assert findings(without[: start[0]] + without[start[1] :]) == []


def test_two_former_ids_are_told_at_the_second() -> None:
    """What was sent under one former id counts for one survey only."""
    text = GOOD.replace('id = "m1"', 'id = "m1"\nformerly = ["x", "y"]').replace(
        'id = "m2"', 'id = "m2"\nformerly = ["z", "y"]'
    )
    [told] = findings(text)
    assert told.startswith('study.toml: surveys[1].formerly[1]: "y" was an id of surveys[0], too')


@pytest.mark.parametrize("url", ["http://127.0.0.1:8071", "http://localhost:8071"])
def test_a_sandbox_may_be_plain_and_fast(url: str) -> None:
    """Against this machine alone texts may go over plain http, and closer than carriers allow."""
    text = GOOD.replace("[sender]", f'[sender]\nurl = "{url}"')
    assert findings(text.replace("[messages]", "[messages]\nseconds_between = 0.01")) == []


SECRETS = [
    ("account_sid = ", "AC" + "0123456789abcdef" * 2),
    ("number = ", "+12025550123"),
    ("auth_token = ", "0123456789abcdef" * 2),
    ("recipients = ", "+12025550123"),
    ("mail_to = ", "someone at example"),
    ("sender = ", {"user": "someone", "password": "Xq7pLm2vTz9bKd4sRw8n"}),
]


@pytest.mark.parametrize(("key", "value"), SECRETS, ids=[key for key, _ in SECRETS])
def test_a_value_in_the_place_of_its_name_is_refused_and_not_repeated(key: str, value: Any) -> None:
    """Whoever writes the phone or the key itself reads what to do, and the log does not read it."""
    quoted = value if isinstance(value, dict) else {"": value}
    lines = [f'{name or key.strip(" =")} = "{each}"' for name, each in quoted.items()]
    listed = [re.sub(r"= (.*)", r"= [\1]", line) for line in lines]
    own = listed if key in {"recipients = ", "mail_to = "} else lines
    if isinstance(value, dict):
        own = ['sender = "jobs@example.edu"', *lines]
    text = re.sub(rf"(?m)^{key}.*$", "\n".join(own), GOOD, count=1)
    assert text != GOOD
    told = "\n".join(findings(text))
    assert told
    assert [each for each in quoted.values() if each in told] == []


DOUBTS = [
    ("a text that asks for nothing", ("still open: {{ link }} STOP", "still open. STOP"), "defaults.surveys.reminder_texts.en: holds no {{ link }}; without it nobody can answer"),
    ("no way out", (" STOP ends texts.", ""), "defaults.surveys.texts.en: does not say how to get no more texts; such as: Reply STOP to get no more texts (Spanish: Responda ALTO ...)"),
    ("a way out in small letters", ("STOP ends", "stop ends"), ""),
    ("long names", ("how is {{ child }}?", "how is {{ child }}, and {{ child }}, and " + "la " * 30), "defaults.surveys.texts.en: takes up to 4 segments with a long name, more than most_segments = 3; shorten it: an accent in a name leaves 67 characters to a segment"),
    ("reminders beyond latest", ("days_apart = 3", "days_apart = 6"), "defaults.surveys.remind: the last reminder would be due 12 days after the survey, but latest is 10; fewer, closer together, or a later latest"),
    ("reminders just in time", ("days_apart = 3", "days_apart = 5"), ""),
    ("reminders that are never sent", ("remind = { days_apart = 3, count = 2 }\n", ""), "defaults.surveys.reminder_texts: are never sent, for there is no remind; add remind, or leave them out"),
    ("a production project that is not in production", ("in_production = true", "in_production = false"), 'redcap.projects.REDCAP_API_SNOW.in_production: is false, and role = "production" texts the participants themselves; a copy for trying things out is role = "development"'),
    ("no field for opt-outs", ('opted_out = "[first-event-name][no_texts]"\n', ""), "participants.write.opted_out: is not given: a STOP then holds for the phone it came from, not for a new one; name a yes-no field, which is ticked and read again"),
    ("a language of nobody", ("[defaults.surveys.texts]\n", '[defaults.surveys.texts]\npt = "{{ link }} STOP"\n'), "defaults.surveys.texts.pt: is for a language that participants.languages gives nobody"),
]  # fmt: skip


@named(DOUBTS)
def test_a_doubt_is_a_warning_and_the_file_loads(change: tuple[str, str], expected: str) -> None:
    """What may be meant stops nothing: it is told by check, once for all surveys that have it."""
    old, new = change
    assert old in GOOD
    told = doubts(GOOD.replace(old, new, 1))
    assert told == ([f"warning: study.toml: {expected}"] if expected else [])


def of_texts() -> Iterator[tuple[Any, ...]]:
    """Yield the key paths of the bundled study that are about texts."""
    for path in key_paths(tomllib.loads(bundled_study_text("ismile"))):
        if path[0] in TABLES or path[:2] == ("defaults", "surveys"):
            yield path


@pytest.mark.parametrize("path", list(of_texts()), ids=lambda path: ".".join(map(str, path)))
def test_no_value_of_texts_breaks_the_checking_itself(path: tuple[Any, ...]) -> None:
    """Whatever stands in a key's place, or nothing at all, there are findings and no traceback."""
    dice = Random(str(path))  # noqa: S311 - repeatable, no secret
    junk = [*JUNK, float("nan"), float("inf"), {"en": [1]}, {"en": "x", "": "y"}, ["a", "a"], None]
    for value in (*dice.sample(junk, 3), None):
        written = tomllib.loads(bundled_study_text("ismile"))
        table: Any = written
        for step in path[:-1]:
            table = table[step]
        if value is None:
            del table[path[-1]]
        else:
            table[path[-1]] = value
        study, flaws = judge(with_defaults(written))
        assert (study is None) == bool(flaws)
        if study is not None:
            assert all(each.severity == "warning" for each in check_doubts(study))
        assert len(in_file_order(flaws, written)) == len(set(in_file_order(flaws, written)))
