"""The first files of a study: a study file to correct, a ``.env`` to fill in, fields to add."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import chain, count
from pathlib import Path

from redcap_jobs.errors import UsageError
from redcap_jobs.redcap.project import Project
from redcap_jobs.study.config import Study
from redcap_jobs.study.guesses import (
    GuessedVisit,
    guess_anchor,
    guess_done_on,
    guess_visits,
    slug,
)
from redcap_jobs.study.loading import draft_study
from redcap_jobs.study.output_fields import as_csv, instrument_zips, missing_rows
from redcap_jobs.study.starter_texts import (
    TODO,
    commented,
    listed,
    on_first_event,
    participants_lines,
    quoted,
    texts_section,
    uncommented,
    write_lines,
)

STUDY_FILE = "study.toml"
ENV_FILE = ".env"
FIELDS_FILE = "output_fields.csv"

EXAMPLE_VISITS = [
    GuessedVisit("baseline", "Baseline", ("baseline_arm_1",), "days = 0", (0, 14), sure=False),
    GuessedVisit("m1", "Month 1", ("month_1_arm_1",), "months = 1", (7, 14), sure=False),
]


@dataclass(frozen=True)
class Source:
    """What a first study file is made from: the server, the token's name, the project if known."""

    url: str = "https://redcap.example.edu/api/"
    token: str = "REDCAP_API_STUDY_DEV"  # noqa: S105 - the name of a variable
    project: Project | None = None


def study_text(source: Source) -> str:
    """Write a commented study file; every guess carries a ``TO-DO`` that ``check`` reports."""
    project = source.project
    visits = guess_visits(project) if project and project.events else EXAMPLE_VISITS
    sections = [
        HEAD.format(
            id=slug(project.info.title) if project and project.info.title else "study",
            name=quoted((project.info.title if project else "") or "Study"),
            todo_name="" if project else f"  {TODO} the study's name, as in its documents",
        ),
        server_section(source),
        arms_section(project),
        participants_section(project),
        visits_section(project),
        *(visit_section(visit, project) for visit in visits),
        TEXTS_HEAD + commented(texts_section(project, visits)),
    ]
    return "\n".join(sections)


HEAD = f"""\
# The study file. Fields and conditions are written as in REDCap: "[baseline_arm_1][enrol_date]",
# "[consent(1)] = '1'". Without an event a field is on the visit's own event.
# A guess is marked TO-DO: correct or confirm it, then delete the mark. After every change type:
#   redcap-jobs check study.toml

format = 1

[study]
id = "{{id}}"  {TODO} the study's id; it never changes, and is the same for every copy
name = {{name}}{{todo_name}}
time_zone = "UTC"  {TODO} the study's zone, such as "America/Los_Angeles"
"""


TEXTS_HEAD = f"""\
# Texts: take the "# " away from the lines below, and from those of [participants] about texts. To
# text nobody, delete all of them.  {TODO} one or the other

"""


def server_section(source: Source) -> str:
    """Write where the data are, and which project the token must open."""
    info = source.project.info if source.project else None
    flag = "" if info else f"  {TODO} true once the project was moved to production in REDCap"
    role = "production" if info and info.in_production else "development"
    todo = "" if info else f"  {TODO} as shown in REDCap beside the project's title"
    return f"""\
[redcap]
url = {quoted(source.url)}{"" if info else f"  {TODO} the API address of your REDCap"}

# One table per token, named like the variable in .env that holds it.
[redcap.projects.{source.token}]
project_id = {info.project_id if info else 1}{todo}
role = "{role}"{"" if info else f"  {TODO} production, development or source"}
in_production = {str(bool(info and info.in_production)).lower()}{flag}
"""


def arms_section(project: Project | None) -> str:
    """Write the arms, where there is more than one."""
    arms = sorted({event.arm for event in project.events}) if project else []
    if len(arms) < 2:
        return ""
    lines = ["# A record is only ever written in its own arm: by its rows, or by a condition."]
    for arm in arms:
        lines += [
            f"[arms.arm_{arm}]",
            f"number = {arm}",
            f"# when = \"[first-event-name][rand_group] = '{arm}'\"  {TODO} the randomisation field; or delete the line",
        ]
    return "\n".join(lines) + "\n"


def participants_section(project: Project | None) -> str:
    """Write who takes part and the anchor date."""
    anchor = guess_anchor(project) if project else None
    event = on_first_event(project)
    return f"""\
[participants]
# who = "{event}[consent(1)] = '1'"  {TODO} who takes part; delete the line if everybody does
{commented(participants_lines(project))}
[participants.anchors]
baseline = "{event}[{anchor or "enrol_date"}]"  {TODO} the date that visits are counted from

[participants.write]
pending_visit = "{event}[vt_pending_visit]"
{commented(write_lines(project))}
# [[participants.off_study]]  {TODO} take the "#" away from these three lines, or delete them
# when = "{event}[off_study] = '1'"  {TODO} who is off study
# from = "{event}[off_study_date]"  {TODO} the date since when
"""


def visits_section(project: Project | None) -> str:
    """Write what all visits have in common."""
    done = (guess_done_on(project) if project else None) or "visit_date"
    form = project.field(done).form if project and done in project.fields else "visit"
    return f"""\
[defaults.visits]
anchor = "baseline"
done_on = "{done}"  {TODO} the date field that says when a visit took place
done_form = "{form}"  {TODO} the instrument that is complete after it

[defaults.visits.write]
target = "vt_target"
opens = "vt_opens"
closes = "vt_closes"
state = "vt_state"
flags = "vt_flags"
days_from_target = "vt_days_from_target"
stamp = "vt_last_timestamp"
"""


