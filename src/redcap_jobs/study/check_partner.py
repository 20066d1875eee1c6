"""Whether the table of the partner's fields fits the project's choices and types."""

from __future__ import annotations

import re
from collections.abc import Iterator

from redcap_jobs.redcap.project import Field, Project
from redcap_jobs.study.check_types import DATE_FIELD, NEVER_WRITTEN, ONE_CHOICE, YES_NO, Fits
from redcap_jobs.study.config import Study
from redcap_jobs.study.flaws import Flaw, KeyPath
from redcap_jobs.study.nearest import did_you_mean
from redcap_jobs.study.partner_config import Partner, PartnerField

WITH_CHOICES = ONE_CHOICE | YES_NO
NUMBER = Fits("|integer|number", "a text field, best with integer validation")
WORDS = Fits("", "a text field without validation", notes=True)
CODE = Fits("", "a text field without validation, or one with choices", choices=True)
FITTING = {
    "date": DATE_FIELD,
    "whole": NUMBER,
    "choice": CODE,
    "text": WORDS,
    "phone": Fits("|phone", "a text field"),
}


def partner_flaws(study: Study, project: Project, *, outputs: bool = True) -> Iterator[Flaw]:
    """Yield where ``[partner]`` and the project's dictionary do not fit.

    That a field does not exist, or is not on its event, is told with all other fields.
    ``outputs=False`` is for a project that is only read.
    """
    partner = study.partner
    if partner is None:
        return
    for index, each in enumerate(partner.fields):
        at: KeyPath = ("partner", "fields", index)
        for reference in each.redcap:
            field = project.fields.get(reference.field)
            if field is None:
                continue
            if each.owner == "redcap":
                yield from translation_flaws(at, each, field, project)
            elif outputs:
                yield from copy_flaws(at, each, field)
    if outputs:
        yield from status_flaws(partner, project)


def translation_flaws(
    at: KeyPath, each: PartnerField, field: Field, project: Project
) -> Iterator[Flaw]:
    """Yield choices of REDCap's that have no translation, and translations of none."""
    choices = {choice.code: choice.label for choice in field.choices}
    if each.values is None:
        if field.type in WITH_CHOICES:
            what = f'"{field.name}" has choices, and the table translates none of them'
            hint = "add values = {{ {} }}".format(", ".join(f'{code} = "..."' for code in choices))
            yield Flaw((*at, "redcap"), what, hint)
        return
    if field.type not in WITH_CHOICES:
        what = f'"{field.name}" has no choices to translate (type {field.type})'
        yield Flaw((*at, "values"), what)
        return
    for code, label in choices.items():
        if code not in each.values:
            what = f'choice {code} ("{label}") of "{field.name}" has no translation'
            yield Flaw((*at, "values"), what, f'add {code} = "..."')
    for code in each.values:
        if code not in choices and code not in project.missing_data_codes:
            what = f'"{field.name}" has no choice {code}'
            yield Flaw((*at, "values", code), what, did_you_mean(code, choices))


def copy_flaws(at: KeyPath, each: PartnerField, field: Field) -> Iterator[Flaw]:
    """Yield why a field cannot take what the partner owns."""
    name, fits = f'"{field.name}"', FITTING[each.kind]
    if field.type in YES_NO | ONE_CHOICE and each.values is not None:
        codes = {choice.code for choice in field.choices}
        lacking = [code for code in each.values if code not in codes]
        if lacking:
            what = f"{name} lacks choices that will be written: {', '.join(lacking)}"
            yield Flaw((*at, "values"), what, "add them in REDCap")
    elif field.type in NEVER_WRITTEN | ONE_CHOICE:
        yield Flaw((*at, "redcap"), f"{name} cannot be written (type {field.type})", fits.words)
    elif field.type == "text" and not re.fullmatch(fits.validation, field.validation or ""):
        what = f"{name} has the wrong validation for this ({field.validation or 'none'})"
        yield Flaw((*at, "redcap"), what, f"use {fits.words}")


def status_flaws(partner: Partner, project: Project) -> Iterator[Flaw]:
    """Yield codes of ``[partner.statuses]`` that the status field does not have."""
    for reference in partner.write.status:
        field = project.fields.get(reference.field)
        if field is None or field.type not in ONE_CHOICE:
            continue
        codes = {choice.code for choice in field.choices}
        for word, code in partner.statuses.items():
            if code not in codes:
                what = f'"{field.name}" has no choice {code}'
                yield Flaw(("partner", "statuses", word), what, did_you_mean(code, codes))
