"""A study file against the project it is for: every name, place and type, all findings at once.

Pure: the project's structure comes in, findings come out. What the server must be asked for is
read by the command; who may do what in REDCap cannot be asked without rights of its own, so a
token that may not write is noticed at the first import.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import Literal

from redcap_jobs.errors import Finding
from redcap_jobs.redcap.project import Project, ProjectInfo
from redcap_jobs.study.check_fields import field_flaws
from redcap_jobs.study.check_overlap import overlap_flaws
from redcap_jobs.study.check_partner import partner_flaws
from redcap_jobs.study.check_places import arm_flaws, place_flaws
from redcap_jobs.study.check_texts import text_flaws
from redcap_jobs.study.check_types import missing_code_flaws
from redcap_jobs.study.config import Study
from redcap_jobs.study.doubts_texts import text_doubts
from redcap_jobs.study.flaws import Flaw, in_file_order
from redcap_jobs.study.key_lines import key_lines, place
from redcap_jobs.study.nearest import did_you_mean
from redcap_jobs.study.uses import EVERYTHING, About


@dataclass(frozen=True)
class CheckFinding(Finding):
    """A finding that is an error (nothing may run) or a warning (somebody should look)."""

    severity: Literal["error", "warning"] = "error"

    def __str__(self) -> str:
        return ("warning: " if self.severity == "warning" else "") + super().__str__()


def check_against(
    study: Study,
    project: Project,
    *,
    outputs: bool = True,
    about: Collection[About] = EVERYTHING,
) -> list[CheckFinding]:
    """Compare a study file with a project's dictionary, events, arms and choices.

    Returns all findings in file order: names that do not exist (with the nearest right one),
    fields that are not on the events where they are looked for, types that do not fit. An empty
    list means that every name stands for what the file takes it for. ``outputs=False`` is for a
    project that is only read: the fields that jobs write are not looked for in it. ``about`` is
    for a job that texts nobody, say: what is none of its business is passed over.
    """
    places = list(place_flaws(study, project))
    if "texts" in about:
        places += text_flaws(study, project, outputs=outputs)
    if "partner" in about:
        places += partner_flaws(study, project, outputs=outputs)
    misplaced = {flaw.path[:2] for flaw in places if flaw.path[2:] == ("at",) and not flaw.warning}
    fields = field_flaws(study, project, misplaced, outputs=outputs, about=about)
    if outputs:
        places += missing_code_flaws(study, project)
    places += overlap_flaws(study, project)
    return findings(study, [*arm_flaws(study, project), *places, *fields])


def check_identity(study: Study, name: str, info: ProjectInfo) -> list[CheckFinding]:
    """Compare what the file says of the token called ``name`` with what the server says."""
    return findings(study, identity_flaws(study, name, info))


def check_sites(study: Study, groups: Collection[str]) -> list[CheckFinding]:
    """Compare ``[sites]`` with the data access groups that some record is in; warnings only."""
    missing = [name for name in study.sites if name not in groups]
    flaws = [
        Flaw(
            ("sites", name),
            "no record is in a data access group of that unique name",
            did_you_mean(name, set(groups) - set(study.sites)),
            warning=True,
        )
        for name in missing
    ]
    return findings(study, flaws)


def check_to_do(study: Study) -> list[CheckFinding]:
    """Report every guess of ``redcap-jobs init`` that nobody has confirmed yet."""
    return [
        CheckFinding(
            f"{study.path}:{line}",
            f"a guess that nobody has confirmed: {what}",
            "correct or confirm it, then delete the TO-DO",
        )
        for line, what in study.to_do
    ]


def check_doubts(study: Study) -> list[CheckFinding]:
    """Report what stops nothing in the file itself and should be looked at; warnings only."""
    return findings(study, text_doubts(study))


def findings(study: Study, flaws: list[Flaw] | Iterator[Flaw]) -> list[CheckFinding]:
    """Turn flaws into findings with file, line and key path, in file order, each told once."""
    written = study.written or study.model_dump(mode="json", by_alias=True, exclude_defaults=True)
    lines = key_lines(study.text)
    return [
        CheckFinding(
            place(study.path, flaw.path, lines),
            flaw.what,
            flaw.hint,
            "warning" if flaw.warning else "error",
        )
        for flaw in in_file_order(flaws, written)
    ]


def identity_flaws(study: Study, name: str, info: ProjectInfo) -> Iterator[Flaw]:
    """Yield where the server contradicts what is declared of a token's project."""
    declared = study.redcap.projects.get(name)
    at = ("redcap", "projects", name)
    if declared is None:
        hint = did_you_mean(name, study.redcap.projects)
        says = f"the server says project {info.project_id}"
        yield Flaw(at, f"is missing: nothing says which project {name} belongs to; {says}", hint)
        return
    if info.project_id != declared.project_id:
        what = f"the token opens project {info.project_id}, not {declared.project_id}"
        yield Flaw((*at, "project_id"), what, "correct the token or the file")
    if info.in_production != declared.in_production:
        says = "in production" if info.in_production else "in development"
        what = f"the server says project {info.project_id} is {says}"
        yield Flaw((*at, "in_production"), what, "correct whichever is wrong")
