"""The rights in rows of users and roles: which columns, in which order, and what they may hold."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from redcap_jobs.sandbox.members import RIGHT_NAMES, Rights
from redcap_jobs.sandbox.parameters import Refusal
from redcap_jobs.sandbox.people_rows import PersonRow
from redcap_jobs.sandbox.project import Settings

COMMON = (
    *("design", "alerts", "user_rights", "data_access_groups", "reports", "stats_and_charts"),
    *("manage_survey_participants", "calendar", "data_import_tool", "data_comparison_tool"),
    *("logging", "email_logging", "file_repository", "data_quality_create"),
    *("data_quality_execute", "api_export", "api_import", "api_modules", "mobile_app"),
    *("mobile_app_download_data", "record_create", "record_rename", "record_delete"),
)
OF_USERS = (*COMMON, "lock_records_all_forms", "lock_records", "lock_records_customization")
OF_ROLES = (*COMMON, "lock_records_customization", "lock_records", "lock_records_all_forms")
"""Order recorded from 14.x servers by REDCapR (users) and in PyCap's docstrings (roles)."""
RANDOMIZATION = ("random_setup", "random_dashboard", "random_perform")

NO_RIGHTS = Rights(dict.fromkeys(RIGHT_NAMES, 0), {}, {})
OF_THE_CREATOR = Rights(
    dict.fromkeys(RIGHT_NAMES, 1)
    | dict.fromkeys(
        (
            *("record_delete", "record_rename"),
            *("lock_records_all_forms", "lock_records", "lock_records_customization"),
        ),
        0,
    )
)
"""What whoever creates a project gets: PyCap's and REDCap.jl's tests must grant themselves the rest."""

LEVELS = {"user_rights": 3, "lock_records": 3}
"""How many levels a right has; the others have two."""
FORM_CODES = frozenset({"0", "1", "2", "3"})


def columns(names: Sequence[str], settings: Settings) -> list[str]:
    """Return the columns of rights: those of randomization only where it is enabled."""
    return [*names, *(RANDOMIZATION if settings.randomization_enabled else ())]


@dataclass(frozen=True)
class Forms:
    """The project's forms, and what a row is about: ``user`` or ``user role``, in refusals."""

    names: Sequence[str]
    subject: str

    def mistakes(self, row: PersonRow, who: str) -> list[str]:
        """Return a line per form that does not exist; recorded for roles."""
        return [
            f'The form named "{form}" is incorrect for the {self.subject} "{who}" The form does not '
            "exist in this project."
            for codes in row.forms.values()
            for form in codes
            if form not in self.names
        ]

    def codes(self, given: Mapping[str, str]) -> dict[str, int]:
        """Return every form's code: one that is left out has none (recorded by redcapAPI)."""
        for form, code in given.items():
            if code not in FORM_CODES:
                raise Refusal(400, f'The value "{code}" is not valid for the form "{form}"')
        return {form: int(given.get(form, "0")) for form in self.names}

    def shown(self, codes: Mapping[str, int], default: int = 1) -> dict[str, int]:
        """Return the codes as they are exported: of every form."""
        return {form: codes.get(form, default) for form in self.names}


def changed(before: Rights, row: PersonRow, forms: Forms) -> Rights:
    """Return rights with what a row sets; what it does not name stays.

    ``data_export`` is the one code for all forms of older versions; it counts where
    ``forms_export`` is not sent (own answer).
    """
    granted = dict(before.granted)
    for name in RIGHT_NAMES:
        value = row.cells.get(name, "")
        if value:
            granted[name] = level(name, value)
    rights = replace(before, granted=granted)
    if "forms" in row.forms:
        rights = replace(rights, forms=forms.codes(row.forms["forms"]))
    if "forms_export" in row.forms:
        return replace(rights, forms_export=forms.codes(row.forms["forms_export"]))
    everywhere = row.cells.get("data_export", "")
    if everywhere:
        return replace(rights, forms_export=forms.codes(dict.fromkeys(forms.names, everywhere)))
    return rights


def level(name: str, value: str) -> int:
    """Return a right's level."""
    allowed = [str(one) for one in range(LEVELS.get(name, 2))]
    if value not in allowed:
        raise Refusal(400, f'The value "{value}" is not valid for "{name}"')
    return int(value)


def names_rights(row: PersonRow) -> bool:
    """Tell whether a row sets any right."""
    return bool(row.forms) or any(row.cells.get(name) for name in (*RIGHT_NAMES, "data_export"))


def new_rights(forms: Forms) -> Rights:
    """Return the rights of somebody of whom nothing is said: none (recorded)."""
    return replace(
        NO_RIGHTS, forms=dict.fromkeys(forms.names, 0), forms_export=dict.fromkeys(forms.names, 0)
    )