def visit_section(visit: GuessedVisit, project: Project | None) -> str:
    """Write one visit."""
    widths = visit.widths or (7, 7)
    from_redcap = f"  {TODO} REDCap's offsets; may be mere order numbers" if visit.sure else ""
    todo = from_redcap or f"  {TODO} as in the protocol"
    place = listed(visit.events)
    named = ""
    if project is None:
        named = f"  {TODO} this visit's id, which never changes, and its name"
        place += f"  {TODO} the unique event name, one per arm"
    if project is not None and not project.events:
        instance = 1 + [each.id for each in EXAMPLE_VISITS].index(visit.id)
        form = quoted(repeating_form(project))
        place = f"{{ form = {form}, instance = {instance} }}  {TODO} which instance"
    return f"""\
[[visits]]
id = "{visit.id}"{named}
name = {quoted(visit.name)}
at = {place}
target = {{ {visit.target or "days = 0"} }}{todo}
windows = [{{ early = {widths[0]}, late = {widths[1]} }}]{todo}
"""


def repeating_form(project: Project) -> str:
    """Guess whose instances the visits of a classic project are: that with the visit date."""
    forms = sorted(form for _, form in project.repeating)
    done = guess_done_on(project)
    held_on = project.fields[done].form if done is not None else ""
    return held_on if held_on in forms else next(iter(forms), "visit")


def env_text(
    tokens: Iterable[str], of_texts: Iterable[str] = (), of_partner: Iterable[str] = ()
) -> str:
    """Write a ``.env`` with names left blank: of tokens, texts, the partner; and a key of its own."""
    names = "\n".join(f"{name}=" for name in tokens)
    texts = "".join(f"{name}=\n" for name in of_texts)
    if texts:
        texts = f"\n# Who texts, and phones that development runs may text, such as +12025550123.\n{texts}"
    partner = "".join(f"{name}=\n" for name in of_partner)
    if partner:
        partner = (
            "\n# What opens the texting partner: its members, and those it keeps for trials.\n"
            f"{partner}"
        )
    return f"""\
# Credentials; read with --env-file. Nobody but you may read this file (mode 600).
# Values are taken as they stand: no quotes needed, no ${{...}} is replaced.

# One REDCap API token per project: 32 characters, from the project's API page.
{names}
{texts}{partner}
# Where the state lives. Left blank, redcap-jobs state init --env-file FILE makes one beside this
# file and writes its address here. Another place: sqlite:////srv/redcap-jobs/state/state.db
REDCAP_JOBS_STATE_URL=

# The key of the fingerprints by which changes are noticed without keeping values. Made up for
# this file alone: keep it as long as the state.
REDCAP_JOBS_HASH_KEY={secrets.token_urlsafe(32)}
"""


def starter_files(text: str, study: Study, project: Project | None) -> dict[str, str | bytes]:
    """Return the files of a new study by name; field files only where fields are lacking.

    What is commented out counts: the fields and variables of texts come along with the others.
    """
    whole = draft_study(uncommented(text), study.path)
    files: dict[str, str | bytes] = {
        STUDY_FILE: text,
        ENV_FILE: env_text(
            study.redcap.projects, variables_of_texts(whole), variables_of_partner(whole)
        ),
    }
    rows = missing_rows(whole, project)
    if rows:
        files |= {FIELDS_FILE: as_csv(rows), **instrument_zips(rows)}
    return files


def variables_of_texts(study: Study) -> list[str]:
    """Name the variables of the sender, the development recipients and the mail server."""
    smtp = study.notify.smtp
    named = [*(study.sender.variables if study.sender else ()), *study.development.recipients]
    named += [name for name in (smtp.user, smtp.password) if name] if smtp else []
    return list(dict.fromkeys(named))


def variables_of_partner(study: Study) -> list[str]:
    """Name the variables that open the texting partner, production's first."""
    partner = study.partner
    if partner is None:
        return []
    trial = partner.development.variables if partner.development else ()
    return list(dict.fromkeys([*partner.variables, *trial]))


def write_files(directory: Path, files: dict[str, str | bytes], *, force: bool) -> list[Path]:
    """Write files into a folder, all or none; ``.env`` for its owner only.

    With ``force`` a file that exists is not lost: it is kept as ``NAME.old`` (``.old2``, …).

    Raises:
        UsageError: Some exist already and ``force`` is not given; the message names them all.

    """
    paths = {directory / name: content for name, content in files.items()}
    there = [path for path in paths if os.path.lexists(path)]
    if there and not force:
        raise UsageError(
            f"{', '.join(str(path) for path in there)}: not overwritten; choose another folder, "
            "or --force, which keeps the old as NAME.old"
        )
    directory.mkdir(parents=True, exist_ok=True)
    for path in there:
        path.rename(free_name(path))
    for path, content in paths.items():
        mode = 0o600 if path.name == ENV_FILE else 0o644
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
        with os.fdopen(descriptor, "wb") as file:
            file.write(content.encode() if isinstance(content, str) else content)
    return list(paths)


def free_name(path: Path) -> Path:
    """Return the first of ``NAME.old``, ``NAME.old2``, … that does not exist."""
    names = (path.with_name(f"{path.name}.old{number}") for number in count(2))
    candidates = chain([path.with_name(f"{path.name}.old")], names)
    return next(each for each in candidates if not os.path.lexists(each))
